//! What the server knows of a user beyond devices: profile, limits, lists; and whom it tells what changed.

use std::collections::{BTreeMap, BTreeSet};

use wa_core::wire::Node;
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::state::State;

/// The part of an account that is not about devices and messages.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Until when the account may not write to strangers, unix seconds.
    pub(crate) timelock: Option<u64>,
    /// How many chats it may begin in all, and has begun.
    pub(crate) new_chats: (u64, u64),
    /// The timer of new chats, seconds, and when it was set.
    pub(crate) default_timer: (u32, u64),
    pub(crate) username: Option<String>,
    /// What others must know to find it by its user name.
    pub(crate) username_key: Option<String>,
    /// The lists of privacy settings, by category, each with the number of its state.
    pub(crate) lists: BTreeMap<String, (u64, BTreeSet<Jid>)>,
    /// The number of the block list's state.
    pub(crate) blocklist: u64,
    pub(crate) business: Option<Business>,
    pub(crate) email: Option<Email>,
    /// The terms that its user accepted.
    pub(crate) notices: BTreeSet<String>,
    /// The status beside the about text: emoji, seconds, and when it was set.
    pub(crate) text_status: Option<(String, u64, u64)>,
    /// Who sees its status posts, if it ever chose: the type of the list, and who is on it.
    pub(crate) status_audience: Option<(&'static str, Vec<Jid>)>,
    /// The code of the contact link.
    pub(crate) contact_code: Option<String>,
}

/// An e-mail address.
#[derive(Debug)]
pub(crate) struct Email {
    pub(crate) address: String,
    pub(crate) is_verified: bool,
    /// The code that was sent there.
    pub(crate) code: Option<String>,
}

/// A business.
#[derive(Debug, Default)]
pub(crate) struct Business {
    /// The certificate with its name.
    pub(crate) certificate: Vec<u8>,
    /// The parts of its profile, as they are told.
    pub(crate) profile: Vec<Node>,
    /// Its products, by id.
    pub(crate) products: BTreeMap<String, Node>,
}

/// A picture of a user or a group.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) id: String,
    /// Where it lies on the media hosts.
    pub(crate) direct_path: String,
}

/// The largest picture.
const MAX_PICTURE: usize = 1 << 20;

impl State {
    /// Takes a picture in; `None` for what is none.
    pub(crate) fn put_picture(&mut self, jpeg: &[u8]) -> Option<Picture> {
        let is_good = jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.len() <= MAX_PICTURE;
        is_good
            .then(|| Picture { id: self.next_id().to_string(), direct_path: self.media.put(jpeg.to_vec()) })
    }

    /// Tells the other devices of an account what one of them, or its phone, changed.
    pub(crate) fn tell_own(&mut self, account: usize, but: Option<DeviceKey>, change: Node) {
        let (id, now) = (self.next_id(), self.now_seconds());
        let Some(own) = self.account(account).map(|account| account.pn.clone()) else { return };
        let notification = notification("account_sync", &own, id, now).child(change);
        for device in self.devices_of(account).into_iter().filter(|device| Some(*device) != but) {
            self.deliver(device, notification.clone());
        }
    }

    /// Tells the contacts of an account what it changed, and its other devices.
    pub(crate) fn tell_contacts(&mut self, from: DeviceKey, kind: &'static str, change: &Node) {
        let (id, now) = (self.next_id(), self.now_seconds());
        let Some(account) = self.account(from.account) else { return };
        let mut notification = notification(kind, &account.pn, id, now).child(change.clone());
        if !self.hides_addresses {
            notification = notification.attr("lid", &account.lid);
        }
        let people = account.contacts.iter().copied().chain([from.account]);
        let people: BTreeSet<usize> = people.collect();
        for device in people.into_iter().flat_map(|person| self.devices_of(person)).collect::<Vec<_>>() {
            if device != from {
                self.deliver(device, notification.clone());
            }
        }
    }

    /// Whether a user sees a part of another's profile.
    pub(crate) fn shows(&self, account: usize, category: &str, to: usize) -> bool {
        let Some(found) = self.account(account) else { return false };
        match found.privacy.get(category).map(String::as_str) {
            _ if account == to => true,
            None | Some("all") => true,
            Some("contacts") => found.contacts.contains(&to),
            Some("contact_blacklist") => {
                let list = found.people.lists.get(category);
                let is_on_it =
                    list.is_some_and(|(_, users)| users.iter().any(|user| self.account_of(user) == Some(to)));
                found.contacts.contains(&to) && !is_on_it
            }
            Some(_) => false,
        }
    }
}

fn notification(kind: &'static str, from: &Jid, id: u64, now: u64) -> Node {
    Node::new("notification").attr("type", kind).attr("from", from).attr("id", id).attr("t", now)
}
