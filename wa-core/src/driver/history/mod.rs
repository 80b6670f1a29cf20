//! The past of the account: parts of it come from the phone, are read behind live traffic, and are done with when all
//! that is wanted of them is kept. Protocol: history sync.
//!
//! ```text
//! notification ── inbox (durable) ──> queue ──> worker ── batch ──> store, application
//!                    │                             └── whole: receipt to the phone, entry gone
//!                    │                             └── broken: asked for again, a bounded number of times
//!                    └── a restart begins here again
//! ```
//!
//! A part that was read half is read again from its beginning: all who take its records know each by its id.

mod ask;
mod blob;
pub(crate) mod chunk;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::sync::{mpsc, oneshot, watch};
use wa_store::{Expiration, InboxEntry, MessageKey, PrivacyToken, StoreError};
use wa_types::{Jid, MessageId};

use self::ask::Request;
pub use self::ask::{Anchor, HistoryPage};
pub(crate) use self::chunk::Delivery;
pub(super) use self::chunk::Done;
use self::chunk::{Counted, Work};
use super::directory::Evidence;
use super::upkeep::Fetched;
use super::{Actor, Status, Step, clock};
use crate::crypto::Random as _;
use crate::e2e::addressing;
use crate::error::{CallError, ChunkError, HistoryRequestError};
use crate::event::{Event, HistoryUpdate, InboxNumber};
use crate::history::{AddressPair, HistoryKind, HistoryNotification, Payload, ReadLimits, Selection};
use crate::media::Attachment;
use crate::media::retry::RetrySecret;
use crate::message::Message;
use crate::stanza::media_retry::ReuploadRequest;
use crate::stanza::receipt::OutboundReceipt;

/// How often the phone is asked for the same part again.
const TRIES: u8 = 3;

/// After a failure that may pass, a part is tried again this much later.
const AGAIN: Duration = Duration::from_secs(30);

/// How long the phone may take to send a broken part again.
const REPLACED_WITHIN: Duration = Duration::from_secs(5 * 60);

/// What becomes of the past that the phone sends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HistoryUse {
    /// It is acknowledged and not fetched.
    Ignore,
    /// The library takes what it needs itself: addresses, tokens, secrets.
    #[default]
    Harvest,
    /// And the application reads it: [`History::reader`](crate::client::History::reader). What it has not read waits.
    Deliver,
}

/// How the past is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HistoryConfig {
    pub(crate) wanted: HistoryUse,
    pub(crate) limits: ReadLimits,
    pub(crate) selection: Selection,
}

/// How far the past is that the phone sends after linking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HistoryProgress {
    /// Where it stands.
    pub state: HistoryState,
    /// How far the phone says it is, percent.
    pub percent: u32,
    /// How many parts are through.
    pub chunks: u64,
    /// How many were given up.
    pub failed: u64,
    /// How many messages they had.
    pub messages: u64,
}

/// Where the past stands that the phone sends after linking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HistoryState {
    /// Nothing came since this client was started.
    #[default]
    Waiting,
    /// Some of it came.
    Running,
    /// All recent messages are through.
    Complete,
    /// The user chose to share nothing.
    Refused,
}

/// A part of the past that is still to be read.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) number: InboxNumber,
    /// The id of its notification.
    pub(super) id: MessageId,
    pub(super) notification: HistoryNotification,
}

/// What the inbox keeps of it. Its field is none of those of events.
#[derive(Clone, PartialEq, prost::Message)]
struct RawHistory {
    #[prost(bytes, optional, tag = "64")]
    message: Option<Vec<u8>>,
}

impl Pending {
    /// Reads an entry of the inbox; `None` when it is none of these.
    pub(super) fn read(entry: &InboxEntry) -> Option<Self> {
        let raw = RawHistory::decode(entry.payload.as_slice()).ok()?;
        let notification = HistoryNotification::of(&Message::decode(raw.message?).ok()?)?;
        Some(Self { number: InboxNumber(entry.seq), id: entry.message.id.clone(), notification })
    }

