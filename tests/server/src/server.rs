//! The server as a test sees it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::time::timeout;
use wa_core::noise::TrustRoot;
use wa_core::pairing::QrCode;
use wa_core::transport::Connector;
use wa_core::wire::Node;
use wa_proto::e2e::Message;
use wa_types::{Jid, PublicKey};

use crate::account::DeviceKey;
use crate::admin;
use crate::config::Config;
use crate::faults::{Chaos, FaultPlan, Faults, Scope};
use crate::group::GroupMode;
use crate::hub::Hub;
use crate::journal::{Direction, Subject};
use crate::key_reuse::KeyReuse;
use crate::listen::{Endpoint, listen};
use crate::media::MediaHosts;
use crate::metrics::Metrics;
use crate::newsletter::Post;
use crate::pairing::CodeRefusal;
use crate::phone::Phone;
use crate::session::{Outgoing, Session};
use crate::socket::MemoryConnector;
use crate::stanza;

/// A WhatsApp server in this process: carries companions over memory or sockets, and simulates their phones. All its
/// state is in memory. Dropping it closes every connection.
///
/// Devices are named by any of their addresses: phone number or LID, with the device number.
pub struct TestServer {
    hub: Arc<Hub>,
}

impl TestServer {
    /// A server with the usual settings. No socket is opened.
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// A server with these settings.
    #[expect(clippy::unused_async, reason = "phones are tasks: a runtime must be there")]
    pub async fn with(config: Config) -> Self {
        Self { hub: Hub::new(config) }
    }

