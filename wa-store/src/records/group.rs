//! Groups: who is in one, and how it is addressed; and which devices have our own key of it. Protocol: groups and
//! communities, "Group object", "What a client should keep per group".

use prost::Message;
use wa_types::{Jid, UnixMillis, UnixSeconds};

use super::group_settings::{GroupFlag, GroupFlags, GrowthLock, WhoMay};
use crate::error::StoreError;
use crate::store::StoreFuture;

/// A group as last told by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its address.
    pub jid: Jid,
    /// Its name; empty when the server hides it.
    pub subject: String,
    /// Who gave it that name.
    pub subject_by: Option<Jid>,
    /// When it got that name.
    pub subject_at: UnixSeconds,
    /// What it says about itself.
    pub description: Option<GroupDescription>,
    /// Under which of their two addresses its members are written to.
    pub addressing: AddressingMode,
    /// Its members, in the server's order.
    pub members: Vec<GroupMember>,
    /// How many members it has; in announcement groups they may not all be listed.
    pub size: u32,
    /// Only admins send messages.
    pub is_announcement: bool,
    /// Only admins change its name, description and picture.
    pub is_locked: bool,
    /// After how many seconds messages disappear; 0 for never.
    pub expiration_s: u32,
    /// What set that time, by the server's number for it.
    pub expiration_trigger: Option<u32>,
    /// Who adds members; none when the server does not say.
    pub adding: Option<WhoMay>,
    /// Who sees the link that leads into it; none when the server does not say.
    pub link: Option<WhoMay>,
    /// Who gives new members messages from before they came; none when the server does not say.
    pub history: Option<WhoMay>,
    /// What else is set.
    pub flags: GroupFlags,
    /// Nobody joins by link for a while.
    pub growth_lock: Option<GrowthLock>,
    /// How far an appeal against its suspension is, in the server's word.
    pub appeal: Option<String>,
    /// It is a community: a roof over groups, without messages of its own.
    pub is_community: bool,
    /// The community that it belongs to.
    pub parent: Option<Jid>,
    /// It is the announcement group of its community.
    pub is_default_subgroup: bool,
    /// Who made it.
    pub creator: Option<Jid>,
    /// The phone number of who made it, where the server tells it beside a LID.
    pub creator_pn: Option<Jid>,
    /// When it was made.
    pub created: UnixSeconds,
    /// The server's version of the list of members.
    pub member_version: Option<String>,
    /// When we asked, or heard of its last change.
    pub fetched: UnixMillis,
}

/// The text under a group's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupDescription {
    /// Its version: whoever replaces it must name it.
    pub id: String,
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub by: Option<Jid>,
    /// When.
    pub at: UnixSeconds,
}

/// Under which of their two addresses a group's members are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AddressingMode {
    /// By phone number.
    #[default]
    Pn,
    /// By LID.
    Lid,
}

impl AddressingMode {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pn => "pn",
            Self::Lid => "lid",
        }
    }
}

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The member's phone number user; in groups addressed by LID it may be hidden.
    pub pn: Option<Jid>,
    /// The member's LID user, where it is known.
    pub lid: Option<Jid>,
    /// What the member may do.
    pub role: GroupRole,
    /// The server takes no messages for this member.
    pub is_unreachable: bool,
    /// When the member came; 0 when the server does not say.
    pub joined: UnixSeconds,
    /// What few members have.
    pub details: Option<Box<MemberDetails>>,
}

/// What the server says about few members of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberDetails {
    /// The label that the member wears in this group.
    pub label: Option<String>,
    /// When it was put on.
    pub labelled: UnixSeconds,
    /// The member's username.
    pub username: Option<String>,
    /// What is shown of a member whose number is hidden.
    pub display_name: Option<String>,
}

impl GroupMember {
    /// A member without any rights, under these addresses.
    #[must_use]
    pub const fn new(pn: Option<Jid>, lid: Option<Jid>) -> Self {
        Self {
            pn,
            lid,
            role: GroupRole::Member,
            is_unreachable: false,
            joined: UnixSeconds(0),
            details: None,
        }
    }

