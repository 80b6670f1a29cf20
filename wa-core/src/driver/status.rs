//! What the account is doing, as its actor tells the handles.

use wa_types::UnixMillis;

/// What an account is doing right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Opening a connection, or logging in.
    Connecting,
    /// Waiting for a phone to scan a code.
    Pairing,
    /// Logged in: messages can be sent.
    Ready,
    /// There is no connection; the next attempt comes by itself.
    Waiting {
        /// When, by our own clock.
        until: UnixMillis,
    },
    /// No connection, and none comes by itself.
    Closed,
    /// The device was unlinked.
    LoggedOut,
}
