//! Channels by GraphQL: made, followed, changed, and who writes in them. Protocol: IQ catalogue, "Mex".

use serde_json::{Value, json};
use wa_types::Jid;

use super::MexResult;
use crate::account::DeviceKey;
use crate::newsletter::{Newsletter, Role};
use crate::state::State;

pub(super) fn call(state: &mut State, from: DeviceKey, name: &str, variables: &Value) -> Option<MexResult> {
    Some(match name {
        "CreateNewsletter" => create(state, from, variables),
        "FetchNewsletter" => fetch(state, from, variables),
        "FetchAllNewslettersMetadata" => Ok(subscribed(state, from)),
        "JoinNewsletter" => join(state, from, variables),
        "LeaveNewsletter" => leave(state, from, variables),
        "UpdateNewsletter" => update(state, from, variables),
        "UpdateNewsletterUserSetting" => {
            let kind = text(variables, "/input/type").unwrap_or_default().to_owned();
            let is_on = text(variables, "/input/value") == Some("ON");
            mute(
                state,
                from,
                variables,
                "/input/newsletter_id",
                &kind,
                is_on,
                "xwa2_newsletter_update_user_setting",
            )
        }
        // Older forms, of what users see.
        "MuteNewsletter" | "UnmuteNewsletter" => {
            let (is_on, root) = match name {
                "MuteNewsletter" => (true, "xwa2_newsletter_mute_v2"),
                _ => (false, "xwa2_newsletter_unmute_v2"),
            };
            mute(state, from, variables, "/newsletter_id", "MUTE_ADMIN_ACTIVITY", is_on, root)
        }
        "DeleteNewsletter" => delete(state, from, variables),
        "ChangeNewsletterOwner" => change_owner(state, from, variables),
        "DemoteNewsletterAdmin" => demote(state, from, variables),
        "CreateNewsletterAdminInvite" => invite(state, from, variables),
        "AcceptNewsletterAdminInvite" => accept(state, from, variables),
        "RevokeNewsletterAdminInvite" => revoke(state, from, variables),
        "FetchNewsletterAdminInfo" | "FetchNewsletterAdminCount" => admin_info(state, from, variables),
        "FetchNewsletterPendingInvites" => pending(state, from, variables),
        "FetchNewsletterFollowers" => followers(state, from, variables),
        "FetchNewsletterDirectorySearchResults" => {
            let wanted = text(variables, "/input/search_text").unwrap_or_default().to_lowercase();
            Ok(json!({ "xwa2_newsletters_directory_search": list(state, from, variables, &wanted) }))
        }
        "FetchNewsletterDirectoryList" => {
            Ok(json!({ "xwa2_newsletters_directory_list": list(state, from, variables, "") }))
        }
        "FetchRecommendedNewsletters" => {
            Ok(json!({ "xwa2_newsletters_recommended": list(state, from, variables, "") }))
        }
        _ => return None,
    })
}

fn create(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let name = text(variables, "/input/name").filter(|name| !name.is_empty()).ok_or(400_u16)?;
    if name.chars().count() > MAX_NAME {
        return Err(406);
    }
    let jid = state.create_newsletter(Some(from.account), name);
    let now = state.now_seconds();
    let picture_number = state.next_id();
    let newsletter = state.newsletters.find_mut(&jid).ok_or(500_u16)?;
    let description = text(variables, "/input/description").unwrap_or_default();
    newsletter.description = (description.to_owned(), now);
    let picture = text(variables, "/input/picture").filter(|picture| !picture.is_empty());
    newsletter.picture = picture.map(|picture| (picture_number, picture.to_owned()));
    let made = newsletter.to_json(from.account);
    state.tell_followers(&jid, from.account, "NotificationNewsletterJoin", "xwa2_notify_newsletter_on_join");
    Ok(json!({ "xwa2_newsletter_create": made }))
}

/// The same as older documents tell it: without a picture there is an empty one.
pub(super) fn older(mut data: Value) -> Value {
    for place in ["/xwa2_newsletter_create", "/xwa2_newsletter"] {
        let picture = data.pointer_mut(&format!("{place}/thread_metadata/picture"));
        if let Some(picture) = picture.filter(|picture| picture.is_null()) {
            *picture = json!({});
        }
    }
    data
}

