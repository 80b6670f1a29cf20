//! Changes as SQL.

use metrics::counter;
use rusqlite::{Connection, OptionalExtension as _, params};
use wa_types::Jid;
use zeroize::Zeroizing;

use super::super::changes::{Change, Changes};
use super::super::error::ManagerStoreError;
use super::super::records::{ContactRecord, DeadLetterRecord, LeftoverRecord};
use super::{failed, int, json, word};
use crate::account::{AcceptedLink, AccountRecord};
use crate::event::{EventRecord, NewEvent};
use crate::webhook::WebhookRecord;

type Done<T> = Result<T, ManagerStoreError>;

/// Applies all changes; the caller undoes them when one fails.
pub(super) fn apply(connection: &Connection, changes: Changes) -> Done<Vec<EventRecord>> {
    let mut pushed = Vec::new();
    for change in changes {
        match change {
            Change::PushEvent(event) => pushed.extend(push_event(connection, *event)?),
            change => write(connection, change)?,
        }
    }
    Ok(pushed)
}

fn write(connection: &Connection, change: Change) -> Done<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(failed)
    };
    match change {
        Change::Fence { account, epoch } => {
            let sql = "SELECT 1 FROM account WHERE id = ?1 AND epoch = ?2";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let is_owner = statement.exists(params![account.as_str(), int(epoch.0)]).map_err(failed)?;
            if !is_owner {
                return Err(ManagerStoreError::FenceLost { account });
            }
        }
        Change::PutAccount(account) => put_account(connection, *account)?,
        Change::DeleteAccount(account) => {
            for sql in DELETE_ALL {
                run(sql, params![account.as_str()])?;
            }
        }
        Change::ForgetNumber(account) => {
            for sql in FORGET_NUMBER {
                run(sql, params![account.as_str()])?;
            }
        }
        Change::PushEvent(_) => {}
        Change::TrimEvents { seq } => {
            run("DELETE FROM event WHERE seq <= ?1", params![int(seq)])?;
        }
        Change::PutTrust(trust) => {
            let state = json(&trust.state)?;
            run(
                "INSERT OR REPLACE INTO trust (account, state, text_key) VALUES (?1, ?2, ?3)",
                params![trust.account.as_str(), state, trust.text_key],
            )?;
        }
        Change::PutReservation(record) => {
            let state = json(&record.reservation)?;
            run(
                "INSERT OR REPLACE INTO reservation (account, id, at, state) VALUES (?1, ?2, ?3, ?4)",
                params![record.account.as_str(), record.reservation.id, int(record.reservation.at.0), state],
            )?;
        }
        Change::TrimReservations { account, before } => {
            run(
                "DELETE FROM reservation WHERE account = ?1 AND at < ?2",
                params![account.as_str(), int(before)],
            )?;
        }
        Change::PutSend(send) => {
            let (account, id) = (send.account.as_str(), send.id.as_str());
            run("DELETE FROM send WHERE account = ?1 AND id = ?2", params![account, id])?;
            run(
                "INSERT OR REPLACE INTO send (account, number, id, chat, payload, lane, at, deadline) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    account,
                    int(send.number),
                    id,
                    send.to.to_string(),
                    send.payload,
                    word(&send.lane)?,
                    int(send.at.0),
                    int(send.deadline.0)
                ],
            )?;
        }
        Change::DeleteSend { account, id } => {
            run("DELETE FROM send WHERE account = ?1 AND id = ?2", params![account.as_str(), id.as_str()])?;
        }
        Change::PutContact(contact) => put_contact(connection, &contact)?,
        Change::DeleteContact { account, id } => {
            run("DELETE FROM contact WHERE account = ?1 AND id = ?2", params![account.as_str(), int(id)])?;
        }
        Change::PutChat(chat) => {
            run(
                "INSERT OR REPLACE INTO chat (account, chat, kind, contact, created_at, last_message_at, oldest) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    chat.account.as_str(),
                    chat.chat.to_string(),
                    word(&chat.kind)?,
                    chat.contact.map(int),
                    int(chat.created_at.0),
                    chat.last_message_at.map(|at| int(at.0)),
                    chat.oldest.as_ref().map(json).transpose()?
                ],
            )?;
        }
        Change::DeleteChat { account, chat } => {
            let values = params![account.as_str(), chat.to_string()];
            run("DELETE FROM chat WHERE account = ?1 AND chat = ?2", values)?;
        }
        Change::PutNumber(record) => {
            let found = record.found.as_ref().map(json).transpose()?;
            run(
                "INSERT OR REPLACE INTO number (account, number, at, found) VALUES (?1, ?2, ?3, ?4)",
                params![record.account.as_str(), record.number.as_str(), int(record.at.0), found],
            )?;
        }
        Change::TrimNumbers { account, before } => {
            run("DELETE FROM number WHERE account = ?1 AND at < ?2", params![account.as_str(), int(before)])?;
        }
        Change::PutLeftover(LeftoverRecord { account, location }) => {
            let values = params![account.as_str(), location];
            run("INSERT OR REPLACE INTO leftover (account, location) VALUES (?1, ?2)", values)?;
        }
        Change::DeleteLeftover(LeftoverRecord { account, location }) => {
            let values = params![account.as_str(), location];
            run("DELETE FROM leftover WHERE account = ?1 AND location = ?2", values)?;
        }
        Change::PutIdempotency(record) => {
            run(
                "INSERT OR REPLACE INTO idempotency (tenant, key, outcome, until) VALUES (?1, ?2, ?3, ?4)",
                params![record.tenant.as_str(), record.key, record.outcome, int(record.until.0)],
            )?;
        }
        Change::PutPairLimit(record) => {
            run(
                "INSERT OR REPLACE INTO pair_limit (key, state, until) VALUES (?1, ?2, ?3)",
                params![record.key, record.state, int(record.until.0)],
            )?;
        }
        Change::TrimExpired { now } => {
            run("DELETE FROM idempotency WHERE until <= ?1", params![int(now)])?;
            run("DELETE FROM pair_limit WHERE until <= ?1", params![int(now)])?;
        }
        Change::PutWebhook(webhook) => put_webhook(connection, &webhook)?,
        Change::SetWebhookState { id, state } => {
            run("UPDATE webhook SET state = ?2 WHERE id = ?1", params![id.as_str(), word(&state)?])?;
        }
        Change::DeleteWebhook(id) => {
            run("DELETE FROM webhook WHERE id = ?1", params![id.as_str()])?;
            run("DELETE FROM cursor WHERE endpoint = ?1", params![id.as_str()])?;
            run("DELETE FROM dead_letter WHERE endpoint = ?1", params![id.as_str()])?;
        }
        Change::PutDeadLetter(letter) => put_dead_letter(connection, &letter)?,
        Change::TrimDeadLetters { endpoint, keep } => {
            // The first one that is too many: it, and all before it, go.
            let lost = run(
                "DELETE FROM dead_letter WHERE endpoint = ?1 AND replayed = 0 AND seq <= (SELECT seq FROM dead_letter \
                 WHERE endpoint = ?1 AND replayed = 0 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                params![endpoint, i64::try_from(keep).unwrap_or(i64::MAX)],
            )?;
            counter!("wa_dead_letters_lost_total").increment(lost as u64);
        }
        Change::DeleteDeadLetters { endpoint, first, last } => {
            run(
                "DELETE FROM dead_letter WHERE endpoint = ?1 AND seq BETWEEN ?2 AND ?3",
                params![endpoint, int(first), int(last)],
            )?;
        }
        Change::PutCursor(cursor) => {
            let account = cursor.account.as_ref().map_or("", |account| account.as_str());
            run(
                "INSERT OR REPLACE INTO cursor (endpoint, account, seq) SELECT ?1, ?2, ?3 \
                 WHERE ?2 = '' OR EXISTS (SELECT 1 FROM account WHERE id = ?2)",
                params![cursor.endpoint, account, int(cursor.seq)],
            )?;
        }
    }
    Ok(())
}

