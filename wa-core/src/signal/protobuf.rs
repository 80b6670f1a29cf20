//! The little protobuf that the messages of this layer need: varints and byte strings, borrowed, in any order.

use super::error::MessageFault;

/// Walks over the fields of a message.
pub(super) struct Fields<'a>(&'a [u8]);

/// One field's value, of the two types that this layer uses; fields of the other types are skipped.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, MessageFault> {
        while !self.0.is_empty() {
            let tag = self.varint()?;
            let number = tag >> 3;
            if number == 0 || number > 0x1FFF_FFFF {
                return Err(MessageFault::Protobuf);
            }
            match tag & 7 {
                0 => return Ok(Some((number, Value::Varint(self.varint()?)))),
                1 => _ = self.take(8)?,
                2 => {
                    let size = usize::try_from(self.varint()?).map_err(|_| MessageFault::Protobuf)?;
                    return Ok(Some((number, Value::Bytes(self.take(size)?))));
                }
                5 => _ = self.take(4)?,
                _ => return Err(MessageFault::Protobuf),
            }
        }
        Ok(None)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], MessageFault> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or(MessageFault::Protobuf)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, MessageFault> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(MessageFault::Protobuf)?;
            self.0 = rest;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(MessageFault::Protobuf)
    }
}

impl<'a> Value<'a> {
    /// A `uint32`: of a larger number the lower 32 bits, as every protobuf decoder takes it.
    #[expect(clippy::cast_possible_truncation, reason = "protobuf's own rule for 32-bit fields")]
    pub(super) const fn number(self) -> Result<u32, MessageFault> {
        match self {
            Self::Varint(number) => Ok(number as u32),
            Self::Bytes(_) => Err(MessageFault::Protobuf),
        }
    }

    pub(super) const fn bytes(self) -> Result<&'a [u8], MessageFault> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) => Err(MessageFault::Protobuf),
        }
    }
}

/// Writes a numeric field, also when it is 0.
pub(super) fn put_number(out: &mut Vec<u8>, field: u8, number: u32) {
    out.push(field << 3);
    put_varint(out, number);
}

/// Writes a byte string.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_size(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes the head of a byte string of `size` bytes that the caller writes next.
pub(super) fn put_size(out: &mut Vec<u8>, field: u8, size: usize) {
    out.push(field << 3 | 2);
    put_varint(out, u32::try_from(size).expect("a message is far smaller than 4 GiB"));
}

/// How many bytes a varint takes.
pub(super) const fn varint_len(number: u32) -> usize {
    match number {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}
