//! One part of the past, from its blob to those who want it: beside live traffic, and a batch at a time.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use wa_store::archive::Archive;
use wa_store::{Changes, Expiration, MessageKey, MessageSecret, NctSalt, PrivacyToken, Store};
use wa_types::Jid;
use zeroize::Zeroizing;

use super::blob;
use super::{HistoryJob, Pending};
use crate::driver::archive;
use crate::driver::command::Job;
use crate::driver::media::Fetcher;
use crate::driver::upkeep::Fetched;
use crate::error::ChunkError;
use crate::history::{
    Batches, EndOfHistory, HistoryBatch, HistoryError, HistoryItem, HistoryKind, HistoryMessage, Payload,
    ReadLimits, Reader, Selection,
};

/// No answer of the phone's is kept beyond this many bytes.
const COLLECTED: usize = 8 << 20;

/// What a worker needs.
pub(super) struct Work {
    pub(super) pending: Pending,
    pub(super) own: Jid,
    pub(super) own_lid: Option<Jid>,
    pub(super) store: Arc<dyn Store>,
    pub(super) archive: Option<Arc<dyn Archive>>,
    pub(super) jobs: mpsc::WeakSender<Job>,
    pub(super) fetcher: Fetcher,
    pub(super) limits: ReadLimits,
    pub(super) selection: Selection,
    /// Where the application reads, unless somebody waits for just this.
    pub(super) sink: Option<mpsc::Sender<Delivery>>,
    /// Somebody waits for just this.
    pub(super) is_answer: bool,
}

/// A batch on its way to the application.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) kind: HistoryKind,
    pub(crate) chunk_order: u32,
    pub(crate) progress: Option<u32>,
    pub(crate) batch: HistoryBatch,
    /// Told when the application has it.
    pub(crate) taken: oneshot::Sender<()>,
}

/// What came of a part of the past.
pub(in crate::driver) struct Done {
    pub(super) pending: Pending,
    pub(super) result: Result<Counted, ChunkError>,
    pub(super) is_answer: bool,
}

/// What a part of the past had.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) messages: u64,
    pub(super) unreadable: u64,
    pub(super) nonce: Option<String>,
    pub(super) nct_salt: Option<NctSalt>,
    /// The answer to a request.
    pub(super) collected: Vec<HistoryMessage>,
    pub(super) end: Option<EndOfHistory>,
}

type Source = Box<dyn Read + Send>;

impl Work {
    /// Does the work; a future that the actor keeps.
    pub(super) async fn run(mut self) -> Fetched {
        let result = self.read().await;
        Fetched::History(Box::new(Done { pending: self.pending, result, is_answer: self.is_answer }))
    }

    async fn read(&mut self) -> Result<Counted, ChunkError> {
        let payload = std::mem::replace(&mut self.pending.notification.payload, Payload::Nothing);
        let source = match &payload {
            Payload::Inline(bytes) => Ok(Box::new(Cursor::new(bytes.clone())) as Source),
            Payload::Blob(file) => blob::fetch(&self.fetcher, file, self.limits.total_bytes).await,
            Payload::Nothing => Err(ChunkError::Unreadable(HistoryError::Malformed("no payload"))),
        };
        // What is asked for again is named by its notification.
        self.pending.notification.payload = payload;
        let reader = Reader::new(source?, self.limits, self.selection);
        let mut batches = Batches::new(reader, self.own.clone());
        let mut counted = Counted::default();
        let mut collected = 0;
        loop {
            let (again, batch) = inflate(batches).await?;
            batches = again;
            let Some(mut batch) = batch? else { break };
            counted.unreadable += batch.unreadable;
            counted.messages += messages(&batch).count() as u64;
            self.keep(&mut batch).await?;
            if self.is_answer {
                counted.end = ends(&batch).last().or(counted.end);
                for message in messages(&batch) {
                    collected += message.size();
                    if collected <= COLLECTED {
                        counted.collected.push(message.clone());
                    }
                }
            } else {
                self.deliver(batch).await?;
            }
        }
        let summary = batches.reader().summary();
        counted.nonce.clone_from(&summary.nonce);
        counted.nct_salt = summary.nct_salt.clone().map(NctSalt::new);
        Ok(counted)
    }

