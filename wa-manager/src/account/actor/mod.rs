//! One task for each account. It owns the account's row and its client; everybody else sends it commands. What it does
//! is one commit (row, number, event), and told only after it. Requirements: manager.md, 4.2, 4.3.
//!
//! | File | Subject |
//! |---|---|
//! | `command` | what an account is told to do |
//! | `standing` | what the connection says, as a status |
//! | `flaps` | a connection that comes and goes is not told at each turn |
//! | `crashes` | how often an account may crash |
//! | `client` | opens and ends the protocol's client |
//! | `commands` | does what it is told |
//! | `linking` | links it to a phone |
//! | `gatekeeping` | what it sends, within its limits |
//! | `intake` | what comes to it |
//! | `numbers` | finds out which phone numbers have an account |
//! | `past` | asks the phone for old messages |
//! | `session` | hands the session out, and takes one over |
//! | `supervisor` | starts an actor anew after a crash |
//! | `damaged` | stands for an actor whose account cannot be read |

/// A call of the gate that writes, as often as it takes: what happened cannot be taken back.
macro_rules! persist {
    ($actor:expr, $call:expr) => {{
        while let Err(error) = $call.await {
            $actor.wait_for_store(error).await?;
        }
        $actor.after_gate();
    }};
}

mod client;
mod command;
mod commands;
mod crashes;
mod damaged;
mod flaps;
mod gatekeeping;
mod intake;
mod linking;
mod numbers;
mod past;
mod session;
mod standing;
mod supervisor;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use wa_core::Event;
use wa_core::connection::CloseReason;

use self::client::{Left, Running};
use self::flaps::{Flaps, Standing};
use self::gatekeeping::Waiting;
use self::intake::{Input, Patience, Taking};
use self::linking::{Linking, News};
use self::past::Asking;
use self::standing::Turn;
use super::{AccountRecord, AccountSnapshot, AccountStatus, DesiredState, Reason, ReasonKind};
use crate::event::{EventKind, NewEvent};
use crate::figures::{self, Tally};
use crate::ids::AccountId;
use crate::inbound::Inbound;
use crate::manager::{Ending, Shared};
use crate::pairing::{PairingView, ViewPublisher};
use crate::sending::{Gate, Questions};
use crate::store::{Changes, ManagerStoreError};

pub use command::{AccountPatch, CommandOutcome, Unlink};
pub(crate) use command::{Command, GateCall, Reply};
pub use gatekeeping::SendOutcome;
pub(crate) use gatekeeping::gate_config;
pub(crate) use linking::unheard_link;
pub use numbers::{CheckError, NumberStatus};
pub use past::{HistoryError, HistoryJob, HistoryRequest};
pub use session::SessionError;
pub use standing::ConnectionPolicy;
pub(crate) use standing::closed;
pub(crate) use supervisor::supervise;

/// After a failure of the manager's store, a step is written again so much later.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// A client that ended with a date is started again no sooner.
const AGAIN: Duration = Duration::from_secs(60);

/// How long the last write of what a pairing shows may take.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// An unlinking so soon after a restriction is no accident.
const AFTER_RESTRICTION: Duration = Duration::from_secs(15 * 60);

/// How an actor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Its account was deleted.
    Deleted,
    /// The manager ends.
    Shutdown,
    /// Somebody else owns the account.
    FenceLost,
    /// What the store has of it cannot be read: this.
    Damaged(String),
}

/// Why an actor begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begin {
    /// The manager began.
    Fresh,
    /// It crashed, and is tried again.
    Again,
    /// It crashed too often, the last time over this.
    Quarantined(String),
}

pub(crate) struct Actor {
    shared: Arc<Shared>,
    /// As it is stored.
    record: AccountRecord,
    snapshot: watch::Sender<AccountSnapshot>,
    running: Option<Running>,
    flaps: Flaps,
    tally: Tally,
    /// When the client is started again by itself.
    restart_at: Option<Duration>,
    /// How long it waits the next time that its store is in use.
    locked_wait: Duration,
    gate: Gate,
    /// Where the gate believes that the account stands.
    gate_stands: AccountStatus,
    waiting: Waiting,
    /// Which questions the server refuses for now.
    questions: Questions,
    inbound: Inbound,
    taking: Taking,
    /// Whether the host answers in time.
    patience: Patience,
    linking: Option<Linking>,
    /// A job that asks the phone for the past.
    asking: Option<Asking>,
    /// Numbers of other accounts are refused.
    is_guarded: bool,
    /// Somebody stopped it since this began.
    is_halted: bool,
    /// What is shown to be scanned or typed, for this process.
    shown: watch::Sender<Option<PairingView>>,
    /// The same for other processes.
    publisher: ViewPublisher,
    /// Writes what the publisher has; ends with it.
    writer: JoinSet<()>,
    /// What the account does is traced within this, whatever leads to it.
    span: Span,
    stop: CancellationToken,
    /// The client that runs and those that are ending, for whoever ends them after a crash.
    left: Left,
    ending: Arc<Ending>,
}

