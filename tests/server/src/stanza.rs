//! Reading and building nodes, the little that every part of the server needs.

use std::borrow::Cow;

use wa_core::wire::{Content, Node, Value};
use wa_types::Jid;

/// Attributes and children of a node, read leniently: what is absent or of another form is `None`.
pub(crate) trait Read {
    /// An attribute's text form.
    fn attr_text(&self, name: &str) -> Option<Cow<'_, str>>;
    /// An attribute as a JID, whether it came as one or as text.
    fn attr_jid(&self, name: &str) -> Option<Jid>;
    /// An attribute as a number.
    fn attr_number(&self, name: &str) -> Option<u64>;
    /// The bytes of the first child of this tag.
    fn child_bytes(&self, tag: &str) -> Option<&[u8]>;
    /// The bytes of the first child of this tag, when there are exactly `N`.
    fn child_array<const N: usize>(&self, tag: &str) -> Option<[u8; N]>;
    /// The content as text.
    fn content_text(&self) -> Option<&str>;
}

impl Read for Node {
    fn attr_text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(Value::to_text)
    }

    fn attr_jid(&self, name: &str) -> Option<Jid> {
        self.get(name)?.to_jid().ok()
    }

    fn attr_number(&self, name: &str) -> Option<u64> {
        self.attr_text(name)?.parse().ok()
    }

    fn child_bytes(&self, tag: &str) -> Option<&[u8]> {
        self.find(tag)?.content_bytes()
    }

    fn child_array<const N: usize>(&self, tag: &str) -> Option<[u8; N]> {
        self.child_bytes(tag)?.try_into().ok()
    }

    fn content_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// A result to a request.
pub(crate) fn iq_result(request: &Node) -> Node {
    let id = request.attr_text("id").unwrap_or_default().into_owned();
    Node::new("iq").attr("from", reply_from(request)).attr("id", id).attr("type", "result")
}

/// A refusal of a request.
pub(crate) fn iq_error(request: &Node, code: u16, text: &str) -> Node {
    iq_refusal(request, error(code, text))
}

/// A refusal of a request, with all that its error says.
pub(crate) fn iq_refusal(request: &Node, error: Node) -> Node {
    let id = request.attr_text("id").unwrap_or_default().into_owned();
    Node::new("iq").attr("from", reply_from(request)).attr("id", id).attr("type", "error").child(error)
}

/// Whether an answer to a request refuses it.
pub(crate) fn is_error(answer: &Node) -> bool {
    answer.attr_text("type").as_deref() == Some("error")
}

/// `<error code text/>`, as requests and single users of a request get it.
pub(crate) fn error(code: u16, text: &str) -> Node {
    Node::new("error").attr("code", code.to_string()).attr("text", text)
}

/// The usual text of an error code.
pub(crate) fn error_text(code: u16) -> &'static str {
    match code {
        304 => "not-modified",
        400 => "bad-request",
        401 => "not-authorized",
        403 => "forbidden",
        404 => "item-not-found",
        405 => "not-allowed",
        406 => "not-acceptable",
        409 => "conflict",
        410 => "gone",
        412 => "precondition-failed",
        419 => "resource-limit",
        423 => "locked",
        429 => "rate-overlimit",
        452 => "feature-not-available",
        501 => "feature-not-implemented",
        503 => "service-unavailable",
        _ => "internal-server-error",
    }
}

/// `<failure reason/>`, what a refused login gets.
pub(crate) fn failure(reason: u16) -> Node {
    Node::new("failure").attr("reason", reason.to_string()).attr("location", "prn")
}

/// `<stream:error code/>`.
pub(crate) fn stream_error(code: u16) -> Node {
    Node::new("stream:error").attr("code", code.to_string())
}

/// `<stream:error><conflict type/></stream:error>`.
pub(crate) fn conflict(code: Option<u16>, kind: &str) -> Node {
    let node = code.map_or_else(|| Node::new("stream:error"), stream_error);
    node.child(Node::new("conflict").attr("type", kind))
}

/// `<stream:error><xml-not-well-formed/></stream:error>`: what arrived was no stanza.
pub(crate) fn not_well_formed() -> Node {
    Node::new("stream:error").child(Node::new("xml-not-well-formed"))
}

/// `<error code="479"/>` at top level: the last stanza could not even be answered.
pub(crate) fn malformed() -> Node {
    Node::new("error").attr("code", "479")
}

/// `<ib from=server>` with one child.
pub(crate) fn ib(child: Node) -> Node {
    Node::new("ib").attr("from", Jid::SERVER).child(child)
}

fn reply_from(request: &Node) -> Jid {
    request.attr_jid("to").unwrap_or(Jid::SERVER)
}
