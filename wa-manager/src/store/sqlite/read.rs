//! Rows as records. The names of the columns stand beside what reads them.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::{FromSqlError, ValueRef};
use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};
use zeroize::Zeroizing;

use super::super::records::{ChatRecord, ContactRecord, DeadLetterRecord, SendRecord};
use super::{named, parsed};
use crate::account::{AcceptedLink, AccountName, AccountRecord, AccountStatus, Reason, ReasonKind};
use crate::event::EventRecord;
use crate::ids::{AccountId, Epoch, EventId, TenantId};
use crate::webhook::{WebhookId, WebhookRecord, WebhookSecret, WebhookSpec};

pub(super) const ACCOUNT: &str = "id, tenant, owner, name, display_name, phone, jid, lid, desired, status, reason, seq, \
     version, settings, metadata, location, created_at, updated_at, last_active_at, probation, accepted, epoch, \
     exported, hand_overs";

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<AccountRecord> {
    Ok(AccountRecord {
        id: AccountId::stored(row.get::<_, String>(0)?),
        tenant: TenantId::new(row.get::<_, String>(1)?),
        owner: row.get(2)?,
        name: text::<AccountName>(row, 3)?,
        display_name: row.get(4)?,
        phone: text_opt::<PhoneNumber>(row, 5)?,
        jid: text_opt::<Jid>(row, 6)?,
        lid: text_opt::<Jid>(row, 7)?,
        desired: named(row, 8)?,
        status: named(row, 9)?,
        reason: if row.get_ref(10)? == ValueRef::Null { None } else { Some(parsed(row, 10)?) },
        seq: number(row, 11)?,
        version: number(row, 12)?,
        settings: parsed(row, 13)?,
        metadata: parsed(row, 14)?,
        location: row.get(15)?,
        created_at: time(row, 16)?,
        updated_at: time(row, 17)?,
        last_active_at: time_opt(row, 18)?,
        probation: time_opt(row, 19)?,
        accepted: if row.get_ref(20)? == ValueRef::Null { None } else { Some(accepted(row, 20)?) },
        epoch: Epoch(number(row, 21)?),
        exported: row.get(22)?,
        hand_overs: number(row, 23)?,
    })
}

/// The same, or what can be read of it: then it stands as damaged, and its reason names the columns.
pub(super) fn account_if_damaged(row: &Row<'_>) -> rusqlite::Result<AccountRecord> {
    account(row).or_else(|_| {
        let id: String = row.get(0)?;
        let name = text::<AccountName>(row, 3);
        let is_reason_damaged = row.get_ref(10)? != ValueRef::Null && parsed::<Reason>(row, 10).is_err();
        let status = named::<AccountStatus>(row, 9);
        let named_so = name.is_ok();
        let name = name.or_else(|_| {
            let start: String = id.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
            AccountName::new(format!("damaged-{start}")).map_err(|error| FromSqlError::Other(error.into()))
        })?;
        let settings = parsed(row, 13);
        let metadata = parsed(row, 14);
        let accepted =
            if row.get_ref(20)? == ValueRef::Null { Ok(None) } else { accepted(row, 20).map(Some) };
        let (phone, jid, lid) = (text_opt(row, 5), text_opt(row, 6), text_opt(row, 7));
        let desired = named(row, 8);
        let columns = [
            ("name", !named_so),
            ("status", status.is_err()),
            ("reason", is_reason_damaged),
            ("phone", phone.is_err()),
            ("jid", jid.is_err()),
            ("lid", lid.is_err()),
            ("desired", desired.is_err()),
            ("settings", settings.is_err()),
            ("metadata", metadata.is_err()),
            ("accepted", accepted.is_err()),
        ];
        let damaged: Vec<_> = columns.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        let detail = format!("the account's row: {}", damaged.join(", "));
        Ok(AccountRecord {
            id: AccountId::stored(id),
            tenant: TenantId::new(row.get::<_, String>(1)?),
            owner: row.get(2)?,
            name,
            display_name: row.get(4)?,
            phone: phone.unwrap_or_default(),
            jid: jid.unwrap_or_default(),
            lid: lid.unwrap_or_default(),
            desired: desired.unwrap_or_default(),
            status: AccountStatus::Error,
            reason: Some(Reason::new(ReasonKind::StoreCorrupt).detail(detail)),
            seq: number(row, 11)?,
            version: number(row, 12)?,
            settings: settings.unwrap_or_default(),
            metadata: metadata.unwrap_or_default(),
            location: row.get(15)?,
            created_at: time(row, 16)?,
            updated_at: time(row, 17)?,
            last_active_at: time_opt(row, 18)?,
            probation: time_opt(row, 19)?,
            accepted: accepted.unwrap_or_default(),
            epoch: Epoch(number(row, 21)?),
            exported: row.get(22)?,
            hand_overs: number(row, 23)?,
        })
    })
}

