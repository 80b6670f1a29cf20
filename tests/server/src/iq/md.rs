//! `md`: linking and removing companions, as a device that is logged in asks for it. Protocol: pairing.

use wa_core::wire::Node;

use super::Answer;
use crate::account::{DeviceKey, KeyIndexList};
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node) -> Answer {
    if let Some(removal) = iq.find("remove-companion-device") {
        return match removed(state, from, removal) {
            Some(devices) if !devices.is_empty() => Answer::DONE,
            Some(_) => Answer::Error(404),
            None => Answer::Error(403),
        };
    }
    if let Some(list) = iq.find("key-index-list") {
        return publish(state, from, list);
    }
    // A phone whose user typed a code.
    match iq.find("link_code_companion_reg") {
        Some(hello) if from.number == 0 => match state.relay_primary_hello(from.account, hello) {
            Ok(()) => Answer::DONE,
            Err(code) => Answer::Error(code),
        },
        Some(_) => Answer::Error(403),
        None => Answer::Error(400),
    }
}

pub(super) fn after(state: &mut State, from: DeviceKey, iq: &Node) {
    if let Some(removal) = iq.find("remove-companion-device") {
        for device in removed(state, from, removal).unwrap_or_default() {
            state.remove_device(device);
        }
    }
}

/// The devices that a request removes; `None` when it may not.
fn removed(state: &State, from: DeviceKey, removal: &Node) -> Option<Vec<DeviceKey>> {
    if removal.attr_text("all").as_deref() == Some("true") {
        let companions = state.devices_of(from.account).into_iter().filter(|key| key.number != 0).collect();
        return (from.number == 0).then_some(companions);
    }
    let key = state.device_key(&removal.attr_jid("jid")?)?;
    // A companion removes itself, the phone any companion.
    let may = key.account == from.account && key.number != 0 && (from.number == 0 || key == from);
    may.then(|| state.device(key).map(|_| key).into_iter().collect())
}

fn publish(state: &mut State, from: DeviceKey, list: &Node) -> Answer {
    let (Some(timestamp), Some(signed)) = (list.attr_number("ts"), list.content_bytes()) else {
        return Answer::Error(400);
    };
    if from.number != 0 {
        return Answer::Error(403);
    }
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    account.key_index_list = Some(KeyIndexList { timestamp, signed: signed.to_vec() });
    Answer::DONE
}
