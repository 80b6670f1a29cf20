//! The token by which a report of a message can be checked later: a MAC, under a key out of the message's secret, over
//! the parts of the message that matter to a report. Protocol: messages, "Reporting token".

use prost::encoding::{WireType, encode_key, encode_varint};
use wa_types::{Jid, MessageId};

use super::raw;
use crate::crypto::kdf::{hkdf_array, hmac_sha256};

/// The version of the table below, as the stanza and the message name it.
pub const VERSION: u8 = 2;

/// How deep messages within messages are looked into; honest ones are three or four deep.
const DEPTH: usize = 16;

/// What of a message the MAC runs over.
enum Rule {
    /// A field as it is.
    Leaf(u32),
    /// The fields of these rules within it.
    Tree(u32, &'static [Self]),
    /// A message within it: the whole table again.
    Message(u32),
}

use Rule::{Leaf, Message, Tree};

const CONTEXT: Rule = Tree(17, &[Leaf(21), Leaf(22)]);
const WRAPPED: &[Rule] = &[Message(1)];
const VIDEO: &[Rule] = &[Leaf(2), Leaf(6), Leaf(7), Leaf(13), CONTEXT, Leaf(20)];
const POLL: &[Rule] =
    &[Leaf(2), Tree(3, &[Leaf(1), Leaf(2)]), Tree(5, &[Leaf(21), Leaf(22)]), Tree(8, &[Leaf(1), Leaf(2)])];

const TABLE: &[Rule] = &[
    Leaf(1),
    Tree(3, &[Leaf(2), Leaf(3), Leaf(8), Leaf(11), CONTEXT, Leaf(25)]),
    Tree(4, &[Leaf(1), Leaf(16), CONTEXT]),
    Tree(5, &[Leaf(3), Leaf(4), Leaf(5), Leaf(16), CONTEXT]),
    Tree(6, &[Leaf(1), CONTEXT, Leaf(30)]),
    Tree(7, &[Leaf(2), Leaf(7), Leaf(10), CONTEXT, Leaf(20)]),
    Tree(8, &[Leaf(2), Leaf(7), Leaf(9), CONTEXT, Leaf(21)]),
    Tree(9, VIDEO),
    Tree(12, &[Leaf(1), Leaf(2), Message(14), Leaf(15)]),
    Tree(18, &[Leaf(6), Leaf(16), CONTEXT]),
    Tree(26, &[Leaf(4), Leaf(5), Leaf(8), Leaf(13), CONTEXT]),
    Tree(28, &[Leaf(1), Leaf(2), Leaf(4), Leaf(5), Leaf(6), Tree(7, &[Leaf(21), Leaf(22)])]),
    Tree(37, WRAPPED),
    Tree(49, POLL),
    Tree(53, WRAPPED),
    Tree(55, WRAPPED),
    Tree(58, WRAPPED),
    Tree(59, WRAPPED),
    Tree(60, POLL),
    Tree(64, POLL),
    Tree(66, VIDEO),
    Tree(74, WRAPPED),
    Tree(87, WRAPPED),
    Tree(88, &[Leaf(1), Tree(2, &[Leaf(1)]), Tree(3, &[Leaf(21), Leaf(22)])]),
    Tree(92, WRAPPED),
    Tree(93, WRAPPED),
    Tree(94, WRAPPED),
];

/// The token of an encoded message, unpadded; `None` for a message of which nothing matters to a report, and for a
/// malformed one. `sender` is our own user, `remote` the recipient or the group.
#[must_use]
pub fn token(
    secret: &[u8; 32],
    id: &MessageId,
    sender: &Jid,
    remote: &Jid,
    message: &[u8],
) -> Option<[u8; 16]> {
    let content = content(message)?;
    let info = format!("{id}{sender}{remote}Report Token");
    let key = hkdf_array::<32>(secret, &[], info.as_bytes());
    hmac_sha256(key.as_slice(), &[&content]).first_chunk().copied()
}

/// What the token runs over; `None` when that is nothing, and for malformed bytes.
#[must_use]
pub fn content(message: &[u8]) -> Option<Vec<u8>> {
    filter(message, TABLE, DEPTH).filter(|content| !content.is_empty())
}

fn filter(bytes: &[u8], rules: &[Rule], depth: usize) -> Option<Vec<u8>> {
    let depth = depth.checked_sub(1)?;
    let (mut kept, mut length) = (Vec::new(), 0);
    for field in raw::fields(bytes) {
        length += field.bytes.len();
        let number = field.number;
        let rule = rules.iter().find(|rule| match rule {
            Leaf(of) | Tree(of, _) | Message(of) => *of == number,
        });
        let inner = match rule {
            None => continue,
            Some(Leaf(_)) => {
                kept.push((number, field.bytes.to_vec()));
                continue;
            }
            Some(Tree(_, rules)) => rules,
            Some(Message(_)) => TABLE,
        };
        let inside = filter(field.value?, inner, depth)?;
        if !inside.is_empty() {
            let mut framed = Vec::with_capacity(inside.len() + 8);
            encode_key(number, WireType::LengthDelimited, &mut framed);
            encode_varint(inside.len() as u64, &mut framed);
            framed.extend(inside);
            kept.push((number, framed));
        }
    }
    if length != bytes.len() {
        return None;
    }
    kept.sort_by_key(|(number, _)| *number);
    Some(kept.into_iter().flat_map(|(_, bytes)| bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_or_nested_without_end_has_no_token() {
        for bytes in [&b"\x0a\x05hi"[..], b"\xff", b"\x1a\x03\x12\x09x", b"\x18\x01", b"\xaa\x02\x00", b""] {
            assert_eq!(content(bytes), None, "{bytes:x?}");
        }
        let mut nested = b"\x0a\x02hi".to_vec();
        for _ in 0..DEPTH {
            for key in [&b"\x0a"[..], b"\xaa\x03"] {
                let mut outer = key.to_vec();
                encode_varint(nested.len() as u64, &mut outer);
                outer.extend(&nested);
                nested = outer;
            }
        }
        assert_eq!(content(&nested), None);
    }
}
