//! What stays of a store's error where errors are kept, copied and compared.

use std::error::Error;

use wa_store::{Remedy, StoreError};

/// The store failed: what it said, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {words}")]
pub struct StoreFailure {
    remedy: Remedy,
    /// The words of the error, and of what caused it.
    words: String,
}

impl StoreFailure {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// One that is remembered as such only.
    pub(super) fn earlier() -> Self {
        Self { remedy: Remedy::TryLater, words: "when the message was sent".to_owned() }
    }
}

impl From<&StoreError> for StoreFailure {
    fn from(error: &StoreError) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let cause = error.to_string();
            if !words.ends_with(&cause) {
                words = format!("{words}: {cause}");
            }
            source = error.source();
        }
        Self { remedy: error.remedy(), words }
    }
}

impl From<StoreError> for StoreFailure {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}
