//! Frames: three bytes of length, then the payload, both directions. Protocol: transport, "Connection header and
//! frames".
//!
//! [`FrameBuffer`] takes bytes as the socket hands them out, in pieces of any size, and gives back whole frames.
//! [`FrameStart`] writes a frame in place: the payload is appended behind its length, and may be encrypted there.

use std::mem;

/// The largest payload of a frame: what three bytes of length can say.
pub const MAX_FRAME_SIZE: usize = 0x00FF_FFFF;

/// The bytes of length in front of a payload.
pub const LENGTH_SIZE: usize = 3;

/// Collects received bytes until frames are complete.
///
/// Every byte is copied once, on arrival; frames are handed out in place and mutable, so that they can be decrypted
/// where they lie. Memory grows with the bytes that came, never with what a length announces, and is given back
/// after a large frame was read.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// Where the unread bytes begin.
    start: usize,
    limit: Limit,
}

/// The largest payload to accept.
#[derive(Clone, Copy)]
struct Limit(usize);

impl Default for Limit {
    fn default() -> Self {
        Self(MAX_FRAME_SIZE)
    }
}

impl FrameBuffer {
    /// An empty buffer that accepts frames of any size.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer that refuses frames with more than `size` bytes of payload.
    #[must_use]
    pub fn with_max_frame_size(size: usize) -> Self {
        Self { limit: Limit(size.min(MAX_FRAME_SIZE)), ..Self::default() }
    }

    /// Changes the largest payload that is accepted: small in a handshake, where the peer is not yet known.
    pub fn set_max_frame_size(&mut self, size: usize) {
        self.limit = Limit(size.min(MAX_FRAME_SIZE));
    }

    /// Takes bytes as they came. Read all frames out between two calls; then the buffer never holds more than one
    /// unfinished frame and the last piece.
    ///
    /// # Errors
    /// [`FrameError::Overflow`] when more than 32 MiB would wait unread. Nothing was taken.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if self.unread().len().saturating_add(bytes.len()) > MAX_BUFFERED_SIZE {
            return Err(FrameError::Overflow);
        }
        self.make_room();
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The payload of the next complete frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as the length of a frame exceeds the limit, before its payload is there.
    /// The stream is of no use then.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, FrameError> {
        if self.unread().is_empty() {
            self.make_room(); // gives back what a large frame needed
            return Ok(None);
        }
        let unread = self.unread();
        let available = unread.len();
        let Some(&[high, middle, low]) = unread.first_chunk::<LENGTH_SIZE>() else { return Ok(None) };
        let size = u32::from_be_bytes([0, high, middle, low]) as usize;
        if size > self.limit.0 {
            return Err(FrameError::TooLong { size });
        }
        let whole = LENGTH_SIZE + size;
        if available < whole {
            self.reserve_for(whole, available);
            return Ok(None);
        }
        let payload = self.start + LENGTH_SIZE;
        self.start += whole;
        Ok(self.bytes.get_mut(payload..payload + size))
    }

    /// Passes over the next `count` unread bytes: a server does so with the connection's header.
    pub fn skip(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
    }

    /// The bytes that are not yet part of a frame handed out.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The bytes of memory that this buffer holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Drops what was read. Moves the rest only when it is the smaller part, so the cost stays linear.
    fn make_room(&mut self) {
        if self.start == self.bytes.len() {
            self.start = 0;
            if self.bytes.capacity() > FIRST_RESERVATION {
                self.bytes = Vec::new();
            } else {
                self.bytes.clear();
            }
        } else if self.start > self.bytes.len() / 2 {
            let rest = self.unread().len();
            if self.bytes.capacity() > FIRST_RESERVATION && rest < FIRST_RESERVATION {
                let kept = self.unread().to_vec();
                self.bytes = kept;
            } else {
                self.bytes.copy_within(self.start.., 0);
                self.bytes.truncate(rest);
            }
            self.start = 0;
        }
    }

    /// Spares small frames the regrowth; a long one grows as its bytes come.
    fn reserve_for(&mut self, whole: usize, available: usize) {
        self.bytes.reserve(whole.min(FIRST_RESERVATION).saturating_sub(available));
    }
}