/// A step could not be written, and never will be by this actor.
#[derive(Debug, Clone)]
struct Lost(End);

impl Actor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        record: AccountRecord,
        snapshot: watch::Sender<AccountSnapshot>,
        shown: watch::Sender<Option<PairingView>>,
        gate: Gate,
        stop: CancellationToken,
        (left, ending): (Left, Arc<Ending>),
    ) -> Self {
        // What an actor before this one showed leads nowhere.
        shown.send_replace(None);
        let (store, clock) = (Arc::clone(&shared.pairing_store), Arc::clone(&shared.clock));
        let (publisher, writing) = ViewPublisher::new(store, clock, record.id.clone());
        let mut writer = JoinSet::new();
        writer.spawn(writing);
        let inbound = Inbound::new(Arc::clone(&shared.selector)).with_provisioner(shared.provisioner.clone());
        let flaps = Flaps::new(shared.connection.flap_window);
        Self {
            shared,
            record,
            snapshot,
            running: None,
            flaps,
            tally: Tally::default(),
            restart_at: None,
            locked_wait: AGAIN,
            gate,
            gate_stands: AccountStatus::Idle,
            waiting: Waiting::default(),
            questions: Questions::default(),
            inbound,
            taking: Taking::default(),
            patience: Patience::default(),
            linking: None,
            asking: None,
            is_guarded: true,
            is_halted: false,
            shown,
            publisher,
            writer,
            span: Span::current(),
            stop,
            left,
            ending,
        }
    }

    /// Does what is wanted first, then what comes in.
    pub(crate) async fn run(
        mut self,
        begin: Begin,
        wanted: Option<Command>,
        mailbox: &mut mpsc::Receiver<Command>,
    ) -> End {
        let end = match self.work(begin, wanted, mailbox).await {
            Ok(end) | Err(Lost(end)) => end,
        };
        self.end_client().await;
        self.shown.send_replace(None);
        // What is shown no more is written before the actor is gone.
        let Self { publisher, mut writer, .. } = self;
        if end == End::FenceLost {
            // What is shown is the other owner's.
            return end;
        }
        drop(publisher);
        if timeout(LAST_WRITE, writer.join_next()).await.is_err() {
            tracing::warn!("what was shown of a pairing is left until it expires");
        }
        end
    }

    async fn work(
        &mut self,
        begin: Begin,
        wanted: Option<Command>,
        mailbox: &mut mpsc::Receiver<Command>,
    ) -> Result<End, Lost> {
        self.after_gate();
        let is_stopped = matches!(wanted, Some(Command::Stop(_)));
        Box::pin(self.begin(begin, is_stopped)).await?;
        if let Some(command) = wanted {
            if let Some(end) = Box::pin(self.obey(command)).await? {
                return Ok(end);
            }
            Box::pin(self.gate_status()).await?;
        }
        // What is done is boxed: an account that waits is small.
        loop {
            // However much comes in, what is due is due.
            if self.deadline().is_some_and(|at| at <= self.shared.clock.boot()) {
                Box::pin(self.on_time()).await?;
            }
            let (deadline, now) = (self.deadline(), self.shared.clock.boot());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    Box::pin(self.cancel_linking()).await?;
                    self.end_client().await;
                    self.end_job("shutdown").await?;
                    if !matches!(self.record.status, AccountStatus::Idle | AccountStatus::Error) {
                        // The truth for whoever reads the store before the next start.
                        self.stand(Standing::new(self.resting())).await?;
                    }
                    return Ok(End::Shutdown);
                }
                command = mailbox.recv() => match command {
                    Some(command) => {
                        if let Some(end) = Box::pin(self.obey(command)).await? {
                            return Ok(end);
                        }
                        Box::pin(self.gate_status()).await?;
                    }
                    None => return Ok(End::Shutdown),
                },
                news = Linking::next(&mut self.linking) => Box::pin(self.linking_news(news)).await?,
                answer = Taking::next(&mut self.taking) => {
                    Box::pin(self.answered(answer)).await?;
                    Box::pin(self.gate_status()).await?;
                }
                input = Running::next(&mut self.running), if self.taking.has_room() => match input {
                    Input::Event(event) => Box::pin(self.on_event(event)).await?,
                    Input::Past(part) => Box::pin(self.take_past(part)).await?,
                },
                told = Asking::next(&mut self.asking) => Box::pin(self.past_told(told)).await?,
                lock = self.waiting.next_allowed() => Box::pin(self.allowed(lock)).await?,
                health = self.publisher.health_changed() => Box::pin(self.linking_news(News::Health(health))).await?,
                () = sleep_until(deadline, now) => Box::pin(self.on_time()).await?,
            }
        }
    }

    /// What `is_stopped` connects not even for a moment.
    async fn begin(&mut self, begin: Begin, is_stopped: bool) -> Result<(), Lost> {
        // An actor before this one may have claimed another.
        self.note_number();
        self.heed_row().await?;
        let mut is_found = false;
        if self.record.jid.is_none() && self.record.accepted.is_none() && self.record.location.is_some() {
            let unheard = match linking::was_linking(&self.record) {
                true => unheard_link(&*self.shared.keys, &self.record).await,
                false => Ok(None),
            };
            match unheard {
                Ok(Some(accepted)) => {
                    is_found = true;
                    let mut row = self.record.clone();
                    (row.accepted, row.desired) = (Some(accepted), DesiredState::Running);
                    // What kept its keys from being read is over.
                    (row.status, row.reason) = (AccountStatus::Disconnected, None);
                    let mut changes = self.changes(row);
                    changes.push_event(self.status_event(AccountStatus::Disconnected, None));
                    self.write(changes).await?;
                }
                Ok(None) => {
                    // Only whoever owns the account removes keys of a link that ended, or never came about.
                    let changes = self.shared.fenced(&self.record);
                    self.write(changes).await?;
                    self.remove_keys().await;
                }
                // They may be on a phone's list: the next start looks again.
                Err(reason) => self.stand(Standing::because(AccountStatus::Error, reason)).await?,
            }
            self.note_number();
        }
        self.end_lost_job().await?;
        let stands_still = self.record.status == AccountStatus::Error;
        if !matches!(begin, Begin::Quarantined(_))
            && !stands_still
            && let Some(reason) = self.untold_bar()
        {
            return self.hold(reason).await;
        }
        match begin {
            Begin::Quarantined(what) => {
                let reason = Reason::new(ReasonKind::Quarantined).detail(what);
                self.stand(Standing::because(AccountStatus::Error, reason)).await
            }
            // What waits for a date or a person goes on waiting, after a crash, too.
            _ if stands_still => {
                let retry_at = self.record.reason.as_ref().and_then(|reason| reason.retry_at);
                if self.record.desired == DesiredState::Running {
                    self.restart_at = retry_at.map(|at| self.boot_time(at));
                }
                Ok(())
            }
            // Whoever restores the manager starts it, where that was to be seen.
            Begin::Fresh if !is_found || is_stopped => Ok(()),
            _ if self.record.accepted.is_some() => self.resume_accepted().await,
            _ if self.record.desired == DesiredState::Running && self.record.jid.is_some() => {
                self.open().await
            }
            _ => self.stand(Standing::new(AccountStatus::Idle)).await,
        }
    }

    /// Why an account that shall run may not connect now, where its limits know it and its row does not: the process ended
    /// between the two.
    fn untold_bar(&mut self) -> Option<Reason> {
        let is_linked = self.record.jid.is_some() || self.record.accepted.is_some();
        let is_wanted = self.record.desired == DesiredState::Running && is_linked && !self.record.exported;
        let until = self.gate.barred_until().filter(|_| is_wanted)?;
        if self.gate.is_locked() {
            // Nothing connects by itself.
            return Some(Reason::new(ReasonKind::AccountLocked));
        }
        Some(Reason::new(ReasonKind::TemporaryBan).retry_at(until))
    }

    async fn on_event(&mut self, event: Option<Event>) -> Result<(), Lost> {
        let Some(event) = event else {
            // Its task is gone, and nobody told it to go.
            panic!("the client of account {} ended by itself", self.record.id);
        };
        if event.inbox_number().is_some() {
            self.take(event).await?;
            return self.gate_status().await;
        }
        let (now, wall) = (self.shared.clock.boot(), self.shared.clock.wall());
        let Some(running) = &mut self.running else { return Ok(()) };
        match &event {
            Event::Connected | Event::PairingQr(_) => self.shared.release.note_served(),
            _ => {}
        }
        if let Event::Disconnected { reason, .. } = &event
            && !matches!(reason, CloseReason::RestartRequired)
        {
            figures::reconnects(closed(reason).kind);
        }
        let mut turn = running.connection.on_event(&event, now, wall);
        if let Turn::End(Standing { reason: Some(reason), .. }) = &mut turn {
            *reason = self.try_outdated_again(reason.clone());
        }
        // What the server says of the account is kept before what follows from it.
        self.heed_event(&event).await?;
        self.tell_other(&event).await?;
        self.linking_event(&event).await?;
        if !self.is_linking() {
            self.turn(turn).await?;
        }
        self.gate_event(&event).await?;
        self.gate_status().await
    }

    async fn on_time(&mut self) -> Result<(), Lost> {
        let now = self.shared.clock.boot();
        if let Some(held) = self.flaps.due(now) {
            self.stand(held).await?;
        }
        if let Some(running) = &mut self.running {
            let turn = running.connection.on_time(now);
            if !self.is_linking() {
                self.turn(turn).await?;
            }
        }
        self.linking_time().await?;
        self.gate_time().await?;
        self.gate_status().await?;
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            self.open().await?;
        }
        Ok(())
    }

    fn deadline(&mut self) -> Option<Duration> {
        let connection = self.running.as_ref().and_then(|running| running.connection.deadline());
        let linking = self.linking_deadline().map(|at| self.boot_time(at.0));
        let gate = self.gate_deadline();
        [self.flaps.deadline(), connection, self.restart_at, linking, gate].into_iter().flatten().min()
    }

    async fn turn(&mut self, turn: Turn) -> Result<(), Lost> {
        match turn {
            Turn::Stay => Ok(()),
            Turn::Stand(standing) => {
                let now = self.shared.clock.boot();
                match self.flaps.change(standing, now) {
                    Some(standing) => self.stand(standing).await,
                    None => Ok(()),
                }
            }
            Turn::End(standing) => {
                self.end_client().await;
                let retry_at = standing.reason.as_ref().and_then(|reason| reason.retry_at);
                // Not at once, whatever the client's clock says.
                let soonest = self.shared.clock.boot() + AGAIN;
                self.restart_at = retry_at.map(|at| self.boot_time(at).max(soonest));
                self.stand(standing).await
            }
            Turn::Unlinked(reason) => self.unlinked(reason).await,
        }
    }

    /// The phone or the server ended the link: the keys are worthless.
    async fn unlinked(&mut self, reason: Reason) -> Result<(), Lost> {
        Box::pin(self.drain()).await?;
        self.end_client().await;
        // Gone before it held: that is the reason, and told.
        let told = self.record.reason.clone().filter(|told| told.kind == ReasonKind::UnstableLink);
        let is_told = told.is_some();
        let reason = told.unwrap_or(reason);
        let mut row = self.record.clone();
        (row.jid, row.lid, row.probation, row.accepted) = (None, None, None, None);
        row.desired = DesiredState::Stopped;
        (row.status, row.reason) = (AccountStatus::Error, Some(reason.clone()));
        let mut changes = self.changes(row);
        let is_after = self.gate.was_restricted_within(AFTER_RESTRICTION);
        let cause = if is_after { "after_restriction" } else { "unknown" };
        changes
            .push_event(self.event(EventKind::AccountUnlinked, json!({ "reason": reason, "cause": cause })));
        if is_after {
            self.shared.limiter.restricted(&self.subject()).await;
        }
        if !is_told {
            changes.push_event(self.status_event(AccountStatus::Error, Some(&reason)));
        }
        self.write(changes).await?;
        self.note_number();
        // Only now: keys without a row are worth nothing, a row without keys would be a lie.
        self.remove_keys().await;
        Ok(())
    }

    /// The account stands so from now on: written, then told. Nothing happens when it stands so.
    async fn stand(&mut self, to: Standing) -> Result<(), Lost> {
        if self.record.status == to.status && self.record.reason == to.reason {
            return Ok(());
        }
        let changes = self.standing(to, self.record.desired);
        self.write(changes).await
    }

    /// What is written when the account stands so, and shall run or not.
    fn standing(&self, to: Standing, desired: DesiredState) -> Changes {
        let event = self.status_event(to.status, to.reason.as_ref());
        let mut row = self.record.clone();
        (row.status, row.reason, row.desired) = (to.status, to.reason, desired);
        let mut changes = self.changes(row);
        changes.push_event(event);
        changes
    }

    /// What writes the row, as long as the account is ours.
    fn changes(&self, mut row: AccountRecord) -> Changes {
        row.updated_at = self.shared.clock.wall();
        let mut changes = self.shared.fenced(&self.record);
        changes.put_account(row);
        changes
    }

    fn status_event(&self, status: AccountStatus, reason: Option<&Reason>) -> NewEvent {
        let before = self.record.status;
        self.event(EventKind::AccountStatus, json!({ "before": before, "status": status, "reason": reason }))
    }

    fn event(&self, kind: EventKind, data: serde_json::Value) -> NewEvent {
        self.shared.event(&self.record, kind, data)
    }

    /// Writes what happened, as often as it takes: it cannot be taken back.
    async fn write(&mut self, changes: Changes) -> Result<(), Lost> {
        while let Err(error) = self.commit(changes.clone()).await {
            self.wait_for_store(error).await?;
        }
        Ok(())
    }

    /// The same for what changes the stored limits, too: the account is shown with those that hold from now on.
    async fn write_with_limits(&mut self, changes: Changes) -> Result<(), Lost> {
        while let Err(error) = self.put(changes.clone()).await {
            self.wait_for_store(error).await?;
        }
        persist!(self, self.gate.reread());
        self.shared.hub.notify();
        Ok(())
    }

    /// Writes once, and tells it.
    async fn commit(&mut self, changes: Changes) -> Result<(), ManagerStoreError> {
        if self.put(changes).await? {
            self.publish();
        }
        self.shared.hub.notify();
        Ok(())
    }

    /// Writes once. Whether the account is another than it is shown.
    async fn put(&mut self, changes: Changes) -> Result<bool, ManagerStoreError> {
        let row = changes.account(&self.record.id).cloned();
        let events = self.shared.store.commit(changes).await?;
        let is_another = row.is_some() || !events.is_empty();
        if let Some(row) = row {
            self.record = AccountRecord { seq: self.record.seq, ..row };
        }
        if let Some(event) = events.last() {
            self.record.seq = event.account_seq;
        }
        Ok(is_another)
    }

    /// Shows the account as it is.
    fn publish(&mut self) {
        self.tally.stands(self.record.status, self.shared.clock.boot());
        let snapshot = AccountSnapshot::new(&self.record, self.gate.snapshot());
        self.snapshot.send_if_modified(|shown| {
            let is_new = *shown != snapshot;
            *shown = snapshot;
            is_new
        });
    }

    /// The manager's store failed: waits a moment before the same is tried again, unless that is of no use.
    async fn wait_for_store(&mut self, error: ManagerStoreError) -> Result<(), Lost> {
        match error {
            ManagerStoreError::FenceLost { .. } => return Err(self.lose(End::FenceLost)),
            ManagerStoreError::Closed => return Err(self.lose(End::Shutdown)),
            ManagerStoreError::Corrupt { what } => return Err(self.lose(End::Damaged(what))),
            error => tracing::error!(account = %self.record.id, %error, "the manager's store failed"),
        }
        tokio::select! {
            () = self.stop.cancelled() => Err(self.lose(End::Shutdown)),
            () = tokio::time::sleep(WRITE_AGAIN) => Ok(()),
        }
    }

    /// The actor ends so. It is noted before anybody who waits for an answer finds that there is none.
    fn lose(&self, end: End) -> Lost {
        self.ending.note(&end);
        Lost(end)
    }

    /// When it is this time of day, by the clock that does not jump.
    fn boot_time(&self, wall: u64) -> Duration {
        let clock = &self.shared.clock;
        clock.boot() + Duration::from_millis(wall.saturating_sub(clock.wall().0))
    }

    const fn id(&self) -> &AccountId {
        &self.record.id
    }
}

async fn sleep_until(deadline: Option<Duration>, now: Duration) {
    match deadline {
        Some(at) => tokio::time::sleep(at.saturating_sub(now)).await,
        None => pending().await,
    }
}
