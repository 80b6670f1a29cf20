//! Creating, adding, removing, roles, leaving.

use wa_core::wire::Node;
use wa_types::Jid;

use super::query::address;
use super::{Outcome, as_admin, as_member, named, outcomes, settings, succeeded};
use crate::account::DeviceKey;
use crate::group::changes::Joined;
use crate::group::{Group, Invitation, MAX_SUBJECT, Place, Role, Subgroup};
use crate::iq::Answer;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn create(state: &mut State, from: DeviceKey, asked: &Node) -> Result<Answer, u16> {
    let subject = asked.attr_text("subject").unwrap_or_default().into_owned();
    if subject.is_empty() || subject.chars().count() > MAX_SUBJECT {
        return Err(406);
    }
    let place = place(state, from, asked)?;
    let jids = if asked.find("participant").is_some() { named(asked)? } else { Vec::new() };
    let mode = state.config.new_groups;
    let limit = state.config.group_size;
    let mut taken: Vec<usize> = Vec::new();
    let mut refused = Vec::new();
    for jid in &jids {
        let result = match state.account_of(jid) {
            None => Err(404),
            Some(account) if account == from.account || taken.contains(&account) => continue,
            Some(_) if taken.len() + 1 >= limit => Err(419),
            Some(account) => may_be_added(state, from.account, account, token(asked, jid)),
        };
        match result {
            Ok(account) => taken.push(account),
            Err(_) => refused.push(Outcome::of(jid, result)),
        }
    }
    let author = from.account;
    let now = state.now_seconds();
    let key = asked.attr_text("key").map(std::borrow::Cow::into_owned);
    let jid = state.create_group(from.account, &subject, mode, &taken, key.as_deref(), |group| {
        settings::at_creation(group, author, now, asked);
        group.place = place.clone();
    });
    match place {
        Place::Community { .. } => {
            state.furnish_community(&jid, asked.find("create_general_chat").is_some());
            state.join_community_of(&jid, from.account, &taken);
        }
        Place::In { community, kind } => {
            state.groups.find_mut(&jid).ok_or(500_u16)?.place = Place::Alone;
            state.link_group(&community, &jid, from.account, kind);
        }
        Place::Alone => {}
    }
    for outcome in &mut refused {
        invite_instead(state, from.account, &jid, outcome);
    }
    let refused = outcomes(state, &jid, "refused", &refused);
    let group = state.groups.find(&jid).ok_or(500_u16)?;
    Ok(Answer::one(state.group_node(group, true).children(refused.nodes().iter().cloned())))
}

pub(super) fn add(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let group = as_member(state, from, jid)?;
    if !group.may_add(from.account) {
        return Err(401);
    }
    let mut room = state.config.group_size.saturating_sub(group.members.len());
    let mut results = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    for named in named(asked)? {
        let group = as_member(state, from, jid)?;
        let result = match state.account_of(&named) {
            None => Err(404),
            Some(account) if is_in(group, account) || taken.contains(&account) => Err(409),
            Some(_) if room == 0 => Err(419),
            Some(account) => may_be_added(state, from.account, account, token(asked, &named)),
        };
        if let Ok(account) = result {
            taken.push(account);
            room -= 1;
        }
        let mut outcome = Outcome::of(&named, result);
        invite_instead(state, from.account, jid, &mut outcome);
        results.push(outcome);
    }
    if !taken.is_empty() {
        state.add_members(jid, from.account, &taken, Joined::Added);
    }
    Ok(Answer::one(outcomes(state, jid, "add", &results)))
}

pub(super) fn remove(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let group = as_admin(state, from, jid)?;
    let results = each_member(state, group, &named(asked)?, |role| role != Role::SuperAdmin);
    let is_everywhere = asked.attr_text("linked_groups").as_deref() == Some("true");
    let is_community = group.is_community();
    let gone = succeeded(&results);
    if gone.is_empty() {
        return Ok(Answer::one(outcomes(state, jid, "remove", &results)));
    }
    match (is_community, state.announcements_of(jid)) {
        (true, _) if is_everywhere => state.remove_from_community(jid, from.account, &gone),
        // Who is not in the community is not in its announcement group.
        (true, Some(announcements)) => {
            state.remove_members(jid, from.account, &gone);
            state.remove_members(&announcements, from.account, &gone);
        }
        _ => state.remove_members(jid, from.account, &gone),
    }
    Ok(Answer::one(outcomes(state, jid, "remove", &results)))
}

