//! All that the server knows: accounts, connections being paired, faults, and the journal.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use tokio::sync::watch;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::wire::Node;
use wa_types::{Jid, Server, UnixMillis};

use crate::account::{Account, Device, DeviceKey, DeviceKeys};
use crate::config::Config;
use crate::faults::{ChaosState, FaultBook};
use crate::group::Groups;
use crate::hub::Hub;
use crate::journal::{Direction, Journal, Subject};
use crate::key_reuse::SeenKeys;
use crate::media::MediaStore;
use crate::metrics::Metrics;
use crate::newsletter::Newsletters;
use crate::pairing::Pairings;
use crate::people::{People, Picture};

/// The server's whole memory. One lock guards it; every stanza is handled to its end under that lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) accounts: Vec<Account>,
    by_pn: HashMap<String, usize>,
    by_lid: HashMap<String, usize>,
    pub(crate) groups: Groups,
    /// The pictures of users, by phone number, and of groups.
    pub(crate) pictures: HashMap<Jid, Picture>,
    /// News of groups that go out with the answer to the request at hand.
    pub(crate) news: Vec<(DeviceKey, Arc<Node>)>,
    pub(crate) newsletters: Newsletters,
    pub(crate) media: MediaStore,
    pub(crate) pairings: Pairings,
    pub(crate) faults: FaultBook,
    pub(crate) chaos: Option<ChaosState>,
    pub(crate) journal: Journal,
    pub(crate) metrics: Metrics,
    pub(crate) seen_keys: SeenKeys,
    /// Stanzas tell one address of a user only.
    pub(crate) hides_addresses: bool,
    /// The time of the last message, microseconds; no two messages share one.
    last_micros: u64,
    next_id: u64,
    bell: watch::Sender<u64>,
    /// For what happens later; nobody to call before the server runs.
    pub(crate) hub: Weak<Hub>,
}

impl State {
    pub(crate) fn new(config: Config, bell: watch::Sender<u64>) -> Self {
        Self {
            journal: Journal::new(config.journal),
            config,
            accounts: Vec::new(),
            by_pn: HashMap::new(),
            by_lid: HashMap::new(),
            groups: Groups::default(),
            pictures: HashMap::new(),
            news: Vec::new(),
            newsletters: Newsletters::default(),
            media: MediaStore::default(),
            pairings: Pairings::default(),
            faults: FaultBook::default(),
            chaos: None,
            metrics: Metrics::default(),
            seen_keys: SeenKeys::default(),
            hides_addresses: false,
            last_micros: 0,
            next_id: 0,
            bell,
            hub: Weak::new(),
        }
    }

    /// A new account with its phone; the numbers are invented.
    pub(crate) fn create_account(&mut self, name: &str, keys: DeviceKeys) -> usize {
        let index = self.accounts.len();
        let pn = Jid::pn((FIRST_PN + index as u64).to_string());
        let lid = Jid::lid((FIRST_LID + 7 * index as u64).to_string());
        self.by_pn.insert(pn.user().to_owned(), index);
        self.by_lid.insert(lid.user().to_owned(), index);
        self.accounts.push(Account {
            name: name.to_owned(),
            pn,
            lid,
            devices: [(0, Device::new(keys, QUEUE))].into(),
            next_device: 1,
            key_index_list: None,
            contacts: BTreeSet::new(),
            about: None,
            blocked: BTreeSet::new(),
            privacy: BTreeMap::new(),
            last_seen: None,
            people: People::default(),
            app_states: crate::app_state::AppStates::default(),
        });
        index
    }

    /// Gives an account another LID; the one before, which still leads to it.
    pub(crate) fn set_lid(&mut self, index: usize, lid: Jid) -> Option<Jid> {
        let account = self.accounts.get_mut(index)?;
        self.by_lid.insert(lid.user().to_owned(), index);
        Some(std::mem::replace(&mut account.lid, lid))
    }

    /// The account of a user, a device, or a hosted form of either.
    pub(crate) fn account_of(&self, jid: &Jid) -> Option<usize> {
        let users = match jid.server().folded() {
            Server::Pn => &self.by_pn,
            Server::Lid => &self.by_lid,
            _ => return None,
        };
        users.get(jid.user()).copied()
    }

    /// Which device an address names; the device need not exist.
    pub(crate) fn device_key(&self, jid: &Jid) -> Option<DeviceKey> {
        Some(DeviceKey { account: self.account_of(jid)?, number: jid.device() })
    }

    pub(crate) fn account(&self, index: usize) -> Option<&Account> {
        self.accounts.get(index)
    }

    pub(crate) fn device(&self, key: DeviceKey) -> Option<&Device> {
        self.accounts.get(key.account)?.devices.get(&key.number)
    }

    pub(crate) fn device_mut(&mut self, key: DeviceKey) -> Option<&mut Device> {
        self.accounts.get_mut(key.account)?.devices.get_mut(&key.number)
    }

    /// The address of a device in the namespace of `like`.
    pub(crate) fn jid_of(&self, key: DeviceKey, like: &Jid) -> Jid {
        self.accounts
            .get(key.account)
            .map_or(Jid::SERVER, |account| account.jid_like(like).clone().with_device(key.number))
    }

    /// The devices of an account.
    pub(crate) fn devices_of(&self, account: usize) -> Vec<DeviceKey> {
        let numbers = self.accounts.get(account).into_iter().flat_map(|account| account.devices.keys());
        numbers.map(|&number| DeviceKey { account, number }).collect()
    }

    /// An id that no other stanza or connection of this server has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A code that nobody guesses, 22 characters.
    pub(crate) fn new_code(&mut self) -> String {
        use base64::Engine as _;
        let bytes: [u8; 16] = SystemRandom.array();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Wall time in seconds, for stanzas.
    pub(crate) fn now_seconds(&self) -> u64 {
        UnixMillis::from_system_time(std::time::SystemTime::now()).to_seconds().0
    }

    /// Wall time in microseconds, later than every time given before.
    pub(crate) fn tick(&mut self) -> u64 {
        let now = UnixMillis::from_system_time(std::time::SystemTime::now()).0.saturating_mul(1000);
        self.last_micros = now.max(self.last_micros + 1);
        self.last_micros
    }

    /// Writes a stanza into the journal and wakes whoever waits for one.
    pub(crate) fn note(&mut self, subject: Subject, direction: Direction, node: &Node) {
        self.note_shared(subject, direction, Arc::new(node.clone()));
    }

    /// [`Self::note`] of a stanza that many devices get.
    pub(crate) fn note_shared(&mut self, subject: Subject, direction: Direction, node: Arc<Node>) {
        tracing::trace!(?subject, ?direction, tag = %node.tag, "stanza");
        self.journal.note(subject, direction, node);
        self.ring();
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn ring(&self) {
        self.bell.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Notes the last stanza of a connection that ends.
    pub(crate) fn note_last(&mut self, key: DeviceKey, node: &Node) {
        self.note(Subject::Device(key), Direction::ToClient, node);
    }
}

/// How many unacknowledged stanzas a device may have.
pub(crate) const QUEUE: usize = 65_536;
const FIRST_PN: u64 = 15_550_000_001;
const FIRST_LID: u64 = 98_765_432_100_001;
