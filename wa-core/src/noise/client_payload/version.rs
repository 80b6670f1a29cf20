//! Which release of the official client we say we are. Protocol: transport, "Application version".

use std::fmt;
use std::str::FromStr;

use md5::{Digest as _, Md5};

/// A client version, written `2.3000.1045649367`. The server refuses those that are too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire has these three")]
pub struct ClientVersion {
    /// The generation of the client, 2.
    pub primary: u32,
    /// The line of releases, 3000 for the web client.
    pub secondary: u32,
    /// The revision: what changes with every release.
    pub tertiary: u32,
}

impl ClientVersion {
    /// The version that this library was made with.
    pub const BUILT_IN: Self = Self::web(1_045_649_367);

    /// The web client's version of this revision.
    #[must_use]
    pub const fn web(revision: u32) -> Self {
        Self { primary: 2, secondary: 3000, tertiary: revision }
    }

    /// What a registration carries beside the version: the MD5 of its text.
    #[must_use]
    pub fn build_hash(self) -> [u8; 16] {
        Md5::digest(self.to_string().as_bytes()).into()
    }
}

impl Default for ClientVersion {
    fn default() -> Self {
        Self::BUILT_IN
    }
}

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.primary, self.secondary, self.tertiary)
    }
}

impl FromStr for ClientVersion {
    type Err = ClientVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(primary)), Some(Ok(secondary)), Some(Ok(tertiary)), None) => {
                Ok(Self { primary, secondary, tertiary })
            }
            _ => Err(ClientVersionError),
        }
    }
}

/// The text is not three numbers with dots between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client version is three numbers with dots between them")]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct ClientVersionError;
