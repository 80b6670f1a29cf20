//! Asks the phone to upload a file again, and reads its answer. Protocol: media, "Media retry".

use prost::Message as _;
use wa_proto::mms_retry::media_retry_notification::ResultType;
use wa_proto::mms_retry::{MediaRetryNotification, ServerErrorReceipt};

use super::MediaKey;
use crate::crypto::aes::GcmKey;

/// Something encrypted about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetrySecret {
    /// The ciphertext with its tag.
    pub ciphertext: Vec<u8>,
    /// What it was encrypted with besides the key.
    pub nonce: [u8; 12],
}

impl RetrySecret {
    /// From what a stanza has.
    #[must_use]
    pub const fn new(ciphertext: Vec<u8>, nonce: [u8; 12]) -> Self {
        Self { ciphertext, nonce }
    }

    /// The request to upload the file of this message again. The nonce is random.
    #[must_use]
    pub fn request(key: &MediaKey, message_id: &str, nonce: [u8; 12]) -> Self {
        let receipt = ServerErrorReceipt { stanza_id: Some(message_id.to_owned()) };
        Self::seal(key, message_id, nonce, receipt.encode_to_vec())
    }

    /// The phone's answer to it. The nonce is random.
    #[must_use]
    pub fn answer(
        key: &MediaKey,
        message_id: &str,
        nonce: [u8; 12],
        answer: &MediaRetryNotification,
    ) -> Self {
        Self::seal(key, message_id, nonce, answer.encode_to_vec())
    }

    fn seal(key: &MediaKey, message_id: &str, nonce: [u8; 12], mut buffer: Vec<u8>) -> Self {
        GcmKey::new(&key.retry_key()).seal(nonce, message_id.as_bytes(), &mut buffer, 0);
        Self { ciphertext: buffer, nonce }
    }

    /// Reads a request as the phone does: it names the message.
    ///
    /// # Errors
    /// [`RetryAnswerError::Tampered`], [`RetryAnswerError::Malformed`], [`RetryAnswerError::OtherMessage`].
    pub fn open_request(mut self, key: &MediaKey, message_id: &str) -> Result<(), RetryAnswerError> {
        let plain = self.open(key, message_id)?;
        let request = ServerErrorReceipt::decode(plain).map_err(|_| RetryAnswerError::Malformed)?;
        same_message(request.stanza_id.as_deref(), message_id)
    }

    /// Reads the phone's answer: the file's new path.
    ///
    /// # Errors
    /// [`RetryAnswerError`].
    pub fn open_answer(mut self, key: &MediaKey, message_id: &str) -> Result<String, RetryAnswerError> {
        let plain = self.open(key, message_id)?;
        let answer = MediaRetryNotification::decode(plain).map_err(|_| RetryAnswerError::Malformed)?;
        same_message(answer.stanza_id.as_deref(), message_id)?;
        match answer.result() {
            ResultType::Success => {
                answer.direct_path.filter(|path| path.starts_with('/')).ok_or(RetryAnswerError::Malformed)
            }
            ResultType::NotFound => Err(RetryAnswerError::NotFound),
            ResultType::DecryptionError => Err(RetryAnswerError::PhoneCouldNotDecrypt),
            ResultType::GeneralError => Err(RetryAnswerError::Failed),
        }
    }

    fn open(&mut self, key: &MediaKey, message_id: &str) -> Result<&[u8], RetryAnswerError> {
        let key = GcmKey::new(&key.retry_key());
        let plain = key.open(self.nonce, message_id.as_bytes(), &mut self.ciphertext);
        plain.map(|plain| &*plain).map_err(|_| RetryAnswerError::Tampered)
    }
}

fn same_message(named: Option<&str>, message_id: &str) -> Result<(), RetryAnswerError> {
    if named == Some(message_id) { Ok(()) } else { Err(RetryAnswerError::OtherMessage) }
}

/// The phone did not upload the file again, or did not say so credibly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetryAnswerError {
    /// The phone has the file no more.
    #[error("the phone has the file no more")]
    NotFound,
    /// The phone could not decrypt the request.
    #[error("the phone could not decrypt the request")]
    PhoneCouldNotDecrypt,
    /// The phone failed for another reason.
    #[error("the phone failed")]
    Failed,
    /// The answer was made with another key, or changed.
    #[error("the answer was not made with the file's key")]
    Tampered,
    /// The answer is about another message.
    #[error("the answer is about another message")]
    OtherMessage,
    /// The answer cannot be read.
    #[error("the answer is malformed")]
    Malformed,
}

impl RetryAnswerError {
    /// What an `<error code>` in place of an answer means.
    #[must_use]
    pub const fn from_code(code: u16) -> Self {
        match code {
            2 => Self::NotFound,
            3 => Self::PhoneCouldNotDecrypt,
            _ => Self::Failed,
        }
    }
}
