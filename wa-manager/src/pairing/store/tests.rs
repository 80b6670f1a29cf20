//! What every store of what is on show promises, for all of ours; and the publisher.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::mpsc;
use wa_types::UnixMillis;

use super::*;
use crate::ids::TicketId;
use crate::pairing::test_clock::{START, TestClock};
use crate::pairing::view::{PairingView, example};
use crate::store::ManagerStoreError;

/// Two openings of one store, as two processes have them.
struct Opened {
    one: Arc<dyn PairingStore>,
    other: Arc<dyn PairingStore>,
    /// What the store needs as long as it lives.
    _ground: Box<dyn std::any::Any>,
}

fn memory() -> Opened {
    let store = Arc::new(MemoryPairingStore::new());
    Opened { one: Arc::<MemoryPairingStore>::clone(&store), other: store, _ground: Box::new(()) }
}

fn sqlite() -> Opened {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pairing");
    let open = || Arc::new(SqlitePairingStore::open(&path).unwrap());
    Opened { one: open(), other: open(), _ground: Box::new(directory) }
}

#[cfg(feature = "redis")]
async fn redis() -> Opened {
    let server = server::RedisServer::start();
    let open = async || Arc::new(RedisPairingStore::connect(&server.url, "wa:pairing:").await.unwrap());
    Opened { one: open().await, other: open().await, _ground: Box::new(server) }
}

macro_rules! on_each {
    ($($test:ident,)*) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::memory()).await;
            })*
        }

        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::sqlite()).await;
            })*
        }

        #[cfg(feature = "redis")]
        mod on_redis {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::redis().await).await;
            })*
        }
    };
}

on_each! {
    another_process_reads_what_is_on_show,
    what_has_expired_is_gone_from_every_reader,
    each_account_shows_its_own,
}

const END: UnixMillis = UnixMillis(START.0 + 600_000);

fn account(number: u8) -> AccountId {
    AccountId::of([number; 16])
}

// R037, R039
async fn another_process_reads_what_is_on_show(Opened { one, other, _ground }: Opened) {
    one.check().await.unwrap();
    assert_eq!(other.get(&account(1), START).await.unwrap(), None);
    one.put(&account(1), &example(1, END), START).await.unwrap();
    assert_eq!(other.get(&account(1), START).await.unwrap(), Some(example(1, END)));
    other.put(&account(1), &example(2, END), START).await.unwrap();
    assert_eq!(one.get(&account(1), START).await.unwrap(), Some(example(2, END)));
    other.delete(&account(1)).await.unwrap();
    other.delete(&account(1)).await.unwrap();
    assert_eq!(one.get(&account(1), START).await.unwrap(), None);
}

// R055
async fn what_has_expired_is_gone_from_every_reader(Opened { one, other, _ground }: Opened) {
    one.put(&account(1), &example(1, END), START).await.unwrap();
    let at = async |store: &Arc<dyn PairingStore>, before: u64| {
        let view = store.get(&account(1), UnixMillis(END.0 - before)).await.unwrap();
        view.map(|view| (view.qr.is_some(), view.code.is_some()))
    };
    for store in [&one, &other] {
        assert_eq!(at(store, 2001).await, Some((true, true)));
        assert_eq!(at(store, 2000).await, Some((false, true)));
        assert_eq!(at(store, 1000).await, Some((false, false)));
        assert_eq!(at(store, 0).await, None);
    }
    // One that has expired before it is written is not there either.
    one.put(&account(1), &example(1, END), END).await.unwrap();
    assert_eq!(at(&other, 0).await, None);
}

async fn each_account_shows_its_own(Opened { one, other, _ground }: Opened) {
    for number in 1..=3 {
        one.put(&account(number), &example(number, END), START).await.unwrap();
    }
    one.delete(&account(2)).await.unwrap();
    for number in 1..=3 {
        let expected = (number != 2).then(|| example(number, END));
        assert_eq!(other.get(&account(number), START).await.unwrap(), expected);
    }
}

// R053
#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let store = SqlitePairingStore::open(directory.path().join("pairing")).unwrap();
    store.put(&account(1), &example(1, END), START).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_store_is_said_to_be_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pairing");
    std::fs::write(&path, [7; 5000]).unwrap();
    assert!(matches!(SqlitePairingStore::open(&path), Err(ManagerStoreError::Corrupt { .. })));
    assert!(matches!(
        SqlitePairingStore::open(directory.path().join("no/file")),
        Err(ManagerStoreError::Io(_))
    ));
}

