//! Requests: one file per namespace. What is unknown is refused, never ignored.

mod app_state;
mod bots;
mod business;
mod dirty;
mod email;
mod encrypt;
mod groups;
mod md;
mod media;
mod mex;
mod newsletter;
mod passive;
mod picture;
mod ping;
mod privacy;
mod props;
mod spam;
mod status;
mod tos;
mod usync;

use wa_core::wire::Node;

use crate::account::DeviceKey;
use crate::stanza::{Read, error_text, iq_error, iq_result, malformed};
use crate::state::State;

pub(crate) use props::PROPS_HASH;

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A result with these children.
    Result(Vec<Node>),
    /// A result that needs attributes or is built whole.
    Whole(Node),
    /// An error with this code.
    Error(u16),
}

impl Answer {
    const DONE: Self = Self::Result(Vec::new());

    fn one(child: Node) -> Self {
        Self::Result(vec![child])
    }
}

/// The answer to a request, if it is one.
pub(crate) fn answer(state: &mut State, from: DeviceKey, iq: &Node) -> Option<Node> {
    let kind = iq.attr_text("type");
    if matches!(kind.as_deref(), Some("result" | "error")) {
        return None;
    }
    if iq.attr_text("id").is_none_or(|id| id.is_empty()) {
        tracing::warn!("request without id");
        return Some(malformed());
    }
    let namespace = iq.attr_text("xmlns").unwrap_or_default().into_owned();
    if state.faults.swallows(from, &namespace, namespace == "w:p") {
        return None;
    }
    let is_set = match kind.as_deref() {
        Some("get") => false,
        Some("set") => true,
        _ => return Some(iq_error(iq, 400, error_text(400))),
    };
    let answer = match state.faults.take_request_refusal(from, &namespace) {
        Some(code) => Answer::Error(code),
        None => match namespace.as_str() {
            "w:p" | "urn:xmpp:ping" => ping::answer(state, iq),
            "encrypt" => encrypt::answer(state, from, iq, is_set),
            "usync" => usync::answer(state, from, iq),
            "md" => md::answer(state, from, iq),
            "passive" => passive::answer(iq),
            "urn:xmpp:whatsapp:dirty" => dirty::answer(iq),
            "privacy" => privacy::answer(state, from, iq, is_set),
            "blocklist" => privacy::blocklist(state, from, iq, is_set),
            "w:sync:app:state" => app_state::answer(state, from, iq, is_set),
            "abt" | "w" => props::answer(iq),
            "status" => status::answer(state, from, iq, is_set),
            "disappearing_mode" if is_set => privacy::default_timer(state, from, iq),
            "w:biz" => business::profile(state, from, iq, is_set),
            "w:biz:catalog" => business::catalog(state, from, iq),
            "fb:thrift_iq" => business::order(state, iq),
            "w:qr" => business::link(state, from, iq, is_set),
            "spam" => spam::answer(state, iq),
            "bot" => bots::answer(is_set),
            "urn:xmpp:whatsapp:account" => email::answer(state, from, iq, is_set),
            "w:m" => media::answer(state, iq),
            "w:mex" => mex::answer(state, from, iq),
            "w:profile:picture" => match iq.attr_jid("target").filter(wa_types::Jid::is_group) {
                Some(group) => groups::picture::answer(state, from, &group, iq, is_set),
                None => picture::answer(state, from, iq, is_set),
            },
            "newsletter" => newsletter::answer(state, from, iq, is_set),
            "tos" => tos::answer(state, from, iq, is_set),
            "w:g2" => groups::answer(state, from, iq, is_set),
            _ => {
                tracing::debug!(namespace, "unknown namespace");
                Answer::Error(501)
            }
        },
    };
    Some(match answer {
        Answer::Result(children) if children.is_empty() => iq_result(iq),
        Answer::Result(children) => iq_result(iq).children(children),
        Answer::Whole(node) => node,
        Answer::Error(code) => iq_error(iq, code, error_text(code)),
    })
}

/// What a request sets off once its answer is on its way.
pub(crate) fn after(state: &mut State, from: DeviceKey, iq: &Node) {
    state.send_news();
    if iq.attr_text("type").as_deref() != Some("set") {
        return;
    }
    match iq.attr_text("xmlns").as_deref() {
        Some("passive") => passive::after(state, from, iq),
        Some("md") => md::after(state, from, iq),
        _ => {}
    }
}
