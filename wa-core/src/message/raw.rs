//! Finds a field in an encoded message without decoding it, so that nothing unknown inside is lost.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The last length-delimited field of this number; `None` when there is none or the bytes are malformed.
pub(super) fn field(mut bytes: &[u8], number: u32) -> Option<&[u8]> {
    let mut found = None;
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes).ok()?;
        match wire_type {
            WireType::LengthDelimited => {
                let size = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let (value, rest) = bytes.split_at_checked(size)?;
                bytes = rest;
                if tag == number {
                    found = Some(value);
                }
            }
            WireType::Varint => {
                decode_varint(&mut bytes).ok()?;
            }
            WireType::ThirtyTwoBit => bytes = bytes.get(4..)?,
            WireType::SixtyFourBit => bytes = bytes.get(8..)?,
            WireType::StartGroup | WireType::EndGroup => return None,
        }
    }
    found
}
