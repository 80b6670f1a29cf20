//! What is said about messages.

use wa_types::{Jid, MessageId, UnixSeconds};

use super::table::actions;

actions! {
    /// What is said about a message.
    MessageAction;

    /// The message has a star, or not.
    Star = "star", RegularHigh, 2, star_action;
    (
        /// The chat.
        chat: Jid,
        /// The message.
        id: MessageId,
        /// Whether this account wrote it.
        from_me: bool,
        /// Who wrote it, in a group, unless this account did.
        participant: Option<Jid>,
    ) {
        /// Whether it has.
        starred: bool = starred,
    }

    /// The message is deleted on this account's devices.
    DeleteForMe = "deleteMessageForMe", RegularHigh, 3, delete_message_for_me_action;
    (
        /// The chat.
        chat: Jid,
        /// The message.
        id: MessageId,
        /// Whether this account wrote it.
        from_me: bool,
        /// Who wrote it, in a group, unless this account did.
        participant: Option<Jid>,
    ) {
        /// Its file goes, too.
        delete_media: bool = delete_media,
        /// When the message came.
        timestamp: Option<UnixSeconds> = message_timestamp,
    }

    /// The buttons of the message were used up.
    Interactive = "interactive_message_action", RegularLow, 1, interactive_message_action;
    (
        /// The chat.
        chat: Jid,
        /// The message.
        id: MessageId,
        /// Whether this account wrote it.
        from_me: bool,
        /// Who wrote it, in a group, unless this account did.
        participant: Option<Jid>,
        /// The message's own name for it.
        element: Option<String>,
    ) {
        /// What was done, by its number.
        kind: i32 = r#type,
        /// The message's own name for it.
        agm_id: Option<String> = agm_id,
    }

    /// The message is behind the lock.
    Lock = "lock_message", RegularLow, 7, bubble_lock_message_action;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {
        /// Whether it is.
        locked: bool = locked,
    }
}