    /// Opens connections in memory.
    #[must_use]
    pub fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(MemoryConnector::new(Arc::clone(&self.hub)))
    }

    /// What clients must be given to trust this server.
    #[must_use]
    pub fn trust_root(&self) -> TrustRoot {
        self.hub.authority.trust_root()
    }

    /// The public key of [`Self::trust_root`].
    #[must_use]
    pub fn root_key(&self) -> PublicKey {
        self.trust_root().public_key
    }

    /// Listens on real sockets: WebSocket on `/ws/chat`. May be called several times.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn listen(&self, address: impl AsRef<str>, tls: bool) -> io::Result<Endpoint> {
        listen(Arc::clone(&self.hub), address.as_ref(), tls, None).await
    }

    /// The same with the admin calls on the same port, for tests in another process: whoever reaches it rules the server.
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub async fn listen_with_admin(&self, address: impl AsRef<str>, tls: bool) -> io::Result<Endpoint> {
        listen(Arc::clone(&self.hub), address.as_ref(), tls, Some(admin::answer)).await
    }

    /// The media hosts.
    #[must_use]
    pub fn media(&self) -> MediaHosts {
        MediaHosts::new(Arc::clone(&self.hub))
    }

    /// The phone of this name, with an account of its own; made when it is asked for first.
    #[must_use]
    pub fn phone(&self, name: &str) -> Phone {
        Phone::of(&self.hub, name)
    }

    /// What is to go wrong, for every device.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(Arc::clone(&self.hub), Scope::Everyone)
    }

    /// What is to go wrong for one device.
    ///
    /// # Panics
    /// When no account has this address.
    #[must_use]
    pub fn faults_of(&self, device: &Jid) -> Faults {
        Faults::new(Arc::clone(&self.hub), Scope::Device(self.key(device)))
    }

    /// What is to go wrong for all devices of one account.
    ///
    /// # Panics
    /// When no account has this address.
    #[must_use]
    pub fn faults_of_account(&self, user: &Jid) -> Faults {
        Faults::new(Arc::clone(&self.hub), Scope::Account(self.key(user).account))
    }

    /// Lets faults happen at random until the answer is dropped, in place of those that did.
    ///
    /// # Panics
    /// When the plan names an address that no account has.
    pub fn chaos(&self, plan: FaultPlan) -> Chaos {
        Chaos::begin(&self.hub, plan)
    }

    /// Breaks a device's connection, as a lost network does. `false` when it has none. What is sent to the device from
    /// now on waits for its next login.
    pub fn disconnect(&self, device: &Jid) -> bool {
        let key = self.key(device);
        self.hub.state().break_off(key)
    }

    /// Makes a device's connection half open: the server neither reads nor writes any more, and nobody closes it until
    /// the device logs in anew. `false` when it has none.
    pub fn half_open(&self, device: &Jid) -> bool {
        let key = self.key(device);
        self.hub.state().halt(key)
    }

    /// Breaks every companion's connection.
    pub fn disconnect_all(&self) {
        let mut state = self.hub.state();
        let accounts = 0..state.accounts.len();
        let devices: Vec<DeviceKey> = accounts.flat_map(|account| state.devices_of(account)).collect();
        for key in devices.into_iter().filter(|key| key.number != 0) {
            state.break_off(key);
        }
    }

    /// Sends half of a stanza's frame to a device, and breaks its connection. `false` when it has none.
    pub fn cut_mid_frame(&self, device: &Jid) -> bool {
        let key = self.key(device);
        self.hub.state().cut_mid_frame(key)
    }

    /// Ends a device's connection with `<stream:error code>`.
    pub fn stream_error(&self, device: &Jid, code: u16) {
        self.close_with(device, stanza::stream_error(code));
    }

    /// Ends a device's connection with this stanza, for instance a `stream:error` of another shape.
    pub fn close_with(&self, device: &Jid, last: Node) {
        let key = self.key(device);
        self.hub.state().close(key, Some(last));
    }

    /// Ends a device's connection in good order: `xmlstreamend` as a stanza.
    pub fn end_stream(&self, device: &Jid) {
        self.close_with(device, Node::new("xmlstreamend"));
    }

    /// Sends the other form of the stream's end, a payload of the single byte 2; the connection stays open.
    pub fn mark_stream_end(&self, device: &Jid) -> bool {
        self.send_raw(device, vec![2])
    }

    /// Sends any bytes as the plaintext of one frame.
    pub fn send_raw(&self, device: &Jid, payload: Vec<u8>) -> bool {
        self.session(device, |session| session.push(Outgoing::Raw(payload)))
    }

    /// Sends any stanza to a device that is online; nothing is kept.
    pub fn inject(&self, device: &Jid, node: Node) {
        let key = self.key(device);
        self.hub.state().inject(key, node);
    }

    /// Sends a stanza that the device must acknowledge: it is kept and delivered again until then.
    pub fn deliver(&self, device: &Jid, node: Node) -> bool {
        let key = self.key(device);
        self.hub.state().deliver(key, node)
    }

    /// The last stanzas of a device, in and out, oldest first, as XML.
    #[must_use]
    pub fn stanzas_of(&self, device: &Jid) -> Vec<String> {
        self.hub.stanzas_of(self.key(device))
    }

    /// The last stanzas of a device as nodes.
    #[must_use]
    pub fn nodes_of(&self, device: &Jid) -> Vec<(Direction, Node)> {
        let key = self.key(device);
        let state = self.hub.state();
        state
            .journal
            .of(Subject::Device(key))
            .map(|entry| (entry.direction, Node::clone(&entry.node)))
            .collect()
    }

    /// A place in the stream of all stanzas: [`Self::wait_for_after`] looks only behind it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.hub.state().journal.next_number())
    }

    /// Waits for a stanza of a device, among the last ones or to come.
    ///
    /// # Panics
    /// When none comes within half a minute (of the test's clock); shows the device's last stanzas.
    pub async fn wait_for(&self, device: &Jid, direction: Direction, wanted: impl Fn(&Node) -> bool) -> Node {
        self.wait_for_after(Mark(0), device, direction, wanted).await
    }

    /// Waits for a stanza of a device that was seen after a mark.
    ///
    /// # Panics
    /// As [`Self::wait_for`].
    pub async fn wait_for_after(
        &self,
        mark: Mark,
        device: &Jid,
        direction: Direction,
        wanted: impl Fn(&Node) -> bool,
    ) -> Node {
        let key = self.key(device);
        let found = self.hub.wait(|state| {
            let mut entries = state.journal.of(Subject::Device(key));
            let is_wanted = |entry: &&crate::journal::Entry| {
                entry.number >= mark.0 && entry.direction == direction && wanted(&entry.node)
            };
            entries.find(is_wanted).map(|entry| Node::clone(&entry.node))
        });
        match timeout(PATIENCE, found).await {
            Ok(node) => node,
            Err(_) => self.give_up(device, "no such stanza"),
        }
    }

    /// Wants another secret in the codes of the client that shows this one, as the server does now and then. `false` when
    /// nobody shows it.
    pub fn rotate_qr(&self, qr: &str) -> bool {
        let code = QrCode::parse(qr.trim()).ok();
        code.is_some_and(|code| self.hub.state().rotate_qr(&code.reference))
    }

    /// The next announcement of a pairing code is refused with this code, and a back-off in seconds.
    pub fn refuse_pairing_code(&self, code: u16, backoff: Option<u32>) {
        self.hub.state().pairings.refusals.push_back(CodeRefusal { code, backoff });
    }

    /// Waits until a device is connected.
    ///
    /// # Panics
    /// As [`Self::wait_for`].
    pub async fn wait_online(&self, device: &Jid) {
        self.wait_connected(device, true).await;
    }

    /// Waits until a device is not connected.
    ///
    /// # Panics
    /// As [`Self::wait_for`].
    pub async fn wait_offline(&self, device: &Jid) {
        self.wait_connected(device, false).await;
    }

    /// Whether this is an address of an account here.
    #[must_use]
    pub fn knows(&self, address: &Jid) -> bool {
        self.hub.state().device_key(address).is_some()
    }

    /// Whether a device is connected.
    #[must_use]
    pub fn is_online(&self, device: &Jid) -> bool {
        let key = self.key(device);
        self.hub.state().device(key).is_some_and(|device| device.session.is_some())
    }

    /// How many stanzas wait for a device's acknowledgement.
    #[must_use]
    pub fn queued_for(&self, device: &Jid) -> usize {
        let key = self.key(device);
        self.hub.state().device(key).map_or(0, |device| device.queue.len())
    }

    /// Waits until a device has acknowledged everything.
    ///
    /// # Panics
    /// As [`Self::wait_for`].
    pub async fn wait_drained(&self, device: &Jid) {
        let key = self.key(device);
        let drained = |state: &mut crate::state::State| {
            state.device(key).is_none_or(|device| device.queue.len() == 0).then_some(())
        };
        if timeout(PATIENCE, self.hub.wait(drained)).await.is_err() {
            self.give_up(device, "not everything was acknowledged");
        }
    }

    /// What the server did so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.hub.state().measure()
    }

    /// The message keys that any device used twice, phones included. Looks only if
    /// [`detect_key_reuse`](crate::Config::detect_key_reuse) is on.
    #[must_use]
    pub fn reused_keys(&self) -> Vec<KeyReuse> {
        self.hub.state().seen_keys.reused().to_vec()
    }

    /// How many message keys [`Self::reused_keys`] looked at.
    #[must_use]
    pub fn seen_keys(&self) -> usize {
        self.hub.state().seen_keys.len()
    }

    /// How many one-time pre-keys a device has on the server.
    #[must_use]
    pub fn pre_keys_of(&self, device: &Jid) -> usize {
        let key = self.key(device);
        self.hub.state().device(key).map_or(0, |device| device.keys.one_time.len())
    }

    /// Takes one-time pre-keys away until this many are left, as if others had fetched them.
    pub fn drain_pre_keys(&self, device: &Jid, left: usize) {
        let key = self.key(device);
        if let Some(device) = self.hub.state().device_mut(key) {
            device.keys.one_time.truncate(left);
        }
    }

    /// Tells a device how many one-time pre-keys the server has left of it, as it does when they run low.
    pub fn tell_low_pre_keys(&self, device: &Jid) {
        let key = self.key(device);
        self.hub.state().tell_low_pre_keys(key);
    }

    /// Phones named `PREFIX 1`, `PREFIX 2` and so on, with few one-time keys each; they upload more when those are
    /// used. Cheaper than as many calls of [`Self::phone`].
    #[must_use]
    pub fn phones(&self, prefix: &str, count: usize) -> Vec<Phone> {
        (1..=count).map(|number| Phone::of_few_keys(&self.hub, &format!("{prefix} {number}"))).collect()
    }

    /// Adds accounts of `devices` devices each that have keys and nothing else: others can write to them, and nobody
    /// reads it. Costs next to nothing, as they all have the same keys. Returns their LIDs.
    pub fn add_crowd(&self, accounts: usize, devices: u32) -> Vec<Jid> {
        self.hub.state().create_crowd(accounts, devices)
    }

    /// A new channel.
    #[must_use]
    pub fn create_newsletter(&self) -> Jid {
        self.hub.state().create_newsletter(None, "Channel")
    }

    /// Makes a user follow a channel. Whether there is such a channel and such a user.
    pub fn follow(&self, newsletter: &Jid, user: &Jid) -> bool {
        self.hub.state().follow(newsletter, user)
    }

    /// Posts in a channel; all devices of its followers get it. `None` when there is no such channel.
    pub fn post(&self, newsletter: &Jid, message: &Message) -> Option<Post> {
        self.hub.state().post(newsletter, message.encode_to_vec())
    }

    /// Loses the news of a group: while on, members hear of no change, and find a gap in the versions later. Whether
    /// there is such a group.
    pub fn lose_group_news(&self, group: &Jid, on: bool) -> bool {
        let mut state = self.hub.state();
        state.groups.find_mut(group).map(|group| group.is_quiet = on).is_some()
    }

    /// Turns a group to the other kind of addresses, as the real server does at any time: nobody is told, and messages
    /// in the old mode are refused with 421. Whether there is such a group.
    pub fn set_group_mode(&self, group: &Jid, mode: GroupMode) -> bool {
        let mut state = self.hub.state();
        state.groups.find_mut(group).map(|group| group.mode = mode).is_some()
    }

    /// Whether users are named by one address only: direct messages do not tell the sender's other one, and nobody is
    /// told the LID of a number that is asked about.
    pub fn hide_addresses(&self, on: bool) {
        self.hub.state().hides_addresses = on;
    }

    /// Closes every connection and every phone.
    pub fn shutdown(&self) {
        self.hub.end();
    }

    async fn wait_connected(&self, device: &Jid, connected: bool) {
        let key = self.key(device);
        let look = |state: &mut crate::state::State| {
            let is = state.device(key).is_some_and(|device| device.session.is_some());
            (is == connected).then_some(())
        };
        if timeout(PATIENCE, self.hub.wait(look)).await.is_err() {
            self.give_up(device, if connected { "never connected" } else { "never disconnected" });
        }
    }

    fn session(&self, device: &Jid, act: impl FnOnce(&Session)) -> bool {
        let key = self.key(device);
        let state = self.hub.state();
        let session = state.device(key).and_then(|device| device.session.as_ref());
        session.map(act).is_some()
    }

    fn key(&self, device: &Jid) -> DeviceKey {
        let key = self.hub.state().device_key(device);
        key.unwrap_or_else(|| panic!("no account of this server has the address {device}"))
    }

    fn give_up(&self, device: &Jid, what: &str) -> ! {
        panic!("{what}; the last stanzas of {device}:\n{}", self.stanzas_of(device).join("\n"))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.hub.end();
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").finish_non_exhaustive()
    }
}

/// A place in the stream of all stanzas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
