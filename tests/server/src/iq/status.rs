//! `status`: the about text, and who sees status posts.

use wa_core::wire::Node;

use super::Answer;
use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    if !is_set {
        let list = Node::new("list").attr("type", "contacts").attr("default", "true");
        return Answer::one(Node::new("privacy").child(list));
    }
    let now = state.now_seconds();
    let Some(status) = iq.find("status") else { return Answer::Error(400) };
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    account.about = Some((status.content_text().unwrap_or_default().to_owned(), now));
    Answer::DONE
}
