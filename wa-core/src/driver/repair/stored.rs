//! An open repair as the store keeps it.

use std::time::Instant;

use prost::Message as _;
use wa_store::RepairRecord;
use wa_types::{Jid, MessageId, PreKeyId, UnixMillis, UnixSeconds};

use super::{Asking, Phone, Repair};
use crate::stanza::retry::Origin;

#[derive(Clone, PartialEq, prost::Message)]
struct RawRepair {
    #[prost(string, tag = "1")]
    from: String,
    #[prost(string, optional, tag = "2")]
    participant: Option<String>,
    #[prost(string, optional, tag = "3")]
    recipient: Option<String>,
    #[prost(uint64, tag = "4")]
    timestamp: u64,
    #[prost(bool, tag = "5")]
    is_peer: bool,
    #[prost(string, tag = "6")]
    chat: String,
    #[prost(string, tag = "7")]
    sender: String,
    #[prost(string, optional, tag = "8")]
    sender_alt: Option<String>,
    #[prost(bool, tag = "9")]
    from_me: bool,
    #[prost(string, optional, tag = "10")]
    push_name: Option<String>,
    #[prost(bool, tag = "11")]
    is_backlog: bool,
    #[prost(bool, tag = "12")]
    is_placeholder: bool,
    #[prost(uint32, tag = "13")]
    count: u32,
    /// 0 due, 1 waiting, 2 done, 3 sent.
    #[prost(uint32, tag = "14")]
    asking: u32,
    #[prost(uint32, optional, tag = "15")]
    code: Option<u32>,
    #[prost(uint32, optional, tag = "16")]
    spare: Option<u32>,
    /// 0 never, 1 due, 2 asked, 3 failed.
    #[prost(uint32, tag = "17")]
    phone: u32,
    #[prost(string, tag = "18")]
    phone_request: String,
    #[prost(uint64, tag = "19")]
    phone_asked_ms: u64,
    #[prost(uint32, tag = "20")]
    phone_tries: u32,
    #[prost(fixed64, tag = "21")]
    copy: u64,
}

impl Repair {
    pub(super) fn encode(&self) -> Vec<u8> {
        let text = |jid: &Option<Jid>| jid.as_ref().map(Jid::to_string);
        let mut raw = RawRepair {
            from: self.origin.from.to_string(),
            participant: text(&self.origin.participant),
            recipient: text(&self.origin.recipient),
            timestamp: self.origin.timestamp.0,
            is_peer: self.origin.is_peer,
            chat: self.chat.to_string(),
            sender: self.sender.to_string(),
            sender_alt: text(&self.sender_alt),
            from_me: self.from_me,
            push_name: self.push_name.clone(),
            is_backlog: self.is_backlog,
            is_placeholder: self.is_placeholder,
            count: self.count.into(),
            asking: match self.asking {
                Asking::Due => 0,
                Asking::Waiting => 1,
                Asking::Done => 2,
                Asking::Sent => 3,
            },
            code: self.code.map(u32::from),
            copy: self.copy,
            spare: self.spare.map(PreKeyId::get),
            ..RawRepair::default()
        };
        match &self.phone {
            Phone::Never => {}
            Phone::Due { tries } => (raw.phone, raw.phone_tries) = (1, (*tries).into()),
            Phone::Asked { request, tries, asked, .. } => {
                raw.phone = 2;
                raw.phone_request = request.to_string();
                raw.phone_asked_ms = asked.0;
                raw.phone_tries = (*tries).into();
            }
            Phone::Failed => raw.phone = 3,
        }
        raw.encode_to_vec()
    }

    /// Reads a record; `None` when it is damaged. Both clocks are handed in: what was stored by the one is waited for by
    /// the other.
    pub(super) fn read(record: &RepairRecord, now: Instant, time: UnixMillis) -> Option<Self> {
        let raw = RawRepair::decode(record.state.as_slice()).ok()?;
        let jid = |text: Option<String>| text.map(|text| text.parse::<Jid>()).transpose().ok();
        let at = |then: UnixMillis| now.checked_sub(time.since(then)).unwrap_or(now);
        Some(Self {
            origin: Origin {
                id: record.message.id.clone(),
                from: raw.from.parse().ok()?,
                participant: jid(raw.participant)?,
                recipient: jid(raw.recipient)?,
                timestamp: UnixSeconds(raw.timestamp),
                is_peer: raw.is_peer,
            },
            chat: raw.chat.parse().ok()?,
            sender: raw.sender.parse().ok()?,
            sender_alt: jid(raw.sender_alt)?,
            from_me: raw.from_me,
            push_name: raw.push_name,
            is_backlog: raw.is_backlog,
            is_placeholder: raw.is_placeholder,
            since: record.since,
            opened: at(record.since),
            count: u8::try_from(raw.count).ok()?,
            asking: match raw.asking {
                0 => Asking::Due,
                1 => Asking::Waiting,
                3 => Asking::Sent,
                _ => Asking::Done,
            },
            code: raw.code.and_then(|code| u8::try_from(code).ok()),
            asked: now,
            copy: raw.copy,
            spare: raw.spare.and_then(PreKeyId::new),
            phone: match raw.phone {
                0 => Phone::Never,
                1 => Phone::Due { tries: u8::try_from(raw.phone_tries).ok()? },
                2 => {
                    let asked = UnixMillis(raw.phone_asked_ms);
                    let tries = u8::try_from(raw.phone_tries).ok()?;
                    Phone::Asked { request: MessageId::new(raw.phone_request), tries, asked, at: at(asked) }
                }
                _ => Phone::Failed,
            },
        })
    }
}
