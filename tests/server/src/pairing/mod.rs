//! A connection without an account, until a phone made it a companion. Protocol: pairing, "Overview".

mod code;
mod passkey;

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::oneshot;
use tokio::time::Instant;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::pairing::adv::SignedDeviceIdentity;
use wa_core::wire::Node;
use wa_types::{Jid, PublicKey};

pub(crate) use code::CodeRefusal;
pub(crate) use passkey::{Passkey, Sent};

use self::code::Announced;
use self::passkey::AskedPasskey;
use crate::account::{Device, DeviceKey, DeviceKeys, KeyIndexList};
use crate::journal::{Direction, Subject};
use crate::routing::devices::Change;
use crate::session::{Outgoing, Session};
use crate::stanza::{Read, malformed, stream_error};
use crate::state::{QUEUE, State};

/// The connections that wait for a phone.
#[derive(Debug, Default)]
pub(crate) struct Pairings {
    by_connection: HashMap<u64, Pairing>,
    /// What the next announcements of codes are refused with.
    pub(crate) refusals: VecDeque<CodeRefusal>,
}

/// One connection of an unregistered client.
#[derive(Debug)]
struct Pairing {
    session: Session,
    noise_key: PublicKey,
    keys: DeviceKeys,
    push_name: Option<String>,
    refs: Vec<(String, Instant)>,
    lists_left: usize,
    code: Option<Announced>,
    passkey: Option<AskedPasskey>,
    link: Option<Link>,
}

impl Pairing {
    /// Whether it shows this code, was announced under it, or was asked for a passkey under it.
    fn is_known_by(&self, reference: &str) -> bool {
        let now = Instant::now();
        self.refs.iter().any(|(shown, expires)| shown == reference && *expires > now)
            || self.code.as_ref().is_some_and(|code| code.is(reference))
            || self.passkey.as_ref().is_some_and(|asked| asked.is(reference))
    }

    /// A phone may still link it without a QR code.
    fn is_beside_qr(&self) -> bool {
        self.code.as_ref().is_some_and(Announced::is_live) || self.passkey.is_some()
    }
}

/// A link that the phone began and the companion has not confirmed.
#[derive(Debug)]
struct Link {
    iq_id: String,
    key: DeviceKey,
    account_identity: PublicKey,
    key_index: u32,
    key_index_list: KeyIndexList,
    done: oneshot::Sender<Result<Jid, ScanError>>,
}

/// What a phone uploads to link a companion.
pub(crate) struct LinkUpload {
    pub(crate) reference: String,
    pub(crate) noise_key: PublicKey,
    pub(crate) container: Vec<u8>,
    pub(crate) key_index: u32,
    pub(crate) key_index_list: KeyIndexList,
    pub(crate) client_props: Option<Vec<u8>>,
    pub(crate) options: LinkOptions,
}

/// What a test may change about the pair-success.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkOptions {
    pub(crate) without_lid: bool,
    pub(crate) business: Option<String>,
    pub(crate) repeat: bool,
}

/// Why a phone could not link a companion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The text is no QR code of a companion.
    #[error("not a QR code of a companion")]
    Qr,
    /// No connection shows this code, or not any more.
    #[error("the QR code is unknown or too old")]
    UnknownRef,
    /// The code names other keys than its connection registered.
    #[error("the QR code does not belong to its connection")]
    OtherKeys,
    /// The account has as many companions as it may have.
    #[error("no more companions can be linked")]
    TooMany,
    /// The companion answered the pair-success with an error.
    #[error("the companion refused: {code} {text}")]
    Refused {
        /// Its error code.
        code: u16,
        /// Its error text.
        text: String,
    },
    /// The companion's own signature is wrong.
    #[error("the companion's signature does not verify")]
    DeviceSignature,
    /// The companion did not answer in time, or its connection ended.
    #[error("the companion did not answer")]
    NoAnswer,
}

impl State {
    /// An unregistered client connected: it gets its first codes.
    pub(crate) fn start_pairing(
        &mut self,
        session: Session,
        noise_key: PublicKey,
        keys: DeviceKeys,
        push_name: Option<String>,
    ) {
        let connection = session.connection;
        let lists_left = self.config.ref_lists;
        let pairing = Pairing {
            session,
            noise_key,
            keys,
            push_name,
            refs: Vec::new(),
            lists_left,
            code: None,
            passkey: None,
            link: None,
        };
        self.pairings.by_connection.insert(connection, pairing);
        self.send_refs(connection);
    }

