//! What a message is known by when it comes again.

use wa_store::MessageKey;
use wa_types::{Jid, MessageId};

use crate::driver::directory::Directory;
use crate::e2e::addressing::{OwnAddress, Place};

/// The keys that a message may be known by: with the addresses as they are here, first, and with the other addresses of
/// chat and sender. It is stored under the first, and came before if any of them did: the server may send it again in the
/// other name space. The addresses must be loaded.
pub(super) fn keys_of(
    id: &MessageId,
    place: &Place,
    own: &OwnAddress,
    directory: &Directory,
) -> Vec<MessageKey> {
    // There is one of us, whatever the name space.
    let sender = if place.from_me { own.pn.to_user() } else { place.sender.to_chat() };
    let key = MessageKey { chat: place.chat.clone(), sender, id: id.clone() };
    let other = |jid: &Jid| directory.other_address(jid).unwrap_or(jid).clone();
    let sender = if place.from_me { key.sender.clone() } else { other(&key.sender) };
    let beside = MessageKey { chat: other(&key.chat), sender, id: id.clone() };
    if beside == key { vec![key] } else { vec![key, beside] }
}
