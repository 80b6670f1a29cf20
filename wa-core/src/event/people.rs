//! What changed about others, and about our own account.

use wa_types::{Jid, UnixSeconds};

pub use crate::stanza::call::{CallOffer, CallSignal, InboundCall};
pub use crate::stanza::iq::blocklist::{Blocked, Blocklist};
pub use crate::stanza::iq::mex::limits::{NewChatQuota, ReachoutTimelock};
pub use crate::stanza::iq::privacy::{PrivacyCategory, PrivacySetting, PrivacySettings, PrivacyValue};
pub use crate::stanza::presence::{LastSeen, PresenceState, Typing};

/// Whether somebody is there. Told for those that were [subscribed](crate::client::Presence::subscribe) to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceChanged {
    /// The chat with the user, as other events name it; or the group.
    pub chat: Jid,
    /// The user or the group, as the server addressed it.
    pub from: Jid,
    /// What is so now.
    pub state: PresenceState,
}

/// Somebody writes or records, or stopped. Nobody guarantees that the end is told: let it lapse after 25 seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatStateChanged {
    /// The chat, as other events name it.
    pub chat: Jid,
    /// Who.
    pub user: Jid,
    /// What they do.
    pub state: Typing,
}

/// What a user or a group shows of itself changed. What is not told can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileChanged {
    /// Whose: a user or a group, as the server addressed it.
    pub of: Option<Jid>,
    /// When, by the server's clock.
    pub timestamp: UnixSeconds,
    /// What changed.
    pub change: ProfileChange,
}

/// What changed of a profile. `Debug` shows no texts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileChange {
    /// The picture.
    Picture {
        /// Its id; `None` when there is none any more.
        id: Option<String>,
        /// Who changed it, where that is told.
        author: Option<Jid>,
    },
    /// The about text.
    About {
        /// The new one, where it is told.
        text: Option<String>,
    },
    /// The short status text.
    Status {
        /// The text.
        text: Option<String>,
        /// The emoji before it.
        emoji: Option<String>,
        /// How long it stays, seconds.
        ephemeral_s: Option<u64>,
    },
    /// The user name.
    Username {
        /// The new one; `None` when it was given up.
        name: Option<String>,
    },
    /// The timer of new chats with the user, seconds; 0 for none.
    DefaultTimer {
        /// How long messages stay.
        seconds: u32,
    },
    /// Something of its business.
    Business {
        /// Its name was verified anew.
        is_verified_name: bool,
        /// It is a business no longer.
        is_removed: bool,
    },
    /// Something that is not told: what is kept of the user is out of date.
    Unknown,
}

impl std::fmt::Debug for ProfileChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Picture { .. } => "Picture",
            Self::About { .. } => "About",
            Self::Status { .. } => "Status",
            Self::Username { .. } => "Username",
            Self::DefaultTimer { .. } => "DefaultTimer",
            Self::Business { .. } => "Business",
            Self::Unknown => "Unknown",
        })
    }
}

/// Something of our own account changed: on another device of ours, or by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountChange {
    /// These privacy settings are so now; others stay.
    Privacy(PrivacySettings),
    /// Who is blocked now: the whole list.
    Blocklist(Blocklist),
    /// Our picture is another one, or there is none any more.
    Picture,
    /// Our about text is another one.
    About,
    /// The timer of our new chats, seconds; 0 for none.
    DefaultTimer {
        /// How long messages stay.
        seconds: u32,
    },
    /// Our name is another one.
    PushName {
        /// The new one.
        name: String,
    },
    /// Our user name is another one.
    Username {
        /// The new one; `None` when it was given up.
        name: Option<String>,
    },
    /// A device came or went.
    Devices,
    /// Terms are to be accepted, or were.
    Notices,
    /// Whether we may write to strangers.
    ReachoutTimelock(ReachoutTimelock),
    /// How many chats we may still begin.
    NewChatQuota(NewChatQuota),
}
