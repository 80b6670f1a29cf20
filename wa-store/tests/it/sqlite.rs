//! The file store at work: room, closing, the runtime.

use std::sync::Arc;

use tempfile::tempdir;
use wa_store::{
    AccountReader, Changes, InboxEntry, InboxReader, MessageKey, Remedy, SessionReader, SqliteStore, Store,
    StoreError,
};
use wa_types::{Domain, Jid, SignalAddress, UnixMillis};

fn address(device: u16) -> SignalAddress {
    SignalAddress::new("15550001111", Domain::Pn, device)
}

fn session(device: u16, size: usize) -> Changes {
    let mut changes = Changes::new();
    changes.put_session(address(device), vec![7; size]);
    changes
}

#[tokio::test]
async fn a_full_store_says_so_and_works_again_once_there_is_room() {
    let directory = tempdir().unwrap();
    let builder = SqliteStore::builder(directory.path().join("a.db")).max_size_bytes(300_000);
    let store = builder.clone().open().await.unwrap();
    let mut stored = 0;
    let error = loop {
        match store.commit(session(stored, 10_000)).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { source: Some(_) }), "{error:?}");
    assert_eq!((error.remedy(), error.is_transient()), (Remedy::MakeRoom, true));
    assert!(stored > 10, "{stored}");
    // Nothing of a commit that fails in its middle.
    let mut mixed = Changes::new();
    mixed.delete_session(address(0)).put_session(address(900), vec![1]);
    mixed.put_session(address(901), vec![1; 200_000]);
    assert!(matches!(store.commit(mixed).await, Err(StoreError::Full { .. })));
    let sessions = store.sessions(&[address(0), address(900), address(901)]).await.unwrap();
    assert_eq!(sessions, [Some(vec![7; 10_000]), None, None]);
    // Room by deletion.
    let mut delete = Changes::new();
    delete.delete_session(address(0)).delete_session(address(1));
    store.commit(delete).await.unwrap();
    store.commit(session(950, 10_000)).await.unwrap();
    // Room by a higher limit.
    store.close().await.unwrap();
    let store = builder.max_size_bytes(900_000).open().await.unwrap();
    store.commit(session(951, 200_000)).await.unwrap();
    assert_eq!(store.sessions(&[address(950)]).await.unwrap(), [Some(vec![7; 10_000])]);
}

#[tokio::test]
async fn only_the_commit_without_room_fails_among_commits_made_at_the_same_time() {
    let directory = tempdir().unwrap();
    let store =
        SqliteStore::builder(directory.path().join("a.db")).max_size_bytes(500_000).open().await.unwrap();
    let (a, b, c) = tokio::join!(
        store.commit(session(1, 10)),
        store.commit(session(2, 900_000)),
        store.commit(session(3, 10))
    );
    assert!(a.is_ok() && c.is_ok());
    assert!(matches!(b, Err(StoreError::Full { .. })), "{b:?}");
}

#[tokio::test]
async fn a_closed_store_refuses_calls_and_leaves_one_file() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.commit(session(1, 10)).await.unwrap();
    let addresses = [address(1)];
    let (before, closed, after) =
        tokio::join!(store.sessions(&addresses), store.close(), store.sessions(&addresses));
    assert_eq!(before.unwrap(), [Some(vec![7; 10])]);
    closed.unwrap();
    assert!(matches!(after, Err(StoreError::Closed)), "{after:?}");
    assert!(matches!(store.commit(session(1, 10)).await, Err(StoreError::Closed)));
    let files: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["a.db"]);
}

#[test]
fn a_store_outlives_the_runtime_it_was_opened_in() {
    let directory = tempdir().unwrap();
    let new_runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let first = new_runtime();
    let store = Arc::new(first.block_on(SqliteStore::open(directory.path().join("a.db"))).unwrap());
    // Calls under way when the runtime stops: each commit happens or does not.
    for device in 0..200 {
        let store = Arc::clone(&store);
        first.spawn(async move { store.commit(session(device, 2000)).await });
    }
    first.shutdown_background();
    let second = new_runtime();
    second.block_on(async {
        let sessions = store.sessions(&(0..200).map(address).collect::<Vec<_>>()).await;
        // The first call may still be cut off together with the worker of the runtime that stopped.
        if let Err(error) = sessions {
            assert!(matches!(error, StoreError::Interrupted), "{error:?}");
        }
        store.commit(session(1, 10)).await.unwrap();
        assert_eq!(store.sessions(&[address(1)]).await.unwrap(), [Some(vec![7; 10])]);
    });
}

#[test]
fn without_a_runtime_a_call_fails_and_does_not_panic() {
    let directory = tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = runtime.block_on(SqliteStore::open(directory.path().join("a.db"))).unwrap();
    let mut call = store.account();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = call.as_mut().poll(&mut context) else {
        panic!("waits for nothing")
    };
    assert!(matches!(result, Err(StoreError::Backend { .. })), "{result:?}");
}

#[tokio::test]
async fn an_inbox_number_that_sqlite_cannot_keep_is_refused() {
    let directory = tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("a.db")).await.unwrap();
    let entry = |seq| InboxEntry {
        seq,
        message: MessageKey { chat: Jid::STATUS, sender: Jid::pn("15550001111"), id: "3EB0".into() },
        received: UnixMillis(1),
        payload: vec![1],
    };
    let mut changes = Changes::new();
    changes.push_inbox(entry(1 << 63));
    assert!(matches!(store.commit(changes).await, Err(StoreError::OutOfRange { .. })));
    let mut changes = Changes::new();
    changes.push_inbox(entry((1 << 63) - 1));
    store.commit(changes).await.unwrap();
    assert_eq!(store.last_inbox_seq().await.unwrap(), (1 << 63) - 1);
}
