//! The picture of a group. Protocol: IQ catalogue, "Profile picture".

use wa_core::wire::Node;
use wa_types::Jid;

use super::as_member;
use crate::account::DeviceKey;
use crate::iq::{Answer, picture};
use crate::stanza::Read;
use crate::state::State;

pub(in crate::iq) fn answer(
    state: &mut State,
    from: DeviceKey,
    group: &Jid,
    iq: &Node,
    is_set: bool,
) -> Answer {
    let answer = if is_set { set(state, from, group, iq) } else { fetch(state, from, group, iq) };
    answer.unwrap_or_else(Answer::Error)
}

fn fetch(state: &State, from: DeviceKey, jid: &Jid, iq: &Node) -> Result<Answer, u16> {
    let group = as_member(state, from, jid)?;
    let asked = iq.find("picture").ok_or(400_u16)?;
    let picture = group.picture.as_ref().ok_or(404_u16)?;
    Ok(Answer::one(picture::describe(state, asked, picture)))
}

/// The pictures of many groups, or of a community.
pub(super) fn many(state: &State, from: DeviceKey, asked: &Node) -> Answer {
    let pictures = asked.find_all("picture").take(1000).filter_map(|one| {
        let jid = one.attr_jid("jid").or_else(|| one.attr_jid("parent_group_jid"))?;
        let node = match as_member(state, from, &jid).map(|group| group.picture.as_ref()) {
            Ok(Some(picture)) => picture::describe(state, one, picture),
            Ok(None) => Node::new("picture").attr("error", 404_u16),
            Err(code) => Node::new("picture").attr("error", code),
        };
        Some(node.attr("jid", jid))
    });
    Answer::one(Node::new("pictures").children(pictures.collect::<Vec<_>>()))
}

fn set(state: &mut State, from: DeviceKey, jid: &Jid, iq: &Node) -> Result<Answer, u16> {
    if !as_member(state, from, jid)?.may_edit(from.account) {
        return Err(401);
    }
    let jpeg = iq.find("picture").map(|picture| picture.content_bytes().unwrap_or_default().to_vec());
    let picture = match jpeg {
        Some(jpeg) => Some(state.put_picture(&jpeg).ok_or(406_u16)?),
        None => None,
    };
    let now = state.now_seconds();
    let id = picture.as_ref().map(|picture| picture.id.clone());
    let author = state.account(from.account).map(|account| account.lid.clone());
    let change = Node::new(if picture.is_some() { "set" } else { "delete" })
        .attr("jid", jid)
        .attr_opt("id", id.as_ref())
        .attr_opt("author", author);
    let group = state.groups.find_mut(jid).ok_or(404_u16)?;
    group.picture = picture;
    let event = state.next_id();
    let notification = Node::new("notification")
        .attr("type", "picture")
        .attr("from", jid)
        .attr("id", format!("P{event}"))
        .attr("t", now)
        .child(change);
    let notification = std::sync::Arc::new(notification);
    for account in state.members_of(jid) {
        for device in state.devices_of(account).into_iter().filter(|device| *device != from) {
            state.news.push((device, std::sync::Arc::clone(&notification)));
        }
    }
    Ok(id.map_or(Answer::DONE, |id| Answer::one(Node::new("picture").attr("id", id))))
}
