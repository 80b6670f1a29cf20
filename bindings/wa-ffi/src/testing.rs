//! The test server and its phones, in this process: bots are tested with no network and no phone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prost::Message as _;
use wa_core::ClientBuilder;
use wa_core::pairing::PairingCode;
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_test_server::{
    Act, Faults, Filter, GroupMode, MediaFault, PasskeyLink, PasskeyLinkError, Past, Phone,
    PhoneMessage as Received,
};
use wa_types::Jid;

use crate::content::Content;
use crate::error::WaError;
use crate::media::Attachment;
use crate::message::{Message, MessageKey};
use crate::runtime::{self, Running, Task};
use crate::types;

/// How long a phone waits for what a test expects; less than the test server's own patience, which ends in a panic.
const PATIENCE: Duration = Duration::from_secs(29);

/// The service, in this process: with phones that are simulated, and everything else as it is.
#[derive(uniffi::Object)]
pub struct TestServer {
    server: wa_test_server::TestServer,
    connector: Arc<dyn Connector>,
    /// Those that were asked for.
    names: Mutex<HashSet<String>>,
}

impl std::fmt::Debug for TestServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestServer").finish_non_exhaustive()
    }
}

impl TestServer {
    /// A client that talks to this server, and holds it: a collector of garbage may take the host's own object at once.
    pub(crate) fn connect(self: &Arc<Self>, builder: ClientBuilder) -> ClientBuilder {
        let builder = builder.connector(Arc::clone(self) as _).trust_root(self.server.trust_root());
        builder.http_client(self.server.media().http_client())
    }

    fn of(server: wa_test_server::TestServer, connector: Arc<dyn Connector>) -> Arc<Self> {
        Arc::new(Self { server, connector, names: Mutex::default() })
    }

    /// A device that an account here has, or may have.
    fn device(&self, device: &str) -> Result<Jid, WaError> {
        let jid = types::jid(device)?;
        match self.server.knows(&jid) {
            true => Ok(jid),
            false => Err(WaError::not_found("no_account", "no account here has this address")),
        }
    }

    /// What is to go wrong for one device: what is counted would else be used up by others, phones among them.
    fn faults(&self, device: &str) -> Result<Faults, WaError> {
        Ok(self.server.faults_of(&self.device(device)?))
    }

    /// The same, for one that logs in: phones do not.
    fn faults_of_client(&self, device: &str) -> Result<Faults, WaError> {
        match types::jid(device)?.device() {
            0 => Err(WaError::invalid("no_client", "a phone does not log in")),
            _ => self.faults(device),
        }
    }
}

impl Connector for TestServer {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        self.connector.connect(routing_info)
    }
}

#[uniffi::export]
impl TestServer {
    /// Starts a server. It ends when nobody holds it any more, nor a phone or a client of it.
    #[uniffi::constructor]
    pub async fn start() -> Result<Arc<Self>, WaError> {
        runtime::run(async {
            let server = wa_test_server::TestServer::start().await;
            let connector = server.connector();
            Ok(Self::of(server, connector))
        })
        .await
    }

    /// Starts a server that clients reach over TLS on this machine's loopback, as they reach the real one: slower, and for
    /// whoever looks at sockets.
    #[uniffi::constructor]
    pub async fn start_on_sockets() -> Result<Arc<Self>, WaError> {
        runtime::run(async {
            let server = wa_test_server::TestServer::start().await;
            let unusable = |error: &dyn std::fmt::Display| WaError::unavailable("no_socket", error);
            let endpoint = server.listen("127.0.0.1:0", true).await.map_err(|error| unusable(&error))?;
            let certificate = endpoint.tls_certificate.unwrap_or_default();
            let connector = WebSocketConnector::with_root_certificate(&endpoint.url, &certificate);
            let connector = Arc::new(connector.map_err(|error| unusable(&error))?);
            Ok(Self::of(server, connector))
        })
        .await
    }