pub(super) fn set_roles(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let group = as_admin(state, from, jid)?;
    let role = if asked.tag == "promote" { Role::Admin } else { Role::Member };
    let results = each_member(state, group, &named(asked)?, |role| role != Role::SuperAdmin);
    let changed = succeeded(&results);
    if !changed.is_empty() {
        let is_community = group.is_community();
        state.set_roles(jid, Some(from.account), &changed, role);
        // Who may what in a community may the same in its announcement group.
        if let Some(announcements) = state.announcements_of(jid).filter(|_| is_community) {
            state.set_roles(&announcements, Some(from.account), &changed, role);
        }
    }
    Ok(Answer::one(outcomes(state, jid, &asked.tag, &results)))
}

pub(super) fn leave(state: &mut State, from: DeviceKey, asked: &Node) -> Result<Answer, u16> {
    let mut left = super::community::leave(state, from, asked);
    for jid in asked.find_all("group").filter_map(address) {
        let code = as_member(state, from, &jid).err();
        if code.is_none() {
            state.remove_members(&jid, from.account, &[from.account]);
        }
        left.push(Node::new("group").attr("id", &jid).attr_opt("error", code));
    }
    if left.is_empty() { Err(400) } else { Ok(Answer::one(Node::new("leave").children(left))) }
}

/// Where a new group shall stand.
fn place(state: &State, from: DeviceKey, create: &Node) -> Result<Place, u16> {
    if let Some(parent) = create.find("parent") {
        let mode = parent.attr_text("default_membership_approval_mode");
        return Ok(Place::Community { closed: mode.as_deref() == Some("request_required") });
    }
    let Some(linked) = create.find("linked_parent") else { return Ok(Place::Alone) };
    let community = linked.attr_jid("jid").ok_or(400_u16)?;
    let group = super::community::as_community(state, from, &community)?;
    let may = group.is_admin(from.account) || group.flags.contains("allow_non_admin_sub_group_creation");
    if !may {
        return Err(401);
    }
    let kind = if create.find("hidden_group").is_some() { Subgroup::Hidden } else { Subgroup::Ordinary };
    Ok(Place::In { community, kind })
}

fn each_member(state: &State, group: &Group, jids: &[Jid], may: impl Fn(Role) -> bool) -> Vec<Outcome> {
    let outcome = |jid: &Jid| {
        let account = state.account_of(jid).filter(|account| is_in(group, *account));
        let role = account.and_then(|account| group.role(account));
        Outcome::of(
            jid,
            match (account, role) {
                (Some(account), Some(role)) if may(role) => Ok(account),
                (Some(_), _) => Err(405),
                (None, _) => Err(404),
            },
        )
    };
    jids.iter().map(outcome).collect()
}

fn is_in(group: &Group, account: usize) -> bool {
    group.members.contains_key(&account)
}

/// The token of trust that stands with one who is named.
fn token<'n>(asked: &'n Node, jid: &Jid) -> Option<&'n [u8]> {
    let mut named = asked.find_all("participant");
    named.find(|one| one.attr_jid("jid").as_ref() == Some(jid))?.find("privacy")?.content_bytes()
}

/// Whether one account may add another: it is not blocked there, and the other's privacy lets it, or a token of theirs.
fn may_be_added(state: &State, actor: usize, account: usize, token: Option<&[u8]>) -> Result<usize, u16> {
    let (Some(by), Some(whom)) = (state.account(actor), state.account(account)) else { return Err(404) };
    if whom.blocked.contains(&by.pn) || whom.blocked.contains(&by.lid) {
        return Err(401);
    }
    let lets = match whom.privacy.get("groupadd").map(String::as_str) {
        Some("none") => false,
        _ if token
            .is_some_and(|token| token.starts_with(format!("token:{}:", whom.lid.user()).as_bytes())) =>
        {
            true
        }
        Some("contacts" | "contact_blacklist") => whom.contacts.contains(&actor),
        _ => true,
    };
    if lets { Ok(account) } else { Err(403) }
}

/// Whom privacy kept out can be invited: a code for this one account.
fn invite_instead(state: &mut State, admin: usize, jid: &Jid, outcome: &mut Outcome) {
    if outcome.result != Err(403) {
        return;
    }
    let Some(account) = state.account_of(&outcome.jid) else { return };
    let expiration = state.now_seconds() + INVITATION_SECONDS;
    let code = state.new_code();
    if let Some(group) = state.groups.find_mut(jid) {
        group.invitations.insert(account, Invitation { code: code.clone(), expiration, admin });
        outcome.add_request = Some((code, expiration));
    }
}

/// Three days.
const INVITATION_SECONDS: u64 = 259_200;
