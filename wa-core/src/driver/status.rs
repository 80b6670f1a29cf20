//! What the account is doing, as its actor tells the handles.

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
    /// The connection was lost; the next attempt comes by itself.
    Waiting,
    /// No connection, and none comes by itself.
    Closed,
    /// The device was unlinked.
    LoggedOut,
}
