//! A companion with only what a test needs: it pairs, logs in, encrypts and decrypts. Everything is explicit, so that
//! a test can leave any step out.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use tokio::time::timeout;
use wa_core::crypto::{Random as _, SystemRandom, curve25519, kdf};
use wa_core::noise::{Established, Header, KnownServer, RoutingInfo, Transport, TrustRoot, ik, xx};
use wa_core::pairing::adv::{AdvSecret, Linked, accept_link};
use wa_core::pairing::qr::{ClientType, QrCode, QrForm};
use wa_core::signal::{
    LocalIdentity, OwnSenderKey, Peer, PreKey, PreKeyBundle, PreKeySignalMessage, PreKeys,
    SenderKeyDistribution, SenderKeyMessage, SenderKeyRecord, SessionRecord, SignalMessage, SignedPreKey,
    pad, unpad,
};
use wa_core::transport::{Connector, Socket};
use wa_core::wire::frame::{FrameBuffer, write_frame};
use wa_core::wire::{self, Node};
use wa_proto::e2e::{Message, SenderKeyDistributionMessage};
use wa_proto::wa6::ClientPayload;
use wa_proto::wa6::client_payload::user_agent::AppVersion;
use wa_proto::wa6::client_payload::{DevicePairingRegistrationData, UserAgent};
use wa_types::{Jid, KeyPair, PreKeyId, PublicKey, RegistrationId, Signature, UnixMillis, UnixSeconds};

/// A companion's keys and what pairing gave it.
pub(crate) struct Companion {
    pub(crate) noise: KeyPair,
    pub(crate) identity: KeyPair,
    pub(crate) signed: SignedPreKey,
    pub(crate) one_time: HashMap<PreKeyId, PreKey>,
    pub(crate) registration_id: RegistrationId,
    pub(crate) secret: AdvSecret,
    pub(crate) push_name: Option<String>,
    pub(crate) passive: bool,
    pub(crate) pull: bool,
    pub(crate) jid: Option<Jid>,
    pub(crate) lid: Option<Jid>,
    pub(crate) linked: Option<Linked>,
    pub(crate) sessions: HashMap<Jid, SessionRecord>,
    /// Sender keys of others, by group and device.
    sender_keys: HashMap<(Jid, Jid), SenderKeyRecord>,
    own_keys: HashMap<Jid, OwnSenderKey>,
    /// The server of the last full handshake.
    pub(crate) known: Mutex<Option<KnownServer>>,
}

