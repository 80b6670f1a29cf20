//! What is said about chats.

use wa_types::{Jid, UnixMillis};

use super::MessageRange;
use super::table::actions;

actions! {
    /// What is said about a chat.
    ChatAction;

    /// The chat is in the archive, or not.
    Archive = "archive", RegularLow, 3, archive_chat_action;
    (
        /// The chat.
        chat: Jid
    ) {
        /// Whether it is.
        archived: bool = archived,
        /// Up to which messages.
        range: MessageRange = message_range,
    }

    /// The chat is pinned, or not.
    Pin = "pin_v1", RegularLow, 5, pin_action;
    (
        /// The chat.
        chat: Jid
    ) {
        /// Whether it is.
        pinned: bool = pinned,
    }

    /// The chat makes no noise, or does again.
    Mute = "mute", RegularHigh, 2, mute_action;
    (
        /// The chat.
        chat: Jid
    ) {
        /// Whether it is silent.
        muted: bool = muted,
        /// Until when; while muted, none is for ever.
        until: Option<UnixMillis> = mute_end_timestamp,
        /// Whether a device did it by itself.
        auto_muted: Option<bool> = auto_muted,
        /// Until when mentions of everybody are silent.
        mentions_until: Option<UnixMillis> = mute_everyone_mention_end_timestamp,
    }

    /// The chat was read, or is marked as unread.
    MarkRead = "markChatAsRead", RegularLow, 3, mark_chat_as_read_action;
    (
        /// The chat.
        chat: Jid
    ) {
        /// Read, or unread.
        read: bool = read,
        /// Up to which messages.
        range: MessageRange = message_range,
    }

    /// The messages of the chat go, the chat stays.
    Clear = "clearChat", RegularHigh, 6, clear_chat_action;
    (
        /// The chat.
        chat: Jid,
        /// Starred messages go, too.
        delete_starred: bool,
        /// Their files go, too.
        delete_media: bool,
    ) {
        /// Up to which messages.
        range: MessageRange = message_range,
    }

    /// The chat goes, with its messages.
    Delete = "deleteChat", RegularHigh, 6, delete_chat_action;
    (
        /// The chat.
        chat: Jid,
        /// Files go, too.
        delete_media: bool,
    ) {
        /// Up to which messages.
        range: MessageRange = message_range,
    }

    /// The chat is behind the lock, or not.
    Lock = "lock", RegularLow, 7, lock_chat_action;
    (
        /// The chat.
        chat: Jid
    ) {
        /// Whether it is.
        locked: bool = locked,
    }

    /// Somebody's status posts are not shown, or are again.
    MuteStatus = "userStatusMute", RegularHigh, 7, user_status_mute_action;
    (
        /// Whose.
        user: Jid
    ) {
        /// Whether they are hidden.
        muted: bool = muted,
    }

    /// A conversation with an assistant goes.
    DeleteThread = "ai_thread_delete", RegularHigh, 7;
    (
        /// The chat.
        chat: Jid,
        /// The conversation in it.
        thread: String,
    ) {}

    /// A conversation with an assistant has a title.
    RenameThread = "ai_thread_rename", RegularLow, 7, ai_thread_rename_action;
    (
        /// The chat.
        chat: Jid,
        /// The conversation in it.
        thread: String,
    ) {
        /// The title.
        title: String = new_title,
    }

    /// A conversation with an assistant is pinned, or not.
    PinThread = "thread_pin", RegularLow, 7, thread_pin_action;
    (
        /// The chat.
        chat: Jid,
        /// The conversation in it.
        thread: String,
    ) {
        /// Whether it is.
        pinned: bool = pinned,
    }

    /// An assistant was asked to introduce itself.
    BotWelcome = "bot_welcome_request", RegularLow, 2, bot_welcome_request_action;
    (
        /// The chat.
        chat: Jid
    ) {
        /// Whether it was.
        sent: bool = is_sent,
    }
}
