//! The account's connection from the actor's side: opened, logged in, lost, and when it comes back.
//!
//! ```text
//! Down ── connect ──> Up: Handshake ──> Login ──> Open
//!   ^                       └─────────────┴────────┘
//!   └── its task ended, with a reason: its next step says when, or that never, to connect again
//! ```

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use wa_store::Changes;
use wa_types::UnixSeconds;

use super::outbox::Answered;
use super::requester::{Line, Requester};
use super::session::{BATCH, Command, Telling, Told};
use super::{Actor, Status, clock, credentials, session, trail};
use crate::connection::{CloseReason, NextStep};
use crate::error::ReconnectError;
use crate::event::Event;
use crate::noise::client_payload::ClientVersion;
use crate::stanza::stream::{Failure, Refusal};

/// How many batches of stanzas wait between the connection and the actor.
pub(super) const TOLD_CAPACITY: usize = 4;

/// How many stanzas of a login wait between the connection and the actor.
const LOGIN_CAPACITY: usize = 64;

/// How long a connection may take to say goodbye.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// No ban is taken to be longer than this; then we ask again.
const LONGEST_BAN: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// What the server sent for the next connection is given up after so many attempts that came to nothing.
const ROUTED_ATTEMPTS: u32 = 2;

/// The connection, as far as the actor sees it.
pub(super) enum Link {
    /// None; the next attempt is made then, or not at all.
    Down { retry_at: Option<Instant> },
    Up {
        requester: Requester,
        login: mpsc::Receiver<Told>,
        /// Answers to messages.
        answers: mpsc::Receiver<Vec<Answered>>,
        told: mpsc::Receiver<Vec<Told>>,
        phase: Phase,
    },
}

/// How far the login of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The server has not proved who it is.
    Handshake,
    /// Up to the server's word that traffic flows; stanzas are not taken before it.
    Login,
    /// Stanzas are taken.
    Open,
}

impl Actor {
    /// Opens a connection, unless there is one.
    pub(super) async fn connect(&mut self) {
        if matches!(self.link, Link::Up { .. }) {
            return;
        }
        if self.account_is_doubtful {
            if let Err(error) = self.read_again().await {
                tracing::error!(%error, "the store fails on");
                self.undelivered.push_back(Event::StoreFailed { error: error.into() });
                return self.set_down(&CloseReason::StoreFailed);
            }
            self.account_is_doubtful = false;
        }
        if self.account.logged_out {
            self.ended.send_replace(Some(CloseReason::LoggedOut));
            if self.status.send_replace(Status::LoggedOut) != Status::LoggedOut {
                self.undelivered.push_back(Event::LoggedOut { reason: CloseReason::LoggedOut });
            }
            return;
        }
        if let Some(until) = self.ban() {
            return self.set_down(&CloseReason::Banned { until, failure: None });
        }
        let (account, version) = (&self.account, self.version);
        let credentials = credentials::for_connection(account, &self.signed_pre_key, version, &self.config);
        let credentials = match credentials {
            Ok(credentials) => credentials,
            Err(reason) => {
                self.ended.send_replace(Some(reason.clone()));
                self.status.send_replace(Status::Closed);
                self.undelivered.push_back(Event::Closed { reason });
                return;
            }
        };
        let (commands, received) = mpsc::channel::<Command>(BATCH);
        let (stanzas, told) = mpsc::channel(TOLD_CAPACITY);
        let (greetings, login) = mpsc::channel(LOGIN_CAPACITY);
        let (acks, answers) = mpsc::channel(TOLD_CAPACITY);
        let connector = Arc::clone(&self.config.connector);
        let telling = Telling { login: greetings, answers: acks, stanzas };
        let span = tracing::info_span!("connection");
        self.sessions
            .spawn(session::run(connector, credentials, received, telling, self.pulse()).instrument(span));
        self.line.send_replace(Line::Coming);
        let requester = Requester::new(commands, self.line.subscribe());
        self.link = Link::Up { requester, login, answers, told, phase: Phase::Handshake };
        self.status.send_replace(Status::Connecting);
    }

    /// The application wants a connection now, whatever the back-off says; but a ban is a ban.
    pub(super) async fn reconnect(&mut self) -> Result<(), ReconnectError> {
        if let Some(until) = self.ban() {
            return Err(ReconnectError::Banned { until });
        }
        if self.account.logged_out {
            return Err(ReconnectError::LoggedOut);
        }
        if matches!(self.link, Link::Down { .. }) {
            self.backoff.reset();
            self.connect().await;
        }
        Ok(())
    }

