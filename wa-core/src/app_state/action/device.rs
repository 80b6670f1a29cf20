//! What is said about devices, and what they remember.

use wa_types::{Jid, UnixMillis};

use super::table::actions;

actions! {
    /// What is said about devices, and what they remember.
    DeviceAction;

    /// What the phone supports.
    Features = "primary_feature", Regular, 7, primary_feature;
    () {
        /// By name.
        names: Vec<String> = flags,
    }

    /// The version of the phone's app.
    PhoneVersion = "primary_version", RegularLow, 7, primary_version_action;
    (
        /// What it is the version of.
        key: String
    ) {
        /// The version.
        version: Option<String> = version,
    }

    /// What a device can do.
    Capabilities = "device_capabilities", RegularLow, 7, device_capabilities;
    (
        /// The elements of the index, where there are some.
        rest: Vec<String>,
    ) {}; whole content

    /// What a device can do, in the second form.
    CapabilitiesV2 = "device_capabilities_v2", RegularLow, 7, device_capabilities_v2;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {}; whole content

    /// Keys up to this epoch write no more.
    KeyExpiration = "sentinel", RegularLow, 3, key_expiration;
    () {
        /// The epoch.
        expired: Option<i32> = expired_key_epoch,
    }

    /// Actions that only some phones know are allowed.
    AndroidUnsupported = "android_unsupported_actions", RegularLow, 4, android_unsupported_actions;
    () {
        /// Whether they are.
        allowed: bool = allowed,
    }

    /// A hint for new users was seen.
    Hint = "nux", RegularLow, 7, nux_action;
    (
        /// The hint.
        key: String
    ) {
        /// Whether it was.
        acknowledged: bool = acknowledged,
    }

    /// A sticker is a favourite, or not. Has the key of its file.
    FavoriteSticker = "favoriteSticker", RegularLow, 7, sticker_action;
    (
        /// The hash of its file.
        file: String
    ) {
        /// Whether it is.
        favorite: bool = is_favorite,
    }; whole content

    /// A sticker is not among those used of late.
    RemoveRecentSticker = "removeRecentSticker", RegularLow, 7, remove_recent_sticker_action;
    (
        /// The hash of its file.
        file: String
    ) {
        /// When it was last sent.
        last_sent: Option<UnixMillis> = last_sticker_sent_ts,
    }

    /// The emojis used of late.
    RecentEmojis = "recent_emoji_weights_action", RegularLow, 7, recent_emoji_weights_action;
    () {}; whole content

    /// The user's avatar changed.
    Avatar = "avatar_updated_action", Regular, 7, avatar_updated_action;
    () {
        /// How, by its number.
        kind: Option<i32> = event_type,
    }; whole content

    /// A call.
    CallLog = "call_log", Regular, 1, call_log_action;
    (
        /// Elements of the index that some writers add.
        rest: Vec<String>,
    ) {}; whole content

    /// A call is no longer in the log.
    DeleteCall = "delete_individual_call_log", Regular, 7, delete_individual_call_log;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {
        /// With whom.
        peer: Option<Jid> = peer_jid,
        /// Whether it came in.
        incoming: bool = is_incoming,
    }

    /// An assistant of the user's own.
    OwnBot = "ugc_bot", RegularHigh, 7, ugc_bot;
    () {
        /// What it is, as the app writes it.
        definition: Option<Vec<u8>> = definition,
    }

    /// Secrets of a chat. Secrets.
    RootSecrets = "wasa_root_secret", RegularHigh, 1, wasa_root_secret_action;
    (
        /// The chat.
        chat: Jid
    ) {}; whole content

    /// A device that is shared may be used.
    SharedDevice = "shared_device_allowlist", RegularHigh, 7, shared_device_allowlist_action;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {
        /// Whether it may.
        allowed: bool = allowed,
    }
}
