//! Whose file it is: locks, versions, files that are none of ours, damage.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::tempdir;
use wa_store::{AccountReader, Changes, InboxReader, Remedy, SessionReader, SqliteStore, Store, StoreError};
use wa_types::{Domain, SignalAddress};

fn address(device: u16) -> SignalAddress {
    SignalAddress::new("15550001111", Domain::Pn, device)
}

fn session(device: u16, size: usize) -> Changes {
    let mut changes = Changes::new();
    changes.put_session(address(device), vec![7; size]);
    changes
}

/// Every file of a directory with its bytes.
fn listing(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[tokio::test]
async fn a_second_handle_is_refused_and_the_first_keeps_working() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let first = SqliteStore::open(&path).await.unwrap();
    first.commit(session(1, 10)).await.unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked), "{error:?}");
    assert_eq!(error.remedy(), Remedy::CloseElsewhere);
    #[cfg(unix)]
    {
        // However the path is spelled.
        let other = directory.path().join("link.db");
        std::os::unix::fs::symlink(&path, &other).unwrap();
        assert!(matches!(SqliteStore::open(&other).await, Err(StoreError::Locked)));
    }
    first.commit(session(2, 10)).await.unwrap();
    assert_eq!(first.sessions(&[address(1), address(2)]).await.unwrap(), vec![Some(vec![7; 10]); 2]);
    first.close().await.unwrap();
    let second = SqliteStore::open(&path).await.unwrap();
    assert_eq!(second.sessions(&[address(2)]).await.unwrap(), [Some(vec![7; 10])]);
    // Dropping is enough too.
    drop(second);
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn of_many_handles_opened_at_the_same_time_one_gets_the_file() {
    let directory = tempdir().unwrap();
    for round in 0..20 {
        let path = directory.path().join(format!("{round}.db"));
        let mut opening = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let path = path.clone();
            opening.spawn(async move { SqliteStore::open(path).await });
        }
        let mut opened = Vec::new();
        while let Some(result) = opening.join_next().await {
            match result.unwrap() {
                Ok(store) => opened.push(store),
                Err(error) => assert!(matches!(error, StoreError::Locked), "{error:?}"),
            }
        }
        assert_eq!(opened.len(), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_untouched() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.commit(session(1, 10)).await.unwrap();
    store.close().await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA journal_mode=DELETE; PRAGMA user_version=7")
        .unwrap();
    let before = listing(directory.path());
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerVersion { found: 7, supported: 1 }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::Update);
    assert!(listing(directory.path()) == before);
}

#[tokio::test]
async fn files_that_are_no_store_are_refused_and_left_untouched() {
    let directory = tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("text"), "dear diary, today I was no database\n".repeat(40)).unwrap();
    std::fs::write(path("short"), "x").unwrap();
    std::fs::write(path("magic"), b"SQLite format 3\0").unwrap();
    std::fs::write(path("zeros"), [0; 8192]).unwrap();
    Connection::open(path("other"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x); PRAGMA application_id=77")
        .unwrap();
    Connection::open(path("nameless")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    // Another application's database, in WAL mode, with what it has not checkpointed yet.
    let writer = Connection::open(path("wal")).unwrap();
    writer.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();

    let before = listing(directory.path());
    for name in ["text", "short", "magic", "zeros"] {
        let error = SqliteStore::open(path(name)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotADatabase), "{name}: {error:?}");
    }
    for (name, id) in [("other", 77), ("nameless", 0), ("wal", 0)] {
        let error = SqliteStore::open(path(name)).await.unwrap_err();
        assert!(
            matches!(error, StoreError::OtherApplication { application_id } if application_id == id),
            "{error:?}"
        );
        assert_eq!(error.remedy(), Remedy::CheckPath);
    }
    assert!(listing(directory.path()) == before);
    assert!(matches!(SqliteStore::open(directory.path()).await, Err(StoreError::Io { .. })));
    assert!(matches!(SqliteStore::open(path("no/such/directory")).await, Err(StoreError::Io { .. })));
    drop(writer);
}

