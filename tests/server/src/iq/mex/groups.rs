//! What of groups goes by GraphQL only. Protocol: IQ catalogue, "Mex".

use serde_json::{Value, json};
use wa_core::wire::Node;
use wa_types::Jid;

use super::MexResult;
use crate::account::DeviceKey;
use crate::group::{Group, Role};
use crate::state::State;

pub(super) fn call(state: &mut State, from: DeviceKey, name: &str, variables: &Value) -> Option<MexResult> {
    Some(match name {
        "UpdateGroupProperty" => set_property(state, from, variables),
        "TransferCommunityOwnership" => transfer(state, from, variables),
        "FetchSubgroupSuggestions" => suggestions(state, from, variables),
        _ => return None,
    })
}

/// Limits what may be shared, or does not.
fn set_property(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let jid = jid_at(variables, "/group_id").ok_or(400_u16)?;
    as_admin(state, from, &jid)?;
    let is_on = variables.pointer("/update/limit_sharing/limit_sharing_enabled").and_then(Value::as_bool);
    let is_on = is_on.ok_or(400_u16)?;
    let group = state.groups.find_mut(&jid).ok_or(404_u16)?;
    if is_on {
        group.flags.insert(LIMITED);
        state.tell_members(&jid, from, Node::new(LIMITED));
    } else {
        group.flags.remove(LIMITED);
        let data = json!({ "xwa2_notify_group_on_prop_change": { "id": jid.to_string() } });
        for member in state.members_of(&jid) {
            state.tell_mex(member, "NotificationGroupLimitSharingPropertyUpdate", &data);
        }
    }
    Ok(json!({ "xwa2_group_update_property": { "id": jid.to_string(), "state": "ACTIVE" } }))
}

fn transfer(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let community = jid_at(variables, "/input/group_id").ok_or(400_u16)?;
    let user = jid_at(variables, "/input/users/0/user_id").ok_or(400_u16)?;
    let group = state.groups.find(&community).ok_or(404_u16)?;
    if !group.is_community() {
        return Err(406);
    }
    if group.role(from.account) != Some(Role::SuperAdmin) {
        return Err(401);
    }
    let new = state.account_of(&user).filter(|account| group.members.contains_key(account)).ok_or(404_u16)?;
    state.transfer_community(&community, from.account, new);
    Ok(json!({ "xwa2_group_update_users_role": { "id": community.to_string() } }))
}

/// Nobody here suggests anything.
fn suggestions(state: &State, from: DeviceKey, variables: &Value) -> MexResult {
    let community = jid_at(variables, "/group_id").ok_or(400_u16)?;
    as_admin(state, from, &community)?;
    Ok(json!({ "xwa2_group_query_by_id": {
        "id": community.to_string(),
        "sub_group_suggestions": { "edges": [] },
    } }))
}

fn as_admin<'a>(state: &'a State, from: DeviceKey, jid: &Jid) -> Result<&'a Group, u16> {
    let group = state.groups.find(jid).ok_or(404_u16)?;
    if !group.members.contains_key(&from.account) {
        return Err(403);
    }
    if group.is_admin(from.account) { Ok(group) } else { Err(401) }
}

fn jid_at(variables: &Value, place: &str) -> Option<Jid> {
    variables.pointer(place)?.as_str()?.parse().ok()
}

const LIMITED: &str = "limit_sharing_enabled";
