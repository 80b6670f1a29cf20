//! `encrypt`: the keys with which others write to a device first.
//! Protocol: prekeys and devices, "Count" to "Signed prekey rotation".

use wa_core::wire::Node;
use wa_types::{Jid, PublicKey, Signature};

use super::Answer;
use crate::account::{DeviceKey, SignedPreKey};
use crate::stanza::{Read, error, error_text};
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    if is_set {
        return match iq.find("rotate") {
            Some(rotate) => rotate_signed(state, from, rotate),
            None => upload(state, from, iq),
        };
    }
    let Some(asked) = iq.nodes().first() else { return Answer::Error(400) };
    match asked.tag.as_ref() {
        "count" => {
            let count = state.device(from).map_or(0, |device| device.keys.one_time.len());
            Answer::one(Node::new("count").attr("value", count))
        }
        "digest" => digest(state, from),
        "key" => bundles(state, asked),
        "key_fetch" => missing_keys(state, asked),
        "identity" => identities(state, asked),
        _ => Answer::Error(400),
    }
}

/// What an upload offers, with its lengths and its signature checked.
pub(crate) struct Upload {
    registration: [u8; 4],
    identity: PublicKey,
    signed: SignedPreKey,
    one_time: Vec<([u8; 3], PublicKey)>,
}

/// Reads an upload; `None` when anything has a wrong length, or the signed pre-key is not signed by the identity.
pub(crate) fn upload_of(node: &Node) -> Option<Upload> {
    let identity = PublicKey::new(node.child_array("identity")?);
    let registration = node.child_array::<4>("registration")?;
    if node.child_bytes("type")? != [KEY_TYPE] {
        return None;
    }
    let list = node.find("list")?.nodes();
    if list.len() > MAX_UPLOAD {
        return None;
    }
    let one_time = list.iter().map(|key| {
        let id = key.child_array::<3>("id").filter(|id| *id != [0; 3])?;
        Some((id, PublicKey::new(key.child_array("value")?)))
    });
    let one_time = one_time.collect::<Option<Vec<_>>>()?;
    let signed = signed_of(node.find("skey")?)?;
    signed.is_signed_by(&identity).then_some(Upload { registration, identity, signed, one_time })
}

fn signed_of(node: &Node) -> Option<SignedPreKey> {
    Some(SignedPreKey {
        id: node.child_array::<3>("id").filter(|id| *id != [0; 3])?,
        key: PublicKey::new(node.child_array("value")?),
        signature: Signature::new(node.child_array("signature")?),
    })
}

fn upload(state: &mut State, from: DeviceKey, iq: &Node) -> Answer {
    let Some(upload) = upload_of(iq) else { return Answer::Error(406) };
    let Some(device) = state.device_mut(from) else { return Answer::Error(404) };
    if upload.identity != device.keys.identity {
        return Answer::Error(406);
    }
    device.keys.registration = upload.registration;
    device.keys.signed = upload.signed;
    device.keys.add_one_time(upload.one_time);
    state.ring();
    Answer::DONE
}

fn rotate_signed(state: &mut State, from: DeviceKey, rotate: &Node) -> Answer {
    let Some(device) = state.device_mut(from) else { return Answer::Error(404) };
    match rotate.find("skey").and_then(signed_of) {
        Some(signed) if signed.is_signed_by(&device.keys.identity) => {
            device.keys.signed = signed;
            Answer::DONE
        }
        _ => Answer::Error(406),
    }
}

fn digest(state: &State, from: DeviceKey) -> Answer {
    let Some(keys) = state.device(from).map(|device| &device.keys).filter(|keys| keys.uploaded) else {
        return Answer::Error(404);
    };
    let ids = keys.one_time.iter().map(|(id, _)| Node::new("id").bytes(*id));
    Answer::one(
        Node::new("digest")
            .child(Node::new("registration").bytes(keys.registration))
            .child(Node::new("type").bytes([KEY_TYPE]))
            .child(Node::new("identity").bytes(*keys.identity.as_bytes()))
            .child(signed_node(&keys.signed))
            .child(Node::new("list").children(ids))
            .child(Node::new("hash").bytes(keys.digest())),
    )
}

