//! What comes to an account: stored and told, then confirmed. Requirements: manager.md, 4.9.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wa_core::Event;
use wa_core::client::{HistoryPart, HistoryState};
use wa_core::event::{CallSignal, InboxNumber};

use super::client::Running;
use super::{Actor, End, Lost};
use crate::account::{AccountRecord, IdentityPolicy, IgnoreRules};
use crate::event::EventKind;
use crate::inbound::{Answer, InboundError, Item, Past, group_json, oldest_of};
use crate::store::Changes;

/// So many durable events wait behind one that the host is asked about; the client keeps the rest.
const BEHIND: usize = 256;

/// One that waited so long for others is taken in without asking the host: whatever comes after it waits no longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// After so many answers in a row that did not come in time the host is not asked for so long.
const LATE: u32 = 3;
const PAUSE: Duration = Duration::from_secs(60);

/// When an account was active is told to this.
const ACTIVE: Duration = Duration::from_secs(60);

/// How long taking in the rest may take, and how long nothing comes when that was all.
const DRAIN: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_millis(200);

/// What comes from an account's client.
pub(super) enum Input {
    /// The next event; none when the client ended.
    Event(Option<Event>),
    /// The next part of the past that the phone sends.
    Past(HistoryPart),
}

/// What is being taken in.
#[derive(Default)]
pub(super) struct Taking {
    /// The event that the host is asked about.
    asked: Option<Asked>,
    /// Those that came after it, and when.
    behind: VecDeque<(Duration, Event)>,
}

/// Whether the host answers in time. Plain values; the clock that does not jump is handed in.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// So many answers in a row did not come in time.
    late: u32,
    /// Nothing is asked before this.
    until: Duration,
}

impl Patience {
    /// Whether the host is asked now about something that came at this time.
    fn lasts(&self, came: Duration, now: Duration) -> bool {
        now >= self.until && now.saturating_sub(came) < LONGEST_WAIT
    }

    /// The host answered, or did not.
    fn note(&mut self, answer: &Answer, now: Duration) {
        match answer {
            Err(InboundError::HookTimeout(_)) => {
                self.late = self.late.saturating_add(1);
                if self.late >= LATE {
                    self.until = now + PAUSE;
                    tracing::error!("the host does not answer: it is not asked for a minute");
                }
            }
            Err(InboundError::NotAsked) => {}
            _ => self.late = 0,
        }
    }
}

struct Asked {
    item: Item,
    number: Option<InboxNumber>,
    /// The rules by which it was asked about.
    ignore: IgnoreRules,
    /// One task.
    answer: JoinSet<Answer>,
}

impl Taking {
    /// The host's next answer. Never returns while it is asked nothing.
    ///
    /// Cancel safe.
    pub(super) async fn next(taking: &mut Self) -> Answer {
        match &mut taking.asked {
            Some(asked) => match asked.answer.join_next().await {
                Some(Ok(answer)) => answer,
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                _ => pending().await,
            },
            None => pending().await,
        }
    }

    /// Whether more events may come in meanwhile: connections come and go, whatever the host does.
    pub(super) fn has_room(&self) -> bool {
        self.behind.len() < BEHIND
    }
}

impl Running {
    /// What comes next. Never returns while there is no client.
    ///
    /// Cancel safe.
    pub(super) async fn next(running: &mut Option<Self>) -> Input {
        let Some(Self { events, past, .. }) = running else { return pending().await };
        let next_past = async {
            if let Some(reader) = past {
                match reader.next().await {
                    Some(part) => return part,
                    None => *past = None,
                }
            }
            pending().await
        };
        tokio::select! {
            event = events.next() => Input::Event(event),
            part = next_past => Input::Past(part),
        }
    }
}

impl Actor {
    /// Takes a durable event in; only then it is confirmed to the client. While the host is asked about one, those behind
    /// it wait, and the account goes on.
    pub(super) async fn take(&mut self, event: Event) -> Result<(), Lost> {
        self.taking.behind.push_back((self.shared.clock.boot(), event));
        self.take_behind().await
    }

    async fn take_behind(&mut self) -> Result<(), Lost> {
        while self.taking.asked.is_none()
            && let Some((came, event)) = self.taking.behind.pop_front()
        {
            let now = self.shared.clock.boot();
            let ignore = self.record.settings.ignore;
            let item = Item::of(&event);
            let mut asking = item.as_ref().and_then(|item| self.inbound.ask(&self.gate, item, &ignore));
            let number = event.inbox_number();
            let answer = match &mut asking {
                // Most hosts know at once.
                Some(asking) if self.patience.lasts(came, now) => asking.now_or_never(),
                Some(_) => Some(Err(InboundError::NotAsked)),
                None => None,
            };
            if let Some(answer) = &answer {
                self.patience.note(answer, now);
            }
            match (item, asking) {
                (Some(item), Some(asking)) if answer.is_none() => {
                    let mut answer = JoinSet::new();
                    answer.spawn(asking);
                    self.taking.asked = Some(Asked { item, number, ignore, answer });
                }
                (item, _) => self.take_in(item.as_ref(), number, &ignore, answer.as_ref()).await?,
            }
        }
        Ok(())
    }

