//! Files that our phone is asked to upload again. Protocol: media, "Media retry".

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;
use wa_types::{Jid, MessageId};

use super::{Actor, Step};
use crate::crypto::Random as _;
use crate::error::CallError;
use crate::event::{Event, MediaEvent};
use crate::media::MediaKey;
use crate::media::retry::{RetryAnswerError, RetrySecret};
use crate::message::MessageKey;
use crate::stanza::media_retry::{FileMessage, ReuploadAnswer, ReuploadRequest, ReuploadSaid};

/// How many files are asked for at once; the oldest requests go first.
const CAPACITY: usize = 256;

/// What a handle asks for.
pub(crate) struct ReuploadJob {
    pub(crate) message: MessageKey,
    pub(crate) key: MediaKey,
    pub(crate) reply: oneshot::Sender<ReuploadReply>,
}

/// The file's new path, or why there is none.
pub(crate) type ReuploadReply = Result<Result<String, RetryAnswerError>, CallError>;

/// The requests that the phone has not answered. They end with the process.
#[derive(Default)]
pub(super) struct Reuploads {
    waiting: HashMap<MessageId, Waiting>,
    order: VecDeque<MessageId>,
}

struct Waiting {
    chat: Jid,
    key: MediaKey,
    replies: Vec<oneshot::Sender<ReuploadReply>>,
}

impl Reuploads {
    fn insert(&mut self, id: MessageId, waiting: Waiting) {
        if self.order.len() >= CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.waiting.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.waiting.insert(id, waiting);
    }

    fn remove(&mut self, id: &MessageId) -> Option<Waiting> {
        let waiting = self.waiting.remove(id)?;
        self.order.retain(|other| other != id);
        Some(waiting)
    }
}

impl Actor {
    /// Asks the phone, once per message: who asks for the same file meanwhile hears the same answer.
    pub(super) async fn request_reupload(&mut self, job: ReuploadJob, step: &mut Step) {
        let ReuploadJob { message, key, reply } = job;
        if let Some(waiting) = self.reuploads.waiting.get_mut(&message.id)
            && waiting.key == key
        {
            waiting.replies.retain(|reply| !reply.is_closed());
            waiting.replies.push(reply);
            return;
        }
        match self.ask_for_upload(&message, &key, step).await {
            Ok(()) => {
                let waiting = Waiting { chat: message.chat, key, replies: vec![reply] };
                self.reuploads.remove(&message.id);
                self.reuploads.insert(message.id, waiting);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    async fn ask_for_upload(
        &mut self,
        message: &MessageKey,
        key: &MediaKey,
        step: &mut Step,
    ) -> Result<(), CallError> {
        self.is_ready()?;
        let own = self.own().ok_or(CallError::NotPaired)?;
        let chat = self.wire_address(&message.chat).await?;
        let in_many = !message.chat.is_user();
        let author = message.sender.as_ref().unwrap_or(&own.pn).to_user();
        let about = FileMessage::new(chat, message.from_me, in_many.then_some(author));
        let secret = RetrySecret::request(key, message.id.as_str(), self.random.array());
        let secret = (secret.ciphertext, secret.nonce);
        let request = ReuploadRequest::new(message.id.clone(), own.pn.to_user(), Some(about), secret);
        step.reply(request.into_node());
        Ok(())
    }

    /// The phone's answer. What nobody asked for, and what was answered before, is not looked at.
    pub(super) fn handle_reupload(&mut self, answer: ReuploadAnswer, step: &mut Step) {
        let Some(waiting) = self.reuploads.remove(&answer.id) else { return };
        let path = match answer.said {
            ReuploadSaid::Failed { code } => Err(RetryAnswerError::from_code(code)),
            ReuploadSaid::Encrypted { ciphertext, nonce } => {
                RetrySecret::new(ciphertext, nonce).open_answer(&waiting.key, answer.id.as_str())
            }
        };
        let mut is_heard = false;
        for reply in waiting.replies {
            is_heard |= reply.send(Ok(path.clone())).is_ok();
        }
        // Whoever asked gave up; the phone was away for longer than that.
        if !is_heard && let Ok(direct_path) = path {
            let event = MediaEvent::Reuploaded { chat: waiting.chat, id: answer.id, direct_path };
            step.events.push(Event::Media(event));
        }
    }
}