    /// Which release the next connection presents as.
    pub(super) const fn set_version(&mut self, version: ClientVersion) {
        self.version = version;
    }

    /// Until when the server wants to hear nothing of us.
    fn ban(&self) -> Option<UnixSeconds> {
        self.account.banned_until.filter(|until| clock::unix_millis().to_seconds() < *until)
    }

    /// The time of the next attempt has come.
    pub(super) async fn retry(&mut self, now: Instant) {
        if let Link::Down { retry_at: Some(at) } = self.link
            && now >= at
        {
            self.link = Link::Down { retry_at: None };
            // Where there was a ban, it was waited for; the wall clock may be set wrong.
            self.account.banned_until = None;
            self.connect().await;
        }
    }

    /// The login is through, and traffic flows.
    pub(super) fn set_ready(&mut self) {
        if let Link::Up { phase, requester, .. } = &mut self.link {
            *phase = Phase::Open;
            self.line.send_replace(Line::Up(requester.commands()));
            trail::count_login();
        }
        self.ended.send_replace(None);
        self.status.send_replace(Status::Ready);
    }

    /// The connection's task ended.
    pub(super) async fn handle_end(&mut self, reason: CloseReason) {
        if matches!(self.link, Link::Down { .. }) {
            return;
        }
        if self.finish_unlinking().await {
            return;
        }
        let reason = self.explain(reason);
        tracing::info!(%reason, "the connection ended");
        self.take_last_words().await;
        let Link::Up { phase, .. } = self.link else { return };
        if phase == Phase::Handshake {
            self.doubt_shortcuts(&reason);
        }
        let is_logout = reason.next_step() == NextStep::LoggedOut && self.account.is_paired();
        if is_logout && self.was_never_confirmed(&reason) {
            return self.pair_again().await;
        }
        let mut stored = Ok(());
        if is_logout {
            stored = self.set_logged_out().await;
        }
        if let CloseReason::Banned { until, .. } = &reason {
            self.account.banned_until = Some(*until);
            let mut changes = Changes::new();
            changes.put_account(self.account.clone());
            stored = self.store.commit(changes).await;
        }
        if let Err(error) = stored {
            tracing::error!(%error, "the store failed");
        }
        self.set_down(&reason);
    }

    /// Adds what the connection's task does not know to the reason of its end.
    fn explain(&mut self, reason: CloseReason) -> CloseReason {
        let now = clock::now();
        match reason {
            CloseReason::Replaced if self.backoff.is_conflict(now) => CloseReason::Conflict,
            CloseReason::Replaced => CloseReason::Replaced,
            CloseReason::Refused(failure) if failure.reason == Refusal::ClientTooOld => {
                CloseReason::VersionRefused { version: self.version }
            }
            CloseReason::Refused(failure) => match ban_of(&failure) {
                Some(until) => CloseReason::Banned { until, failure: Some(failure) },
                None => CloseReason::Refused(failure),
            },
            reason if self.linking.is_through(now) => {
                tracing::debug!(%reason, "the server ended the pairing");
                CloseReason::PairingTimeout
            }
            reason => reason,
        }
    }

    /// A connection came to nothing: what made it shorter may be why. The store keeps it, since it may have been the
    /// network.
    fn doubt_shortcuts(&mut self, reason: &CloseReason) {
        if may_be_the_handshake(reason) {
            // Whatever went wrong with the short handshake, the full one is next.
            self.account.server_certificate = None;
        }
        if self.backoff.attempt_failed() >= ROUTED_ATTEMPTS {
            self.account.routing_info = None;
        }
    }

    /// What arrived before a connection ended still counts, as far as there is room for it; the rest comes again.
    async fn take_last_words(&mut self) {
        let takes_stanzas = self.takes_stanzas();
        let Link::Up { login, answers, told, .. } = &mut self.link else { return };
        let (mut words, mut answered) = (Vec::new(), Vec::new());
        while let Ok(batch) = answers.try_recv() {
            answered.extend(batch);
        }
        while let Ok(word) = login.try_recv() {
            words.push(word);
        }
        while takes_stanzas && let Ok(batch) = told.try_recv() {
            words.extend(batch);
        }
        if !words.is_empty() || !answered.is_empty() {
            self.step(answered, words.into_iter(), std::iter::empty()).await;
        }
    }