    /// The phone of this name, made at the first call.
    pub fn phone(self: Arc<Self>, name: String) -> Result<Arc<TestPhone>, WaError> {
        let _runtime = runtime::handle()?.enter();
        let phone = self.server.phone(&name);
        if self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name) {
            // Devices that it links hear at once that there is no past: who wrote before is then known.
            phone.set_past(Past::new(Vec::new()));
            // And what one of them changes in chats and contacts, the others have, too.
            phone.start_app_state();
        }
        Ok(Arc::new(TestPhone(phone, self)))
    }

    /// How many messages and notices wait until this device says that it has them.
    pub fn waiting_for(&self, device: String) -> Result<u64, WaError> {
        Ok(self.server.queued_for(&self.device(&device)?) as u64)
    }

    /// Ends the connection of a device, as a lost network does. False when it has none.
    pub fn disconnect(&self, device: String) -> Result<bool, WaError> {
        Ok(self.server.disconnect(&self.device(&device)?))
    }

    /// Ends all connections.
    pub fn disconnect_all(&self) {
        self.server.disconnect_all();
    }

    /// Whether a device is logged in.
    pub fn is_online(&self, device: String) -> Result<bool, WaError> {
        Ok(self.server.is_online(&self.device(&device)?))
    }

    /// Waits until a device is logged in.
    pub async fn wait_online(self: Arc<Self>, device: String) -> Result<(), WaError> {
        let device = self.device(&device)?;
        patiently(async move { self.server.wait_online(&device).await }).await
    }

    /// Waits until a device is not connected any more.
    pub async fn wait_offline(self: Arc<Self>, device: String) -> Result<(), WaError> {
        let device = self.device(&device)?;
        patiently(async move { self.server.wait_offline(&device).await }).await
    }

    /// The next so many messages that this device sends arrive, and it is not told so. Its `send` goes on waiting, as it is
    /// promised: it returns as soon as the device is connected anew (`disconnect` it, once the message is there), or else
    /// after 70 seconds. The message arrives once.
    pub fn drop_acks(&self, device: String, count: u32) -> Result<(), WaError> {
        self.faults(&device)?.drop_ack(count);
        Ok(())
    }

    /// Every ack comes this late, to all devices; at once without it.
    #[uniffi::method(default(delay = None))]
    pub fn delay_acks(&self, delay: Option<Duration>) {
        self.server.faults().delay_acks(delay);
    }

    /// The next message that this device sends is refused with this code. The library sends it once more after 408, 429 and
    /// 500 or higher; the other codes are final.
    pub fn refuse_next(&self, device: String, code: u16) -> Result<(), WaError> {
        self.faults(&device)?.script(Filter::from_client().tag("message").of_chats(), Act::Nack(code), 1);
        Ok(())
    }

    /// The next so many messages to this device cannot be decrypted as they come: it asks their senders for them again.
    pub fn garble_next(&self, device: String, count: u32) -> Result<(), WaError> {
        self.faults(&device)?.script(messages(), Act::Garble, count);
        Ok(())
    }

    /// The next so many messages to this device come twice.
    pub fn duplicate_next(&self, device: String, count: u32) -> Result<(), WaError> {
        self.faults(&device)?.script(messages(), Act::Duplicate, count);
        Ok(())
    }

    /// The next so many messages to this device each come after what is sent to it next.
    pub fn reorder_next(&self, device: String, count: u32) -> Result<(), WaError> {
        self.faults(&device)?.script(messages(), Act::After(1), count);
        Ok(())
    }

    /// The next so many connections are refused, whosever they are.
    pub fn refuse_connections(&self, count: u32) {
        self.server.faults().refuse_connections(count);
    }

    /// The next so many logins of this device are refused with this code. `disconnect` makes it log in anew.
    pub fn refuse_logins(&self, device: String, code: u16, count: u32) -> Result<(), WaError> {
        self.faults_of_client(&device)?.refuse_login(code, count);
        Ok(())
    }

    /// The next login of this device is answered with a ban for so long. `disconnect` makes it log in anew.
    pub fn ban(&self, device: String, code: u16, duration: Duration) -> Result<(), WaError> {
        self.faults_of_client(&device)?.ban(code, duration, 1);
        Ok(())
    }

    /// The next request for a pairing code is refused with this code.
    pub fn refuse_pairing_code(&self, code: u16) {
        self.server.refuse_pairing_code(code, None);
    }

    /// The next so many requests to the media hosts are answered with this HTTP status, uploads and downloads. To the library
    /// 404 and 410 say that there is no such file; after 429 and 500 or higher it asks six times before it gives up.
    pub fn refuse_media(&self, status: u16, count: u32) {
        self.server.media().fail(MediaFault::Status(status), count);
    }

    /// The next so many downloads give a file that was changed. The library tries again once.
    pub fn tamper_downloads(&self, count: u32) {
        self.server.media().fail(MediaFault::WrongBody, count);
    }

    /// The media hosts have this file no more, as they delete what is old. The phone that got or sent it has it still, and
    /// uploads it again when it is asked to. False when they did not have it.
    pub fn lose_file(&self, file: Arc<Attachment>) -> bool {
        file.0.direct_path.as_deref().is_some_and(|path| self.server.media().expire(path))
    }

    /// Ends all that was to go wrong. What is lost stays lost.
    pub fn clear_faults(&self) {
        self.server.faults().clear();
        self.server.media().clear_faults();
    }
}

