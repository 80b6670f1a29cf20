//! An account as the store keeps it, and as others see it.

use std::collections::BTreeMap;

use serde::Serialize;
use wa_types::{Jid, PhoneNumber, UnixMillis};

use super::name::AccountName;
use super::settings::AccountSettings;
use super::status::{AccountStatus, DesiredState, Reason};
use crate::ids::{AccountId, Epoch, TenantId};
use crate::trust::{Restriction, TrustState, TrustTable, Zone};

/// An account, as the store keeps it: one row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct AccountRecord {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which of the tenant's people it belongs to, where the caller says so; a part of its store's path.
    pub owner: Option<String>,
    /// Its name in addresses; one of its own within the tenant.
    pub name: AccountName,
    /// What people call it.
    pub display_name: String,
    /// Its phone number, once it is linked, or as it is to be linked.
    pub phone: Option<PhoneNumber>,
    /// Its address, with the number of the linked device.
    pub jid: Option<Jid>,
    /// Its other address.
    pub lid: Option<Jid>,
    /// Whether it shall run.
    pub desired: DesiredState,
    /// Where it stands.
    pub status: AccountStatus,
    /// Why.
    pub reason: Option<Reason>,
    /// Counts the events of this account; the last one's number.
    pub seq: u64,
    /// Counts changes of what people set: names and settings.
    pub version: u64,
    /// What was set.
    pub settings: AccountSettings,
    /// What the caller keeps with it.
    pub metadata: BTreeMap<String, String>,
    /// Where its protocol store is: final from the first byte.
    pub location: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When this row changed last.
    pub updated_at: UnixMillis,
    /// When something came in last, to a minute.
    pub last_active_at: Option<UnixMillis>,
    /// When it was linked, until that link is known to hold.
    pub probation: Option<UnixMillis>,
    /// The phone accepted a link that was not confirmed by a login yet: its keys must not be lost.
    pub accepted: Option<AcceptedLink>,
    /// Its session was handed out: it is not used here until it is imported again.
    pub exported: bool,
    /// How often the session was handed out so far, here and wherever it came from.
    pub hand_overs: u64,
    /// Who may write it.
    pub epoch: Epoch,
}

/// A link that a phone accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a part of a row: stores read and write all of it")]
pub struct AcceptedLink {
    /// Our own device, by phone number.
    pub jid: Jid,
    /// Our own device, by LID.
    pub lid: Option<Jid>,
}

/// An account as others see it, at one moment: with `seq`, from which its events go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AccountSnapshot {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which of the tenant's people it belongs to.
    pub owner: Option<String>,
    /// Its name in addresses.
    pub name: AccountName,
    /// What people call it.
    pub display_name: String,
    /// Whether it shall run.
    pub desired: DesiredState,
    /// Where it stands.
    pub status: AccountStatus,
    /// Why.
    pub reason: Option<Reason>,
    /// The number of its last event.
    pub seq: u64,
    /// For updates that must not undo another one.
    pub version: u64,
    /// Whether it is linked to a phone.
    pub is_logged_in: bool,
    /// Whether its session was handed out: it does not start here until it is imported again.
    pub is_exported: bool,
    /// Its phone number: digits.
    pub phone_number: Option<String>,
    /// The linked device.
    pub device: Option<DeviceSnapshot>,
    /// What was set.
    pub settings: AccountSettings,
    /// How far it is trusted, and what was used.
    pub trust: TrustSnapshot,
    /// What the caller keeps with it.
    pub metadata: BTreeMap<String, String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: u64,
    /// When it changed last.
    pub updated_at: u64,
    /// When something came in last, to a minute.
    pub last_active_at: Option<u64>,
    /// Always null: linked devices do not learn it any more.
    pub battery: Option<u8>,
}

/// The linked device of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeviceSnapshot {
    /// `628123456789:7@s.whatsapp.net`.
    pub device_id: String,
    /// The same account's other address.
    pub lid: Option<String>,
    /// Whether it is connected now.
    pub connected: bool,
}

/// How far an account is trusted, and what was used of its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TrustSnapshot {
    /// 0 to 5.
    pub trust_level: u8,
    /// How many messages a day, answers not counted.
    pub daily_limit: u32,
    /// How many were sent today, answers counted.
    pub messages_sent_today: u32,
    /// What the server forbids now.
    pub restrictions: Vec<Restriction>,
    /// When the day ends, in milliseconds since 1970.
    pub resets_at: u64,
}

impl AccountSnapshot {
    pub(crate) fn new(record: &AccountRecord, trust: TrustSnapshot) -> Self {
        Self {
            id: record.id.clone(),
            tenant: record.tenant.clone(),
            owner: record.owner.clone(),
            name: record.name.clone(),
            display_name: record.display_name.clone(),
            desired: record.desired,
            status: record.status,
            reason: record.reason.clone(),
            seq: record.seq,
            version: record.version,
            is_logged_in: record.jid.is_some(),
            is_exported: record.exported,
            phone_number: record.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            device: record.jid.as_ref().map(|jid| DeviceSnapshot {
                device_id: jid.to_string(),
                lid: record.lid.as_ref().map(Jid::to_string),
                connected: record.status == AccountStatus::Ready,
            }),
            settings: record.settings.clone(),
            trust,
            metadata: record.metadata.clone(),
            created_at: record.created_at.0,
            updated_at: record.updated_at.0,
            last_active_at: record.last_active_at.map(|at| at.0),
            battery: None,
        }
    }
}

impl TrustSnapshot {
    pub(crate) fn new(trust: &TrustState, table: &TrustTable, zone: &Zone, now: UnixMillis) -> Self {
        let usage = trust.usage(table, zone, now);
        Self {
            trust_level: trust.level().number(),
            daily_limit: usage.daily_limit,
            messages_sent_today: usage.sent_today,
            restrictions: trust.restrictions(now),
            resets_at: usage.resets_at.0,
        }
    }
}
