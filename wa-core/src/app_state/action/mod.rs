//! What the entries of the state mean: the catalogue of actions, typed both ways. Protocol: app state, "Action
//! catalogue", "Action semantics".

mod business;
mod chats;
mod contacts;
mod device;
mod field;
mod labels;
mod messages;
mod range;
mod settings;
mod table;

use prost::Message as _;
use wa_proto::sync_action::SyncActionValue;
use wa_types::UnixMillis;

pub use self::business::BusinessAction;
pub use self::chats::ChatAction;
pub use self::contacts::ContactAction;
pub use self::device::DeviceAction;
pub use self::labels::{LabelAction, LabelKind};
pub use self::messages::MessageAction;
pub use self::range::{MessageRange, RangeMessage};
pub use self::settings::{
    NotificationActivity, SettingAction, StatusAudience, StatusList, UsernameChatStart,
};
use super::{Collection, Draft, Operation, Record};

/// One entry of the state, by subject. `Debug` shows what it is about, never its content.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// About a chat.
    Chat(ChatAction),
    /// About a message.
    Message(MessageAction),
    /// About a person.
    Contact(ContactAction),
    /// About labels.
    Label(LabelAction),
    /// About the account.
    Setting(SettingAction),
    /// About a business, its replies, agents and broadcasts.
    Business(BusinessAction),
    /// About devices and what they remember.
    Device(DeviceAction),
    /// Anything that this version does not know, whole.
    Unknown(UnknownAction),
}

/// An entry that this version does not know.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownAction {
    /// What it is about, the name of the action first; empty when the index is none.
    pub index: Vec<String>,
    /// The encoded `SyncActionValue`.
    pub value: Vec<u8>,
    /// The version of the action's schema.
    pub version: i32,
    /// Where it belongs.
    pub collection: Collection,
}

impl UnknownAction {
    /// An entry of a kind that this version does not know.
    #[must_use]
    pub const fn new(collection: Collection, index: Vec<String>, value: Vec<u8>, version: i32) -> Self {
        Self { index, value, version, collection }
    }
}

impl std::fmt::Debug for UnknownAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnknownAction")
            .field("name", &self.index.first())
            .field("value_size", &self.value.len())
            .finish_non_exhaustive()
    }
}

/// How an action is written: where, under what, and what.
pub(super) struct Written {
    pub(super) collection: Collection,
    pub(super) version: i32,
    pub(super) index: Vec<String>,
    pub(super) value: SyncActionValue,
}

impl Action {
    /// Reads an entry. What is not understood becomes [`Action::Unknown`].
    #[must_use]
    pub fn read(collection: Collection, index: &[u8], value: &[u8], version: i32) -> Self {
        let index = read_index(index);
        Self::known(&index, value).unwrap_or_else(|| {
            Self::Unknown(UnknownAction { index, value: value.to_vec(), version, collection })
        })
    }

    fn known(index: &[String], value: &[u8]) -> Option<Self> {
        let (name, parts) = index.split_first()?;
        let value = SyncActionValue::decode(value).ok()?;
        // Aliases that other writers use.
        let name = match name.as_str() {
            "pin" => "pin_v1",
            "mark_chat_as_read" => "markChatAsRead",
            name => name,
        };
        None.or_else(|| ChatAction::read(name, parts, &value).map(Self::Chat))
            .or_else(|| MessageAction::read(name, parts, &value).map(Self::Message))
            .or_else(|| ContactAction::read(name, parts, &value).map(Self::Contact))
            .or_else(|| LabelAction::read(name, parts, &value).map(Self::Label))
            .or_else(|| SettingAction::read(name, parts, &value).map(Self::Setting))
            .or_else(|| BusinessAction::read(name, parts, &value).map(Self::Business))
            .or_else(|| DeviceAction::read(name, parts, &value).map(Self::Device))
    }

    /// Reads an opened record.
    #[must_use]
    pub fn of(collection: Collection, record: &Record) -> Self {
        Self::read(collection, &record.index, &record.value, record.version)
    }

    fn written(&self) -> Option<Written> {
        Some(match self {
            Self::Chat(action) => action.written(),
            Self::Message(action) => action.written(),
            Self::Contact(action) => action.written(),
            Self::Label(action) => action.written(),
            Self::Setting(action) => action.written(),
            Self::Business(action) => action.written(),
            Self::Device(action) => action.written(),
            Self::Unknown(_) => return None,
        })
    }

    /// Where it belongs, and how it is written, at this time.
    #[must_use]
    pub fn to_draft(&self, at: UnixMillis) -> (Collection, Draft) {
        let Some(mut written) = self.written() else { return self.unknown_draft() };
        written.value.timestamp = Some(i64::try_from(at.0).unwrap_or(i64::MAX));
        if let Some(mute) = &mut written.value.mute_action
            && mute.muted()
            && mute.mute_end_timestamp.is_none()
        {
            // For ever.
            mute.mute_end_timestamp = Some(-1);
        }
        let index = write_index(&written.index);
        let value = written.value.encode_to_vec();
        (written.collection, Draft::new(Operation::Set, index, value, written.version))
    }

    /// Where it belongs, and how it is removed.
    #[must_use]
    pub fn to_removal(&self, at: UnixMillis) -> (Collection, Draft) {
        let (collection, draft) = self.to_draft(at);
        let timestamp = Some(i64::try_from(at.0).unwrap_or(i64::MAX));
        let value = SyncActionValue { timestamp, ..SyncActionValue::default() }.encode_to_vec();
        (collection, Draft::new(Operation::Remove, draft.index, value, draft.version))
    }

    fn unknown_draft(&self) -> (Collection, Draft) {
        let Self::Unknown(unknown) = self else {
            unreachable!("only what is unknown is not written by its table")
        };
        let index = write_index(&unknown.index);
        (unknown.collection, Draft::new(Operation::Set, index, unknown.value.clone(), unknown.version))
    }
}

/// Reads the JSON array of an index; empty when it is none.
#[must_use]
pub fn read_index(index: &[u8]) -> Vec<String> {
    serde_json::from_slice(index).unwrap_or_default()
}

/// Writes an index as every device writes it: other bytes would be another entry.
#[must_use]
pub fn write_index(parts: &[String]) -> Vec<u8> {
    serde_json::Value::from(parts.to_vec()).to_string().into_bytes()
}

/// When a value was made.
#[must_use]
pub fn time_of(value: &[u8]) -> Option<UnixMillis> {
    let timestamp = SyncActionValue::decode(value).ok()?.timestamp?;
    u64::try_from(timestamp).ok().map(UnixMillis)
}