impl Companion {
    pub(crate) fn new() -> Self {
        let random = &mut SystemRandom;
        let identity = curve25519::generate(random);
        Self {
            noise: curve25519::generate(random),
            signed: SignedPreKey::generate(PreKeyId::FIRST, &identity, random),
            identity,
            one_time: HashMap::new(),
            registration_id: RegistrationId(4711),
            secret: AdvSecret::new(random.array()),
            push_name: None,
            passive: false,
            pull: true,
            jid: None,
            lid: None,
            linked: None,
            sessions: HashMap::new(),
            sender_keys: HashMap::new(),
            own_keys: HashMap::new(),
            known: Mutex::new(None),
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self { push_name: Some(name.to_owned()), ..Self::new() }
    }

    pub(crate) fn jid(&self) -> Jid {
        self.jid.clone().expect("paired")
    }

    pub(crate) fn payload(&self) -> ClientPayload {
        let agent = UserAgent {
            app_version: Some(AppVersion {
                primary: Some(2),
                secondary: Some(3000),
                tertiary: Some(1_000_000_000),
                ..AppVersion::default()
            }),
            ..UserAgent::default()
        };
        let base = ClientPayload {
            user_agent: Some(agent),
            push_name: self.push_name.clone(),
            ..ClientPayload::default()
        };
        match &self.jid {
            Some(jid) => ClientPayload {
                username: jid.user().parse().ok(),
                device: Some(jid.device().into()),
                passive: Some(self.passive),
                pull: Some(self.pull),
                ..base
            },
            None => ClientPayload {
                device_pairing_data: Some(DevicePairingRegistrationData {
                    e_regid: Some(self.registration_id.to_bytes().to_vec()),
                    e_keytype: Some(vec![5]),
                    e_ident: Some(self.identity.public.as_bytes().to_vec()),
                    e_skey_id: Some(self.signed.id.to_bytes().to_vec()),
                    e_skey_val: Some(self.signed.key_pair.public.as_bytes().to_vec()),
                    e_skey_sig: Some(self.signed.signature.as_bytes().to_vec()),
                    build_hash: Some(vec![7; 16]),
                    device_props: Some(Vec::new()),
                }),
                ..base
            },
        }
    }

    /// Connects and shakes hands.
    pub(crate) async fn connect(&self, connector: &dyn Connector, root: &TrustRoot) -> Wire {
        let socket = connector.connect(None).await.expect("connects");
        self.shake_hands(socket, root, &self.payload().encode_to_vec()).await.expect("shakes hands")
    }

    pub(crate) async fn shake_hands(
        &self,
        mut socket: Box<dyn Socket>,
        root: &TrustRoot,
        payload: &[u8],
    ) -> Option<Wire> {
        let mut out = Vec::new();
        Header::new(None).write(&mut out);
        let (hello, waiting) = xx::start(self.noise.clone(), &mut SystemRandom);
        write_frame(&hello, &mut out).expect("fits");
        socket.send(out).await.ok()?;
        let mut buffer = FrameBuffer::new();
        let answer = loop {
            if let Some(frame) = buffer.next_frame().expect("frame") {
                break frame.to_vec();
            }
            buffer.push(&socket.recv().await.ok()??).expect("room");
        };
        let (finish, Established { transport, server, .. }) =
            waiting.finish(&answer, payload, root, now()).ok()?;
        *self.known.lock().expect("not poisoned") = Some(server);
        let mut out = Vec::new();
        write_frame(&finish, &mut out).expect("fits");
        socket.send(out).await.ok()?;
        Some(Wire { socket, transport, buffer, next_id: 0 })
    }

    /// Resumes with a server that is known. Returns the connection, and whether the server fell back.
    pub(crate) async fn resume(
        &self,
        mut socket: Box<dyn Socket>,
        root: &TrustRoot,
        server: KnownServer,
    ) -> (Wire, bool) {
        let payload = self.payload().encode_to_vec();
        let mut out = Vec::new();
        Header::new(RoutingInfo::new(*b"edge").ok()).write(&mut out);
        let random = &mut SystemRandom;
        let (hello, waiting) = ik::start(self.noise.clone(), server, &payload, now(), random).expect("fresh");
        write_frame(&hello, &mut out).expect("fits");
        socket.send(out).await.expect("sends");
        let mut buffer = FrameBuffer::new();
        buffer.push(&socket.recv().await.expect("no error").expect("an answer")).expect("room");
        let answer = buffer.next_frame().expect("frame").expect("whole").to_vec();
        match waiting.finish(&answer, &payload, root, now()).expect("good") {
            ik::Answer::Resumed(Established { transport, .. }) => {
                (Wire { socket, transport, buffer, next_id: 0 }, false)
            }
            ik::Answer::FellBack { finish, established } => {
                let mut out = Vec::new();
                write_frame(&finish, &mut out).expect("fits");
                socket.send(out).await.expect("sends");
                (Wire { socket, transport: established.transport, buffer, next_id: 0 }, true)
            }
        }
    }

    pub(crate) fn qr(&self, reference: &str) -> String {
        let code = QrCode::new(
            reference,
            self.noise.public,
            self.identity.public,
            self.secret.clone(),
            ClientType::Chrome,
        );
        code.to_text(QrForm::Link)
    }

    /// Waits for codes; returns the first.
    pub(crate) async fn show_qr(&self, wire: &mut Wire) -> String {
        let iq = wire.expect("iq").await;
        let refs = iq.find("pair-device").expect("pair-device");
        let first = refs.nodes().first().and_then(Node::content_bytes).expect("a ref");
        let qr = self.qr(std::str::from_utf8(first).expect("printable"));
        wire.send(
            &Node::new("iq").attr("to", Jid::SERVER).attr("type", "result").attr("id", attr(&iq, "id")),
        )
        .await;
        qr
    }

    /// Answers the pair-success and sees the connection end with 515.
    pub(crate) async fn confirm(&mut self, wire: &mut Wire) {
        let iq = wire.expect("iq").await;
        let success = iq.find("pair-success").expect("pair-success");
        let container = success.find("device-identity").and_then(Node::content_bytes).expect("identity");
        let linked = accept_link(container, &self.secret, &self.identity, &mut SystemRandom).expect("good");
        let device = success.find("device").expect("device");
        self.jid = device.get("jid").and_then(|jid| jid.to_jid().ok());
        self.lid = device.get("lid").and_then(|jid| jid.to_jid().ok());
        let identity =
            Node::new("device-identity").attr("key-index", linked.details.key_index).bytes(linked.reply());
        let reply = Node::new("iq")
            .attr("to", Jid::SERVER)
            .attr("type", "result")
            .attr("id", attr(&iq, "id"))
            .child(Node::new("pair-device-sign").child(identity));
        wire.send(&reply).await;
        self.linked = Some(linked);
        let end = wire.expect("stream:error").await;
        assert_eq!(attr(&end, "code"), "515");
        wire.expect_end().await;
    }

    /// Children of a pre-key upload with `count` new keys.
    pub(crate) fn upload(&mut self, count: u32) -> Vec<Node> {
        let start = u32::try_from(self.one_time.len()).expect("few") + 1;
        let mut list = Vec::new();
        for id in start..start + count {
            let key = PreKey::generate(PreKeyId::new(id).expect("small"), &mut SystemRandom);
            list.push(
                Node::new("key")
                    .child(Node::new("id").bytes(key.id.to_bytes()))
                    .child(Node::new("value").bytes(*key.key_pair.public.as_bytes())),
            );
            self.one_time.insert(key.id, key);
        }
        let signed = Node::new("skey")
            .child(Node::new("id").bytes(self.signed.id.to_bytes()))
            .child(Node::new("value").bytes(*self.signed.key_pair.public.as_bytes()))
            .child(Node::new("signature").bytes(*self.signed.signature.as_bytes()));
        vec![
            Node::new("registration").bytes(self.registration_id.to_bytes()),
            Node::new("type").bytes([5]),
            Node::new("identity").bytes(*self.identity.public.as_bytes()),
            Node::new("list").children(list),
            signed,
        ]
    }

    /// Begins sessions with these devices from bundles of the server.
    pub(crate) async fn fetch(&mut self, wire: &mut Wire, devices: &[Jid]) {
        let users = devices.iter().map(|jid| Node::new("user").attr("jid", jid));
        let answer = wire.request("get", "encrypt", vec![Node::new("key").children(users)]).await;
        for user in answer.find("list").expect("list").find_all("user") {
            let bundle = bundle_of(user).expect("bundle");
            let jid = user.get("jid").and_then(|jid| jid.to_jid().ok()).expect("jid");
            let ours = LocalIdentity { key_pair: &self.identity, registration_id: self.registration_id };
            self.sessions.entry(jid).or_default().initiate(ours, &bundle, &mut SystemRandom).expect("good");
        }
    }

    /// `<to jid><enc/></to>` for one device.
    pub(crate) fn copy_for(&mut self, device: &Jid, message: &Message) -> Node {
        Node::new("to").attr("jid", device).child(self.enc_for(device, message))
    }

    pub(crate) fn enc_for(&mut self, device: &Jid, message: &Message) -> Node {
        let mut padded = message.encode_to_vec();
        pad(&mut padded, &mut SystemRandom);
        let ciphertext = self.sessions.get_mut(device).expect("session").encrypt(&padded).expect("encrypts");
        Node::new("enc").attr("v", "2").attr("type", ciphertext.kind.as_str()).bytes(ciphertext.bytes)
    }

    pub(crate) fn device_identity(&self) -> Node {
        Node::new("device-identity").bytes(self.linked.as_ref().expect("linked").identity.encode())
    }

    /// Decrypts what a stanza carries: of a group, the pairwise part first, which may bring the sender's key.
    pub(crate) fn decrypt(&mut self, stanza: &Node) -> Message {
        let jid = |name: &str| stanza.get(name).and_then(|jid| jid.to_jid().ok());
        let from = jid("from").expect("from");
        let sender = jid("participant").unwrap_or_else(|| from.clone());
        let mut read = Message::default();
        for enc in stanza.find_all("enc") {
            let bytes = enc.content_bytes().expect("bytes");
            let padded = if attr(enc, "type") == "skmsg" {
                let record = self.sender_keys.entry((from.clone(), sender.clone())).or_default();
                record.decrypt(&SenderKeyMessage::parse(bytes).expect("parses")).expect("decrypts")
            } else {
                self.decrypt_pairwise(&sender, &attr(enc, "type"), bytes)
            };
            let mut message = Message::decode(unpad(&padded).expect("padding")).expect("protobuf");
            if let Some(given) = message.sender_key_distribution_message.take() {
                let key = SenderKeyDistribution::parse(given.axolotl_sender_key_distribution_message());
                let record = self.sender_keys.entry((from.clone(), sender.clone())).or_default();
                record.process(&key.expect("parses")).expect("a key");
            }
            if message != Message::default() {
                read = message;
            }
        }
        read
    }

    fn decrypt_pairwise(&mut self, sender: &Jid, kind: &str, bytes: &[u8]) -> Vec<u8> {
        let session = self.sessions.entry(sender.clone()).or_default();
        let random = &mut SystemRandom;
        if kind == "pkmsg" {
            let message = PreKeySignalMessage::parse(bytes).expect("parses");
            let ours = LocalIdentity { key_pair: &self.identity, registration_id: self.registration_id };
            let one_time = message.pre_key_id().and_then(|id| self.one_time.get(&id));
            let keys = PreKeys { signed: Some(&self.signed), one_time };
            session.decrypt_pre_key(ours, &message, keys, Peer::Contact, random).expect("decrypts").plaintext
        } else {
            let message = SignalMessage::parse(bytes).expect("parses");
            session.decrypt(&message, Peer::Contact, random).expect("decrypts")
        }
    }

    /// The message that gives our sender key in a group away, as of the next message.
    pub(crate) fn distribution(&mut self, group: &Jid) -> Message {
        let given = SenderKeyDistributionMessage {
            group_id: Some(group.to_string()),
            axolotl_sender_key_distribution_message: Some(self.own_key(group).distribution().to_bytes()),
        };
        Message { sender_key_distribution_message: Some(given.into()), ..Message::default() }
    }

    /// A message for all members.
    pub(crate) fn group_enc(&mut self, group: &Jid, message: &Message) -> Node {
        let mut padded = message.encode_to_vec();
        pad(&mut padded, &mut SystemRandom);
        let bytes = self.own_key(group).encrypt(&padded, &mut SystemRandom).expect("encrypts");
        Node::new("enc").attr("v", "2").attr("type", "skmsg").bytes(bytes)
    }

    fn own_key(&mut self, group: &Jid) -> &mut OwnSenderKey {
        self.own_keys.entry(group.clone()).or_insert_with(|| OwnSenderKey::generate(&mut SystemRandom))
    }
}

/// A connection after its handshake.
pub(crate) struct Wire {
    pub(crate) socket: Box<dyn Socket>,
    pub(crate) transport: Transport,
    pub(crate) buffer: FrameBuffer,
    next_id: u32,
}

impl Wire {
    pub(crate) async fn send(&mut self, node: &Node) {
        self.send_payload(&wire::encode(node).expect("encodes")).await;
    }

