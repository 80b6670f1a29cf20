//! The past that the phone is asked for, chat by chat: one job of an account at a time. The job asks, the account's task
//! stores and tells. Requirements: manager.md, R102, R107.

use std::future::pending;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use wa_core::Client;
use wa_core::client::{Anchor, HistoryPage};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::error::HistoryRequestError;
use wa_core::history::{EndOfHistory, HistoryMessage};
use wa_types::Jid;

use super::client::behind;
use super::{Actor, Lost};
use crate::account::{AccountStatus, SyncLimit};
use crate::event::EventKind;
use crate::ids::JobId;
use crate::inbound::Past;
use crate::manager::ManagerError;
use crate::sending::text_of;
use crate::store::{ChatRecord, ManagerStoreError};

/// Phones give no more messages at once.
const PAGE: u32 = 50;

/// So many chats are asked about by one job, those with the newest messages first.
const CHATS: usize = 200;

/// An encoded message of more bytes is left out of the event of its page.
const MAX_RAW: usize = 16 * 1024;

/// A text of more bytes is cut.
const MAX_TEXT: usize = 16 * 1024;

/// What is asked for of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct HistoryRequest {
    /// How many messages of each chat, older than those that are known; never more than the account's `syncLimit`, which
    /// is taken where there is none.
    pub limit: Option<SyncLimit>,
    /// Which chats; none for all that are known, 200 at most, those with the newest messages first.
    pub chats: Vec<Jid>,
    /// How long the phone has for each answer. One that is off gives none.
    pub within: Duration,
}

impl Default for HistoryRequest {
    fn default() -> Self {
        Self { limit: None, chats: Vec::new(), within: Duration::from_secs(2 * 60) }
    }
}

/// A job that asks for the past. Its `history.progress` events carry its id; the last one says how it ended. It does not
/// go on after the end of the account's connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HistoryJob {
    /// Its id.
    pub id: JobId,
    /// How many chats it asks about.
    pub chats: usize,
    /// How many messages of each.
    pub limit: u16,
}

/// Why the past is not asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The account is not connected: try again when it is ready.
    #[error("the account is not ready: {}", status.wire())]
    NotReady {
        /// Where it stands.
        status: AccountStatus,
    },
    /// A job is under way; wait for its end.
    #[error("the job {job} is under way")]
    Busy {
        /// The job.
        job: JobId,
    },
    /// Nothing of this chat is known: there is no place from which to ask on.
    #[error("no message of the chat is known")]
    UnknownChat {
        /// The chat.
        chat: Jid,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] ManagerStoreError),
    /// The account is gone, damaged, or another owner's; or the manager ended.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

impl HistoryError {
    /// A name that does not change, for other languages and for HTTP.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotReady { .. } => "not_ready",
            Self::Busy { .. } => "busy",
            Self::UnknownChat { .. } => "unknown_chat",
            Self::Store(_) => "store",
            Self::Manager(error) => error.code(),
        }
    }
}

/// A job that is under way.
#[derive(Debug)]
pub(super) struct Asking {
    progress: Progress,
    pages: mpsc::Receiver<Page>,
    task: JoinSet<Result<(), HistoryRequestError>>,
}

/// How far a job is.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    job: HistoryJob,
    /// Messages that came.
    messages: usize,
    /// Chats of which all came.
    done: usize,
}

/// An answer of the phone.
#[derive(Debug)]
struct Page {
    chat: Jid,
    page: HistoryPage,
    /// Nothing more of this chat is asked for.
    is_last: bool,
    /// It is stored: the next one may be asked for.
    taken: oneshot::Sender<()>,
}

/// What a job says.
#[derive(Debug)]
pub(super) enum Told {
    Page(Box<PageOf>),
    End(Result<(), HistoryRequestError>),
}

/// A page, with how far its job is.
#[derive(Debug)]
pub(super) struct PageOf(Page);

