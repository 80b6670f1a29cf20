//! `w:gp2`: what happened in a group. Protocol: groups and communities, "Notifications `w:gp2`".

use wa_store::{AddressingMode, Group, GroupDescription, GroupFlag, GroupMember, GrowthLock};
use wa_types::{Jid, UnixSeconds};

use crate::stanza::community::{GroupSuggestion, LinkKind, LinkedGroup, read_suggestions};
use crate::stanza::group::{read_description, read_group, read_member, read_mode};
use crate::stanza::group_setting::{GroupSetting, read_flag, read_growth_lock};
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
        /// How, in the server's word; none when the actor did it.
        reason: Option<String>,
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
        /// Who gave it.
        by: Option<Jid>,
        /// When.
        at: UnixSeconds,
    },
    /// The group has another description, or none.
    Description {
        /// The description.
        description: Option<GroupDescription>,
    },
    /// The group is set otherwise.
    Setting(GroupSetting),
    /// The server sets the group otherwise.
    Flag {
        /// What is set.
        flag: GroupFlag,
        /// Whether it is.
        is_on: bool,
    },
    /// Nobody joins by link for a while; none when they do again.
    GrowthLocked(Option<GrowthLock>),
    /// The link that leads into the group is another one; the one before is worth nothing.
    LinkReset {
        /// The new link's code.
        code: String,
    },
    /// Invitations to these users are worth nothing any more.
    InvitesRevoked {
        /// Whose.
        users: Vec<GroupMember>,
    },
    /// These want to be let in; told to admins.
    JoinRequested {
        /// Who; when another one asked for them, that is the actor.
        users: Vec<GroupMember>,
        /// How they came, in the server's word, such as `invite_link`.
        method: Option<String>,
        /// Through which community they came.
        community: Option<Jid>,
    },
    /// These do not wait any more to be let in: they thought better of it, or an admin said no.
    JoinRequestsGone {
        /// Who.
        users: Vec<GroupMember>,
    },
    /// Groups were linked to a community: seen from the community, from the group, or from another group of it.
    Linked {
        /// What the groups below are to this one.
        kind: LinkKind,
        /// The groups.
        groups: Vec<LinkedGroup>,
    },
    /// Groups were unlinked from a community.
    Unlinked {
        /// What the groups below were to this one.
        kind: LinkKind,
        /// Why, in the server's word: `unlink_group` or `delete_parent`.
        reason: Option<String>,
        /// The groups.
        groups: Vec<LinkedGroup>,
    },
    /// Groups were suggested for this community; told to its admins.
    Suggested {
        /// Which.
        suggestions: Vec<GroupSuggestion>,
    },
    /// Suggestions are gone.
    SuggestionsGone {
        /// Which.
        suggestions: Vec<GroupSuggestion>,
    },
    /// Who suggested these groups has another number: the actor is the old address.
    SuggesterChanged {
        /// The new one.
        user: Jid,
        /// Which suggestions.
        suggestions: Vec<GroupSuggestion>,
    },
    /// Members reported messages to the admins.
    Reported,
    /// The group is no more.
    Deleted {
        /// Why, in the server's word.
        reason: Option<String>,
    },
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
        let timestamp = stanza.time_opt("t").unwrap_or_default();
        let requester = || GroupMember::of(actor.as_ref()?, actor_alt.as_ref());
        let mut changes: Vec<VersionedChange> =
            stanza.children().take(CHANGES_LIMIT).map(read_change).collect();
        for VersionedChange { change, .. } in &mut changes {
            match change {
                GroupChange::Subject { by, at, .. } => {
                    (*by, *at) = (by.take().or_else(|| actor.clone()), (*at).max(timestamp));
                }
                GroupChange::Description { description: Some(new) } => {
                    (new.by, new.at) = (new.by.take().or_else(|| actor.clone()), new.at.max(timestamp));
                }
                // Who asks for itself is the actor.
                GroupChange::JoinRequested { users, .. } if users.is_empty() => users.extend(requester()),
                _ => {}
            }
        }
        let addressing = read_mode(stanza);
        Ok(Self { group, actor, actor_alt, timestamp, addressing, changes })
    }

    /// Reads what a notification in the form of a GraphQL answer says about a group; `None` when it says nothing.
    pub(super) fn read_mex(stanza: Reader<'_>, kind: &str) -> Option<Self> {
        if kind != "mex" {
            return None;
        }
        let mut updates = stanza.children_of("update").take(CHANGES_LIMIT);
        let (group, update) = updates.find_map(|update| Some((read_update(update)?, update)))?;
        let change = GroupChange::Other(Box::new(update.node().to_node()));
        let timestamp = stanza.time_opt("t").unwrap_or_default();
        let changes = vec![VersionedChange::new(change)];
        Some(Self { group, actor: None, actor_alt: None, timestamp, addressing: None, changes })
    }
}