    pub(crate) async fn send_payload(&mut self, payload: &[u8]) {
        let mut out = Vec::new();
        self.transport.sender.seal_frame(payload, &mut out).expect("seals");
        self.socket.send(out).await.expect("sends");
    }

    /// The next stanza; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Node> {
        let next = async {
            loop {
                if let Some(frame) = self.buffer.next_frame().expect("frame") {
                    let payload = self.transport.receiver.open(frame).expect("opens").to_vec();
                    let body = wire::unpack(&payload).expect("unpacks");
                    return Some(wire::decode(&body).expect("decodes").root().to_node());
                }
                let bytes = self.socket.recv().await.ok()??;
                self.buffer.push(&bytes).expect("room");
            }
        };
        timeout(Duration::from_secs(20), next).await.expect("the server answers")
    }

    /// The next stanza of this tag; others are passed over.
    pub(crate) async fn expect(&mut self, tag: &str) -> Node {
        self.expect_where(|node| node.tag == tag).await
    }

    pub(crate) async fn expect_where(&mut self, wanted: impl Fn(&Node) -> bool) -> Node {
        let mut seen = Vec::new();
        while let Some(node) = self.next().await {
            if wanted(&node) {
                return node;
            }
            seen.push(node.to_xml());
        }
        panic!("the connection ended; seen:\n{}", seen.join("\n"));
    }

