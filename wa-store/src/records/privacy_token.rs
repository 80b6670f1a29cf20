//! Tokens of trust: given to us by a user, and given by us. Protocol: messages, "Privacy tokens".

use std::fmt;

use wa_types::{Jid, UnixSeconds};
use zeroize::ZeroizeOnDrop;

use crate::store::StoreFuture;

/// What is known of the tokens between a user and us. `Debug` shows no token.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a new field must not compile until it is stored")]
pub struct PrivacyToken {
    /// The user, without a device number: the LID where it is known, else the phone number.
    pub user: Jid,
    /// The token that the user gave us, and when it was issued.
    pub received: Option<(Vec<u8>, UnixSeconds)>,
    /// When we last gave the user one of ours.
    pub issued: Option<UnixSeconds>,
}

impl fmt::Debug for PrivacyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyToken")
            .field("user", &self.user)
            .field("received", &self.received.as_ref().map(|(_, at)| at))
            .field("issued", &self.issued)
            .finish()
    }
}

/// The secret from which tokens for users are made that gave us none. Wiped on drop, never shown.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct NctSalt(Vec<u8>);

impl NctSalt {
    /// A salt from its bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes. A secret: keep them out of logs.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for NctSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NctSalt(..)")
    }
}

/// Reads tokens of trust. Written by [`Changes::put_privacy_token`](crate::Changes::put_privacy_token).
pub trait PrivacyTokenReader {
    /// The record of each of these users, in the order asked; `None` where there is none. The two addresses of a user
    /// are two records.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn privacy_tokens(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<PrivacyToken>>>;
}
