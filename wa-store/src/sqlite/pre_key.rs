//! The SQL of one-time and signed pre-keys.

use rusqlite::{Connection, Row};
use wa_types::{KeyPair, PreKeyId, PrivateKey, PublicKey, Signature, UnixSeconds};

use super::SqliteStore;
use super::query::{all, blob, column, each, limit, run, saturated, unsigned};
use crate::error::StoreError;
use crate::records::{PreKeyReader, PreKeyRecord, SignedPreKeyRecord};
use crate::store::StoreFuture;

impl PreKeyReader for SqliteStore {
    fn pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<PreKeyRecord>>> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let sql = "SELECT id, private_key, public_key, uploaded FROM pre_key WHERE id = ?1";
            each(connection, WHAT, sql, &ids, |id| [id.get()], read)
        })
    }

    fn unuploaded_pre_keys(&self, count: usize) -> StoreFuture<'_, Vec<PreKeyRecord>> {
        self.read(move |connection| {
            let sql = "SELECT id, private_key, public_key, uploaded FROM pre_key \
                       WHERE uploaded = 0 ORDER BY id LIMIT ?1";
            all(connection, WHAT, sql, [limit(count)], read)
        })
    }

    fn pre_key_count(&self) -> StoreFuture<'_, usize> {
        self.read(|connection| {
            let read = |row: &Row<'_>| unsigned(row, 0, WHAT);
            let count = all(connection, WHAT, "SELECT count(*) FROM pre_key", [], read)?.first().copied();
            usize::try_from(count.unwrap_or(0)).map_err(|cause| StoreError::corrupt(WHAT, cause))
        })
    }

    fn signed_pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<SignedPreKeyRecord>>> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let sql =
                "SELECT id, private_key, public_key, signature, created_s FROM signed_pre_key WHERE id = ?1";
            each(connection, SIGNED, sql, &ids, |id| [id.get()], read_signed)
        })
    }
}

pub(super) fn put(connection: &Connection, record: &PreKeyRecord) -> Result<(), StoreError> {
    let sql =
        "INSERT OR REPLACE INTO pre_key (id, private_key, public_key, uploaded) VALUES (?1, ?2, ?3, ?4)";
    let KeyPair { private, public } = &record.key_pair;
    run(connection, sql, (record.id.get(), private.as_bytes(), public.as_bytes(), record.uploaded)).map(drop)
}

pub(super) fn delete(connection: &Connection, id: PreKeyId) -> Result<(), StoreError> {
    run(connection, "DELETE FROM pre_key WHERE id = ?1", [id.get()]).map(drop)
}

/// Deletes the oldest uploaded ones but `keep`; ids from `next` on are from before the wrap.
pub(super) fn trim(connection: &Connection, keep: usize, next: PreKeyId) -> Result<(), StoreError> {
    let sql = "DELETE FROM pre_key WHERE id IN (SELECT id FROM pre_key WHERE uploaded <> 0 \
               ORDER BY id >= ?1, id DESC LIMIT -1 OFFSET ?2)";
    run(connection, sql, (next.get(), limit(keep))).map(drop)
}

pub(super) fn put_signed(connection: &Connection, record: &SignedPreKeyRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO signed_pre_key (id, private_key, public_key, signature, created_s) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let KeyPair { private, public } = &record.key_pair;
    let created = saturated(record.created.0);
    let signature = record.signature.as_bytes().as_slice();
    run(connection, sql, (record.id.get(), private.as_bytes(), public.as_bytes(), signature, created))
        .map(drop)
}

pub(super) fn delete_signed(connection: &Connection, id: PreKeyId) -> Result<(), StoreError> {
    run(connection, "DELETE FROM signed_pre_key WHERE id = ?1", [id.get()]).map(drop)
}

fn read(row: &Row<'_>) -> Result<PreKeyRecord, StoreError> {
    let id = id(row, WHAT)?;
    Ok(PreKeyRecord { id, key_pair: key_pair(row, WHAT)?, uploaded: column(row, 3, WHAT)? })
}

fn read_signed(row: &Row<'_>) -> Result<SignedPreKeyRecord, StoreError> {
    Ok(SignedPreKeyRecord {
        id: id(row, SIGNED)?,
        key_pair: key_pair(row, SIGNED)?,
        signature: blob(row, 3, SIGNED, Signature::from_slice)?,
        created: UnixSeconds(unsigned(row, 4, SIGNED)?),
    })
}

fn id(row: &Row<'_>, what: &'static str) -> Result<PreKeyId, StoreError> {
    PreKeyId::new(column(row, 0, what)?).ok_or(StoreError::Corrupt { what, source: None })
}

fn key_pair(row: &Row<'_>, what: &'static str) -> Result<KeyPair, StoreError> {
    Ok(KeyPair {
        private: blob(row, 1, what, |bytes| bytes.try_into().ok().map(PrivateKey::new))?,
        public: blob(row, 2, what, |bytes| PublicKey::from_raw(bytes).ok())?,
    })
}

const WHAT: &str = "pre-key";
const SIGNED: &str = "signed pre-key";
