//! Simulated phones: device 0 of each account, with real keys and sessions. A phone speaks to the server in the same
//! stanzas as a companion, only without a socket between them.
//!
//! | File | Subject |
//! |---|---|
//! | `app_state` | the state that the account's devices share, its keys, and help with it |
//! | `group` | groups, their messages, and status posts |
//! | `keys`, `sender_keys` | identity, pre-keys, sessions: what encrypts and decrypts |
//! | `link` | scanning QR codes, signing and removing companions |
//! | `media` | files, and files uploaded again |
//! | `code`, `passkey` | linking by a typed code, and with a passkey |
//! | `send` | messages out, and resends |
//! | `seen` | which messages it read |
//! | `peer` | what it does for its companions |
//! | `profile` | what its user shows, changes and does beside writing |
//! | `history` | the past that it gives them |
//! | `limits` | what the server allows its account |
//! | `reinstall` | being set up anew |
//! | `receive` | stanzas in: messages, receipts, notifications |

mod app_state;
mod code;
mod group;
mod history;
mod keys;
mod limits;
mod link;
mod media;
mod new_lid;
mod passkey;
mod peer;
mod profile;
mod receive;
mod reinstall;
mod secrets;
mod seen;
mod send;
mod sender_keys;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::pairing::AdvSecret;
use wa_core::wire::Node;
use wa_proto::e2e::Message;
use wa_types::{Jid, MessageId, UnixSeconds};

use self::keys::PhoneKeys;
use crate::account::DeviceKey;
use crate::hub::Hub;
use crate::login::Party;
use crate::pairing::Passkey;
use crate::session::{OUTBOX, Outgoing, Resume, Session};
use crate::stanza::is_error;

pub use self::code::CodeError;
pub use self::history::{BrokenHistory, Past};
pub use self::link::ScanOptions;
pub use self::media::Reuploads;
pub use self::passkey::{PasskeyLink, PasskeyLinkError};
pub use self::peer::Resends;
pub use self::send::{SPOILED, SendError, Sent};

/// A phone: scans QR codes, sends and receives messages. Cheap to clone; all clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    hub: Arc<Hub>,
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    key: DeviceKey,
    pn: Jid,
    lid: Jid,
    state: Mutex<PhoneState>,
    arrived: Notify,
}

/// What a phone remembers. Locked before the server's state, never after it.
struct PhoneState {
    keys: PhoneKeys,
    sender_keys: sender_keys::SenderKeys,
    /// Accounts that are not given sender keys.
    withheld: Vec<usize>,
    /// Who sees its status.
    viewers: Vec<usize>,
    /// How many messages and receipts of each sort it remembers.
    memory: usize,
    known: peer::KnownMessages,
    app_state: app_state::PhoneStates,
    /// Key indexes of the companions that the signed list holds, by device number.
    live: BTreeMap<u16, u32>,
    next_key_index: u32,
    /// The companion that shows a code for this phone.
    code_request: Option<code::CodeRequest>,
    /// The account's passkey.
    passkey: Passkey,
    /// The secrets of all links, which prove them later.
    secrets: Vec<AdvSecret>,
    /// Messages that wait for the server's ack.
    waiting: HashMap<String, oneshot::Sender<Node>>,
    sent: send::SentMessages,
    /// How many of the next messages hold nothing that can be read.
    spoils: u32,
    resends: Resends,
    reuploads: Reuploads,
    histories: history::Histories,
    /// Whoever asks it for its own messages again is not heard.
    ignores_retries: bool,
    /// What the phone asked for again.
    retries: HashMap<(Jid, String), receive::Retry>,
    seen: seen::Seen,
    messages: VecDeque<PhoneMessage>,
    receipts: VecDeque<PhoneReceipt>,
    /// Ends the phone's session with the server; `None` while the phone is off.
    online: Option<CancellationToken>,
    addressing: Addressing,
}

/// Under which address a phone writes to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Addressing {
    /// As the account is: by LID, unless the server's [`Config`](crate::Config) says that it is not migrated.
    #[default]
    Account,
    /// By phone number.
    Pn,
    /// By LID.
    Lid,
    /// As the caller wrote the address.
    AsGiven,
}

/// A message that a phone decrypted.
#[derive(Clone)]
#[non_exhaustive]
pub struct PhoneMessage {
    /// Its id.
    pub id: MessageId,
    /// The group, the status feed, or the other side of the chat without a device.
    pub chat: Jid,
    /// The device that sent it.
    pub sender: Jid,
    /// Whether a companion of this account sent it.
    pub from_me: bool,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The sender's push name.
    pub push_name: Option<String>,
    /// What it says, own copies unwrapped.
    pub message: Message,
}

