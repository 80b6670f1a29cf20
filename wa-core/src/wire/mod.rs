//! Bytes ↔ nodes: the binary XML that every stanza travels in. Protocol: wire.
//!
//! What is sent is built as an owned [`Node`] and written by [`encode`]. What arrives is read in place: [`unpack`]
//! takes the flag byte off, [`decode`] checks the whole of it once, and the [`Document`] then hands out cursors
//! ([`NodeRef`]) that borrow from the frame.
//!
//! | File | Subject |
//! |---|---|
//! | `node` | [`Node`], [`Value`], [`Content`]: owned, for building |
//! | `document` | [`Document`], [`NodeRef`]: borrowed, for reading |
//! | `value` | [`Text`], [`JidRef`], [`ValueRef`]: what a document's names and attributes are |
//! | `decode`, `encode` | the two directions, with their limits and errors |
//! | [`frame`] | the length in front of every frame |
//! | `token` | the dictionary |
//! | `xml` | what a node looks like in a test and in a log |
//!
//! ```
//! use wa_core::wire::{self, Node};
//! use wa_types::Jid;
//!
//! let ping = Node::new("iq").attr("to", Jid::SERVER).attr("type", "get").child(Node::new("ping"));
//! let frame = wire::encode(&ping)?;
//!
//! let body = wire::unpack(&frame)?;
//! let document = wire::decode(&body)?;
//! assert_eq!(document.root().tag(), "iq");
//! assert_eq!(document.root().to_node(), ping);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod document;
mod encode;
pub mod frame;
mod node;
mod token;
mod value;
mod xml;

pub use decode::{DecodeError, MAX_DEPTH, MAX_INFLATED, decode, decode_owned, unpack};
pub use document::{Attrs, Children, Document, NodeRef};
pub use encode::{EncodeError, encode, encode_into};
pub use node::{Content, Node, Value};
pub use value::{JidRef, Text, ValueRef};

/// The tag bytes that are not tokens. Protocol: wire, "Tag bytes".
mod tag {
    pub(super) const LIST_EMPTY: u8 = 0x00;
    pub(super) const DOUBLE_FIRST: u8 = 0xEC;
    pub(super) const DOUBLE_LAST: u8 = 0xEF;
    pub(super) const INTEROP_JID: u8 = 0xF5;
    pub(super) const FB_JID: u8 = 0xF6;
    pub(super) const AD_JID: u8 = 0xF7;
    pub(super) const LIST_8: u8 = 0xF8;
    pub(super) const LIST_16: u8 = 0xF9;
    pub(super) const JID_PAIR: u8 = 0xFA;
    pub(super) const HEX_8: u8 = 0xFB;
    pub(super) const BINARY_8: u8 = 0xFC;
    pub(super) const BINARY_20: u8 = 0xFD;
    pub(super) const BINARY_32: u8 = 0xFE;
    pub(super) const NIBBLE_8: u8 = 0xFF;
}
