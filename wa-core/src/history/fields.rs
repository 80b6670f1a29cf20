//! The fields of an encoded message, in place.

use super::limits::HistoryError;

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'b> {
    /// A number, of whatever width.
    Number(u64),
    /// Text, bytes, or a message.
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    pub(super) const fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }

    pub(super) const fn bytes(self) -> Option<&'b [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    pub(super) fn text(self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Varint,
    Fixed(usize),
    Sized,
}

/// Reads a number; how many bytes it takes. `None` when it is cut short, or longer than any number.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}

/// Takes the key of a field apart. Groups are none that this protocol has.
pub(super) fn key(key: u64) -> Option<(u32, Width)> {
    let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
    let width = match key & 7 {
        0 => Width::Varint,
        1 => Width::Fixed(8),
        2 => Width::Sized,
        5 => Width::Fixed(4),
        _ => return None,
    };
    Some((number, width))
}

/// The fields in their order. The last one is an error when the bytes are malformed.
pub(super) const fn of(bytes: &[u8]) -> Fields<'_> {
    Fields { bytes }
}

pub(super) struct Fields<'b> {
    bytes: &'b [u8],
}

impl<'b> Fields<'b> {
    fn take(&mut self) -> Option<(u32, Value<'b>)> {
        let (number, width) = key(self.varint()?)?;
        let value = match width {
            Width::Varint => Value::Number(self.varint()?),
            Width::Sized => {
                let size = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.split(size)?)
            }
            Width::Fixed(size) => {
                let bytes = self.split(size)?;
                Value::Number(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
        };
        Some((number, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let (number, size) = varint(self.bytes)?;
        self.split(size)?;
        Some(number)
    }

    fn split(&mut self, size: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.bytes.split_at_checked(size)?;
        self.bytes = rest;
        Some(head)
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u32, Value<'b>), HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_none() {
            self.bytes = &[];
        }
        Some(field.ok_or(HistoryError::Malformed("a field")))
    }
}
