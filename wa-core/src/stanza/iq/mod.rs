//! `<iq>`: questions and answers. A request names its own reply. One file per namespace.
//! Protocol: transport, "Stanza bookkeeping"; IQ catalogue.

pub mod about;
pub mod app_state;
pub mod blocklist;
pub mod bots;
pub mod business;
pub mod email;
pub mod encrypt;
pub mod groups;
pub mod md;
pub mod media_conn;
pub mod mex;
pub mod newsletter;
pub mod passive;
pub mod picture;
pub mod ping;
pub mod privacy;
pub mod spam;
pub mod status_audience;
pub mod tos;
pub mod usync;

use std::time::Duration;

use wa_types::Jid;

use super::{Reader, StanzaError};
use crate::wire::Node;

/// A question to the server, and how its answer is read.
pub trait IqRequest {
    /// The `xmlns`.
    const NAMESPACE: &'static str;
    /// Whether it asks or changes.
    const KIND: IqKind;
    /// Whether asking twice does no more than asking once: then it is asked again when the connection was lost before
    /// the answer. By default what only asks is.
    const IDEMPOTENT: bool = matches!(Self::KIND, IqKind::Get);
    /// What the answer says.
    type Reply;

    /// Whom it is for.
    fn to(&self) -> Jid {
        Jid::SERVER
    }

    /// The children of the request.
    fn body(&self) -> Vec<Node>;

    /// Reads the answer.
    ///
    /// # Errors
    /// [`StanzaError`] when a required part is missing or malformed.
    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError>;

    /// The whole stanza.
    fn to_node(&self, id: &str) -> Node {
        Node::new("iq")
            .attr("id", id)
            .attr("to", self.to())
            .attr("type", Self::KIND.as_str())
            .attr("xmlns", Self::NAMESPACE)
            .children(self.body())
    }
}

/// The `type` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IqKind {
    /// Asks.
    Get,
    /// Changes.
    Set,
}

impl IqKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
        }
    }
}

/// The server refused a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server refused the request: {code} {text}")]
#[non_exhaustive]
pub struct IqRefusal {
    /// The code; 0 when the server gave none.
    pub code: u16,
    /// The server's word for it, such as `item-not-found`.
    pub text: String,
    /// How long to wait before asking again.
    pub backoff: Option<Duration>,
}

impl IqRefusal {
    /// The refusal of the one part that a request had.
    #[must_use]
    pub const fn of_part(code: u16) -> Self {
        Self { code, text: String::new(), backoff: None }
    }

    /// Reads an `<iq type="error">`; `None` for any other type.
    #[must_use]
    pub fn read(iq: Reader<'_>) -> Option<Self> {
        if !iq.attr_is("type", "error") {
            return None;
        }
        let error = iq.child_opt("error");
        let number = |name| error.and_then(|error| error.number_opt::<u64>(name).ok().flatten());
        Some(Self {
            code: number("code").and_then(|code| u16::try_from(code).ok()).unwrap_or(0),
            text: error.and_then(|error| error.text_opt("text")).unwrap_or_default().into_owned(),
            backoff: number("backoff").map(Duration::from_secs),
        })
    }
}

/// The answer that a request of the server was carried out.
#[must_use]
pub fn result(id: &str) -> Node {
    Node::new("iq").attr("id", id).attr("to", Jid::SERVER).attr("type", "result")
}

/// The answer that a request of the server was refused.
#[must_use]
pub fn error(id: &str, code: u16, text: &'static str) -> Node {
    let error = Node::new("error").attr("code", u32::from(code)).attr("text", text);
    Node::new("iq").attr("id", id).attr("to", Jid::SERVER).attr("type", "error").child(error)
}
