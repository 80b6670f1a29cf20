//! `<notification>`: what changed on the server. Protocol: receiving, "Notifications"; prekeys and devices.
//!
//! Types with much to say have a file of their own.

pub mod addresses;
pub mod groups;
pub mod newsletters;
pub mod people;

use wa_types::Jid;

use super::media_retry::ReuploadAnswer;
use super::pairing::PairingNotice;
use super::{Reader, StanzaError};

/// The notifications that we act upon; all are acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notification {
    /// The server has this many of our one-time pre-keys left.
    PreKeysLow {
        /// How many; 0 when the server does not say.
        count: u32,
    },
    /// The server wants us to compare our keys with what it has.
    CheckKeys,
    /// This user's phone has a new identity key.
    IdentityChanged {
        /// The user.
        user: Jid,
        /// The user's LID, where the stanza has one.
        lid: Option<Jid>,
    },
    /// The device list of this user changed; the cached one is worth nothing.
    DevicesChanged {
        /// The user, or our own account.
        user: Jid,
        /// The user's LID, where the stanza has one.
        lid: Option<Jid>,
    },
    /// The device list of a contact changed, whom the server names by a hash only.
    ContactDevicesChanged {
        /// Protocol: prekeys and devices, "devices notification".
        hash: String,
    },
    /// Which addresses are one user, or that a user has another one now.
    Addresses(addresses::AddressNotification),
    /// What changed about users, and about our own account.
    People(Box<people::PeopleNotification>),
    /// Something happened in a group.
    Group(Box<groups::GroupNotification>),
    /// Collections of the shared state have other versions, as far as they are told.
    AppState {
        /// Their names, and their versions.
        collections: Vec<(String, Option<u64>)>,
    },
    /// Something happened to channels.
    Newsletters(newsletters::NewsletterNotification),
    /// About linking this device.
    Pairing(PairingNotice),
    /// Our phone's answer about a file that is to be uploaded again.
    Reupload(Box<ReuploadAnswer>),
    /// Anything else, by its type.
    Other {
        /// The notification's `type`.
        kind: String,
    },
}

impl Notification {
    /// Reads a `<notification>`.
    ///
    /// # Errors
    /// [`StanzaError`] when a required part is missing or malformed.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let kind = stanza.text_opt("type").unwrap_or_default();
        let lid = || stanza.jid_opt("lid").ok().flatten();
        match &*kind {
            "encrypt" => {
                if let Some(count) = stanza.child_opt("count") {
                    return Ok(Self::PreKeysLow {
                        count: count.number_opt("value").ok().flatten().unwrap_or(0),
                    });
                }
                if stanza.child_opt("digest").is_some() {
                    return Ok(Self::CheckKeys);
                }
                if stanza.child_opt("identity").is_some() {
                    return Ok(Self::IdentityChanged { user: stanza.jid("from")?, lid: lid() });
                }
            }
            "devices" if let Some(hash) = update_hash(stanza) => {
                return Ok(Self::ContactDevicesChanged { hash });
            }
            "devices" => return Ok(Self::DevicesChanged { user: stanza.jid("from")?.to_user(), lid: lid() }),
            "server_sync" => {
                let read = |one: Reader<'_>| {
                    let name = one.text_opt("name")?.into_owned();
                    Some((name, one.number_opt("version").ok().flatten()))
                };
                let collections = stanza.children_of("collection").filter_map(read).collect();
                return Ok(Self::AppState { collections });
            }
            "mediaretry" => return ReuploadAnswer::read(stanza).map(Box::new).map(Self::Reupload),
            "w:gp2" => {
                return groups::GroupNotification::read(stanza).map(Box::new).map(Self::Group);
            }
            kind => {
                if let Some(notice) = PairingNotice::read(kind, stanza)? {
                    return Ok(Self::Pairing(notice));
                }
                if let Some(told) = newsletters::NewsletterNotification::read(stanza, kind) {
                    return Ok(Self::Newsletters(told));
                }
                if let Some(told) = groups::GroupNotification::read_mex(stanza, kind) {
                    return Ok(Self::Group(Box::new(told)));
                }
                if let Some(people) = people::PeopleNotification::read(stanza, kind) {
                    return Ok(Self::People(Box::new(people)));
                }
                if let Some(said) = addresses::AddressNotification::read(stanza, kind) {
                    return Ok(Self::Addresses(said));
                }
            }
        }
        Ok(Self::Other { kind: kind.into_owned() })
    }
}

/// `<update hash/>`. With anything else beside it, it is about its sender.
fn update_hash(stanza: Reader<'_>) -> Option<String> {
    let update = stanza.child_opt("update")?;
    let is_other = stanza.child_opt("add").or_else(|| stanza.child_opt("remove")).is_some();
    if is_other { None } else { update.text_opt("hash").map(std::borrow::Cow::into_owned) }
}
