//! The padding of a message before encryption, which hides its length a little. Protocol: messages, "Padding".

use crate::crypto::Random;

/// Appends n bytes of value n, n from 1 to 16 at random. For all `enc` payloads of `v="2"`. Draws one random byte.
pub fn pad(message: &mut Vec<u8>, random: &mut impl Random) {
    let [byte] = random.array::<1>();
    let n = (byte & 0x0F) + 1;
    message.resize(message.len() + usize::from(n), n);
}

/// The message inside its padding.
///
/// # Errors
/// [`PaddingError`]: the message decrypted, but whoever made it made no sense; a nack 491 says so, and no retry helps.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PaddingError> {
    let &n = padded.last().ok_or(PaddingError)?;
    let size = padded.len().checked_sub(usize::from(n)).ok_or(PaddingError)?;
    let (message, padding) = padded.split_at(size);
    if n == 0 || padding.iter().any(|&byte| byte != n) {
        return Err(PaddingError);
    }
    Ok(message)
}

/// A decrypted message does not end in n bytes of value n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the padding is malformed")]
pub struct PaddingError;
