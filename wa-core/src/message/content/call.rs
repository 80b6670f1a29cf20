//! Calls, as messages tell of them.

use std::time::Duration;

use wa_proto::e2e;
use wa_proto::e2e::call_log_message::{CallOutcome, CallType};
use wa_proto::e2e::scheduled_call_creation_message::CallType as ScheduledType;
use wa_types::{Jid, UnixMillis};

use crate::message::read::{self, opaque_debug};

/// A call that took place, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLog {
    /// With pictures.
    pub is_video: bool,
    /// What came of it.
    pub outcome: CallResult,
    /// How long it was.
    pub duration: Duration,
    /// It was a group's voice chat.
    pub is_voice_chat: bool,
    /// Who took part, and what came of it for them.
    pub participants: Vec<(Jid, CallResult)>,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallResult {
    /// They spoke.
    Connected,
    /// Nobody took it.
    Missed,
    /// It did not come about.
    Failed,
    /// It was turned down.
    Rejected,
    /// Another device took it.
    AcceptedElsewhere,
    /// It goes on.
    Ongoing,
    /// The phone was not to be disturbed, or silences unknown callers.
    Silenced,
}

impl CallResult {
    const fn of(outcome: CallOutcome) -> Self {
        match outcome {
            CallOutcome::Connected => Self::Connected,
            CallOutcome::Missed => Self::Missed,
            CallOutcome::Failed => Self::Failed,
            CallOutcome::Rejected => Self::Rejected,
            CallOutcome::AcceptedElsewhere => Self::AcceptedElsewhere,
            CallOutcome::Ongoing => Self::Ongoing,
            CallOutcome::SilencedByDnd | CallOutcome::SilencedUnknownCaller => Self::Silenced,
        }
    }
}

impl CallLog {
    pub(super) fn read(log: &e2e::CallLogMessage) -> Self {
        let participants = log
            .participants
            .iter()
            .filter_map(|one| Some((read::user(one.jid.as_deref())?, CallResult::of(one.call_outcome()))));
        Self {
            is_video: log.is_video(),
            outcome: CallResult::of(log.call_outcome()),
            duration: Duration::from_secs(u64::try_from(log.duration_secs()).unwrap_or_default()),
            is_voice_chat: log.call_type() == CallType::VoiceChat,
            participants: participants.collect(),
        }
    }
}

/// A call that is to be.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledCall {
    /// What it is about.
    pub title: String,
    /// When.
    pub at: Option<UnixMillis>,
    /// With pictures.
    pub is_video: bool,
}

opaque_debug!(ScheduledCall);

impl ScheduledCall {
    pub(super) fn read(call: &e2e::ScheduledCallCreationMessage) -> Self {
        Self {
            title: call.title.clone().unwrap_or_default(),
            at: read::millis(call.scheduled_timestamp_ms),
            is_video: call.call_type() == ScheduledType::Video,
        }
    }
}
