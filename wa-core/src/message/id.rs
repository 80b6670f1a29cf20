//! Ids of messages of our own. Protocol: messages, "Message id".

use std::fmt::Write as _;

use wa_types::MessageId;

use crate::crypto::Random;

/// A new id of the form that companions use: `3EB0` and 18 upper-case hexadecimal digits.
pub(crate) fn generate(random: &mut impl Random) -> MessageId {
    let mut text = String::from("3EB0");
    for byte in random.array::<9>() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    MessageId::new(text)
}