/// Messages to a device that somebody wrote.
fn messages() -> Filter {
    Filter::deliveries().tag("message").of_chats()
}

/// A simulated phone: the first device of an account. It holds its server.
#[derive(uniffi::Object)]
pub struct TestPhone(
    Phone,
    #[expect(dead_code, reason = "the server ends when nobody holds it")] Arc<TestServer>,
);

impl std::fmt::Debug for TestPhone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestPhone").field("name", &self.0.name()).finish_non_exhaustive()
    }
}

/// A message that a phone received.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PhoneMessage {
    /// Its id.
    pub id: String,
    /// The chat.
    pub chat: String,
    /// The device that sent it.
    pub sender: String,
    /// Whether a linked device of the same account sent it.
    pub from_me: bool,
    /// When the server took it.
    pub timestamp: SystemTime,
    /// Its text, if it is one.
    pub text: Option<String>,
    /// What it says.
    pub content: Content,
    /// The message that it answers, as far as it is named.
    pub quoted: Option<String>,
    /// Names it from the phone's side.
    pub key: MessageKey,
    /// The message itself.
    pub message: Arc<Message>,
}

#[uniffi::export]
impl TestPhone {
    /// Its name.
    pub fn name(&self) -> String {
        self.0.name().to_owned()
    }

    /// Its address by phone number.
    pub fn address(&self) -> String {
        self.0.pn().to_string()
    }

    /// Its address by LID.
    pub fn lid(&self) -> String {
        self.0.lid().to_string()
    }

    /// Its phone number: digits with the country code.
    pub fn number(&self) -> String {
        self.0.pn().user().to_owned()
    }

    /// Scans a QR code, and so links the device that shows it. Returns that device.
    pub async fn scan(self: Arc<Self>, qr: String) -> Result<String, WaError> {
        runtime::run(async move {
            let linked = self.0.scan(&qr).await;
            linked.map(|device| device.to_string()).map_err(|error| WaError::refused("scan", error))
        })
        .await
    }

    /// Types a code, and so links the device that shows it. Returns that device.
    pub async fn enter_code(self: Arc<Self>, code: String) -> Result<String, WaError> {
        runtime::run(async move {
            let linked = self.0.enter_code(&code).await;
            linked.map(|device| device.to_string()).map_err(|error| WaError::refused("code", error))
        })
        .await
    }

    /// Wants a passkey to vouch for the device that shows this QR code: its client hears `PasskeyChallenge`. With `inline`
    /// the wish says what is to be signed, otherwise the device has to ask.
    #[uniffi::method(default(inline = true))]
    pub fn ask_passkey(&self, qr: String, inline: bool) -> Result<Arc<TestPasskeyLink>, WaError> {
        let _runtime = runtime::handle()?.enter();
        let mut asked = self.0.ask_passkey(&qr, inline).map_err(|error| WaError::refused("scan", error))?;
        let phone = Task::spawn(async move {
            let code = asked.code().await;
            (asked, code)
        })?;
        Ok(Arc::new(TestPasskeyLink(tokio::sync::Mutex::new(Linking::Begun(phone)))))
    }

    /// Signs what `PasskeyChallenge` wants with the account's passkey, as a browser or the platform's dialog would.
    pub fn sign_with_passkey(&self, options: String) -> Result<PasskeySignature, WaError> {
        let signed = self.0.sign_with_passkey(&options);
        let (credential_id, assertion) =
            signed.ok_or_else(|| WaError::invalid("invalid_options", "the options are no JSON"))?;
        Ok(PasskeySignature { credential_id, assertion })
    }