    /// Sends the next list of codes. `false` when the connection had all that it gets, or is linking already.
    pub(crate) fn send_refs(&mut self, connection: u64) -> bool {
        let (count, first, next) = (self.config.refs, self.config.first_ref, self.config.next_ref);
        let id = self.next_id();
        let Some(pairing) = self.pairings.by_connection.get_mut(&connection) else { return false };
        if pairing.link.is_some() {
            return true;
        }
        if pairing.lists_left == 0 {
            return pairing.is_beside_qr();
        }
        pairing.lists_left -= 1;
        let mut expires = Instant::now() + GRACE;
        pairing.refs.clear();
        for index in 0..count {
            expires += if index == 0 { first } else { next };
            let reference = format!("2@{}", STANDARD.encode(SystemRandom.array::<48>()));
            pairing.refs.push((reference, expires));
        }
        let refs = pairing.refs.iter().map(|(reference, _)| Node::new("ref").bytes(reference.as_bytes()));
        let iq = Node::new("iq")
            .attr("from", Jid::SERVER)
            .attr("type", "set")
            .attr("id", id)
            .attr("xmlns", "md")
            .child(Node::new("pair-device").children(refs));
        self.transmit_unpaired(connection, iq);
        true
    }

    /// Which push name the client gave whose code this is; `None` when nobody shows it.
    pub(crate) fn push_name_behind(&self, reference: &str) -> Option<Option<String>> {
        self.pairing_of(reference).map(|(_, pairing)| pairing.push_name.clone())
    }

    /// A phone uploads what it signed for the companion behind a code. The answer comes when the companion confirmed.
    pub(crate) fn begin_link(
        &mut self,
        account: usize,
        upload: LinkUpload,
    ) -> Result<(u64, oneshot::Receiver<Result<Jid, ScanError>>), ScanError> {
        let Some((connection, pairing)) = self.pairing_of(&upload.reference) else {
            return Err(ScanError::UnknownRef);
        };
        if pairing.noise_key != upload.noise_key {
            return Err(ScanError::OtherKeys);
        }
        if pairing.link.is_some() {
            return Err(ScanError::UnknownRef);
        }
        let iq_id = self.next_id().to_string();
        let now = self.now_seconds();
        let Some(owner) = self.accounts.get_mut(account) else { return Err(ScanError::UnknownRef) };
        if owner.devices.len() > MAX_COMPANIONS {
            return Err(ScanError::TooMany);
        }
        let number = owner.next_device;
        owner.next_device = if number == 98 { 100 } else { number + 1 };
        let (pn, lid) = (owner.pn.clone().with_device(number), owner.lid.clone().with_device(number));
        let account_identity = owner.devices.get(&0).map(|phone| phone.keys.identity);
        let Some(account_identity) = account_identity else { return Err(ScanError::UnknownRef) };

        let mut device = Node::new("device").attr("jid", pn);
        if !upload.options.without_lid {
            device = device.attr("lid", lid);
        }
        let business = upload.options.business.as_ref().map(|name| Node::new("biz").attr("name", name));
        let success = Node::new("pair-success")
            .child(Node::new("device-identity").bytes(upload.container))
            .child(device)
            .child(Node::new("platform").attr("name", "android"))
            .children(business)
            .children(upload.client_props.map(|props| Node::new("client-props").bytes(props)));
        let iq = Node::new("iq")
            .attr("from", Jid::SERVER)
            .attr("type", "set")
            .attr("id", &iq_id)
            .attr("xmlns", "md")
            .attr("t", now)
            .child(success);
        let (done, answer) = oneshot::channel();
        let link = Link {
            iq_id,
            key: DeviceKey { account, number },
            account_identity,
            key_index: upload.key_index,
            key_index_list: upload.key_index_list,
            done,
        };
        if let Some(pairing) = self.pairings.by_connection.get_mut(&connection) {
            pairing.link = Some(link);
        }
        self.transmit_unpaired(connection, iq.clone());
        if upload.options.repeat {
            self.transmit_unpaired(connection, iq);
        }
        Ok((connection, answer))
    }

    /// Handles a stanza of a client that is not registered.
    pub(crate) fn handle_unpaired(&mut self, connection: u64, node: &Node) {
        self.note(Subject::Connection(connection), Direction::FromClient, node);
        let is_iq = node.tag == "iq";
        match node.attr_text("type").as_deref() {
            Some("result" | "error") if is_iq => self.handle_link_answer(connection, node),
            Some("get" | "set") if is_iq => {
                let answer = match node.attr_text("xmlns").as_deref() {
                    Some("w:p" | "urn:xmpp:ping") => {
                        crate::stanza::iq_result(node).attr("t", self.now_seconds())
                    }
                    Some("md") => self.answer_md(connection, node),
                    _ => crate::stanza::iq_error(node, 401, "not-authorized"),
                };
                self.transmit_unpaired(connection, answer);
            }
            _ if matches!(node.tag.as_ref(), "ack" | "ib" | "presence") => {}
            _ => {
                tracing::warn!(tag = %node.tag, "stanza of an unregistered client");
                self.transmit_unpaired(connection, malformed());
            }
        }
    }