/// What is kept of the number that an account was linked to.
const FORGET_NUMBER: [&str; 5] = [
    "DELETE FROM number WHERE account = ?1",
    "DELETE FROM reservation WHERE account = ?1",
    "DELETE FROM send WHERE account = ?1",
    "DELETE FROM contact WHERE account = ?1",
    "DELETE FROM chat WHERE account = ?1",
];

/// All that is kept of an account, but for what tells its deletion.
const DELETE_ALL: [&str; 13] = [
    "DELETE FROM number WHERE account = ?1",
    "DELETE FROM event WHERE account = ?1 AND kind <> 'account.deleted'",
    "DELETE FROM dead_letter WHERE account = ?1 AND kind <> 'account.deleted'",
    "DELETE FROM cursor WHERE endpoint IN (SELECT id FROM webhook WHERE account = ?1)",
    "DELETE FROM dead_letter WHERE endpoint IN (SELECT id FROM webhook WHERE account = ?1)",
    "DELETE FROM webhook WHERE account = ?1",
    "DELETE FROM account WHERE id = ?1",
    "DELETE FROM trust WHERE account = ?1",
    "DELETE FROM reservation WHERE account = ?1",
    "DELETE FROM send WHERE account = ?1",
    "DELETE FROM contact WHERE account = ?1",
    "DELETE FROM chat WHERE account = ?1",
    "DELETE FROM cursor WHERE account = ?1",
];

