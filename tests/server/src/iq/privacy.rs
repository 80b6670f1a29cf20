//! `privacy`, `blocklist` and `disappearing_mode`: settings of the account, and the tokens that it gives to contacts.
//! Protocol: IQ catalogue, "Privacy settings", "Blocklist", "Privacy tokens".

use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;
use crate::account::{Account, DeviceKey};
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    if is_set && let Some(tokens) = iq.find("tokens") {
        return give_tokens(state, from, tokens);
    }
    let Some(privacy) = iq.find("privacy") else { return Answer::Error(400) };
    if is_set {
        for category in privacy.find_all("category") {
            if let Err(code) = change(state, from, privacy, category) {
                return Answer::Error(code);
            }
        }
    } else if let Some(list) = privacy.find("list") {
        return tell_list(state, from, privacy, list);
    }
    let Some(account) = state.account(from.account) else { return Answer::Error(404) };
    let categories = CATEGORIES.iter().map(|(name, default, _)| {
        let value = account.privacy.get(*name).map_or(*default, String::as_str);
        let hash = Some(value).filter(|value| *value == EXCEPT).and_then(|_| list_hash(account, name));
        Node::new("category").attr("name", *name).attr("value", value).attr_opt("dhash", hash)
    });
    Answer::one(Node::new("privacy").children(categories.collect::<Vec<_>>()))
}

/// Changes one setting, and the list that goes with it.
fn change(state: &mut State, from: DeviceKey, privacy: &Node, category: &Node) -> Result<(), u16> {
    let name = category.attr_text("name").ok_or(400_u16)?.into_owned();
    let value = category.attr_text("value").ok_or(400_u16)?.into_owned();
    let (_, _, values) = CATEGORIES.iter().find(|(known, ..)| *known == name).ok_or(400_u16)?;
    if !values.contains(&value.as_str()) {
        return Err(400);
    }
    let mut told = Node::new("category").attr("name", name.as_str()).attr("value", value.as_str());
    if value == EXCEPT {
        by_lid(state, privacy)?;
        let migrated = state.config.lid_migrated;
        let mut users: Vec<(bool, Jid)> = Vec::new();
        for user in category.find_all("user") {
            let jid = user.attr_jid("jid").ok_or(400_u16)?;
            if migrated && !jid.is_lid() {
                return Err(400);
            }
            match user.attr_text("action").as_deref() {
                Some("add") => users.push((true, jid.to_user())),
                Some("remove") => users.push((false, jid.to_user())),
                _ => return Err(400),
            }
        }
        let account = state.accounts.get_mut(from.account).ok_or(404_u16)?;
        let present = list_hash(account, &name).unwrap_or_else(|| "none".to_owned());
        if category.attr_text("dhash").as_deref() != Some(present.as_str()) {
            return Err(409);
        }
        let (number, list) = account.people.lists.entry(name.clone()).or_default();
        *number += 1;
        for (is_added, user) in users {
            if is_added {
                list.insert(user)
            } else {
                list.remove(&user)
            };
        }
        told = told.attr_opt("dhash", list_hash(account, &name));
    }
    let account = state.accounts.get_mut(from.account).ok_or(404_u16)?;
    account.privacy.insert(name, value);
    state.tell_own(from.account, Some(from), Node::new("privacy").child(told));
    Ok(())
}

fn tell_list(state: &State, from: DeviceKey, privacy: &Node, asked: &Node) -> Answer {
    if let Err(code) = by_lid(state, privacy) {
        return Answer::Error(code);
    }
    let Some(account) = state.account(from.account) else { return Answer::Error(404) };
    let name = asked.attr_text("name").unwrap_or_default();
    if !CATEGORIES.iter().any(|(known, ..)| *known == name) {
        return Answer::Error(400);
    }
    let users = account.people.lists.get(name.as_ref()).into_iter().flat_map(|(_, users)| users);
    let list = Node::new("list")
        .attr("name", name.as_ref())
        .attr_opt("value", asked.get("value").cloned())
        .attr_opt("dhash", list_hash(account, &name))
        .children(users.map(|user| Node::new("user").attr("jid", user)));
    Answer::one(Node::new("privacy").child(list))
}

/// Migrated accounts must say so.
fn by_lid(state: &State, privacy: &Node) -> Result<(), u16> {
    let says_so = privacy.attr_text("addressing_mode").as_deref() == Some("lid");
    if state.config.lid_migrated && !says_so { Err(400) } else { Ok(()) }
}