    /// The devices that are linked to it.
    pub fn linked_devices(&self) -> Vec<String> {
        types::texts(&self.0.linked_devices())
    }

    /// Lets nobody add it to groups: who tries is given an invitation to send.
    pub fn refuse_adding(&self) -> Result<(), WaError> {
        let refused = |code| WaError::refused("privacy", format!("code {code}"));
        self.0.set_privacy("groupadd", "none").map_err(refused)
    }

    /// Unlinks a device. False when it is not linked.
    pub fn remove_device(&self, device: String) -> Result<bool, WaError> {
        Ok(self.0.remove_device(&types::jid(&device)?))
    }

    /// Sends a text. Returns its id.
    pub async fn send_text(self: Arc<Self>, to: String, text: String) -> Result<String, WaError> {
        let to = types::jid(&to)?;
        runtime::run(async move { sent(self.0.send_text(&to, &text).await) }).await
    }

    /// Sends texts, one after the other. Returns their ids.
    pub async fn send_texts(self: Arc<Self>, to: String, texts: Vec<String>) -> Result<Vec<String>, WaError> {
        let to = types::jid(&to)?;
        runtime::run(async move {
            let mut ids = Vec::new();
            for text in &texts {
                ids.push(sent(self.0.send_text(&to, text).await)?);
            }
            Ok(ids)
        })
        .await
    }

    /// Posts a text to status, for the users of these addresses. Returns its id.
    pub async fn send_status(
        self: Arc<Self>,
        audience: Vec<String>,
        text: String,
    ) -> Result<String, WaError> {
        let audience = types::jids(&audience)?;
        runtime::run(async move {
            let viewers: Vec<&Jid> = audience.iter().collect();
            sent(self.0.send_status(&viewers, &text).await)
        })
        .await
    }

    /// Sends a message. Returns its id.
    pub async fn send(self: Arc<Self>, to: String, message: Arc<Message>) -> Result<String, WaError> {
        let to = types::jid(&to)?;
        runtime::run(async move { sent(self.0.send_encoded(&to, message.0.encoded()).await) }).await
    }

    /// Has written with this chat before: texts, oldest first, by the other and by itself in turn. Devices that are linked
    /// from now on get them as their past. Returns their ids.
    pub fn remember(&self, chat: String, name: String, texts: Vec<String>) -> Result<Vec<String>, WaError> {
        let ids = self.0.remember(&types::jid(&chat)?, &name, texts);
        Ok(ids.iter().map(ToString::to_string).collect())
    }

    /// Waits for the next message of anybody, copies of what its own linked devices sent included. An error after half a
    /// minute.
    pub async fn next_message(self: Arc<Self>) -> Result<PhoneMessage, WaError> {
        let received = patiently(async move { self.0.message().await }).await?;
        received_on_phone(&received)
    }

    /// The same without waiting; nothing if none is there.
    pub fn try_next_message(&self) -> Result<Option<PhoneMessage>, WaError> {
        self.0.try_next_message().map(|received| received_on_phone(&received)).transpose()
    }

    /// Its user has read this message, and its sender is told.
    pub fn read(&self, id: String) -> Result<(), WaError> {
        match self.0.read_id(&types::message_id(&id)?) {
            true => Ok(()),
            false => Err(WaError::not_found("no_message", "no such message came to this phone")),
        }
    }

    /// Waits until a message that it sent was read.
    pub async fn wait_read(self: Arc<Self>, id: String) -> Result<(), WaError> {
        let id = types::message_id(&id)?;
        patiently(async move { drop(self.0.receipt(&id, Some("read")).await) }).await
    }

    /// Makes a group with these members. Returns its address.
    pub fn create_group(&self, subject: String, members: Vec<String>) -> Result<String, WaError> {
        let members = types::jids(&members)?;
        let members: Vec<_> = members.iter().collect();
        let _runtime = runtime::handle()?.enter();
        Ok(self.0.create_group(&subject, &members, GroupMode::Lid).to_string())
    }

    /// Shows that it is writing, or that it stopped.
    pub fn typing(&self, to: String, is_typing: bool) -> Result<(), WaError> {
        self.0.typing(&types::jid(&to)?, is_typing);
        Ok(())
    }

