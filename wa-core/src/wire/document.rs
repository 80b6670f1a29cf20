//! The decoded document: a body, and where in it the nodes and attributes stand.

use std::borrow::Cow;

use super::decode::{Item, Reader};
use super::node::{Content, Node, Value};
use super::value::{Text, ValueRef};

/// A decoded stanza. It borrows the body, and keeps offsets into it: 16 bytes for a node, 8 for an attribute.
pub struct Document<'a> {
    pub(super) body: Cow<'a, [u8]>,
    /// In the order of the body: a node, its first child with all that is below it, the next child.
    pub(super) nodes: Vec<NodeRecord>,
    /// In the order of the body too, so a node's attributes are those up to the next node's.
    pub(super) attrs: Vec<AttrRecord>,
}

/// Where a node stands. Its first child, if it has one, is the next record.
#[derive(Clone, Copy)]
pub(super) struct NodeRecord {
    /// Offset of the tag.
    pub(super) tag_at: u32,
    /// Index of the first attribute.
    pub(super) attrs: u32,
    /// Offset of the content; 0 when there is none.
    pub(super) content_at: u32,
    /// Index of the first node that is not below this one.
    pub(super) end: u32,
}

/// Where an attribute stands.
#[derive(Clone, Copy)]
pub(super) struct AttrRecord {
    pub(super) name_at: u32,
    pub(super) value_at: u32,
}

impl Document<'_> {
    /// The outermost node.
    #[must_use]
    pub fn root(&self) -> NodeRef<'_> {
        NodeRef { document: self, index: 0 }
    }

    /// The same document, independent of its frame: copies the body if it was borrowed.
    #[must_use]
    pub fn into_owned(self) -> Document<'static> {
        Document { body: Cow::Owned(self.body.into_owned()), nodes: self.nodes, attrs: self.attrs }
    }

    #[inline]
    fn reader(&self, at: u32) -> Reader<'_> {
        Reader { rest: self.body.get(at as usize..).unwrap_or_default() }
    }

    #[inline]
    fn record(&self, index: u32) -> NodeRecord {
        let none = NodeRecord { tag_at: 0, attrs: 0, content_at: 0, end: index };
        self.nodes.get(index as usize).copied().unwrap_or(none)
    }
}

/// A cursor on one node of a [`Document`]; copying it costs nothing.
///
/// Items are read again from the body where they are asked for. Decoding has checked them all, so what could only
/// be the consequence of a bug of ours (an item that no longer reads) is empty text here, and no panic.
#[derive(Clone, Copy)]
pub struct NodeRef<'d> {
    document: &'d Document<'d>,
    index: u32,
}

