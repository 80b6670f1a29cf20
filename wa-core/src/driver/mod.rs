//! The tasks of one account. One actor owns all of its state: keys, sessions, device lists, inbox and outbox. It is
//! fed by the connection's task ([`session`]), by handles ([`command`]) and by the answers to its own questions.
//!
//! ```text
//!   handles ──Job──┐                       ┌──Outgoing──> session task ──bytes──> socket
//!                  ├──> Actor ── commit ──┤
//!   session ─Told──┘   (one step)          └──Event──> application
//! ```
//!
//! A step takes all that waits (stanzas and sends), computes, commits once, and only then transmits and delivers. The
//! actor never waits for the application or for the network: while the application does not take its events, no more
//! stanzas are taken, and everything else goes on.

mod clock;
pub(crate) mod command;
pub(crate) mod config;
mod credentials;
mod directory;
mod inbox;
mod outbox;
mod pairing;
mod reconnect;
mod session;
mod status;
mod upkeep;

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wa_store::{Account, Changes, SignedPreKeyRecord, Store, StoreError};

pub use self::status::Status;

use self::command::Job;
use self::config::Config;
use self::directory::Directory;
use self::outbox::{Outbox, StagedSend};
use self::pairing::QrRotation;
use self::reconnect::Backoff;
use self::session::{BATCH, Command, Outgoing, Requester, Told};
use self::upkeep::{Backlog, Fetched};
use crate::connection::{CloseReason, Incoming, NextStep};
use crate::crypto::SystemRandom;
use crate::e2e::addressing::OwnAddress;
use crate::e2e::ratchets::Ratchets;
use crate::event::Event;
use crate::signal::LocalIdentity;
use crate::stanza::receipt::OutboundReceipt;
use crate::wire::Node;

/// How many batches of stanzas wait between the connection and the actor.
const TOLD_CAPACITY: usize = 4;

/// How many requests wait between the handles and the actor.
pub(crate) const JOBS_CAPACITY: usize = 256;

/// Confirmations of delivered messages are written with the next commit, or after this long.
const CONFIRM_AFTER: Duration = Duration::from_millis(200);

/// How many confirmations wait for the next commit.
const CONFIRMS: usize = 256;

/// How many stored messages are read at once at the start.
const INBOX_PAGE: usize = 256;

/// Opens the account in the store, making its keys if there are none.
pub(crate) async fn open(store: &dyn Store) -> Result<(Account, SignedPreKeyRecord), StoreError> {
    if let Some(account) = store.account().await? {
        let id = account.signed_pre_key_id;
        let signed = store.signed_pre_keys(&[id]).await?.into_iter().next().flatten();
        return signed.map(|signed| (account, signed)).ok_or_else(|| {
            StoreError::corrupt("signed pre-key", "the account's current signed pre-key is missing")
        });
    }
    let (account, signed, changes) = credentials::create(&mut SystemRandom, clock::unix_millis());
    store.commit(changes).await?;
    Ok((account, signed))
}

/// Starts an account's actor; its handle is kept by the client, which awaits it.
#[expect(clippy::disallowed_methods, reason = "the client owns the task and awaits it")]
pub(crate) fn spawn(actor: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(actor)
}

/// The owner of one account's state.
pub(crate) struct Actor {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    account: Account,
    signed_pre_key: SignedPreKeyRecord,
    random: SystemRandom,
    ratchets: Ratchets,
    directory: Directory,
    outbox: Outbox,
    link: Link,
    sessions: JoinSet<CloseReason>,
    fetches: JoinSet<Fetched>,
    backoff: Backoff,
    qr: Option<QrRotation>,
    backlog: Option<Backlog>,
    events: mpsc::Sender<Event>,
    /// Told to the application next, in order.
    undelivered: VecDeque<Event>,
    /// Stored messages of an earlier run, above this number, that are still to be read.
    stored_after: Option<u64>,
    next_seq: u64,
    confirms: Vec<u64>,
    confirm_at: Option<Instant>,
    is_available: bool,
    status: watch::Sender<Status>,
}

/// The connection, as far as the actor sees it.
enum Link {
    /// None; the next attempt is made then, or not at all.
    Down {
        retry_at: Option<Instant>,
    },
    Up {
        requester: Requester,
        told: mpsc::Receiver<Vec<Told>>,
    },
}

