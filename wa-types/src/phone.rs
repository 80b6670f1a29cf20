//! Phone numbers as users type them. Protocol: pairing, "companion_hello".

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::Jid;

/// An international phone number: country code and subscriber, digits only, such as `628123456789`.
///
/// [`FromStr`] and [`Self::new`] are strict: they take nothing but the digits. [`Self::parse_lenient`] takes what people
/// write. `Display` is the digits; `Debug` shows the last four and is safe for logs.
///
/// ```
/// use wa_types::{PhoneNumber, PhoneNumberError};
/// let number: PhoneNumber = "628123456789".parse()?;
/// assert_eq!(PhoneNumber::parse_lenient("+62 (812) 345-6789"), Ok(number));
/// assert!(matches!("+628123456789".parse::<PhoneNumber>(), Err(PhoneNumberError::Unexpected { .. })));
/// # Ok::<(), PhoneNumberError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(SmolStr);

/// The fewest digits of a number.
const SHORTEST: usize = 7;
/// The most digits of an international number.
const LONGEST: usize = 15;

impl PhoneNumber {
    /// A number of these digits, with the country code and without anything else.
    ///
    /// # Errors
    /// [`PhoneNumberError`] for the first thing that is wrong.
    pub fn new(digits: impl AsRef<str>) -> Result<Self, PhoneNumberError> {
        let digits = digits.as_ref();
        if let Some((at, character)) = digits.chars().enumerate().find(|(_, c)| !c.is_ascii_digit()) {
            return Err(PhoneNumberError::Unexpected { character, at });
        }
        if digits.starts_with('0') {
            return Err(PhoneNumberError::LeadingZero);
        }
        match digits.len() {
            digits if digits < SHORTEST => Err(PhoneNumberError::TooShort { digits }),
            digits if digits > LONGEST => Err(PhoneNumberError::TooLong { digits }),
            _ => Ok(Self(SmolStr::new(digits))),
        }
    }

