//! The SQL of [`LidMapping`].

use rusqlite::{Connection, Row};
use wa_types::{Jid, UnixMillis};

use super::SqliteStore;
use super::query::{column, each, run, saturated, unsigned};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{LidMapReader, LidMapping};
use crate::store::StoreFuture;

impl LidMapReader for SqliteStore {
    fn lids_of(&self, pns: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        let pns = pns.to_vec();
        self.read(move |connection| {
            let sql = "SELECT lid, pn, learned_ms FROM lid_map WHERE pn = ?1 \
                       ORDER BY learned_ms DESC, rowid DESC LIMIT 1";
            each(connection, WHAT, sql, &pns, |pn| [jid_text::write(pn)], read)
        })
    }

    fn pns_of(&self, lids: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        let lids = lids.to_vec();
        self.read(move |connection| {
            let sql = "SELECT lid, pn, learned_ms FROM lid_map WHERE lid = ?1";
            each(connection, WHAT, sql, &lids, |lid| [jid_text::write(lid)], read)
        })
    }
}

/// Replaces the row as a whole: its new rowid tells that it was written last.
pub(super) fn put(connection: &Connection, mapping: &LidMapping) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO lid_map (lid, pn, learned_ms) VALUES (?1, ?2, ?3)";
    let (lid, pn) = (jid_text::write(&mapping.lid), jid_text::write(&mapping.pn));
    run(connection, sql, (lid, pn, saturated(mapping.learned.0))).map(drop)
}

fn read(row: &Row<'_>) -> Result<LidMapping, StoreError> {
    let jid = |at| jid_text::read(&column::<String>(row, at, WHAT)?, WHAT);
    Ok(LidMapping { lid: jid(0)?, pn: jid(1)?, learned: UnixMillis(unsigned(row, 2, WHAT)?) })
}

const WHAT: &str = "LID mapping";
