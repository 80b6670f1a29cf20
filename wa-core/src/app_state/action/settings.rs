//! What is said about the account.

use wa_proto::sync_action::favorites_action::Favorite;
use wa_proto::sync_action::status_privacy_action::CustomList;
use wa_types::Jid;

use super::field::{Field, codes};
use super::table::actions;

codes! {
    /// Who sees the account's status posts.
    StatusAudience {
        /// Those on the list.
        Only = 0,
        /// Contacts, but not those on the list.
        Except = 1,
        /// Contacts.
        Contacts = 2,
        /// Close friends.
        CloseFriends = 3,
        /// Those on the lists that are selected.
        Lists = 4,
    }
}

codes! {
    /// Which messages of groups make noise.
    NotificationActivity {
        /// All, by default.
        DefaultAll = 0,
        /// All.
        All = 1,
        /// Those that matter.
        Highlights = 2,
        /// Those that matter, by default.
        DefaultHighlights = 3,
    }
}

codes! {
    /// How a chat with a user name begins.
    UsernameChatStart {
        /// By LID.
        Lid = 1,
        /// By phone number.
        Pn = 2,
    }
}

/// A list of users that status posts may go to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StatusList {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its sign.
    pub emoji: Option<String>,
    /// Whether it is in use.
    pub is_selected: bool,
    /// Who is on it.
    pub users: Vec<Jid>,
}

impl Field<Vec<CustomList>> for Vec<StatusList> {
    fn read(proto: &Vec<CustomList>) -> Self {
        let list = |list: &CustomList| StatusList {
            id: list.list_id().to_owned(),
            name: list.name().to_owned(),
            emoji: list.emoji.clone(),
            is_selected: list.is_selected(),
            users: Field::read(&list.user_jid),
        };
        proto.iter().map(list).collect()
    }

    fn write(&self, proto: &mut Vec<CustomList>) {
        let list = |list: &StatusList| CustomList {
            list_id: Some(list.id.clone()),
            name: Some(list.name.clone()),
            emoji: list.emoji.clone(),
            is_selected: Some(list.is_selected),
            user_jid: list.users.iter().map(ToString::to_string).collect(),
        };
        *proto = self.iter().map(list).collect();
    }
}

impl Field<Vec<Favorite>> for Vec<Jid> {
    fn read(proto: &Vec<Favorite>) -> Self {
        proto.iter().filter_map(|favorite| favorite.id().parse().ok()).collect()
    }

    fn write(&self, proto: &mut Vec<Favorite>) {
        *proto = self.iter().map(|jid| Favorite { id: Some(jid.to_string()) }).collect();
    }
}

