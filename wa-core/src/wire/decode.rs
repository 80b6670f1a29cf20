//! Bytes → document. One pass checks everything and notes where it stands; nothing is copied or expanded.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};

use super::document::{AttrRecord, Document, NodeRecord};
use super::value::{Alphabet, JidRef, Text, ValueRef};
use super::{tag, token};

/// How deep nodes may be nested; the root is the first level.
pub const MAX_DEPTH: usize = 128;

/// The largest body that [`unpack`] inflates to: 16 MiB.
pub const MAX_INFLATED: usize = 16 << 20;

/// Why a frame's payload is no node.
///
/// Whatever the cause, the frame is lost and the connection is not: drop the frame, log it, read on. Only
/// [`Self::StreamEnd`] is an event of its own. No variant shows what the frame said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No byte at all.
    #[error("empty payload")]
    Empty,
    /// Not a node but the server's end of the stream: it is about to close the connection.
    #[error("the stream ended")]
    StreamEnd,
    /// The compressed body is not zlib, or is cut short.
    #[error("the compressed body is damaged")]
    Inflate,
    /// The body is larger than we take: 16 MiB after inflating.
    #[error("the body is too large")]
    TooLarge,
    /// The input ends inside an item.
    #[error("the input ends inside an item")]
    Truncated,
    /// A length runs past the end of the input; nothing was allocated for it.
    #[error("a length of {announced} where {remaining} bytes remain")]
    Length {
        /// What the item claims to hold.
        announced: usize,
        /// What is there.
        remaining: usize,
    },
    /// More children than the rest of the input can hold; nothing was allocated for them.
    #[error("{announced} children where {remaining} bytes remain")]
    Count {
        /// How many children the list claims.
        announced: usize,
        /// How many bytes are there.
        remaining: usize,
    },
    /// Nodes are nested more than [`MAX_DEPTH`] deep.
    #[error("nodes are nested too deep")]
    TooDeep,
    /// A node starts with a byte that opens no list.
    #[error("byte {0:#04x} starts no node")]
    NotANode(u8),
    /// A node of size 0.
    #[error("a node of size 0")]
    EmptyNode,
    /// A node whose tag is the empty string.
    #[error("an empty tag")]
    EmptyTag,
    /// A tag byte that has no meaning in this version of the dictionary.
    #[error("undefined tag byte {0:#04x}")]
    Undefined(u8),
    /// A list or an address where text is needed, or a list where an attribute's value is needed.
    #[error("byte {0:#04x} where text is needed")]
    NotText(u8),
    /// A nibble of packed text that stands for no character.
    #[error("nibble {0} stands for no character")]
    Nibble(u8),
    /// A tag, a name, a value or a part of an address is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// An address with a domain number that is none of ours.
    #[error("unknown address domain {0}")]
    Domain(u8),
    /// An address without a server.
    #[error("an address without a server")]
    NoServer,
    /// Bytes after the node, or after the end of the compressed body.
    #[error("{0} bytes after the node")]
    Trailing(usize),
}

/// Takes the flag byte off a decrypted frame, and inflates the body if the flag says so.
///
/// # Errors
/// [`DecodeError::StreamEnd`] for the single byte `02`; [`DecodeError::Empty`], [`DecodeError::Inflate`],
/// [`DecodeError::TooLarge`] (more than [`MAX_INFLATED`]), [`DecodeError::Trailing`].
pub fn unpack(payload: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    const COMPRESSED: u8 = 0x02;
    match payload {
        [] => Err(DecodeError::Empty),
        [COMPRESSED] => Err(DecodeError::StreamEnd),
        [flag, body @ ..] if flag & COMPRESSED != 0 => inflate(body).map(Cow::Owned),
        [_, body @ ..] => Ok(Cow::Borrowed(body)),
    }
}

