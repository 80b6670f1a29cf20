//! `w:qr`: short links and codes to chats with businesses, and to contacts.

use wa_types::Jid;

use super::profile::text_of;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// What a short link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkTarget {
    /// Whom.
    pub user: Jid,
    /// The name that the user goes by.
    pub name: Option<String>,
    /// What is to be written there.
    pub message: Option<String>,
    /// It is the code of a contact, not the link of a business.
    pub is_contact: bool,
    /// The verified name, of a business.
    pub verified_name: Option<String>,
}

/// Asks where a link leads: its last part, of `wa.me/message/…` or `wa.me/qr/…`.
#[derive(Debug, Clone)]
pub struct ResolveLink(pub String);

impl IqRequest for ResolveLink {
    const NAMESPACE: &'static str = "w:qr";
    const KIND: IqKind = IqKind::Get;
    type Reply = LinkTarget;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("qr").attr("code", &self.0)]
    }

    fn read(reply: Reader<'_>) -> Result<LinkTarget, StanzaError> {
        let qr = reply.child("qr")?;
        Ok(LinkTarget {
            user: qr.jid("jid")?.to_user(),
            name: qr.text_opt("notify").map(std::borrow::Cow::into_owned),
            message: qr.child_opt("message").and_then(text_of),
            is_contact: qr.attr_is("type", "contact"),
            verified_name: qr
                .child_opt("business")
                .and_then(|business| business.text_opt("verified_name"))
                .map(std::borrow::Cow::into_owned),
        })
    }
}

/// Asks for the code of our own contact link, or makes a new one that voids the old.
#[derive(Debug, Clone, Copy)]
pub struct ContactCode {
    /// Make a new one.
    pub is_revoked: bool,
}

impl IqRequest for ContactCode {
    const NAMESPACE: &'static str = "w:qr";
    const KIND: IqKind = IqKind::Set;
    type Reply = String;

    fn body(&self) -> Vec<Node> {
        let action = if self.is_revoked { "revoke" } else { "get" };
        vec![Node::new("qr").attr("type", "contact").attr("action", action)]
    }

    fn read(reply: Reader<'_>) -> Result<String, StanzaError> {
        Ok(reply.child("qr")?.text("code")?.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn a_link_leads_to_a_user_and_perhaps_a_text() {
        let qr = Node::new("qr")
            .attr("jid", Jid::pn("15550001111"))
            .attr("notify", "Shop")
            .child(Node::new("message").text("hello"));
        let read = read_node(&Node::new("iq").child(qr), ResolveLink::read).unwrap();
        assert_eq!((read.message.as_deref(), read.is_contact), (Some("hello"), false));
        assert!(read_node(&Node::new("iq").child(Node::new("qr")), ResolveLink::read).is_err());
    }
}