actions! {
    /// What is said about the account.
    SettingAction;

    /// The name that others see.
    PushName = "setting_pushName", CriticalBlock, 1, push_name_setting;
    () {
        /// The name.
        name: String = name,
    }

    /// The language.
    Locale = "setting_locale", CriticalBlock, 3, locale_setting;
    () {
        /// As in `en_US`.
        locale: String = locale,
    }

    /// The account's name outside of the service.
    Identifier = "generated_wui", CriticalBlock, 7, wamo_user_identifier_action;
    () {
        /// The name.
        identifier: Option<String> = identifier,
    }

    /// Who sees the account's status posts.
    StatusPrivacy = "status_privacy", RegularHigh, 7, status_privacy;
    () {
        /// Who.
        audience: Option<StatusAudience> = mode,
        /// The list that it is about.
        users: Vec<Jid> = user_jid,
        /// Posts go to Facebook, too.
        to_facebook: Option<bool> = share_to_fb,
        /// Posts go to Instagram, too.
        to_instagram: Option<bool> = share_to_ig,
        /// Lists of the user's own.
        lists: Vec<StatusList> = custom_lists,
        /// Several audiences at once, by their numbers.
        audiences: Vec<i32> = modes,
    }

    /// The chats that come first.
    Favorites = "favorites", RegularHigh, 1, favorites_action;
    () {
        /// In order.
        chats: Vec<Jid> = favorites,
    }

    /// The salt of the tokens that vouch for this account. A secret.
    TokenSalt = "nct_salt_sync", RegularHigh, 1, nct_salt_sync_action;
    () {
        /// 32 bytes.
        salt: Option<Vec<u8>> = salt,
    }

    /// Archived chats come back with a new message, or stay.
    Unarchive = "setting_unarchiveChats", RegularLow, 4, unarchive_chats_setting;
    () {
        /// Whether they come back.
        returns: bool = unarchive_chats,
    }

    /// Hours are counted to 24, or to 12.
    TimeFormat = "time_format", RegularLow, 7, time_format_action;
    () {
        /// To 24.
        is_24_hours: bool = is_twenty_four_hour_format_enabled,
    }

    /// How chats are locked. Has a secret.
    ChatLock = "setting_chatLock", RegularLow, 7, chat_lock_settings;
    () {}; whole content

    /// Settings of a desktop app, one field each.
    Desktop = "settings_sync", RegularLow, 1, settings_sync_action;
    (
        /// The app.
        platform: String,
        /// The setting, by its number.
        key: String,
        /// The chat that it is about.
        chat: Option<String>,
    ) {}; whole content

    /// Links are sent without preview.
    NoLinkPreviews = "setting_disableLinkPreviews", Regular, 8, privacy_setting_disable_link_previews_action;
    () {
        /// Whether they are.
        disabled: bool = is_previews_disabled,
    }

    /// Calls go through the server, so that others do not learn the address.
    RelayCalls = "setting_relayAllCalls", Regular, 1, privacy_setting_relay_all_calls;
    () {
        /// Whether they do.
        enabled: bool = is_enabled,
    }

    /// Takes part in the beta of the web app.
    WebBeta = "external_web_beta", Regular, 3, external_web_beta_action;
    () {
        /// Whether it does.
        enabled: bool = is_opt_in,
    }

    /// How a chat with a user name begins.
    UsernameChat = "usernameChatStartMode", Regular, 7, username_chat_start_mode;
    () {
        /// How.
        mode: Option<UsernameChatStart> = chat_start_mode,
    }

    /// Which messages make noise.
    Notifications = "notificationActivitySetting", Regular, 7, notification_activity_setting_action;
    () {
        /// Which.
        activity: Option<NotificationActivity> = notification_activity_setting,
    }

    /// Channels are recommended without regard to the user.
    PlainChannels = "setting_channels_personalised_recommendation_optout", Regular, 7, privacy_setting_channels_personalised_recommendation_action;
    () {
        /// Whether they are.
        opted_out: bool = is_user_opted_out,
    }

    /// Whether messages may be processed in private.
    PrivateProcessing = "private_processing_setting", RegularHigh, 7, private_processing_setting_action;
    () {
        /// By its number.
        status: Option<i32> = private_processing_status,
    }

    /// Whether notices of status posts are wanted.
    StatusNotices = "status_post_opt_in_notification_preferences_action", RegularHigh, 7, status_post_opt_in_notification_preferences_action;
    () {
        /// Whether they are.
        enabled: bool = enabled,
    }

    /// Interests that channels are recommended by.
    Interests = "newsletter_saved_interests", Regular, 7, newsletter_saved_interests_action;
    () {
        /// As the app writes them.
        interests: Option<String> = newsletter_saved_interests,
    }

    /// The account's name in a music service.
    Music = "music_user_id", Regular, 7, music_user_id_action;
    () {
        /// The name.
        id: Option<String> = music_user_id,
    }

    /// Whether the account is linked with others of its owner.
    LinkedAccounts = "waffle_account_link_state", RegularHigh, 1, waffle_account_link_state_action;
    () {
        /// By its number.
        state: Option<i32> = link_state,
    }
}