    /// Calls somebody.
    pub fn call(&self, to: String, call_id: String, is_video: bool) -> Result<(), WaError> {
        self.0.call(&types::jid(&to)?, &call_id, is_video);
        Ok(())
    }

    /// Is switched off.
    pub fn go_offline(&self) {
        self.0.go_offline();
    }

    /// Is switched on again.
    pub fn go_online(&self) -> Result<(), WaError> {
        let _runtime = runtime::handle()?.enter();
        self.0.online();
        Ok(())
    }
}

/// What a passkey signed: for `respond_passkey`.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct PasskeySignature {
    /// Which passkey.
    pub credential_id: Vec<u8>,
    /// WebAuthn's assertion, as JSON.
    pub assertion: String,
}

impl std::fmt::Debug for PasskeySignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasskeySignature").finish_non_exhaustive()
    }
}

/// A link that a phone wants a passkey for. Letting go of it is how the phone's user refuses.
#[derive(uniffi::Object)]
pub struct TestPasskeyLink(tokio::sync::Mutex<Linking>);

/// How far such a link is.
enum Linking {
    /// The phone waits for the device's part, and answers it.
    Begun(Task<(PasskeyLink, Result<PairingCode, PasskeyLinkError>)>),
    /// The phone shows this code.
    Met(PasskeyLink, PairingCode),
    Failed(PasskeyLinkError),
    Over,
}

impl Linking {
    async fn code(&mut self) -> Result<PairingCode, WaError> {
        if let Self::Begun(phone) = self {
            let (link, code) = phone.await.map_err(|_| WaError::shut_down())?;
            *self = match code {
                Ok(code) => Self::Met(link, code),
                Err(error) => Self::Failed(error),
            };
        }
        match self {
            Self::Met(_, code) => Ok(code.clone()),
            Self::Failed(error) => Err(WaError::refused("passkey", error)),
            _ => Err(WaError::conflict("over", "this link was confirmed already")),
        }
    }
}

impl std::fmt::Debug for TestPasskeyLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestPasskeyLink").finish_non_exhaustive()
    }
}

#[uniffi::export]
impl TestPasskeyLink {
    /// Waits until the phone shows a code, which it does once the challenge was answered. Returns it.
    pub async fn code(self: Arc<Self>) -> Result<String, WaError> {
        runtime::run(async move { Ok(self.0.lock().await.code().await?.to_string()) }).await
    }

    /// The phone's user confirms that both screens show the same code, and so links the device. Returns that device.
    pub async fn confirm(self: Arc<Self>) -> Result<String, WaError> {
        runtime::run(async move {
            let mut linking = self.0.lock().await;
            linking.code().await?;
            let Linking::Met(link, _) = std::mem::replace(&mut *linking, Linking::Over) else {
                return Err(WaError::shut_down());
            };
            let linked = link.confirm().await;
            linked.map(|device| device.to_string()).map_err(|error| WaError::refused("passkey", error))
        })
        .await
    }
}

fn patiently<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Running<T> {
    runtime::run(async move {
        let waited = tokio::time::timeout(PATIENCE, work).await;
        waited
            .map_err(|_| WaError::unavailable("timeout", "what was waited for did not come in half a minute"))
    })
}

fn sent(sent: Result<wa_test_server::Sent, wa_test_server::SendError>) -> Result<String, WaError> {
    sent.map(|sent| sent.id.to_string()).map_err(|error| WaError::refused("phone", error))
}

fn received_on_phone(received: &Received) -> Result<PhoneMessage, WaError> {
    let message = Message::decode(received.message.encode_to_vec())?;
    Ok(PhoneMessage {
        id: received.id.to_string(),
        chat: received.chat.to_string(),
        sender: received.sender.to_string(),
        from_me: received.from_me,
        timestamp: types::time(received.timestamp),
        text: received.text().map(str::to_owned),
        content: message.content(),
        quoted: message.0.context().quote.map(|quote| quote.id.to_string()),
        key: MessageKey {
            chat: received.chat.to_string(),
            id: received.id.to_string(),
            from_me: received.from_me,
            sender: (!received.from_me).then(|| received.sender.to_user().to_string()),
        },
        message,
    })
}
