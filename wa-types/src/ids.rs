//! Ids of messages, pre-keys and registrations.

use std::fmt;

use smol_str::SmolStr;

/// The id of a message, unique per sender. Protocol: messages, "Message id".
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(SmolStr);

impl MessageId {
    /// An id as it came, or as the caller chose it; any text is one.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(SmolStr::new(id))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for MessageId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

impl AsRef<str> for MessageId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The id of a one-time or signed pre-key: 24 bits, never 0. Protocol: prekeys and devices, "Ids and key material".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PreKeyId(u32);

impl PreKeyId {
    /// The first id.
    pub const FIRST: Self = Self(1);
    /// The largest id; the one after it is [`Self::FIRST`].
    pub const MAX: Self = Self(0x00FF_FFFF);

    /// The id of this number; `None` for 0 and for what does not fit in 24 bits.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 || number > Self::MAX.0 { None } else { Some(Self(number)) }
    }

    /// The id's number, 1 to 16 777 215.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The id after this one; wraps to 1.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 == Self::MAX.0 { Self::FIRST } else { Self(self.0 + 1) }
    }

    /// The three big-endian bytes of stanzas.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, high, middle, low] = self.0.to_be_bytes();
        [high, middle, low]
    }

    /// Reads the three big-endian bytes of stanzas; `None` for 0.
    #[must_use]
    pub const fn from_bytes([high, middle, low]: [u8; 3]) -> Option<Self> {
        Self::new(u32::from_be_bytes([0, high, middle, low]))
    }
}

impl fmt::Display for PreKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The registration id that a device announces with its keys. We make 14-bit ones; others may use 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistrationId(pub u32);

impl RegistrationId {
    /// The four big-endian bytes of stanzas.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
