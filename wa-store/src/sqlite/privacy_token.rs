//! The SQL of [`PrivacyToken`].

use rusqlite::{Connection, Row};
use wa_types::{Jid, UnixSeconds};

use super::SqliteStore;
use super::query::{column, each, run, saturated};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{PrivacyToken, PrivacyTokenReader};
use crate::store::StoreFuture;

impl PrivacyTokenReader for SqliteStore {
    fn privacy_tokens(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<PrivacyToken>>> {
        let users = users.to_vec();
        self.read(move |connection| {
            let sql = "SELECT user_jid, token, received_s, issued_s FROM privacy_token WHERE user_jid = ?1";
            each(connection, WHAT, sql, &users, |user| [jid_text::write(user)], read)
        })
    }
}

pub(super) fn put(connection: &Connection, record: &PrivacyToken) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO privacy_token (user_jid, token, received_s, issued_s) \
               VALUES (?1, ?2, ?3, ?4)";
    let token = record.received.as_ref().map(|(token, _)| token.as_slice());
    let received = record.received.as_ref().map(|(_, at)| saturated(at.0));
    let issued = record.issued.map(|at| saturated(at.0));
    run(connection, sql, (jid_text::write(&record.user), token, received, issued)).map(drop)
}

fn read(row: &Row<'_>) -> Result<PrivacyToken, StoreError> {
    let time = |at| {
        let stored = column::<Option<i64>>(row, at, WHAT)?;
        let number =
            stored.map(|number| u64::try_from(number).map_err(|error| StoreError::corrupt(WHAT, error)));
        Ok::<_, StoreError>(number.transpose()?.map(UnixSeconds))
    };
    Ok(PrivacyToken {
        user: jid_text::read(&column::<String>(row, 0, WHAT)?, WHAT)?,
        received: column::<Option<Vec<u8>>>(row, 1, WHAT)?.zip(time(2)?),
        issued: time(3)?,
    })
}

const WHAT: &str = "privacy token";
