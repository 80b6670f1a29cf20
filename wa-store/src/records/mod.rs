//! What an account keeps: one file per record, with the trait that reads it.
//!
//! | Record | What it is |
//! |---|---|
//! | [`account`] | the linked device itself: its keys, its JIDs, its counters |
//! | [`session`] | the ratchet with one device of somebody |
//! | [`identity`] | the identity key of one device of somebody |
//! | [`pre_key`] | our one-time and signed pre-keys |
//! | [`sender_key`] | one sender's key in one group |
//! | [`device_list`] | which devices a user has |
//! | [`group`] | who is in a group, how it is addressed, and which devices have our key of it |
//! | [`lid_map`] | which phone number a LID stands for |
//! | [`app_state`] | the state that the account's devices share: contacts, chat settings, labels and more |
//! | [`repair`] | messages that could not be read, and are being asked for again |
//! | [`held`] | users whose identity changed, and who are not trusted yet |
//! | [`privacy_token`] | tokens of trust that users gave us, and when we gave them ours |
//! | [`chat_key`] | under which address the application knows a chat |
//! | [`inbox`] | messages decrypted and not yet confirmed by the application, and which ones came before |
//! | [`message_secret`] | what opens votes, reactions and edits of a message, and what waits for it |
//! | [`outbox`] | messages to be sent, and those sent lately |
//!
//! The records that a store keeps field by field are exhaustive on purpose: a new field must not compile until it is
//! stored. [`Account`], [`DeviceList`] and [`Group`] come with an encoding of their own, for stores that keep them as one blob.

pub mod account;
pub mod app_state;
pub mod chat_key;
pub mod device_list;
pub mod group;
pub mod group_settings;
pub mod held;
pub mod identity;
pub mod inbox;
pub mod lid_map;
pub mod message_secret;
pub mod outbox;
pub mod pre_key;
pub mod privacy_token;
pub mod repair;
pub mod sender_key;
pub mod session;

pub use account::{Account, AccountReader, AdvSecret};
pub use app_state::{AppStateChange, AppStateEntry, AppStateReader};
pub use chat_key::{ChatKey, ChatKeyReader, Expiration};
pub use device_list::{Device, DeviceList, DeviceListReader};
pub use group::{
    AddressingMode, Group, GroupDescription, GroupMember, GroupReader, GroupRole, MemberDetails,
};
pub use group_settings::{GroupFlag, GroupFlags, GrowthLock, WhoMay};
pub use held::HeldReader;
pub use identity::IdentityReader;
pub use inbox::{InboxEntry, InboxReader, MessageKey};
pub use lid_map::{LidMapReader, LidMapping};
pub use message_secret::{MessageSecret, MessageSecretReader, SealedMessage};
pub use outbox::{OutboxEntry, OutboxReader, OutboxState};
pub use pre_key::{PreKeyReader, PreKeyRecord, SignedPreKeyRecord};
pub use privacy_token::{NctSalt, PrivacyToken, PrivacyTokenReader};
pub use repair::{RepairReader, RepairRecord};
pub use sender_key::{SenderKeyName, SenderKeyReader};
pub use session::SessionReader;
