//! What a message says of the moment in which it is sent.

use prost::Message as _;
use wa_proto::e2e;
use wa_proto::e2e::protocol_message::Type;
use wa_types::UnixMillis;

use super::{Message, raw, read};

/// The numbers of fields of `Message`, and of one in `ProtocolMessage`.
const REACTION: u32 = 46;
const PIN: u32 = 63;
const KEEP: u32 = 51;
const PROTOCOL: u32 = 12;
const MEMBER_LABEL: u32 = 27;

impl Message {
    /// With the time of sending, where its kind has one and the caller did not set it.
    pub(crate) fn stamped(self, now: UnixMillis) -> Self {
        let Some((path, stamp)) = stamp(self.unwrapped(), now) else { return self };
        let inner = self.inner_bytes();
        let own = path.iter().try_fold(inner.as_slice(), |bytes, &number| raw::field(bytes, number));
        let stamped = raw::overlaid(own.unwrap_or_default(), &stamp);
        let inner = raw::with_at(&inner, path, stamped);
        self.with_inner_bytes(inner)
    }
}

/// Where the time goes, and the encoded field that has it.
fn stamp(m: &e2e::Message, now: UnixMillis) -> Option<(&'static [u32], Vec<u8>)> {
    let (millis, seconds) = (Some(read::millis_to_wire(now)), Some(read::seconds_to_wire(now.to_seconds())));
    if m.reaction_message.as_ref().is_some_and(|reaction| reaction.sender_timestamp_ms.is_none()) {
        let stamp = e2e::ReactionMessage { sender_timestamp_ms: millis, ..Default::default() };
        return Some((&[REACTION], stamp.encode_to_vec()));
    }
    if m.pin_in_chat_message.as_ref().is_some_and(|pin| pin.sender_timestamp_ms.is_none()) {
        let stamp = e2e::PinInChatMessage { sender_timestamp_ms: millis, ..Default::default() };
        return Some((&[PIN], stamp.encode_to_vec()));
    }
    if m.keep_in_chat_message.as_ref().is_some_and(|keep| keep.timestamp_ms.is_none()) {
        let stamp = e2e::KeepInChatMessage { timestamp_ms: millis, ..Default::default() };
        return Some((&[KEEP], stamp.encode_to_vec()));
    }
    let protocol = m.protocol_message.as_deref()?;
    match protocol.r#type() {
        Type::MessageEdit if protocol.timestamp_ms.is_none() => {
            let stamp = e2e::ProtocolMessage { timestamp_ms: millis, ..Default::default() };
            Some((&[PROTOCOL], stamp.encode_to_vec()))
        }
        Type::EphemeralSetting if protocol.ephemeral_setting_timestamp.is_none() => {
            let stamp = e2e::ProtocolMessage { ephemeral_setting_timestamp: seconds, ..Default::default() };
            Some((&[PROTOCOL], stamp.encode_to_vec()))
        }
        Type::GroupMemberLabelChange
            if protocol.member_label.as_ref().is_some_and(|label| label.label_timestamp.is_none()) =>
        {
            let stamp = e2e::MemberLabel { label_timestamp: seconds, ..Default::default() };
            Some((&[PROTOCOL, MEMBER_LABEL], stamp.encode_to_vec()))
        }
        _ => None,
    }
}
