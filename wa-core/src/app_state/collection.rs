//! The five collections. Protocol: app state, "Collections".

use prost::Message as _;

use super::LtHash;

/// A part of the state with a version of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collection {
    /// Push name, locale.
    CriticalBlock,
    /// Contacts.
    CriticalUnblockLow,
    /// Mutes, stars, deletions.
    RegularHigh,
    /// Labels, quick replies, business data.
    Regular,
    /// Archive, pins, read marks.
    RegularLow,
}

impl Collection {
    /// All, in the order in which they are synchronised first.
    pub const ALL: [Self; 5] =
        [Self::CriticalBlock, Self::CriticalUnblockLow, Self::RegularHigh, Self::Regular, Self::RegularLow];

    /// Its name on the wire and in every MAC.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CriticalBlock => "critical_block",
            Self::CriticalUnblockLow => "critical_unblock_low",
            Self::RegularHigh => "regular_high",
            Self::Regular => "regular",
            Self::RegularLow => "regular_low",
        }
    }

    /// The collection of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collection| collection.name() == name)
    }

    /// Whether it is fetched before the others.
    #[must_use]
    pub const fn is_critical(self) -> bool {
        matches!(self, Self::CriticalBlock | Self::CriticalUnblockLow)
    }
}

/// How far this device is in a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectionState {
    /// The last version that was applied; 0 before the first.
    pub version: u64,
    /// The hash over all entries.
    pub hash: LtHash,
    /// A patch's own idea of the hash was another one than ours. Not compared again until the next snapshot.
    pub is_diverged: bool,
}

impl CollectionState {
    /// As bytes that [`Self::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let raw = RawState {
            version: self.version,
            hash: self.hash.to_bytes().to_vec(),
            is_diverged: self.is_diverged,
        };
        raw.encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote; `None` for other bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let raw = RawState::decode(bytes).ok()?;
        Some(Self {
            version: raw.version,
            hash: LtHash::from_bytes(raw.hash.as_slice().try_into().ok()?),
            is_diverged: raw.is_diverged,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawState {
    #[prost(uint64, tag = "1")]
    version: u64,
    #[prost(bytes = "vec", tag = "2")]
    hash: Vec<u8>,
    #[prost(bool, tag = "3")]
    is_diverged: bool,
}
