//! Changes in one transaction.

use rusqlite::Connection;

use super::query::run;
use super::{
    account, app_state, chat_key, device_list, error, group, held, identity, inbox, lid_map, message_secret,
    outbox, pre_key, privacy_token, repair, sender_key, session,
};
use crate::changes::Change;
use crate::error::StoreError;

/// Writes all changes, or none.
pub(super) fn write<'a>(
    connection: &Connection,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<(), StoreError> {
    // A transaction is open here only if a panic left it so.
    roll_back(connection);
    run(connection, "BEGIN IMMEDIATE", [])?;
    let result = apply_all(connection, changes).and_then(|()| run(connection, "COMMIT", []).map(drop));
    if result.is_err() {
        roll_back(connection);
    }
    result
}

fn roll_back(connection: &Connection) {
    // After some errors SQLite has rolled back itself. If this fails, so does the next BEGIN.
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
}

fn apply_all<'a>(
    connection: &Connection,
    mut changes: impl Iterator<Item = &'a Change>,
) -> Result<(), StoreError> {
    changes.try_for_each(|change| apply(connection, change))
}

fn apply(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::PutAccount(account) => account::put(connection, account),
        Change::PutSession { address, record } => session::put(connection, address, record),
        Change::DeleteSession(address) => session::delete(connection, address),
        Change::PutIdentity { address, key } => identity::put(connection, address, key),
        Change::DeleteIdentity(address) => identity::delete(connection, address),
        Change::PutPreKey(record) => pre_key::put(connection, record),
        Change::DeletePreKey(id) => pre_key::delete(connection, *id),
        Change::TrimPreKeys { keep, next } => pre_key::trim(connection, *keep, *next),
        Change::PutSignedPreKey(record) => pre_key::put_signed(connection, record),
        Change::DeleteSignedPreKey(id) => pre_key::delete_signed(connection, *id),
        Change::PutRepair(record) => repair::put(connection, record),
        Change::DeleteRepair(message) => repair::delete(connection, message),
        Change::Hold(user) => held::hold(connection, user),
        Change::Release(user) => held::release(connection, user),
        Change::PutSenderKey { name, record } => sender_key::put(connection, name, record),
        Change::DeleteSenderKey(name) => sender_key::delete(connection, name),
        Change::PutDeviceList { user, list } => device_list::put(connection, user, list),
        Change::DeleteDeviceList(user) => device_list::delete(connection, user),
        Change::PutGroup(known) => group::put(connection, known),
        Change::DeleteGroup(jid) => group::delete(connection, jid),
        Change::PutKeyHolders { group: jid, record } => group::put_holders(connection, jid, record),
        Change::DeleteKeyHolders(jid) => group::delete_holders(connection, jid),
        Change::PutLidMapping(mapping) => lid_map::put(connection, mapping),
        Change::PutPrivacyToken(record) => privacy_token::put(connection, record),
        Change::PutChatKey(known) => chat_key::put(connection, known),
        Change::PushInbox(entry) => inbox::push(connection, entry),
        Change::ConfirmInbox { seq } => inbox::confirm(connection, *seq),
        Change::MarkSeen { key, at } => inbox::mark_seen(connection, key, *at),
        Change::ForgetSeenBefore(time) => inbox::forget_seen_before(connection, *time),
        Change::PutOutbox(entry) => outbox::put(connection, entry),
        Change::SetOutboxState { seq, state, at } => outbox::set_state(connection, *seq, *state, *at),
        Change::SetOutboxStateOf { id, state, at } => outbox::set_state_of(connection, id, *state, *at),
        Change::TrimOutbox { before, keep_bytes } => outbox::trim(connection, *before, *keep_bytes),
        Change::PutMessageSecret(record) => message_secret::put(connection, record),
        Change::PutSealed(record) => message_secret::put_sealed(connection, record),
        Change::DeleteSealed(message) => message_secret::delete_sealed(connection, message),
        Change::TrimMessageSecrets { before, keep, keep_sealed } => {
            message_secret::trim(connection, *before, *keep, *keep_sealed)
        }
        Change::PutAppStateCollection { name, record } => app_state::put_collection(connection, name, record),
        Change::PutAppStateKey { id, record } => app_state::put_key(connection, id, record),
        Change::PutAppStateEntry(entry) => app_state::put(connection, entry),
        Change::DeleteAppStateEntry { collection, index_mac } => {
            app_state::delete(connection, collection, index_mac)
        }
        Change::ClearAppState(collection) => app_state::clear(connection, collection),
        Change::PutAppStateChange(change) => app_state::put_change(connection, change),
        Change::DeleteAppStateChange { seq } => app_state::delete_change(connection, *seq),
        Change::Wipe => wipe(connection),
    }
}

fn wipe(connection: &Connection) -> Result<(), StoreError> {
    connection
        .execute_batch(
            "DELETE FROM account; DELETE FROM session; DELETE FROM identity; DELETE FROM pre_key;
             DELETE FROM signed_pre_key; DELETE FROM sender_key; DELETE FROM device_list; DELETE FROM lid_map;
             DELETE FROM group_info; DELETE FROM key_holders; DELETE FROM repair; DELETE FROM held;
             DELETE FROM privacy_token; DELETE FROM chat_key; DELETE FROM inbox; DELETE FROM seen; DELETE FROM outbox;
             DELETE FROM message_secret; DELETE FROM sealed; DELETE FROM app_state_collection;
             DELETE FROM app_state_key; DELETE FROM app_state_entry; DELETE FROM app_state_change;
             UPDATE inbox_last SET seq = 0",
        )
        .map_err(error::of)
}
