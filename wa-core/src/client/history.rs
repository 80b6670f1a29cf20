//! The past: how far it is, its records, and questions to the phone.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::Client;
use crate::driver::command::{HistoryJob, Job};
use crate::driver::history::{
    Anchor, Delivery, Histories, HistoryPage, HistoryProgress, HistoryState, HistoryUse,
};
use crate::error::{CallError, HistoryRequestError};
use crate::history::{HistoryBatch, HistoryKind};

/// A phone that is on sends the next part of the past within this time.
const STALL: Duration = Duration::from_secs(120);

/// What a client keeps for its handles.
#[derive(Debug)]
pub(super) struct Shared {
    progress: watch::Receiver<HistoryProgress>,
    reader: Mutex<Option<HistoryReader>>,
}

/// Both ends of what goes between the actor and the handles.
pub(super) fn open(wanted: HistoryUse, jobs: &mpsc::Sender<Job>) -> (Histories, Shared) {
    let (progress, watched) = watch::channel(HistoryProgress::default());
    // A batch waits, another is in the making.
    let (sink, receiver) = mpsc::channel(1);
    let delivers = wanted == HistoryUse::Deliver;
    let reader = delivers.then_some(HistoryReader { receiver, open: None });
    let histories = Histories::new(jobs.downgrade(), delivers.then_some(sink), progress);
    (histories, Shared { progress: watched, reader: Mutex::new(reader) })
}

impl Client {
    /// The past of the account.
    #[must_use]
    pub const fn history(&self) -> History<'_> {
        History { client: self }
    }
}

/// The past of an account: what the phone sends by itself, and what it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct History<'c> {
    client: &'c Client,
}

/// How the past ended that the phone sends after linking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitialHistory {
    /// All recent messages are through.
    Complete,
    /// The user chose to share nothing.
    Refused,
    /// The phone stopped sending, or never began. What it still sends is taken as it comes.
    Stalled,
}

impl History<'_> {
    /// How far the past is that the phone sends after linking. Counts begin with this client.
    #[must_use]
    pub fn progress(&self) -> HistoryProgress {
        *self.client.inner.history.progress.borrow()
    }

    /// Waits for the end of the past that the phone sends after linking; it is stalled when nothing of it came for two
    /// minutes. After a restart nothing comes, unless some was left.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`CallError::Shutdown`].
    pub async fn initial(&self) -> Result<InitialHistory, CallError> {
        let mut progress = self.client.inner.history.progress.clone();
        loop {
            match progress.borrow_and_update().state {
                HistoryState::Complete => return Ok(InitialHistory::Complete),
                HistoryState::Refused => return Ok(InitialHistory::Refused),
                HistoryState::Waiting | HistoryState::Running => {}
            }
            match timeout(STALL, progress.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(CallError::Shutdown),
                Err(_) => return Ok(InitialHistory::Stalled),
            }
        }
    }

    /// The records of the past, as they come; there is one reader, and `None` for the second who asks. The client must
    /// have been built with [`HistoryUse::Deliver`].
    #[must_use]
    pub fn reader(&self) -> Option<HistoryReader> {
        let mut reader = self.client.inner.history.reader.lock();
        reader.as_mut().map_or(None, |reader| reader.take())
    }

    /// Asks the phone for messages of a chat, older than the anchor: `count` at most, of which phones give some fifty.
    /// They come as the answer and not to the [reader](Self::reader); ask on with the last one as the next anchor.
    ///
    /// Dropping the future gives the answer up: what comes then comes to the reader.
    ///
    /// # Errors
    /// [`HistoryRequestError`]: the phone must be on for an answer, so allow it minutes.
    pub async fn on_demand(
        &self,
        anchor: impl Into<Anchor>,
        count: u32,
        within: Duration,
    ) -> Result<HistoryPage, HistoryRequestError> {
        let anchor = anchor.into();
        self.ask(|reply| HistoryJob::OnDemand { anchor, count, within, reply }).await
    }

    /// Asks the phone for all that it has, or for the last `days`. Returns when the phone agreed; the past follows as
    /// it does after linking. Phones of business accounts do that.
    ///
    /// # Errors
    /// [`HistoryRequestError`].
    pub async fn full(&self, days: Option<u32>, within: Duration) -> Result<(), HistoryRequestError> {
        self.ask(|reply| HistoryJob::Full { days, within, reply }).await.map(drop)
    }

    async fn ask(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<HistoryPage, HistoryRequestError>>) -> HistoryJob,
    ) -> Result<HistoryPage, HistoryRequestError> {
        self.client.call(|reply| Job::History(Box::new(job(reply)))).await?
    }
}

/// The records of the past, a batch at a time.
///
/// A batch counts as taken when the next one is asked for. A part of which not all was taken comes again at the next
/// start, from its beginning: know records by their ids. While nobody reads, no more than two batches wait, and nothing
/// but the past waits for it.
#[derive(Debug)]
pub struct HistoryReader {
    receiver: mpsc::Receiver<Delivery>,
    open: Option<oneshot::Sender<()>>,
}

/// A batch of records, and what part of the past it is of.
#[derive(Debug)]
#[non_exhaustive]
pub struct HistoryPart {
    /// What the part holds.
    pub kind: HistoryKind,
    /// Its place among those of its kind, from 1.
    pub chunk_order: u32,
    /// How far the whole is, percent, as the phone says.
    pub progress: Option<u32>,
    /// Some records of it.
    pub batch: HistoryBatch,
}

impl HistoryReader {
    /// The next batch; `None` when the client was shut down.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<HistoryPart> {
        if let Some(taken) = self.open.take() {
            let _ = taken.send(());
        }
        let Delivery { kind, chunk_order, progress, batch, taken } = self.receiver.recv().await?;
        self.open = Some(taken);
        Some(HistoryPart { kind, chunk_order, progress, batch })
    }
}
