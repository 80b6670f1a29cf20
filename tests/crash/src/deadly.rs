//! A store and a socket that kill their process at a given write: before it, half way, or after it. Or the write fails,
//! and the process lives on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_it::CommitHook;
use wa_store::{Change, Changes, StoreError};

/// When the process is to die by its own hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// Somebody else sees to it.
    Never,
    /// Just before the store's nth commit.
    BeforeCommit(u64),
    /// Just after the store's nth commit.
    AfterCommit(u64),
    /// Not at all: the store's nth commit fails.
    FailedCommit(u64),
    /// Just before the nth commit of who has our key of a group.
    BeforeKeys(u64),
    /// Just after it: the key is on its way, or was.
    AfterKeys(u64),
    /// Just before the nth write to the socket.
    BeforeWrite(u64),
    /// With half of the nth write on its way.
    WithinWrite(u64),
    /// Just after the nth write to the socket.
    AfterWrite(u64),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::BeforeCommit(n) => write!(f, "before-commit:{n}"),
            Self::AfterCommit(n) => write!(f, "after-commit:{n}"),
            Self::FailedCommit(n) => write!(f, "failed-commit:{n}"),
            Self::BeforeKeys(n) => write!(f, "before-keys:{n}"),
            Self::AfterKeys(n) => write!(f, "after-keys:{n}"),
            Self::BeforeWrite(n) => write!(f, "before-write:{n}"),
            Self::WithinWrite(n) => write!(f, "within-write:{n}"),
            Self::AfterWrite(n) => write!(f, "after-write:{n}"),
        }
    }
}

impl FromStr for Death {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (when, count) = text.split_once(':').unwrap_or((text, "0"));
        let count = count.parse()?;
        Ok(match when {
            "never" => Self::Never,
            "before-commit" => Self::BeforeCommit(count),
            "after-commit" => Self::AfterCommit(count),
            "failed-commit" => Self::FailedCommit(count),
            "before-keys" => Self::BeforeKeys(count),
            "after-keys" => Self::AfterKeys(count),
            "before-write" => Self::BeforeWrite(count),
            "within-write" => Self::WithinWrite(count),
            "after-write" => Self::AfterWrite(count),
            _ => return Err(format!("no death: {text}").into()),
        })
    }
}

/// Ends this process at once, as a crash does: no destructor runs, no buffer is written.
fn die() {
    let _ = kill_process(getpid(), Signal::KILL);
}

/// Counts commits, and tells the parent what they confirmed.
#[derive(Debug)]
pub(crate) struct DeadlyCommits {
    death: Death,
    count: AtomicU64,
    /// Those of them that said who has our key of a group.
    keys: AtomicU64,
}

impl DeadlyCommits {
    pub(crate) const fn new(death: Death) -> Self {
        Self { death, count: AtomicU64::new(0), keys: AtomicU64::new(0) }
    }
}

fn is_about_keys(changes: &Changes) -> bool {
    changes.iter().any(|change| matches!(change, Change::PutKeyHolders { .. }))
}

impl CommitHook for DeadlyCommits {
    fn before(&self, changes: &Changes) -> Result<(), StoreError> {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let keys = u64::from(is_about_keys(changes));
        let keys = self.keys.fetch_add(keys, Ordering::SeqCst) + keys;
        if self.death == Death::BeforeCommit(count)
            || is_about_keys(changes) && self.death == Death::BeforeKeys(keys)
        {
            die();
        }
        if self.death == Death::FailedCommit(count) {
            return Err(StoreError::Full { source: None });
        }
        Ok(())
    }

    fn after(&self, changes: &Changes) {
        for change in changes {
            match change {
                Change::PushInbox(entry) => {
                    crate::child::say(&format!("pushed {} {}", entry.seq, entry.message.id));
                }
                Change::ConfirmInbox { seq } => crate::child::say(&format!("confirmed {seq}")),
                _ => {}
            }
        }
        let keys = self.keys.load(Ordering::SeqCst);
        if self.death == Death::AfterCommit(self.count.load(Ordering::SeqCst))
            || is_about_keys(changes) && self.death == Death::AfterKeys(keys)
        {
            die();
        }
    }
}

/// Opens sockets whose writes are counted together.
#[derive(Debug)]
pub(crate) struct DeadlyConnector {
    inner: WebSocketConnector,
    death: Death,
    count: Arc<AtomicU64>,
}

impl DeadlyConnector {
    pub(crate) fn new(inner: WebSocketConnector, death: Death) -> Self {
        Self { inner, death, count: Arc::default() }
    }
}

impl Connector for DeadlyConnector {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            let inner = self.inner.connect(routing_info).await?;
            let socket = DeadlySocket { inner, death: self.death, count: Arc::clone(&self.count) };
            Ok(Box::new(socket) as Box<dyn Socket>)
        })
    }
}

#[derive(Debug)]
struct DeadlySocket {
    inner: Box<dyn Socket>,
    death: Death,
    count: Arc<AtomicU64>,
}

impl Socket for DeadlySocket {
    fn send(&mut self, mut bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        Box::pin(async move {
            let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
            if self.death == Death::BeforeWrite(count) {
                die();
            }
            if self.death == Death::WithinWrite(count) {
                bytes.truncate(bytes.len() / 2);
                self.inner.send(bytes).await?;
                die();
                return Ok(());
            }
            self.inner.send(bytes).await?;
            if self.death == Death::AfterWrite(count) {
                die();
            }
            Ok(())
        })
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        self.inner.recv()
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        self.inner.close()
    }
}