/// What one step of the actor did, and is still to be made true by its commit.
#[derive(Default)]
struct Step {
    changes: Changes,
    outgoing: Vec<Outgoing>,
    receipts: Vec<OutboundReceipt>,
    sends: Vec<StagedSend>,
    events: Vec<Event>,
}

impl Step {
    fn reply(&mut self, node: Node) {
        self.outgoing.push(Outgoing::Stanza(node));
    }

    /// Adds a receipt, joined with one of the same kind to the same device if there is one.
    fn receipt(&mut self, receipt: OutboundReceipt) {
        match self.receipts.iter_mut().rev().take(8).find(|other| other.joins(&receipt)) {
            Some(other) => other.ids.extend(receipt.ids),
            None => self.receipts.push(receipt),
        }
    }
}

impl Actor {
    pub(crate) fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        (account, signed_pre_key): (Account, SignedPreKeyRecord),
        events: mpsc::Sender<Event>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            config,
            store,
            account,
            signed_pre_key,
            random: SystemRandom,
            ratchets: Ratchets::default(),
            directory: Directory::default(),
            outbox: Outbox::default(),
            link: Link::Down { retry_at: None },
            sessions: JoinSet::new(),
            fetches: JoinSet::new(),
            backoff: Backoff::default(),
            qr: None,
            backlog: None,
            events,
            undelivered: VecDeque::new(),
            stored_after: Some(0),
            next_seq: 1,
            confirms: Vec::new(),
            confirm_at: None,
            is_available: false,
            status,
        }
    }

    /// Runs until the last handle is gone or `stop` is cancelled; then ends the connection in good order.
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<Job>, stop: CancellationToken) {
        match self.store.last_inbox_seq().await {
            Ok(last) => self.next_seq = last + 1,
            Err(error) => return self.fail_at_start(&error).await,
        }
        self.connect();
        let events = self.events.clone();
        let mut told = Vec::with_capacity(TOLD_CAPACITY);
        let mut asked = Vec::with_capacity(BATCH);
        loop {
            self.read_stored().await;
            let takes_stanzas =
                self.stored_after.is_none() && self.undelivered.len() < self.config.event_capacity;
            let wake = self.next_wake();
            tokio::select! {
                () = stop.cancelled() => break,
                count = jobs.recv_many(&mut asked, BATCH) => if count == 0 { break },
                () = receive(&mut self.link, &mut told), if takes_stanzas => {}
                Some(ended) = self.sessions.join_next() => {
                    let reason = ended.unwrap_or(CloseReason::Network(std::io::ErrorKind::Other));
                    self.handle_end(reason).await;
                }
                Some(Ok(fetched)) = self.fetches.join_next() => self.handle_fetched(fetched).await,
                slot = events.reserve(), if !self.undelivered.is_empty() => match slot {
                    Ok(slot) => if let Some(event) = self.undelivered.pop_front() { slot.send(event) },
                    // Nobody hears the events any more; what is stored comes again at the next start.
                    Err(_) => self.undelivered.clear(),
                },
                () = sleep_until(wake) => self.handle_timers().await,
            }
            while let Ok(job) = jobs.try_recv() {
                asked.push(job);
                if asked.len() >= BATCH {
                    break;
                }
            }
            self.step(told.drain(..).flatten(), asked.drain(..)).await;
            self.deliver();
        }
        self.shut_down().await;
    }

    /// Takes what came, computes, commits once, then transmits and delivers.
    async fn step(&mut self, told: impl Iterator<Item = Told>, asked: impl Iterator<Item = Job>) {
        let mut step = Step::default();
        for job in asked {
            self.handle_job(job, &mut step).await;
        }
        let stanzas: Vec<Incoming> =
            told.filter_map(|told| self.handle_established(told, &mut step)).collect();
        if !stanzas.is_empty()
            && let Err(error) = self.receive_all(stanzas, &mut step).await
        {
            return self.handle_store_failure(&error, step);
        }
        if let Err(error) = self.send_ready(&mut step).await {
            return self.handle_store_failure(&error, step);
        }
        self.finish(step).await;
    }

    /// Commits a step; only then do its stanzas leave and its events reach the application.
    async fn finish(&mut self, mut step: Step) {
        self.ratchets.stage(&mut step.changes);
        if !step.changes.is_empty() || self.confirms.len() >= CONFIRMS {
            for seq in std::mem::take(&mut self.confirms) {
                step.changes.confirm_inbox(seq);
            }
            self.confirm_at = None;
            let changes = std::mem::take(&mut step.changes);
            if let Err(error) = self.store.commit(changes).await {
                return self.handle_store_failure(&error, step);
            }
        }
        self.directory.trim();
        self.undelivered.extend(step.events);
        let mut outgoing: Vec<Outgoing> = step.sends.into_iter().map(StagedSend::into_outgoing).collect();
        outgoing.extend(step.receipts.into_iter().map(|receipt| Outgoing::Stanza(receipt.into_node())));
        outgoing.extend(step.outgoing);
        if !outgoing.is_empty()
            && let Link::Up { requester, .. } = &self.link
        {
            // When the connection is gone, whoever waits for an ack learns it by the dropped reply.
            requester.write(outgoing).await;
        }
    }

    /// Memory is ahead of the store now: forget it, and let the server deliver again what was not acknowledged.
    fn handle_store_failure(&mut self, error: &StoreError, step: Step) {
        tracing::error!(%error, "the store failed; nothing of this step was acknowledged");
        self.ratchets.forget_all();
        self.directory.forget_all();
        for send in step.sends {
            send.fail(crate::error::SendError::Store(error.to_string()));
        }
        self.undelivered.push_back(Event::StoreFailed { error: error.to_string() });
        self.sessions.abort_all();
        self.sessions.detach_all();
        self.set_down(&CloseReason::StoreFailed);
    }

    async fn fail_at_start(&mut self, error: &StoreError) {
        tracing::error!(%error, "the store failed at the start");
        let _ = self.events.send(Event::StoreFailed { error: error.to_string() }).await;
    }

    /// Hands over as many events as there is room for.
    fn deliver(&mut self) {
        while !self.undelivered.is_empty() {
            let Ok(slot) = self.events.try_reserve() else { break };
            if let Some(event) = self.undelivered.pop_front() {
                slot.send(event);
            }
        }
    }

    fn own(&self) -> Option<OwnAddress> {
        self.account.jid.clone().map(|pn| OwnAddress { pn, lid: self.account.lid.clone() })
    }

    fn ours(account: &Account) -> LocalIdentity<'_> {
        LocalIdentity { key_pair: &account.identity, registration_id: account.registration_id }
    }

    const fn requester(&self) -> Option<&Requester> {
        match &self.link {
            Link::Up { requester, .. } => Some(requester),
            Link::Down { .. } => None,
        }
    }

    /// Opens a connection, unless there is one.
    fn connect(&mut self) {
        if matches!(self.link, Link::Up { .. }) {
            return;
        }
        if self.account.logged_out {
            self.status.send_replace(Status::LoggedOut);
            return;
        }
        let credentials = match credentials::for_connection(&self.account, &self.signed_pre_key, &self.config)
        {
            Ok(credentials) => credentials,
            Err(reason) => {
                self.undelivered.push_back(Event::Closed { reason });
                return;
            }
        };
        let (commands, received) = mpsc::channel::<Command>(BATCH);
        let (telling, told) = mpsc::channel(TOLD_CAPACITY);
        let connector = Arc::clone(&self.config.connector);
        self.sessions.spawn(session::run(connector, credentials, received, telling));
        self.link = Link::Up { requester: Requester::new(commands), told };
        self.status.send_replace(Status::Connecting);
    }

    /// The connection's task ended.
    async fn handle_end(&mut self, reason: CloseReason) {
        if matches!(self.link, Link::Down { .. }) {
            return;
        }
        tracing::info!(%reason, "the connection ended");
        if matches!(reason, CloseReason::Handshake(_)) && self.account.server_certificate.take().is_some() {
            // Whatever went wrong with the short handshake, the full one is next.
            let mut changes = Changes::new();
            changes.put_account(self.account.clone());
            if let Err(error) = self.store.commit(changes).await {
                tracing::error!(%error, "the store failed");
            }
        }
        let is_logout = reason.next_step() == NextStep::LoggedOut && self.account.is_paired();
        if is_logout {
            self.account.logged_out = true;
            let mut changes = Changes::new();
            changes.put_account(self.account.clone());
            if let Err(error) = self.store.commit(changes).await {
                tracing::error!(%error, "the store failed");
            }
        }
        self.set_down(&reason);
    }

    fn set_down(&mut self, reason: &CloseReason) {
        self.link = Link::Down { retry_at: None };
        self.qr = None;
        self.backlog = None;
        self.is_available = false;
        self.fetches.abort_all();
        self.outbox.fail_all(&crate::error::SendError::ConnectionLost);
        let now = clock::now();
        let retry_in = match reason.next_step() {
            NextStep::Now => Some(Duration::ZERO),
            NextStep::Backoff => Some(self.backoff.next(now, false, &mut self.random)),
            NextStep::SlowBackoff => Some(self.backoff.next(now, true, &mut self.random)),
            NextStep::StopFor(_) | NextStep::Stop | NextStep::LoggedOut => None,
        };
        let reason = reason.clone();
        match retry_in {
            Some(retry_in) => {
                self.link = Link::Down { retry_at: Some(now + retry_in) };
                self.status.send_replace(Status::Waiting);
                self.undelivered.push_back(Event::Disconnected { reason, retry_in });
            }
            None if self.account.logged_out => {
                self.status.send_replace(Status::LoggedOut);
                self.undelivered.push_back(Event::LoggedOut { reason });
            }
            None => {
                self.status.send_replace(Status::Closed);
                self.undelivered.push_back(Event::Closed { reason });
            }
        }
    }

    /// Ends the connection from our side.
    async fn disconnect(&mut self, reason: &CloseReason) {
        if matches!(self.link, Link::Up { .. }) {
            // Letting go of the commands makes the task flush and close.
            self.link = Link::Down { retry_at: None };
            while self.sessions.join_next().await.is_some() {}
        }
        self.set_down(reason);
    }

    fn next_wake(&self) -> Option<Instant> {
        let retry = match &self.link {
            Link::Down { retry_at } => *retry_at,
            Link::Up { .. } => None,
        };
        let qr = self.qr.as_ref().map(QrRotation::next_at);
        let backlog = self.backlog.as_ref().and_then(Backlog::next_at);
        [retry, qr, backlog, self.confirm_at].into_iter().flatten().min()
    }

    async fn handle_timers(&mut self) {
        let now = clock::now();
        if let Link::Down { retry_at: Some(at) } = self.link
            && now >= at
        {
            self.link = Link::Down { retry_at: None };
            self.connect();
        }
        if self.confirm_at.is_some_and(|at| now >= at) {
            self.flush_confirms().await;
        }
        self.rotate_qr(now).await;
        self.continue_backlog(now).await;
    }

    async fn flush_confirms(&mut self) {
        self.confirm_at = None;
        if self.confirms.is_empty() {
            return;
        }
        let mut changes = Changes::new();
        for seq in &self.confirms {
            changes.confirm_inbox(*seq);
        }
        match self.store.commit(changes).await {
            Ok(()) => self.confirms.clear(),
            // They stay, and are tried with the next commit; at worst the messages come again after a restart.
            Err(error) => tracing::warn!(%error, "confirmations could not be stored"),
        }
    }

    async fn shut_down(&mut self) {
        self.flush_confirms().await;
        self.link = Link::Down { retry_at: None };
        while self.sessions.join_next().await.is_some() {}
        self.fetches.shutdown().await;
        self.outbox.fail_all(&crate::error::SendError::Shutdown);
        self.status.send_replace(Status::Closed);
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the store did not close in good order");
        }
    }
}

/// Waits for stanzas; for ever while there is no connection. Cancel safe.
async fn receive(link: &mut Link, into: &mut Vec<Vec<Told>>) {
    match link {
        Link::Up { told, .. } => {
            if told.recv_many(into, TOLD_CAPACITY).await == 0 {
                // The connection's task is at its end; it tells why when it is joined.
                pending().await
            }
        }
        Link::Down { .. } => pending().await,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(tokio::time::Instant::from_std(at)).await,
        None => pending().await,
    }
}
