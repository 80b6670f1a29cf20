//! `urn:xmpp:whatsapp:account`: the e-mail address with which an account is recovered. Protocol: IQ catalogue, "Own
//! profile".

use std::fmt;

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

const NAMESPACE: &str = "urn:xmpp:whatsapp:account";

/// The e-mail address of an account. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Email {
    /// The address.
    pub address: String,
    /// The user proved that it is theirs.
    pub is_verified: bool,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("is_verified", &self.is_verified).finish_non_exhaustive()
    }
}

/// Asks for the address.
#[derive(Debug, Clone, Copy)]
pub struct FetchEmail;

impl IqRequest for FetchEmail {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    /// `None` where there is none.
    type Reply = Option<Email>;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("email")]
    }

    fn read(reply: Reader<'_>) -> Result<Option<Email>, StanzaError> {
        let Some(email) = reply.child_opt("email") else { return Ok(None) };
        let address = email.child_opt("email_address").and_then(|address| address.node().text());
        let address = address.map(std::borrow::Cow::into_owned).filter(|address| !address.is_empty());
        let is_verified = email.child_opt("verified").is_some();
        Ok(address.map(|address| Email { address, is_verified }))
    }
}

/// A step of setting and proving the address. `Debug` shows neither address nor code.
#[derive(Clone, PartialEq, Eq)]
pub enum ChangeEmail {
    /// Takes another address.
    Set(String),
    /// Has a code sent there, in a mail of this language and country: `en`, `US`.
    SendCode(String, String),
    /// Proves the address with the code.
    Verify(String),
    /// Says that the address is still right.
    Confirm,
}

impl fmt::Debug for ChangeEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set(..)",
            Self::SendCode(..) => "SendCode(..)",
            Self::Verify(_) => "Verify(..)",
            Self::Confirm => "Confirm",
        })
    }
}

impl IqRequest for ChangeEmail {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        let text = |tag: &'static str, text: &str| Node::new(tag).text(text);
        vec![match self {
            Self::Set(address) => {
                Node::new("email").child(text("context", "settings")).child(text("email_address", address))
            }
            Self::SendCode(language, country) => {
                Node::new("verify_email").children([text("lg", language), text("lc", country)])
            }
            Self::Verify(code) => Node::new("verify_email").child(text("code", code)),
            Self::Confirm => Node::new("confirm_email"),
        }]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn an_address_is_there_or_not() {
        let read = |email: Option<Node>| {
            let reply = Node::new("iq").attr("type", "result");
            let reply = email.into_iter().fold(reply, Node::child);
            read_node(&reply, FetchEmail::read).unwrap()
        };
        let address = || Node::new("email_address").text("a@example.com");
        assert_eq!(read(None), None);
        assert_eq!(read(Some(Node::new("email"))), None);
        let found = read(Some(Node::new("email").child(address()))).unwrap();
        assert_eq!((found.address.as_str(), found.is_verified), ("a@example.com", false));
        assert!(
            read(Some(Node::new("email").child(address()).child(Node::new("verified")))).unwrap().is_verified
        );
        assert!(!format!("{found:?} {:?}", ChangeEmail::Set(found.address.clone())).contains("example"));
    }
}