/// The group of an operation about groups. What it says is not documented: the group is to be asked about.
fn read_update(update: Reader<'_>) -> Option<Jid> {
    let operation = update.text_opt("op_name")?;
    if !OPERATIONS.iter().any(|prefix| operation.starts_with(prefix)) {
        return None;
    }
    let json: serde_json::Value = serde_json::from_slice(&update.content()).ok()?;
    let root = json.get("data")?.as_object()?.values().next()?;
    let id = root.get("id").or_else(|| root.get("group_id"))?.as_str()?;
    id.parse::<Jid>().ok().filter(Jid::is_group)
}

/// What operations about groups begin with.
const OPERATIONS: [&str; 2] = ["NotificationGroup", "NotificationCommunity"];

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
    let text = |name| child.text_opt(name).map(std::borrow::Cow::into_owned);
    if let Some(setting) = GroupSetting::read(child) {
        return Some(GroupChange::Setting(setting));
    }
    if let Some((flag, is_on)) = read_flag(child) {
        return Some(GroupChange::Flag { flag, is_on });
    }
    Some(match &*child.node().tag().as_str() {
        "create" => {
            let group = child.child_opt("group").or_else(|| child.child_opt("community"))?;
            GroupChange::Created(Box::new(read_group(group).ok()?))
        }
        "add" => GroupChange::Added { members: members(), reason: text("reason") },
        "remove" => GroupChange::Removed { members: members(), reason: text("reason") },
        "promote" | "linked_group_promote" => GroupChange::Promoted { members: members() },
        "demote" | "linked_group_demote" => GroupChange::Demoted { members: members() },
        "modify" => GroupChange::NumberChanged { member: Box::new(members().into_iter().next()?) },
        "subject" => GroupChange::Subject {
            subject: text("subject")?,
            by: child.jid_opt("s_o").ok().flatten(),
            at: child.time_opt("s_t").unwrap_or_default(),
        },
        "description" => GroupChange::Description { description: read_description(child) },
        "growth_locked" => GroupChange::GrowthLocked(Some(read_growth_lock(child))),
        "growth_unlocked" => GroupChange::GrowthLocked(None),
        "invite" => GroupChange::LinkReset { code: text("code")? },
        "revoke" => GroupChange::InvitesRevoked { users: members() },
        "membership_approval_request" | "created_membership_requests" => GroupChange::JoinRequested {
            users: child.children_of("requested_user").filter_map(read_member).collect(),
            method: text("request_method"),
            community: child.jid_opt("parent_group_jid").ok().flatten(),
        },
        "revoked_membership_requests" => GroupChange::JoinRequestsGone { users: members() },
        "link" => GroupChange::Linked {
            kind: LinkKind::read(&child.text_opt("link_type")?),
            groups: child.children_of("group").filter_map(|group| LinkedGroup::read(group).ok()).collect(),
        },
        "unlink" => GroupChange::Unlinked {
            kind: LinkKind::read(&child.text_opt("unlink_type")?),
            reason: text("unlink_reason"),
            groups: child.children_of("group").filter_map(|group| LinkedGroup::read(group).ok()).collect(),
        },
        "created_sub_group_suggestion" => GroupChange::Suggested { suggestions: read_suggestions(child) },
        "revoked_sub_group_suggestions" => {
            GroupChange::SuggestionsGone { suggestions: read_suggestions(child) }
        }
        "change_number" => GroupChange::SuggesterChanged {
            user: child.jid("jid").ok()?,
            suggestions: read_suggestions(child),
        },
        "reports" => GroupChange::Reported,
        "delete" => GroupChange::Deleted { reason: text("reason") },
        _ => return None,
    })
}
