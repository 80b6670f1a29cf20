//! Under which address the application knows a chat. Protocol: messages, "PN and LID addressing".
//!
//! A user has two addresses, and the second one may become known late. The one under which the application first saw
//! the chat stays its name.

use wa_types::{Jid, UnixSeconds};

use crate::store::StoreFuture;

/// To which chat one address of a user leads. All are user JIDs, without a device number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatKey {
    /// The address.
    pub address: Jid,
    /// The chat's name: the address itself, or another one of the same user. That one's own record may lead further,
    /// when two chats turned out to be one.
    pub key: Jid,
    /// Whose chat it is, by LID; kept in the record of the name itself, as far as it is known.
    pub lid: Option<Jid>,
    /// How long the chat's messages stay; kept in the record of the name itself.
    pub expiration: Expiration,
}

/// How long the messages of a chat stay. Protocol: messages, "contextInfo".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expiration {
    /// So many seconds; 0 when they stay for ever.
    pub seconds: u32,
    /// Since when that is so; 0 when nobody said.
    pub since: UnixSeconds,
}

/// Reads chat keys. Written by [`Changes::put_chat_key`](crate::Changes::put_chat_key).
pub trait ChatKeyReader {
    /// The record of each of these addresses, in the order asked; `None` where there is none.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn chat_keys(&self, addresses: &[Jid]) -> StoreFuture<'_, Vec<Option<ChatKey>>>;
}