    /// There is no connection any more, or still none; the reason says what is next.
    pub(super) fn set_down(&mut self, reason: &CloseReason) {
        trail::count_end(reason.label());
        self.link = Link::Down { retry_at: None };
        if let Some(unlinking) = self.unlinking.take() {
            unlinking.lose();
        }
        self.backlog = None;
        self.is_available = false;
        self.reset_key_care();
        self.sync.disconnected();
        // A new set: answers about the old connection, those that are there already too, are nobody's any more.
        self.greetings = JoinSet::new();
        self.outbox_disconnected();
        let now = clock::now();
        let retry_in = match reason.next_step() {
            NextStep::Now => Some(Duration::ZERO),
            NextStep::Backoff | NextStep::SlowBackoff => {
                Some(self.backoff.next(now, reason, &mut self.random))
            }
            NextStep::Once => Some(self.backoff.after_replaced()),
            NextStep::NotBefore(until) => {
                Some(Duration::from_secs(until.0.saturating_sub(clock::unix_millis().to_seconds().0)))
            }
            NextStep::OtherVersion | NextStep::Stop | NextStep::LoggedOut => None,
        };
        self.linking.set_down(retry_in.is_some(), &mut self.undelivered);
        let reason = reason.clone();
        self.ended.send_replace(Some(reason.clone()));
        match retry_in {
            Some(retry_in) => {
                let retry_in = retry_in.min(LONGEST_BAN);
                self.link = Link::Down { retry_at: Some(now + retry_in) };
                self.line.send_replace(Line::Coming);
                self.status.send_replace(Status::Waiting { until: clock::unix_millis().after(retry_in) });
                self.undelivered.push_back(Event::Disconnected { reason, retry_in });
            }
            None if self.account.logged_out => {
                self.line.send_replace(Line::Gone);
                if self.status.send_replace(Status::LoggedOut) != Status::LoggedOut {
                    self.undelivered.push_back(Event::LoggedOut { reason });
                }
            }
            None => {
                self.line.send_replace(Line::Gone);
                self.status.send_replace(Status::Closed);
                self.undelivered.push_back(Event::Closed { reason });
            }
        }
    }

    /// Ends the connection from our side.
    pub(super) async fn disconnect(&mut self, reason: &CloseReason) {
        if matches!(self.link, Link::Up { .. }) {
            // Letting go of the commands makes the task flush and close.
            self.link = Link::Down { retry_at: None };
            self.line.send_replace(Line::Gone);
            self.end_session().await;
        }
        self.set_down(reason);
    }

    /// Waits for the end of a connection that was let go of; a peer that takes no bytes is not waited for for long.
    pub(super) async fn end_session(&mut self) {
        let ended = async { while self.sessions.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_LIMIT, ended).await.is_err() {
            tracing::debug!("the connection did not close in good order");
            self.sessions.shutdown().await;
        }
    }
}

/// When a temporary ban ends; `None` when it is none, or nobody knows.
fn ban_of(failure: &Failure) -> Option<UnixSeconds> {
    let expires_in = failure.expires_in.filter(|_| failure.reason == Refusal::TemporaryBan)?;
    let now = clock::unix_millis().to_seconds();
    Some(UnixSeconds(now.0.saturating_add(expires_in.min(LONGEST_BAN).as_secs())))
}

/// Whether a connection that ended before the server proved who it is may have ended for our short handshake.
const fn may_be_the_handshake(reason: &CloseReason) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(
        reason,
        CloseReason::Handshake(_)
            | CloseReason::BadFrame
            | CloseReason::DeadSocket
            | CloseReason::Network(UnexpectedEof | ConnectionReset | BrokenPipe)
    )
}

/// Waits for stanzas and answers; for ever while there is no connection. Cancel safe.
pub(super) async fn receive(
    link: &mut Link,
    answered: &mut Vec<Vec<Answered>>,
    into: &mut Vec<Vec<Told>>,
    takes_stanzas: bool,
) {
    let Link::Up { login, answers, told, .. } = link else { return pending().await };
    tokio::select! {
        biased;
        // While the application takes no events, these flow.
        Some(batch) = answers.recv() => answered.push(batch),
        // In order: the login precedes all else.
        Some(greeting) = login.recv() => into.push(vec![greeting]),
        count = told.recv_many(into, TOLD_CAPACITY), if takes_stanzas && login.is_empty() => if count == 0 {
            // The connection's task is at its end; it tells why when it is joined.
            pending().await
        },
        else => pending().await,
    }
}
