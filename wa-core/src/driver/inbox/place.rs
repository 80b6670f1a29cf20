//! What a message is known by.

use wa_store::MessageKey;
use wa_types::MessageId;

use crate::e2e::addressing::Place;

/// What a message is known by when it comes again. The server repeats a stanza with the addresses that it had.
pub(super) fn key_of(id: &MessageId, place: &Place) -> MessageKey {
    MessageKey { chat: place.chat.clone(), sender: place.sender.to_user(), id: id.clone() }
}
