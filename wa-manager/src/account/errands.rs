//! What an account does besides sending: it types, reads, fetches files. The account's task only lends its client: what
//! takes long takes the caller's time. Requirements: manager.md, 4.4.

use tokio::sync::oneshot;
use wa_core::client::{Liveness, Media};
use wa_core::event::Typing;
use wa_core::{CallError, Client, Message};
use wa_types::{Jid, PhoneNumber};

use super::actor::{
    CheckError, Command, HistoryError, HistoryJob, HistoryRequest, NumberStatus, SendOutcome,
};
use super::{Account, AccountStatus};
use crate::inbound::InboundMessage;
use crate::manager::ManagerError;
use crate::media::{DownloadError, MediaFile, MediaHome, MediaStores, fetch};
use crate::sending::SendError;

/// What an account has for an errand.
pub(crate) struct Errand {
    /// Its client, if it is ready; otherwise where it stands.
    pub(crate) client: Result<Client, AccountStatus>,
    /// Where its files are kept.
    pub(crate) stores: MediaStores,
    /// None before it was linked.
    pub(crate) home: Option<MediaHome>,
}

/// Something that is not done at another time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrandError {
    /// The account is not connected: try again when it is ready.
    #[error("the account is not ready: {}", status.wire())]
    NotReady {
        /// Where it stands.
        status: AccountStatus,
    },
    /// The client could not do it.
    #[error("the client could not do it")]
    Client(#[from] CallError),
    /// The account is gone, damaged, or another owner's; or the manager ended.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

impl ErrandError {
    /// A name that does not change, for other languages and for HTTP.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotReady { .. } => "not_ready",
            Self::Client(_) => "client",
            Self::Manager(error) => error.code(),
        }
    }
}

impl Account {
    /// Answers a message in its chat with this one, which quotes it, within the account's limits. More can be said with
    /// [`InboundMessage::answer`] and [`Self::send`].
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn reply(&self, to: &InboundMessage, message: Message) -> Result<SendOutcome, SendError> {
        self.send(to.answer(message)).await
    }

    /// Tells a direct chat or a group that we write, record, or stopped. It lapses there after about 25 seconds.
    ///
    /// # Errors
    /// [`ErrandError`]. Whether anybody heeds it is not known.
    pub async fn set_typing(&self, chat: &Jid, state: Typing) -> Result<(), ErrandError> {
        Ok(self.lent().await?.presence().typing(chat, state).await?)
    }

    /// Tells the authors that these messages were read, and our own other devices.
    ///
    /// # Errors
    /// [`ErrandError`]; worth a retry once ready.
    pub async fn mark_read(&self, messages: &[InboundMessage]) -> Result<(), ErrandError> {
        let keys: Vec<_> = messages.iter().map(InboundMessage::key).collect();
        Ok(self.lent().await?.mark_keys_read(&keys).await?)
    }

    /// The file of a message: from where it is kept, or from the service's hosts; then it is kept as the account's
    /// `storageMode` says. A file that the hosts dropped is asked of the phone, which may take a minute. What is kept is
    /// given without a connection, too.
    ///
    /// The account goes on meanwhile. Dropping the future ends the download; nothing is left of it.
    ///
    /// # Errors
    /// [`DownloadError`].
    pub async fn download_media(&self, message: &InboundMessage) -> Result<MediaFile, DownloadError> {
        let Errand { client, stores, home } = self.errand().await?;
        let home = home.ok_or(DownloadError::NoPlace)?;
        let mode = self.snapshot().settings.storage_mode;
        Box::pin(fetch(&stores, home, mode, client, message)).await
    }

    /// Uploads files for messages that are to be sent, and what else can be done with files, for as long as this connection
    /// lasts: ask anew for each file.
    ///
    /// # Errors
    /// [`ErrandError::NotReady`]; [`ErrandError::Manager`].
    pub async fn media(&self) -> Result<Media, ErrandError> {
        Ok(self.lent().await?.media())
    }

    /// How long the account's connection stands, and how long ago the server was heard last. Of an account that does not
    /// run nothing is known.
    ///
    /// # Errors
    /// [`ManagerError`], of the manager itself.
    pub async fn liveness(&self) -> Result<Liveness, ManagerError> {
        self.lend(Command::Liveness).await
    }

    /// Which of these phone numbers have an account, in their order. What was asked within a week is known; at most 20
    /// others are asked for, within the account's budget for that, which is counted before the server is asked.
    ///
    /// # Errors
    /// [`CheckError`]. Dropping the future gives the answer up; it is counted, and known the next time.
    pub async fn check_numbers(&self, numbers: &[PhoneNumber]) -> Result<Vec<NumberStatus>, CheckError> {
        self.lend(|reply| Command::Numbers(numbers.to_vec(), reply)).await?
    }

    /// Asks the phone for older messages than are known, chat by chat. They come with `history.progress` events, a page
    /// each, which name the job; the last one says how it ended: `done` or `failed`.
    ///
    /// # Errors
    /// [`HistoryError`]. A phone that does not answer is told by the job's last event.
    pub async fn sync_history(&self, request: HistoryRequest) -> Result<HistoryJob, HistoryError> {
        self.lend(|reply| Command::History(request, reply)).await?
    }

    /// The client, if the account is ready.
    async fn lent(&self) -> Result<Client, ErrandError> {
        self.errand().await?.client.map_err(|status| ErrandError::NotReady { status })
    }

    async fn errand(&self) -> Result<Errand, ManagerError> {
        self.lend(Command::Errand).await
    }

    /// Asks the account's task. Without an answer, why there is none.
    async fn lend<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, ManagerError> {
        let (reply, answer) = oneshot::channel();
        self.entry().commands.send(command(reply)).await.map_err(|_| self.entry().gone())?;
        answer.await.map_err(|_| self.entry().gone())
    }
}
