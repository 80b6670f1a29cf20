//! What a document's names and attributes are: text and addresses, borrowed from the frame and expanded on demand.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;
use wa_types::{Jid, JidError, Server};

/// Text in a document, as it stands there: a token, raw UTF-8, or packed two characters to the byte.
///
/// Compare it with `==`; that allocates nothing. `Display` is the text; `Debug` is safe for logs.
#[derive(Clone, Copy)]
pub struct Text<'d>(Form<'d>);

#[derive(Clone, Copy)]
enum Form<'d> {
    /// From the dictionary: outlives the frame.
    Token(&'static str),
    Raw(&'d str),
    /// Checked when it was made: every nibble but an odd last one stands for a character.
    Packed {
        alphabet: Alphabet,
        bytes: &'d [u8],
        odd: bool,
    },
}

/// What the nibbles of packed text stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// `0-9`, `-`, `.`
    Nibble,
    /// `0-9`, `A-F`
    Hex,
}

/// Packed text is announced with 7 bits: at most 127 bytes.
const MAX_PACKED: usize = 254;

impl<'d> Text<'d> {
    pub(super) const EMPTY: Self = Self::token("");

    pub(super) const fn token(text: &'static str) -> Self {
        Self(Form::Token(text))
    }

    pub(super) const fn raw(text: &'d str) -> Self {
        Self(Form::Raw(text))
    }

    /// Packed text, or the nibble that stands for nothing.
    #[inline]
    pub(super) fn packed(alphabet: Alphabet, bytes: &'d [u8], odd: bool) -> Result<Self, u8> {
        if alphabet == Alphabet::Nibble {
            // A nibble above 11 has its two high bits set. The low nibble of an odd last byte is filler.
            let undefined = |byte: &u8| byte & (byte << 1) & 0x88;
            let (whole, last) = match bytes.split_last() {
                Some((last, whole)) if odd => (whole, last & 0xF0),
                _ => (bytes, 0),
            };
            if whole.iter().fold(undefined(&last), |found, byte| found | undefined(byte)) != 0 {
                let mut nibbles = whole.iter().chain([&last]).flat_map(|byte| [byte >> 4, byte & 0x0F]);
                return Err(nibbles.find(|nibble| *nibble > 11).unwrap_or_default());
            }
        }
        Ok(Self(Form::Packed { alphabet, bytes, odd }))
    }

    /// The text; allocates only when it is packed.
    #[must_use]
    pub fn as_str(&self) -> Cow<'d, str> {
        match self.0 {
            Form::Token(text) => Cow::Borrowed(text),
            Form::Raw(text) => Cow::Borrowed(text),
            Form::Packed { .. } => Cow::Owned(self.with_str(str::to_owned)),
        }
    }

    /// The text, owned; short ones (23 bytes) and those of the dictionary without allocation.
    #[must_use]
    pub fn to_smol(&self) -> SmolStr {
        match self.0 {
            Form::Token(text) => SmolStr::new_static(text),
            Form::Raw(text) => SmolStr::new(text),
            Form::Packed { .. } => self.with_str(|text| SmolStr::new(text)),
        }
    }

    /// Parses the text, for instance as a number, without allocation.
    ///
    /// # Errors
    /// Those of `T`.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.with_str(str::parse)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Form::Token(text) | Form::Raw(text) => text.len(),
            Form::Packed { bytes, odd, .. } => (bytes.len() * 2).saturating_sub(usize::from(odd)),
        }
    }

    /// Whether there is no character in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands the text to `read`; packed text is expanded on the stack.
    #[inline]
    pub fn with_str<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        match self.0 {
            Form::Token(text) | Form::Raw(text) => read(text),
            Form::Packed { alphabet, bytes, .. } => {
                let mut expanded = [0; MAX_PACKED];
                for (pair, byte) in expanded.chunks_exact_mut(2).zip(bytes) {
                    pair.copy_from_slice(&[alphabet.character(byte >> 4), alphabet.character(byte & 0x0F)]);
                }
                let characters = expanded.get(..self.len()).unwrap_or_default();
                read(str::from_utf8(characters).unwrap_or_default())
            }
        }
    }

    /// For names: those of the dictionary are borrowed.
    pub(super) fn into_name(self) -> Cow<'static, str> {
        match self.0 {
            Form::Token(text) => Cow::Borrowed(text),
            _ => Cow::Owned(self.as_str().into_owned()),
        }
    }
}

