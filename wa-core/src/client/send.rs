//! Sending.

use std::time::Duration;

use tokio::sync::oneshot;
use wa_types::{Jid, MessageId};

use super::{Audience, Client};
use crate::crypto::SystemRandom;
use crate::driver::command::{Job, SendJob, SendReply};
use crate::driver::delivery::Delivery;
use crate::error::{CallError, SendError, Sent};
use crate::event::{Cancellation, SendState};
use crate::media::Attachment;
use crate::message::{self, Message};

/// How a message is sent; every choice has a default.
///
/// ```
/// # use std::time::Duration;
/// let options = wa_core::SendOptions::new().idempotency_key("order 17").deadline(Duration::from_secs(600));
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until a message is sent with them"]
pub struct SendOptions {
    id: Option<MessageId>,
    idempotency_key: Option<String>,
    deadline: Option<Duration>,
    audience: Option<Audience>,
    file: Option<String>,
}

impl SendOptions {
    /// A new id, no key, no deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// The message's id, from [`Client::new_message_id`]. A second send of an id that the outbox knows sends nothing,
    /// and tells what comes of the first.
    pub fn id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }

    /// The application's own name for the message. A second send of a key that the outbox knows sends nothing, and
    /// tells what comes of the first, whatever the messages say. The outbox knows a key as long as it
    /// [keeps](super::ClientBuilder::keep_sent) the message.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// How long the message may wait to be written, restarts included. Once it is written, the server's answer decides.
    pub const fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// Who is to get a status post, or a message to a broadcast list; of no meaning elsewhere. It is decided when the
    /// message is taken: whatever changes until it leaves, and after a restart, it is for these users. Our own other
    /// devices get it, too.
    ///
    /// A status post without one is for those whom [`Client::status_audience`] tells. A deletion without one is for
    /// those who got what it deletes.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.audience = Some(audience);
        self
    }

    /// The uploaded file that a channel's post shows, from
    /// [`Media::upload_for_newsletter`](super::Media::upload_for_newsletter): the server takes the post by the hosts' name
    /// for it, which is not in the message. Of no meaning elsewhere.
    pub fn file(mut self, file: &Attachment) -> Self {
        self.file.clone_from(&file.handle);
        self
    }
}

impl Client {
    /// Sends a message, and waits for the server's ack.
    ///
    /// The message is stored before anything of it leaves. From then on it is sent, whatever happens: without a
    /// connection it waits for one, after a lost connection, a crash or a restart it is sent again under the same id,
    /// and the server delivers an id once. When this returns [`Sent`], the server has it; [`Event::Receipt`] tells when
    /// it arrives and is read. Messages to one chat leave in the order of the calls; chats do not wait for each other.
    ///
    /// A phone number's chat is addressed by its LID where that is known. `status@broadcast` ([`Jid::STATUS`]) is the
    /// status feed: posts are sent there, and reactions to the posts of others; an answer to a post is a message to its
    /// author that quotes it.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::remedy`] says what to do. There is none for a missing connection: this waits, if
    /// need be for ever. Give a [deadline](SendOptions::deadline), or [enqueue](Self::enqueue) and look at the events.
    ///
    /// Dropping the future does not take the message back, once it was polled; [`Self::cancel_send`] may.
    ///
    /// [`Event::Receipt`]: crate::Event::Receipt
    pub async fn send(&self, chat: &Jid, message: Message) -> Result<Sent, SendError> {
        self.send_with(chat, message, SendOptions::new()).await
    }

    /// As [`Self::send`], under an id or a key of the caller's, or with a deadline.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_with(
        &self,
        chat: &Jid,
        message: Message,
        options: SendOptions,
    ) -> Result<Sent, SendError> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(chat, &message, options, SendReply::Sent(reply)).await?;
        answer.await.unwrap_or(Err(SendError::Shutdown))
    }

    /// Sends a message, and waits only until it is stored: that it leaves is then a matter of time. The id is that of
    /// the events that follow, [`Event::Send`](crate::Event::Send) first.
    ///
    /// # Errors
    /// [`SendError`], of what can be said at once.
    ///
    /// Dropping the future does not take the message back, once it was polled.
    pub async fn enqueue(
        &self,
        chat: &Jid,
        message: Message,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(chat, &message, options, SendReply::Stored(reply)).await?;
        answer.await.unwrap_or(Err(SendError::Shutdown))
    }

    /// Takes a message back that is still [queued](SendState::Queued). Who waits for it gets
    /// [`SendError::Cancelled`].
    ///
    /// # Errors
    /// [`CallError`]: it is not cancelled.
    pub async fn cancel_send(&self, id: &MessageId) -> Result<Cancellation, CallError> {
        self.call(|reply| Job::CancelSend { id: id.clone(), reply }).await?
    }

    /// How far a message of ours is; `None` when it is not known, or any more: see
    /// [`keep_sent`](super::ClientBuilder::keep_sent). Reads the store.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn sent_state(&self, id: &MessageId) -> Result<Option<SendState>, CallError> {
        self.call(|reply| Job::SendState { id: id.clone(), reply }).await?
    }

    /// A new message id, of the form that companions use.
    #[must_use]
    pub fn new_message_id(&self) -> MessageId {
        message::id::generate(&mut SystemRandom)
    }

    async fn hand_over(
        &self,
        chat: &Jid,
        message: &Message,
        options: SendOptions,
        reply: SendReply,
    ) -> Result<(), SendError> {
        let SendOptions { id, idempotency_key, deadline, audience, file } = options;
        let delivery = match (audience, file) {
            (audience, _) if chat.is_broadcast() => self.delivery_to(chat, message, audience).await?,
            (_, Some(handle)) if chat.is_newsletter() => Delivery::File(handle),
            _ => Delivery::Plain,
        };
        let message = message.to_send(&mut SystemRandom);
        let job = SendJob { chat: chat.clone(), id, idempotency_key, deadline, message, delivery, reply };
        self.inner.jobs.send(Job::Send(Box::new(job))).await.map_err(|_| SendError::Shutdown)
    }
}
