//! What an account sends, and what it hears of it: through its gate. Requirements: manager.md, section 3.

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wa_core::client::{NewChatQuota, NumberLookup, ReachoutTimelock};
use wa_core::error::CallError;
use wa_core::event::Receipt;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::{Client, Event, SendOptions};
use wa_types::{Jid, MessageId, UnixMillis, UnixSeconds};

use super::numbers::Checking;
use super::{Actor, End, Lost};
use crate::account::AccountRecord;
use crate::account::AccountStatus;
use crate::event::EventKind;
use crate::manager::Shared;
use crate::sending::{
    Decision, Fate, GateConfig, Next, Question, Queued, Recipient, Reserved, SendError, SendReceipt,
    SendRequest, Start, signal_of, signal_of_quota,
};
use crate::trust::{Admission, Signal};

/// How many requests wait for their limits with their callers.
const DELAYED: usize = 1000;

/// While the server's time lock is on, it is asked for again so often.
const LOCK_AGAIN: Duration = Duration::from_secs(6 * 60 * 60);

/// The server's quota of new chats is asked for again so often, where there is one.
const QUOTA_AGAIN: Duration = Duration::from_secs(60 * 60);

/// Where the answer to a request to send goes.
pub(crate) type SendReply = oneshot::Sender<Result<SendOutcome, SendError>>;

/// What a request to send came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The server has the message.
    Sent(SendReceipt),
    /// It waits until it may be sent.
    Queued(Queued),
}

/// Messages whose end somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Handed to the client.
    sent: HashMap<MessageId, Vec<SendReply>>,
    /// Not to be counted before their time.
    delayed: Vec<Delayed>,
    /// When the outbox is to be looked at.
    outbox_at: Option<UnixMillis>,
    /// When the next day is to be noted, while the account is ready.
    day_at: Option<UnixMillis>,
    /// Questions to the server that are under way.
    questions: JoinSet<Allowed>,
    /// When the server is asked again what it allows, by the clock that does not jump.
    ask_at: BTreeMap<Question, Duration>,
    /// Who was refused while the time lock could not be asked for.
    refused: Vec<u64>,
    /// How often the server told its time lock by itself: an answer may be older.
    lock_told: u64,
}

/// What the server says that it allows.
#[derive(Debug)]
pub(super) enum Allowed {
    /// Its time lock, with those who were refused for it, and how often it had been told by itself.
    TimeLock(Vec<u64>, u64, Result<ReachoutTimelock, CallError>),
    /// Its quota of new chats.
    NewChats(Result<NewChatQuota, CallError>),
    /// Which numbers have an account.
    Numbers(Box<Checking>, Result<Vec<NumberLookup>, CallError>),
}

#[derive(Debug)]
struct Delayed {
    at: UnixMillis,
    /// No later.
    until: UnixMillis,
    request: SendRequest,
    reply: SendReply,
}

impl Waiting {
    /// Asks the server something; the answer comes with [`Self::next_allowed`].
    pub(super) fn ask(&mut self, question: impl Future<Output = Allowed> + Send + 'static) {
        self.questions.spawn(question);
    }

    /// The server's next answer about what it allows.
    ///
    /// Cancel safe.
    pub(super) async fn next_allowed(&mut self) -> Allowed {
        match self.questions.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => pending().await,
        }
    }
}

/// By what an account is measured.
pub(crate) fn gate_config(shared: &Shared, record: &AccountRecord) -> GateConfig {
    GateConfig {
        table: shared.table.clone(),
        zone: shared.zone(record),
        tenant_cap: shared.quotas.of(&record.tenant).daily_cap,
        is_strict: record.settings.strict_daily_limit,
        start: Start::default(),
    }
}

impl Actor {
    /// Sends, if that is allowed now; otherwise does what the request says.
    pub(super) async fn send(&mut self, request: SendRequest, reply: SendReply) -> Result<(), Lost> {
        let now = self.gate.now();
        self.send_until(request, reply, now).await
    }

