//! `spam`: reports are counted and given a number.

use wa_core::wire::Node;

use super::Answer;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, iq: &Node) -> Answer {
    let Some(list) = iq.find("spam_list") else { return Answer::Error(400) };
    let has_flow = list.attr_text("spam_flow").is_some_and(|flow| !flow.is_empty());
    if !has_flow || list.nodes().iter().any(|message| message.attr_text("id").is_none()) {
        return Answer::Error(400);
    }
    let id = state.next_id();
    Answer::one(Node::new("report_id").text(id.to_string()))
}
