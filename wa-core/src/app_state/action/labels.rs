//! What is said about labels.

use wa_types::{Jid, MessageId, UnixMillis};

use super::field::codes;
use super::table::actions;

codes! {
    /// What kind of list a label is.
    LabelKind {
        /// None.
        None = 0,
        /// Unread chats.
        UnreadChats = 1,
        /// Groups.
        Groups = 2,
        /// Favourites.
        Favorites = 3,
        /// One that the app brings along.
        Predefined = 4,
        /// One of the user's own.
        Custom = 5,
        /// A community.
        Community = 6,
        /// One that the server gives.
        ServerAssigned = 7,
        /// Chats with drafts.
        Drafted = 8,
        /// Handed over by an assistant.
        AiHandoff = 9,
        /// Channels.
        Channels = 10,
        /// Answered by an assistant.
        AiResponding = 11,
        /// The archive.
        Archived = 12,
        /// Locked chats.
        Locked = 13,
        /// Invitations.
        Invites = 14,
        /// Of a third party.
        ThirdParty = 15,
        /// Customers to be.
        Lead = 16,
        /// Mentions and replies.
        MentionsAndReplies = 17,
    }
}

actions! {
    /// What is said about labels.
    LabelAction;

    /// There is a label, or no longer.
    Edit = "label_edit", Regular, 3, label_edit_action;
    (
        /// The label.
        id: String
    ) {
        /// Its name.
        name: Option<String> = name,
        /// Its colour, as a number of a palette.
        color: Option<i32> = color,
        /// Which of the predefined ones it is.
        predefined: Option<i32> = predefined_id,
        /// Whether it is gone.
        deleted: bool = deleted,
        /// Its place among the others.
        order: Option<i32> = order_index,
        /// Whether it is in use.
        active: Option<bool> = is_active,
        /// What kind of list it is.
        kind: Option<LabelKind> = r#type,
        /// Whether it cannot be changed.
        immutable: Option<bool> = is_immutable,
        /// Until when its chats are silent.
        muted_until: Option<UnixMillis> = mute_end_time_ms,
    }

    /// A chat has a label, or not.
    Chat = "label_jid", Regular, 3, label_association_action;
    (
        /// The label.
        id: String,
        /// The chat.
        chat: Jid,
    ) {
        /// Whether it has.
        labeled: bool = labeled,
        /// What an assistant noted.
        model_data: Option<String> = model_meta_data,
    }

    /// A message has a label, or not.
    Message = "label_message", Regular, 3, label_association_action;
    (
        /// The label.
        id: String,
        /// The chat.
        chat: Jid,
        /// The message.
        message: MessageId,
        /// Always false.
        from_me: bool,
        /// Always none.
        participant: Option<Jid>,
    ) {
        /// Whether it has.
        labeled: bool = labeled,
        /// What an assistant noted.
        model_data: Option<String> = model_meta_data,
    }

    /// The order of the labels.
    Order = "label_reordering", Regular, 3, label_reordering_action;
    () {
        /// Their ids.
        ids: Vec<i32> = sorted_label_i_ds,
    }

    /// A list within a label.
    Sublist = "label_sublist", Regular, 7, label_sublist_action;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {
        /// The list.
        id: Option<i32> = sub_list_id,
    }
}