    fn place(&self) -> (HistoryKind, u32, Option<MessageId>) {
        let told = &self.notification;
        (told.kind, told.chunk_order, told.request.clone())
    }
}

/// A part that is done with; the phone is still to be told.
struct Settled {
    number: InboxNumber,
    /// The id of its notification.
    id: MessageId,
    /// What was read, and is to be deleted.
    blob: Option<Box<Attachment>>,
}

impl Settled {
    /// Of this part nothing was read.
    fn of(pending: Pending) -> Self {
        Self { number: pending.number, id: pending.id, blob: None }
    }
}

/// What is to be done about the past.
pub(crate) struct Histories {
    queue: VecDeque<Pending>,
    /// Whether one is read; and one that somebody waits for.
    is_busy: bool,
    is_answering: bool,
    /// Failed in a way that may pass.
    resting: Vec<(Instant, Pending)>,
    /// Broken, and asked for again, until then.
    broken: Vec<(Instant, Pending, ChunkError)>,
    tries: HashMap<(HistoryKind, u32, Option<MessageId>), u8>,
    settled: Vec<Settled>,
    requests: HashMap<MessageId, Request>,
    jobs: mpsc::WeakSender<super::command::Job>,
    sink: Option<mpsc::Sender<Delivery>>,
    progress: watch::Sender<HistoryProgress>,
}

/// What handles and workers ask.
pub(crate) enum HistoryJob {
    /// These addresses are one user each; and what else is known of users.
    Learn {
        pairs: Vec<AddressPair>,
        is_migrated: bool,
        /// Tokens of trust, theirs and ours.
        tokens: Vec<PrivacyToken>,
        /// The name that our own user goes by.
        own_name: Option<String>,
        /// How does the application name these chats?
        chats: Vec<Jid>,
        /// How long do messages in them stay?
        expirations: Vec<(Jid, Expiration)>,
        names: oneshot::Sender<Vec<Jid>>,
        /// Told when it is stored.
        reply: oneshot::Sender<Result<(), CallError>>,
    },
    /// Ask the phone for older messages of a chat.
    OnDemand {
        anchor: Anchor,
        count: u32,
        within: Duration,
        reply: oneshot::Sender<Result<HistoryPage, HistoryRequestError>>,
    },
    /// Ask the phone for all it has.
    Full {
        days: Option<u32>,
        within: Duration,
        reply: oneshot::Sender<Result<HistoryPage, HistoryRequestError>>,
    },
}

impl HistoryJob {
    /// Answers a request that came too late.
    pub(crate) fn refuse(self) {
        match self {
            Self::Learn { reply, .. } => drop(reply.send(Err(CallError::Shutdown))),
            Self::OnDemand { reply, .. } | Self::Full { reply, .. } => {
                let _ = reply.send(Err(CallError::Shutdown.into()));
            }
        }
    }
}

impl Histories {
    pub(crate) fn new(
        jobs: mpsc::WeakSender<super::command::Job>,
        sink: Option<mpsc::Sender<Delivery>>,
        progress: watch::Sender<HistoryProgress>,
    ) -> Self {
        Self {
            queue: VecDeque::new(),
            is_busy: false,
            is_answering: false,
            resting: Vec::new(),
            broken: Vec::new(),
            tries: HashMap::new(),
            settled: Vec::new(),
            requests: HashMap::new(),
            jobs,
            sink,
            progress,
        }
    }

    /// A part that is in the store. One that replaces another takes its place.
    pub(super) fn push(&mut self, pending: Pending) {
        let is_replaced = |other: &Pending| {
            pending.notification.replaces.as_ref() == Some(&other.id) || other.place() == pending.place()
        };
        for (_, old, _) in self.broken.extract_if(.., |(_, old, _)| is_replaced(old)) {
            self.settled.push(Settled::of(old));
        }
        let is_answer = self.is_asked_for(&pending);
        if is_answer { self.queue.push_front(pending) } else { self.queue.push_back(pending) }
    }

    fn is_asked_for(&self, pending: &Pending) -> bool {
        pending.notification.request.as_ref().is_some_and(|id| self.requests.contains_key(id))
    }

