//! Addresses, times and names on their way through. They cross as texts and as the host's own types, and are checked
//! here: what does not hold is [`WaError::Invalid`].

use std::time::{Duration, SystemTime};

use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis, UnixSeconds};

use crate::error::WaError;

/// A text that is for a user to see and not for logs, such as a QR code: a plain one in every language.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

uniffi::custom_newtype!(Secret, String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

pub(crate) fn jid(text: &str) -> Result<Jid, WaError> {
    text.parse().map_err(|error| WaError::invalid("invalid_address", error))
}

pub(crate) fn jids(texts: &[String]) -> Result<Vec<Jid>, WaError> {
    texts.iter().map(|text| jid(text)).collect()
}

pub(crate) fn phone_number(text: &str) -> Result<PhoneNumber, WaError> {
    PhoneNumber::new(text).map_err(|error| WaError::invalid("invalid_phone", error))
}

pub(crate) fn message_id(text: &str) -> Result<MessageId, WaError> {
    if text.is_empty() {
        return Err(WaError::invalid("invalid_message_id", "a message id has one character at least"));
    }
    Ok(MessageId::new(text))
}

pub(crate) fn texts(jids: &[Jid]) -> Vec<String> {
    jids.iter().map(Jid::to_string).collect()
}

pub(crate) fn text(jid: Option<&Jid>) -> Option<String> {
    jid.map(Jid::to_string)
}

/// The last second of the year 9999, after which the calendars of hosts end.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// Whoever writes to the account says what he likes: a later time is the last one that each host has.
pub(crate) fn time(at: UnixSeconds) -> SystemTime {
    SystemTime::UNIX_EPOCH + span(Duration::from_secs(at.0))
}

/// The same.
pub(crate) fn time_ms(at: UnixMillis) -> SystemTime {
    SystemTime::UNIX_EPOCH + span(Duration::from_millis(at.0))
}

/// How long something took, as far as each host can count.
pub(crate) fn span(duration: Duration) -> Duration {
    duration.min(LAST)
}

/// Times before 1970 are 1970.
pub(crate) fn seconds(at: SystemTime) -> UnixSeconds {
    UnixSeconds(at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// `AcceptedElsewhere` as `accepted_elsewhere`: names of variants as hosts read them in texts.
#[must_use]
pub fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The name of a variant, which stands first in what `Debug` writes.
pub(crate) fn word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let name = text.split(|letter: char| !letter.is_ascii_alphanumeric()).next();
    snake(name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use wa_core::event::{LostReason, ProfileChange};
    use wa_core::history::HistoryKind;

    use super::*;

    #[test]
    fn a_word_is_the_name_of_the_variant() {
        assert_eq!(word(&LostReason::NotForThisDevice), "not_for_this_device");
        assert_eq!(word(&HistoryKind::Unknown(7)), "unknown");
        // Whatever else is printed of it.
        assert_eq!(word(&ProfileChange::Username { name: Some("x".to_owned()) }), "username");
    }
}