/// Two addresses with a blank between them.
fn accepted(link: &AcceptedLink) -> String {
    match &link.lid {
        Some(lid) => format!("{} {lid}", link.jid),
        None => link.jid.to_string(),
    }
}

fn put_account(connection: &Connection, account: AccountRecord) -> Done<()> {
    let sql = "SELECT 1 FROM account WHERE tenant = ?1 AND name = ?2 AND id <> ?3";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let values = params![account.tenant.as_str(), account.name.as_str(), account.id.as_str()];
    if statement.exists(values).map_err(failed)? {
        return Err(ManagerStoreError::NameTaken { name: account.name });
    }
    let sql = "INSERT INTO account (id, tenant, owner, name, display_name, phone, jid, lid, desired, status, reason, \
               version, settings, metadata, location, created_at, updated_at, last_active_at, \
               probation, accepted, epoch, exported, hand_overs) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23) \
               ON CONFLICT (id) DO UPDATE SET tenant = ?2, owner = ?3, name = ?4, display_name = ?5, phone = ?6, \
               jid = ?7, lid = ?8, desired = ?9, status = ?10, reason = ?11, version = ?12, settings = ?13, \
               metadata = ?14, location = ?15, created_at = ?16, updated_at = ?17, last_active_at = ?18, \
               probation = ?19, accepted = ?20, epoch = ?21, exported = ?22, hand_overs = ?23";
    let text = |jid: &Option<Jid>| jid.as_ref().map(Jid::to_string);
    let values = params![
        account.id.as_str(),
        account.tenant.as_str(),
        account.owner,
        account.name.as_str(),
        account.display_name,
        account.phone.as_ref().map(|phone| phone.to_string()),
        text(&account.jid),
        text(&account.lid),
        word(&account.desired)?,
        word(&account.status)?,
        account.reason.as_ref().map(json).transpose()?,
        int(account.version),
        json(&account.settings)?,
        json(&account.metadata)?,
        account.location,
        int(account.created_at.0),
        int(account.updated_at.0),
        account.last_active_at.map(|at| int(at.0)),
        account.probation.map(|at| int(at.0)),
        account.accepted.as_ref().map(accepted),
        int(account.epoch.0),
        account.exported,
        int(account.hand_overs),
    ];
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values))
        .map(drop)
        .map_err(failed)
}

/// `None` for one that is there.
fn push_event(connection: &Connection, event: NewEvent) -> Done<Option<EventRecord>> {
    let mut known = connection.prepare_cached("SELECT 1 FROM event WHERE id = ?1").map_err(failed)?;
    if known.exists(params![event.id.as_str()]).map_err(failed)? {
        return Ok(None);
    }
    let account_seq = match &event.account {
        Some(account) => {
            let sql = "UPDATE account SET seq = seq + 1 WHERE id = ?1 RETURNING seq";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let seq: Option<i64> = statement
                .query_row(params![account.as_str()], |row| row.get(0))
                .optional()
                .map_err(failed)?;
            seq.unwrap_or(0)
        }
        None => 0,
    };
    let sql = "INSERT INTO event (account_seq, id, tenant, account, kind, at, data) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![
        account_seq,
        event.id.as_str(),
        event.tenant.as_str(),
        event.account.as_ref().map(|account| account.as_str()),
        event.kind.wire(),
        int(event.at.0),
        json(&event.data)?,
    ];
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let seq = statement.insert(values).map_err(failed)?;
    let NewEvent { id, tenant, account, kind, at, data } = event;
    let (seq, account_seq) = (seq.unsigned_abs(), account_seq.unsigned_abs());
    Ok(Some(EventRecord { seq, account_seq, id, tenant, account, kind, at, data }))
}