    pub(super) fn next_at(&self, is_ready: bool) -> Option<Instant> {
        if is_ready && !self.settled.is_empty() {
            return Some(clock::now());
        }
        let resting = self.resting.iter().map(|(at, _)| *at);
        let broken = self.broken.iter().map(|(at, ..)| *at);
        resting.chain(broken).chain(self.requests.values().map(|request| request.until)).min()
    }

    /// Forgets all: the store was wiped, or the client ends.
    pub(super) fn clear(&mut self) {
        for (_, request) in self.requests.drain() {
            request.end(Err(CallError::Shutdown.into()));
        }
        self.queue.clear();
        self.resting.clear();
        self.broken.clear();
        self.tries.clear();
        self.settled.clear();
    }
}

impl Actor {
    /// Takes the phone's word that a part of the past is there; it is read once that is committed.
    pub(super) fn take_history(&mut self, key: &MessageKey, message: &Message, step: &mut Step) -> bool {
        let Some(notification) = HistoryNotification::of(message) else { return false };
        let number = self.next_number();
        let pending = Pending { number, id: key.id.clone(), notification };
        tracing::info!(kind = ?pending.notification.kind, order = pending.notification.chunk_order, "history");
        step.past.push(InboxEntry {
            seq: number.0,
            message: key.clone(),
            received: clock::unix_millis(),
            payload: RawHistory { message: Some(message.encoded().to_vec()) }.encode_to_vec(),
        });
        step.histories.push(pending);
        true
    }

    /// Begins with what waits, as far as it can be begun.
    pub(super) fn begin_history(&mut self) {
        let is_ready = *self.status.borrow() == Status::Ready;
        while let Some(at) = self.history.queue.iter().position(|pending| {
            let is_answer = self.history.is_asked_for(pending);
            let is_free = if is_answer { !self.history.is_answering } else { !self.history.is_busy };
            let is_here = is_ready || !matches!(pending.notification.payload, Payload::Blob(_));
            is_free && is_here
        }) {
            let (Some(pending), Some(own)) = (self.history.queue.remove(at), self.own()) else { return };
            let is_answer = self.history.is_asked_for(&pending);
            if self.settle_at_once(&pending, is_answer) {
                continue;
            }
            if is_answer {
                self.history.is_answering = true
            } else {
                self.history.is_busy = true
            }
            let config = &self.config.history;
            let work = Work {
                own: own.pn.to_user(),
                own_lid: own.lid.map(|lid| lid.to_user()),
                store: Arc::clone(&self.store),
                archive: self.config.archive.clone(),
                jobs: self.history.jobs.clone(),
                fetcher: self.fetcher.clone(),
                limits: config.limits,
                // What was asked for by name is wanted.
                selection: if is_answer { Selection::default() } else { config.selection },
                sink: self.history.sink.clone(),
                is_answer,
                pending,
            };
            self.fetch(work.run());
        }
    }

    /// What has nothing to read is done with at once; whether this is such a part.
    fn settle_at_once(&mut self, pending: &Pending, is_answer: bool) -> bool {
        let kind = pending.notification.kind;
        let is_wanted = is_answer || self.config.history.wanted != HistoryUse::Ignore;
        match kind {
            HistoryKind::Refused => {
                self.history.progress.send_modify(|progress| progress.state = HistoryState::Refused);
                self.undelivered.push_back(Event::History(Box::new(HistoryUpdate::Refused)));
            }
            HistoryKind::Access | HistoryKind::Unknown(_) => {}
            _ if is_wanted => return false,
            _ => {}
        }
        self.history.settled.push(Settled::of(pending.clone()));
        true
    }

    /// A worker is done.
    pub(super) fn handle_history(&mut self, done: Done, step: &mut Step) {
        let Done { pending, result, is_answer } = done;
        if is_answer {
            self.history.is_answering = false
        } else {
            self.history.is_busy = false
        }
        match result {
            Ok(counted) => self.finish_history(pending, counted, step),
            // Its reader is gone, or the client ends: it comes again after a restart.
            Err(ChunkError::Shutdown) => {}
            Err(error @ (ChunkError::Store(_) | ChunkError::Network(_))) => {
                tracing::warn!(%error, "a part of the past could not be read, and is tried again");
                self.history.resting.push((clock::now() + AGAIN, pending));
            }
            Err(error) => self.fail_history(pending, error, step),
        }
    }