    pub(crate) async fn expect_end(&mut self) {
        while let Some(node) = self.next().await {
            assert!(matches!(node.tag.as_ref(), "ib" | "presence"), "{}", node.to_xml());
        }
    }

    /// Reads until the end, whatever comes.
    pub(crate) async fn drain(&mut self) {
        while matches!(self.socket.recv().await, Ok(Some(_))) {}
    }

    pub(crate) async fn request(&mut self, kind: &str, namespace: &str, children: Vec<Node>) -> Node {
        self.request_to(&Jid::SERVER, kind, namespace, children).await
    }

    pub(crate) async fn request_to(
        &mut self,
        to: &Jid,
        kind: &str,
        namespace: &str,
        children: Vec<Node>,
    ) -> Node {
        self.next_id += 1;
        let id = format!("q{}", self.next_id);
        let iq = Node::new("iq").attr("to", to).attr("type", kind).attr("xmlns", namespace).attr("id", &id);
        let iq = if children.is_empty() { iq } else { iq.children(children) };
        self.send(&iq).await;
        self.expect_where(|node| node.tag == "iq" && attr(node, "id") == id).await
    }

    /// Delivery receipt.
    pub(crate) async fn confirm(&mut self, stanza: &Node) {
        let receipt = Node::new("receipt")
            .attr("id", attr(stanza, "id"))
            .attr_opt("to", stanza.get("from").cloned())
            .attr_opt("participant", stanza.get("participant").cloned())
            .attr_opt("recipient", stanza.get("recipient").cloned());
        let own = stanza.get("recipient").is_some();
        self.send(&receipt.attr_opt("type", own.then_some("sender"))).await;
    }
}