fn bundles(state: &mut State, asked: &Node) -> Answer {
    let mut users = Vec::new();
    for user in asked.find_all("user") {
        let Some(jid) = user.attr_jid("jid").filter(Jid::is_user) else { return Answer::Error(400) };
        let node = Node::new("user").attr("jid", &jid);
        let key = state.device_key(&jid);
        users.push(match key.and_then(|key| bundle(state, key)) {
            Some(parts) => node.attr("t", state.now_seconds()).children(parts),
            None => node.child(error(406, error_text(406))),
        });
    }
    if users.is_empty() { Answer::Error(400) } else { Answer::one(Node::new("list").children(users)) }
}

fn missing_keys(state: &mut State, asked: &Node) -> Answer {
    let mut users = Vec::new();
    for user in asked.find_all("user") {
        let Some(jid) = user.attr_jid("jid").filter(Jid::is_user) else { return Answer::Error(400) };
        let mut devices = Vec::new();
        for device in user.find_all("device") {
            let Some(number) = device.attr_number("id").and_then(|id| u16::try_from(id).ok()) else {
                return Answer::Error(400);
            };
            let node = Node::new("device").attr("id", number);
            let key = state.device_key(&jid.clone().with_device(number));
            devices.push(match key.and_then(|key| bundle(state, key)) {
                Some(parts) => node.children(parts),
                None => node.child(error(406, error_text(406))),
            });
        }
        users.push(Node::new("user").attr("jid", &jid).children(devices));
    }
    Answer::one(Node::new("list").children(users))
}

/// A device's bundle, with a one-time key that nobody else gets; `None` when the device does not exist.
fn bundle(state: &mut State, key: DeviceKey) -> Option<Vec<Node>> {
    let limit = state.config.low_pre_keys;
    let exhausted = state.faults.take_without_one_time(key) || state.chaos_takes_pre_key(key);
    let device = state.device_mut(key)?;
    let one_time = if exhausted { None } else { device.keys.take_one_time() };
    let keys = &device.keys;
    let mut parts = vec![
        Node::new("registration").bytes(keys.registration),
        Node::new("type").bytes([KEY_TYPE]),
        Node::new("identity").bytes(*keys.identity.as_bytes()),
        signed_node(&keys.signed),
    ];
    parts.extend(one_time.map(|(id, value)| {
        Node::new("key").child(Node::new("id").bytes(id)).child(Node::new("value").bytes(*value.as_bytes()))
    }));
    parts.extend(
        device.device_identity.as_ref().map(|identity| Node::new("device-identity").bytes(identity.clone())),
    );

    let left = device.keys.one_time.len();
    if device.keys.uploaded && left <= limit && !device.keys.told_low {
        state.tell_low_pre_keys(key);
    }
    Some(parts)
}

impl State {
    /// Tells a device how many one-time pre-keys are left of it.
    pub(crate) fn tell_low_pre_keys(&mut self, key: DeviceKey) {
        let (id, now) = (self.next_id(), self.now_seconds());
        let Some(device) = self.device_mut(key) else { return };
        device.keys.told_low = true;
        let left = device.keys.one_time.len();
        let notification = Node::new("notification")
            .attr("type", "encrypt")
            .attr("from", Jid::SERVER)
            .attr("id", id)
            .attr("t", now)
            .child(Node::new("count").attr("value", left));
        self.deliver(key, notification);
    }
}

fn identities(state: &State, asked: &Node) -> Answer {
    let users = asked.find_all("user").map(|user| {
        let node = Node::new("user").attr_opt("jid", user.get("jid").cloned());
        let key = user.attr_jid("jid").and_then(|jid| state.device_key(&jid));
        match key.and_then(|key| state.device(key)) {
            Some(device) => node
                .child(Node::new("type").bytes([KEY_TYPE]))
                .child(Node::new("identity").bytes(*device.keys.identity.as_bytes())),
            None => node.child(error(404, error_text(404))),
        }
    });
    Answer::one(Node::new("list").children(users))
}

fn signed_node(signed: &SignedPreKey) -> Node {
    Node::new("skey")
        .child(Node::new("id").bytes(signed.id))
        .child(Node::new("value").bytes(*signed.key.as_bytes()))
        .child(Node::new("signature").bytes(*signed.signature.as_bytes()))
}

/// Curve25519.
const KEY_TYPE: u8 = 5;
/// More than any client offers at once.
const MAX_UPLOAD: usize = 5000;
