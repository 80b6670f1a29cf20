//! The transport phase: each direction seals and opens frames with its own key and its own counter.
//! Protocol: transport, "Transport phase".

use crate::crypto::aes::{GcmKey, TAG_SIZE};
use crate::wire::frame::{FrameError, FrameStart, LENGTH_SIZE, MAX_FRAME_SIZE};

/// The nonce of a counter: eight zero bytes, then the counter.
#[must_use]
pub const fn nonce(counter: u32) -> [u8; 12] {
    let [a, b, c, d] = counter.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// Both directions of an established connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct Transport {
    /// Seals what we send.
    pub sender: Sender,
    /// Opens what we receive.
    pub receiver: Receiver,
}

impl Transport {
    pub(super) fn new(send: &[u8; 32], receive: &[u8; 32]) -> Self {
        Self { sender: Sender::new(send, 0), receiver: Receiver::new(receive, 0) }
    }
}

/// Seals frames, in the order in which they must go out: the peer counts them too.
#[derive(Debug)]
pub struct Sender(Direction);

impl Sender {
    /// A sender with a key of its own choice, at a counter of its own choice: for tests and tools.
    /// Connections get theirs from the handshake.
    #[must_use]
    pub fn new(key: &[u8; 32], counter: u32) -> Self {
        Self(Direction { key: GcmKey::new(key), counter: u64::from(counter) })
    }

    /// Encrypts in place what was appended to `out` since `frame` was begun, and completes the frame.
    ///
    /// # Errors
    /// [`TransportError::Frame`] when the frame would be too long: `out` is as before the frame, and the connection
    /// is still good. [`TransportError::Exhausted`] after 2³² frames.
    ///
    /// # Panics
    /// When `out` is not the buffer that `frame` was begun in, or was cut.
    pub fn seal(&mut self, frame: FrameStart, out: &mut Vec<u8>) -> Result<(), TransportError> {
        let size = frame.payload_size(out).saturating_add(TAG_SIZE);
        if size > MAX_FRAME_SIZE {
            frame.abandon(out);
            return Err(FrameError::TooLong { size }.into());
        }
        let Ok(nonce) = self.0.next_nonce() else {
            frame.abandon(out);
            return Err(TransportError::Exhausted);
        };
        self.0.key.seal(nonce, &[], out, frame.payload_start());
        Ok(frame.finish(out)?)
    }

    /// Appends `plaintext` to `out` as a sealed frame, its length included. One copy; [`Self::seal`] needs none.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_frame(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), TransportError> {
        out.reserve(LENGTH_SIZE + plaintext.len() + TAG_SIZE);
        let frame = FrameStart::new(out);
        out.extend_from_slice(plaintext);
        self.seal(frame, out)
    }
}

/// Opens frames, in the order in which they came.
#[derive(Debug)]
pub struct Receiver(Direction);

impl Receiver {
    /// A receiver with a key of its own choice, at a counter of its own choice: for tests and tools.
    /// Connections get theirs from the handshake.
    #[must_use]
    pub fn new(key: &[u8; 32], counter: u32) -> Self {
        Self(Direction { key: GcmKey::new(key), counter: u64::from(counter) })
    }

    /// Decrypts a frame's payload in place and returns the plaintext's part of it.
    ///
    /// # Errors
    /// [`TransportError::Tampered`]: the frame is not the next one that the peer sealed. Close the connection: the
    /// stream is of no use. [`TransportError::Exhausted`] after 2³² frames.
    pub fn open<'f>(&mut self, frame: &'f mut [u8]) -> Result<&'f mut [u8], TransportError> {
        let nonce = self.0.next_nonce()?;
        self.0.key.open(nonce, &[], frame).map_err(|_| TransportError::Tampered)
    }
}

/// Why a frame could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The frame was not sealed by the peer, not for this place, or changed on its way. Close the connection.
    #[error("a frame does not decrypt")]
    Tampered,
    /// All counters of this direction are used up. Close the connection and make a new one.
    #[error("the counter of frames is exhausted")]
    Exhausted,
    /// The frame would be too long to send.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

#[derive(Debug)]
struct Direction {
    key: GcmKey,
    /// The next frame's counter; 2³² when none is left.
    counter: u64,
}

impl Direction {
    fn next_nonce(&mut self) -> Result<[u8; 12], TransportError> {
        let counter = u32::try_from(self.counter).map_err(|_| TransportError::Exhausted)?;
        self.counter += 1;
        Ok(nonce(counter))
    }
}