    /// A member without any rights, under one or both of its addresses; `None` where neither is a user's.
    #[must_use]
    pub fn of(one: &Jid, other: Option<&Jid>) -> Option<Self> {
        let find = |is: fn(&Jid) -> bool| [Some(one), other].into_iter().flatten().find(|jid| is(jid));
        let (pn, lid) = (find(Jid::is_pn), find(Jid::is_lid));
        (pn.is_some() || lid.is_some()).then(|| Self::new(pn.map(Jid::to_chat), lid.map(Jid::to_chat)))
    }

    /// The label that the member wears in this group.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.details.as_ref()?.label.as_deref()
    }

    /// The member's address in a group of this mode; the other one when that is the only one known.
    #[must_use]
    pub fn address(&self, mode: AddressingMode) -> Option<&Jid> {
        match mode {
            AddressingMode::Pn => self.pn.as_ref().or(self.lid.as_ref()),
            AddressingMode::Lid => self.lid.as_ref().or(self.pn.as_ref()),
        }
    }

    /// Whether this is the member's address, whichever of the two; devices are not compared.
    #[must_use]
    pub fn is_user(&self, user: &Jid) -> bool {
        [&self.pn, &self.lid].into_iter().flatten().any(|address| address.is_same_user(user))
    }
}

/// What a member of a group may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GroupRole {
    /// Write, unless only admins do.
    #[default]
    Member,
    /// Add and remove others, and change settings.
    Admin,
    /// An admin whom nobody removes: the creator.
    SuperAdmin,
}

impl Group {
    /// A group of which nothing is known but its address.
    #[must_use]
    pub const fn new(jid: Jid) -> Self {
        Self {
            jid,
            subject: String::new(),
            subject_by: None,
            subject_at: UnixSeconds(0),
            description: None,
            addressing: AddressingMode::Pn,
            members: Vec::new(),
            size: 0,
            is_announcement: false,
            is_locked: false,
            expiration_s: 0,
            expiration_trigger: None,
            adding: None,
            link: None,
            history: None,
            flags: GroupFlags::from_bits(0),
            growth_lock: None,
            appeal: None,
            is_community: false,
            parent: None,
            is_default_subgroup: false,
            creator: None,
            creator_pn: None,
            created: UnixSeconds(0),
            member_version: None,
            fetched: UnixMillis(0),
        }
    }

    /// Whether this is set.
    #[must_use]
    pub const fn has(&self, flag: GroupFlag) -> bool {
        self.flags.has(flag)
    }

    /// The member of this address, whichever of the two.
    #[must_use]
    pub fn member(&self, user: &Jid) -> Option<&GroupMember> {
        self.members.iter().find(|member| member.is_user(user))
    }

