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

mod answers;
mod archive;
mod asked;
mod backlog;
mod bots;
mod clock;
pub(crate) mod command;
pub(crate) mod config;
mod contact_hashes;
mod credentials;
pub(crate) mod delivery;
mod directory;
mod groups;
pub(crate) mod history;
pub(crate) mod identity;
mod inbox;
mod link;
pub(crate) mod media;
mod newsletters;
mod outbox;
pub(crate) mod pairing;
mod peer_messages;
mod peers;
pub(crate) mod people;
mod pre_keys;
mod pulse;
mod reconnect;
pub(crate) mod repair;
pub(crate) mod requester;
mod retries;
pub(crate) mod reuploads;
mod secrets;
mod session;
mod status;
pub(crate) mod sync;
mod trail;
mod unlink;
mod upkeep;

use std::collections::{HashSet, VecDeque};
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use wa_store::archive::ArchiveEntry;
use wa_store::{Account, Changes, InboxEntry, MessageKey, SignedPreKeyRecord, Store, StoreError};
use wa_types::{Jid, UnixSeconds};

pub use self::pulse::Liveness;
pub(crate) use self::pulse::Pulse;
pub use self::reconnect::ReconnectPolicy;
pub use self::status::Status;

use self::backlog::Backlog;
use self::command::Job;
use self::config::Config;
use self::directory::Directory;
use self::groups::Groups;
use self::history::{Histories, Pending};
use self::identity::Holds;
use self::inbox::stage_inbox;
use self::link::{Link, Phase, TOLD_CAPACITY, receive};
use self::media::Fetcher;
use self::outbox::{Answered, Outbox, Staged};
use self::pairing::Linking;
use self::peer_messages::PhoneLine;
use self::people::People;
use self::pre_keys::KeyCare;
use self::reconnect::Backoff;
use self::repair::Repairs;
use self::requester::{Asker, Line, Requester};
use self::retries::Retries;
use self::reuploads::Reuploads;
use self::secrets::Secrets;
use self::session::{BATCH, Outgoing, Told};
use self::trail::Trail;
use self::unlink::Unlinking;
use self::upkeep::Fetched;
use crate::connection::{CloseReason, Incoming};
use crate::crypto::SystemRandom;
use crate::e2e::addressing::OwnAddress;
use crate::e2e::ratchets::Ratchets;
use crate::error::{CallError, SendError};
use crate::event::{Event, TrailStep};
use crate::media::Attachment;
use crate::noise::client_payload::ClientVersion;
use crate::signal::LocalIdentity;
use crate::stanza::receipt::OutboundReceipt;
use crate::wire::Node;

/// After a failure of the store, what it holds is read again this much later.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// How many requests wait between the handles and the actor.
pub(crate) const JOBS_CAPACITY: usize = 256;

/// Confirmations of delivered messages are written with the next commit, or after this long.
const CONFIRM_AFTER: Duration = Duration::from_millis(200);

/// How many confirmations wait for the next commit.
const CONFIRMS: usize = 256;

/// How many events may wait before news about messages of the application's own are dropped.
const UPDATES: usize = 4096;

/// How many stored messages are read at once at the start.
const INBOX_PAGE: usize = 256;