impl Alphabet {
    #[inline]
    fn character(self, nibble: u8) -> u8 {
        let characters = match self {
            Self::Nibble => b"0123456789-.\0\0\0\0",
            Self::Hex => b"0123456789ABCDEF",
        };
        characters.get(usize::from(nibble & 0x0F)).copied().unwrap_or_default()
    }
}

impl PartialEq<str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        match self.0 {
            Form::Token(text) | Form::Raw(text) => text == other,
            Form::Packed { .. } => self.len() == other.len() && self.with_str(|text| text == other),
        }
    }
}

impl PartialEq<&str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        other.with_str(|text| self == text)
    }
}

impl Eq for Text<'_> {}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| f.pad(text))
    }
}

/// Shows what is in the dictionary, and of any other text only the length: it may be a person's name.
impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Token(text) => fmt::Debug::fmt(text, f),
            _ => write!(f, "[{} bytes]", self.len()),
        }
    }
}

/// An address in a document. `Debug` is safe for logs, `Display` is the text form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JidRef<'d> {
    pub(super) user: Text<'d>,
    pub(super) server: Text<'d>,
    pub(super) device: u16,
    pub(super) integrator: u16,
}

impl<'d> JidRef<'d> {
    /// The part before `@`, without the device; empty for a service.
    #[must_use]
    pub const fn user(&self) -> Text<'d> {
        self.user
    }

    /// The name of the server; [`Self::to_jid`] has it typed.
    #[must_use]
    pub const fn server(&self) -> Text<'d> {
        self.server
    }

    /// The device number; 0 is the phone, or "the user".
    #[must_use]
    pub const fn device(&self) -> u16 {
        self.device
    }

    /// The third-party network of an `interop` address; 0 elsewhere.
    #[must_use]
    pub const fn integrator(&self) -> u16 {
        self.integrator
    }

    /// The address, owned; mostly without allocation.
    #[must_use]
    pub fn to_jid(&self) -> Jid {
        let server = self.server.with_str(Server::from_name);
        let jid = self.user.with_str(|user| Jid::new(user, server));
        jid.with_device(self.device).with_integrator(self.integrator)
    }
}

impl fmt::Display for JidRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jid().fmt(f)
    }
}

impl fmt::Debug for JidRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_jid(), f)
    }
}

/// The value of an attribute in a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'d> {
    /// Text; numbers and booleans are text too, and some senders write addresses as text.
    Text(Text<'d>),
    /// An address with one of the JID tags.
    Jid(JidRef<'d>),
}

impl<'d> ValueRef<'d> {
    /// The value as text; a JID in its text form.
    #[must_use]
    pub fn to_text(&self) -> Cow<'d, str> {
        match self {
            Self::Text(text) => text.as_str(),
            Self::Jid(jid) => Cow::Owned(jid.to_string()),
        }
    }

    /// The value as an address; a text is parsed.
    ///
    /// # Errors
    /// When it is a text that spells no JID.
    pub fn to_jid(&self) -> Result<Jid, JidError> {
        match self {
            Self::Text(text) => text.parse(),
            Self::Jid(jid) => Ok(jid.to_jid()),
        }
    }
}

/// Shows addresses in their safe form, and texts as [`Text`] does.
impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => fmt::Debug::fmt(text, f),
            Self::Jid(jid) => fmt::Debug::fmt(jid, f),
        }
    }
}