fn list_hash(account: &Account, name: &str) -> Option<String> {
    account.people.lists.get(name).map(|(number, _)| format!("{name}{number}"))
}

/// `disappearing_mode`.
pub(super) fn default_timer(state: &mut State, from: DeviceKey, iq: &Node) -> Answer {
    let seconds = iq.find("disappearing_mode").and_then(|mode| mode.attr_number("duration"));
    let Some(seconds) = seconds.filter(|seconds| [0, 86_400, 604_800, 7_776_000].contains(seconds)) else {
        return Answer::Error(400);
    };
    let now = state.now_seconds();
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    account.people.default_timer = (u32::try_from(seconds).unwrap_or(0), now);
    let mode = Node::new("disappearing_mode").attr("duration", seconds).attr("t", now);
    state.tell_contacts(from, "disappearing_mode", &mode);
    Answer::DONE
}

/// Hands a token to each contact it is issued for: the bytes are ours to invent.
fn give_tokens(state: &mut State, from: DeviceKey, tokens: &Node) -> Answer {
    for token in tokens.find_all("token") {
        let (Some(jid), Some(time)) = (token.attr_jid("jid"), token.attr_number("t")) else {
            return Answer::Error(400);
        };
        let Some(contact) = state.account_of(&jid) else { continue };
        let (id, now) = (state.next_id(), state.now_seconds());
        let Some(account) = state.account(from.account) else { continue };
        let bytes = format!("token:{}:{time}", account.lid.user()).into_bytes();
        let given = Node::new("token").attr("type", "trusted_contact").attr("t", time).bytes(bytes);
        let lid = Some(&account.lid).filter(|_| !state.hides_addresses);
        let notification = Node::new("notification")
            .attr("type", "privacy_token")
            .attr("from", account.jid_like(&jid))
            .attr_opt("sender_lid", lid)
            .attr("id", id)
            .attr("t", now)
            .child(Node::new("tokens").child(given));
        for device in state.devices_of(contact) {
            state.deliver(device, notification.clone());
        }
    }
    Answer::DONE
}

pub(super) fn blocklist(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let migrated = state.config.lid_migrated;
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    if is_set {
        let before = blocklist_hash(account);
        let mut changes = Vec::new();
        for item in iq.find_all("item") {
            let (Some(jid), Some(action)) = (item.attr_jid("jid"), item.attr_text("action")) else {
                return Answer::Error(400);
            };
            let user = jid.to_user();
            let is_named = ["pn_jid", "username", "display_name", "unknown_identifier"]
                .iter()
                .filter(|name| item.get(name).is_some())
                .count()
                == 1;
            match action.as_ref() {
                "block" if migrated && !(user.is_lid() && is_named) => return Answer::Error(400),
                "block" if account.blocked.len() < MAX_BLOCKED => account.blocked.insert(user.clone()),
                "unblock" => account.blocked.remove(&user),
                _ => return Answer::Error(400),
            };
            changes.push(Node::new("item").attr("jid", user).attr("action", action.as_ref()));
        }
        account.people.blocklist += 1;
        let told = Node::new("blocklist")
            .attr("action", "modify")
            .attr("prev_dhash", before)
            .attr("dhash", blocklist_hash(account))
            .children(changes);
        state.tell_own(from.account, Some(from), told);
    }
    let Some(account) = state.account(from.account) else { return Answer::Error(404) };
    let items = account.blocked.iter().map(|jid| Node::new("item").attr("jid", jid));
    Answer::one(Node::new("list").attr("dhash", blocklist_hash(account)).children(items.collect::<Vec<_>>()))
}

fn blocklist_hash(account: &Account) -> String {
    format!("b{}", account.people.blocklist)
}

const EXCEPT: &str = "contact_blacklist";
const AUDIENCE: &[&str] = &["all", "contacts", EXCEPT, "none"];

/// The settings, what a new account has, and what they may be.
const CATEGORIES: [(&str, &str, &[&str]); 10] = [
    ("readreceipts", "all", &["all", "none"]),
    ("last", "all", AUDIENCE),
    ("online", "all", &["all", "match_last_seen"]),
    ("profile", "all", AUDIENCE),
    ("status", "all", AUDIENCE),
    ("groupadd", "all", AUDIENCE),
    ("calladd", "all", &["all", "known", "contacts"]),
    ("messages", "all", &["all", "contacts"]),
    ("defense", "off", &["off", "on_standard"]),
    ("stickers", "contacts", &["contacts", "contact_allowlist", "none"]),
];
const MAX_BLOCKED: usize = 10_000;