    /// A number as people write it: a `+` or `00` in front, and spaces, dashes, dots, slashes and round brackets
    /// between the digits. Nothing is guessed: a national number has no country code and is refused, and so is the
    /// `(0)` of `+44 (0)20`, which is dialled at home only.
    ///
    /// # Errors
    /// [`PhoneNumberError`] for the first thing that is not accepted, with its place in `text`.
    pub fn parse_lenient(text: &str) -> Result<Self, PhoneNumberError> {
        let mut digits = String::with_capacity(LONGEST);
        let mut opened = None;
        let mut has_plus = false;
        for (at, character) in text.chars().enumerate() {
            let unexpected = Err(PhoneNumberError::Unexpected { character, at });
            match character {
                '0'..='9' => digits.push(character),
                '+' if digits.is_empty() && !has_plus && opened.is_none() => has_plus = true,
                '(' if opened.is_none() => opened = Some(digits.len()),
                ')' => match opened.take() {
                    Some(start) if digits.get(start..) == Some("0") => {
                        return Err(PhoneNumberError::TrunkPrefix { at: at - 1 });
                    }
                    Some(_) => {}
                    None => return unexpected,
                },
                '-' | '.' | '/' => {}
                // Non-breaking spaces and typographic dashes come with copied text.
                '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
                space if space.is_whitespace() => {}
                _ => return unexpected,
            }
            // A hostile text may be long; no number is.
            if digits.len() > LONGEST + 2 {
                return Err(PhoneNumberError::TooLong { digits: digits.len() });
            }
        }
        match digits.strip_prefix("00").filter(|_| !has_plus) {
            Some(rest) => Self::new(rest),
            None => Self::new(digits),
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of the user with this number.
    #[must_use]
    pub fn to_jid(&self) -> Jid {
        Jid::pn(&self.0)
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    fn from_str(digits: &str) -> Result<Self, PhoneNumberError> {
        Self::new(digits)
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default();
        write!(f, "PhoneNumber(..{shown})")
    }
}

/// Why a text is no international phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneNumberError {
    /// A character that is not accepted here. The strict form takes digits only; [`PhoneNumber::parse_lenient`] takes
    /// more.
    #[error("{character:?} at place {at} is not accepted in a phone number")]
    Unexpected {
        /// The character.
        character: char,
        /// How many characters stand before it.
        at: usize,
    },
    /// It begins with 0: the country code is missing. Put it in front, without the 0.
    #[error("the country code is missing")]
    LeadingZero,
    /// A `(0)`, which is dialled inside the country only. Leave it out.
    #[error("the (0) at place {at} is for calls at home; leave it out")]
    TrunkPrefix {
        /// How many characters stand before the 0.
        at: usize,
    },
    /// Too few digits for an international number.
    #[error("{digits} digits are too few for a phone number")]
    TooShort {
        /// How many there are.
        digits: usize,
    },
    /// Too many digits for an international number.
    #[error("{digits} digits are too many for a phone number")]
    TooLong {
        /// How many there are, or were read before that was clear.
        digits: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::PhoneNumberError::{LeadingZero, TooLong, TooShort, TrunkPrefix, Unexpected};
    use super::*;

    #[test]
    fn the_strict_form_is_digits_only() {
        assert_eq!(PhoneNumber::new("628123456789").unwrap().as_str(), "628123456789");
        assert_eq!(PhoneNumber::new("1234567").unwrap().to_jid().to_string(), "1234567@s.whatsapp.net");
        let refused = [
            ("", TooShort { digits: 0 }),
            ("123456", TooShort { digits: 6 }),
            ("1234567890123456", TooLong { digits: 16 }),
            ("08123456789", LeadingZero),
            ("+628123456789", Unexpected { character: '+', at: 0 }),
            ("62 8123456789", Unexpected { character: ' ', at: 2 }),
            ("62812345678a", Unexpected { character: 'a', at: 11 }),
            ("٦٢٨١٢٣٤٥٦٧٨", Unexpected { character: '٦', at: 0 }),
        ];
        for (text, error) in refused {
            assert_eq!(text.parse::<PhoneNumber>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_lenient_form_takes_what_people_write_and_names_what_it_does_not_take() {
        let accepted = [
            "628123456789",
            "+628123456789",
            "00628123456789",
            "00 62 812 345 6789",
            " +62 (812) 345-6789 ",
            "62.812/345-6789",
            "+62\u{a0}812\u{2011}3456789",
            "(62) 8123456789",
        ];
        for text in accepted {
            assert_eq!(PhoneNumber::parse_lenient(text).unwrap().as_str(), "628123456789", "{text}");
        }
        let refused = [
            ("0812 345 6789", LeadingZero),
            ("+44 (0)20 7946 0000", TrunkPrefix { at: 5 }),
            ("+0062812345678", LeadingZero),
            ("62+8123456789", Unexpected { character: '+', at: 2 }),
            ("++628123456789", Unexpected { character: '+', at: 1 }),
            ("62) 8123456789", Unexpected { character: ')', at: 2 }),
            ("((62)) 8123456789", Unexpected { character: '(', at: 1 }),
            ("62 812 345 6789 ext. 5", Unexpected { character: 'e', at: 16 }),
            ("628123456789@s.whatsapp.net", Unexpected { character: '@', at: 12 }),
            ("", TooShort { digits: 0 }),
            ("111111111111111111111111", TooLong { digits: 18 }),
        ];
        for (text, error) in refused {
            assert_eq!(PhoneNumber::parse_lenient(text), Err(error), "{text}");
        }
    }

    #[test]
    fn logs_see_the_last_four_digits() {
        let number = PhoneNumber::new("628123456789").unwrap();
        assert_eq!(
            (format!("{number:?}"), number.to_string()),
            ("PhoneNumber(..6789)".into(), "628123456789".into())
        );
    }
}