pub(crate) fn attr(node: &Node, name: &str) -> String {
    node.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default()
}

pub(crate) fn text(text: &str) -> Message {
    Message { conversation: Some(text.to_owned()), ..Message::default() }
}

pub(crate) fn now() -> UnixSeconds {
    UnixMillis::from_system_time(SystemTime::now()).to_seconds()
}

pub(crate) fn bundle_of(user: &Node) -> Option<PreKeyBundle> {
    fn array<const N: usize>(node: &Node, tag: &str) -> Option<[u8; N]> {
        node.find(tag)?.content_bytes()?.try_into().ok()
    }
    let skey = user.find("skey")?;
    Some(PreKeyBundle {
        registration_id: RegistrationId(u32::from_be_bytes(array(user, "registration")?)),
        identity: PublicKey::new(array(user, "identity")?),
        signed_pre_key_id: PreKeyId::from_bytes(array(skey, "id")?)?,
        signed_pre_key: PublicKey::new(array(skey, "value")?),
        signature: Signature::new(array(skey, "signature")?),
        pre_key: user.find("key").and_then(|key| {
            Some((PreKeyId::from_bytes(array(key, "id")?)?, PublicKey::new(array(key, "value")?)))
        }),
    })
}

/// The participant hash, written down again on its own.
pub(crate) fn phash(jids: &[Jid]) -> String {
    use base64::Engine as _;
    let mut forms: Vec<String> = jids.iter().map(Jid::phash_form).collect();
    forms.sort();
    let hash = kdf::sha256(&[forms.concat().as_bytes()]);
    format!("2:{}", base64::engine::general_purpose::STANDARD.encode(&hash[..6]))
}