impl<'d> NodeRef<'d> {
    /// What the node is; never empty.
    #[inline]
    #[must_use]
    pub fn tag(self) -> Text<'d> {
        let record = self.document.record(self.index);
        self.document.reader(record.tag_at).text().unwrap_or(Text::EMPTY)
    }

    /// The value of this attribute; of several with the name, the last.
    #[inline]
    #[must_use]
    pub fn attr(self, name: &str) -> Option<ValueRef<'d>> {
        let found = self.attr_records().iter().rev().find(|record| {
            self.document.reader(record.name_at).text().is_ok_and(|present| present == name)
        })?;
        self.document.reader(found.value_at).value().ok()
    }

    /// All attributes, in their order.
    #[must_use]
    pub fn attrs(self) -> Attrs<'d> {
        Attrs { document: self.document, records: self.attr_records().iter() }
    }

    /// The children, in their order; none when the content is something else.
    #[inline]
    #[must_use]
    pub fn children(self) -> Children<'d> {
        let end = self.document.record(self.index).end;
        Children { document: self.document, next: self.index.saturating_add(1), end }
    }

    /// The first child with this tag.
    #[must_use]
    pub fn child(self, tag: &str) -> Option<Self> {
        self.children().find(|child| child.tag() == tag)
    }

    /// The content as bytes: raw bytes borrowed, text and addresses in their text form. `None` for children and for
    /// no content.
    #[must_use]
    pub fn bytes(self) -> Option<Cow<'d, [u8]>> {
        let as_bytes = |text: Cow<'d, str>| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        match self.item()? {
            Item::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Item::Text(text) => Some(as_bytes(text.as_str())),
            Item::Jid(jid) => Some(Cow::Owned(jid.to_string().into_bytes())),
            Item::List(_) => None,
        }
    }

    /// The content as text: `None` for children, for no content, and for bytes that are not UTF-8.
    #[must_use]
    pub fn text(self) -> Option<Cow<'d, str>> {
        match self.item()? {
            Item::Bytes(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Item::Text(text) => Some(text.as_str()),
            Item::Jid(jid) => Some(Cow::Owned(jid.to_string())),
            Item::List(_) => None,
        }
    }

    /// Whether there is content: bytes, text, or a list of children, which may be empty.
    #[must_use]
    pub fn has_content(self) -> bool {
        self.document.record(self.index).content_at != 0
    }

    /// Whether there is at least one child.
    #[must_use]
    pub fn has_children(self) -> bool {
        self.children().next().is_some()
    }

    /// A copy that outlives the document, up to forty times as large as the body. [`Document::into_owned`] costs
    /// far less.
    #[must_use]
    pub fn to_node(&self) -> Node {
        // By reference, so that it comes before `ToOwned` wherever the cursor itself is behind a reference.
        Node {
            tag: self.tag().into_name(),
            attrs: self.attrs().map(|(name, value)| (name.into_name(), Value::from(value))).collect(),
            content: match self.item() {
                None => Content::None,
                Some(Item::Bytes(bytes)) => Content::Bytes(bytes.to_vec()),
                Some(Item::Text(text)) => Content::Text(text.as_str().into_owned()),
                Some(Item::Jid(jid)) => Content::Text(jid.to_string()),
                Some(Item::List(_)) => Content::Nodes(self.children().map(|child| child.to_node()).collect()),
            },
        }
    }

    pub(super) fn item(self) -> Option<Item<'d>> {
        let at = self.document.record(self.index).content_at;
        if at == 0 { None } else { self.document.reader(at).content().ok() }
    }

    #[inline]
    fn attr_records(self) -> &'d [AttrRecord] {
        let (nodes, attrs) = (&self.document.nodes, &self.document.attrs);
        let start = self.document.record(self.index).attrs as usize;
        let end = nodes.get(self.index as usize + 1).map_or(attrs.len(), |next| next.attrs as usize);
        attrs.get(start..end).unwrap_or_default()
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Text(text) => Self::Text(text.to_smol()),
            ValueRef::Jid(jid) => Self::Jid(jid.to_jid()),
        }
    }
}

/// A node's children; made by [`NodeRef::children`].
#[derive(Clone)]
pub struct Children<'d> {
    document: &'d Document<'d>,
    next: u32,
    end: u32,
}

impl<'d> Iterator for Children<'d> {
    type Item = NodeRef<'d>;

    #[inline]
    fn next(&mut self) -> Option<NodeRef<'d>> {
        if self.next >= self.end {
            return None;
        }
        let node = NodeRef { document: self.document, index: self.next };
        self.next = self.document.record(self.next).end.max(self.next + 1);
        Some(node)
    }
}

/// A node's attributes; made by [`NodeRef::attrs`].
#[derive(Clone)]
pub struct Attrs<'d> {
    document: &'d Document<'d>,
    records: std::slice::Iter<'d, AttrRecord>,
}

impl<'d> Iterator for Attrs<'d> {
    type Item = (Text<'d>, ValueRef<'d>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        let name = self.document.reader(record.name_at).text().unwrap_or(Text::EMPTY);
        let value = self.document.reader(record.value_at).value().unwrap_or(ValueRef::Text(Text::EMPTY));
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Attrs<'_> {}
