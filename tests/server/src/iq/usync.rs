//! `usync`: who is on WhatsApp, with which devices, under which LID. Protocol: prekeys and devices, "usync".

use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;
use crate::account::{Account, DeviceKey};
use crate::routing::devices::key_index_node;
use crate::stanza::{Read, error, error_text, iq_result};
use crate::state::State;

pub(super) fn answer(state: &State, from: DeviceKey, iq: &Node) -> Answer {
    let Some(usync) = iq.find("usync") else { return Answer::Error(400) };
    let (Some(query), Some(list)) = (usync.find("query"), usync.find("list")) else {
        return Answer::Error(400);
    };
    let protocols = query.nodes();
    let is_repeated = protocols
        .iter()
        .enumerate()
        .any(|(at, one)| protocols.iter().skip(at + 1).any(|other| other.tag == one.tag));
    if protocols.is_empty() || is_repeated || list.nodes().is_empty() || list.nodes().len() > MAX_USERS {
        return Answer::Error(400);
    }
    let users: Vec<Node> =
        list.find_all("user").filter_map(|user| answer_user(state, from, protocols, user)).collect();
    let result = protocols.iter().map(|protocol| {
        let node = Node::new(protocol.tag.clone());
        if KNOWN.contains(&protocol.tag.as_ref()) { node } else { node.child(error(501, error_text(501))) }
    });
    let answer = ["sid", "mode", "last", "index", "context"]
        .into_iter()
        .fold(Node::new("usync"), |node, name| node.attr_opt(name, usync.get(name).cloned()))
        .child(Node::new("result").children(result))
        .child(Node::new("list").children(users));
    Answer::Whole(iq_result(iq).child(answer))
}

/// One user of the answer; `None` when the asker's device list is up to date and nothing else was asked.
fn answer_user(state: &State, from: DeviceKey, protocols: &[Node], user: &Node) -> Option<Node> {
    let contact = user.find("contact").and_then(Node::content_bytes).map(String::from_utf8_lossy);
    let lid_addressing = protocols.iter().any(|protocol| {
        protocol.tag == "contact" && protocol.attr_text("addressing_mode").as_deref() == Some("lid")
    });
    let asked = user.attr_jid("jid").or_else(|| user.attr_jid("pn_jid"));
    let username = user.find("contact").and_then(|contact| contact.attr_text("username"));
    let named = username.as_deref().map(|name| by_username(state, name, user));
    let named = match (&asked, &contact) {
        _ if named.is_some() => named.flatten(),
        (Some(jid), _) => Some(jid.clone()),
        (None, Some(text)) => Some(Jid::pn(digits(text))),
        (None, None) => user.find("lid").and_then(|lid| lid.attr_jid("jid")),
    };
    let account = named.as_ref().and_then(|jid| state.account(state.account_of(jid)?));

    let Some(account) = account else {
        return Some(unknown_user(protocols, asked.as_ref(), contact.as_deref()));
    };
    let like = match (&asked, lid_addressing) {
        (None, true) => account.lid.clone(),
        (Some(jid), _) => jid.to_user(),
        (None, false) => account.pn.clone(),
    };
    let mut node = Node::new("user").attr("jid", account.jid_like(&like));
    if like.is_lid() && !state.hides_addresses {
        node = node.attr("pn_jid", &account.pn);
    }
    let mut parts = Vec::new();
    for protocol in protocols {
        parts.extend(match protocol.tag.as_ref() {
            "contact" => {
                Some(Node::new("contact").attr("type", "in").text(contact.as_deref().unwrap_or_default()))
            }
            "devices" => devices(account, &like, user.find("devices")),
            "lid" if state.hides_addresses => Some(Node::new("lid")),
            "lid" => Some(Node::new("lid").attr("val", &account.lid)),
            "status" => Some(about(state, account, from)),
            "picture" => Some(picture(state, account, from)),
            "business" => Some(business(account)),
            "disappearing_mode" => {
                let (seconds, set) = account.people.default_timer;
                Some(Node::new("disappearing_mode").attr("duration", seconds).attr("t", set))
            }
            "username" => Some(match &account.people.username {
                Some(name) => Node::new("username").text(name.as_str()),
                None => Node::new("username"),
            }),
            "text_status" => Some(text_status(state, account, from)),
            "feature" | "bot" => Some(Node::new(protocol.tag.clone())),
            _ => None,
        });
    }
    if parts.is_empty() { None } else { Some(node.children(parts)) }
}

