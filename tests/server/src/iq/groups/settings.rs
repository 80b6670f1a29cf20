//! Subject, description, modes.

use wa_core::wire::Node;
use wa_types::Jid;

use super::{as_admin, as_member};
use crate::account::DeviceKey;
use crate::group::render::approval_node;
use crate::group::{Description, Group, MAX_DESCRIPTION, MAX_SUBJECT};
use crate::iq::Answer;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn set(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let group = as_member(state, from, jid)?;
    match asked.tag.as_ref() {
        "subject" | "description" | "ephemeral" | "not_ephemeral" if !group.may_edit(from.account) => {
            return Err(401);
        }
        "subject" | "description" | "ephemeral" | "not_ephemeral" => {}
        _ => {
            as_admin(state, from, jid)?;
        }
    }
    let now = state.now_seconds();
    let group = state.groups.find_mut(jid).ok_or(404_u16)?;
    let mut change = asked.clone();
    match asked.tag.as_ref() {
        "subject" => {
            let subject =
                asked.content_text().filter(|text| text.chars().count() <= MAX_SUBJECT).ok_or(406_u16)?;
            (group.subject, group.subject_time, group.subject_owner) =
                (subject.to_owned(), now, from.account);
            change = Node::new("subject").attr("subject", subject).attr("s_t", now);
            let mode = group.mode;
            if let Some(author) = state.account(from.account) {
                change = change.attr("s_o", author.jid_like(&mode.sample()));
            }
        }
        "description" => {
            let id = asked.attr_text("id").filter(|id| !id.is_empty()).ok_or(400_u16)?;
            let present = group.description.as_ref().map(|description| description.id.as_str());
            if asked.attr_text("prev").as_deref() != present {
                return Err(409);
            }
            group.description = description(from.account, now, asked)?;
            change = Node::new("description").attr("id", id.as_ref());
            change = match &group.description {
                Some(description) => change.child(Node::new("body").bytes(description.text.as_str())),
                None => change.child(Node::new("delete")),
            };
        }
        "ephemeral" => {
            group.ephemeral = Some(ephemeral(asked).ok_or(400_u16)?);
        }
        "not_ephemeral" => group.ephemeral = None,
        "locked" | "unlocked" => group.locked = asked.tag == "locked",
        "announcement" | "not_announcement" => group.announcement = asked.tag == "announcement",
        "membership_approval_mode" => {
            group.approval = approval(asked).ok_or(400_u16)?;
            change = approval_node(group.approval);
        }
        "member_add_mode" | "member_link_mode" | "member_share_group_history_mode" => {
            let (field, values) = match asked.tag.as_ref() {
                "member_add_mode" => (&mut group.member_add_mode, ["admin_add", "all_member_add"]),
                "member_link_mode" => (&mut group.member_link_mode, ["admin_link", "all_member_link"]),
                _ => (&mut group.member_share_mode, ["admin_share", "all_member_share"]),
            };
            *field = mode(asked, values)?;
            change = Node::new(asked.tag.clone()).bytes(field.as_bytes());
        }
        tag => {
            let switch = SWITCHES.iter().find(|(on, off)| tag == *on || tag == *off);
            let (on, _) = switch.ok_or(400_u16)?;
            if tag == *on {
                group.flags.insert(on)
            } else {
                group.flags.remove(on)
            };
        }
    }
    state.tell_members(jid, from, change);
    Ok(Answer::DONE)
}

/// What a `create` sets besides subject and members; what is not understood is left out.
pub(super) fn at_creation(group: &mut Group, author: usize, now: u64, create: &Node) {
    group.locked = create.find("locked").is_some();
    group.announcement = create.find("announcement").is_some();
    group.ephemeral = create.find("ephemeral").and_then(ephemeral).filter(|(seconds, _)| *seconds > 0);
    group.approval = create.find("membership_approval_mode").and_then(approval).unwrap_or(false);
    group.description =
        create.find("description").and_then(|node| description(author, now, node).ok().flatten());
    for (on, _) in SWITCHES {
        if create.find(on).is_some() {
            group.flags.insert(on);
        }
    }
    for (tag, field, values) in [
        (
            "member_share_group_history_mode",
            &mut group.member_share_mode,
            ["admin_share", "all_member_share"],
        ),
        ("member_add_mode", &mut group.member_add_mode, ["admin_add", "all_member_add"]),
        ("member_link_mode", &mut group.member_link_mode, ["admin_link", "all_member_link"]),
    ] {
        if let Some(Ok(value)) = create.find(tag).map(|node| mode(node, values)) {
            *field = value;
        }
    }
}

fn description(author: usize, time: u64, node: &Node) -> Result<Option<Description>, u16> {
    if node.attr_text("delete").as_deref() == Some("true") {
        return Ok(None);
    }
    let id = node.attr_text("id").ok_or(400_u16)?.into_owned();
    let text = node.find("body").and_then(Read::content_text).ok_or(400_u16)?;
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(406);
    }
    Ok(Some(Description { id, text: text.to_owned(), author, time }))
}

fn ephemeral(node: &Node) -> Option<(u32, Option<u32>)> {
    let seconds = u32::try_from(node.attr_number("expiration")?).ok()?;
    let trigger = node.attr_number("trigger").and_then(|trigger| u32::try_from(trigger).ok());
    [0, 86_400, 604_800, 7_776_000].contains(&seconds).then_some((seconds, trigger))
}

fn approval(node: &Node) -> Option<bool> {
    match node.find("group_join")?.attr_text("state")?.as_ref() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn mode(node: &Node, values: [&str; 2]) -> Result<String, u16> {
    let text = node.content_text().ok_or(400_u16)?;
    values.contains(&text).then(|| text.to_owned()).ok_or(400)
}

/// What is on or off: the tag for each.
const SWITCHES: [(&str, &str); 4] = [
    ("no_frequently_forwarded", "frequently_forwarded_ok"),
    ("allow_admin_reports", "not_allow_admin_reports"),
    ("group_history", "no_group_history"),
    ("allow_non_admin_sub_group_creation", "not_allow_non_admin_sub_group_creation"),
];