impl std::fmt::Debug for FrameBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameBuffer").field("unread", &self.unread().len()).finish_non_exhaustive()
    }
}

/// A frame being written at the end of a buffer: its length is filled in when the payload stands.
///
/// ```
/// use wa_core::wire::frame::FrameStart;
///
/// let mut out = Vec::new();
/// let frame = FrameStart::new(&mut out);
/// out.extend_from_slice(b"payload");
/// frame.finish(&mut out)?;
/// assert_eq!(out, b"\x00\x00\x07payload");
/// # Ok::<(), wa_core::wire::frame::FrameError>(())
/// ```
#[derive(Debug)]
#[must_use = "a frame needs its length: call finish, or seal it"]
pub struct FrameStart {
    at: usize,
}

impl FrameStart {
    /// Leaves room for the length at the end of `out`. Append the payload next.
    pub fn new(out: &mut Vec<u8>) -> Self {
        let at = out.len();
        out.extend_from_slice(&[0; LENGTH_SIZE]);
        Self { at }
    }

    /// Where the payload begins in the buffer.
    #[must_use]
    pub const fn payload_start(&self) -> usize {
        self.at + LENGTH_SIZE
    }

    /// The size of the payload that `out` holds by now.
    #[must_use]
    pub fn payload_size(&self, out: &[u8]) -> usize {
        out.len().saturating_sub(self.payload_start())
    }

    /// Fills in the length of all that was appended since [`Self::new`].
    ///
    /// # Errors
    /// [`FrameError::TooLong`] above [`MAX_FRAME_SIZE`]; `out` is then as it was before the frame.
    ///
    /// # Panics
    /// When `out` is not the buffer that the frame was begun in, or was cut.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let size = self.payload_size(out);
        let length = match u32::try_from(size).map(u32::to_be_bytes) {
            Ok([0, length @ ..]) => length,
            _ => {
                self.abandon(out);
                return Err(FrameError::TooLong { size });
            }
        };
        let place = out.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut::<LENGTH_SIZE>());
        *place.expect("the buffer holds what `new` appended") = length;
        Ok(())
    }

    /// Takes the frame back: `out` is as it was before.
    pub fn abandon(self, out: &mut Vec<u8>) {
        out.truncate(self.at);
    }
}

/// Appends a frame with this payload to `out`.
///
/// # Errors
/// [`FrameError::TooLong`] above [`MAX_FRAME_SIZE`]; `out` is unchanged.
pub fn write_frame(payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
    if payload.len() > MAX_FRAME_SIZE {
        return Err(FrameError::TooLong { size: payload.len() });
    }
    out.reserve(LENGTH_SIZE + payload.len());
    let frame = FrameStart::new(out);
    out.extend_from_slice(payload);
    frame.finish(out)
}

/// What is wrong with a frame, or with the bytes that should hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame longer than three bytes can say, or than the reader accepts. When reading: close the connection.
    #[error("a frame of {size} bytes is too long")]
    TooLong {
        /// The size of its payload, bytes.
        size: usize,
    },
    /// More bytes came than were read out: the reader fell behind. Close the connection.
    #[error("too many bytes wait to be read")]
    Overflow,
}

/// What is reserved at most for a frame whose bytes have not come, and kept for the next ones.
const FIRST_RESERVATION: usize = 64 * 1024;

/// The bound of unread bytes: one frame of the largest size, and as much again.
const MAX_BUFFERED_SIZE: usize = 2 * (MAX_FRAME_SIZE + 1);

const _: () = assert!(mem::size_of::<usize>() >= 4, "a frame's size fits in usize");