fn inflate(compressed: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut zlib = Decompress::new(true);
    let mut body = Vec::with_capacity(compressed.len().saturating_mul(3).clamp(256, MAX_INFLATED + 1));
    let mut rest = compressed;
    loop {
        let before = (zlib.total_in(), zlib.total_out());
        let status =
            zlib.decompress_vec(rest, &mut body, FlushDecompress::None).map_err(|_| DecodeError::Inflate)?;
        let consumed = usize::try_from(zlib.total_in() - before.0).unwrap_or(usize::MAX);
        rest = rest.get(consumed..).unwrap_or_default();
        if body.len() > MAX_INFLATED {
            return Err(DecodeError::TooLarge);
        }
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(body),
            Status::StreamEnd => return Err(DecodeError::Trailing(rest.len())),
            _ if body.len() == body.capacity() => {
                let capacity = body.len().saturating_mul(2).min(MAX_INFLATED + 1);
                body.reserve_exact(capacity - body.len());
            }
            // Room for more and nothing done: the input ended.
            _ if (zlib.total_in(), zlib.total_out()) == before => return Err(DecodeError::Inflate),
            _ => {}
        }
    }
}

/// Checks a body, which is what follows the flag byte, and notes where its nodes stand.
///
/// Two allocations for most documents, in proportion to the input and never to a number that the input announces.
///
/// # Errors
/// Everything in [`DecodeError`] but what [`unpack`] finds.
pub fn decode(body: &[u8]) -> Result<Document<'_>, DecodeError> {
    let (nodes, attrs) = check(body)?;
    Ok(Document { body: Cow::Borrowed(body), nodes, attrs })
}

/// [`decode`] for a document that must outlive its frame: it keeps the body. Use it for what [`unpack`] inflated, too.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_owned(body: Vec<u8>) -> Result<Document<'static>, DecodeError> {
    let (nodes, attrs) = check(&body)?;
    Ok(Document { body: Cow::Owned(body), nodes, attrs })
}

fn check(body: &[u8]) -> Result<(Vec<NodeRecord>, Vec<AttrRecord>), DecodeError> {
    if body.is_empty() {
        return Err(DecodeError::Empty);
    }
    if u32::try_from(body.len()).is_err() {
        return Err(DecodeError::TooLarge);
    }
    let mut checker = Checker {
        reader: Reader { rest: body },
        size: body.len(),
        // A page of the allocator's small classes at most; lists that need more say so when they come.
        nodes: Vec::with_capacity((body.len() / 16).clamp(1, 64)),
        attrs: Vec::with_capacity((body.len() / 8).clamp(1, 128)),
    };
    checker.node(1)?;
    match checker.reader.rest.len() {
        0 => Ok((checker.nodes, checker.attrs)),
        trailing => Err(DecodeError::Trailing(trailing)),
    }
}

/// A list of one, and a tag of one byte.
const SMALLEST_NODE: usize = 3;
/// A name and a value of one byte.
const SMALLEST_ATTR: usize = 2;

/// The pass over the whole body.
struct Checker<'a> {
    reader: Reader<'a>,
    size: usize,
    nodes: Vec<NodeRecord>,
    attrs: Vec<AttrRecord>,
}

impl Checker<'_> {
    fn at(&self) -> u32 {
        place(self.size - self.reader.rest.len())
    }

    fn node(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let size = match self.reader.u8()? {
            tag::LIST_8 => usize::from(self.reader.u8()?),
            tag::LIST_16 => usize::from(self.reader.u16()?),
            other => return Err(DecodeError::NotANode(other)),
        };
        if size == 0 {
            return Err(DecodeError::EmptyNode);
        }
        let index = self.nodes.len();
        let tag_at = self.at();
        if self.reader.text()?.is_empty() {
            return Err(DecodeError::EmptyTag);
        }
        self.nodes.push(NodeRecord { tag_at, attrs: place(self.attrs.len()), content_at: 0, end: 0 });
        for _ in 0..(size - 1) / 2 {
            let name_at = self.at();
            self.reader.text()?;
            let value_at = self.at();
            self.reader.value()?;
            self.attrs.push(AttrRecord { name_at, value_at });
        }
        let mut content_at = 0;
        if size % 2 == 0 {
            content_at = self.at();
            if let Item::List(count) = self.reader.content()? {
                self.children(usize::from(count), depth)?;
            }
        }
        let end = place(self.nodes.len());
        if let Some(node) = self.nodes.get_mut(index) {
            node.content_at = content_at;
            node.end = end;
        }
        Ok(())
    }

    fn children(&mut self, count: usize, depth: usize) -> Result<(), DecodeError> {
        let remaining = self.reader.rest.len();
        if count > remaining / SMALLEST_NODE {
            return Err(if remaining == 0 {
                DecodeError::Truncated
            } else {
                DecodeError::Count { announced: count, remaining }
            });
        }
        let Some(others) = count.checked_sub(1) else { return Ok(()) };
        let (nodes, attrs) = (self.nodes.len(), self.attrs.len());
        self.node(depth + 1)?;
        if others > 0 {
            // Siblings are mostly alike: room for all of them at once, within what the rest of the input can hold.
            let remaining = self.reader.rest.len();
            let expected = |first: usize, smallest| first.saturating_mul(others).min(remaining / smallest);
            self.nodes.reserve(expected(self.nodes.len() - nodes, SMALLEST_NODE));
            self.attrs.reserve(expected(self.attrs.len() - attrs, SMALLEST_ATTR));
        }
        for _ in 0..others {
            self.node(depth + 1)?;
        }
        Ok(())
    }
}

