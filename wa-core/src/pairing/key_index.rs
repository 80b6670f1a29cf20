//! Which devices of an account are valid: a list of key indexes, signed by its phone. Protocol: pairing, "Key index
//! lists".
//!
//! ```text
//! SignedKeyIndexList::decode ──> verify ──> which devices of the list does it admit?
//! ```
//!
//! A list of another epoch needs no care of its own: with the epoch the account's identity key changes, and that is what
//! ends the sessions with its companions.
//!
//! A user with companions but without a signed list is to be passed over: keep what is known of them.

use prost::Message as _;
use wa_proto::adv::{AdvKeyIndexList, AdvSignedKeyIndexList};
use wa_types::{PublicKey, Signature, UnixSeconds};

use super::adv::{AccountType, Vouched};
use crate::crypto::xeddsa;

/// A signed list of key indexes, as device lists carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedKeyIndexList {
    /// The encoded [`KeyIndexList`], as it was signed.
    pub details: Vec<u8>,
    /// The account's identity key, where the sender added it: hosted accounts do.
    pub account_key: Option<PublicKey>,
    /// By the account key, over details.
    pub signature: Signature,
}

impl SignedKeyIndexList {
    /// Reads a signed list; nothing is verified.
    ///
    /// # Errors
    /// [`KeyIndexError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyIndexError> {
        let list = AdvSignedKeyIndexList::decode(bytes).map_err(|_| KeyIndexError::Malformed)?;
        let account_key = match list.account_signature_key() {
            [] => None,
            key => Some(PublicKey::from_raw(key).map_err(|_| KeyIndexError::Malformed)?),
        };
        Ok(Self {
            account_key,
            signature: Signature::from_slice(list.account_signature()).ok_or(KeyIndexError::Malformed)?,
            details: list.details.ok_or(KeyIndexError::Malformed)?,
        })
    }

    /// The encoded list, with the account key when it is here.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        AdvSignedKeyIndexList {
            details: Some(self.details.clone()),
            account_signature: Some(self.signature.as_bytes().to_vec()),
            account_signature_key: self.account_key.map(|key| key.as_bytes().to_vec()),
        }
        .encode_to_vec()
    }

    /// The same list with the account key enclosed.
    #[must_use]
    pub fn with_account_key(self, key: PublicKey) -> Self {
        Self { account_key: Some(key), ..self }
    }

    /// Checks the signature and reads the list. `known` is the stored identity of the user's device 0. Without any
    /// key the list is read unchecked, and says so.
    ///
    /// # Errors
    /// [`KeyIndexError`]: keep only device 0 of the answer that the list came with.
    pub fn verify(&self, known: Option<&PublicKey>) -> Result<(KeyIndexList, Vouched), KeyIndexError> {
        let list = KeyIndexList::decode(&self.details)?;
        let (vouched, account) = Vouched::choose(self.account_key, known);
        let Some(account) = account else { return Ok((list, vouched)) };
        let message: [&[u8]; 2] = [&list.account_type.list_prefix(), &self.details];
        if xeddsa::verify(&account, &message, &self.signature) {
            Ok((list, vouched))
        } else {
            Err(KeyIndexError::Signature)
        }
    }
}

/// Which devices of an account are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyIndexList {
    /// The epoch of the account: another one after it was registered again.
    pub raw_id: u32,
    /// When the list was signed.
    pub timestamp: UnixSeconds,
    /// The highest index given out when it was signed.
    pub current_index: u32,
    /// The indexes of the devices that lived then.
    pub valid_indexes: Vec<u32>,
    /// Who runs the account.
    pub account_type: AccountType,
}

impl KeyIndexList {
    fn decode(details: &[u8]) -> Result<Self, KeyIndexError> {
        let list = AdvKeyIndexList::decode(details).map_err(|_| KeyIndexError::Malformed)?;
        Ok(Self {
            raw_id: list.raw_id(),
            timestamp: UnixSeconds(list.timestamp()),
            current_index: list.current_index(),
            account_type: AccountType::from_number(list.account_type),
            valid_indexes: list.valid_indexes,
        })
    }

    /// Whether a device is valid: the phone always, a companion when the list holds its index or was signed before
    /// the companion was linked. A companion without an index is not.
    #[must_use]
    pub fn admits(&self, device: u16, key_index: Option<u32>) -> bool {
        if device == 0 {
            return true;
        }
        key_index.is_some_and(|index| index > self.current_index || self.valid_indexes.contains(&index))
    }
}

/// Why a key index list is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyIndexError {
    /// The bytes are no signed list, or a part of it has a wrong length.
    #[error("the key index list is malformed")]
    Malformed,
    /// The account did not sign it.
    #[error("the signature of the key index list does not verify")]
    Signature,
}
