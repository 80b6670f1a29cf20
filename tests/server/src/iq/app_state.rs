//! `w:sync:app:state`: collections are read and written. Protocol: app state, "Sync IQ".

use prost::Message as _;
use wa_core::media::{MediaKind, MediaMessage as _};
use wa_core::wire::Node;
use wa_proto::server_sync::{ExternalBlobReference, SyncdMutations, SyncdPatch};

use super::Answer;
use crate::account::DeviceKey;
use crate::app_state::{NAMES, Stored};
use crate::media::sealed;
use crate::stanza::{Read, error_text};
use crate::state::State;

/// How many patches one answer has.
const PATCHES: usize = 5;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let Some(sync) = iq.find("sync").filter(|_| is_set) else { return Answer::Error(400) };
    let mut answered = Vec::new();
    for collection in sync.find_all("collection") {
        let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
        let dropped = &mut account.app_states.faults.dropped;
        if *dropped > 0 && from.number != 0 {
            *dropped -= 1;
            continue;
        }
        answered.push(read_or_write(state, from, collection));
    }
    if state.accounts.get(from.account).is_some_and(|account| account.app_states.faults.has_stranger) {
        answered.push(Node::new("collection").attr("name", "regular_lower").attr("has_more_patches", "true"));
    }
    Answer::one(Node::new("sync").children(answered))
}

fn refusal(name: &str, code: u16) -> Node {
    let error = Node::new("error").attr("code", code).attr("text", error_text(code));
    Node::new("collection").attr("name", name).attr("type", "error").child(error)
}

fn read_or_write(state: &mut State, from: DeviceKey, collection: &Node) -> Node {
    let name = collection.attr_text("name").unwrap_or_default().into_owned();
    if !NAMES.contains(&name.as_str()) {
        return refusal(&name, 400);
    }
    let version = collection.attr_number("version").unwrap_or(0);
    let wants_snapshot = collection.attr_text("return_snapshot").as_deref() == Some("true");
    let patch = collection.find("patch").and_then(Node::content_bytes);
    let Some(account) = state.accounts.get_mut(from.account) else { return refusal(&name, 404) };
    let states = &mut account.app_states;
    let kept = std::mem::take(&mut states.faults);
    // Only companions are treated badly.
    let is_companion = from.number != 0;
    if is_companion {
        states.faults = kept.clone();
    }
    let answer = answer_one(state, from, (&name, version, wants_snapshot), patch);
    if !is_companion && let Some(account) = state.accounts.get_mut(from.account) {
        account.app_states.faults = kept;
    }
    answer
}

fn answer_one(
    state: &mut State,
    from: DeviceKey,
    (name, version, wants_snapshot): (&str, u64, bool),
    patch: Option<&[u8]>,
) -> Node {
    let Some(account) = state.accounts.get_mut(from.account) else { return refusal(name, 404) };
    let states = &mut account.app_states;
    let (code, left) = &mut states.faults.refused;
    if *left > 0 {
        *left -= 1;
        return refusal(name, *code);
    }
    let mut node = Node::new("collection").attr("name", name);
    if let Some(patch) = patch {
        let (code, left) = &mut states.faults.refused_uploads;
        if *left > 0 {
            *left -= 1;
            return refusal(name, *code);
        }
        if states.of(name).version == version {
            let Some((patch, external)) = read_patch(state, patch) else { return refusal(name, 400) };
            let Some(account) = state.accounts.get_mut(from.account) else { return refusal(name, 404) };
            let version = account.app_states.of(name).append(patch, external);
            announce(state, from, name, version);
            return node.attr("version", version);
        }
        states.of(name).conflicts += 1;
        node = refusal(name, 409);
    }
    let snapshot_from = states.snapshot_from;
    let endless = states.faults.endless;
    let spoils = take(&mut states.faults.spoiled_patches);
    let has_gap = take(&mut states.faults.gaps);
    let newest = states.version(name);
    let mut after = version;
    if wants_snapshot && snapshot_from.is_some_and(|from| newest >= from.max(1)) {
        let is_spoiled = take(&mut states.faults.spoiled_snapshots);
        let snapshot = states.of(name).snapshot(is_spoiled);
        let mut reference = ExternalBlobReference::default();
        reference.set_attachment(&sealed::upload(state, MediaKind::AppState, &snapshot));
        node = node.child(Node::new("snapshot").bytes(reference.encode_to_vec()));
        after = newest;
    }
    let Some(account) = state.accounts.get_mut(from.account) else { return refusal(name, 404) };
    let stored = account.app_states.of(name);
    let (patches, has_more) = patches_after(stored, after);
    let patches = patches.into_iter().skip(usize::from(has_gap)).map(|mut patch| {
        // The patch ends with the id of its key and its version; before those is its MAC.
        let at = patch.len().saturating_sub(24);
        if spoils && let Some(byte) = patch.get_mut(at) {
            *byte ^= 1;
        }
        Node::new("patch").bytes(patch)
    });
    let patches: Vec<Node> = patches.collect();
    node = node.attr("version", stored.version);
    if has_more || endless {
        node = node.attr("has_more_patches", "true");
    }
    if patches.is_empty() { node } else { node.child(Node::new("patches").children(patches)) }
}

fn take(left: &mut u32) -> bool {
    let is_next = *left > 0;
    *left = left.saturating_sub(1);
    is_next
}

fn patches_after(stored: &Stored, version: u64) -> (Vec<Vec<u8>>, bool) {
    let behind = stored.patches.iter().skip(usize::try_from(version).unwrap_or(usize::MAX));
    let patches: Vec<Vec<u8>> = behind.clone().take(PATCHES).cloned().collect();
    (patches, behind.count() > PATCHES)
}

/// Tells the account's other devices.
fn announce(state: &mut State, from: DeviceKey, name: &str, version: u64) {
    let (now, id) = (state.now_seconds(), state.next_id());
    let Some(account) = state.account(from.account) else { return };
    let news = Node::new("notification")
        .attr("type", "server_sync")
        .attr("from", &account.pn)
        .attr("id", id)
        .attr("t", now)
        .child(Node::new("collection").attr("name", name).attr("version", version));
    for device in state.devices_of(from.account).into_iter().filter(|device| *device != from) {
        state.deliver(device, news.clone());
    }
}

/// A patch, and its mutations when they are in a file. `None` when it is none.
fn read_patch(state: &State, bytes: &[u8]) -> Option<(SyncdPatch, Option<SyncdMutations>)> {
    let patch = SyncdPatch::decode(bytes).ok()?;
    let Some(reference) = &patch.external_mutations else { return Some((patch, None)) };
    let file = sealed::download(state, &reference.attachment()).ok()?;
    let mutations = SyncdMutations::decode(file.as_slice()).ok()?;
    Some((patch, Some(mutations)))
}
