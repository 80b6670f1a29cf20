//! The secrets of messages, and what waits for one. Protocol: messages, "messageSecret and secret-encrypted content".
//!
//! Votes, answers to events, and some reactions, comments and edits are sealed with the secret of the message that they
//! belong to. It is stored with that message, whoever wrote it.

use std::fmt;

use wa_types::{MessageId, UnixMillis};
use zeroize::Zeroizing;

use super::inbox::MessageKey;
use crate::store::StoreFuture;

/// The secret of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageSecret {
    /// Which message it is of.
    pub message: MessageKey,
    /// The secret.
    pub secret: Zeroizing<[u8; 32]>,
    /// When the message was sent.
    pub at: UnixMillis,
}

impl fmt::Debug for MessageSecret {
    /// Not the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageSecret")
            .field("message", &self.message)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// A message that came before the one whose secret opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedMessage {
    /// The id of the message whose secret opens it.
    pub target: MessageId,
    /// Which message it is itself.
    pub message: MessageKey,
    /// When it came.
    pub received: UnixMillis,
    /// What is known of it; opaque here.
    pub payload: Vec<u8>,
}

impl fmt::Debug for SealedMessage {
    /// The payload by its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMessage")
            .field("target", &self.target)
            .field("message", &self.message)
            .field("received", &self.received)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// Reads secrets and what waits for them. Written by
/// [`Changes::put_message_secret`](crate::Changes::put_message_secret) and
/// [`Changes::put_sealed`](crate::Changes::put_sealed).
pub trait MessageSecretReader {
    /// The secrets of the messages with each of these ids, in the order asked; those of one id by chat and sender, at
    /// most 16.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn message_secrets(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Vec<MessageSecret>>>;

    /// What waits for the secret of any of these messages, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn sealed_for(&self, targets: &[MessageId], limit: usize) -> StoreFuture<'_, Vec<SealedMessage>>;

    /// The ids of all messages whose secrets something waits for, each once, in their order.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn sealed_targets(&self) -> StoreFuture<'_, Vec<MessageId>>;
}

/// How many secrets are read of one id.
pub(crate) const SECRETS_PER_ID: usize = 16;