// R055
#[cfg(feature = "redis")]
#[tokio::test]
async fn redis_forgets_by_itself() {
    let server = server::RedisServer::start();
    let store = RedisPairingStore::connect(&server.url, "wa:").await.unwrap();
    store.put(&account(1), &example(1, END), UnixMillis(END.0 - 50_000)).await.unwrap();
    let client = ::redis::Client::open(server.url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let left: i64 =
        ::redis::cmd("PTTL").arg(format!("wa:{}", account(1))).query_async(&mut connection).await.unwrap();
    assert!((1..=50_000).contains(&left), "{left}");
}

// R038, R054
#[cfg(feature = "redis")]
#[tokio::test]
async fn a_redis_that_is_gone_is_an_error_and_one_that_is_back_is_used_again() {
    let mut server = server::RedisServer::start();
    let store = RedisPairingStore::connect(&server.url, "wa:").await.unwrap();
    store.check().await.unwrap();
    server.stop();
    assert!(store.check().await.is_err());
    assert!(RedisPairingStore::connect(&server.url, "wa:").await.is_err());
    server.start_again();
    // The lost connection may be noticed by one more call.
    while store.check().await.is_err() {}
    store.put(&account(1), &example(1, END), START).await.unwrap();
}

/// A store whose answers the test gives.
#[derive(Debug)]
struct Scripted {
    answers: Mutex<mpsc::UnboundedReceiver<bool>>,
    /// What was written: the ticket's id, or nothing.
    written: mpsc::UnboundedSender<Option<TicketId>>,
}

impl Scripted {
    fn write(&self, what: Option<TicketId>) -> StoreFuture<'_, ()> {
        let answer = self.answers.lock().unwrap().try_recv();
        self.written.send(what).unwrap();
        Box::pin(async move {
            match answer {
                Ok(true) => Ok(()),
                Ok(false) => Err(ManagerStoreError::Full),
                // Nothing was prepared: it hangs.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl PairingStore for Scripted {
    fn put(&self, _: &AccountId, view: &PairingView, _: UnixMillis) -> StoreFuture<'_, ()> {
        self.write(Some(view.ticket.clone()))
    }

    fn get(&self, _: &AccountId, _: UnixMillis) -> StoreFuture<'_, Option<PairingView>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn delete(&self, _: &AccountId) -> StoreFuture<'_, ()> {
        self.write(None)
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

// R051, R054
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the runtime's clock, which stands still in this test")]
async fn a_store_that_fails_or_hangs_is_tried_again_and_told() {
    let (answer, answers) = mpsc::unbounded_channel();
    let (written, mut writes) = mpsc::unbounded_channel();
    let store = Arc::new(Scripted { answers: Mutex::new(answers), written });
    let (mut publisher, run) = ViewPublisher::new(store, TestClock::new(), account(1));
    let test = async move {
        let ticket = |number| Some(TicketId::of([number; 16]));
        let begun = tokio::time::Instant::now();
        answer.send(false).unwrap();
        answer.send(false).unwrap();
        publisher.publish(Some(example(1, END)));
        assert_eq!(publisher.health_changed().await, StoreHealth::Degraded);
        // The third try hangs until its time is up; then it is there.
        for _ in 0..3 {
            assert_eq!(writes.recv().await.unwrap(), ticket(1));
        }
        answer.send(true).unwrap();
        assert_eq!(writes.recv().await.unwrap(), ticket(1));
        assert_eq!(publisher.health_changed().await, StoreHealth::Good);
        assert!(begun.elapsed() >= Duration::from_millis(500 + 1000 + 5000 + 2000));
        // What is the same is not written again, and of many only the newest.
        publisher.publish(Some(example(1, END)));
        publisher.publish(Some(example(2, END)));
        publisher.publish(Some(example(3, END)));
        answer.send(true).unwrap();
        assert_eq!(writes.recv().await.unwrap(), ticket(3));
        // What nobody shows any more is removed, also when the actor ends right after.
        answer.send(true).unwrap();
        publisher.publish(None);
        drop(publisher);
        assert_eq!(writes.recv().await.unwrap(), None);
        writes
    };
    let ((), mut writes) = tokio::join!(run, test);
    assert!(writes.try_recv().is_err());
}

/// A Redis of the test's own.
#[cfg(feature = "redis")]
mod server {
    use std::io::{BufRead as _, BufReader};
    use std::path::Path;
    use std::process::{Child, ChildStdout, Command, Stdio};

    /// Listens on a socket in a directory of its own; ends with the test.
    pub(super) struct RedisServer {
        running: Option<(Child, BufReader<ChildStdout>)>,
        directory: tempfile::TempDir,
        pub(super) url: String,
    }

    impl RedisServer {
        pub(super) fn start() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("redis+unix://{}", directory.path().join("redis.sock").display());
            Self { running: Some(run(directory.path())), directory, url }
        }

        pub(super) fn stop(&mut self) {
            if let Some((mut child, _)) = self.running.take() {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }

        pub(super) fn start_again(&mut self) {
            self.running = Some(run(self.directory.path()));
        }
    }

    /// Starts it, and waits until it says that it is there.
    fn run(directory: &Path) -> (Child, BufReader<ChildStdout>) {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket", "redis.sock"]).current_dir(directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            command.spawn().expect("these tests start redis-server: install the package of this name");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("eady to accept connections") {
            assert!(output.read_line(&mut said).unwrap() > 0, "redis-server does not start: {said}");
        }
        (child, output)
    }

    impl Drop for RedisServer {
        fn drop(&mut self) {
            self.stop();
        }
    }
}