    /// `asked` is when it was asked for first: one that waits waits no longer than it says, from then on.
    async fn send_until(
        &mut self,
        request: SendRequest,
        reply: SendReply,
        asked: UnixMillis,
    ) -> Result<(), Lost> {
        let recipient = self.recipient(request.to()).await;
        let decision = self.gate.ask(&request, &recipient).await;
        self.after_gate();
        match decision {
            Ok(Decision::Send(reserved)) => self.hand_over(*reserved, Some(reply)).await,
            Ok(Decision::Wait { until, limit }) => {
                let longest = longest_wait(&request);
                if asked.after(longest) < until {
                    let _gone = reply.send(Err(limit.into()));
                } else if self.waiting.delayed.len() >= DELAYED {
                    let _gone = reply.send(Err(SendError::QueueFull { limit: DELAYED }));
                } else {
                    self.waiting.delayed.push(Delayed { at: until, until: asked, request, reply });
                }
                Ok(())
            }
            Ok(Decision::Queued(queued)) => {
                let _gone = reply.send(Ok(SendOutcome::Queued(queued)));
                self.empty_outbox().await
            }
            Ok(Decision::Done(receipt)) => {
                let _gone = reply.send(Ok(SendOutcome::Sent(receipt)));
                Ok(())
            }
            Err(error) => {
                let _gone = reply.send(Err(error));
                Ok(())
            }
        }
    }

    /// Whether a message to this chat would be let through now. Nothing is spent.
    pub(super) async fn preview(&mut self, to: &Jid) -> Result<Admission, SendError> {
        let recipient = self.recipient(to).await;
        self.gate.preview(&recipient).await
    }

    async fn recipient(&self, to: &Jid) -> Recipient {
        match &self.running {
            Some(running) => recipient(&running.client, to).await,
            None => Recipient::of(to),
        }
    }

    /// Gives a counted message to the client, which stores it before this returns: messages leave in this order.
    async fn hand_over(&mut self, reserved: Reserved, reply: Option<SendReply>) -> Result<(), Lost> {
        let Reserved { id, to, message, deadline, is_again, .. } = reserved;
        if let Some(reply) = reply {
            self.waiting.sent.entry(id.clone()).or_default().push(reply);
        }
        let Some(running) = &self.running else {
            // Given to nobody: it does not count.
            return self.settle(&id, Fate::NeverLeft(wa_core::SendError::NotPaired)).await;
        };
        let client = running.client.clone();
        let mut options = SendOptions::new().id(id.clone());
        if let Some(deadline) = deadline {
            options = options.deadline(deadline);
        }
        match client.enqueue(&to, message, options).await {
            Ok(_) => {
                persist!(self, self.gate.handed_over(&id));
                // Of one that the client had before, it may have told all that it will.
                if is_again { self.look_up(&client, &id).await } else { Ok(()) }
            }
            Err(error) => {
                let sent = Err(error);
                // What the client did not store goes on waiting in the outbox, if it came from there.
                self.settle(&id, Fate::of(&sent)).await
            }
        }
    }

