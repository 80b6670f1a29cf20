//! The SQL of [`Group`], and of the devices that have our own key of one.

use rusqlite::Connection;
use wa_types::Jid;

use super::SqliteStore;
use super::query::{all, blob, column, each, run};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{Group, GroupReader};
use crate::store::StoreFuture;

impl GroupReader for SqliteStore {
    fn groups(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Group>>> {
        let groups = groups.to_vec();
        self.read(move |connection| {
            let sql = "SELECT record FROM group_info WHERE jid = ?1";
            each(
                connection,
                WHAT,
                sql,
                &groups,
                |group| [jid_text::write(group)],
                |row| blob(row, 0, WHAT, |bytes| Some(Group::decode(bytes)))?,
            )
        })
    }

    fn known_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.read(move |connection| {
            all(connection, WHAT, "SELECT jid FROM group_info", [], |row| {
                let text: String = column(row, 0, WHAT)?;
                jid_text::read(&text, WHAT)
            })
        })
    }

    fn key_holders(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        let groups = groups.to_vec();
        self.read(move |connection| {
            let sql = "SELECT record FROM key_holders WHERE group_jid = ?1";
            each(
                connection,
                HOLDERS,
                sql,
                &groups,
                |group| [jid_text::write(group)],
                |row| column(row, 0, HOLDERS),
            )
        })
    }

    fn key_holder_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.read(move |connection| {
            all(connection, HOLDERS, "SELECT group_jid FROM key_holders", [], |row| {
                let text: String = column(row, 0, HOLDERS)?;
                jid_text::read(&text, HOLDERS)
            })
        })
    }
}

pub(super) fn put(connection: &Connection, group: &Group) -> Result<(), StoreError> {
    let sql = "INSERT INTO group_info (jid, record) VALUES (?1, ?2) \
               ON CONFLICT (jid) DO UPDATE SET record = excluded.record";
    run(connection, sql, (jid_text::write(&group.jid), group.encode())).map(drop)
}

pub(super) fn delete(connection: &Connection, group: &Jid) -> Result<(), StoreError> {
    run(connection, "DELETE FROM group_info WHERE jid = ?1", [jid_text::write(group)]).map(drop)
}

pub(super) fn put_holders(connection: &Connection, group: &Jid, record: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO key_holders (group_jid, record) VALUES (?1, ?2) \
               ON CONFLICT (group_jid) DO UPDATE SET record = excluded.record";
    run(connection, sql, (jid_text::write(group), record)).map(drop)
}

pub(super) fn delete_holders(connection: &Connection, group: &Jid) -> Result<(), StoreError> {
    run(connection, "DELETE FROM key_holders WHERE group_jid = ?1", [jid_text::write(group)]).map(drop)
}

const WHAT: &str = "group";
const HOLDERS: &str = "key holders";