    /// Keeps what the library itself needs of a batch, and names its chats as the application knows them.
    async fn keep(&self, batch: &mut HistoryBatch) -> Result<(), ChunkError> {
        let mut wanted: Vec<Jid> = batch.items.iter().filter_map(chat_of).cloned().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let tokens: Vec<PrivacyToken> = batch.items.iter().filter_map(tokens_of).collect();
        let own_name = batch.items.iter().find_map(|item| own_name(item, &self.own, self.own_lid.as_ref()));
        if !batch.addresses.is_empty() || batch.is_migrated || own_name.is_some() || !wanted.is_empty() {
            let (names, named) = oneshot::channel();
            let (reply, done) = oneshot::channel();
            let (pairs, is_migrated) = (batch.addresses.clone(), batch.is_migrated);
            let chats = wanted.clone();
            let expirations = batch.items.iter().filter_map(expiration_of).collect();
            let job =
                HistoryJob::Learn { pairs, is_migrated, tokens, own_name, chats, expirations, names, reply };
            let jobs = self.jobs.upgrade().ok_or(ChunkError::Shutdown)?;
            jobs.send(Job::History(Box::new(job))).await.map_err(|_| ChunkError::Shutdown)?;
            drop(jobs);
            let learned = done.await.map_err(|_| ChunkError::Shutdown)?;
            learned.map_err(|error| ChunkError::Store(error.to_string()))?;
            let named = named.await.map_err(|_| ChunkError::Shutdown)?;
            let names: HashMap<&Jid, &Jid> = wanted.iter().zip(&named).collect();
            for chat in batch.items.iter_mut().filter_map(chat_of_mut) {
                if let Some(name) = names.get(chat) {
                    *chat = (*name).clone();
                }
            }
        }
        if let Some(archive) = &self.archive {
            let kept = archive.put(archive::of_batch(batch)).await;
            kept.map_err(|error| ChunkError::Store(error.to_string()))?;
        }
        let changes = harvest(batch);
        if !changes.is_empty() {
            self.store.commit(changes).await.map_err(|error| ChunkError::Store(error.to_string()))?;
        }
        Ok(())
    }

    /// Hands a batch to the application, and waits until it has it.
    async fn deliver(&self, batch: HistoryBatch) -> Result<(), ChunkError> {
        let Some(sink) = self.sink.as_ref().filter(|_| !batch.items.is_empty()) else { return Ok(()) };
        let (taken, is_taken) = oneshot::channel();
        let told = &self.pending.notification;
        let delivery = Delivery {
            kind: told.kind,
            chunk_order: told.chunk_order,
            progress: told.progress,
            batch,
            taken,
        };
        sink.send(delivery).await.map_err(|_| ChunkError::Shutdown)?;
        is_taken.await.map_err(|_| ChunkError::Shutdown)
    }
}

/// Reads a batch on a thread that may wait for a disk.
async fn inflate(
    mut batches: Batches<Source>,
) -> Result<(Batches<Source>, Result<Option<HistoryBatch>, HistoryError>), ChunkError> {
    let read = tokio::task::spawn_blocking(move || {
        let batch = batches.read_batch();
        (batches, batch)
    });
    read.await.map_err(|_| ChunkError::Shutdown)
}

fn messages(batch: &HistoryBatch) -> impl Iterator<Item = &HistoryMessage> {
    batch.items.iter().filter_map(|item| match item {
        HistoryItem::Message(message) => Some(message),
        _ => None,
    })
}

fn ends(batch: &HistoryBatch) -> impl Iterator<Item = EndOfHistory> {
    batch.items.iter().filter_map(|item| match item {
        HistoryItem::Chat(chat) => Some(chat.end),
        _ => None,
    })
}

fn chat_of(item: &HistoryItem) -> Option<&Jid> {
    match item {
        HistoryItem::Message(message) => Some(&message.chat),
        HistoryItem::Chat(chat) => Some(&chat.jid),
        _ => None,
    }
}

fn chat_of_mut(item: &mut HistoryItem) -> Option<&mut Jid> {
    match item {
        HistoryItem::Message(message) => Some(&mut message.chat),
        HistoryItem::Chat(chat) => Some(&mut chat.jid),
        _ => None,
    }
}

/// The tokens of trust between the user of a direct chat and us.
fn tokens_of(item: &HistoryItem) -> Option<PrivacyToken> {
    let HistoryItem::Chat(chat) = item else { return None };
    let is_known = chat.jid.is_user() && (chat.token.is_some() || chat.token_given.is_some());
    is_known.then(|| PrivacyToken {
        user: chat.jid.clone(),
        received: chat.token.clone(),
        issued: chat.token_given,
    })
}

/// How long messages of a direct chat stay, where the phone says since when.
fn expiration_of(item: &HistoryItem) -> Option<(Jid, Expiration)> {
    let HistoryItem::Chat(chat) = item else { return None };
    let since = chat.ephemeral_since.filter(|_| chat.jid.is_user())?;
    Some((chat.jid.clone(), Expiration { seconds: chat.ephemeral_seconds.unwrap_or_default(), since }))
}

/// The name of our own user, if this is it.
fn own_name(item: &HistoryItem, own: &Jid, own_lid: Option<&Jid>) -> Option<String> {
    match item {
        HistoryItem::PushName { user, name } if user == own || Some(user) == own_lid => name.clone(),
        _ => None,
    }
}

/// What of a batch the store keeps: secrets of messages.
fn harvest(batch: &HistoryBatch) -> Changes {
    let mut changes = Changes::new();
    for message in messages(batch) {
        let secret = message.secret().and_then(|secret| <[u8; 32]>::try_from(secret).ok());
        if let Some(secret) = secret {
            changes.put_message_secret(MessageSecret {
                message: MessageKey {
                    chat: message.chat.clone(),
                    sender: message.sender.clone(),
                    id: message.id.clone(),
                },
                secret: Zeroizing::new(secret),
                at: message.timestamp.to_millis(),
            });
        }
    }
    changes
}
