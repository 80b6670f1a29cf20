//! `w:profile:picture`: pictures of users; those of groups are in `groups::picture`. Protocol: IQ catalogue,
//! "Profile picture".

use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;
use crate::account::DeviceKey;
use crate::people::Picture;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let Some(own) = state.account(from.account).map(|account| account.pn.clone()) else {
        return Answer::Error(404);
    };
    let of = match iq.attr_jid("target").map(|target| target.to_chat()) {
        Some(user) => match state.account_of(&user).and_then(|account| state.account(account)) {
            Some(account) => account.pn.clone(),
            None => return Answer::Error(404),
        },
        None => own.clone(),
    };
    if !is_set {
        return fetch(state, from, &of, iq);
    }
    if of != own {
        return Answer::Error(403);
    }
    set(state, from, &of, iq)
}

fn fetch(state: &State, from: DeviceKey, of: &Jid, iq: &Node) -> Answer {
    let Some(asked) = iq.find("picture") else { return Answer::Error(400) };
    if let Some(account) = state.account_of(of) {
        // One does not trust oneself: the real server never answers this.
        if account == from.account && asked.find("tctoken").is_some() {
            return Answer::Error(400);
        }
        if !state.shows(account, "profile", from.account) {
            return Answer::Error(401);
        }
    }
    let Some(picture) = state.pictures.get(of) else { return Answer::Error(404) };
    Answer::one(describe(state, asked, picture))
}

/// Where a picture is, unless it is the one that is known.
pub(super) fn describe(state: &State, asked: &Node, picture: &Picture) -> Node {
    let Picture { id, direct_path } = picture;
    if asked.attr_text("id").as_deref() == Some(id.as_str()) {
        return Node::new("picture").attr("status", "304");
    }
    let kind = asked.attr_text("type").unwrap_or_else(|| "preview".into()).into_owned();
    let host = state.media.hosts.first().map_or("pps.test", String::as_str);
    Node::new("picture")
        .attr("id", id)
        .attr("type", kind)
        .attr("url", format!("https://{host}{direct_path}"))
        .attr("direct_path", direct_path)
}

fn set(state: &mut State, from: DeviceKey, of: &Jid, iq: &Node) -> Answer {
    let change = match iq.find("picture").and_then(Node::content_bytes) {
        Some(jpeg) => {
            let Some(picture) = state.put_picture(jpeg) else { return Answer::Error(406) };
            let change = Node::new("set").attr("jid", of).attr("id", &picture.id);
            state.pictures.insert(of.clone(), picture);
            change
        }
        None => {
            state.pictures.remove(of);
            Node::new("delete").attr("jid", of)
        }
    };
    let id = change.get("id").cloned();
    state.tell_contacts(from, "picture", &change);
    Answer::one(Node::new("picture").attr_opt("id", id))
}
