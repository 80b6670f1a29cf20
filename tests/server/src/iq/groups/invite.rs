//! Links, invitations, approval. Protocol: groups and communities, "Joining".

use wa_core::wire::Node;
use wa_types::Jid;

use super::{Outcome, as_admin, as_member, named, outcomes, succeeded};
use crate::account::DeviceKey;
use crate::group::changes::Joined;
use crate::group::render::group_ref;
use crate::group::{Group, GroupMode, Place};
use crate::iq::Answer;
use crate::stanza::Read;
use crate::state::State;

/// The link's code; made when somebody asks first.
pub(super) fn link(state: &mut State, from: DeviceKey, jid: &Jid) -> Result<Answer, u16> {
    let group = as_member(state, from, jid)?;
    if !group.may_invite(from.account) {
        return Err(401);
    }
    let code = match &group.invite {
        Some(code) => code.clone(),
        None => new_link(state, jid),
    };
    Ok(Answer::one(Node::new("invite").attr("code", code)))
}

pub(super) fn reset(state: &mut State, from: DeviceKey, jid: &Jid) -> Result<Answer, u16> {
    as_admin(state, from, jid)?;
    let code = new_link(state, jid);
    let invite = Node::new("invite").attr("code", code);
    state.tell_members(jid, from, invite.clone());
    Ok(Answer::one(invite))
}

/// What a link leads to: the group without its members.
pub(super) fn look(state: &State, asked: &Node) -> Result<Answer, u16> {
    let jid = behind(state, asked)?;
    let group = state.groups.find(&jid).ok_or(404_u16)?;
    Ok(Answer::one(state.group_node(group, false)))
}

pub(super) fn join(state: &mut State, from: DeviceKey, asked: &Node) -> Result<Answer, u16> {
    let jid = behind(state, asked)?;
    let group = state.groups.find(&jid).ok_or(404_u16)?;
    if group.members.contains_key(&from.account) {
        return Err(304);
    }
    if group.removed.contains(&from.account) {
        return Err(405);
    }
    if group.members.len() >= state.config.group_size {
        return Err(419);
    }
    if group.approval || matches!(group.place, Place::Community { closed: true }) {
        let now = state.now_seconds();
        if let Some(group) = state.groups.find_mut(&jid) {
            group.requests.insert(from.account, now);
        }
        let change = Node::new("membership_approval_request").attr("request_method", "invite_link");
        state.tell_admins(&jid, from.account, change);
        return Ok(Answer::one(Node::new("membership_approval_request").attr("jid", &jid)));
    }
    state.add_members(&jid, from.account, &[from.account], Joined::Invited);
    Ok(Answer::one(group_ref(&jid)))
}

pub(super) fn look_invited(state: &State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let request = asked.find("add_request").ok_or(400_u16)?;
    let group = state.groups.find(jid).ok_or(404_u16)?;
    check_invitation(state, group, from, request)?;
    Ok(Answer::one(state.group_node(group, false)))
}

pub(super) fn accept(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let group = state.groups.find(jid).ok_or(404_u16)?;
    if group.members.contains_key(&from.account) {
        return Err(409);
    }
    check_invitation(state, group, from, asked)?;
    if group.members.len() >= state.config.group_size {
        return Err(419);
    }
    state.add_members(jid, from.account, &[from.account], Joined::Invited);
    Ok(Answer::one(group_ref(jid)))
}

pub(super) fn revoke(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    as_admin(state, from, jid)?;
    let results: Vec<Outcome> = named(asked)?
        .iter()
        .map(|named| {
            let account = state.account_of(named);
            let group = state.groups.find_mut(jid);
            let found = account
                .filter(|account| group.is_some_and(|group| group.invitations.remove(account).is_some()));
            Outcome::of(named, found.ok_or(404))
        })
        .collect();
    let answer = outcomes(state, jid, "revoke", &results);
    if results.iter().any(|outcome| outcome.result.is_ok()) {
        state.tell_admins(jid, from.account, answer.clone());
    }
    Ok(Answer::one(answer))
}