/// Opens the account in the store, making its keys if there are none.
async fn open(store: &dyn Store) -> Result<(Account, SignedPreKeyRecord), StoreError> {
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
    groups: Groups,
    people: People,
    outbox: Outbox,
    repairs: Repairs,
    retries: Retries,
    reuploads: Reuploads,
    secrets: Secrets,
    holds: Holds,
    history: Histories,
    /// What the archive did not take.
    unarchived: Vec<ArchiveEntry>,
    phone_line: PhoneLine,
    sync: sync::Sync,
    link: Link,
    sessions: JoinSet<CloseReason>,
    /// Questions of the account: those that can be are asked again on the next connection.
    fetches: JoinSet<Fetched>,
    /// Questions about this connection; they end with it.
    greetings: JoinSet<Fetched>,
    /// What the questions of the account see of the connection.
    line: watch::Sender<Line>,
    /// Moves media files.
    fetcher: Fetcher,
    backoff: Backoff,
    /// Which release we present as.
    version: ClientVersion,
    linking: Linking,
    /// The server is asked to remove this device.
    unlinking: Option<Unlinking>,
    backlog: Option<Backlog>,
    events: mpsc::Sender<Event>,
    /// Told to the application next, in order.
    undelivered: VecDeque<Event>,
    /// Stored messages of an earlier run, above this number, that are still to be read.
    stored_after: Option<u64>,
    /// The store could not read them; then it is tried again.
    read_again_at: Option<Instant>,
    /// A commit failed: what memory says of the account may never have been stored.
    account_is_doubtful: bool,
    next_seq: u64,
    confirms: Vec<u64>,
    confirm_at: Option<Instant>,
    /// Whether others see us as online, on this connection.
    is_available: bool,
    /// Whether the application wants that, on every connection; `None` while it never said.
    wants_available: Option<bool>,
    key_care: KeyCare,
    trail: Trail,
    status: watch::Sender<Status>,
    /// Why there is no connection.
    ended: watch::Sender<Option<CloseReason>>,
    /// What the server's clock said at the last login.
    server_time: watch::Sender<Option<UnixSeconds>>,
    /// How the connection does.
    pulse: Arc<Pulse>,
    /// Ends the account's tasks.
    stop: CancellationToken,
}

/// What one step of the actor did, and is still to be made true by its commit.
#[derive(Default)]
struct Step {
    changes: Changes,
    outgoing: Vec<Outgoing>,
    receipts: Vec<OutboundReceipt>,
    /// What becomes true for messages of ours.
    staged: Staged,
    events: Vec<Event>,
    /// What happened to messages, by their hashed ids.
    trail: Vec<(u64, TrailStep)>,
    /// Devices whose identity keys are other ones than before; what follows is still to be done.
    new_identities: Vec<Jid>,
    /// Who waits for this step being committed.
    replies: Vec<oneshot::Sender<Result<(), CallError>>>,
    /// Contacts whose device lists changed, by hash; what follows is still to be done.
    contact_hashes: HashSet<String>,
    /// What this step put into the inbox: the store does not know it yet.
    accepted: HashSet<MessageKey>,
    /// Which of the events are durable, and what their messages are known by; stored with the commit.
    inbox: Vec<(usize, MessageKey)>,
    /// Which of the events are messages that are still sealed.
    sealed: Vec<(usize, MessageKey)>,
    /// The secrets of this step's messages.
    secrets: Vec<wa_store::MessageSecret>,
    /// Asked once the step is committed and its stanzas are on their way; they end with the connection.
    questions: Vec<Question>,
    /// Blobs of the past that are read, to be deleted once that is stored.
    read_blobs: Vec<Attachment>,
    /// Messages of our own, for the archive.
    sent: Vec<ArchiveEntry>,
    /// Parts of the past, to be read once they are in the inbox.
    histories: Vec<Pending>,
    /// Their entries there, stored with the commit.
    past: Vec<InboxEntry>,
}

/// What is shown of an account: where it stands, why it is not connected, and the server's time at the last login.
pub(crate) type Shown =
    (watch::Sender<Status>, watch::Sender<Option<CloseReason>>, watch::Sender<Option<UnixSeconds>>);