#[tokio::test]
async fn an_empty_file_and_one_of_version_0_become_stores() {
    let directory = tempdir().unwrap();
    let empty = directory.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    // What is left when the very first migration never ran.
    let zero = directory.path().join("zero.db");
    Connection::open(&zero).unwrap().execute_batch("PRAGMA application_id=0x77615374; VACUUM").unwrap();
    for path in [empty, zero] {
        let store = SqliteStore::open(&path).await.unwrap();
        store.commit(session(1, 10)).await.unwrap();
        store.close().await.unwrap();
        let file = Connection::open(&path).unwrap();
        let pragma = |name: &str| file.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((pragma("user_version"), pragma("application_id")), (1, 0x7761_5374));
        drop(file);
        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(store.sessions(&[address(1)]).await.unwrap(), [Some(vec![7; 10])]);
    }
}

#[tokio::test]
async fn the_version_stands_in_the_file_itself_while_the_store_is_open() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    // A copy, because closing a descriptor of the file itself would give up the lock.
    let copy = directory.path().join("copy");
    let copied = std::process::Command::new("cp").arg(&path).arg(&copy).status().unwrap();
    assert!(copied.success());
    let bytes = std::fs::read(copy).unwrap();
    assert_eq!((&bytes[60..64], &bytes[68..72]), (&1_u32.to_be_bytes()[..], &b"waSt"[..]));
    drop(store);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.commit(session(1, 10)).await.unwrap();
    for name in ["a.db", "a.db-wal"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_cut_short_is_damaged() {
    let directory = tempdir().unwrap();
    let path = filled(directory.path()).await;
    let whole = std::fs::read(&path).unwrap();
    for length in [100, 600, 4096, 6000, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = SqliteStore::open(&path).await.expect_err(&format!("{length} bytes"));
        assert!(matches!(error, StoreError::Corrupt { .. }), "{length}: {error:?}");
        assert_eq!(error.remedy(), Remedy::Restore);
    }
}

#[tokio::test]
async fn damage_is_an_error_and_never_a_panic() {
    let directory = tempdir().unwrap();
    let path = filled(directory.path()).await;
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = 0;
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        let start = page * 4096 + if page == 0 { 100 } else { 0 };
        bytes[start..(page + 1) * 4096].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        let Err(error) = read_all(&path).await else { continue };
        assert!(matches!(error, StoreError::Corrupt { .. }), "page {page}: {error:?}");
        damaged += 1;
    }
    assert!(damaged > 10, "{damaged}");
}

#[tokio::test]
async fn a_record_that_is_none_is_damage_in_that_record() {
    let directory = tempdir().unwrap();
    let path = filled(directory.path()).await;
    let file = Connection::open(&path).unwrap();
    file.execute_batch("INSERT OR REPLACE INTO account (id, record) VALUES (1, x'01ff')").unwrap();
    drop(file);
    let store = SqliteStore::open(&path).await.unwrap();
    let error = store.account().await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { what: "account", .. }), "{error:?}");
    // The rest is readable.
    assert_eq!(store.sessions(&[address(1)]).await.unwrap(), [Some(vec![7; 1500])]);
}

/// A closed store with some content.
async fn filled(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("a.db");
    let store = SqliteStore::open(&path).await.unwrap();
    for device in 0..60 {
        store.commit(session(device, 1500)).await.unwrap();
    }
    store.close().await.unwrap();
    path
}

async fn read_all(path: &Path) -> Result<(), StoreError> {
    let store = SqliteStore::open(path).await?;
    store.sessions(&(0..60).map(address).collect::<Vec<_>>()).await?;
    store.account().await?;
    store.inbox(0, 10).await?;
    for device in 0..60 {
        store.commit(session(device, 1400)).await?;
    }
    store.close().await
}
