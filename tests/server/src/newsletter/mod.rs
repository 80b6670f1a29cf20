//! Channels: who follows and who writes, and what was posted. Nothing in them is encrypted. Protocol: IQ catalogue,
//! "Channels".
//!
//! | File | Subject |
//! |---|---|
//! | `posts` | what is posted, changed and reacted to; who gets it |
//! | `render` | a channel as JSON, a post as a node |

pub(crate) mod posts;
pub(crate) mod render;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wa_types::{Jid, MessageId, Server};

use self::posts::StoredPost;
use crate::account::DeviceKey;
use crate::state::State;

/// All channels, by the user part of their address.
#[derive(Debug, Default)]
pub(crate) struct Newsletters {
    by_id: HashMap<String, Newsletter>,
    made: u64,
}

/// What an account may do in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Subscriber,
    Admin,
    Owner,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Subscriber => "SUBSCRIBER",
            Self::Admin => "ADMIN",
            Self::Owner => "OWNER",
        }
    }
}

/// Somebody who follows a channel.
#[derive(Debug, Clone)]
pub(crate) struct Follower {
    pub(crate) role: Role,
    /// Unix seconds.
    pub(crate) since: u64,
    /// What it does not want to be told of, by the setting's name.
    pub(crate) muted: BTreeSet<String>,
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Newsletter {
    pub(crate) jid: Jid,
    pub(crate) name: (String, u64),
    pub(crate) description: (String, u64),
    /// The picture, base64 as it came, and its number.
    pub(crate) picture: Option<(u64, String)>,
    /// The code of its link.
    pub(crate) invite: String,
    pub(crate) creation: u64,
    /// ALL, BASIC or NONE.
    pub(crate) reactions: String,
    pub(crate) followers: BTreeMap<usize, Follower>,
    /// Whom its owner asked to be an admin, and until when that is good.
    pub(crate) invited: BTreeMap<usize, u64>,
    /// By number.
    pub(crate) posts: BTreeMap<u64, StoredPost>,
    /// Devices that want to be told of reactions and views.
    pub(crate) live: BTreeSet<DeviceKey>,
    last: u64,
}

/// A post of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Post {
    /// Its message id.
    pub id: MessageId,
    /// Its number in the channel.
    pub server_id: u64,
}

impl Newsletter {
    pub(crate) fn role(&self, account: usize) -> Option<Role> {
        self.followers.get(&account).map(|follower| follower.role)
    }

    pub(crate) fn is_admin(&self, account: usize) -> bool {
        self.role(account).is_some_and(|role| role >= Role::Admin)
    }

    pub(crate) fn owner(&self) -> Option<usize> {
        let owner = self.followers.iter().find(|(_, follower)| follower.role == Role::Owner);
        owner.map(|(account, _)| *account)
    }
}

impl Newsletters {
    pub(crate) fn find(&self, jid: &Jid) -> Option<&Newsletter> {
        self.by_id.get(jid.user()).filter(|_| jid.is_newsletter())
    }

    pub(crate) fn find_mut(&mut self, jid: &Jid) -> Option<&mut Newsletter> {
        self.by_id.get_mut(jid.user()).filter(|_| jid.is_newsletter())
    }

    /// The channel that a link leads to.
    pub(crate) fn behind(&self, invite: &str) -> Option<&Newsletter> {
        self.by_id.values().find(|newsletter| newsletter.invite == invite)
    }

    /// All channels, oldest first.
    pub(crate) fn all(&self) -> Vec<&Newsletter> {
        let mut all: Vec<&Newsletter> = self.by_id.values().collect();
        all.sort_unstable_by(|one, other| one.jid.user().cmp(other.jid.user()));
        all
    }

    pub(crate) fn remove(&mut self, jid: &Jid) -> Option<Newsletter> {
        self.by_id.remove(jid.user())
    }
}

impl State {
    /// A new channel; without an owner it is the server's own.
    pub(crate) fn create_newsletter(&mut self, owner: Option<usize>, name: &str) -> Jid {
        let (now, invite) = (self.now_seconds(), self.new_code());
        let id = (FIRST_ID + self.newsletters.made).to_string();
        self.newsletters.made += 1;
        let jid = Jid::new(&id, Server::Newsletter);
        let owner =
            owner.map(|owner| (owner, Follower { role: Role::Owner, since: now, muted: BTreeSet::new() }));
        let newsletter = Newsletter {
            jid: jid.clone(),
            name: (name.to_owned(), now),
            description: (String::new(), now),
            picture: None,
            invite,
            creation: now,
            reactions: "ALL".to_owned(),
            followers: owner.into_iter().collect(),
            invited: BTreeMap::new(),
            posts: BTreeMap::new(),
            live: BTreeSet::new(),
            last: FIRST_POST,
        };
        self.newsletters.by_id.insert(id, newsletter);
        jid
    }

    /// Whether there is such a channel and such a user.
    pub(crate) fn follow(&mut self, newsletter: &Jid, user: &Jid) -> bool {
        let now = self.now_seconds();
        let Some(account) = self.account_of(user) else { return false };
        let Some(found) = self.newsletters.find_mut(newsletter) else { return false };
        let new = Follower { role: Role::Subscriber, since: now, muted: BTreeSet::new() };
        found.followers.entry(account).or_insert(new);
        true
    }
}

const FIRST_ID: u64 = 120_363_400_000_000_001;
/// The numbers of posts begin above it.
const FIRST_POST: u64 = 99;