pub(super) fn requests(state: &State, from: DeviceKey, jid: &Jid) -> Result<Answer, u16> {
    let group = as_admin(state, from, jid)?;
    let waiting = group.requests.iter().filter_map(|(account, time)| {
        let account = state.account(*account)?;
        let node = Node::new("membership_approval_request")
            .attr("jid", account.jid_like(&group.mode.sample()))
            .attr("request_time", *time)
            .attr("request_method", "invite_link");
        Some(if group.mode == GroupMode::Lid { node.attr("phone_number", &account.pn) } else { node })
    });
    Ok(Answer::one(Node::new("membership_approval_requests").children(waiting.collect::<Vec<_>>())))
}

pub(super) fn decide(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    as_admin(state, from, jid)?;
    let mut answers = Vec::new();
    for decision in asked.nodes().iter().filter(|node| matches!(node.tag.as_ref(), "approve" | "reject")) {
        let group = as_admin(state, from, jid)?;
        let results = named(decision)?
            .iter()
            .map(|named| {
                let account = state.account_of(named).filter(|account| group.requests.contains_key(account));
                Outcome::of(named, account.ok_or(404))
            })
            .collect::<Vec<_>>();
        let accounts = succeeded(&results);
        if decision.tag == "approve" && !accounts.is_empty() {
            state.add_members(jid, from.account, &accounts, Joined::Added);
        } else {
            forget_requests(state, jid, from.account, &accounts);
        }
        answers.push(outcomes(state, jid, &decision.tag, &results));
    }
    if answers.is_empty() {
        return Err(400);
    }
    Ok(Answer::one(Node::new("membership_requests_action").children(answers)))
}

pub(super) fn withdraw(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let group = state.groups.find(jid).ok_or(404_u16)?;
    let results: Vec<Outcome> = named(asked)?
        .iter()
        .map(|named| {
            let own = state.account_of(named).filter(|account| *account == from.account);
            Outcome::of(named, own.filter(|own| group.requests.contains_key(own)).ok_or(404))
        })
        .collect();
    forget_requests(state, jid, from.account, &succeeded(&results));
    Ok(Answer::one(outcomes(state, jid, "cancel_membership_requests", &results)))
}

/// These do not wait any more; admins are told.
fn forget_requests(state: &mut State, jid: &Jid, actor: usize, accounts: &[usize]) {
    let Some(group) = state.groups.find_mut(jid) else { return };
    group.requests.retain(|account, _| !accounts.contains(account));
    let mode = group.mode;
    let gone: Vec<Node> = accounts.iter().map(|account| state.participant(*account, mode)).collect();
    if !gone.is_empty() {
        state.tell_admins(jid, actor, Node::new("revoked_membership_requests").children(gone));
    }
}

fn check_invitation(state: &State, group: &Group, from: DeviceKey, request: &Node) -> Result<(), u16> {
    let invitation = group.invitations.get(&from.account).ok_or(404_u16)?;
    let admin = request.attr_jid("admin").and_then(|admin| state.account_of(&admin));
    if request.attr_text("code").as_deref() != Some(invitation.code.as_str())
        || admin != Some(invitation.admin)
    {
        return Err(406);
    }
    if invitation.expiration < state.now_seconds() { Err(410) } else { Ok(()) }
}

/// The group behind the code: 406 for one that never was, 410 for one that was reset.
fn behind(state: &State, asked: &Node) -> Result<Jid, u16> {
    let code = asked.attr_text("code").ok_or(400_u16)?;
    let id = state.groups.links.get(code.as_ref()).ok_or(406_u16)?;
    let jid = Jid::new(id, wa_types::Server::Group);
    let group = state.groups.find(&jid).ok_or(404_u16)?;
    if group.invite.as_deref() == Some(code.as_ref()) { Ok(jid) } else { Err(410) }
}

fn new_link(state: &mut State, jid: &Jid) -> String {
    let code = state.new_code();
    state.groups.links.insert(code.clone(), jid.user().to_owned());
    if let Some(group) = state.groups.find_mut(jid) {
        group.invite = Some(code.clone());
    }
    code
}
