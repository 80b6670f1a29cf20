//! Settings of a chat that come as messages, and other protocol matters.

use std::time::Duration;

use wa_proto::e2e;
use wa_proto::e2e::disappearing_mode::{Initiator, Trigger};
use wa_proto::e2e::protocol_message::Type;
use wa_types::UnixSeconds;

use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// How long messages of a direct chat stay. Groups have it as a setting of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disappearing {
    /// How long: a day, a week or 90 days. `None` when they stay for ever.
    pub after: Option<Duration>,
    /// Since when; set when it is sent.
    pub since: Option<UnixSeconds>,
}

/// Whether what is said in a chat may be shared on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharingLimit {
    /// Whether it may not.
    pub is_limited: bool,
    /// Since when.
    pub since: Option<UnixSeconds>,
}

/// How a member of a group wants to be known in it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberLabel {
    /// The label, at most 30 characters; empty when it is taken back.
    pub label: String,
    /// Since when; set when it is sent.
    pub since: Option<UnixSeconds>,
}

opaque_debug!(MemberLabel);

impl Disappearing {
    /// After this time: a day, a week or 90 days; `None` for never.
    #[must_use]
    pub const fn new(after: Option<Duration>) -> Self {
        Self { after, since: None }
    }

    pub(super) fn read(protocol: &e2e::ProtocolMessage) -> Self {
        Self {
            after: read::span(protocol.ephemeral_expiration),
            since: read::seconds(protocol.ephemeral_setting_timestamp),
        }
    }
}

impl From<Disappearing> for Message {
    fn from(setting: Disappearing) -> Self {
        let mode = e2e::DisappearingMode {
            initiator: Some(Initiator::ChangedInChat as i32),
            trigger: Some(Trigger::ChatSetting as i32),
            initiated_by_me: Some(true),
            ..Default::default()
        };
        Self::from_protocol(e2e::ProtocolMessage {
            r#type: Some(Type::EphemeralSetting as i32),
            ephemeral_expiration: Some(setting.after.map(read::span_to_wire).unwrap_or_default()),
            ephemeral_setting_timestamp: setting.since.map(read::seconds_to_wire),
            disappearing_mode: Some(Box::new(mode)),
            ..Default::default()
        })
    }
}

impl SharingLimit {
    pub(super) fn read(protocol: &e2e::ProtocolMessage) -> Option<Self> {
        let limit = protocol.limit_sharing.as_ref()?;
        let since = limit.limit_sharing_setting_timestamp;
        Some(Self { is_limited: limit.sharing_limited(), since: read::seconds(since) })
    }
}

impl MemberLabel {
    /// This label; an empty one takes it back.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), since: None }
    }

    pub(super) fn read(protocol: &e2e::ProtocolMessage) -> Option<Self> {
        let label = protocol.member_label.as_ref()?;
        Some(Self {
            label: label.label.clone().unwrap_or_default(),
            since: read::seconds(label.label_timestamp),
        })
    }
}

impl From<MemberLabel> for Message {
    fn from(label: MemberLabel) -> Self {
        let label = e2e::MemberLabel {
            label: Some(label.label),
            label_timestamp: label.since.map(read::seconds_to_wire),
        };
        Self::from_protocol(e2e::ProtocolMessage {
            r#type: Some(Type::GroupMemberLabelChange as i32),
            member_label: Some(label.into()),
            ..Default::default()
        })
    }
}