    fn answer_md(&mut self, connection: u64, iq: &Node) -> Node {
        if let Some(request) = iq.find("link_code_companion_reg") {
            return self.answer_link_code(connection, iq, request);
        }
        let answer = self.answer_passkey(connection, iq);
        answer.unwrap_or_else(|| crate::stanza::iq_error(iq, 400, "bad-request"))
    }

    fn handle_link_answer(&mut self, connection: u64, node: &Node) {
        let Some(pairing) = self.pairings.by_connection.get_mut(&connection) else { return };
        let id = node.attr_text("id");
        let is_answer = pairing.link.as_ref().is_some_and(|link| id.as_deref() == Some(link.iq_id.as_str()));
        if !is_answer {
            return;
        }
        let Some(link) = pairing.link.take() else { return };
        if let Some(error) = node.find("error") {
            let code = error.attr_number("code").and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
            let text = error.attr_text("text").unwrap_or_default().into_owned();
            let _gone = link.done.send(Err(ScanError::Refused { code, text }));
            return;
        }
        let identity = node
            .find("pair-device-sign")
            .and_then(|sign| sign.child_bytes("device-identity"))
            .and_then(|bytes| SignedDeviceIdentity::decode(bytes).ok())
            .filter(|signed| signed.is_signed_by_device(&link.account_identity, &pairing.keys.identity));
        let Some(identity) = identity else {
            let _gone = link.done.send(Err(ScanError::DeviceSignature));
            self.end_pairing(connection, Some(stream_error(401)));
            return;
        };
        let Some(pairing) = self.pairings.by_connection.remove(&connection) else { return };
        let mut device = Device::new(pairing.keys, QUEUE);
        device.noise_key = Some(pairing.noise_key);
        device.key_index = Some(link.key_index);
        device.device_identity = Some(identity.without_account_key().encode());
        let jid = self.jid_of(link.key, &Jid::SERVER);
        if let Some(account) = self.accounts.get_mut(link.key.account) {
            account.devices.insert(link.key.number, device);
            account.key_index_list = Some(link.key_index_list);
        }
        let last = stream_error(515);
        self.note(Subject::Connection(connection), Direction::ToClient, &last);
        self.journal.adopt(connection, link.key);
        pairing.session.finish(Some(last));
        self.announce_device(link.key, Some(link.key_index), Change::Added);
        let _gone = link.done.send(Ok(jid));
        self.ring();
    }

    /// Wants another secret in the codes of a connection. `false` when nobody shows this one.
    pub(crate) fn rotate_qr(&mut self, reference: &str) -> bool {
        let Some((connection, _)) = self.pairing_of(reference) else { return false };
        let child = Node::new("pair-device-rotate-qr");
        self.notify_unpaired(connection, "companion_reg_refresh", Some(child));
        true
    }

    /// The companion did not answer its pair-success.
    pub(crate) fn drop_link(&mut self, connection: u64) {
        if self.pairings.by_connection.get(&connection).is_some_and(|pairing| pairing.link.is_some()) {
            self.end_pairing(connection, None);
        }
    }

    /// Ends an unregistered connection.
    pub(crate) fn end_pairing(&mut self, connection: u64, last: Option<Node>) {
        self.journal.forget(connection);
        let Some(pairing) = self.pairings.by_connection.remove(&connection) else { return };
        if let Some(link) = pairing.link {
            let _gone = link.done.send(Err(ScanError::NoAnswer));
        }
        pairing.session.finish(last);
        self.ring();
    }

    fn pairing_of(&self, reference: &str) -> Option<(u64, &Pairing)> {
        let mut pairings = self.pairings.by_connection.iter();
        let found = pairings.find(|(_, pairing)| pairing.is_known_by(reference));
        found.map(|(connection, pairing)| (*connection, pairing))
    }

    fn transmit_unpaired(&mut self, connection: u64, node: Node) {
        self.note(Subject::Connection(connection), Direction::ToClient, &node);
        if let Some(pairing) = self.pairings.by_connection.get(&connection) {
            pairing.session.push(Outgoing::Stanza(node.into()));
        }
    }
}

/// How long after its display a code still counts.
const GRACE: std::time::Duration = std::time::Duration::from_secs(20);
/// Real accounts have four; tests may want more.
const MAX_COMPANIONS: usize = 64;