    /// Asks the client what became of a message that it has.
    async fn look_up(&mut self, client: &Client, id: &MessageId) -> Result<(), Lost> {
        match client.sent_state(id).await {
            Ok(Some(state)) => match Fate::of_state(&state) {
                Some(fate) => self.settle(id, fate).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What was on its way when the last client ended, and of which nobody told the end.
    async fn settle_open(&mut self) -> Result<(), Lost> {
        let Some(client) = self.running.as_ref().map(|running| running.client.clone()) else { return Ok(()) };
        let open = loop {
            match self.shared.store.open_reservations(&self.record.id).await {
                Ok(open) => break open,
                Err(error) => self.wait_for_store(error).await?,
            }
        };
        for record in open {
            self.look_up(&client, &MessageId::new(record.reservation.id)).await?;
        }
        Ok(())
    }

    /// The client ends: whoever waits for a message learns that it may still leave.
    pub(super) fn answer_waiting(&mut self) {
        for (id, replies) in self.waiting.sent.drain() {
            for reply in replies {
                let _gone = reply.send(Err(SendError::Unknown { message_id: id.clone() }));
            }
        }
    }

    /// Another number is linked: what was to be sent from the one before is not.
    pub(super) fn answer_delayed(&mut self) {
        for delayed in self.waiting.delayed.drain(..) {
            let _gone = delayed.reply.send(Err(SendError::Cancelled));
        }
    }

    /// Sends what waits and may be sent.
    pub(super) async fn empty_outbox(&mut self) -> Result<(), Lost> {
        loop {
            let Some(running) = self.running.as_ref().filter(|running| running.connection.is_ready()) else {
                self.waiting.outbox_at = None;
                return Ok(());
            };
            let client = running.client.clone();
            let next = self.gate.next(|to| {
                let client = client.clone();
                async move { recipient(&client, &to).await }
            });
            let next = next.await;
            self.after_gate();
            match next {
                Ok(Next::Send(reserved)) => self.hand_over(*reserved, None).await?,
                Ok(Next::WaitUntil(at)) => {
                    self.waiting.outbox_at = Some(at);
                    return Ok(());
                }
                Ok(Next::Empty) => {
                    self.waiting.outbox_at = None;
                    return Ok(());
                }
                Err(error) => {
                    tracing::error!(account = %self.record.id, %error, "the outbox cannot be read");
                    self.waiting.outbox_at = Some(self.gate.now().after(Duration::from_secs(1)));
                    return Ok(());
                }
            }
        }
    }

    /// What an event of the client means for what was sent.
    pub(super) async fn gate_event(&mut self, event: &Event) -> Result<(), Lost> {
        match event {
            Event::Connected => {
                let server = self.running.as_ref().and_then(|running| running.client.server_time());
                if let Some(server) = server {
                    self.shared.clock_offset.told(server.to_millis(), self.shared.clock.wall());
                }
                self.gate.set_own(self.record.jid.iter().chain(&self.record.lid).cloned());
                persist!(self, self.gate.logged_in(server.map(UnixSeconds::to_millis)));
                self.settle_open().await?;
                self.ask_what_is_allowed(Question::TimeLock);
                self.ask_what_is_allowed(Question::NewChats);
            }
            Event::Send(update) => {
                if let Some(fate) = Fate::of_state(&update.state) {
                    self.settle(&update.id, fate).await?;
                }
            }
            Event::Receipt(receipt) => self.tell_receipt(receipt).await?,
            _ => {}
        }
        Ok(())
    }

    /// What the server says of the account.
    pub(super) async fn heed_event(&mut self, event: &Event) -> Result<(), Lost> {
        let now = self.gate.now();
        if let Some(signal) = signal_of(event, now) {
            if matches!(signal, Signal::TimeLocked { .. } | Signal::TimeLockOver) {
                self.waiting.lock_told += 1;
            }
            match signal {
                Signal::TimeLocked { .. } => self.ask_later(Question::TimeLock, LOCK_AGAIN),
                Signal::TimeLockOver if self.waiting.refused.is_empty() => {
                    self.waiting.ask_at.remove(&Question::TimeLock);
                }
                _ => {}
            }
            persist!(self, self.gate.heed(signal.clone()));
        }
        Ok(())
    }

    async fn tell_receipt(&mut self, receipt: &Receipt) -> Result<(), Lost> {
        let kind = match receipt.kind {
            ReceiptKind::Delivered => "delivered",
            ReceiptKind::Read => "read",
            ReceiptKind::Played => "played",
            _ => return Ok(()),
        };
        let ids: Vec<&str> = receipt.ids.iter().map(MessageId::as_str).collect();
        let data = json!({
            "ack": kind,
            "chat": receipt.chat.to_string(),
            "from": receipt.from.to_string(),
            "messageIds": ids,
        });
        self.tell(EventKind::MessageAck, data).await
    }

    /// What became of a message: counted, told, and answered to whoever waits for it.
    async fn settle(&mut self, id: &MessageId, fate: Fate) -> Result<(), Lost> {
        let settled = loop {
            match self.gate.settle(id, fate.clone()).await {
                Ok(settled) => break settled,
                Err(error) => self.wait_for_store(error).await?,
            }
        };
        self.after_gate();
        let replies = self.waiting.sent.remove(id).unwrap_or_default();
        let Some(settled) = settled else {
            for reply in replies {
                let _gone = reply.send(Err(SendError::Unknown { message_id: id.clone() }));
            }
            return Ok(());
        };
        let mut result = Some(settled.result);
        for reply in replies {
            // Errors cannot be told twice: the others learn that they have to look.
            let told = match &result {
                Some(Ok(receipt)) => Ok(receipt.clone()),
                _ => result.take().unwrap_or_else(|| Err(SendError::Unknown { message_id: id.clone() })),
            };
            let _gone = reply.send(told.map(SendOutcome::Sent));
        }
        if let Some(person) = settled.refused {
            self.waiting.refused.push(person);
            self.ask_what_is_allowed(Question::TimeLock);
        }
        // What waits may have waited for this.
        self.waiting.outbox_at = Some(self.gate.now());
        Ok(())
    }

    /// Asks the server what it allows: after a login, after a refusal, and again while that is worth knowing; it tells by
    /// itself when it changes. When the server had enough of such questions, later.
    fn ask_what_is_allowed(&mut self, question: Question) {
        let Some(running) = &self.running else { return };
        let now = self.shared.clock.boot();
        if let Some(until) = self.questions.closed_until(question, now) {
            self.waiting.ask_at.insert(question, until);
            return;
        }
        self.waiting.ask_at.remove(&question);
        let client = running.client.clone();
        match question {
            Question::TimeLock => {
                let refused = std::mem::take(&mut self.waiting.refused);
                let told = self.waiting.lock_told;
                self.waiting.ask(async move {
                    Allowed::TimeLock(refused, told, client.account().reachout_timelock().await)
                });
            }
            Question::NewChats => {
                self.waiting.ask(async move { Allowed::NewChats(client.account().new_chat_quota().await) });
            }
            // Only when somebody wants to know.
            Question::Numbers => {}
        }
    }

    /// Not all accounts at once: up to a tenth later.
    fn ask_later(&mut self, question: Question, after: Duration) {
        let after = self.gate.spread(after);
        self.waiting.ask_at.insert(question, self.shared.clock.boot() + after);
    }

    /// The server answered what it allows.
    pub(super) async fn allowed(&mut self, allowed: Allowed) -> Result<(), Lost> {
        let now = self.shared.clock.boot();
        match allowed {
            Allowed::TimeLock(refused, told, answer) => {
                self.questions.note(Question::TimeLock, &answer, now);
                match answer {
                    Ok(_) if told != self.waiting.lock_told => {
                        self.waiting.refused.extend(refused);
                        self.ask_what_is_allowed(Question::TimeLock);
                    }
                    Ok(lock) => {
                        if lock.is_active {
                            self.ask_later(Question::TimeLock, LOCK_AGAIN);
                        }
                        // At least once, with nobody.
                        persist!(self, self.gate.heed_time_lock(&lock, refused.first().copied()));
                        for person in refused.iter().skip(1) {
                            persist!(self, self.gate.heed_time_lock(&lock, Some(*person)));
                        }
                    }
                    Err(error) => {
                        // They are refused until it is known why.
                        self.waiting.refused.extend(refused);
                        self.not_answered(Question::TimeLock, &error, now);
                    }
                }
            }
            Allowed::NewChats(answer) => {
                self.questions.note(Question::NewChats, &answer, now);
                match answer {
                    Ok(quota) => {
                        let time = self.gate.now();
                        if let Some(signal) = signal_of_quota(&quota, time) {
                            self.ask_later(Question::NewChats, QUOTA_AGAIN);
                            persist!(self, self.gate.heed(signal.clone()));
                        }
                    }
                    Err(error) => self.not_answered(Question::NewChats, &error, now),
                }
            }
            Allowed::Numbers(checking, answer) => return self.numbers_told(*checking, answer).await,
        }
        Ok(())
    }

    /// What was closed is asked again when it opens; all else at the next login, which comes when a server does not answer.
    fn not_answered(&mut self, question: Question, error: &CallError, now: Duration) {
        if let Some(until) = self.questions.closed_until(question, now) {
            self.waiting.ask_at.insert(question, until);
        }
        tracing::debug!(account = %self.record.id, %error, "what the server allows is not known");
    }

    pub(super) async fn gate_time(&mut self) -> Result<(), Lost> {
        let boot = self.shared.clock.boot();
        let due: Vec<Question> = self
            .waiting
            .ask_at
            .iter()
            .filter(|(_, at)| **at <= boot)
            .map(|(question, _)| *question)
            .collect();
        for question in due {
            self.waiting.ask_at.remove(&question);
            if self.running.as_ref().is_some_and(|running| running.connection.is_ready()) {
                self.ask_what_is_allowed(question);
            }
        }
        let now = self.gate.now();
        let delayed = std::mem::take(&mut self.waiting.delayed);
        for Delayed { at, until, request, reply } in delayed {
            if reply.is_closed() {
                // Nobody waits for it any more.
            } else if at <= now {
                self.send_until(request, reply, until).await?;
            } else {
                self.waiting.delayed.push(Delayed { at, until, request, reply });
            }
        }
        if self.waiting.outbox_at.is_some_and(|at| at <= now) {
            self.empty_outbox().await?;
        }
        if self.waiting.day_at.is_some_and(|at| at <= now) {
            persist!(self, self.gate.note_day());
            self.waiting.day_at = Some(self.gate.next_day());
        }
        Ok(())
    }

    /// When something is to be sent, by the clock that does not jump.
    pub(super) fn gate_deadline(&mut self) -> Option<Duration> {
        let delayed = self.waiting.delayed.iter().map(|delayed| delayed.at);
        let at = delayed.chain(self.waiting.outbox_at).chain(self.waiting.day_at).min();
        // The gate's time is the server's, and not the wall clock's.
        let at = at.map(|at| self.shared.clock.boot() + at.since(self.gate.now()));
        at.into_iter().chain(self.waiting.ask_at.values().copied()).min()
    }

    /// Tells the gate where the account really stands: what is told of it may be late.
    pub(super) async fn gate_status(&mut self) -> Result<(), Lost> {
        if self.gate.is_lost() {
            return Err(self.lose(End::FenceLost));
        }
        let is_ready = self.running.as_ref().is_some_and(|running| running.connection.is_ready());
        let status = match (is_ready, self.record.status) {
            (true, _) => AccountStatus::Ready,
            (false, AccountStatus::Ready) => AccountStatus::Disconnected,
            (false, status) => status,
        };
        if std::mem::replace(&mut self.gate_stands, status) == status {
            return Ok(());
        }
        persist!(self, self.gate.note_status(status));
        self.waiting.day_at = is_ready.then(|| self.gate.next_day());
        if !is_ready {
            return Ok(());
        }
        self.empty_outbox().await
    }

    /// The gate may have written: what others see of it is told.
    pub(super) fn after_gate(&mut self) {
        if let Some(seq) = self.gate.take_news() {
            self.record.seq = seq;
            self.shared.hub.notify();
        }
        self.publish();
    }
}

fn longest_wait(request: &SendRequest) -> Duration {
    match request.limit_choice() {
        crate::trust::OnLimit::WaitUpTo(longest) => longest,
        _ => Duration::ZERO,
    }
}

/// Who an address is, with what the client knows of it.
async fn recipient(client: &Client, to: &Jid) -> Recipient {
    match client.peer(to).await {
        Ok(peer) => Recipient::with_peer(to, &peer),
        Err(_) => Recipient::of(to),
    }
}
