//! Node → bytes.

use wa_types::{Jid, Server};

use super::decode::MAX_DEPTH;
use super::node::{Content, Node, Value};
use super::tag;
use super::token::Token;

/// Why a node has no form on the wire. Always a mistake of the caller: sending the same node again fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A node whose tag is the empty string.
    #[error("an empty tag")]
    EmptyTag,
    /// More than 65 535 children, or more than 32 767 attributes. Divide the stanza.
    #[error("a list of {0} items")]
    TooMany(usize),
    /// Text or bytes of 4 GiB or more.
    #[error("{0} bytes in one item")]
    TooLong(usize),
    /// Nodes are nested more than [`MAX_DEPTH`] deep; receivers refuse that.
    #[error("nodes are nested too deep")]
    TooDeep,
    /// An address that the wire cannot say: a device above 255, a device where the server has none, a network number
    /// outside `interop`, or no server.
    #[error("{0:?} has no form on the wire")]
    Jid(Jid),
}

/// Writes a frame's payload: the flag byte `00` and the node.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode(node: &Node) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(256);
    encode_into(node, &mut out)?;
    Ok(out)
}

/// [`encode`] after what is already in `out`. On an error `out` is as it was.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode_into(node: &Node, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    out.push(0);
    Writer { out }.node(node, 1).inspect_err(|_| out.truncate(start))
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node, depth: usize) -> Result<(), EncodeError> {
        if depth > MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        if node.tag.is_empty() {
            return Err(EncodeError::EmptyTag);
        }
        let has_content = !matches!(node.content, Content::None);
        self.list(1 + 2 * node.attrs.len() + usize::from(has_content))?;
        self.text(&node.tag)?;
        for (name, value) in &node.attrs {
            self.text(name)?;
            match value {
                Value::Text(text) => self.text(text)?,
                Value::Jid(jid) => self.jid(jid)?,
            }
        }
        match &node.content {
            Content::None => Ok(()),
            Content::Bytes(bytes) => self.binary(bytes),
            Content::Text(text) => self.text(text),
            Content::Nodes(nodes) => {
                self.list(nodes.len())?;
                nodes.iter().try_for_each(|node| self.node(node, depth + 1))
            }
        }
    }

    fn list(&mut self, size: usize) -> Result<(), EncodeError> {
        let size = u16::try_from(size).map_err(|_| EncodeError::TooMany(size))?;
        match size.to_be_bytes() {
            [0, 0] => self.out.push(tag::LIST_EMPTY),
            [0, size] => self.out.extend_from_slice(&[tag::LIST_8, size]),
            [high, low] => self.out.extend_from_slice(&[tag::LIST_16, high, low]),
        }
        Ok(())
    }

    /// Tags, names, values and text content: a token, else packed, else raw.
    fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        match Token::of(text) {
            Some(Token::Single(byte)) => self.out.push(byte),
            Some(Token::Double(page, index)) => {
                self.out.extend_from_slice(&[tag::DOUBLE_FIRST + page, index])
            }
            None if self.packed(text.as_bytes()) => {}
            None => self.binary(text.as_bytes())?,
        }
        Ok(())
    }

    /// Writes two characters to the byte, if all of them are of one alphabet.
    fn packed(&mut self, text: &[u8]) -> bool {
        if text.is_empty() || text.len() > MAX_PACKED {
            return false;
        }
        let class = text.iter().fold(NIBBLE | HEX, |class, byte| class & packing(*byte));
        let tag = match class & (NIBBLE | HEX) {
            0 => return false,
            HEX => tag::HEX_8,
            _ => tag::NIBBLE_8, // digits alone are of both
        };
        let odd = if text.len() % 2 == 1 { 0x80 } else { 0 };
        let bytes = u8::try_from(text.len().div_ceil(2)).unwrap_or_default(); // at most 64
        self.out.extend_from_slice(&[tag, odd | bytes]);
        let (pairs, last) = text.as_chunks();
        let start = self.out.len();
        self.out.resize(start + pairs.len(), 0);
        let packed = self.out.get_mut(start..).unwrap_or_default();
        for (byte, [high, low]) in packed.iter_mut().zip(pairs) {
            *byte = packing(*high) << 4 | packing(*low) & 0x0F;
        }
        if let [high] = last {
            self.out.push(packing(*high) << 4 | 0x0F);
        }
        true
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let length = u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLong(bytes.len()))?;
        match length.to_be_bytes() {
            [0, 0, 0, length] => self.out.extend_from_slice(&[tag::BINARY_8, length]),
            [0, high @ ..=0x0F, middle, low] => {
                self.out.extend_from_slice(&[tag::BINARY_20, high, middle, low])
            }
            [first, second, third, last] => {
                self.out.extend_from_slice(&[tag::BINARY_32, first, second, third, last])
            }
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// The form that the official client sends for this server. Protocol: wire, "Encoder choice".
    fn jid(&mut self, jid: &Jid) -> Result<(), EncodeError> {
        let no_form = || Err(EncodeError::Jid(jid.clone()));
        let (user, server, device) = (jid.user(), jid.server(), jid.device());
        if server.as_str().is_empty() || (jid.integrator() != 0 && *server != Server::Interop) {
            return no_form();
        }
        let domain = match server {
            Server::Pn => Some(0x00),
            Server::Lid => Some(0x01),
            Server::Hosted => Some(0x80),
            Server::HostedLid => Some(0x81),
            _ => None,
        };
        match (server, domain) {
            _ if user.is_empty() && (device != 0 || jid.integrator() != 0) => return no_form(),
            _ if user.is_empty() => self.out.extend_from_slice(&[tag::JID_PAIR, tag::LIST_EMPTY]),
            (Server::Messenger, _) => {
                self.out.push(tag::FB_JID);
                self.text(user)?;
                self.out.extend_from_slice(&device.to_be_bytes());
            }
            (Server::Interop, _) => {
                self.out.push(tag::INTEROP_JID);
                self.text(user)?;
                self.out.extend_from_slice(&device.to_be_bytes());
                self.out.extend_from_slice(&jid.integrator().to_be_bytes());
            }
            (_, Some(domain)) if device != 0 => {
                let Ok(device) = u8::try_from(device) else { return no_form() };
                self.out.extend_from_slice(&[tag::AD_JID, domain, device]);
                return self.text(user);
            }
            _ if device != 0 => return no_form(),
            _ => {
                self.out.push(tag::JID_PAIR);
                self.text(user)?;
            }
        }
        self.text(server.as_str())
    }
}

/// The longest text that is packed, in characters.
const MAX_PACKED: usize = 127;

/// In the high bits of [`packing`]: of which alphabets a character is.
const NIBBLE: u8 = 0x40;
const HEX: u8 = 0x80;

/// A character's alphabets, and its nibble, which is the same in both.
#[inline]
fn packing(character: u8) -> u8 {
    PACKING.get(usize::from(character)).copied().unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "fails at compile time, if ever")]
static PACKING: [u8; 256] = {
    let mut table = [0; 256];
    let mut nibble = 0;
    while nibble < 16 {
        let alphabets = if nibble < 10 { NIBBLE | HEX } else { HEX };
        table[b"0123456789ABCDEF"[nibble as usize] as usize] = nibble | alphabets;
        nibble += 1;
    }
    table[b'-' as usize] = 10 | NIBBLE;
    table[b'.' as usize] = 11 | NIBBLE;
    table
};