/// Something that takes time: a request, or a hook of the application.
type Question = Pin<Box<dyn Future<Output = Fetched> + Send>>;

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
    /// Reads what an earlier run left in the store, and makes keys if that is new.
    pub(crate) async fn open(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        events: mpsc::Sender<Event>,
        (status, ended, server_time): Shown,
        stop: CancellationToken,
        history: Histories,
    ) -> Result<Self, StoreError> {
        let (account, signed_pre_key) = open(&*store).await?;
        let next_seq = store.last_inbox_seq().await? + 1;
        let outbox = Outbox::new(store.last_outbox_seq().await?);
        let line = watch::Sender::new(Line::Coming);
        let fetcher = Fetcher::new(Arc::clone(&config.http), Asker::new(line.subscribe()));
        let mut actor = Self {
            version: config.version,
            trail: Trail::new(config.trail),
            backoff: Backoff::new(config.reconnect),
            config,
            store,
            account,
            signed_pre_key,
            random: SystemRandom,
            ratchets: Ratchets::default(),
            directory: Directory::default(),
            groups: Groups::default(),
            people: People::default(),
            outbox,
            repairs: Repairs::default(),
            retries: Retries::default(),
            reuploads: Reuploads::default(),
            secrets: Secrets::default(),
            holds: Holds::default(),
            history,
            unarchived: Vec::new(),
            phone_line: PhoneLine::default(),
            sync: sync::Sync::default(),
            link: Link::Down { retry_at: None },
            sessions: JoinSet::new(),
            fetches: JoinSet::new(),
            greetings: JoinSet::new(),
            line,
            fetcher,
            linking: Linking::default(),
            unlinking: None,
            backlog: None,
            events,
            undelivered: VecDeque::new(),
            stored_after: Some(0),
            read_again_at: None,
            account_is_doubtful: false,
            next_seq,
            confirms: Vec::new(),
            confirm_at: None,
            is_available: false,
            wants_available: None,
            key_care: KeyCare::default(),
            status,
            ended,
            server_time,
            pulse: Arc::new(Pulse::new()),
            stop,
        };
        actor.load_repairs().await?;
        actor.load_secrets().await?;
        Ok(actor)
    }

    /// Asks for the handles, without the actor.
    pub(crate) fn asker(&self) -> Asker {
        Asker::new(self.line.subscribe())
    }

    /// Tells the handles how the connection does, without the actor.
    pub(crate) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Moves media files for the handles, without the actor.
    pub(crate) fn fetcher(&self) -> Fetcher {
        self.fetcher.clone()
    }

    /// Runs until the last handle is gone or `stop` is cancelled; then ends the connection in good order.
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        self.connect().await;
        let events = self.events.clone();
        let mut told = Vec::with_capacity(TOLD_CAPACITY);
        let mut asked = Vec::with_capacity(BATCH);
        let mut answers = Vec::with_capacity(TOLD_CAPACITY);
        loop {
            self.read_stored().await;
            self.begin_history();
            let takes_stanzas = self.takes_stanzas();
            let wake = self.next_wake(takes_stanzas);
            tokio::select! {
                () = self.stop.cancelled() => break,
                count = jobs.recv_many(&mut asked, BATCH) => if count == 0 { break },
                () = receive(&mut self.link, &mut answers, &mut told, takes_stanzas) => {}
                Some(ended) = self.sessions.join_next() => {
                    let reason = ended.unwrap_or(CloseReason::Network(std::io::ErrorKind::Other));
                    self.handle_end(reason).await;
                }
                // Every end is taken, a panic's as well: it must not stand before the next answer.
                Some(fetched) = self.fetches.join_next() => self.handle_answer(fetched).await,
                Some(fetched) = self.greetings.join_next() => self.handle_answer(fetched).await,
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
            let answered = answers.drain(..).flatten().collect();
            self.step(answered, told.drain(..).flatten(), asked.drain(..)).await;
            self.deliver();
        }
        self.shut_down(&mut jobs, asked).await;
    }

    async fn handle_answer(&mut self, fetched: Result<Fetched, JoinError>) {
        match fetched {
            Ok(fetched) => self.handle_fetched(fetched).await,
            Err(error) => tracing::error!(%error, "a question of the account failed"),
        }
    }

    /// While the application does not take its events, the server keeps its stanzas; and what is stored comes first.
    fn takes_stanzas(&self) -> bool {
        self.stored_after.is_none()
            && self.undelivered.len() < self.config.event_capacity
            && matches!(self.link, Link::Up { phase: Phase::Open, .. })
    }

    /// Takes what came, computes, commits once, then transmits and delivers.
    async fn step(
        &mut self,
        answered: Vec<Answered>,
        told: impl Iterator<Item = Told>,
        asked: impl Iterator<Item = Job>,
    ) {
        let mut step = Step::default();
        self.page_outbox(&mut step).await;
        for job in asked {
            self.handle_job(job, &mut step).await;
        }
        if let Err(error) = self.handle_answers(answered, &mut step).await {
            return self.handle_store_failure(&error, step);
        }
        let stanzas: Vec<Incoming> =
            told.filter_map(|told| self.handle_established(told, &mut step)).collect();
        if !stanzas.is_empty()
            && let Err(error) = self.receive_all(stanzas, &mut step).await
        {
            return self.handle_store_failure(&error, step);
        }
        if let Err(error) = self.heed_contact_hashes(&mut step).await {
            return self.handle_store_failure(&error, step);
        }
        if let Err(error) = self.open_sealed(&mut step).await {
            return self.handle_store_failure(&error, step);
        }
        if let Err(error) = self.heed_identities(&mut step).await {
            return self.handle_store_failure(&error, step);
        }
        if let Err(error) = self.send_ready(&mut step).await {
            return self.handle_store_failure(&error, step);
        }
        if let Err(error) = self.mend(&mut step).await {
            return self.handle_store_failure(&error, step);
        }
        if let Err(error) = self.sync_if_due(&mut step).await {
            return self.handle_store_failure(&error, step);
        }
        self.finish(step).await;
    }

    async fn handle_answers(&mut self, answered: Vec<Answered>, step: &mut Step) -> Result<(), StoreError> {
        self.expire_sends(step).await?;
        self.handle_acks(answered, step).await
    }

    /// Commits a step; only then do its stanzas leave and its events reach the application.
    async fn finish(&mut self, mut step: Step) {
        self.ratchets.stage(&mut step.changes);
        self.groups.keys.stage(&mut step.changes);
        self.outbox.groups.stage(&mut step.changes);
        stage_inbox(&mut step);
        if !step.changes.is_empty() || self.confirms.len() >= CONFIRMS {
            for seq in &self.confirms {
                step.changes.confirm_inbox(*seq);
            }
            let changes = std::mem::take(&mut step.changes);
            let began = clock::now();
            let committed = self.store.commit(changes).await;
            trail::count_commit(clock::now() - began, committed.is_ok());
            if let Err(error) = committed {
                return self.handle_store_failure(&error, step);
            }
            self.confirms.clear();
            self.confirm_at = None;
        }
        self.keep_trail(std::mem::take(&mut step.trail), true);
        self.directory.trim();
        self.groups.trim();
        self.people.tokens.trim();
        self.outbox.groups.trim();
        for reply in step.replies {
            let _ = reply.send(Ok(()));
        }
        step.histories.into_iter().for_each(|pending| self.history.push(pending));
        self.delete_blobs(std::mem::take(&mut step.read_blobs));
        self.archive(std::mem::take(&mut step.sent)).await;
        self.archive_events(&step.events).await;
        self.undelivered.extend(step.events);
        self.drop_old_updates();
        let mut outgoing = Vec::new();
        self.outbox_committed(step.staged, &mut outgoing);
        outgoing.extend(step.receipts.into_iter().map(|receipt| Outgoing::Stanza(receipt.into_node())));
        outgoing.extend(step.outgoing);
        if !outgoing.is_empty() {
            self.transmit(outgoing).await;
        }
        self.issue_due_tokens();
        for question in step.questions {
            self.greetings.spawn(question);
        }
    }

    /// Asks something of the account, boxed: what tokio needs for a task is then compiled once.
    fn fetch(&mut self, question: impl Future<Output = Fetched> + Send + 'static) {
        let question: Question = Box::pin(question);
        self.fetches.spawn(question);
    }

    /// Hands stanzas to the connection. When that is gone, its end follows, and messages are sent again on the next one.
    /// A peer that takes nothing holds the account up until it is given up, but it does not hold up the account's end.
    async fn transmit(&self, outgoing: Vec<Outgoing>) {
        let Some(requester) = self.requester() else { return };
        tokio::select! {
            _ = requester.write(outgoing) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Memory is ahead of the store now: forget it, and let the server deliver again what was not acknowledged.
    fn handle_store_failure(&mut self, error: &StoreError, step: Step) {
        tracing::error!(%error, "the store failed; nothing of this step was acknowledged");
        self.ratchets.forget_all();
        self.directory.forget_all();
        self.groups.forget_all();
        self.people.tokens.forget_all();
        self.holds.forget_all();
        self.sync.forget_all();
        for reply in step.replies {
            let _ = reply.send(Err(CallError::Store(error.into())));
        }
        self.keep_trail(step.trail, false);
        self.outbox_failed(step.staged, error);
        self.account_is_doubtful = true;
        self.undelivered.push_back(Event::StoreFailed { error: error.into() });
        self.sessions.abort_all();
        self.sessions.detach_all();
        self.set_down(&CloseReason::StoreFailed);
    }

    /// An application that does not take its events shall not cost ever more memory: of the news about messages of its
    /// own only the latest wait, and the store knows the rest.
    fn drop_old_updates(&mut self) {
        if self.undelivered.len() <= UPDATES {
            return;
        }
        let mut excess = self.undelivered.len() - UPDATES / 2;
        self.undelivered.retain(|event| {
            let goes = excess > 0 && matches!(event, Event::Send(_));
            excess -= usize::from(goes);
            !goes
        });
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

    /// After a failure of the store: what memory has of it may never have been stored.
    async fn read_again(&mut self) -> Result<(), StoreError> {
        (self.account, self.signed_pre_key) = open(&*self.store).await?;
        self.load_secrets().await?;
        self.load_repairs().await
    }

    fn next_wake(&mut self, takes_stanzas: bool) -> Option<Instant> {
        let retry = match &self.link {
            Link::Down { retry_at } => *retry_at,
            Link::Up { .. } => None,
        };
        let backlog = self.backlog_wake(takes_stanzas);
        let is_ready = *self.status.borrow() == Status::Ready;
        let line = self.phone_line.free_at();
        let repairs = self.repairs.next_at(&self.config.repair, is_ready, line);
        let linking = self.linking.next_at();
        let keys = self.key_care.next_at();
        let sync = self.sync.next_at(line).filter(|_| is_ready);
        let outbox = [self.outbox.next_wake(is_ready), self.next_page(), self.next_put_off(is_ready)];
        let all = [
            retry,
            linking,
            backlog,
            repairs,
            keys,
            sync,
            self.confirm_at,
            self.read_again_at,
            self.history.next_at(is_ready),
        ];
        all.into_iter().chain(outbox).flatten().min()
    }

    async fn handle_timers(&mut self) {
        let now = clock::now();
        self.retry(now).await;
        if self.read_again_at.is_some_and(|at| now >= at) {
            self.read_again_at = None;
        }
        if self.confirm_at.is_some_and(|at| now >= at) {
            self.flush_confirms().await;
        }
        self.keep_outbox(now).await;
        if self.linking.next_at().is_some_and(|at| now >= at) {
            self.continue_linking(now).await;
        }
        self.rotate_if_due(now).await;
        self.answer_put_off(now).await;
        self.mind_backlog(now).await;
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

    async fn shut_down(&mut self, jobs: &mut mpsc::Receiver<Job>, mut asked: Vec<Job>) {
        // What was confirmed before the end counts; all else is refused.
        jobs.close();
        while let Ok(job) = jobs.try_recv() {
            asked.push(job);
        }
        for job in asked {
            match job {
                Job::Confirm { number } => self.confirms.push(number.0),
                job => job.refuse(),
            }
        }
        self.flush_confirms().await;
        if let Err(error) = self.flush_raised().await {
            tracing::warn!(%error, "states of messages could not be stored");
        }
        self.link = Link::Down { retry_at: None };
        self.line.send_replace(Line::Gone);
        self.end_session().await;
        self.history.clear();
        self.fetches.shutdown().await;
        self.greetings.shutdown().await;
        self.outbox.refuse_all(&SendError::Shutdown);
        self.ended.send_replace(Some(CloseReason::Requested));
        self.status.send_replace(Status::Closed);
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the store did not close in good order");
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(tokio::time::Instant::from_std(at)).await,
        None => pending().await,
    }
}
