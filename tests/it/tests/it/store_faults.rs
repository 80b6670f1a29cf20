//! Stores that fail for a while: a file that somebody else holds, a database that is busy, a commit that fails once, each
//! in its turn. What is full is in `durability.rs`, what is sent in `outbox_faults.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::{Connection, ErrorCode};
use wa_core::connection::CloseReason;
use wa_core::store::sqlite::SqliteStore;
use wa_core::{Event, Message, SendError};
use wa_it::{CommitHook, Companion, FaultyStore};
use wa_store::{Changes, MemoryStore, Remedy, Store, StoreError};
use wa_test_server::{Config, GroupMode, Phone, TestServer};

/// Fails commits with these numbers, counted from when it is armed.
#[derive(Debug, Default)]
struct Failing {
    /// 0 while it is not armed; one more than the commits seen since.
    seen: AtomicUsize,
    first: AtomicUsize,
    count: AtomicUsize,
    failed: AtomicUsize,
}

impl Failing {
    fn arm(&self, first: usize, count: usize) {
        self.first.store(first, Ordering::SeqCst);
        self.count.store(count, Ordering::SeqCst);
        self.failed.store(0, Ordering::SeqCst);
        self.seen.store(1, Ordering::SeqCst);
    }

    fn disarm(&self) {
        self.seen.store(0, Ordering::SeqCst);
    }

    fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }
}

impl CommitHook for Failing {
    fn before(&self, _changes: &Changes) -> Result<(), StoreError> {
        if self.seen.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst) - 1;
        let first = self.first.load(Ordering::SeqCst);
        if number < first || number - first >= self.count.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.failed.fetch_add(1, Ordering::SeqCst);
        Err(StoreError::Locked)
    }
}

async fn linked(server: &TestServer, phone: &Phone) -> (Companion, Arc<Failing>) {
    let hook = Arc::new(Failing::default());
    let store = FaultyStore::with_hook(Arc::new(MemoryStore::new()), Arc::clone(&hook) as _);
    (Companion::link_with(server, phone, Arc::new(store)).await, hook)
}

#[tokio::test]
async fn a_file_that_another_process_holds_is_refused_at_once_and_opens_when_it_is_free() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let alice = Companion::link_with(&server, &phone, store).await;
    drop(alice.stop().await);
    bob.send_text(phone.pn(), "waits").await.unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Locked), "{refused:?}");
    assert_eq!(refused.remedy(), Remedy::CloseElsewhere);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let mut alice = Companion::start(&server, store).await;
    assert_eq!(alice.texts(1).await, ["waits"]);
}

#[tokio::test]
async fn nobody_else_gets_the_file_while_a_client_has_it() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let mut alice = Companion::link_with(&server, &phone, store).await;
    let other = Connection::open(&path).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    for statement in ["BEGIN IMMEDIATE", "SELECT count(*) FROM account"] {
        let refused = other.execute_batch(statement).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "{refused:?}");
        alice.send_text(bob.pn(), statement).await;
        assert_eq!(bob.next_message().await.text(), Some(statement));
        bob.send_text(phone.pn(), statement).await.unwrap();
        assert_eq!(alice.texts(1).await, [statement]);
    }
    drop(other);
    alice.send_text(bob.pn(), "still ours").await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_busy_for_a_moment_or_for_long_loses_nothing() {
    for count in [1, 2, 6] {
        let server = TestServer::with(Config { detect_key_reuse: true, ..Config::default() }).await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let (mut alice, hook) = linked(&server, &phone).await;
        alice.send_text(bob.pn(), "before").await;
        assert_eq!(bob.next_message().await.text(), Some("before"));
        hook.arm(0, count);
        // A send says so, and stored nothing.
        let sent = alice.client.send(bob.pn(), Message::text("refused")).await;
        assert!(matches!(sent, Err(SendError::Store(_))), "{sent:?}");
        bob.send_text(phone.pn(), "to read").await.unwrap();
        let mut ends = 0;
        loop {
            match alice.next().await {
                Event::Disconnected { reason: CloseReason::StoreFailed, .. } => ends += 1,
                Event::Message(message) => {
                    assert_eq!(message.message.as_text(), Some("to read"));
                    break;
                }
                _ => {}
            }
        }
        assert_eq!((hook.failed(), ends > 0), (count, true));
        alice.send_text(bob.pn(), "after").await;
        assert_eq!(bob.next_message().await.text(), Some("after"));
        server.wait_drained(&alice.jid).await;
        assert_eq!(server.reused_keys(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_while_messages_come_in_loses_and_doubles_nothing() {
    let mut number = 0;
    loop {
        let server = TestServer::with(Config { detect_key_reuse: true, ..Config::default() }).await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let group = bob.create_group("Crew", &[phone.pn()], GroupMode::Lid);
        let (mut alice, hook) = linked(&server, &phone).await;
        hook.arm(number, 1);
        // The first of a session, one with a group's key and one without, one that is to be asked for again.
        let mut sent = Vec::new();
        for (chat, text) in [(phone.pn(), "0"), (&group, "1"), (&group, "2"), (phone.pn(), "3")] {
            if text == "3" {
                server.faults_of(&alice.jid).garble_next(1);
            }
            bob.send_text(chat, text).await.unwrap();
            sent.push(text);
        }
        let mut told = alice.texts(sent.len()).await;
        told.sort();
        assert_eq!(told, sent, "commit {number}");
        server.wait_drained(&alice.jid).await;
        let has_failed = hook.failed() > 0;
        hook.disarm();
        // Once, and not again after a restart: only what was not confirmed, the last one.
        bob.send_text(phone.pn(), "end").await.unwrap();
        assert_eq!(alice.texts(1).await, ["end"], "commit {number}");
        let mut alice = Companion::start(&server, alice.stop().await).await;
        bob.send_text(phone.pn(), "new").await.unwrap();
        assert_eq!(alice.texts(2).await, ["end", "new"], "commit {number}");
        assert_eq!(server.reused_keys(), []);
        if !has_failed {
            assert!(number > 4, "only {number} commits");
            return;
        }
        number += 1;
    }
}
