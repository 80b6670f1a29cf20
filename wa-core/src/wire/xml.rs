//! What a node looks like: the whole of it as XML for tests, and what is safe of it for logs.

use std::borrow::Cow;
use std::fmt::{self, Write};

use wa_types::Jid;

use super::decode::Item;
use super::document::{Attrs, Children, Document, NodeRef};
use super::node::{Content, Node, Value};

impl Node {
    /// The whole node as XML, a line for each child, indented by two spaces. Bytes are text where they are printable,
    /// else hexadecimal after `0x`. For tests and for inspection, never for logs: it shows everything.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut xml = String::new();
        // Writing to a String does not fail.
        let _ = write_xml(&mut xml, self, 0);
        xml
    }
}

impl NodeRef<'_> {
    /// [`Node::to_xml`] of a copy.
    #[must_use]
    pub fn to_xml(self) -> String {
        self.to_node().to_xml()
    }
}

fn write_xml(out: &mut String, node: &Node, level: usize) -> fmt::Result {
    write!(out, "{:1$}<{tag}", "", level * 2, tag = node.tag)?;
    for (name, value) in &node.attrs {
        write!(out, " {name}=\"{}\"", Escaped(&value.to_text()))?;
    }
    match &node.content {
        Content::None => out.push_str("/>"),
        Content::Nodes(nodes) if nodes.is_empty() => write!(out, "></{}>", node.tag)?,
        Content::Nodes(nodes) => {
            out.push('>');
            for child in nodes {
                out.push('\n');
                write_xml(out, child, level + 1)?;
            }
            write!(out, "\n{:1$}</{tag}>", "", level * 2, tag = node.tag)?;
        }
        Content::Bytes(_) | Content::Text(_) => {
            out.push('>');
            let bytes = node.content_bytes().unwrap_or_default();
            match str::from_utf8(bytes) {
                Ok(text) if !text.contains(|c: char| c.is_control()) => write!(out, "{}", Escaped(text))?,
                _ => {
                    out.push_str("0x");
                    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
                }
            }
            write!(out, "</{}>", node.tag)?;
        }
    }
    Ok(())
}

struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            c if c.is_control() => write!(f, "&#{};", u32::from(c)),
            c => f.write_char(c),
        })
    }
}

/// `enc v=2 type=msg [123 bytes]`; children in braces, and only the first of many.
///
/// Shown are tags, names, addresses in their safe form, values that are the protocol's own, and lengths. Everything
/// else may be a person's words or a key.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_head(f, &self.tag, self.attrs.iter().map(|(name, value)| (&**name, Cow::Borrowed(value))))?;
        match &self.content {
            Content::None => Ok(()),
            Content::Bytes(bytes) => write_length(f, bytes.len()),
            Content::Text(text) => write_length(f, text.len()),
            Content::Nodes(nodes) => write_children(f, nodes.iter()),
        }
    }
}

/// As [`Node`]'s, without a copy of the node.
impl fmt::Debug for NodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attrs = self.attrs().map(|(name, value)| (name.as_str(), Cow::Owned(Value::from(value))));
        write_head(f, &self.tag().as_str(), attrs)?;
        match self.item() {
            None => Ok(()),
            Some(Item::Bytes(bytes)) => write_length(f, bytes.len()),
            Some(Item::Text(text)) => write_length(f, text.len()),
            Some(Item::Jid(jid)) => write!(f, " [{jid:?}]"),
            Some(Item::List(_)) => write_children(f, self.children()),
        }
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.root())
    }
}

fn write_head<'n>(
    f: &mut fmt::Formatter<'_>,
    tag: &str,
    mut attrs: impl Iterator<Item = (impl AsRef<str>, Cow<'n, Value>)>,
) -> fmt::Result {
    write!(f, "{}", Plain(tag))?;
    for (name, value) in attrs.by_ref().take(MOST_ATTRS) {
        let name = name.as_ref();
        write!(f, " {}=", Plain(name))?;
        match &*value {
            Value::Text(text) if is_shown(name, text) => write!(f, "{}", Plain(text))?,
            Value::Text(text) if ADDRESSES.contains(&name) => match text.parse::<Jid>() {
                Ok(jid) => write!(f, "{jid:?}")?,
                Err(_) => write!(f, "{value:?}")?,
            },
            value => write!(f, "{value:?}")?,
        }
    }
    match attrs.count() {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

fn write_length(f: &mut fmt::Formatter<'_>, length: usize) -> fmt::Result {
    write!(f, " [{length} bytes]")
}

fn write_children(
    f: &mut fmt::Formatter<'_>,
    mut children: impl Iterator<Item = impl fmt::Debug>,
) -> fmt::Result {
    f.write_str(" {")?;
    for (place, child) in children.by_ref().take(MOST_CHILDREN).enumerate() {
        write!(f, "{}{child:?}", if place == 0 { " " } else { ", " })?;
    }
    match children.count() {
        0 => f.write_str(" }"),
        more => write!(f, ", {more} more }}"),
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "[{} bytes]", bytes.len()),
            Self::Text(text) => write!(f, "[{} bytes]", text.len()),
            Self::Nodes(nodes) => f.debug_list().entries(nodes).finish(),
        }
    }
}

/// Shows addresses in their safe form and of a text only the length: it may be a person's name.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "[{} bytes]", text.len()),
            Self::Jid(jid) => write!(f, "{jid:?}"),
        }
    }
}

/// The children that are still to come.
impl fmt::Debug for Children<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The names of the attributes that are still to come.
impl fmt::Debug for Attrs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|(name, _)| name)).finish()
    }
}

/// The attributes whose text is the protocol's own, never a person's.
const SHOWN: &[&str] = &[
    "action",
    "category",
    "class",
    "context",
    "count",
    "decrypt-fail",
    "edit",
    "error",
    "expiration",
    "id",
    "index",
    "key-index",
    "last",
    "mediatype",
    "mode",
    "offline",
    "order",
    "platform",
    "reason",
    "server_id",
    "sid",
    "stage",
    "state",
    "t",
    "ts",
    "type",
    "v",
    "version",
    "xmlns",
];

/// Numbers this short are shown for any attribute: error codes and counts.
const SHORT_NUMBER: usize = 3;

/// The attributes that hold an address, typed or as text.
const ADDRESSES: &[&str] =
    &["from", "to", "participant", "recipient", "jid", "author", "creator", "lid", "pn"];

fn is_shown(name: &str, text: &str) -> bool {
    SHOWN.contains(&name) || (text.len() <= SHORT_NUMBER && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Of a thousand recipients the first few tell enough.
const MOST_CHILDREN: usize = 16;

/// More than any stanza of today has.
const MOST_ATTRS: usize = 32;

/// Short printable ASCII as it is; of anything else the length.
struct Plain<'t>(&'t str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 64 && self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            f.write_str(self.0)
        } else {
            write!(f, "[{} bytes]", self.0.len())
        }
    }
}
