//! The owned node: for building what is sent, and for what must outlive its frame.

use std::borrow::Cow;

use smol_str::{SmolStr, ToSmolStr};
use wa_types::{Jid, JidError, MessageId, UnixMillis, UnixSeconds};

/// One node: a tag, attributes in their order, and content.
///
/// `Debug` shows the structure and is safe for logs; [`Self::to_xml`] shows everything.
#[derive(Clone, PartialEq, Eq)]
pub struct Node {
    /// What the node is. Never empty on the wire.
    pub tag: Cow<'static, str>,
    /// Names and values in wire order. Names are unique; where they are not, the last counts.
    pub attrs: Vec<(Cow<'static, str>, Value)>,
    /// What stands inside.
    pub content: Content,
}

/// Building. Each method takes the node and returns it.
impl Node {
    /// A node without attributes or content.
    #[must_use]
    pub fn new(tag: impl Into<Cow<'static, str>>) -> Self {
        Self { tag: tag.into(), attrs: Vec::new(), content: Content::None }
    }

    /// Adds an attribute; one of the same name is replaced, in its place.
    #[must_use]
    pub fn attr(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.attrs.iter_mut().find(|(present, _)| *present == name) {
            Some((_, present)) => *present = value,
            None => self.attrs.push((name, value)),
        }
        self
    }

    /// Adds an attribute if there is a value.
    #[must_use]
    pub fn attr_opt(self, name: impl Into<Cow<'static, str>>, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Makes bytes the content; what was there is gone.
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.content = Content::Bytes(bytes.into());
        self
    }

    /// Makes text the content, written as a token or packed where that is shorter; what was there is gone.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.content = Content::Text(text.into());
        self
    }

    /// Adds a child after those that are there. Bytes or text that were the content are gone.
    #[must_use]
    pub fn child(self, child: Self) -> Self {
        self.children([child])
    }

    /// Adds children after those that are there. Bytes or text that were the content are gone. Without any child the
    /// content is an empty list, which is not the same as none.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        if let Content::Nodes(nodes) = &mut self.content {
            nodes.extend(children);
        } else {
            self.content = Content::Nodes(children.into_iter().collect());
        }
        self
    }
}

/// Reading.
impl Node {
    /// The attribute of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.attrs.iter().rev().find(|(present, _)| present == name).map(|(_, value)| value)
    }

    /// The children; none when the content is something else.
    #[must_use]
    pub fn nodes(&self) -> &[Self] {
        match &self.content {
            Content::Nodes(nodes) => nodes,
            _ => &[],
        }
    }

    /// The first child with this tag.
    #[must_use]
    pub fn find(&self, tag: &str) -> Option<&Self> {
        self.nodes().iter().find(|node| node.tag == tag)
    }

    /// All children with this tag.
    pub fn find_all<'n>(&'n self, tag: &'n str) -> impl Iterator<Item = &'n Self> {
        self.nodes().iter().filter(move |node| node.tag == tag)
    }

    /// The content as bytes, text included; `None` for children and for no content.
    #[must_use]
    pub fn content_bytes(&self) -> Option<&[u8]> {
        self.content.as_bytes()
    }
}

/// What stands inside a node.
///
/// Bytes and text of the same bytes are equal: which of the two a sender chose does not matter to the receiver.
#[derive(Clone, Default)]
pub enum Content {
    /// Nothing.
    #[default]
    None,
    /// Bytes, written as they are.
    Bytes(Vec<u8>),
    /// Text, written as a token or packed where that is shorter.
    Text(String),
    /// Child nodes.
    Nodes(Vec<Node>),
}

impl Content {
    /// Bytes or text as bytes; `None` for children and for no content.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Text(text) => Some(text.as_bytes()),
            Self::None | Self::Nodes(_) => None,
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Nodes(own), Self::Nodes(others)) => own == others,
            _ => self.as_bytes().is_some() && self.as_bytes() == other.as_bytes(),
        }
    }
}

impl Eq for Content {}

/// The value of an attribute. A text that spells a JID is not equal to the JID: they differ on the wire.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Text; numbers and booleans are text too.
    Text(SmolStr),
    /// An address, written with one of the JID tags.
    Jid(Jid),
}

impl Value {
    /// The value as text; a JID in its text form.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Jid(jid) => Cow::Owned(jid.to_string()),
        }
    }

    /// The value as an address: some senders write addresses as text.
    ///
    /// # Errors
    /// When it is a text that spells no JID.
    pub fn to_jid(&self) -> Result<Jid, JidError> {
        match self {
            Self::Text(text) => text.parse(),
            Self::Jid(jid) => Ok(jid.clone()),
        }
    }
}

impl From<Jid> for Value {
    fn from(jid: Jid) -> Self {
        Self::Jid(jid)
    }
}

impl From<&Jid> for Value {
    fn from(jid: &Jid) -> Self {
        Self::Jid(jid.clone())
    }
}

impl From<SmolStr> for Value {
    fn from(text: SmolStr) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(SmolStr::new(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(SmolStr::from(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(SmolStr::new(text))
    }
}

impl From<MessageId> for Value {
    fn from(id: MessageId) -> Self {
        Self::from(&id)
    }
}

impl From<&MessageId> for Value {
    fn from(id: &MessageId) -> Self {
        Self::from(id.as_str())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Text(SmolStr::new_static(if value { "true" } else { "false" }))
    }
}

impl From<UnixSeconds> for Value {
    fn from(time: UnixSeconds) -> Self {
        Self::from(time.0)
    }
}

impl From<UnixMillis> for Value {
    fn from(time: UnixMillis) -> Self {
        Self::from(time.0)
    }
}

macro_rules! decimal {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Text(number.to_smolstr())
            }
        }
    )*};
}
decimal!(u8, u16, u32, u64, usize, i32, i64);