impl Asking {
    /// What the job says next. Never returns while there is none.
    ///
    /// Cancel safe.
    pub(super) async fn next(asking: &mut Option<Self>) -> Told {
        let Some(asking) = asking else { return pending().await };
        if let Some(page) = asking.pages.recv().await {
            return Told::Page(Box::new(PageOf(page)));
        }
        match asking.task.join_next().await {
            Some(Ok(end)) => Told::End(end),
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => pending().await,
        }
    }
}

/// Asks for the chats one after the other, page by page. A phone that does not answer once is not asked again.
async fn ask(
    client: Client,
    chats: Vec<Anchor>,
    limit: u16,
    within: Duration,
    pages: mpsc::Sender<Page>,
) -> Result<(), HistoryRequestError> {
    for mut anchor in chats {
        let chat = anchor.chat.clone();
        let mut left = u32::from(limit);
        while left > 0 {
            let mut page = client.history().on_demand(anchor.clone(), left.min(PAGE), within).await?;
            page.messages.truncate(left as usize);
            left -= u32::try_from(page.messages.len()).unwrap_or(left).min(left);
            let is_all = matches!(page.end, Some(EndOfHistory::Complete | EndOfHistory::NoAccess));
            match page.messages.last() {
                Some(oldest) if !is_all => {
                    // The chat as we know it: the phone may say it under its other address.
                    anchor = Anchor::from(oldest);
                    anchor.chat = chat.clone();
                }
                _ => left = 0,
            }
            let (taken, done) = oneshot::channel();
            let sent = pages.send(Page { chat: chat.clone(), page, is_last: left == 0, taken }).await;
            if sent.is_err() || done.await.is_err() {
                // The account's task is gone.
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Actor {
    /// Begins to ask for the past.
    pub(super) async fn sync_history(&mut self, request: HistoryRequest) -> Result<HistoryJob, HistoryError> {
        let ready = self.running.as_ref().filter(|running| running.connection.is_ready());
        let Some(client) = ready.map(|running| running.client.clone()) else {
            return Err(HistoryError::NotReady { status: self.record.status });
        };
        if let Some(asking) = &self.asking {
            return Err(HistoryError::Busy { job: asking.progress.job.id.clone() });
        }
        let most = self.record.settings.sync_limit;
        let limit = request.limit.unwrap_or(most).get().min(most.get());
        let mut chats: Vec<Anchor> = Vec::new();
        if request.chats.is_empty() {
            let known = self.shared.store.chats(&self.record.id, CHATS).await?;
            chats.extend(known.iter().filter_map(anchor_of));
        }
        for chat in request.chats.into_iter().take(CHATS) {
            let known = self.known_chat(&chat).await?;
            let anchor = known.as_ref().and_then(anchor_of).ok_or(HistoryError::UnknownChat { chat })?;
            if chats.iter().all(|other| other.chat != anchor.chat) {
                chats.push(anchor);
            }
        }
        let job = HistoryJob { id: JobId::of(SystemRandom.array()), chats: chats.len(), limit };
        let (sender, pages) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(ask(client, chats, limit, request.within, sender));
        let progress = Progress { job: job.clone(), messages: 0, done: 0 };
        behind(&self.left).job = Some(progress.clone());
        self.asking = Some(Asking { progress, pages, task });
        Ok(job)
    }

    /// The chat of this address, by whichever of a person's two it is known.
    async fn known_chat(&self, chat: &Jid) -> Result<Option<ChatRecord>, ManagerStoreError> {
        let (store, account) = (&self.shared.store, &self.record.id);
        if let Some(known) = store.chat(account, chat).await? {
            return Ok(Some(known));
        }
        let person = store.contact(account, chat).await?;
        for other in person.into_iter().flat_map(|person| [person.pn, person.lid]).flatten() {
            if let Some(known) = store.chat(account, &other).await? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// A job said something.
    pub(super) async fn past_told(&mut self, told: Told) -> Result<(), Lost> {
        match told {
            Told::Page(page) => self.take_page(page.0).await,
            Told::End(end) => {
                let Some(Asking { progress, .. }) = self.asking.take() else { return Ok(()) };
                let (state, error) = match &end {
                    Ok(()) => ("done", Value::Null),
                    Err(error) => ("failed", json!(reason(error))),
                };
                self.tell_end(&progress, state, error).await
            }
        }
    }

    /// Ends the job that is under way, if there is one, and tells it so.
    pub(super) async fn end_job(&mut self, why: &str) -> Result<(), Lost> {
        match self.asking.take() {
            Some(Asking { progress, .. }) => self.tell_end(&progress, "failed", json!(why)).await,
            None => Ok(()),
        }
    }

    /// The same for a job of an actor that crashed.
    pub(super) async fn end_lost_job(&mut self) -> Result<(), Lost> {
        let lost = behind(&self.left).job.clone();
        match lost {
            Some(progress) => self.tell_end(&progress, "failed", json!("crashed")).await,
            None => Ok(()),
        }
    }

    async fn tell_end(&mut self, progress: &Progress, state: &str, error: Value) -> Result<(), Lost> {
        self.tell(EventKind::HistoryProgress, progress.told(state, error)).await?;
        behind(&self.left).job = None;
        Ok(())
    }

    async fn take_page(&mut self, Page { chat, page, is_last, taken }: Page) -> Result<(), Lost> {
        let persons = Past::of_messages(&page.messages);
        persist!(self, self.gate.note_past(&persons));
        persist!(self, self.gate.note_oldest(&chat, page.messages.last()));
        let Some(asking) = &mut self.asking else { return Ok(()) };
        asking.progress.messages += page.messages.len();
        asking.progress.done += usize::from(is_last);
        behind(&self.left).job = Some(asking.progress.clone());
        let mut data = asking.progress.told("running", Value::Null);
        if let Value::Object(data) = &mut data {
            data.insert("chat".to_owned(), json!(chat.to_string()));
            data.insert("items".to_owned(), page.messages.iter().map(item).collect());
        }
        self.tell(EventKind::HistoryProgress, data).await?;
        let _gone = taken.send(());
        Ok(())
    }
}

fn anchor_of(chat: &ChatRecord) -> Option<Anchor> {
    let oldest = chat.oldest.as_ref()?;
    Some(Anchor::new(chat.chat.clone(), oldest.id.clone(), oldest.from_me, oldest.at))
}

impl Progress {
    fn told(&self, state: &str, error: Value) -> Value {
        json!({
            "jobId": self.job.id,
            "state": state,
            "error": error,
            "chats": self.job.chats,
            "chatsDone": self.done,
            "messages": self.messages,
        })
    }
}

/// An old message, as an event tells it.
fn item(message: &HistoryMessage) -> Value {
    let said = message.message();
    let content = said.as_ref().map(wa_core::Message::content);
    let text = content.as_ref().and_then(text_of);
    let raw = said.as_ref().map(wa_core::Message::encoded).filter(|raw| raw.len() <= MAX_RAW);
    json!({
        "messageId": message.id.as_str(),
        "chat": message.chat.to_string(),
        "sender": message.sender.to_string(),
        "fromMe": message.from_me,
        "timestamp": message.timestamp.to_millis().0,
        "text": text.map(|text| text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default().to_owned()),
        "raw": raw.map(|raw| STANDARD.encode(raw)),
    })
}

/// Why a job failed, in a word for programs.
const fn reason(error: &HistoryRequestError) -> &'static str {
    match error {
        HistoryRequestError::NoAnswer => "phone_silent",
        HistoryRequestError::Refused { .. } => "refused",
        HistoryRequestError::Chunk(_) => "unreadable",
        HistoryRequestError::Call(_) => "not_connected",
        _ => "unknown",
    }
}
