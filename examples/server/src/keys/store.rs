//! The keys, in a file of the server's own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::{Key, hash};

/// The keys. All of them are in memory, by their hashes; a change is written first.
#[derive(Debug, Clone)]
pub(crate) struct KeyStore {
    inner: Arc<Inner>,
}

/// The keys by their ids, and the ids by the hashes of their texts.
#[derive(Debug, Default)]
struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    ids: HashMap<[u8; 32], String>,
}

impl Keys {
    fn insert(&mut self, hash: [u8; 32], key: Arc<Key>) {
        self.ids.insert(hash, key.id.clone());
        self.by_id.insert(key.id.clone(), key);
    }

    fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
        self.ids.retain(|_, of| of != id);
    }
}

#[derive(Debug)]
struct Inner {
    file: Mutex<Connection>,
    keys: Mutex<Keys>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
}

/// The keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the file of the keys cannot be read or written")]
    File(#[from] rusqlite::Error),
    #[error("a key in the file cannot be read")]
    Damaged(#[from] serde_json::Error),
    #[error("the work was cut off")]
    Interrupted,
}

impl KeyStore {
    /// Opens the file, and makes it if there is none. Blocks for a moment.
    pub(crate) fn open(path: &Path) -> Result<Self, KeyError> {
        let file = Connection::open(path)?;
        file.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS key (hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, data TEXT NOT NULL) STRICT;",
        )?;
        let mut keys = Keys::default();
        {
            let mut statement = file.prepare("SELECT hash, data FROM key")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let key: Key = serde_json::from_str(&row.get::<_, String>(1)?)?;
                keys.insert(row.get::<_, [u8; 32]>(0)?, Arc::new(key));
            }
        }
        let changes = watch::Sender::new(0);
        Ok(Self { inner: Arc::new(Inner { file: Mutex::new(file), keys: Mutex::new(keys), changes }) })
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of this text. It is looked up by its hash, so that the time tells nothing of the text.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Key>> {
        let keys = self.keys();
        keys.ids.get(&hash(text)).and_then(|id| keys.by_id.get(id)).cloned()
    }

    /// The key of this id as it is now; `None` once it was removed.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Key>> {
        self.keys().by_id.get(id).cloned()
    }

    /// All keys, the oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Key>> {
        let mut keys: Vec<_> = self.keys().by_id.values().cloned().collect();
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        keys
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys().by_id.is_empty()
    }

    /// Wakes whoever uses a key for long, whenever one of them is changed or removed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Adds the key of this text.
    pub(crate) async fn add(&self, text: &str, key: Key) -> Result<Arc<Key>, KeyError> {
        let (hash, data, id) = (hash(text), serde_json::to_string(&key)?, key.id.clone());
        let key = Arc::new(key);
        let added = (hash, Arc::clone(&key));
        self.write(
            move |file| {
                file.execute("INSERT INTO key (hash, id, data) VALUES (?1, ?2, ?3)", params![hash, id, data])
            },
            move |keys| keys.insert(added.0, added.1),
        )
        .await?;
        Ok(key)
    }

    /// Puts this in the place of the key of its id. `false` when there is none.
    pub(crate) async fn change(&self, key: Key) -> Result<bool, KeyError> {
        let (data, id) = (serde_json::to_string(&key)?, key.id.clone());
        let count = self
            .write(
                move |file| file.execute("UPDATE key SET data = ?1 WHERE id = ?2", params![data, id]),
                move |keys| {
                    // One that was removed meanwhile stays removed.
                    if let Some(place) = keys.by_id.get_mut(&key.id) {
                        *place = Arc::new(key);
                    }
                },
            )
            .await?;
        Ok(count > 0)
    }

    /// Removes a key. `false` when there is none of this id.
    pub(crate) async fn remove(&self, id: &str) -> Result<bool, KeyError> {
        let (name, gone) = (id.to_owned(), id.to_owned());
        let count = self
            .write(
                move |file| file.execute("DELETE FROM key WHERE id = ?1", [name]),
                move |keys| keys.remove(&gone),
            )
            .await?;
        Ok(count > 0)
    }

    /// Writes to the file, and then to memory: all of it, also when nobody waits for it any more.
    async fn write(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
        then: impl FnOnce(&mut Keys) + Send + 'static,
    ) -> Result<usize, KeyError> {
        let inner = Arc::clone(&self.inner);
        let written = spawn_blocking(move || {
            // Until memory has it too: two changes are in both in the same order.
            let file = inner.file.lock().unwrap_or_else(PoisonError::into_inner);
            let count = write(&file)?;
            then(&mut inner.keys.lock().unwrap_or_else(PoisonError::into_inner));
            inner.changes.send_modify(|changes| *changes += 1);
            Ok::<_, rusqlite::Error>(count)
        });
        Ok(written.await.map_err(|_| KeyError::Interrupted)??)
    }
}