    fn finish_history(&mut self, pending: Pending, counted: Counted, step: &mut Step) {
        let told = &pending.notification;
        self.history.tries.remove(&pending.place());
        if let Some(nonce) = counted.nonce
            && self.account.history_nonce.as_ref() != Some(&nonce)
        {
            self.account.history_nonce = Some(nonce);
            step.changes.put_account(self.account.clone());
        }
        // The one that devices share outranks it.
        if let Some(salt) = counted.nct_salt.filter(|_| self.account.nct_salt.is_none()) {
            self.keep_nct_salt(salt, step);
        }
        let is_initial = !matches!(told.kind, HistoryKind::OnDemand) && told.full_request.is_none();
        self.history.progress.send_modify(|progress| {
            progress.chunks += 1;
            progress.messages += counted.messages;
            if !is_initial {
                return;
            }
            if progress.state == HistoryState::Waiting {
                progress.state = HistoryState::Running;
            }
            progress.percent = progress.percent.max(told.progress.unwrap_or_default().min(100));
            if told.kind == HistoryKind::Recent && told.progress == Some(100) {
                progress.state = HistoryState::Complete;
            }
        });
        step.events.push(Event::History(Box::new(HistoryUpdate::ChunkDone {
            kind: told.kind,
            chunk_order: told.chunk_order,
            progress: told.progress,
            messages: counted.messages,
            unreadable: counted.unreadable,
        })));
        if let Some(request) = told.request.as_ref().and_then(|id| self.history.requests.remove(id)) {
            request.end(Ok(HistoryPage { messages: counted.collected, end: counted.end }));
        }
        let Pending { number, id, notification } = pending;
        let blob = match notification.payload {
            Payload::Blob(blob) => Some(blob),
            _ => None,
        };
        self.history.settled.push(Settled { number, id, blob });
    }

    /// Asks the phone for a broken part again, or gives it up.
    fn fail_history(&mut self, pending: Pending, error: ChunkError, step: &mut Step) {
        let tries = self.history.tries.entry(pending.place()).or_default();
        let may_help = match &error {
            ChunkError::Unreadable(error) => error.is_worth_another(),
            _ => true,
        };
        if may_help && *tries < TRIES && pending.notification.kind != HistoryKind::OnDemand {
            *tries += 1;
            tracing::warn!(%error, tries, "a part of the past is broken, and is asked for again");
            let is_lost = error == ChunkError::Unavailable && *tries == 1;
            if !is_lost || !self.ask_for_blob(&pending, step) {
                self.history.ask_again(&pending, clock::now());
            }
            self.history.broken.push((clock::now() + REPLACED_WITHIN, pending, error));
            return;
        }
        self.give_up_history(pending, error, step);
    }

    /// Asks the phone to upload a blob again that is not to be had. Whether that can be asked: the request is made with
    /// the blob's key.
    fn ask_for_blob(&mut self, pending: &Pending, step: &mut Step) -> bool {
        let Payload::Blob(blob) = &pending.notification.payload else { return false };
        let (Some(key), Some(own), Ok(())) = (&blob.key, self.own(), self.is_ready()) else { return false };
        let secret = RetrySecret::request(key, pending.id.as_str(), self.random.array());
        let secret = (secret.ciphertext, secret.nonce);
        step.reply(ReuploadRequest::new(pending.id.clone(), own.pn.to_user(), None, secret).into_node());
        true
    }

    /// Takes blobs off the media hosts that were read, once that is stored. When it fails, the hosts drop them later.
    pub(super) fn delete_blobs(&mut self, blobs: Vec<Attachment>) {
        for blob in blobs {
            let (fetcher, nonce) = (self.fetcher.clone(), self.account.history_nonce.clone());
            self.fetch(async move {
                if let Err(error) = fetcher.delete(&blob, nonce.as_deref()).await {
                    tracing::debug!(%error, "a blob of history stays on the media hosts");
                }
                Fetched::Nothing
            });
        }
    }

