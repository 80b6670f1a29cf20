//! One entry: sealed, and opened with every MAC checked. Protocol: app state, "Mutations".

use prost::Message as _;
use subtle::ConstantTimeEq as _;
use wa_proto::server_sync::syncd_mutation::SyncdOperation;
use wa_proto::server_sync::{self, SyncdMutation, SyncdRecord};

use super::{AppStateError, ExpandedKey, KeyId, KeyRing};
use crate::crypto::aes;

/// Under what the server knows an entry.
pub type IndexMac = [u8; 32];

/// What of a value enters the hash of its collection.
pub type ValueMac = [u8; 32];

const IV: usize = 16;
const MAC: usize = 32;

/// What is done to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It is written.
    Set,
    /// It goes.
    Remove,
}

impl Operation {
    const fn byte(self) -> u8 {
        match self {
            Self::Set => 1,
            Self::Remove => 2,
        }
    }

    fn of(mutation: &SyncdMutation) -> Result<Self, AppStateError> {
        match mutation.operation.map_or(Ok(SyncdOperation::Set), SyncdOperation::try_from) {
            Ok(SyncdOperation::Set) => Ok(Self::Set),
            Ok(SyncdOperation::Remove) => Ok(Self::Remove),
            Err(_) => Err(AppStateError::Malformed("an unknown operation")),
        }
    }

    const fn to_proto(self) -> SyncdOperation {
        match self {
            Self::Set => SyncdOperation::Set,
            Self::Remove => SyncdOperation::Remove,
        }
    }
}

/// An entry that was opened, or is to be sealed. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What is done to it.
    pub operation: Operation,
    /// The key that seals it.
    pub key_id: KeyId,
    /// Under what the server knows it.
    pub index_mac: IndexMac,
    /// What of it enters the hash.
    pub value_mac: ValueMac,
    /// What it is about: a JSON array of texts, the action's name first.
    pub index: Vec<u8>,
    /// The encoded `SyncActionValue`, so that fields of tomorrow survive; empty where a removal has none.
    pub value: Vec<u8>,
    /// The version of the action's schema.
    pub version: i32,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("operation", &self.operation)
            .field("key_id", &self.key_id)
            .field("value_size", &self.value.len())
            .finish_non_exhaustive()
    }
}

/// `SyncActionData`, with the value as its bytes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct ActionData {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) index: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) value: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    padding: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "4")]
    pub(super) version: Option<i32>,
}

impl std::fmt::Debug for ActionData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActionData(..)")
    }
}

/// A record as it came, looked at and not opened.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) operation: Operation,
    pub(super) key_id: KeyId,
    pub(super) index_mac: IndexMac,
    blob: Vec<u8>,
}

impl Sealed {
    pub(super) fn of_mutation(mutation: SyncdMutation) -> Result<Self, AppStateError> {
        let operation = Operation::of(&mutation)?;
        Self::new(operation, mutation.record.ok_or(AppStateError::Malformed("a mutation without record"))?)
    }

    pub(super) fn new(operation: Operation, record: SyncdRecord) -> Result<Self, AppStateError> {
        let index = record.index.and_then(|index| index.blob).unwrap_or_default();
        let blob = record.value.and_then(|value| value.blob).unwrap_or_default();
        // Content and MAC: less is nothing that was ever sealed.
        if blob.len() < IV + 16 + MAC || !(blob.len() - IV - MAC).is_multiple_of(16) {
            return Err(AppStateError::TooShort);
        }
        Ok(Self {
            operation,
            key_id: read_key_id(record.key_id.as_ref())?,
            index_mac: index
                .as_slice()
                .try_into()
                .map_err(|_| AppStateError::Malformed("an index of a wrong length"))?,
            blob,
        })
    }

    /// The MAC as it came, not checked.
    pub(super) fn value_mac(&self) -> ValueMac {
        self.blob.last_chunk().copied().unwrap_or_default()
    }

