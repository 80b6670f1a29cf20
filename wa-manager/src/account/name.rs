//! What an account is called in paths and addresses, and how such names are made. Requirements: manager.md, R060, R183.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

/// A name that is safe in an address and as a file: 1 to 64 letters, digits, `-`, `_` and `.`, the first a letter or
/// digit. It never changes; what people read is the display name.
///
/// ```
/// use wa_manager::{AccountName, NameError};
/// let name: AccountName = "webjs_1_1761188765_pZTeaGqs".parse()?;
/// assert_eq!(name.as_str(), "webjs_1_1761188765_pZTeaGqs");
/// assert_eq!("../etc".parse::<AccountName>(), Err(NameError::Unexpected { character: '.', at: 0 }));
/// # Ok::<(), NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

/// Why a text is no name of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    #[error("a name has at least one character")]
    Empty,
    /// It is longer than 64 characters.
    #[error("a name has at most 64 characters, not {length}")]
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// Something that does not belong into a name.
    #[error("{character:?} at {at} does not belong into a name")]
    Unexpected {
        /// What it is.
        character: char,
        /// Its place, from 0.
        at: usize,
    },
}

const LONGEST: usize = 64;

impl AccountName {
    /// A name.
    ///
    /// # Errors
    /// [`NameError`] for the first thing that is wrong.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let is_odd = |(at, character): &(usize, char)| {
            let may_begin = character.is_ascii_alphanumeric();
            !(may_begin || (*at > 0 && matches!(character, '-' | '_' | '.')))
        };
        if let Some((at, character)) = text.chars().enumerate().find(is_odd) {
            return Err(NameError::Unexpected { character, at });
        }
        if text.len() > LONGEST {
            return Err(NameError::TooLong { length: text.len() });
        }
        Ok(Self(text))
    }

    /// A name that nothing else has: `prefix_time_random`, such as `webjs_1_1761188765_pZTeaGqs`. What is in the prefix
    /// and does not belong into a name becomes `_`.
    #[must_use]
    pub fn generate(prefix: &str, now: UnixMillis, random: [u8; 8]) -> Self {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789xy";
        let is_fit =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        let prefix = prefix.chars().take(32).map(|character| if is_fit(character) { character } else { '_' });
        let random = random.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 64)));
        let random: String = random.map(|letter| char::from(*letter)).collect();
        let text: String = prefix.chain(format!("_{}_{random}", now.0 / 1000).chars()).collect();
        let text = text.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
        Self(text.to_owned())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for AccountName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R060
    #[test]
    fn names_are_generated_of_provider_workspace_time_and_random() {
        let name =
            AccountName::generate("webjs_1", UnixMillis(1_761_188_765_999), [41, 25, 45, 4, 0, 6, 42, 18]);
        assert_eq!(name.as_str(), "webjs_1_1761188765_pZtEAGqS");
        for prefix in ["", "../..", "é ü", &"x".repeat(100)] {
            let name = AccountName::generate(prefix, UnixMillis(u64::MAX), [255; 8]);
            assert_eq!(AccountName::new(name.as_str()), Ok(name), "{prefix}");
        }
    }

    // R183
    #[test]
    fn names_are_safe_in_addresses_and_paths() {
        for good in ["a", "9", "A-b_c.d", "628123456789", &"x".repeat(64)] {
            assert_eq!(AccountName::new(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        let unexpected = |character, at| Err(NameError::Unexpected { character, at });
        for (bad, error) in [
            ("", Err(NameError::Empty)),
            (".", unexpected('.', 0)),
            ("-a", unexpected('-', 0)),
            ("a/b", unexpected('/', 1)),
            ("a\\b", unexpected('\\', 1)),
            ("a b", unexpected(' ', 1)),
            ("a\0", unexpected('\0', 1)),
            ("é", unexpected('é', 0)),
            ("a%2F", unexpected('%', 1)),
            (&"x".repeat(65), Err(NameError::TooLong { length: 65 })),
        ] {
            assert_eq!(AccountName::new(bad), error, "{bad}");
        }
        assert!(serde_json::from_str::<AccountName>("\"a/b\"").is_err());
    }
}
