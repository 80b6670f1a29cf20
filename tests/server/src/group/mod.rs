//! Groups as the server keeps them: members by account, so that both addresses of each are at hand.
//! Protocol: groups and communities.
//!
//! | File | Subject |
//! |---|---|
//! | `render` | a group and its members as nodes |
//! | `changes` | who comes and goes, what is set, and who is told of it |
//! | `community` | which groups belong together, and who is in all of them |

pub(crate) mod changes;
pub(crate) mod community;
pub(crate) mod render;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use wa_types::{Jid, Server};

use crate::account::DeviceKey;
use crate::people::Picture;
use crate::state::State;

/// Under which addresses a group's members appear in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GroupMode {
    /// By phone number.
    Pn,
    /// By LID, as all new groups.
    #[default]
    Lid,
}

impl GroupMode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pn => "pn",
            Self::Lid => "lid",
        }
    }

    /// An address of the mode's namespace, for [`State::jid_of`] and its like.
    pub(crate) fn sample(self) -> Jid {
        match self {
            Self::Pn => Jid::SERVER,
            Self::Lid => Jid::lid("0"),
        }
    }
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Member,
    Admin,
    /// The creator: nobody removes or demotes it.
    SuperAdmin,
}

/// One member of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) role: Role,
    /// Unix seconds.
    pub(crate) joined: u64,
}

/// The text below a group's name.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) author: usize,
    pub(crate) time: u64,
}

/// An invitation for one account, sent by an admin in a message.
#[derive(Debug, Clone)]
pub(crate) struct Invitation {
    pub(crate) code: String,
    /// Unix seconds.
    pub(crate) expiration: u64,
    pub(crate) admin: usize,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) jid: Jid,
    pub(crate) subject: String,
    pub(crate) subject_time: u64,
    pub(crate) subject_owner: usize,
    pub(crate) creation: u64,
    pub(crate) creator: usize,
    pub(crate) mode: GroupMode,
    /// By account.
    pub(crate) members: BTreeMap<usize, Member>,
    /// Accounts that an admin removed; they cannot come back by link.
    pub(crate) removed: BTreeSet<usize>,
    pub(crate) description: Option<Description>,
    pub(crate) locked: bool,
    pub(crate) announcement: bool,
    /// Seconds, and what set it off.
    pub(crate) ephemeral: Option<(u32, Option<u32>)>,
    pub(crate) approval: bool,
    /// Who asked to join, and when.
    pub(crate) requests: BTreeMap<usize, u64>,
    pub(crate) invitations: BTreeMap<usize, Invitation>,
    pub(crate) member_add_mode: String,
    pub(crate) member_link_mode: String,
    pub(crate) member_share_mode: String,
    /// Settings without a value, by the tag that says that they are on.
    pub(crate) flags: BTreeSet<&'static str>,
    pub(crate) invite: Option<String>,
    /// Its picture.
    pub(crate) picture: Option<Picture>,
    /// What it is to a community.
    pub(crate) place: Place,
    /// Rises with every change of the members.
    pub(crate) version: u64,
    /// Changes happen, and nobody hears of them.
    pub(crate) is_quiet: bool,
    roster: Option<Roster>,
}

/// What a group is to a community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Alone,
    /// It is one.
    Community {
        /// Who joins must be let in.
        closed: bool,
    },
    /// It belongs to one.
    In {
        community: Jid,
        kind: Subgroup,
    },
}

/// What a group of a community is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subgroup {
    /// Where admins write to all.
    Announcements,
    /// Where all write to all.
    General,
    Ordinary,
    /// Only its members see it.
    Hidden,
}

/// The devices of a group's members, and the hash over them; kept, as it takes a millisecond for two thousand.
#[derive(Debug, Clone)]
pub(crate) struct Roster {
    pub(crate) devices: Arc<[DeviceKey]>,
    mode: GroupMode,
    pub(crate) phash: Arc<str>,
}

impl Group {
    pub(crate) fn role(&self, account: usize) -> Option<Role> {
        self.members.get(&account).map(|member| member.role)
    }

    pub(crate) fn is_admin(&self, account: usize) -> bool {
        self.role(account).is_some_and(|role| role >= Role::Admin)
    }

    /// Whether the member may change subject, description and disappearing time.
    pub(crate) fn may_edit(&self, account: usize) -> bool {
        self.is_admin(account) || (!self.locked && self.role(account).is_some())
    }

    /// Whether the member may add others.
    pub(crate) fn may_add(&self, account: usize) -> bool {
        self.is_admin(account) || (self.member_add_mode == ALL_ADD && self.role(account).is_some())
    }