/// Bodies are checked to be shorter than 4 GiB, and hold fewer items than bytes.
fn place(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// What stands in a node's content.
pub(super) enum Item<'a> {
    Bytes(&'a [u8]),
    Text(Text<'a>),
    Jid(JidRef<'a>),
    /// This many nodes follow.
    List(u16),
}

/// Reads items off the front of a body.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    fn u8(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(DecodeError::Length { announced: length, remaining: self.rest.len() });
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// What follows one of the three binary tags.
    #[inline]
    fn binary(&mut self, tag: u8) -> Result<&'a [u8], DecodeError> {
        let length = match tag {
            tag::BINARY_8 => usize::from(self.u8()?),
            tag::BINARY_20 => {
                let [high, middle, low] = self.array()?;
                u32::from_be_bytes([0, high & 0x0F, middle, low]) as usize
            }
            _ => u32::from_be_bytes(self.array()?) as usize,
        };
        self.bytes(length)
    }

    /// A tag, a name, or a part of an address.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        let tag = self.u8()?;
        match token::single(tag) {
            Some(text) => Ok(Text::token(text)),
            None => self.longer_text(tag),
        }
    }

    /// Text that is no single-byte token.
    fn longer_text(&mut self, tag: u8) -> Result<Text<'a>, DecodeError> {
        match tag {
            tag::LIST_EMPTY => Ok(Text::EMPTY),
            tag::DOUBLE_FIRST..=tag::DOUBLE_LAST => {
                let text = token::double(tag - tag::DOUBLE_FIRST, self.u8()?);
                text.map(Text::token).ok_or(DecodeError::Undefined(tag))
            }
            tag::NIBBLE_8 => self.packed(Alphabet::Nibble),
            tag::HEX_8 => self.packed(Alphabet::Hex),
            tag::BINARY_8 | tag::BINARY_20 | tag::BINARY_32 => {
                let bytes = self.binary(tag)?;
                str::from_utf8(bytes).map(Text::raw).map_err(|_| DecodeError::Utf8)
            }
            tag::INTEROP_JID..=tag::JID_PAIR => Err(DecodeError::NotText(tag)),
            _ => Err(DecodeError::Undefined(tag)),
        }
    }

    #[inline]
    fn packed(&mut self, alphabet: Alphabet) -> Result<Text<'a>, DecodeError> {
        let length = self.u8()?;
        let bytes = self.bytes(usize::from(length & 0x7F))?;
        Text::packed(alphabet, bytes, length & 0x80 != 0).map_err(DecodeError::Nibble)
    }

    /// The value of an attribute.
    #[inline]
    pub(super) fn value(&mut self) -> Result<ValueRef<'a>, DecodeError> {
        let tag = self.u8()?;
        if let Some(text) = token::single(tag) {
            return Ok(ValueRef::Text(Text::token(text)));
        }
        match tag {
            tag::INTEROP_JID..=tag::AD_JID | tag::JID_PAIR => self.jid(tag).map(ValueRef::Jid),
            _ => self.longer_text(tag).map(ValueRef::Text),
        }
    }

    /// What follows one of the four JID tags.
    fn jid(&mut self, tag: u8) -> Result<JidRef<'a>, DecodeError> {
        if tag == tag::AD_JID {
            let [domain, device] = self.array()?;
            let server = match domain {
                0 => "s.whatsapp.net",
                1 => "lid",
                129 => "hosted.lid",
                other if other & 0x80 != 0 && other & 1 == 0 => "hosted",
                other => return Err(DecodeError::Domain(other)),
            };
            let user = self.text()?;
            return Ok(JidRef {
                user,
                server: Text::token(server),
                device: u16::from(device),
                integrator: 0,
            });
        }
        let user = self.text()?;
        let device = if tag == tag::JID_PAIR { 0 } else { self.u16()? };
        let integrator = if tag == tag::INTEROP_JID { self.u16()? } else { 0 };
        let server = self.text()?;
        if server.is_empty() {
            return Err(DecodeError::NoServer);
        }
        Ok(JidRef { user, server, device, integrator })
    }

    /// The content of a node; of children only their number.
    #[inline]
    pub(super) fn content(&mut self) -> Result<Item<'a>, DecodeError> {
        match self.u8()? {
            tag::LIST_EMPTY => Ok(Item::List(0)),
            tag::LIST_8 => Ok(Item::List(u16::from(self.u8()?))),
            tag::LIST_16 => self.u16().map(Item::List),
            tag @ (tag::BINARY_8 | tag::BINARY_20 | tag::BINARY_32) => self.binary(tag).map(Item::Bytes),
            tag @ (tag::INTEROP_JID..=tag::AD_JID | tag::JID_PAIR) => self.jid(tag).map(Item::Jid),
            tag => match token::single(tag) {
                Some(text) => Ok(Item::Text(Text::token(text))),
                None => self.longer_text(tag).map(Item::Text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was reserved while reading, whether or not the body turned out to be a node.
    fn reserved(body: &[u8]) -> usize {
        let mut checker =
            Checker { reader: Reader { rest: body }, size: body.len(), nodes: Vec::new(), attrs: Vec::new() };
        let _ = checker.node(1);
        checker.nodes.capacity() * size_of::<NodeRecord>()
            + checker.attrs.capacity() * size_of::<AttrRecord>()
    }

    /// A record of 16 bytes for a node of 3, one of 8 for an attribute of 2, and vectors that double.
    fn bound(body: &[u8]) -> usize {
        256 + body.len() * 2 * (16_usize.div_ceil(3) + 8 / 2)
    }

    #[test]
    fn a_record_is_small() {
        assert_eq!((size_of::<NodeRecord>(), size_of::<AttrRecord>()), (16, 8));
    }

    #[test]
    fn memory_follows_the_input_and_not_what_it_announces() {
        let item = [0xF8, 0x03, 0x3F, 0x08, 0x2D];
        let announced = [&[0xF8, 0x02, 0x19, 0xF9, 0xFF, 0xFF][..], &item, &[0; 1000]].concat();
        let smallest =
            [&[0xF8, 0x02, 0x19, 0xF9, 0xFF, 0xFF][..], &[0xF8, 0x01, 0x3F].repeat(65535)].concat();
        let attrs = [&[0xF9, 0xFF, 0xFF, 0x19][..], &[0x08, 0x2D].repeat(32767)].concat();
        let full = [&[0xF8, 0x02, 0x19, 0xF9, 0x27, 0x10][..], &item.repeat(10_000)].concat();
        for body in [&announced, &smallest, &attrs, &full] {
            assert!(reserved(body) <= bound(body), "{} for {}", reserved(body), body.len());
        }
        assert!(check(&smallest).is_ok() && check(&attrs).is_ok());
        let (nodes, attrs) = check(&full).unwrap();
        assert_eq!((nodes.len(), attrs.len()), (10_001, 10_000));
        assert!(nodes.capacity() < 10_100 && attrs.capacity() < 10_200, "room for all siblings at once");
    }

    proptest! {
        #[test]
        fn memory_is_bounded(body in prop::collection::vec(
            prop_oneof![Just(0xF8), Just(0x00), Just(0xFC), 0..6_u8, any::<u8>()], 0..400,
        )) {
            prop_assert!(reserved(&body) <= bound(&body));
        }
    }
}