fn fetch(state: &State, from: DeviceKey, variables: &Value) -> MexResult {
    let key = text(variables, "/input/key").ok_or(400_u16)?;
    let newsletter = match text(variables, "/input/type") {
        Some("INVITE") => state.newsletters.behind(key),
        Some("JID") => key.parse::<Jid>().ok().and_then(|jid| state.newsletters.find(&jid)),
        _ => return Err(400),
    };
    let found = newsletter.ok_or(404_u16)?;
    Ok(json!({ "xwa2_newsletter": found.to_json(from.account) }))
}

fn subscribed(state: &State, from: DeviceKey) -> Value {
    let all = state.newsletters.all().into_iter().filter(|found| found.role(from.account).is_some());
    json!({ "xwa2_newsletter_subscribed": all.map(|found| found.to_json(from.account)).collect::<Vec<_>>() })
}

fn join(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let jid = found(state, variables, "/newsletter_id")?.jid.clone();
    let user = state.account(from.account).map(|account| account.lid.clone()).ok_or(404_u16)?;
    state.follow(&jid, &user);
    state.tell_own_devices(&jid, from, "NotificationNewsletterJoin", "xwa2_notify_newsletter_on_join");
    let joined = found(state, variables, "/newsletter_id")?.to_json(from.account);
    Ok(json!({ "xwa2_newsletter_join_v2": joined }))
}

fn leave(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let newsletter = found(state, variables, "/newsletter_id")?;
    let jid = newsletter.jid.clone();
    match newsletter.role(from.account) {
        None => return Err(404),
        // A channel is handed over, or deleted.
        Some(Role::Owner) => return Err(405),
        Some(_) => {}
    }
    if let Some(newsletter) = state.newsletters.find_mut(&jid) {
        newsletter.followers.remove(&from.account);
        newsletter.live.retain(|device| device.account != from.account);
    }
    state.tell_own_devices(&jid, from, "NotificationNewsletterLeave", "xwa2_notify_newsletter_on_leave");
    Ok(json!({ "xwa2_newsletter_leave_v2": { "id": jid.to_string(), "state": { "type": "ACTIVE" } } }))
}

fn update(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let jid = as_admin(state, from, variables)?.jid.clone();
    let (now, number) = (state.now_seconds(), state.next_id());
    let newsletter = state.newsletters.find_mut(&jid).ok_or(404_u16)?;
    if let Some(name) = text(variables, "/updates/name") {
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(406);
        }
        newsletter.name = (name.to_owned(), now);
    }
    if let Some(description) = text(variables, "/updates/description") {
        newsletter.description = (description.to_owned(), now);
    }
    if let Some(picture) = text(variables, "/updates/picture") {
        newsletter.picture = (!picture.is_empty()).then(|| (number, picture.to_owned()));
    }
    if let Some(reactions) = text(variables, "/updates/settings/reaction_codes/value") {
        if !["ALL", "BASIC", "NONE", "BLOCKLIST"].contains(&reactions) {
            return Err(400);
        }
        newsletter.reactions = reactions.to_owned();
    }
    let data = newsletter.to_json(from.account);
    state.tell_followers(
        &jid,
        from.account,
        "NotificationNewsletterUpdate",
        "xwa2_notify_newsletter_on_update",
    );
    Ok(json!({ "xwa2_newsletter_update": data }))
}

fn mute(
    state: &mut State,
    from: DeviceKey,
    variables: &Value,
    place: &str,
    kind: &str,
    is_on: bool,
    root: &str,
) -> MexResult {
    if !["MUTE_ADMIN_ACTIVITY", "MUTE_FOLLOWER_ACTIVITY"].contains(&kind) {
        return Err(400);
    }
    let jid = found(state, variables, place)?.jid.clone();
    let newsletter = state.newsletters.find_mut(&jid).ok_or(404_u16)?;
    let follower = newsletter.followers.get_mut(&from.account).ok_or(403_u16)?;
    if is_on {
        follower.muted.insert(kind.to_owned());
    } else {
        follower.muted.remove(kind);
    }
    state.tell_own_devices(
        &jid,
        from,
        "NotificationNewsletterUserSettingChange",
        "xwa2_notify_newsletter_on_mute_change",
    );
    Ok(json!({ root: { "id": jid.to_string() } }))
}

fn delete(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let jid = as_owner(state, from, variables)?.jid.clone();
    let operation = "NotificationNewsletterStateChange";
    state.tell_followers(&jid, from.account, operation, "xwa2_notify_newsletter_on_state_change");
    state.newsletters.remove(&jid);
    Ok(json!({ "xwa2_newsletter_delete_v2": { "id": jid.to_string(), "state": { "type": "DELETED" } } }))
}

