//! `<group>` and `<participant>`: what answers and notifications say about a group. Protocol: groups and communities,
//! "Group object".

use wa_store::{AddressingMode, Group, GroupDescription, GroupFlag, GroupMember, GroupRole, MemberDetails};
use wa_types::{Jid, Server};

use super::group_setting::{GroupSetting, read_flag, read_growth_lock};
use super::{Reader, StanzaError};

/// How many members of one group we take; the server's own limit is far below.
const MEMBERS_LIMIT: usize = 19_999;

/// Reads a `<group>` or a `<community>`. A member who cannot be read is left out: one's fault is not the others'.
///
/// # Errors
/// [`StanzaError`] when the group's id is missing or no group's.
pub fn read_group(node: Reader<'_>) -> Result<Group, StanzaError> {
    let user = |name| node.jid_opt(name).ok().flatten().map(|jid: Jid| jid.to_chat());
    let members: Vec<GroupMember> =
        node.children_of("participant").filter_map(read_member).take(MEMBERS_LIMIT).collect();
    let listed = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let mut group = Group {
        subject: node.text_opt("subject").unwrap_or_default().into_owned(),
        subject_by: user("s_o"),
        subject_at: node.time_opt("s_t").unwrap_or_default(),
        addressing: read_mode(node).unwrap_or_default(),
        size: node.number_opt("size").ok().flatten().unwrap_or(listed).max(listed),
        members,
        is_community: node.is("community"),
        creator: user("creator"),
        creator_pn: user("creator_pn").filter(Jid::is_pn),
        created: node.time_opt("creation").unwrap_or_default(),
        member_version: node.text_opt("p_v_id").map(std::borrow::Cow::into_owned),
        ..Group::new(group_jid(node, "id")?)
    };
    for child in node.children().filter(|child| !child.is("participant")) {
        if let Some(setting) = GroupSetting::read(child) {
            setting.apply(&mut group);
        } else if let Some((flag, is_on)) = read_flag(child) {
            group.flags.set(flag, is_on);
        } else {
            read_other(child, &mut group);
        }
    }
    Ok(group)
}

/// The children of a group that are neither members nor settings.
fn read_other(child: Reader<'_>, group: &mut Group) {
    match &*child.node().tag().as_str() {
        "description" => group.description = read_description(child),
        "parent" => {
            group.is_community = true;
            let is_closed = child.attr_is("default_membership_approval_mode", "request_required");
            group.flags.set(GroupFlag::ClosedCommunity, is_closed);
        }
        "linked_parent" => group.parent = group_jid(child, "jid").ok(),
        "default_sub_group" => group.is_default_subgroup = true,
        "growth_locked" => group.growth_lock = Some(read_growth_lock(child)),
        "appeal_status" => group.appeal = child.text_opt("type").map(std::borrow::Cow::into_owned),
        _ => {}
    }
}

/// The group's address; it may come without its server.
pub(in crate::stanza) fn group_jid(node: Reader<'_>, name: &'static str) -> Result<Jid, StanzaError> {
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
    Some(GroupDescription {
        id: description.text_opt("id").unwrap_or_default().into_owned(),
        text,
        by: description.jid_opt("participant").ok().flatten().map(|by: Jid| by.to_chat()),
        at: description.time_opt("t").unwrap_or_default(),
    })
}

/// Reads a `<participant>`, or what has its attributes; `None` for what is no user.
pub(in crate::stanza) fn read_member(participant: Reader<'_>) -> Option<GroupMember> {
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
        role: match participant.text_opt("type").as_deref() {
            Some("admin") => GroupRole::Admin,
            Some("superadmin") => GroupRole::SuperAdmin,
            _ => GroupRole::Member,
        },
        is_unreachable: participant.attr_is("addressable", "false"),
        joined: participant.time_opt("join_time").unwrap_or_default(),
        details: read_details(participant).map(Box::new),
        ..GroupMember::new(pn.map(|pn| pn.to_chat()), lid.map(|lid| lid.to_chat()))
    })
}

/// What is said of few members.
fn read_details(participant: Reader<'_>) -> Option<MemberDetails> {
    let text = |name| participant.text_opt(name).map(std::borrow::Cow::into_owned);
    let details = MemberDetails {
        label: text("participant_label").filter(|label| !label.is_empty()),
        labelled: participant.time_opt("participant_label_mtime").unwrap_or_default(),
        username: text("username").or_else(|| text("participant_username")),
        display_name: text("display_name"),
    };
    (details != MemberDetails::default()).then_some(details)
}
