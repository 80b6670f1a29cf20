//! The SQL of [`DeviceList`].

use rusqlite::Connection;
use wa_types::Jid;

use super::SqliteStore;
use super::query::{all, blob, column, each, run};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{DeviceList, DeviceListReader};
use crate::store::StoreFuture;

impl DeviceListReader for SqliteStore {
    fn device_lists(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<DeviceList>>> {
        let users = users.to_vec();
        self.read(move |connection| {
            let sql = "SELECT record FROM device_list WHERE user_jid = ?1";
            each(
                connection,
                WHAT,
                sql,
                &users,
                |user| [jid_text::write(user)],
                |row| blob(row, 0, WHAT, |bytes| Some(DeviceList::decode(bytes)))?,
            )
        })
    }

    fn listed_users(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.read(move |connection| {
            all(connection, WHAT, "SELECT user_jid FROM device_list", [], |row| {
                let text: String = column(row, 0, WHAT)?;
                jid_text::read(&text, WHAT)
            })
        })
    }
}

pub(super) fn put(connection: &Connection, user: &Jid, list: &DeviceList) -> Result<(), StoreError> {
    let sql = "INSERT INTO device_list (user_jid, record) VALUES (?1, ?2) \
               ON CONFLICT (user_jid) DO UPDATE SET record = excluded.record";
    run(connection, sql, (jid_text::write(user), list.encode())).map(drop)
}

pub(super) fn delete(connection: &Connection, user: &Jid) -> Result<(), StoreError> {
    run(connection, "DELETE FROM device_list WHERE user_jid = ?1", [jid_text::write(user)]).map(drop)
}

const WHAT: &str = "device list";
