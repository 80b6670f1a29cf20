//! `tos`: terms that users accept. Nothing here depends on them. Protocol: IQ catalogue, "Account and devices".

use wa_core::wire::Node;

use super::Answer;
use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    let accepted = &mut account.people.notices;
    let asked = iq.find("request").unwrap_or(iq);
    let ids = asked.find_all("notice").take(MAX_NOTICES).filter_map(|notice| notice.attr_text("id"));
    let ids: Vec<String> = ids.map(std::borrow::Cow::into_owned).collect();
    if ids.is_empty() {
        return Answer::Error(400);
    }
    if is_set {
        accepted.extend(ids);
        return Answer::DONE;
    }
    let notices = ids.into_iter().map(|id| {
        let state = if accepted.contains(&id) { "true" } else { "false" };
        Node::new("notice").attr("id", id).attr("state", state)
    });
    Answer::one(Node::new("tos").attr("refresh", "86400").children(notices.collect::<Vec<_>>()))
}

const MAX_NOTICES: usize = 100;
