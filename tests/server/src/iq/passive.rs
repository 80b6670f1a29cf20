//! `passive`: whether the client is ready for its backlog.

use wa_core::wire::Node;

use super::Answer;
use crate::account::DeviceKey;
use crate::session::Resume;
use crate::state::State;

pub(super) fn answer(iq: &Node) -> Answer {
    if iq.find("active").or_else(|| iq.find("passive")).is_some() { Answer::DONE } else { Answer::Error(400) }
}

pub(super) fn after(state: &mut State, from: DeviceKey, iq: &Node) {
    let session = state.device(from).and_then(|device| device.session.as_ref());
    if iq.find("active").is_some() && session.is_some_and(|session| session.resume == Resume::Passive) {
        state.start_delivery(from);
    }
}
