//! What deliveries are signed with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What secrets that are given as base64 begin with.
const PREFIX: &str = "whsec_";

/// A secret that the host and the receiver of a webhook share. Written only: it is in no log and no answer.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// Why something is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It is shorter than 16 bytes, or longer than 256.
    #[error("a secret has 16 to 256 bytes")]
    Length,
    /// After `whsec_` comes base64.
    #[error("the secret is not base64")]
    Base64,
}

impl WebhookSecret {
    /// The secret of these bytes: 16 to 256.
    ///
    /// # Errors
    /// [`SecretError::Length`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(bytes.into());
        if (16..=256).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretError::Length) }
    }

    /// The secret of this text: `whsec_` and base64, or any other text as it is.
    ///
    /// # Errors
    /// Any [`SecretError`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        match text.strip_prefix(PREFIX) {
            Some(encoded) => Self::new(STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?),
            None => Self::new(text),
        }
    }

    /// As text: `whsec_` and base64.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + self.0.len().div_ceil(3) * 4));
        text.push_str(PREFIX);
        STANDARD.encode_string(self.as_bytes(), &mut text);
        text
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In constant time, for secrets of the same length.
impl PartialEq for WebhookSecret {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for WebhookSecret {}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_as_they_are_written_and_never_shown() {
        let secret = WebhookSecret::parse("a secret of some length").unwrap();
        assert_eq!(secret.as_bytes(), b"a secret of some length");
        assert_eq!(WebhookSecret::parse(&secret.to_text()), Ok(secret.clone()));
        assert_eq!(secret.to_text().as_str(), "whsec_YSBzZWNyZXQgb2Ygc29tZSBsZW5ndGg=");
        assert_eq!(format!("{secret:?}"), "WebhookSecret(..)");
        assert_eq!(WebhookSecret::parse("short"), Err(SecretError::Length));
        assert_eq!(WebhookSecret::parse("whsec_AAAA"), Err(SecretError::Length));
        assert_eq!(WebhookSecret::parse("whsec_*"), Err(SecretError::Base64));
        assert_eq!(WebhookSecret::new([0; 257]), Err(SecretError::Length));
    }
}
