//! `w:p`: the client asks whether we are there.

use wa_core::wire::Node;

use super::Answer;
use crate::stanza::iq_result;
use crate::state::State;

pub(super) fn answer(state: &State, iq: &Node) -> Answer {
    Answer::Whole(iq_result(iq).attr("t", state.now_seconds()))
}
