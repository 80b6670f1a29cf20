//! Which groups belong together.

use std::collections::BTreeSet;

use wa_core::wire::Node;
use wa_types::Jid;

use super::query::address;
use super::{as_admin, as_member};
use crate::account::DeviceKey;
use crate::group::changes::Joined;
use crate::group::render::subgroup_node;
use crate::group::{Group, Place, Role, Subgroup};
use crate::iq::Answer;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn subgroups(state: &State, from: DeviceKey, jid: &Jid) -> Result<Answer, u16> {
    as_community(state, from, jid)?;
    let groups = state.groups.within(jid);
    let seen = groups.into_iter().filter(|group| is_seen(group, from.account));
    let nodes: Vec<Node> = seen.map(|group| subgroup_node(group, "id")).collect();
    Ok(Answer::one(Node::new("sub_groups").children(nodes)))
}

pub(super) fn members(state: &State, from: DeviceKey, jid: &Jid) -> Result<Answer, u16> {
    let community = as_community(state, from, jid)?;
    let mut all: BTreeSet<usize> = community.members.keys().copied().collect();
    all.extend(state.groups.within(jid).into_iter().flat_map(|group| group.members.keys().copied()));
    let nodes = all.into_iter().map(|account| state.participant(account, community.mode));
    Ok(Answer::one(Node::new("linked_groups_participants").children(nodes.collect::<Vec<_>>())))
}

pub(super) fn look(state: &State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    as_community(state, from, jid)?;
    let group = of_community(state, jid, &asked.attr_jid("jid").ok_or(400_u16)?)?;
    let group = state.group_node(group, group.members.contains_key(&from.account));
    Ok(Answer::one(Node::new("linked_group").child(group)))
}

pub(super) fn join(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    as_community(state, from, jid)?;
    let wanted = asked.attr_jid("jid").ok_or(400_u16)?;
    let group = of_community(state, jid, &wanted)?;
    if group.members.contains_key(&from.account) {
        return Err(304);
    }
    if group.members.len() >= state.config.group_size {
        return Err(419);
    }
    state.add_members(&wanted, from.account, &[from.account], Joined::Linked);
    let group = state.groups.find(&wanted).ok_or(404_u16)?;
    Ok(Answer::one(Node::new("linked_group").child(state.group_node(group, true))))
}

pub(super) fn link(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    community_admin(state, from, jid)?;
    let mut answers = Vec::new();
    for list in asked.find_all("link") {
        let mut done = Vec::new();
        for node in list.find_all("group") {
            let group = node.attr_jid("jid").ok_or(400_u16)?;
            let kind =
                if node.find("hidden_group").is_some() { Subgroup::Hidden } else { Subgroup::Ordinary };
            let checked = as_admin(state, from, &group).and_then(|found| match &found.place {
                Place::Alone => Ok(()),
                Place::In { community, .. } if community == jid => Err(409),
                Place::In { .. } | Place::Community { .. } => Err(406),
            });
            if checked.is_ok() {
                state.link_group(jid, &group, from.account, kind);
            }
            done.push(Node::new("group").attr("jid", &group).attr_opt("error", checked.err()));
        }
        answers.push(Node::new("link").attr("link_type", "sub_group").children(done));
    }
    if answers.is_empty() { Err(400) } else { Ok(Answer::one(Node::new("links").children(answers))) }
}

pub(super) fn unlink(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    community_admin(state, from, jid)?;
    let mut done = Vec::new();
    for node in asked.find_all("group") {
        let group = node.attr_jid("jid").ok_or(400_u16)?;
        let checked = of_community(state, jid, &group)
            .and_then(|found| if found.is(Subgroup::Announcements) { Err(405) } else { Ok(()) });
        if checked.is_ok() {
            let orphans = node.attr_text("remove_orphaned_members").as_deref() == Some("true");
            state.unlink_group(&group, from.account, "unlink_group", orphans);
        }
        done.push(Node::new("group").attr("jid", &group).attr_opt("error", checked.err()));
    }
    let answer = Node::new("unlink").attr("unlink_type", "sub_group").children(done);
    if answer.nodes().is_empty() { Err(400) } else { Ok(Answer::one(answer)) }
}

pub(super) fn deactivate(state: &mut State, from: DeviceKey, jid: &Jid) -> Result<Answer, u16> {
    let community = as_community(state, from, jid)?;
    if community.role(from.account) != Some(Role::SuperAdmin) {
        return Err(401);
    }
    state.deactivate_community(jid, from.account);
    Ok(Answer::DONE)
}

/// Leaves communities, with all their groups.
pub(super) fn leave(state: &mut State, from: DeviceKey, asked: &Node) -> Vec<Node> {
    let mut left = Vec::new();
    for jid in asked.find_all("community").filter_map(address) {
        let code = as_community(state, from, &jid).err();
        if code.is_none() {
            state.remove_from_community(&jid, from.account, &[from.account]);
        }
        left.push(Node::new("community").attr("id", &jid).attr_opt("error", code));
    }
    left
}

/// The community, when the account is in it; 406 for a group that is none.
pub(super) fn as_community<'a>(state: &'a State, from: DeviceKey, jid: &Jid) -> Result<&'a Group, u16> {
    let group = as_member(state, from, jid)?;
    if group.is_community() { Ok(group) } else { Err(406) }
}

fn community_admin<'a>(state: &'a State, from: DeviceKey, jid: &Jid) -> Result<&'a Group, u16> {
    as_community(state, from, jid)?;
    as_admin(state, from, jid)
}

/// The group, when it belongs to the community.
fn of_community<'a>(state: &'a State, community: &Jid, jid: &Jid) -> Result<&'a Group, u16> {
    state.groups.find(jid).filter(|group| group.community() == Some(community)).ok_or(404)
}

fn is_seen(group: &Group, account: usize) -> bool {
    !group.is(Subgroup::Hidden) || group.members.contains_key(&account)
}
