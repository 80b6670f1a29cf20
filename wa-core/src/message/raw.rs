//! Finds, leaves out and keeps fields of an encoded message without decoding them, so that nothing unknown is lost.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// One field of an encoded message.
pub(super) struct Field<'b> {
    pub(super) number: u32,
    /// What it holds, when it is length-delimited.
    pub(super) value: Option<&'b [u8]>,
    /// The whole of it, with its key.
    pub(super) bytes: &'b [u8],
}

/// The fields in their order; ends early where the bytes are malformed.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let start = bytes;
        if bytes.is_empty() {
            return None;
        }
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let mut value = None;
        if wire_type == WireType::LengthDelimited {
            let size = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
            let (inside, rest) = bytes.split_at_checked(size)?;
            value = Some(inside);
            bytes = rest;
        } else {
            skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
        }
        let (whole, _) = start.split_at_checked(start.len() - bytes.len())?;
        Some(Field { number, value, bytes: whole })
    })
}

/// The last length-delimited field of this number; `None` when there is none or the bytes are malformed before it.
pub(super) fn field(bytes: &[u8], number: u32) -> Option<&[u8]> {
    fields(bytes).filter(|field| field.number == number).filter_map(|field| field.value).last()
}

/// Whether there is any field but these.
pub(super) fn has_others(bytes: &[u8], numbers: &[u32]) -> bool {
    fields(bytes).any(|field| !numbers.contains(&field.number))
}

/// The message with these fields only.
pub(super) fn only(bytes: &[u8], numbers: &[u32]) -> Vec<u8> {
    let kept = fields(bytes).filter(|field| numbers.contains(&field.number));
    kept.flat_map(|field| field.bytes).copied().collect()
}

/// What is found for the first field that something is found for.
pub(super) fn find<T>(bytes: &[u8], find: impl FnMut(u32) -> Option<T>) -> Option<T> {
    fields(bytes).map(|field| field.number).find_map(find)
}

/// The message without these fields.
pub(super) fn without(bytes: &[u8], numbers: &[u32]) -> Vec<u8> {
    let kept = fields(bytes).filter(|field| !numbers.contains(&field.number));
    kept.flat_map(|field| field.bytes).copied().collect()
}

/// The message with this length-delimited field in the place of all of its number.
pub(super) fn with(bytes: &[u8], number: u32, value: &[u8]) -> Vec<u8> {
    let mut whole = without(bytes, &[number]);
    prost::encoding::bytes::encode(number, &value.to_vec(), &mut whole);
    whole
}

/// The same at the end of a path of nested messages; those that are missing are made.
pub(super) fn with_at(bytes: &[u8], path: &[u32], value: Vec<u8>) -> Vec<u8> {
    match path {
        [] => value,
        [number, rest @ ..] => {
            with(bytes, *number, &with_at(field(bytes, *number).unwrap_or_default(), rest, value))
        }
    }
}

/// The message with the fields of another in the place of its own of the same numbers.
pub(super) fn overlaid(bytes: &[u8], with: &[u8]) -> Vec<u8> {
    let numbers: Vec<u32> = fields(with).map(|field| field.number).collect();
    [without(bytes, &numbers).as_slice(), with].concat()
}
