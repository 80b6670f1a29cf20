//! `<group>` and `<participant>`: what answers and notifications say about a group. Protocol: groups and communities,
//! "Group object".

use wa_store::{AddressingMode, Group, GroupDescription, GroupMember, GroupRole};
use wa_types::{Jid, Server, UnixMillis};

use super::{Reader, StanzaError};

/// How many members of one group we take; the server's own limit is far below.
const MEMBERS_LIMIT: usize = 19_999;

/// Reads a `<group>` or a `<community>`. A member who cannot be read is left out: one's fault is not the others'.
///
/// # Errors
/// [`StanzaError`] when the group's id is missing or no group's.
pub fn read_group(group: Reader<'_>) -> Result<Group, StanzaError> {
    let flag = |tag: &str| group.child_opt(tag).is_some();
    let jid = group_jid(group, "id")?;
    let members: Vec<GroupMember> =
        group.children_of("participant").filter_map(read_member).take(MEMBERS_LIMIT).collect();
    let listed = u32::try_from(members.len()).unwrap_or(u32::MAX);
    Ok(Group {
        jid,
        subject: group.text_opt("subject").unwrap_or_default().into_owned(),
        description: group.child_opt("description").and_then(read_description),
        addressing: read_mode(group).unwrap_or_default(),
        size: group.number_opt("size").ok().flatten().unwrap_or(listed).max(listed),
        members,
        is_announcement: flag("announcement"),
        is_locked: flag("locked"),
        expiration_s: group.child_opt("ephemeral").map_or(0, read_expiration),
        is_community: group.is("community") || flag("parent"),
        parent: group.child_opt("linked_parent").and_then(|parent| group_jid(parent, "jid").ok()),
        is_default_subgroup: flag("default_sub_group"),
        creator: group.jid_opt("creator").ok().flatten().map(|creator| creator.to_chat()),
        created: group.time_opt("creation").unwrap_or_default(),
        member_version: group.text_opt("p_v_id").map(std::borrow::Cow::into_owned),
        fetched: UnixMillis(0),
    })
}

/// The group's address; it may come without its server.
pub(super) fn group_jid(node: Reader<'_>, name: &'static str) -> Result<Jid, StanzaError> {
    let text = node.text(name)?;
    let jid = match text.split_once('@') {
        None => Jid::new(&*text, Server::Group),
        Some(_) => text.parse().map_err(|_| node.invalid(name))?,
    };
    if jid.is_group() && jid.device() == 0 { Ok(jid) } else { Err(node.invalid(name)) }
}

/// The `addressing_mode` of a node, if it has one that we know.
#[must_use]
pub fn read_mode(node: Reader<'_>) -> Option<AddressingMode> {
    match &*node.text_opt("addressing_mode")? {
        "lid" => Some(AddressingMode::Lid),
        "pn" => Some(AddressingMode::Pn),
        _ => None,
    }
}

/// The seconds of an `<ephemeral>`.
pub(super) fn read_expiration(ephemeral: Reader<'_>) -> u32 {
    ephemeral.number_opt("expiration").ok().flatten().unwrap_or(0)
}

/// `None` for one that was deleted.
pub(super) fn read_description(description: Reader<'_>) -> Option<GroupDescription> {
    let text = description.child_opt("body")?.node().text().unwrap_or_default().into_owned();
    Some(GroupDescription { id: description.text_opt("id").unwrap_or_default().into_owned(), text })
}

/// Reads a `<participant>`, or what has its attributes; `None` for what is no user.
pub(super) fn read_member(participant: Reader<'_>) -> Option<GroupMember> {
    let other = |name| participant.jid_opt(name).ok().flatten();
    let jid = participant.jid("jid").ok()?.to_chat();
    let (pn, lid) = if jid.is_lid() {
        (other("phone_number").filter(Jid::is_pn), Some(jid))
    } else if jid.is_pn() {
        (Some(jid), other("lid").filter(Jid::is_lid))
    } else {
        return None;
    };
    Some(GroupMember {
        pn: pn.map(|pn| pn.to_chat()),
        lid: lid.map(|lid| lid.to_chat()),
        role: match participant.text_opt("type").as_deref() {
            Some("admin") => GroupRole::Admin,
            Some("superadmin") => GroupRole::SuperAdmin,
            _ => GroupRole::Member,
        },
        is_unreachable: participant.attr_is("addressable", "false"),
    })
}
