//! The picture of a group. Protocol: IQ catalogue, "Profile picture".

use wa_core::wire::Node;
use wa_types::Jid;

use super::as_member;
use crate::account::DeviceKey;
use crate::iq::{Answer, picture};
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
    let (id, jpeg) = group.picture.as_ref().ok_or(404_u16)?;
    Ok(picture::describe(asked, id, jpeg))
}

fn set(state: &mut State, from: DeviceKey, jid: &Jid, iq: &Node) -> Result<Answer, u16> {
    if !as_member(state, from, jid)?.may_edit(from.account) {
        return Err(401);
    }
    let jpeg = iq.find("picture").map(|picture| picture.content_bytes().unwrap_or_default().to_vec());
    if jpeg.as_ref().is_some_and(|jpeg| !jpeg.starts_with(&[0xff, 0xd8])) {
        return Err(406);
    }
    let (id, now) = (state.next_id().to_string(), state.now_seconds());
    let author = state.account(from.account).map(|account| account.lid.clone());
    let change = Node::new(if jpeg.is_some() { "set" } else { "delete" })
        .attr("jid", jid)
        .attr_opt("id", jpeg.is_some().then_some(id.as_str()))
        .attr_opt("author", author);
    let group = state.groups.find_mut(jid).ok_or(404_u16)?;
    group.picture = jpeg.map(|jpeg| (id.clone(), jpeg));
    let has_picture = group.picture.is_some();
    let notification = Node::new("notification")
        .attr("type", "picture")
        .attr("from", jid)
        .attr("id", format!("P{id}"))
        .attr("t", now)
        .child(change);
    let notification = std::sync::Arc::new(notification);
    for account in state.members_of(jid) {
        for device in state.devices_of(account).into_iter().filter(|device| *device != from) {
            state.news.push((device, std::sync::Arc::clone(&notification)));
        }
    }
    Ok(if has_picture { Answer::one(Node::new("picture").attr("id", id)) } else { Answer::DONE })
}
