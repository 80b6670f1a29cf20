//! `status`: the about text, and who sees status posts.

use wa_core::wire::Node;

use super::Answer;
use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    if !is_set {
        let chosen = state.account(from.account).and_then(|account| account.people.status_audience.clone());
        let (kind, users) = chosen.unwrap_or(("contacts", Vec::new()));
        let users = users.into_iter().map(|user| Node::new("user").attr("jid", user));
        let list = Node::new("list").attr("type", kind).attr("default", "true").children(users);
        return Answer::one(Node::new("privacy").child(list));
    }
    let Some(status) = iq.find("status") else { return Answer::Error(400) };
    match state.set_about(from, status.content_text().unwrap_or_default()) {
        Ok(()) => Answer::DONE,
        Err(code) => Answer::Error(code),
    }
}