    /// As bytes that [`Self::decode`] reads, in this version of the library and in later ones.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = |jid: &Option<Jid>| jid.as_ref().map(Jid::to_string);
        RawGroup {
            jid: self.jid.to_string(),
            subject: self.subject.clone(),
            subject_by: text(&self.subject_by),
            subject_at: self.subject_at.0,
            description: self.description.as_ref().map(|description| RawDescription {
                id: description.id.clone(),
                text: description.text.clone(),
                by: text(&description.by),
                at: description.at.0,
            }),
            is_lid: self.addressing == AddressingMode::Lid,
            members: self.members.iter().map(RawMember::of).collect(),
            size: self.size,
            is_announcement: self.is_announcement,
            is_locked: self.is_locked,
            expiration_s: self.expiration_s,
            expiration_trigger: self.expiration_trigger,
            adding: write_who(self.adding),
            link: write_who(self.link),
            history: write_who(self.history),
            flags: self.flags.bits(),
            growth_lock: self
                .growth_lock
                .as_ref()
                .map(|lock| RawGrowthLock { kind: lock.kind.clone(), until: lock.until.0 }),
            appeal: self.appeal.clone(),
            is_community: self.is_community,
            parent: text(&self.parent),
            is_default_subgroup: self.is_default_subgroup,
            creator: text(&self.creator),
            creator_pn: text(&self.creator_pn),
            created: self.created.0,
            member_version: self.member_version.clone(),
            fetched: self.fetched.0,
        }
        .encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let raw = RawGroup::decode(bytes).map_err(|error| StoreError::corrupt(WHAT, error))?;
        Ok(Self {
            jid: jid(&raw.jid)?,
            subject: raw.subject,
            subject_by: raw.subject_by.as_deref().map(jid).transpose()?,
            subject_at: UnixSeconds(raw.subject_at),
            description: raw.description.map(RawDescription::read).transpose()?,
            addressing: if raw.is_lid { AddressingMode::Lid } else { AddressingMode::Pn },
            members: raw.members.into_iter().map(RawMember::read).collect::<Result<_, StoreError>>()?,
            size: raw.size,
            is_announcement: raw.is_announcement,
            is_locked: raw.is_locked,
            expiration_s: raw.expiration_s,
            expiration_trigger: raw.expiration_trigger,
            adding: read_who(raw.adding)?,
            link: read_who(raw.link)?,
            history: read_who(raw.history)?,
            flags: GroupFlags::from_bits(raw.flags),
            growth_lock: raw
                .growth_lock
                .map(|lock| GrowthLock { kind: lock.kind, until: UnixSeconds(lock.until) }),
            appeal: raw.appeal,
            is_community: raw.is_community,
            parent: raw.parent.as_deref().map(jid).transpose()?,
            is_default_subgroup: raw.is_default_subgroup,
            creator: raw.creator.as_deref().map(jid).transpose()?,
            creator_pn: raw.creator_pn.as_deref().map(jid).transpose()?,
            created: UnixSeconds(raw.created),
            member_version: raw.member_version,
            fetched: UnixMillis(raw.fetched),
        })
    }
}

fn jid(text: &str) -> Result<Jid, StoreError> {
    text.parse().map_err(|error: wa_types::JidError| StoreError::corrupt(WHAT, error))
}

/// Reads groups. Written by [`Changes::put_group`](crate::Changes::put_group) and
/// [`Changes::put_key_holders`](crate::Changes::put_key_holders).
pub trait GroupReader {
    /// These groups, in the order asked; `None` where none is known.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn groups(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Group>>>;

    /// All groups that [`Self::groups`] knows, in no order.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn known_groups(&self) -> StoreFuture<'_, Vec<Jid>>;

    /// Which devices have our own key of each of these groups, in the order asked; `None` where nothing is known.
    /// Opaque here; `wa-core`'s `e2e` reads it.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn key_holders(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>>;

    /// All groups of which [`Self::key_holders`] knows something, in no order.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn key_holder_groups(&self) -> StoreFuture<'_, Vec<Jid>>;
}

const WHAT: &str = "group";

#[derive(Clone, PartialEq, Message)]
struct RawGroup {
    #[prost(string, tag = "1")]
    jid: String,
    #[prost(string, tag = "2")]
    subject: String,
    #[prost(message, optional, tag = "3")]
    description: Option<RawDescription>,
    #[prost(bool, tag = "4")]
    is_lid: bool,
    #[prost(message, repeated, tag = "5")]
    members: Vec<RawMember>,
    #[prost(uint32, tag = "6")]
    size: u32,
    #[prost(bool, tag = "7")]
    is_announcement: bool,
    #[prost(bool, tag = "8")]
    is_locked: bool,
    #[prost(uint32, tag = "9")]
    expiration_s: u32,
    #[prost(bool, tag = "10")]
    is_community: bool,
    #[prost(string, optional, tag = "11")]
    parent: Option<String>,
    #[prost(bool, tag = "12")]
    is_default_subgroup: bool,
    #[prost(string, optional, tag = "13")]
    creator: Option<String>,
    #[prost(uint64, tag = "14")]
    created: u64,
    #[prost(string, optional, tag = "15")]
    member_version: Option<String>,
    #[prost(uint64, tag = "16")]
    fetched: u64,
    #[prost(string, optional, tag = "17")]
    subject_by: Option<String>,
    #[prost(uint64, tag = "18")]
    subject_at: u64,
    #[prost(uint32, optional, tag = "19")]
    expiration_trigger: Option<u32>,
    #[prost(uint32, tag = "20")]
    adding: u32,
    #[prost(uint32, tag = "21")]
    link: u32,
    #[prost(uint32, tag = "22")]
    history: u32,
    #[prost(uint64, tag = "23")]
    flags: u64,
    #[prost(message, optional, tag = "24")]
    growth_lock: Option<RawGrowthLock>,
    #[prost(string, optional, tag = "25")]
    appeal: Option<String>,
    #[prost(string, optional, tag = "26")]
    creator_pn: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct RawGrowthLock {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(uint64, tag = "2")]
    until: u64,
}

