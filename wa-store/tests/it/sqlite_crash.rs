//! A second process, and one that is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::tempdir;
use wa_store::{Changes, InboxEntry, InboxReader, MessageKey, SessionReader, SqliteStore, Store, StoreError};
use wa_types::{Domain, Jid, MessageId, SignalAddress, UnixMillis};

const PATH: &str = "WA_STORE_TEST_PATH";

/// This test binary again, running one of the tests below that are ignored otherwise.
fn child(test: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", test])
        .env(PATH, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{line}").unwrap();
    out.flush().unwrap();
}

/// What the child says, without what the test harness prints.
fn said(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let out = BufReader::new(child.stdout.take().unwrap());
    out.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix('@').map(str::to_owned))
}

fn step(seq: u64) -> Changes {
    let mut changes = Changes::new();
    changes.put_session(address(), seq.to_be_bytes().repeat(200));
    changes.push_inbox(InboxEntry {
        seq,
        message: MessageKey {
            chat: Jid::pn("15550001111"),
            sender: Jid::pn("15550001111").with_device(2),
            id: MessageId::new(format!("3EB0{seq:08X}")),
        },
        received: UnixMillis(seq),
        payload: vec![3; 300],
    });
    changes
}

fn address() -> SignalAddress {
    SignalAddress::new("15550001111", Domain::Pn, 2)
}

#[tokio::test]
#[ignore = "run by other tests, in a process of its own"]
async fn child_holds_a_store() {
    let Ok(path) = std::env::var(PATH) else { return };
    say("opening");
    let store = match SqliteStore::open(path).await {
        Err(StoreError::Locked) => return say("locked"),
        other => other.unwrap(),
    };
    store.commit(step(1)).await.unwrap();
    say("open");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    store.commit(step(2)).await.unwrap();
    store.close().await.unwrap();
    say("closed");
}

#[tokio::test]
#[ignore = "run by other tests, in a process of its own"]
async fn child_commits_until_killed() {
    let Ok(path) = std::env::var(PATH) else { return };
    let store = SqliteStore::open(path).await.unwrap();
    let mut seq = store.last_inbox_seq().await.unwrap();
    loop {
        seq += 1;
        store.commit(step(seq)).await.unwrap();
        say(&seq.to_string());
    }
}

#[tokio::test]
async fn a_second_process_is_refused_and_the_first_keeps_working() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let mut holder = child("sqlite_crash::child_holds_a_store", &path);
    let mut said = said(&mut holder);
    assert_eq!(said.by_ref().take(2).collect::<Vec<_>>(), ["opening", "open"]);
    for _ in 0..3 {
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Locked), "{error:?}");
    }
    holder.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(said.next().as_deref(), Some("closed"));
    assert!(holder.wait().unwrap().success());
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.last_inbox_seq().await.unwrap(), 2);

    // And the other way round, after an attempt in this process, whose closed descriptors must not have given up
    // this process's lock.
    assert!(matches!(SqliteStore::open(&path).await, Err(StoreError::Locked)));
    let mut refused = child("sqlite_crash::child_holds_a_store", &path);
    let said = self::said(&mut refused);
    assert_eq!(said.collect::<Vec<_>>(), ["opening", "locked"]);
    assert!(refused.wait().unwrap().success());
    assert_eq!(store.last_inbox_seq().await.unwrap(), 2);
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_committed() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let mut told = 0;
    for commits in [1, 7, 40, 400] {
        let mut writer = child("sqlite_crash::child_commits_until_killed", &path);
        let target = told + commits;
        let mut said = said(&mut writer);
        while told < target {
            told = said.next().expect("the writer ended").parse().unwrap();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it still said before it died counts too.
        told = said.last().map_or(told, |last| last.parse().unwrap_or(told));

        let store = SqliteStore::open(&path).await.unwrap();
        let last = store.last_inbox_seq().await.unwrap();
        assert!(last >= told, "{last} of {told}");
        let kept: Vec<u64> =
            store.inbox(0, usize::MAX).await.unwrap().iter().map(|entry| entry.seq).collect();
        assert_eq!(kept, (1..=last).collect::<Vec<_>>());
        // The ratchet and the message are of the same step.
        assert_eq!(store.sessions(&[address()]).await.unwrap(), [Some(last.to_be_bytes().repeat(200))]);
        store.close().await.unwrap();
        told = last;
    }
}

#[tokio::test]
async fn a_process_killed_while_it_creates_a_store_leaves_one_that_opens() {
    let directory = tempdir().unwrap();
    for round in 0..40_u32 {
        let path = directory.path().join(format!("{round}.db"));
        let mut creator = child("sqlite_crash::child_holds_a_store", &path);
        let mut said = said(&mut creator);
        assert_eq!(said.next().as_deref(), Some("opening"));
        // Each round at another moment; there is nothing to wait for.
        std::thread::sleep(std::time::Duration::from_micros(500) * round);
        creator.kill().unwrap();
        creator.wait().unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        assert!(store.last_inbox_seq().await.unwrap() <= 1, "round {round}");
        store.commit(step(2)).await.unwrap();
    }
}
