//! The SQL of held users.

use rusqlite::Connection;
use wa_types::Jid;

use super::SqliteStore;
use super::query::{each, run};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::HeldReader;
use crate::store::StoreFuture;

impl HeldReader for SqliteStore {
    fn held(&self, users: &[Jid]) -> StoreFuture<'_, Vec<bool>> {
        let users = users.to_vec();
        self.read(move |connection| {
            let sql = "SELECT 1 FROM held WHERE user_jid = ?1";
            let found =
                each(connection, "held users", sql, &users, |user| [jid_text::write(user)], |_| Ok(()))?;
            Ok(found.iter().map(Option::is_some).collect())
        })
    }
}

pub(super) fn hold(connection: &Connection, user: &Jid) -> Result<(), StoreError> {
    run(connection, "INSERT OR IGNORE INTO held (user_jid) VALUES (?1)", [jid_text::write(user)]).map(drop)
}

pub(super) fn release(connection: &Connection, user: &Jid) -> Result<(), StoreError> {
    run(connection, "DELETE FROM held WHERE user_jid = ?1", [jid_text::write(user)]).map(drop)
}
