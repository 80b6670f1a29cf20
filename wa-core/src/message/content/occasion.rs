//! Events that people are invited to, and scheduled calls.

use std::time::Duration;

use wa_proto::e2e;
use wa_types::UnixSeconds;

use super::location::Location;
use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// An event that the members of a chat are invited to; the protocol's `eventMessage`. Answers come as messages of their own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Occasion {
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// When it begins.
    pub starts: Option<UnixSeconds>,
    /// When it ends.
    pub ends: Option<UnixSeconds>,
    /// Where it is.
    pub location: Option<Location>,
    /// The link of its call.
    pub join_link: Option<String>,
    /// Guests may bring guests.
    pub allows_guests: bool,
    /// It is a scheduled call.
    pub is_call: bool,
    /// It is called off.
    pub is_canceled: bool,
    /// How long before it guests are reminded.
    pub reminder: Option<Duration>,
}

/// The invitation to an event of another chat.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OccasionInvite {
    /// The event's id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// When it begins.
    pub starts: Option<UnixSeconds>,
    /// When it ends.
    pub ends: Option<UnixSeconds>,
    /// The text under it.
    pub caption: Option<String>,
    /// The link of its call.
    pub call_link: Option<String>,
    /// It is called off.
    pub is_canceled: bool,
}

opaque_debug!(Occasion, OccasionInvite);

impl Occasion {
    /// An event of this name and beginning.
    #[must_use]
    pub fn new(name: impl Into<String>, starts: UnixSeconds) -> Self {
        Self { name: name.into(), starts: Some(starts), ..Self::default() }
    }

    /// With what it is about.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// With its end.
    #[must_use]
    pub const fn ends(mut self, ends: UnixSeconds) -> Self {
        self.ends = Some(ends);
        self
    }

    /// With its place.
    #[must_use]
    pub fn location(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    pub(super) fn read(event: &e2e::EventMessage) -> Self {
        let reminder = event.reminder_offset_sec.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            name: event.name.clone().unwrap_or_default(),
            description: read::text(event.description.as_ref()),
            starts: read::seconds(event.start_time),
            ends: read::seconds(event.end_time),
            location: event.location.as_deref().map(Location::read),
            join_link: read::text(event.join_link.as_ref()),
            allows_guests: event.extra_guests_allowed(),
            is_call: event.is_schedule_call(),
            is_canceled: event.is_canceled(),
            reminder: reminder.filter(|_| event.has_reminder()).map(Duration::from_secs),
        }
    }
}

impl From<Occasion> for Message {
    fn from(content: Occasion) -> Self {
        let event = e2e::EventMessage {
            is_canceled: Some(content.is_canceled),
            name: Some(content.name),
            description: content.description,
            location: content.location.map(|location| Box::new(location.into_proto())),
            join_link: content.join_link,
            start_time: content.starts.map(read::seconds_to_wire),
            end_time: content.ends.map(read::seconds_to_wire),
            extra_guests_allowed: Some(content.allows_guests),
            is_schedule_call: content.is_call.then_some(true),
            has_reminder: content.reminder.map(|_| true),
            reminder_offset_sec: content.reminder.map(|span| i64::from(read::span_to_wire(span))),
            ..Default::default()
        };
        Self::from_proto(e2e::Message { event_message: Some(Box::new(event)), ..Default::default() })
    }
}

impl OccasionInvite {
    pub(super) fn read(invite: &e2e::EventInviteMessage) -> Self {
        Self {
            id: invite.event_id.clone().unwrap_or_default(),
            name: invite.event_title.clone().unwrap_or_default(),
            starts: read::seconds(invite.start_time),
            ends: read::seconds(invite.end_time),
            caption: read::text(invite.caption.as_ref()),
            call_link: read::text(invite.call_link.as_ref()),
            is_canceled: invite.is_canceled(),
        }
    }
}