    /// Opens it, and checks both MACs.
    pub(super) fn open(&self, keys: &KeyRing) -> Result<Record, AppStateError> {
        let key = keys.get(self.key_id).ok_or_else(|| AppStateError::MissingKeys(vec![self.key_id]))?;
        let (content, mac) = self.blob.split_last_chunk::<MAC>().ok_or(AppStateError::TooShort)?;
        let (iv, ciphertext) = content.split_first_chunk::<IV>().ok_or(AppStateError::TooShort)?;
        let expected = value_mac(key, self.operation, self.key_id, content);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(AppStateError::ValueMac);
        }
        let malformed = AppStateError::Malformed("a value that is none");
        let plaintext = aes::cbc_decrypt(&key.encryption, iv, ciphertext).map_err(|_| malformed.clone())?;
        let data = ActionData::decode(plaintext.as_slice()).map_err(|_| malformed)?;
        let index = data.index.unwrap_or_default();
        if !bool::from(key.index.sign(&[&index]).ct_eq(&self.index_mac)) {
            return Err(AppStateError::IndexMac);
        }
        Ok(Record {
            operation: self.operation,
            key_id: self.key_id,
            index_mac: self.index_mac,
            value_mac: *mac,
            index,
            value: data.value.unwrap_or_default(),
            version: data.version.unwrap_or_default(),
        })
    }
}

impl Record {
    /// Opens one mutation by itself, and checks its MACs.
    ///
    /// # Errors
    /// [`AppStateError`].
    pub fn open(mutation: SyncdMutation, keys: &KeyRing) -> Result<Self, AppStateError> {
        Sealed::of_mutation(mutation)?.open(keys)
    }

    /// Seals an entry; returns it, and what goes to the server. `iv` is 16 random bytes, used once.
    #[must_use]
    pub fn seal(
        operation: Operation,
        (key_id, key): (KeyId, &ExpandedKey),
        (index, value, version): (Vec<u8>, Vec<u8>, i32),
        iv: &[u8; 16],
    ) -> (Self, SyncdMutation) {
        let data = ActionData {
            index: Some(index.clone()),
            value: Some(value.clone()),
            padding: Some(Vec::new()),
            version: Some(version),
        };
        let plaintext = data.encode_to_vec();
        let mut blob = Vec::with_capacity(IV + aes::cbc_encrypted_len(plaintext.len()) + MAC);
        blob.extend_from_slice(iv);
        aes::cbc_encrypt_append(&key.encryption, iv, &plaintext, &mut blob);
        let value_mac = value_mac(key, operation, key_id, &blob);
        blob.extend_from_slice(&value_mac);
        let index_mac = key.index.sign(&[&index]);
        let mutation = SyncdMutation {
            operation: Some(operation.to_proto().into()),
            record: Some(SyncdRecord {
                index: Some(server_sync::SyncdIndex { blob: Some(index_mac.to_vec()) }),
                value: Some(server_sync::SyncdValue { blob: Some(blob) }),
                key_id: Some(write_key_id(key_id)),
            }),
        };
        (Self { operation, key_id, index_mac, value_mac, index, value, version }, mutation)
    }
}

fn value_mac(key: &ExpandedKey, operation: Operation, id: KeyId, content: &[u8]) -> ValueMac {
    let id = id.to_bytes();
    let length = (1 + id.len() as u64).to_be_bytes();
    let mac = key.value_mac.sign(&[&[operation.byte()], &id, content, &length]);
    mac.first_chunk().copied().unwrap_or_default()
}

/// The MAC of an index under a key.
pub(super) fn index_mac(key: &ExpandedKey, index: &[u8]) -> IndexMac {
    key.index.sign(&[index])
}

pub(super) fn read_key_id(id: Option<&server_sync::KeyId>) -> Result<KeyId, AppStateError> {
    let bytes = id.and_then(|id| id.id.as_deref()).unwrap_or_default();
    KeyId::from_bytes(bytes).ok_or(AppStateError::Malformed("a key id of a wrong length"))
}

pub(super) fn write_key_id(id: KeyId) -> server_sync::KeyId {
    server_sync::KeyId { id: Some(id.to_bytes().to_vec()) }
}

/// The MAC over a whole collection.
pub(super) fn snapshot_mac(
    key: &ExpandedKey,
    hash: &super::LtHash,
    version: u64,
    collection: super::Collection,
) -> [u8; 32] {
    key.snapshot_mac.sign(&[&hash.to_bytes(), &version.to_be_bytes(), collection.name().as_bytes()])
}

/// The MAC over a patch.
pub(super) fn patch_mac(
    key: &ExpandedKey,
    snapshot_mac: &[u8],
    values: &[ValueMac],
    version: u64,
    collection: super::Collection,
) -> [u8; 32] {
    let name = collection.name().as_bytes();
    key.patch_mac.sign(&[snapshot_mac, values.as_flattened(), &version.to_be_bytes(), name])
}

/// Compares what came with what was computed.
pub(super) fn is_same(came: Option<&[u8]>, computed: &[u8; 32]) -> bool {
    came.is_some_and(|came| bool::from(came.ct_eq(computed.as_slice())))
}