fn change_owner(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let newsletter = as_owner(state, from, variables)?;
    let jid = newsletter.jid.clone();
    let new = named(state, variables)?;
    if newsletter.role(new) != Some(Role::Admin) {
        return Err(406);
    }
    set_role(state, &jid, new, Role::Owner);
    set_role(state, &jid, from.account, Role::Admin);
    state.tell_followers(
        &jid,
        from.account,
        "NotificationNewsletterOwnerUpdate",
        "xwa2_notify_newsletter_owner",
    );
    Ok(json!({ "xwa2_newsletter_change_owner": { "id": jid.to_string() } }))
}

/// The owner takes an admin's rights away, or an admin gives them back.
fn demote(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let newsletter = as_admin(state, from, variables)?;
    let jid = newsletter.jid.clone();
    let who = named(state, variables)?;
    if who != from.account && newsletter.role(from.account) != Some(Role::Owner) {
        return Err(403);
    }
    if newsletter.role(who) != Some(Role::Admin) {
        return Err(404);
    }
    set_role(state, &jid, who, Role::Subscriber);
    state.tell_followers(
        &jid,
        from.account,
        "NotificationNewsletterAdminDemote",
        "xwa2_notify_newsletter_admin",
    );
    Ok(json!({ "xwa2_newsletter_admin_demote": { "id": jid.to_string() } }))
}

fn invite(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let newsletter = as_owner(state, from, variables)?;
    let jid = newsletter.jid.clone();
    let who = named(state, variables)?;
    if newsletter.is_admin(who) {
        return Err(409);
    }
    let until = state.now_seconds() + INVITE_SECONDS;
    state.newsletters.find_mut(&jid).ok_or(404_u16)?.invited.insert(who, until);
    let answer = json!({ "id": jid.to_string(), "invite_expiration_time": until.to_string() });
    Ok(json!({ "xwa2_newsletter_admin_invite_create": answer }))
}

fn accept(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let newsletter = found(state, variables, "/newsletter_id")?;
    let jid = newsletter.jid.clone();
    let until = newsletter.invited.get(&from.account).copied().ok_or(404_u16)?;
    if until < state.now_seconds() {
        return Err(410);
    }
    let user = state.account(from.account).map(|account| account.lid.clone()).ok_or(404_u16)?;
    state.follow(&jid, &user);
    set_role(state, &jid, from.account, Role::Admin);
    state.newsletters.find_mut(&jid).ok_or(404_u16)?.invited.remove(&from.account);
    state.tell_followers(
        &jid,
        from.account,
        "NotificationNewsletterAdminPromote",
        "xwa2_notify_newsletter_admin",
    );
    Ok(json!({ "xwa2_newsletter_admin_invite_accept": { "id": jid.to_string() } }))
}

fn revoke(state: &mut State, from: DeviceKey, variables: &Value) -> MexResult {
    let jid = as_owner(state, from, variables)?.jid.clone();
    let who = named(state, variables)?;
    state.newsletters.find_mut(&jid).ok_or(404_u16)?.invited.remove(&who).ok_or(404_u16)?;
    Ok(json!({ "xwa2_newsletter_admin_invite_revoke": { "id": jid.to_string() } }))
}

fn admin_info(state: &State, from: DeviceKey, variables: &Value) -> MexResult {
    let newsletter = as_admin(state, from, variables)?;
    let count = newsletter.followers.values().filter(|follower| follower.role >= Role::Admin).count();
    Ok(json!({ "xwa2_newsletter_admin": { "id": newsletter.jid.to_string(), "admin_count": count } }))
}

fn pending(state: &State, from: DeviceKey, variables: &Value) -> MexResult {
    let newsletter = as_owner(state, from, variables)?;
    let invited = newsletter.invited.keys().filter_map(|account| {
        let account = state.account(*account)?;
        Some(json!({ "user": { "id": account.lid.to_string(), "pn": account.pn.to_string() } }))
    });
    Ok(json!({ "xwa2_newsletter_admin": { "pending_admin_invites": invited.collect::<Vec<_>>() } }))
}

