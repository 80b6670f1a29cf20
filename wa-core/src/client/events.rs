//! The stream of what happens to an account.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::driver::command::Job;
use crate::event::{Event, InboxNumber};

/// The events of one account, in order. There is one reader.
///
/// A durable event counts as taken when the next event is asked for, or when [`Events::confirm`] says so; one that was
/// not taken comes again at the next start. An application that does not read slows the account down, and loses nothing:
/// the server keeps what is not taken.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    jobs: mpsc::WeakSender<Job>,
    /// Handed out and not confirmed yet.
    open: VecDeque<InboxNumber>,
    confirms_by_hand: bool,
}

impl Events {
    pub(super) const fn new(
        receiver: mpsc::Receiver<Event>,
        jobs: mpsc::WeakSender<Job>,
        confirms_by_hand: bool,
    ) -> Self {
        Self { receiver, jobs, open: VecDeque::new(), confirms_by_hand }
    }

    /// The next event; `None` when the client was shut down and nothing is left.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        while let Some(number) = self.open.front().copied() {
            self.confirm(number).await;
            self.open.pop_front();
        }
        let event = self.receiver.recv().await?;
        if let Some(number) = event.inbox_number()
            && !self.confirms_by_hand
        {
            self.open.push_back(number);
        }
        Some(event)
    }

    /// Confirms that the application has this event ([`Event::inbox_number`]), so that it does not come again. Needed
    /// only when the builder was told that events are [confirmed by hand](super::ClientBuilder::confirm_by_hand).
    pub async fn confirm(&self, number: InboxNumber) {
        if let Some(jobs) = self.jobs.upgrade() {
            let _ = jobs.send(Job::Confirm { number }).await;
        }
    }
}