fn put_webhook(connection: &Connection, webhook: &WebhookRecord) -> Done<()> {
    let sql = "INSERT INTO webhook (id, tenant, account, url, events, secrets, headers, mode, parallel, state, since, \
               created_at, updated_at, ignored, retry) \
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15 \
               WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM account WHERE id = ?3) \
               ON CONFLICT (id) DO UPDATE SET tenant = ?2, account = ?3, url = ?4, events = ?5, secrets = ?6, \
               headers = ?7, mode = ?8, parallel = ?9, state = ?10, since = ?11, created_at = ?12, updated_at = ?13, \
               ignored = ?14, retry = ?15";
    let spec = &webhook.spec;
    let mut secrets = Zeroizing::new(String::with_capacity(4096));
    for secret in &spec.secrets {
        if !secrets.is_empty() {
            secrets.push(' ');
        }
        secrets.push_str(&secret.to_text());
    }
    let values = params![
        webhook.id.as_str(),
        webhook.tenant.as_str(),
        spec.account.as_ref().map(|account| account.as_str()),
        spec.url,
        json(&spec.events)?,
        secrets.as_str(),
        json(&spec.headers)?,
        word(&spec.mode)?,
        spec.is_parallel,
        word(&webhook.state)?,
        int(webhook.since),
        int(webhook.created_at.0),
        int(webhook.updated_at.0),
        json(&spec.ignore)?,
        json(&spec.retry)?,
    ];
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values))
        .map(drop)
        .map_err(failed)
}

fn put_dead_letter(connection: &Connection, letter: &DeadLetterRecord) -> Done<()> {
    let sql = "INSERT OR REPLACE INTO dead_letter (seq, account_seq, id, tenant, account, kind, at, data, endpoint, \
               tries, reason, died_at, replayed) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 \
               WHERE ?5 IS NULL OR ?6 = 'account.deleted' OR EXISTS (SELECT 1 FROM account WHERE id = ?5)";
    let event = &letter.event;
    let values = params![
        int(event.seq),
        int(event.account_seq),
        event.id.as_str(),
        event.tenant.as_str(),
        event.account.as_ref().map(|account| account.as_str()),
        event.kind.wire(),
        int(event.at.0),
        json(&event.data)?,
        letter.endpoint,
        letter.tries,
        letter.reason,
        int(letter.at.0),
        letter.is_replayed,
    ];
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values))
        .map(drop)
        .map_err(failed)
}

fn put_contact(connection: &Connection, contact: &ContactRecord) -> Done<()> {
    let (account, id) = (contact.account.as_str(), int(contact.id));
    let text = |jid: &Option<Jid>| jid.as_ref().map(Jid::to_string);
    let (pn, lid) = (text(&contact.pn), text(&contact.lid));
    // An address leads to one person only.
    for (sql, address) in [
        ("UPDATE contact SET pn = NULL WHERE account = ?1 AND pn = ?2 AND id <> ?3", &pn),
        ("UPDATE contact SET lid = NULL WHERE account = ?1 AND lid = ?2 AND id <> ?3", &lid),
    ] {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![account, address, id]))
            .map_err(failed)?;
    }
    let sql = "INSERT OR REPLACE INTO contact (account, id, pn, lid, push_name, created_at, last_inbound, unanswered) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        account,
        id,
        pn,
        lid,
        contact.push_name,
        int(contact.created_at.0),
        contact.last_inbound.map(|at| int(at.0)),
        contact.unanswered
    ];
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values))
        .map(drop)
        .map_err(failed)
}