    /// The community that it belongs to.
    pub(crate) fn community(&self) -> Option<&Jid> {
        match &self.place {
            Place::In { community, .. } => Some(community),
            Place::Alone | Place::Community { .. } => None,
        }
    }

    pub(crate) fn is_community(&self) -> bool {
        matches!(self.place, Place::Community { .. })
    }

    /// Whether the member may see the link.
    pub(crate) fn may_invite(&self, account: usize) -> bool {
        self.is_admin(account) || (self.member_link_mode == ALL_LINK && self.role(account).is_some())
    }
}

/// All groups, and the links to them.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: HashMap<String, Group>,
    /// Links that were ever valid: the group that each led to.
    pub(crate) links: HashMap<String, String>,
    made: u64,
}

impl Groups {
    pub(crate) fn find(&self, jid: &Jid) -> Option<&Group> {
        self.by_id.get(jid.user()).filter(|_| jid.is_group())
    }

    pub(crate) fn find_mut(&mut self, jid: &Jid) -> Option<&mut Group> {
        self.by_id.get_mut(jid.user()).filter(|_| jid.is_group())
    }

    /// The groups of a community, oldest first.
    pub(crate) fn within(&self, community: &Jid) -> Vec<&Group> {
        let mut groups: Vec<&Group> =
            self.by_id.values().filter(|group| group.community() == Some(community)).collect();
        groups.sort_unstable_by(|one, other| one.jid.user().cmp(other.jid.user()));
        groups
    }

    pub(crate) fn remove(&mut self, jid: &Jid) -> Option<Group> {
        self.by_id.remove(jid.user())
    }

    /// The groups that an account is in, oldest first.
    pub(crate) fn of(&self, account: usize) -> Vec<&Group> {
        let mut groups: Vec<&Group> =
            self.by_id.values().filter(|group| group.members.contains_key(&account)).collect();
        groups.sort_unstable_by(|one, other| one.jid.user().cmp(other.jid.user()));
        groups
    }

    /// A new group with its creator in it.
    pub(crate) fn create(&mut self, creator: usize, subject: &str, mode: GroupMode, now: u64) -> &mut Group {
        let id = (FIRST_ID + self.made).to_string();
        self.made += 1;
        let group = Group {
            jid: Jid::new(&id, Server::Group),
            subject: subject.to_owned(),
            subject_time: now,
            subject_owner: creator,
            creation: now,
            creator,
            mode,
            members: [(creator, Member { role: Role::SuperAdmin, joined: now })].into(),
            removed: BTreeSet::new(),
            description: None,
            locked: false,
            announcement: false,
            ephemeral: None,
            approval: false,
            requests: BTreeMap::new(),
            invitations: BTreeMap::new(),
            member_add_mode: ALL_ADD.to_owned(),
            member_link_mode: ADMIN_LINK.to_owned(),
            member_share_mode: ADMIN_SHARE.to_owned(),
            flags: BTreeSet::new(),
            invite: None,
            picture: None,
            place: Place::Alone,
            version: FIRST_VERSION,
            is_quiet: false,
            roster: None,
        };
        self.by_id.entry(id).or_insert(group)
    }
}

impl State {
    /// The devices of all members, and their hash in the group's namespace.
    pub(crate) fn roster(&mut self, jid: &Jid) -> Option<Roster> {
        let group = self.groups.find(jid)?;
        let devices: Vec<DeviceKey> = group
            .members
            .keys()
            .filter_map(|&account| Some((account, self.accounts.get(account)?)))
            .flat_map(|(account, owner)| {
                owner.devices.keys().map(move |&number| DeviceKey { account, number })
            })
            .collect();
        let mode = group.mode;
        if let Some(kept) = &group.roster
            && kept.mode == mode
            && *kept.devices == *devices
        {
            return Some(kept.clone());
        }
        let like = mode.sample();
        let phash = crate::account::phash(devices.iter().map(|key| self.jid_of(*key, &like)));
        let roster = Roster { devices: devices.into(), mode, phash: phash.into() };
        self.groups.find_mut(jid)?.roster = Some(roster.clone());
        Some(roster)
    }
}

/// The longest subject, in characters.
pub(crate) const MAX_SUBJECT: usize = 100;
/// The longest description, in characters.
pub(crate) const MAX_DESCRIPTION: usize = 2048;
pub(crate) const ALL_ADD: &str = "all_member_add";
pub(crate) const ALL_LINK: &str = "all_member_link";
const ADMIN_LINK: &str = "admin_link";
const ADMIN_SHARE: &str = "admin_share";
/// Ids have 18 digits.
const FIRST_ID: u64 = 120_363_000_000_000_001;
const FIRST_VERSION: u64 = 1_000_001;
