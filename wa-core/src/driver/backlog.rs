//! The backlog of the time away, while it comes in: asked for in pieces, as fast as the application takes it.
//! Protocol: transport, "Offline resume"; receiving, "Offline delivery".

use std::time::{Duration, Instant};

use super::session::Outgoing;
use super::{Actor, Step, clock};
use crate::connection::Incoming;
use crate::event::{BacklogProgress, Event};
use crate::stanza::ib::{OfflinePreview, offline_batch};

/// How many stanzas are asked for at a time.
const BATCH: u32 = 200;

/// The next batch is asked for when so few of those asked for are still to come.
const LOW_WATER: u32 = BATCH / 2;

/// Nothing of a backlog came for this long: the server may have taken the last batch for a smaller one.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A backlog that comes in.
#[derive(Debug)]
pub(super) struct Backlog {
    preview: OfflinePreview,
    /// How many of its stanzas are handled and stored.
    done: u32,
    /// How many of those the application was told of.
    told: u32,
    asked: u32,
    asked_at: Instant,
    /// When something of it came last.
    came_at: Instant,
    /// The application takes nothing: the silence is ours, not the server's.
    is_paused: bool,
    /// The application was told that nothing more comes.
    is_given_up: bool,
}

impl Backlog {
    fn new(preview: OfflinePreview, now: Instant) -> Self {
        Self {
            preview,
            done: 0,
            told: 0,
            asked: BATCH,
            asked_at: now,
            came_at: now,
            is_paused: false,
            is_given_up: false,
        }
    }

    fn ask(&mut self, now: Instant) -> Outgoing {
        self.asked = self.asked.saturating_add(BATCH);
        self.asked_at = now;
        Outgoing::Stanza(offline_batch(BATCH))
    }

    fn ask_again_at(&self) -> Instant {
        self.asked_at.max(self.came_at) + ASK_AGAIN
    }

    fn progress(&mut self) -> Event {
        self.told = self.done;
        let OfflinePreview { count, messages, receipts, notifications, calls, statuses, app_data } =
            self.preview;
        let total = count;
        let done = self.done.min(total);
        let progress =
            BacklogProgress { total, messages, receipts, notifications, calls, statuses, app_data, done };
        Event::Backlog(progress)
    }
}

/// Whether a stanza is of the backlog.
fn is_backlog(stanza: &Incoming) -> bool {
    match stanza {
        Incoming::Message(message) => message.offline.is_some(),
        Incoming::Receipt { is_backlog, .. }
        | Incoming::Notification { is_backlog, .. }
        | Incoming::Call { is_backlog, .. } => *is_backlog,
        Incoming::Other(node) => node.get("offline").is_some(),
        Incoming::Success(_)
        | Incoming::Pairing { .. }
        | Incoming::RetryAck(_)
        | Incoming::Presence(_)
        | Incoming::ChatState(_)
        | Incoming::Ib(_) => false,
    }
}

/// How many of these stanzas are of the backlog.
pub(super) fn count(stanzas: &[Incoming]) -> u32 {
    u32::try_from(stanzas.iter().filter(|stanza| is_backlog(stanza)).count()).unwrap_or(u32::MAX)
}

impl Actor {
    /// The server tells what waits.
    pub(super) fn begin_backlog(&mut self, preview: OfflinePreview, step: &mut Step) {
        if preview.count == 0 {
            return;
        }
        let mut backlog = Backlog::new(preview, clock::now());
        step.events.push(backlog.progress());
        step.reply(offline_batch(BATCH));
        self.backlog = Some(backlog);
    }

    /// So many stanzas of the backlog were handled in this step.
    pub(super) fn note_backlog(&mut self, handled: u32, step: &mut Step) {
        let Some(backlog) = self.backlog.as_mut().filter(|_| handled > 0) else { return };
        let now = clock::now();
        backlog.came_at = now;
        backlog.done = backlog.done.saturating_add(handled);
        if backlog.is_given_up {
            return;
        }
        if backlog.done - backlog.told >= BATCH {
            step.events.push(backlog.progress());
        }
        if backlog.asked < backlog.preview.count && backlog.asked.saturating_sub(backlog.done) <= LOW_WATER {
            let ask = backlog.ask(now);
            step.outgoing.push(ask);
        }
    }

    /// The server has nothing more of it.
    pub(super) fn end_backlog(&mut self, count: u32, step: &mut Step) {
        self.resume_repairs();
        if self.backlog.take().is_none_or(|backlog| !backlog.is_given_up) {
            step.events.push(Event::BacklogDone { count, is_complete: true });
        }
    }

    /// When the backlog is to be looked after. While the application takes nothing, nothing is expected to come.
    pub(super) fn backlog_wake(&mut self, takes_stanzas: bool) -> Option<Instant> {
        let limit = self.config.backlog_limit;
        let backlog = self.backlog.as_mut().filter(|backlog| !backlog.is_given_up)?;
        if std::mem::replace(&mut backlog.is_paused, !takes_stanzas) && takes_stanzas {
            backlog.came_at = clock::now();
        }
        takes_stanzas.then(|| backlog.ask_again_at().min(backlog.came_at + limit))
    }

    /// Asks again when nothing comes, and gives up when nothing comes for long.
    pub(super) async fn mind_backlog(&mut self, now: Instant) {
        let limit = self.config.backlog_limit;
        let Some(backlog) =
            self.backlog.as_mut().filter(|backlog| !backlog.is_paused && !backlog.is_given_up)
        else {
            return;
        };
        if now >= backlog.came_at + limit {
            tracing::warn!(done = backlog.done, total = backlog.preview.count, "the backlog does not end");
            backlog.is_given_up = true;
            let count = backlog.done;
            self.undelivered.push_back(Event::BacklogDone { count, is_complete: false });
        } else if now >= backlog.ask_again_at() {
            let ask = backlog.ask(now);
            self.transmit(vec![ask]).await;
        }
    }
}