#[derive(Clone, PartialEq, Message)]
struct RawDescription {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(string, optional, tag = "3")]
    by: Option<String>,
    #[prost(uint64, tag = "4")]
    at: u64,
}

impl RawDescription {
    fn read(self) -> Result<GroupDescription, StoreError> {
        let by = self.by.as_deref().map(jid).transpose()?;
        Ok(GroupDescription { id: self.id, text: self.text, by, at: UnixSeconds(self.at) })
    }
}

/// Most members are two numbers of users: the servers are known by the field.
#[derive(Clone, PartialEq, Message)]
struct RawMember {
    #[prost(string, optional, tag = "1")]
    pn: Option<String>,
    #[prost(string, optional, tag = "2")]
    lid: Option<String>,
    #[prost(uint32, tag = "3")]
    role: u32,
    #[prost(bool, tag = "4")]
    is_unreachable: bool,
    #[prost(uint64, tag = "5")]
    joined: u64,
    #[prost(message, optional, boxed, tag = "6")]
    details: Option<Box<RawDetails>>,
}

#[derive(Clone, PartialEq, Message)]
struct RawDetails {
    #[prost(string, optional, tag = "1")]
    label: Option<String>,
    #[prost(uint64, tag = "2")]
    labelled: u64,
    #[prost(string, optional, tag = "3")]
    username: Option<String>,
    #[prost(string, optional, tag = "4")]
    display_name: Option<String>,
}

impl RawDetails {
    fn of(details: &MemberDetails) -> Self {
        Self {
            label: details.label.clone(),
            labelled: details.labelled.0,
            username: details.username.clone(),
            display_name: details.display_name.clone(),
        }
    }

    fn read(self) -> MemberDetails {
        MemberDetails {
            label: self.label,
            labelled: UnixSeconds(self.labelled),
            username: self.username,
            display_name: self.display_name,
        }
    }
}

impl RawMember {
    fn of(member: &GroupMember) -> Self {
        let user = |jid: &Option<Jid>| jid.as_ref().map(|jid| jid.user().to_owned());
        Self {
            pn: user(&member.pn),
            lid: user(&member.lid),
            role: match member.role {
                GroupRole::Member => 0,
                GroupRole::Admin => 1,
                GroupRole::SuperAdmin => 2,
            },
            is_unreachable: member.is_unreachable,
            joined: member.joined.0,
            details: member.details.as_deref().map(|details| Box::new(RawDetails::of(details))),
        }
    }

    fn read(self) -> Result<GroupMember, StoreError> {
        Ok(GroupMember {
            pn: self.pn.map(Jid::pn),
            lid: self.lid.map(Jid::lid),
            role: match self.role {
                0 => GroupRole::Member,
                1 => GroupRole::Admin,
                2 => GroupRole::SuperAdmin,
                _ => return Err(StoreError::Corrupt { what: WHAT, source: None }),
            },
            is_unreachable: self.is_unreachable,
            joined: UnixSeconds(self.joined),
            details: self.details.map(|details| Box::new(details.read())),
        })
    }
}

const fn write_who(who: Option<WhoMay>) -> u32 {
    match who {
        None => 0,
        Some(WhoMay::Admins) => 1,
        Some(WhoMay::Members) => 2,
    }
}

const fn read_who(who: u32) -> Result<Option<WhoMay>, StoreError> {
    match who {
        0 => Ok(None),
        1 => Ok(Some(WhoMay::Admins)),
        2 => Ok(Some(WhoMay::Members)),
        _ => Err(StoreError::Corrupt { what: WHAT, source: None }),
    }
}
