//! How a companion introduces itself to the phone: name, kind, and which history it wants.
//! Protocol: transport, "`DeviceProps`".

use prost::Message as _;
use wa_proto::companion_reg::DeviceProps;
use wa_proto::companion_reg::device_props::{AppVersion, HistorySyncConfig};

/// What the phone's list of linked devices shows, and what it sends of the past. Fixed at pairing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceProfile {
    /// The name in the list: an operating system or a product, such as `Linux`.
    pub name: String,
    /// The version of the operating system, up to five numbers; the list does not show it.
    pub os_version: Vec<u32>,
    /// The picture in the list. [`Platform::Desktop`] goes with a full history.
    pub platform: Platform,
    /// How much of the past the phone sends.
    pub history: HistoryRequest,
}

impl DeviceProfile {
    /// A profile with this name, shown as `platform`, that asks for the recent history.
    pub fn new(name: impl Into<String>, platform: Platform) -> Self {
        Self { name: name.into(), os_version: vec![0, 1, 0], platform, history: HistoryRequest::default() }
    }

    /// The same profile with another request for history.
    #[must_use]
    pub const fn with_history(mut self, history: HistoryRequest) -> Self {
        self.history = history;
        self
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut version = self.os_version.iter().copied();
        let version = (!self.os_version.is_empty()).then(|| AppVersion {
            primary: version.next(),
            secondary: version.next(),
            tertiary: version.next(),
            quaternary: version.next(),
            quinary: version.next(),
        });
        DeviceProps {
            os: Some(self.name.clone()),
            version,
            platform_type: Some(self.platform.number()),
            require_full_sync: Some(self.history.full),
            history_sync_config: Some(self.history.to_proto()),
        }
        .encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let props = DeviceProps::decode(bytes)?;
        let config = props.history_sync_config.as_ref();
        Ok(Self {
            name: props.os().to_owned(),
            os_version: props.version.map_or_else(Vec::new, |v| {
                [v.primary, v.secondary, v.tertiary, v.quaternary, v.quinary]
                    .into_iter()
                    .map_while(|number| number)
                    .collect()
            }),
            platform: Platform::from_number(props.platform_type.unwrap_or_default()),
            history: HistoryRequest {
                full: props.require_full_sync(),
                days: config.and_then(|config| config.full_sync_days_limit),
                storage_quota_mb: config.and_then(|config| config.storage_quota_mb),
                recent_days: config.and_then(|config| config.recent_sync_days_limit),
                size_limit_mb: config.and_then(|config| config.full_sync_size_mb_limit),
                messages_per_chat: config.and_then(|config| config.initial_sync_max_messages_per_chat),
            },
        })
    }
}

impl Default for DeviceProfile {
    fn default() -> Self {
        Self::new("Linux", Platform::Chrome)
    }
}

/// How much of the past the phone sends to a new companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryRequest {
    /// Everything that the phone has, not just the recent months. Phones grant it to desktop-class companions.
    pub full: bool,
    /// How many days of a full history.
    pub days: Option<u32>,
    /// The room that we have, megabytes.
    pub storage_quota_mb: Option<u32>,
    /// How many days of the recent history.
    pub recent_days: Option<u32>,
    /// How large a full history may be, megabytes.
    pub size_limit_mb: Option<u32>,
    /// How many messages of each chat come first, with the list of chats.
    pub messages_per_chat: Option<u32>,
}

impl HistoryRequest {
    /// The recent months.
    pub const RECENT: Self = Self {
        full: false,
        days: None,
        storage_quota_mb: Some(10_240),
        recent_days: None,
        size_limit_mb: None,
        messages_per_chat: None,
    };
    /// Everything; with [`Platform::Desktop`].
    pub const FULL: Self = Self { full: true, ..Self::RECENT };

    pub(crate) fn to_proto(self) -> HistorySyncConfig {
        HistorySyncConfig {
            full_sync_days_limit: self.days,
            full_sync_size_mb_limit: self.size_limit_mb,
            recent_sync_days_limit: self.recent_days,
            initial_sync_max_messages_per_chat: self.messages_per_chat,
            on_demand_ready: self.full.then_some(true),
            storage_quota_mb: self.storage_quota_mb,
            inline_initial_payload_in_e2_ee_msg: Some(true),
            support_call_log_history: Some(true),
            support_bot_user_agent_chat_history: Some(true),
            support_cag_reactions_and_polls: Some(true),
            support_biz_hosted_msg: Some(true),
            support_recent_sync_chunk_message_count_tuning: Some(true),
            support_hosted_group_msg: Some(true),
            support_fbid_bot_chat_history: Some(true),
            support_message_association: Some(true),
            support_group_history: Some(true),
            thumbnail_sync_days_limit: Some(60),
            support_manus_history: Some(true),
            support_hatch_history: Some(true),
            ..HistorySyncConfig::default()
        }
    }
}

impl Default for HistoryRequest {
    fn default() -> Self {
        Self::RECENT
    }
}

/// The kind of client that the phone's list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// Google Chrome.
    Chrome,
    /// Mozilla Firefox.
    Firefox,
    /// Microsoft Internet Explorer.
    InternetExplorer,
    /// Opera.
    Opera,
    /// Apple Safari.
    Safari,
    /// Microsoft Edge.
    Edge,
    /// A desktop application.
    Desktop,
    /// An iPad.
    Ipad,
    /// An Android tablet.
    AndroidTablet,
    /// The macOS application.
    MacOs,
    /// An iPhone as companion.
    IosPhone,
    /// An Android phone as companion.
    AndroidPhone,
    /// An Android device that may be phone or tablet.
    AndroidAmbiguous,
    /// A Windows application from the store.
    Uwp,
    /// Any other, by its number.
    Other(i32),
}

impl Platform {
    const KNOWN: [(Self, i32); 14] = [
        (Self::Chrome, 1),
        (Self::Firefox, 2),
        (Self::InternetExplorer, 3),
        (Self::Opera, 4),
        (Self::Safari, 5),
        (Self::Edge, 6),
        (Self::Desktop, 7),
        (Self::Ipad, 8),
        (Self::AndroidTablet, 9),
        (Self::MacOs, 12),
        (Self::IosPhone, 14),
        (Self::AndroidPhone, 16),
        (Self::AndroidAmbiguous, 17),
        (Self::Uwp, 21),
    ];

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Other(number) => number,
            known => {
                Self::KNOWN.iter().find(|(platform, _)| *platform == known).map_or(0, |(_, number)| *number)
            }
        }
    }

    /// The platform of a number.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        Self::KNOWN
            .iter()
            .find(|(_, known)| *known == number)
            .map_or(Self::Other(number), |(platform, _)| *platform)
    }
}