    /// The host answered.
    pub(super) async fn answered(&mut self, answer: Answer) -> Result<(), Lost> {
        self.patience.note(&answer, self.shared.clock.boot());
        if let Some(Asked { item, number, ignore, .. }) = self.taking.asked.take() {
            self.take_in(Some(&item), number, &ignore, Some(&answer)).await?;
        }
        self.take_behind().await
    }

    async fn take_in(
        &mut self,
        item: Option<&Item>,
        number: Option<InboxNumber>,
        ignore: &IgnoreRules,
        answer: Option<&Answer>,
    ) -> Result<(), Lost> {
        if let Some(item) = item {
            let active = self.active();
            while let Err(error) =
                self.inbound.take(&mut self.gate, item, ignore, answer, active.clone()).await
            {
                match error {
                    InboundError::Store(error) => self.wait_for_store(error).await?,
                    InboundError::UnknownAccount => return Err(self.lose(End::FenceLost)),
                    // Told as failed, and stored.
                    _ => break,
                }
            }
            if let Some(row) = active.account(&self.record.id) {
                self.record = AccountRecord { seq: self.record.seq, ..row.clone() };
            }
            self.after_gate();
        }
        if let (Some(running), Some(number)) = (&self.running, number) {
            running.events.confirm(number).await;
        }
        Ok(())
    }

    /// What writes that the account was active: to a minute, so that not each message writes the row.
    fn active(&self) -> Changes {
        let (now, last) = (self.shared.clock.wall(), self.record.last_active_at);
        if last.is_some_and(|last| last <= now && now.since(last) < ACTIVE) {
            return Changes::new();
        }
        self.changes(AccountRecord { last_active_at: Some(now), ..self.record.clone() })
    }

    /// Takes in what the client decrypted and has not told yet: its keys, and with them all that it keeps, are about to
    /// go. A hook of the host that takes longer costs contact and chat.
    pub(super) async fn drain(&mut self) -> Result<(), Lost> {
        let end = self.shared.clock.boot() + DRAIN;
        loop {
            let left = end.saturating_sub(self.shared.clock.boot());
            if self.taking.asked.is_some() {
                let answer = timeout(left, Taking::next(&mut self.taking)).await;
                self.answered(answer.unwrap_or(Err(InboundError::NotAsked))).await?;
                continue;
            }
            let Some(running) = &mut self.running else { return Ok(()) };
            match timeout(left.min(QUIET), running.events.next()).await {
                Ok(Some(event)) if event.inbox_number().is_some() => self.take(event).await?,
                // What became of messages is not asked for again.
                Ok(Some(event)) => Box::pin(self.gate_event(&event)).await?,
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }

    /// Tells what happened once, and is no message.
    pub(super) async fn tell_other(&mut self, event: &Event) -> Result<(), Lost> {
        match event {
            Event::Undecryptable(message) => {
                let data = json!({
                    "chat": message.chat.to_string(),
                    "sender": message.sender.to_string(),
                    "messageId": message.id.as_str(),
                    "error": message.error.to_string(),
                });
                self.tell(EventKind::MessageUndecryptable, data).await
            }
            Event::IdentityChanged { device } => {
                let trusted = self.record.settings.identity_policy == IdentityPolicy::AutoTrust;
                let data = json!({ "device": device.to_string(), "isTrusted": trusted });
                self.tell(EventKind::IdentityChanged, data).await
            }
            Event::GroupChanged(changed) => {
                let data = group_json(changed);
                self.tell(EventKind::Group, data).await
            }
            Event::Call(call) if matches!(call.signal, CallSignal::Offer(_)) => {
                let data = json!({ "from": call.from.to_string(), "callId": call.call_id });
                self.tell(EventKind::CallOffer, data).await
            }
            Event::History(_) => {
                let state = self.running.as_ref().map(|running| running.client.history().progress().state);
                if matches!(state, Some(HistoryState::Complete | HistoryState::Refused)) {
                    persist!(self, self.gate.history_done());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A part of the past: who wrote before is no stranger.
    pub(super) async fn take_past(&mut self, part: HistoryPart) -> Result<(), Lost> {
        let persons = Past::of(&part.batch);
        persist!(self, self.gate.note_past(&persons));
        for (chat, oldest) in oldest_of(&part.batch) {
            persist!(self, self.gate.note_oldest(&chat, Some(oldest)));
        }
        let data =
            json!({ "chunk": part.chunk_order, "percent": part.progress, "records": part.batch.items.len() });
        self.tell(EventKind::HistoryProgress, data).await
    }

    /// Stores an event, and tells it.
    pub(super) async fn tell(&mut self, kind: EventKind, data: serde_json::Value) -> Result<(), Lost> {
        let mut changes = self.shared.fenced(&self.record);
        changes.push_event(self.event(kind, data));
        self.write(changes).await
    }
}