impl PhoneMessage {
    /// Its text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let extended = || self.message.extended_text_message.as_ref().and_then(|text| text.text.as_deref());
        self.message.conversation.as_deref().or_else(extended)
    }
}

impl fmt::Debug for PhoneMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneMessage")
            .field("id", &self.id)
            .field("chat", &self.chat)
            .field("sender", &self.sender)
            .field("from_me", &self.from_me)
            .field("text_size", &self.text().map(str::len))
            .finish_non_exhaustive()
    }
}

/// A receipt that reached a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PhoneReceipt {
    /// Whose it is: a device for deliveries, a user for reads.
    pub from: Jid,
    /// Its type; `None` for a plain delivery.
    pub kind: Option<String>,
    /// The messages that it is about.
    pub ids: Vec<MessageId>,
}

impl PhoneState {
    /// Keeps a message of the account.
    fn remember(&mut self, message: &PhoneMessage) {
        self.known.remember(message, self.memory);
    }

    /// Notes a message by its sender's account and its id; whether it is new.
    fn note_seen(&mut self, account: usize, id: &str) -> bool {
        // A phone's own history knows them for ever; of these little is kept.
        self.seen.note(account, id, self.memory.saturating_mul(8))
    }
}

impl Phone {
    /// The phone of this name; made when nobody has it yet.
    pub(crate) fn of(hub: &Arc<Hub>, name: &str) -> Self {
        Self::with_keys(hub, name, keys::UPLOAD)
    }

    /// [`Self::of`], with one-time keys for the first few who write.
    pub(crate) fn of_few_keys(hub: &Arc<Hub>, name: &str) -> Self {
        Self::with_keys(hub, name, FEW_KEYS)
    }

    fn with_keys(hub: &Arc<Hub>, name: &str, one_time: usize) -> Self {
        let mut phones = hub.phones();
        if let Some(phone) = phones.get(name) {
            return phone.clone();
        }
        let phone = Self::create(hub, name, one_time);
        phones.insert(name.to_owned(), phone.clone());
        phone
    }

    /// A phone for a client that did not say whose it is.
    pub(crate) fn new_unnamed(hub: &Arc<Hub>) -> Self {
        let number = hub.state().accounts.len() + 1;
        Self::of(hub, &format!("phone {number}"))
    }

    fn create(hub: &Arc<Hub>, name: &str, one_time: usize) -> Self {
        let keys = PhoneKeys::generate(one_time);
        let (key, pn, lid, memory) = {
            let mut state = hub.state();
            let account = state.create_account(name, keys.public());
            let jids = state.account(account).map(|account| (account.pn.clone(), account.lid.clone()));
            let (pn, lid) = jids.unwrap_or((Jid::SERVER, Jid::SERVER));
            (DeviceKey { account, number: 0 }, pn, lid, state.config.memory)
        };
        let state = PhoneState {
            keys,
            sender_keys: sender_keys::SenderKeys::default(),
            withheld: Vec::new(),
            viewers: Vec::new(),
            memory,
            known: peer::KnownMessages::default(),
            app_state: app_state::PhoneStates::default(),
            live: BTreeMap::new(),
            next_key_index: 1,
            code_request: None,
            passkey: Passkey::generate(),
            secrets: Vec::new(),
            waiting: HashMap::new(),
            sent: send::SentMessages::default(),
            spoils: 0,
            resends: Resends::default(),
            reuploads: Reuploads::default(),
            histories: history::Histories::default(),
            ignores_retries: false,
            retries: HashMap::new(),
            seen: seen::Seen::default(),
            messages: VecDeque::new(),
            receipts: VecDeque::new(),
            online: None,
            addressing: Addressing::default(),
        };
        let inner =
            Inner { name: name.to_owned(), key, pn, lid, state: Mutex::new(state), arrived: Notify::new() };
        let phone = Self { hub: Arc::clone(hub), inner: Arc::new(inner) };
        phone.online();
        phone
    }

    /// The name it was made with, and its account's first push name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its phone number address.
    #[must_use]
    pub fn pn(&self) -> &Jid {
        &self.inner.pn
    }

    /// Its LID address.
    #[must_use]
    pub fn lid(&self) -> &Jid {
        &self.inner.lid
    }

    /// Chooses the addresses that it writes to.
    pub fn set_addressing(&self, addressing: Addressing) {
        self.lock().addressing = addressing;
    }

