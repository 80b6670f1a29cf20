//! `w:g2`: nobody is in a group yet.

use wa_core::wire::Node;

use super::Answer;

pub(super) fn answer(iq: &Node) -> Answer {
    if iq.find("participating").is_some() { Answer::one(Node::new("groups")) } else { Answer::Error(404) }
}
