//! One account's client: what an application holds.

mod builder;
mod events;
#[cfg(feature = "http")]
pub mod version;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wa_types::{Jid, MessageId};

pub use builder::ClientBuilder;
pub use events::Events;

pub use crate::driver::Status;

use crate::driver::command::{Job, SendJob};
use crate::error::{CallError, SendError, Sent};
use crate::event::MessageReceived;
use crate::message::Message;

/// A handle to one account. Cheap to clone; all clones are the same account, and the account's tasks end when the last
/// one is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    jobs: mpsc::Sender<Job>,
    status: watch::Receiver<Status>,
    /// Ends the tasks when the last handle goes.
    stop: CancellationToken,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Client {
    /// Builds a client on this store. The store is the account: a new one is paired first, a known one logs in.
    pub fn builder(store: Arc<dyn wa_store::Store>) -> ClientBuilder {
        ClientBuilder::new(store)
    }

    /// Sends a message and waits for the server's ack: then the server has it, with the time in [`Sent`].
    ///
    /// Messages to one chat leave in the order of the calls, and are acknowledged in it. A phone number's chat is
    /// addressed by its LID where that is known.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::remedy`] says what to do.
    ///
    /// Not cancel safe: a dropped future's message may be sent or not.
    pub async fn send(&self, chat: &Jid, message: Message) -> Result<Sent, SendError> {
        self.send_with_id(chat, message, self.new_message_id()).await
    }

    /// Sends a message under an id of the caller's: to send again what may have arrived already. The server delivers
    /// an id once.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_with_id(&self, chat: &Jid, message: Message, id: MessageId) -> Result<Sent, SendError> {
        let (reply, answer) = oneshot::channel();
        let job = SendJob { chat: chat.clone(), id, message, reply };
        self.inner.jobs.send(Job::Send(Box::new(job))).await.map_err(|_| SendError::Shutdown)?;
        answer.await.unwrap_or(Err(SendError::ConnectionLost))
    }

    /// A new message id, of the form that companions use.
    #[must_use]
    pub fn new_message_id(&self) -> MessageId {
        crate::message::id::generate(&mut crate::crypto::SystemRandom)
    }

    /// Tells the authors that these messages were read: a blue tick there, and no badge on our other devices. They may
    /// be of one chat and one author only.
    ///
    /// # Errors
    /// [`CallError`]; reading receipts is worth a retry once connected.
    pub async fn mark_read(&self, messages: &[&MessageReceived]) -> Result<(), CallError> {
        let Some(first) = messages.first() else { return Ok(()) };
        let ids = messages.iter().map(|message| message.id.clone()).collect();
        let (chat, sender) = (first.chat.clone(), first.sender.clone());
        self.call(|reply| Job::MarkRead { chat, sender, ids, reply }).await?
    }

    /// Tells the server whether somebody is looking. While available, delivery receipts count as active, and presences
    /// of others come in. It holds for this connection: say it again after [`crate::Event::Connected`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_available(&self, is_available: bool) -> Result<(), CallError> {
        self.call(|reply| Job::SetPresence { is_available, reply }).await?
    }

    /// What the account is doing right now.
    #[must_use]
    pub fn status(&self) -> Status {
        *self.inner.status.borrow()
    }

    /// Waits until the account is logged in. `false` when it will not be by itself: it is closed or logged out.
    ///
    /// Cancel safe.
    pub async fn ready(&self) -> bool {
        let mut status = self.inner.status.clone();
        let reached = status
            .wait_for(|status| matches!(status, Status::Ready | Status::Closed | Status::LoggedOut))
            .await;
        reached.is_ok_and(|status| *status == Status::Ready)
    }

    /// Connects now, if there is no connection: after [`crate::Event::Closed`], or instead of waiting. Returns once the
    /// attempt is under way; [`Self::ready`] waits for its end.
    pub async fn reconnect(&self) {
        let (reply, done) = oneshot::channel();
        if self.inner.jobs.send(Job::Reconnect { reply }).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Ends the connection in good order, and stays away until [`Self::reconnect`]. Messages whose ack has not come
    /// fail with [`SendError::ConnectionLost`].
    pub async fn disconnect(&self) {
        let (reply, done) = oneshot::channel();
        if self.inner.jobs.send(Job::Disconnect { reply }).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Unlinks this device from the account: it vanishes from the phone's list. [`crate::Event::LoggedOut`] follows.
    ///
    /// # Errors
    /// [`CallError`]: the server was not reached, and the device is still linked.
    pub async fn logout(&self) -> Result<(), CallError> {
        self.call(|reply| Job::Logout { reply }).await?
    }

    /// Wipes the store, and makes new keys: the next connection pairs a new device. Log out first; a device that is
    /// still linked stays in the phone's list.
    ///
    /// # Errors
    /// [`CallError::Store`]: nothing was wiped.
    pub async fn forget(&self) -> Result<(), CallError> {
        self.call(|reply| Job::Forget { reply }).await?
    }

    /// Ends the connection and all tasks of the account, and closes the store. Other handles fail from now on.
    pub async fn shutdown(self) {
        self.inner.stop.cancel();
        if let Some(task) = self.inner.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the account's task failed");
        }
    }

    async fn call<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        self.inner.jobs.send(job(reply)).await.map_err(|_| CallError::Shutdown)?;
        answer.await.map_err(|_| CallError::Shutdown)
    }
}

impl Inner {
    fn new(
        jobs: mpsc::Sender<Job>,
        status: watch::Receiver<Status>,
        stop: CancellationToken,
        task: JoinHandle<()>,
    ) -> Self {
        Self { jobs, status, stop, task: tokio::sync::Mutex::new(Some(task)) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
