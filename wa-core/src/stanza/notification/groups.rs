//! `w:gp2`: what happened in a group. Protocol: groups and communities, "Notifications `w:gp2`".

use wa_store::{AddressingMode, Group, GroupDescription, GroupMember};
use wa_types::{Jid, UnixSeconds};

use crate::stanza::group::{read_description, read_expiration, read_group, read_member, read_mode};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// How many changes of one notification we look at; honest ones have one or two.
const CHANGES_LIMIT: usize = 64;

/// What happened in a group, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupNotification {
    /// The group.
    pub group: Jid,
    /// Who did it; nobody when the server did.
    pub actor: Option<Jid>,
    /// The actor's other address.
    pub actor_alt: Option<Jid>,
    /// When.
    pub timestamp: UnixSeconds,
    /// How the group is addressed, where the stanza says so.
    pub addressing: Option<AddressingMode>,
    /// What happened.
    pub changes: Vec<VersionedChange>,
}

/// A change, and which version of the list of members it leads from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionedChange {
    /// The change.
    pub change: GroupChange,
    /// The version before.
    pub from_version: Option<String>,
    /// The version after.
    pub to_version: Option<String>,
}

impl VersionedChange {
    /// A change that says nothing about versions.
    #[must_use]
    pub const fn new(change: GroupChange) -> Self {
        Self { change, from_version: None, to_version: None }
    }
}

/// One thing that happened in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupChange {
    /// There is a new group that we are in, or we were added to one.
    Created(Box<Group>),
    /// These are members now.
    Added {
        /// Who.
        members: Vec<GroupMember>,
        /// How, in the server's word; none when the actor added them.
        reason: Option<String>,
    },
    /// These are members no more: they left when the actor is one of them, else they were removed.
    Removed {
        /// Who.
        members: Vec<GroupMember>,
    },
    /// These are admins now.
    Promoted {
        /// Who.
        members: Vec<GroupMember>,
    },
    /// These are no admins any more.
    Demoted {
        /// Who.
        members: Vec<GroupMember>,
    },
    /// A member has another number: the actor is the old address.
    NumberChanged {
        /// The new one.
        member: Box<GroupMember>,
    },
    /// The group has another name.
    Subject {
        /// The name.
        subject: String,
    },
    /// The group has another description, or none.
    Description {
        /// The description.
        description: Option<GroupDescription>,
    },
    /// Whether only admins send messages.
    Announcement {
        /// Only admins do.
        is_on: bool,
    },
    /// Whether only admins change name, description and picture.
    Locked {
        /// Only admins do.
        is_on: bool,
    },
    /// After how many seconds messages disappear.
    Expiration {
        /// The seconds; 0 for never.
        seconds: u32,
    },
    /// The group is no more.
    Deleted,
    /// Anything else, as it came.
    Other(Box<Node>),
}

impl GroupNotification {
    /// Reads a `<notification type="w:gp2">`.
    ///
    /// # Errors
    /// [`StanzaError`] when the group is missing or malformed.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let other = |name| stanza.jid_opt(name).ok().flatten();
        let actor = other("participant").filter(Jid::is_user);
        let actor_alt = match &actor {
            Some(actor) if actor.is_lid() => other("participant_pn").filter(Jid::is_pn),
            Some(_) => other("participant_lid").filter(Jid::is_lid),
            None => None,
        };
        let group = stanza.jid("from")?;
        if !group.is_group() {
            return Err(stanza.invalid("from"));
        }
        Ok(Self {
            group,
            actor,
            actor_alt,
            timestamp: stanza.time_opt("t").unwrap_or_default(),
            addressing: read_mode(stanza),
            changes: stanza.children().take(CHANGES_LIMIT).map(read_change).collect(),
        })
    }
}

fn read_change(child: Reader<'_>) -> VersionedChange {
    let version = |name| child.text_opt(name).map(std::borrow::Cow::into_owned);
    VersionedChange {
        change: read_kind(child).unwrap_or_else(|| GroupChange::Other(Box::new(child.node().to_node()))),
        from_version: version("prev_v_id"),
        to_version: version("v_id"),
    }
}

/// `None` for what we do not know, or cannot read.
fn read_kind(child: Reader<'_>) -> Option<GroupChange> {
    let members = || child.children_of("participant").filter_map(read_member).collect::<Vec<_>>();
    Some(match &*child.node().tag().as_str() {
        "create" => GroupChange::Created(Box::new(read_group(child.child_opt("group")?).ok()?)),
        "add" => GroupChange::Added {
            members: members(),
            reason: child.text_opt("reason").map(std::borrow::Cow::into_owned),
        },
        "remove" => GroupChange::Removed { members: members() },
        "promote" | "linked_group_promote" => GroupChange::Promoted { members: members() },
        "demote" | "linked_group_demote" => GroupChange::Demoted { members: members() },
        "modify" => GroupChange::NumberChanged { member: Box::new(members().into_iter().next()?) },
        "subject" => GroupChange::Subject { subject: child.text_opt("subject")?.into_owned() },
        "description" => GroupChange::Description { description: read_description(child) },
        "announcement" => GroupChange::Announcement { is_on: true },
        "not_announcement" => GroupChange::Announcement { is_on: false },
        "locked" => GroupChange::Locked { is_on: true },
        "unlocked" => GroupChange::Locked { is_on: false },
        "ephemeral" => GroupChange::Expiration { seconds: read_expiration(child) },
        "not_ephemeral" => GroupChange::Expiration { seconds: 0 },
        "delete" => GroupChange::Deleted,
        _ => return None,
    })
}
