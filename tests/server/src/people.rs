//! What the server knows of a user beyond devices: profile, limits, lists.

/// The part of an account that is not about devices and messages.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Until when the account may not write to strangers, unix seconds.
    pub(crate) timelock: Option<u64>,
    /// How many chats it may begin in all, and has begun.
    pub(crate) new_chats: (u64, u64),
}