fn unknown_user(protocols: &[Node], asked: Option<&Jid>, contact: Option<&str>) -> Node {
    let node = Node::new("user").attr_opt("jid", asked);
    let parts = protocols.iter().map(|protocol| match protocol.tag.as_ref() {
        "contact" => {
            let kind = if contact.is_some_and(|text| !is_phone_number(text)) { "invalid" } else { "out" };
            Node::new("contact").attr("type", kind).text(contact.unwrap_or_default())
        }
        "lid" => Node::new("lid"),
        _ => Node::new(protocol.tag.clone()).child(error(404, error_text(404))),
    });
    node.children(parts)
}

/// The device list, unless the asker's own is the same.
fn devices(account: &Account, like: &Jid, hint: Option<&Node>) -> Option<Node> {
    let hash = account.devices_hash(like);
    if hint.and_then(|hint| hint.attr_text("device_hash")).as_deref() == Some(hash.as_str()) {
        return None;
    }
    let list = account.devices.iter().map(|(number, device)| {
        Node::new("device").attr("id", *number).attr_opt("key-index", device.key_index)
    });
    let list = Node::new("device-list").attr("hash", hash).children(list);
    Some(Node::new("devices").child(list).children(account.key_index_list.as_ref().map(key_index_node)))
}

/// Who is found by this user name: those with a key only by those who have it.
fn by_username(state: &State, name: &str, user: &Node) -> Option<Jid> {
    let key = user.find("contact").and_then(|contact| contact.attr_text("pin"));
    let found = state.accounts.iter().find(|account| account.people.username.as_deref() == Some(name))?;
    let is_open =
        found.people.username_key.is_none() || found.people.username_key.as_deref() == key.as_deref();
    is_open.then(|| found.lid.clone())
}

fn about(state: &State, account: &Account, to: DeviceKey) -> Node {
    let is_shown =
        state.account_of(&account.pn).is_some_and(|index| state.shows(index, "status", to.account));
    match &account.about {
        _ if !is_shown => Node::new("status").attr("code", 401_u16),
        Some((text, time)) => Node::new("status").attr("t", *time).text(text.as_str()),
        None => Node::new("status"),
    }
}

fn text_status(state: &State, account: &Account, to: DeviceKey) -> Node {
    let node = Node::new("text_status");
    let is_shown =
        state.account_of(&account.pn).is_some_and(|index| state.shows(index, "status", to.account));
    match &account.people.text_status {
        _ if !is_shown => node.child(error(401, error_text(401))),
        Some((emoji, seconds, set)) => node
            .attr_opt("text", account.about.as_ref().map(|(text, _)| text.as_str()))
            .attr("emoji", emoji.as_str())
            .attr("ephemeral_duration_sec", *seconds)
            .attr("last_update_time", *set),
        None => node,
    }
}

fn picture(state: &State, account: &Account, to: DeviceKey) -> Node {
    let is_shown =
        state.account_of(&account.pn).is_some_and(|index| state.shows(index, "profile", to.account));
    match state.pictures.get(&account.pn) {
        _ if !is_shown => Node::new("picture").child(error(401, error_text(401))),
        Some(picture) => Node::new("picture").attr("id", &picture.id),
        None => Node::new("picture").child(error(404, error_text(404))),
    }
}

fn business(account: &Account) -> Node {
    let name = account.people.business.as_ref().map(|business| {
        Node::new("verified_name").attr("verified_level", "low").bytes(business.certificate.clone())
    });
    let node = Node::new("business");
    if name.is_some() { node.children(name) } else { node }
}

fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits of a contact text: `+1555…`, or `1555…@c.us` as one library writes it.
fn digits(text: &str) -> String {
    let number = text.split('@').next().unwrap_or_default();
    number.chars().filter(char::is_ascii_digit).collect()
}

/// The protocols that we answer.
const KNOWN: [&str; 11] = [
    "contact",
    "devices",
    "lid",
    "status",
    "picture",
    "business",
    "disappearing_mode",
    "username",
    "text_status",
    "feature",
    "bot",
];
const MAX_USERS: usize = 4096;
