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

impl Inner {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// The key of this text. It is looked up by its hash, so that the time tells nothing of the text.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Key>> {
        let keys = self.inner.keys();
        keys.ids.get(&hash(text)).and_then(|id| keys.by_id.get(id)).cloned()
    }

    /// The key of this id as it is now; `None` once it was removed.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Key>> {
        self.inner.keys().by_id.get(id).cloned()
    }

    /// All keys, the oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Key>> {
        let mut keys: Vec<_> = self.inner.keys().by_id.values().cloned().collect();
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        keys
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner.keys().by_id.is_empty()
    }

    /// Wakes whoever uses a key for long, whenever one of them is changed or removed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Adds the key of this text.
    pub(crate) async fn add(&self, text: &str, key: Key) -> Result<Arc<Key>, KeyError> {
        let (hash, key) = (hash(text), Arc::new(key));
        self.write(move |file, inner| {
            let data = serde_json::to_string(&*key)?;
            let added = "INSERT INTO key (hash, id, data) VALUES (?1, ?2, ?3)";
            file.execute(added, params![hash, key.id, data])?;
            inner.keys().insert(hash, Arc::clone(&key));
            Ok(key)
        })
        .await
    }

    /// Puts what `change` makes of a key in its place: of the key as it is by then, so that of two changes at once both
    /// hold. `None` when there is none of this id.
    pub(crate) async fn change(
        &self,
        id: &str,
        change: impl FnOnce(&Key) -> Key + Send + 'static,
    ) -> Result<Option<Arc<Key>>, KeyError> {
        let id = id.to_owned();
        self.write(move |file, inner| {
            let Some(before) = inner.keys().by_id.get(&id).cloned() else { return Ok(None) };
            let key = Arc::new(change(&before));
            let data = serde_json::to_string(&*key)?;
            file.execute("UPDATE key SET data = ?1 WHERE id = ?2", params![data, id])?;
            inner.keys().by_id.insert(id, Arc::clone(&key));
            Ok(Some(key))
        })
        .await
    }

    /// Removes a key. `false` when there is none of this id.
    pub(crate) async fn remove(&self, id: &str) -> Result<bool, KeyError> {
        let id = id.to_owned();
        self.write(move |file, inner| {
            let count = file.execute("DELETE FROM key WHERE id = ?1", [&id])?;
            inner.keys().remove(&id);
            Ok(count > 0)
        })
        .await
    }

    /// Writes to the file, and then to memory: all of it, also when nobody waits for it any more.
    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection, &Inner) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let inner = Arc::clone(&self.inner);
        let written = spawn_blocking(move || {
            // Until memory has it too: two changes are in both in the same order, and the second is one of the first.
            let file = inner.file.lock().unwrap_or_else(PoisonError::into_inner);
            let written = write(&file, &inner)?;
            inner.changes.send_modify(|changes| *changes += 1);
            Ok(written)
        });
        written.await.map_err(|_| KeyError::Interrupted)?
    }
}
