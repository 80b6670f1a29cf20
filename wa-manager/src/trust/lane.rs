//! What is being sent to whom. Protocol's own traffic (receipts, retries, acks, shared state) has no lane: it is never
//! asked about.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

/// How long somebody's message makes what follows an answer.
pub(super) const REPLY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deed {
    /// A message to a person.
    Message(Person),
    /// A reaction, an edit, a deletion, a vote: in a chat that exists.
    Light,
    /// A message to a group that the account is a member of.
    Group,
    /// A group is made, with so many strangers in it.
    CreateGroup {
        /// People who never wrote to us.
        strangers: u32,
    },
    /// People are added to a group.
    AddToGroup {
        /// Those of them who never wrote to us.
        strangers: u32,
    },
    /// A post to the status feed.
    Status,
    /// Numbers are looked up, or profiles of strangers.
    Lookup {
        /// How many.
        numbers: u32,
    },
}

/// What is known of the person who is written to: one record for phone number and LID together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller from its records")]
pub struct Person {
    /// Who it is, in the account's records.
    pub id: u64,
    /// When they last wrote in this chat.
    pub last_inbound: Option<UnixMillis>,
    /// How often we wrote since then, or ever.
    pub unanswered: u32,
    /// When they gave us a token of trust that still counts.
    pub token_at: Option<UnixMillis>,
}

/// Which budget a deed is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Lane {
    /// Small things in a chat that exists.
    Light,
    /// An answer: they wrote within the last day.
    Reply,
    /// They wrote at some time, or there is a token.
    Known,
    /// We wrote before and they never did.
    Unanswered,
    /// Nobody wrote before.
    FirstContact,
    /// To a group.
    Group,
    /// Groups are made, people are added.
    GroupAdmin,
    /// A status post.
    Status,
    /// Numbers are looked up.
    Lookup,
}

impl Lane {
    /// The lane of a deed.
    #[must_use]
    pub fn of(deed: &Deed, now: UnixMillis) -> Self {
        match deed {
            Deed::Light => Self::Light,
            Deed::Message(person) => Self::of_person(person, now),
            Deed::Group => Self::Group,
            Deed::CreateGroup { .. } | Deed::AddToGroup { .. } => Self::GroupAdmin,
            Deed::Status => Self::Status,
            Deed::Lookup { .. } => Self::Lookup,
        }
    }

    fn of_person(person: &Person, now: UnixMillis) -> Self {
        match person.last_inbound {
            Some(at) if now.since(at) <= REPLY_WINDOW => Self::Reply,
            Some(_) => Self::Known,
            None if person.token_at.is_some() => Self::Known,
            None if person.unanswered > 0 => Self::Unanswered,
            None => Self::FirstContact,
        }
    }

    /// Whether it counts towards the messages of the day.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::Reply | Self::Known | Self::Unanswered | Self::FirstContact | Self::Group)
    }

    /// Whether the daily limit gates it.
    #[must_use]
    pub const fn is_gated(self) -> bool {
        matches!(self, Self::Known | Self::Unanswered | Self::FirstContact | Self::Group)
    }

    /// Whether it is somebody who never wrote to us.
    #[must_use]
    pub const fn is_to_stranger(self) -> bool {
        matches!(self, Self::Unanswered | Self::FirstContact)
    }

    /// Its name in errors and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Reply => "reply",
            Self::Known => "known",
            Self::Unanswered => "unanswered",
            Self::FirstContact => "first_contact",
            Self::Group => "group",
            Self::GroupAdmin => "group_admin",
            Self::Status => "status",
            Self::Lookup => "lookup",
        }
    }
}