    fn give_up_history(&mut self, pending: Pending, error: ChunkError, step: &mut Step) {
        tracing::warn!(%error, "a part of the past is given up");
        self.history.tries.remove(&pending.place());
        self.history.progress.send_modify(|progress| progress.failed += 1);
        let told = &pending.notification;
        if let Some(request) = told.request.as_ref().and_then(|id| self.history.requests.remove(id)) {
            request.end(Err(error.clone().into()));
        }
        step.events.push(Event::History(Box::new(HistoryUpdate::ChunkFailed {
            kind: told.kind,
            chunk_order: told.chunk_order,
            error,
        })));
        self.history.settled.push(Settled::of(pending));
    }

    /// Tells the phone what is done, asks what is to be asked, and gives up what took too long.
    pub(super) async fn mend_history(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let now = clock::now();
        let rested: Vec<Pending> =
            self.history.resting.extract_if(.., |(at, _)| *at <= now).map(|(_, pending)| pending).collect();
        self.history.queue.extend(rested);
        let overdue: Vec<_> = self.history.broken.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, pending, error) in overdue {
            self.give_up_history(pending, error, step);
        }
        self.history.expire(now);
        if *self.status.borrow() != Status::Ready {
            return Ok(());
        }
        if let Some(own) = self.own() {
            for Settled { number, id, blob } in std::mem::take(&mut self.history.settled) {
                step.changes.confirm_inbox(number.0);
                step.receipt(OutboundReceipt::new(own.pn.to_user(), Some("hist_sync"), id));
                step.read_blobs.extend(blob.map(|blob| *blob));
            }
        }
        self.ask_for_history(step).await
    }

    pub(super) async fn handle_history_job(&mut self, job: HistoryJob, step: &mut Step) {
        match job {
            HistoryJob::Learn { pairs, is_migrated, tokens, own_name, chats, expirations, names, reply } => {
                let pairs = pairs.iter().filter_map(|pair| addressing::AddressPair::new(&pair.pn, &pair.lid));
                let pairs: Vec<_> = pairs.collect();
                let mut named = Vec::with_capacity(chats.len());
                let mut learned = self.learn(pairs, Evidence::Told, step).await;
                if learned.is_ok() {
                    learned = self.keep_tokens(tokens, step).await;
                }
                for chat in &chats {
                    match self.chat_key(chat, step).await {
                        Ok(name) => named.push(name),
                        Err(error) => learned = Err(error),
                    }
                }
                if let Err(error) = learned {
                    let _ = reply.send(Err(error.into()));
                    return;
                }
                for (chat, told) in expirations {
                    self.directory.set_expiration(&chat, told, &mut step.changes);
                }
                if is_migrated && !self.account.lid_migrated {
                    self.account.lid_migrated = true;
                    step.changes.put_account(self.account.clone());
                }
                // What the user says now outranks the past.
                if let Some(name) = own_name.filter(|_| self.account.push_name.is_none()) {
                    self.take_push_name(&name, step);
                }
                let _ = names.send(named);
                step.replies.push(reply);
            }
            HistoryJob::OnDemand { anchor, count, within, reply } => {
                let chat = match self.wire_address(&anchor.chat).await {
                    Ok(chat) => chat,
                    Err(error) => {
                        let _ = reply.send(Err(CallError::from(error).into()));
                        return;
                    }
                };
                let lid = self.own().and_then(|own| own.lid);
                let asked = ask::on_demand(&chat, &anchor, count, lid.as_ref());
                self.history.request(asked, Some(reply), clock::now() + within, &mut self.random);
            }
            HistoryJob::Full { days, within, reply } => {
                let name = crate::message::id::generate(&mut self.random);
                let asked = ask::full(&name, days, &self.config.profile);
                self.history.request(asked, Some(reply), clock::now() + within, &mut self.random);
            }
        }
    }
}