    /// Whether it is connected.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.lock().online.is_some()
    }

    /// Connects it; what waits for it is delivered. Nothing happens when it is connected.
    pub fn online(&self) {
        let mut phone = self.lock();
        if phone.online.is_some() || self.hub.shutdown.is_cancelled() {
            return;
        }
        let cancel = self.hub.shutdown.child_token();
        phone.online = Some(cancel.clone());
        drop(phone);
        let (outbox, orders) = mpsc::channel(OUTBOX);
        let mut state = self.hub.state();
        let connection = state.next_id();
        let mut session = Session::new(connection, outbox, cancel.clone());
        session.resume = Resume::Passive;
        session.pull = false;
        if let Some(device) = state.device_mut(self.inner.key) {
            device.session = Some(session);
        }
        state.start_delivery(self.inner.key);
        drop(state);
        tokio::spawn(self.clone().run(orders, cancel, connection));
    }

    /// Disconnects it; what is sent to it waits.
    pub fn go_offline(&self) {
        let cancel = self.lock().online.take();
        if let Some(cancel) = cancel {
            cancel.cancel();
            self.hub.state().take_session(self.inner.key);
        }
    }

    /// The next message that it receives, from others or from its own companions.
    ///
    /// # Panics
    /// When none comes within half a minute (of the test's clock); shows the last stanzas of the phone.
    pub async fn next_message(&self) -> PhoneMessage {
        let next = timeout(PATIENCE, self.take(|phone| phone.messages.pop_front()));
        match next.await {
            Ok(message) => message,
            Err(_) => self.give_up("no message came"),
        }
    }

    /// The next message that it receives, however long that takes. Cancel safe.
    pub async fn message(&self) -> PhoneMessage {
        self.take(|phone| phone.messages.pop_front()).await
    }

    /// A message that it received and nobody took, if there is one.
    #[must_use]
    pub fn try_next_message(&self) -> Option<PhoneMessage> {
        self.lock().messages.pop_front()
    }

    /// Waits for a receipt about this message; `kind` is its type, `None` a plain delivery. Returns who sent it.
    ///
    /// # Panics
    /// As [`Self::next_message`].
    pub async fn receipt(&self, id: &MessageId, kind: Option<&str>) -> PhoneReceipt {
        let wanted = |receipt: &PhoneReceipt| receipt.kind.as_deref() == kind && receipt.ids.contains(id);
        let next = timeout(
            PATIENCE,
            self.take(|phone| phone.receipts.iter().find(|receipt| wanted(receipt)).cloned()),
        );
        match next.await {
            Ok(receipt) => receipt,
            Err(_) => self.give_up("no such receipt came"),
        }
    }

    /// All receipts that it got, oldest first (the last ten thousand).
    #[must_use]
    pub fn receipts(&self) -> Vec<PhoneReceipt> {
        self.lock().receipts.iter().cloned().collect()
    }

    async fn run(self, mut orders: mpsc::Receiver<Outgoing>, cancel: CancellationToken, connection: u64) {
        loop {
            let order = tokio::select! {
                () = cancel.cancelled() => break,
                order = orders.recv() => order,
            };
            match order {
                Some(Outgoing::Stanza(node)) => self.handle(&node),
                Some(Outgoing::Raw(_)) => {}
                Some(Outgoing::HalfOf(_) | Outgoing::Break | Outgoing::Close) | None => break,
            }
        }
        self.hub.state().connection_ended(Party::Device(self.inner.key), connection);
    }

    async fn take<T>(&self, mut look: impl FnMut(&mut PhoneState) -> Option<T>) -> T {
        loop {
            let arrived = self.inner.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            arrived.await;
        }
    }

    fn give_up(&self, what: &str) -> ! {
        let stanzas = self.hub.stanzas_of(self.inner.key).join("\n");
        panic!("{what}; the last stanzas of {}:\n{stanzas}", self.inner.name)
    }

    fn lock(&self) -> MutexGuard<'_, PhoneState> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a stanza, as a companion's connection would hand it in.
    fn transmit(&self, node: &Node) {
        self.hub.state().handle(self.inner.key, node);
    }

    /// A request; the answer is at hand at once. `None` when it was refused.
    fn request(&self, iq: &Node) -> Option<Node> {
        self.answer(iq).filter(|answer| !is_error(answer))
    }

    /// A request, and its answer of either kind.
    fn answer(&self, iq: &Node) -> Option<Node> {
        let mut state = self.hub.state();
        let answer = crate::iq::answer(&mut state, self.inner.key, iq);
        if answer.as_ref().is_none_or(|answer| !is_error(answer)) {
            crate::iq::after(&mut state, self.inner.key, iq);
        }
        answer
    }

    fn new_request(&self, kind: &str, namespace: &str) -> Node {
        let id = self.hub.state().next_id();
        Node::new("iq").attr("to", Jid::SERVER).attr("type", kind).attr("xmlns", namespace).attr("id", id)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("name", &self.inner.name)
            .field("pn", &self.inner.pn)
            .finish_non_exhaustive()
    }
}

/// An id as phones make them.
fn message_id() -> String {
    let bytes: [u8; 9] = SystemRandom.array();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("3A{hex}")
}

const FEW_KEYS: usize = 2;
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