/// Two addresses with a blank between them; the second one may be missing.
fn accepted(row: &Row<'_>, column: usize) -> rusqlite::Result<AcceptedLink> {
    let text: String = row.get(column)?;
    let (jid, lid) = text.split_once(' ').unwrap_or((&text, ""));
    let read = |text: &str| Jid::from_str(text).map_err(|error| FromSqlError::Other(Box::new(error)));
    Ok(AcceptedLink { jid: read(jid)?, lid: if lid.is_empty() { None } else { Some(read(lid)?) } })
}

pub(super) const EVENT: &str = "seq, account_seq, id, tenant, account, kind, at, data";

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<EventRecord> {
    Ok(EventRecord {
        seq: number(row, 0)?,
        account_seq: number(row, 1)?,
        id: EventId::stored(row.get::<_, String>(2)?),
        tenant: TenantId::new(row.get::<_, String>(3)?),
        account: row.get::<_, Option<String>>(4)?.map(AccountId::stored),
        kind: named(row, 5)?,
        at: time(row, 6)?,
        // One damaged event keeps nobody from the others.
        data: parsed(row, 7).unwrap_or_else(|error| {
            tracing::error!(%error, "what an event says is damaged");
            serde_json::Value::Null
        }),
    })
}

pub(super) const SEND: &str = "account, id, number, chat, payload, lane, at, deadline";

pub(super) fn send(row: &Row<'_>) -> rusqlite::Result<SendRecord> {
    Ok(SendRecord {
        account: AccountId::stored(row.get::<_, String>(0)?),
        id: MessageId::new(row.get::<_, String>(1)?),
        number: number(row, 2)?,
        to: text::<Jid>(row, 3)?,
        payload: row.get(4)?,
        lane: named(row, 5)?,
        at: time(row, 6)?,
        deadline: time(row, 7)?,
    })
}

pub(super) const CONTACT: &str = "account, id, pn, lid, push_name, created_at, last_inbound, unanswered";

pub(super) fn contact(row: &Row<'_>) -> rusqlite::Result<ContactRecord> {
    Ok(ContactRecord {
        account: AccountId::stored(row.get::<_, String>(0)?),
        id: number(row, 1)?,
        pn: text_opt::<Jid>(row, 2)?,
        lid: text_opt::<Jid>(row, 3)?,
        push_name: row.get(4)?,
        created_at: time(row, 5)?,
        last_inbound: time_opt(row, 6)?,
        unanswered: row.get(7)?,
    })
}

pub(super) const CHAT: &str = "account, chat, kind, contact, created_at, last_message_at, oldest";

pub(super) fn chat(row: &Row<'_>) -> rusqlite::Result<ChatRecord> {
    Ok(ChatRecord {
        account: AccountId::stored(row.get::<_, String>(0)?),
        chat: text::<Jid>(row, 1)?,
        kind: named(row, 2)?,
        contact: row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
        created_at: time(row, 4)?,
        last_message_at: time_opt(row, 5)?,
        oldest: match row.get_ref(6)? {
            ValueRef::Null => None,
            _ => Some(super::parsed(row, 6)?),
        },
    })
}

pub(super) const WEBHOOK: &str = "id, tenant, account, url, events, secrets, headers, mode, parallel, state, since, \
     created_at, updated_at, ignored, retry";

pub(super) fn webhook(row: &Row<'_>) -> rusqlite::Result<WebhookRecord> {
    let secrets = Zeroizing::new(row.get::<_, String>(5)?);
    let secrets = secrets.split_whitespace().map(WebhookSecret::parse).collect::<Result<Vec<_>, _>>();
    Ok(WebhookRecord {
        id: WebhookId::stored(row.get::<_, String>(0)?),
        tenant: TenantId::new(row.get::<_, String>(1)?),
        spec: WebhookSpec {
            account: row.get::<_, Option<String>>(2)?.map(AccountId::stored),
            url: row.get(3)?,
            events: parsed(row, 4)?,
            secrets: secrets.map_err(|error| FromSqlError::Other(error.into()))?,
            headers: parsed(row, 6)?,
            mode: named(row, 7)?,
            is_parallel: row.get(8)?,
            ignore: parsed(row, 13)?,
            retry: parsed(row, 14)?,
        },
        state: named(row, 9)?,
        since: number(row, 10)?,
        created_at: time(row, 11)?,
        updated_at: time(row, 12)?,
    })
}

pub(super) const DEAD_LETTER: &str = "seq, account_seq, id, tenant, account, kind, at, data, endpoint, tries, reason, \
     died_at, replayed";

pub(super) fn dead_letter(row: &Row<'_>) -> rusqlite::Result<DeadLetterRecord> {
    Ok(DeadLetterRecord {
        event: event(row)?,
        endpoint: row.get(8)?,
        tries: row.get(9)?,
        reason: row.get(10)?,
        at: time(row, 11)?,
        is_replayed: row.get(12)?,
    })
}

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixMillis> {
    number(row, column).map(UnixMillis)
}

fn time_opt(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixMillis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|at| UnixMillis(at.unsigned_abs())))
}

fn text<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    text_opt(row, column)?.ok_or_else(|| FromSqlError::InvalidType.into())
}

fn text_opt<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| FromSqlError::InvalidType.into())
}
