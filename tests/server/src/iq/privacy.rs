//! `privacy` and `blocklist`: settings of the account, and the tokens that it gives to contacts.

use wa_core::wire::Node;

use super::Answer;
use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    if is_set && let Some(tokens) = iq.find("tokens") {
        return give_tokens(state, from, tokens);
    }
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    if let (true, Some(change)) = (is_set, iq.find("privacy")) {
        for category in change.find_all("category") {
            let (Some(name), Some(value)) = (category.attr_text("name"), category.attr_text("value")) else {
                return Answer::Error(400);
            };
            if !CATEGORIES.iter().any(|(known, _)| *known == name) {
                return Answer::Error(400);
            }
            account.privacy.insert(name.into_owned(), value.into_owned());
        }
    } else if iq.find("privacy").is_none() {
        return Answer::Error(400);
    }
    let categories = CATEGORIES.iter().map(|(name, default)| {
        let value = account.privacy.get(*name).map_or(*default, String::as_str);
        Node::new("category").attr("name", *name).attr("value", value)
    });
    Answer::one(Node::new("privacy").children(categories))
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
        let notification = Node::new("notification")
            .attr("type", "privacy_token")
            .attr("from", &account.pn)
            .attr("sender_lid", &account.lid)
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
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    if is_set {
        for item in iq.find_all("item") {
            let (Some(jid), Some(action)) = (item.attr_jid("jid"), item.attr_text("action")) else {
                return Answer::Error(400);
            };
            match action.as_ref() {
                "block" if account.blocked.len() < MAX_BLOCKED => account.blocked.insert(jid.to_user()),
                "unblock" => account.blocked.remove(&jid.to_user()),
                _ => return Answer::Error(400),
            };
        }
    }
    let items = account.blocked.iter().map(|jid| Node::new("item").attr("jid", jid));
    Answer::one(Node::new("list").attr("dhash", account.blocked.len()).children(items))
}

/// The settings and what a new account has.
const CATEGORIES: [(&str, &str); 10] = [
    ("readreceipts", "all"),
    ("last", "all"),
    ("online", "all"),
    ("profile", "all"),
    ("status", "all"),
    ("groupadd", "all"),
    ("calladd", "all"),
    ("messages", "all"),
    ("defense", "off"),
    ("stickers", "contacts"),
];
const MAX_BLOCKED: usize = 10_000;
