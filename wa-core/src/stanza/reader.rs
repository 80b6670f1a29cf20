//! Reads attributes and children of a node, with the place of every fault.

use std::borrow::Cow;
use std::str::FromStr;

use smol_str::SmolStr;
use wa_types::{Jid, MessageId, PublicKey, UnixSeconds};

use crate::wire::{NodeRef, ValueRef};

/// A node with the readers of what a stanza must, and may, carry.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'d> {
    node: NodeRef<'d>,
}

impl<'d> Reader<'d> {
    /// Reads this node.
    #[must_use]
    pub fn new(node: NodeRef<'d>) -> Self {
        Self { node }
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self) -> NodeRef<'d> {
        self.node
    }

    /// Whether the node has this tag.
    #[must_use]
    pub fn is(&self, tag: &str) -> bool {
        self.node.tag() == *tag
    }

    /// An attribute that must be there, as text.
    ///
    /// # Errors
    /// [`StanzaError::Missing`].
    pub fn text(&self, name: &'static str) -> Result<Cow<'d, str>, StanzaError> {
        self.text_opt(name).ok_or_else(|| self.missing(name))
    }

    /// An attribute as text.
    #[must_use]
    pub fn text_opt(&self, name: &str) -> Option<Cow<'d, str>> {
        self.node.attr(name).map(|value| value.to_text())
    }

    /// Whether an attribute is there and has this text.
    #[must_use]
    pub fn attr_is(&self, name: &str, expected: &str) -> bool {
        match self.node.attr(name) {
            Some(ValueRef::Text(text)) => text == *expected,
            Some(value) => value.to_text() == expected,
            None => false,
        }
    }

    /// The `id` of a message, that must be there.
    ///
    /// # Errors
    /// [`StanzaError::Missing`].
    pub fn message_id(&self) -> Result<MessageId, StanzaError> {
        self.text("id").map(MessageId::new)
    }

    /// A JID that must be there.
    ///
    /// # Errors
    /// [`StanzaError::Missing`], [`StanzaError::Invalid`].
    pub fn jid(&self, name: &'static str) -> Result<Jid, StanzaError> {
        self.jid_opt(name)?.ok_or_else(|| self.missing(name))
    }

    /// A JID that may be there; if it is, it must be one.
    ///
    /// # Errors
    /// [`StanzaError::Invalid`].
    pub fn jid_opt(&self, name: &'static str) -> Result<Option<Jid>, StanzaError> {
        self.node.attr(name).map(|value| value.to_jid().map_err(|_| self.invalid(name))).transpose()
    }

    /// A decimal number that must be there.
    ///
    /// # Errors
    /// [`StanzaError::Missing`], [`StanzaError::Invalid`].
    pub fn number<T: FromStr>(&self, name: &'static str) -> Result<T, StanzaError> {
        self.number_opt(name)?.ok_or_else(|| self.missing(name))
    }

    /// A decimal number that may be there; if it is, it must be one.
    ///
    /// # Errors
    /// [`StanzaError::Invalid`].
    pub fn number_opt<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, StanzaError> {
        self.text_opt(name).map(|text| text.parse().map_err(|_| self.invalid(name))).transpose()
    }

    /// A time in seconds that may be there; one that is no number counts as absent.
    #[must_use]
    pub fn time_opt(&self, name: &str) -> Option<UnixSeconds> {
        self.text_opt(name)?.parse().ok().map(UnixSeconds)
    }

    /// All children.
    pub fn children(&self) -> impl Iterator<Item = Reader<'d>> + use<'d> {
        self.node.children().map(Reader::new)
    }

    /// All children with this tag.
    pub fn children_of(&self, tag: &'static str) -> impl Iterator<Item = Reader<'d>> + use<'d> {
        self.children().filter(move |child| child.is(tag))
    }

    /// The first child with this tag, that must be there.
    ///
    /// # Errors
    /// [`StanzaError::Missing`].
    pub fn child(&self, tag: &'static str) -> Result<Self, StanzaError> {
        self.child_opt(tag).ok_or_else(|| self.missing(tag))
    }

    /// The first child with this tag.
    #[must_use]
    pub fn child_opt(&self, tag: &str) -> Option<Self> {
        self.node.child(tag).map(Reader::new)
    }

    /// The content as bytes; no content reads as no bytes.
    #[must_use]
    pub fn content(&self) -> Cow<'d, [u8]> {
        self.node.bytes().unwrap_or_default()
    }

    /// The content of a child that must be there, of a fixed size.
    ///
    /// # Errors
    /// [`StanzaError::Missing`], [`StanzaError::Invalid`].
    pub fn array<const N: usize>(&self, tag: &'static str) -> Result<[u8; N], StanzaError> {
        self.child(tag)?.content().as_ref().try_into().map_err(|_| self.invalid(tag))
    }

    /// A child that must be there and hold a raw public key.
    ///
    /// # Errors
    /// [`StanzaError::Missing`], [`StanzaError::Invalid`].
    pub fn public_key(&self, tag: &'static str) -> Result<PublicKey, StanzaError> {
        self.array(tag).map(PublicKey::new)
    }

    /// The error that this part is missing here.
    #[must_use]
    pub fn missing(&self, part: &'static str) -> StanzaError {
        StanzaError::Missing { tag: self.node.tag().to_smol(), part }
    }

    /// The error that this part is malformed here.
    #[must_use]
    pub fn invalid(&self, part: &'static str) -> StanzaError {
        StanzaError::Invalid { tag: self.node.tag().to_smol(), part }
    }
}

/// A stanza that lacks what it must carry, or carries it malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StanzaError {
    /// A required attribute or child is missing.
    #[error("<{tag}> lacks {part}")]
    Missing {
        /// The tag of the node that lacks it.
        tag: SmolStr,
        /// The attribute or child.
        part: &'static str,
    },
    /// An attribute or child is there and is not what it must be.
    #[error("{part} of <{tag}> is malformed")]
    Invalid {
        /// The tag of the node that has it.
        tag: SmolStr,
        /// The attribute or child.
        part: &'static str,
    },
    /// The server answered, and refused one part of what was asked.
    #[error("the server refused {part} with code {code}")]
    Refused {
        /// What was asked for.
        part: &'static str,
        /// The code; 0 when the server gave none.
        code: u16,
    },
}

/// Reads a node as it would come from the server.
#[cfg(test)]
pub(crate) fn read_node<T>(node: &crate::wire::Node, read: impl FnOnce(Reader<'_>) -> T) -> T {
    let encoded = crate::wire::encode(node).expect("a node of a test encodes");
    let body = crate::wire::unpack(&encoded).expect("what was encoded unpacks");
    let document = crate::wire::decode(&body).expect("what was encoded decodes");
    read(Reader::new(document.root()))
}
