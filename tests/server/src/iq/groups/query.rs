//! What a group is, and which groups there are.

use wa_core::wire::Node;
use wa_types::{Jid, Server};

use super::as_member;
use crate::account::DeviceKey;
use crate::iq::Answer;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn one(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    as_member(state, from, jid)?;
    // Whoever knows the present participant hash needs no list.
    let known = asked.attr_text("phash");
    if known.is_some() && known.as_deref() == state.roster(jid).map(|roster| roster.phash).as_deref() {
        return Ok(Answer::DONE);
    }
    let group = as_member(state, from, jid)?;
    Ok(Answer::one(state.group_node(group, true)))
}

pub(super) fn many(state: &State, from: DeviceKey, asked: &Node) -> Answer {
    let groups =
        asked.find_all("group").filter_map(|group| group.attr_jid("jid").or_else(|| group.attr_jid("id")));
    let nodes: Vec<Node> = groups
        .take(MAX_GROUPS)
        .map(|jid| match as_member(state, from, &jid) {
            Ok(group) => state.group_node(group, true),
            Err(code) => Node::new("group").attr("id", jid.user()).attr("error", code),
        })
        .collect();
    if nodes.is_empty() { Answer::Error(400) } else { Answer::one(Node::new("groups").children(nodes)) }
}

pub(super) fn participating(state: &State, from: DeviceKey, asked: &Node) -> Answer {
    let with_members = asked.find("participants").is_some();
    let groups = state.groups.of(from.account);
    let nodes = groups.into_iter().map(|group| state.group_node(group, with_members));
    Answer::one(Node::new("groups").children(nodes.collect::<Vec<_>>()))
}

/// The address of a group that a request names by `id` or `jid`, with or without its server.
pub(super) fn address(node: &Node) -> Option<Jid> {
    let text = node.attr_text("id").or_else(|| node.attr_text("jid"))?;
    let user = text.strip_suffix("@g.us").unwrap_or(&text);
    Some(Jid::new(user, Server::Group))
}

const MAX_GROUPS: usize = 10_000;
