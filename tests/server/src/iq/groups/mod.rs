//! `w:g2`: groups. Protocol: IQ catalogue, "Groups and communities"; groups, "Group settings and who may change them".
//!
//! | File | Subject |
//! |---|---|
//! | `query` | what a group is, and which groups there are |
//! | `members` | creating, adding, removing, roles, leaving |
//! | `settings` | subject, description, modes |
//! | `invite` | links, invitations, approval |
//! | `community` | which groups belong together |
//! | `picture` | the picture of a group |

mod community;
mod invite;
mod members;
pub(super) mod picture;
mod query;
mod settings;

use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;
use crate::account::DeviceKey;
use crate::group::Group;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let Some(to) = iq.attr_jid("to").filter(|to| to.is_group() || to.user().is_empty()) else {
        return Answer::Error(400);
    };
    let Some(asked) = iq.nodes().first() else { return Answer::Error(400) };
    let answer = if to.user().is_empty() {
        of_all(state, from, asked, is_set)
    } else if state.groups.find(&to).is_none() {
        Err(404)
    } else {
        of_one(state, from, &to, asked, is_set)
    };
    answer.unwrap_or_else(Answer::Error)
}

/// Requests to all of `g.us`.
fn of_all(state: &mut State, from: DeviceKey, asked: &Node, is_set: bool) -> Result<Answer, u16> {
    match (asked.tag.as_ref(), is_set) {
        ("create", true) => members::create(state, from, asked),
        ("leave", true) => members::leave(state, from, asked),
        ("participating", false) => Ok(query::participating(state, from, asked)),
        ("query", false) => Ok(query::many(state, from, asked)),
        ("pictures", false) => Ok(picture::many(state, from, asked)),
        ("invite", false) => invite::look(state, asked),
        ("invite", true) => invite::join(state, from, asked),
        _ => Err(400),
    }
}

fn of_one(state: &mut State, from: DeviceKey, jid: &Jid, asked: &Node, is_set: bool) -> Result<Answer, u16> {
    match (asked.tag.as_ref(), is_set) {
        ("query", false) if asked.find("add_request").is_some() => {
            invite::look_invited(state, from, jid, asked)
        }
        ("query", false) => query::one(state, from, jid, asked),
        ("pictures", false) => Ok(picture::many(state, from, asked)),
        ("add", true) => members::add(state, from, jid, asked),
        ("remove", true) => members::remove(state, from, jid, asked),
        ("promote" | "demote", true) => members::set_roles(state, from, jid, asked),
        ("invite", false) => invite::link(state, from, jid),
        ("invite", true) => invite::reset(state, from, jid),
        ("accept", true) => invite::accept(state, from, jid, asked),
        ("revoke", true) => invite::revoke(state, from, jid, asked),
        ("membership_approval_requests", false) => invite::requests(state, from, jid),
        ("membership_requests_action", true) => invite::decide(state, from, jid, asked),
        ("cancel_membership_requests", true) => invite::withdraw(state, from, jid, asked),
        ("sub_groups", false) => community::subgroups(state, from, jid),
        ("linked_groups_participants", false) => community::members(state, from, jid),
        ("query_linked", false) => community::look(state, from, jid, asked),
        ("join_linked_group", true) => community::join(state, from, jid, asked),
        ("links", true) => community::link(state, from, jid, asked),
        ("unlink", true) => community::unlink(state, from, jid, asked),
        ("delete_parent", true) => community::deactivate(state, from, jid),
        ("ack", true) => as_member(state, from, jid).map(|_| Answer::DONE),
        (_, true) => settings::set(state, from, jid, asked),
        _ => Err(400),
    }
}

/// The group, when the account is in it.
fn as_member<'a>(state: &'a State, from: DeviceKey, jid: &Jid) -> Result<&'a Group, u16> {
    let group = state.groups.find(jid).ok_or(404_u16)?;
    if group.members.contains_key(&from.account) { Ok(group) } else { Err(403) }
}

/// The group, when the account is one of its admins.
fn as_admin<'a>(state: &'a State, from: DeviceKey, jid: &Jid) -> Result<&'a Group, u16> {
    let group = as_member(state, from, jid)?;
    if group.is_admin(from.account) { Ok(group) } else { Err(401) }
}

/// The `jid` of every `participant`; an empty list, or one that is too long, is refused.
fn named(asked: &Node) -> Result<Vec<Jid>, u16> {
    let jids: Option<Vec<Jid>> =
        asked.find_all("participant").map(|one| one.attr_jid("jid").filter(Jid::is_user)).collect();
    jids.filter(|jids| !jids.is_empty() && jids.len() <= MAX_NAMED).ok_or(400)
}

/// What became of each one that a change named: its account, or the code of its error.
struct Outcome {
    jid: Jid,
    result: Result<usize, u16>,
    /// A code and a time with which the user can be invited instead.
    add_request: Option<(String, u64)>,
}

impl Outcome {
    fn of(jid: &Jid, result: Result<usize, u16>) -> Self {
        Self { jid: jid.clone(), result, add_request: None }
    }
}

/// The answer to a change: each one with its error, if any.
fn outcomes(state: &State, jid: &Jid, tag: &str, outcomes: &[Outcome]) -> Node {
    let mode = state.groups.find(jid).map(|group| group.mode).unwrap_or_default();
    let participants = outcomes.iter().map(|outcome| {
        let account = outcome.result.ok().or_else(|| state.account_of(&outcome.jid));
        let node = match account {
            Some(account) => state.participant(account, mode),
            None => Node::new("participant").attr("jid", &outcome.jid),
        };
        let node = node.attr_opt("error", outcome.result.err());
        match &outcome.add_request {
            Some((code, expiration)) => {
                node.child(Node::new("add_request").attr("code", code).attr("expiration", *expiration))
            }
            None => node,
        }
    });
    Node::new(tag.to_owned()).children(participants.collect::<Vec<_>>())
}

/// The accounts with which a change succeeded.
fn succeeded(outcomes: &[Outcome]) -> Vec<usize> {
    outcomes.iter().filter_map(|outcome| outcome.result.ok()).collect()
}

/// More than a group holds.
const MAX_NAMED: usize = 5000;
