//! `urn:xmpp:whatsapp:dirty`: the client refreshed what was out of date.

use wa_core::wire::Node;

use super::Answer;
use crate::stanza::Read;

pub(super) fn answer(iq: &Node) -> Answer {
    let is_complete = iq.find("clean").is_some_and(|clean| clean.attr_text("type").is_some());
    if is_complete { Answer::DONE } else { Answer::Error(400) }
}