fn followers(state: &State, from: DeviceKey, variables: &Value) -> MexResult {
    let jid =
        text(variables, "/input/newsletter_id").and_then(|jid| jid.parse::<Jid>().ok()).ok_or(400_u16)?;
    let newsletter = state.newsletters.find(&jid).ok_or(404_u16)?;
    if !newsletter.is_admin(from.account) {
        return Err(403);
    }
    let count = variables.pointer("/input/count").and_then(Value::as_u64).unwrap_or(100);
    let edges = newsletter.followers.iter().take(usize::try_from(count).unwrap_or(100)).filter_map(|(account, follower)| {
        let account = state.account(*account)?;
        let node = json!({ "id": account.lid.to_string(), "pn": account.pn.to_string(), "display_name": account.name });
        Some(json!({ "role": follower.role.as_str(), "follow_time": follower.since.to_string(), "node": node }))
    });
    Ok(json!({ "xwa2_newsletter_followers": { "followers": { "edges": edges.collect::<Vec<_>>() } } }))
}

/// A page of the channels whose name has this text in it; the cursor is how many were before.
fn list(state: &State, from: DeviceKey, variables: &Value, wanted: &str) -> Value {
    let start: usize =
        text(variables, "/input/start_cursor").and_then(|start| start.parse().ok()).unwrap_or(0);
    let limit = variables.pointer("/input/limit").and_then(Value::as_u64).unwrap_or(10);
    let limit = usize::try_from(limit).unwrap_or(10);
    let all = state.newsletters.all();
    let found: Vec<&Newsletter> =
        all.into_iter().filter(|one| one.name.0.to_lowercase().contains(wanted)).collect();
    let page: Vec<Value> =
        found.iter().skip(start).take(limit).map(|one| one.to_json(from.account)).collect();
    let end = start + page.len();
    json!({
        "page_info": {
            "startCursor": start.to_string(), "endCursor": end.to_string(),
            "hasNextPage": end < found.len(), "hasPreviousPage": start > 0,
        },
        "result": page,
    })
}

impl State {
    /// Tells the other devices of an account what it did with a channel.
    fn tell_own_devices(&mut self, jid: &Jid, from: DeviceKey, operation: &'static str, root: &str) {
        if let Some(found) = self.newsletters.find(jid) {
            let data = json!({ root: found.to_json(from.account) });
            self.tell_mex(from.account, operation, &data);
        }
    }

    /// Tells whoever follows a channel that something about it changed.
    fn tell_followers(&mut self, jid: &Jid, actor: usize, operation: &'static str, root: &str) {
        let Some(found) = self.newsletters.find(jid) else { return };
        let told: Vec<(usize, Value)> = found
            .followers
            .keys()
            .map(|account| (*account, json!({ root: found.to_json(*account) })))
            .collect();
        tracing::trace!(actor, operation, "news of a channel");
        for (account, data) in told {
            self.tell_mex(account, operation, &data);
        }
    }
}

fn set_role(state: &mut State, jid: &Jid, account: usize, role: Role) {
    let follower = state.newsletters.find_mut(jid).and_then(|found| found.followers.get_mut(&account));
    if let Some(follower) = follower {
        follower.role = role;
    }
}

fn found<'a>(state: &'a State, variables: &Value, place: &str) -> Result<&'a Newsletter, u16> {
    let jid = text(variables, place).and_then(|jid| jid.parse::<Jid>().ok()).ok_or(400_u16)?;
    state.newsletters.find(&jid).ok_or(404)
}

fn as_admin<'a>(state: &'a State, from: DeviceKey, variables: &Value) -> Result<&'a Newsletter, u16> {
    let newsletter = found(state, variables, "/newsletter_id")?;
    if newsletter.is_admin(from.account) { Ok(newsletter) } else { Err(403) }
}

fn as_owner<'a>(state: &'a State, from: DeviceKey, variables: &Value) -> Result<&'a Newsletter, u16> {
    let newsletter = found(state, variables, "/newsletter_id")?;
    if newsletter.owner() == Some(from.account) { Ok(newsletter) } else { Err(403) }
}

/// The account that a change names.
fn named(state: &State, variables: &Value) -> Result<usize, u16> {
    let jid = text(variables, "/user_id").and_then(|jid| jid.parse::<Jid>().ok()).ok_or(400_u16)?;
    state.account_of(&jid).ok_or(404)
}

fn text<'v>(variables: &'v Value, place: &str) -> Option<&'v str> {
    variables.pointer(place)?.as_str()
}

/// The longest name, in characters.
const MAX_NAME: usize = 100;
/// A week.
const INVITE_SECONDS: u64 = 604_800;
