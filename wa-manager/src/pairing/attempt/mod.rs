//! One attempt to link an account, from the request to the end of the link's probation. Plain values: the account's actor
//! hands in what happens and what time it is, and does what the [`Step`]s say.
//!
//! ```text
//! Connecting ─ first QR code ─> Waiting ─ phone accepted ─> Accepted ─ logged in ─> Probation ─ held ─> linked
//!     │ 30 s                     │ ticket over, codes used     │ 60 s                  │ unlinked
//!     └────────────> failed <────┴─────────────────────────────┴───────────────────────┴─> unstable
//! ```
//!
//! In `Waiting` QR codes and a code to be typed live on one connection. A code is never replaced while it lives. When
//! the QR codes of a connection run out and the ticket still lives, the next connection brings new ones; a code that
//! went with the old connection is made anew on the next one, if the ticket has one left.
//!
//! | File | Subject |
//! |---|---|
//! | `heard` | what the client tells, as an attempt hears it |
//! | `codes` | the code to be typed, from the wish to its end |

mod codes;
mod heard;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use wa_core::Event;
use wa_core::event::PasskeyProgress;
use wa_core::pairing::PairingCode;
use wa_types::UnixMillis;

use self::codes::Code;
pub use self::codes::{CodeFailure, MadeCode};
use self::heard::Heard;
use super::error::PairError;
use super::policy::{PairRequest, PairingMethod, PairingPolicy};
use super::update::{LimitNote, LinkedDevice, PairingUpdate, Step};
use super::view::{PairingView, SecretText, Shown};
use crate::account::{AccountStatus, Reason, ReasonKind};
use crate::event::EventKind;
use crate::ids::TicketId;

/// An attempt to link an account.
#[derive(Debug)]
pub struct Attempt {
    id: TicketId,
    request: PairRequest,
    policy: PairingPolicy,
    ends_at: UnixMillis,
    status: AccountStatus,
    phase: Phase,
    /// The client tells QR codes always; they are shown where they were asked for, or nothing else links.
    shows_qr: bool,
    qr: Option<Shown>,
    code: Code,
    codes_left: u8,
    /// The codes that were shown, the newest last: what is told of them later is no news.
    past_codes: Vec<PairingCode>,
    /// The connection can pair: a QR code came on it.
    is_ready: bool,
    passkey: Passkey,
    out: Vec<Step>,
}

#[derive(Debug)]
enum Phase {
    Connecting {
        until: UnixMillis,
    },
    Waiting,
    Accepted {
        device: LinkedDevice,
        until: UnixMillis,
        /// The server ends the connection by then, for the next one to log in; or we do.
        restart_at: Option<UnixMillis>,
    },
    Probation {
        until: UnixMillis,
        is_connected: bool,
    },
    /// The link is gone; the limits are asked what follows.
    Unstable,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passkey {
    None,
    Asked,
    Failed,
}

impl Attempt {
    /// Begins an attempt. The actor connects with new keys after this, and after [`super::PairLimiter::begin`] allowed
    /// it.
    ///
    /// # Errors
    /// [`PairError::PhoneMissing`].
    pub fn new(
        id: TicketId,
        request: PairRequest,
        policy: PairingPolicy,
        now: UnixMillis,
    ) -> Result<(Self, Vec<Step>), PairError> {
        let makes_codes = request.method.makes_codes();
        if makes_codes && request.phone.is_none() {
            return Err(PairError::PhoneMissing);
        }
        let mut attempt = Self {
            id,
            ends_at: now.after(policy.ticket_ttl),
            status: AccountStatus::Idle,
            phase: Phase::Connecting { until: now.after(policy.first_qr) },
            shows_qr: request.method.shows_qr(),
            qr: None,
            code: if makes_codes { Code::Wanted } else { Code::Off(None) },
            codes_left: if makes_codes { policy.codes_per_ticket } else { 0 },
            past_codes: Vec::new(),
            is_ready: false,
            passkey: Passkey::None,
            out: Vec::new(),
            request,
            policy,
        };
        let about = [("method", json!(attempt.request.method)), ("expiresAt", json!(attempt.ends_at.0))];
        attempt.event(EventKind::PairingStarted, about);
        attempt.show();
        let steps = attempt.steps();
        Ok((attempt, steps))
    }

    /// Goes on with a link that a process before this one saw accepted, or, with `linked_at`, confirmed by a login.
    #[must_use]
    pub fn resume(
        id: TicketId,
        policy: PairingPolicy,
        device: LinkedDevice,
        linked_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Self {
        let phase = match linked_at {
            Some(at) => Phase::Probation { until: at.after(policy.probation), is_connected: false },
            None => Phase::Accepted { device, until: now.after(policy.link_wait), restart_at: None },
        };
        Self {
            id,
            request: PairRequest::qr(),
            ends_at: now.after(policy.link_wait),
            status: AccountStatus::Authenticated,
            phase,
            shows_qr: false,
            qr: None,
            code: Code::Off(None),
            codes_left: 0,
            past_codes: Vec::new(),
            is_ready: false,
            passkey: Passkey::None,
            out: Vec::new(),
            policy,
        }
    }

    /// Something that the client tells.
    pub fn on_event(&mut self, event: &Event, now: UnixMillis) -> Vec<Step> {
        if let Some(heard) = Heard::of(event) {
            self.hear(heard, now);
        }
        self.steps()
    }

    /// The answer to [`Step::AskCode`].
    pub fn on_code(&mut self, answer: Result<MadeCode, CodeFailure>, now: UnixMillis) -> Vec<Step> {
        if self.is_waiting() {
            match answer {
                Ok(made) => self.code_made(&made, now),
                Err(failure) => self.code_failed(failure, now),
            }
        }
        self.steps()
    }

    /// The limits do not allow the connection of [`Step::Reconnect`], or none can be made.
    pub fn on_limited(&mut self, error: PairError, now: UnixMillis) -> Vec<Step> {
        if self.is_waiting() || matches!(self.phase, Phase::Accepted { .. }) {
            self.fail(error, now);
        }
        self.steps()
    }

    /// What the limits make of a link that is gone, after [`Step::AskUnstable`]: how long to wait, if at all.
    pub fn on_unstable(&mut self, retry_after: Option<std::time::Duration>, now: UnixMillis) -> Vec<Step> {
        if matches!(self.phase, Phase::Unstable) {
            self.fail(PairError::UnstableLink { retry_after }, now);
        }
        self.steps()
    }

    /// Time passed; called when [`Self::deadline`] has come, or later.
    pub fn on_time(&mut self, now: UnixMillis) -> Vec<Step> {
        match &self.phase {
            Phase::Connecting { until } if now >= *until => self.fail(PairError::ConnectTimeout, now),
            Phase::Accepted { until, .. } if now >= *until => self.fail(PairError::ConnectTimeout, now),
            Phase::Accepted { device, until, restart_at: Some(at) } if now >= *at => {
                self.phase = Phase::Accepted { device: device.clone(), until: *until, restart_at: None };
                self.out.push(Step::Reconnect { shows_qr: false });
            }
            Phase::Connecting { .. } | Phase::Waiting if now >= self.ends_at => {
                let error = match self.passkey {
                    Passkey::Failed => PairError::Passkey,
                    _ => PairError::Expired,
                };
                self.fail(error, now);
            }
            Phase::Waiting => self.refresh_when_due(now),
            Phase::Probation { until, is_connected: true } if now >= *until => self.confirm(),
            _ => {}
        }
        self.steps()
    }

    /// Somebody asks for a new code. Nothing happens where one is being made, or none is made because QR codes are
    /// shown.
    ///
    /// # Errors
    /// [`PairError::CodeOutstanding`] while a code is live, [`PairError::Exhausted`], what the server refused codes
    /// with, [`PairError::AlreadyLinked`], [`PairError::NotPairing`].
    pub fn refresh(&mut self, now: UnixMillis) -> Result<Vec<Step>, PairError> {
        self.check_open()?;
        self.refresh_code(now)?;
        Ok(self.steps())
    }

    /// Somebody calls it off.
    ///
    /// # Errors
    /// [`PairError::AlreadyLinked`] once the phone accepted: log the account out instead. [`PairError::NotPairing`].
    pub fn cancel(&mut self, now: UnixMillis) -> Result<Vec<Step>, PairError> {
        self.check_open()?;
        self.fail(PairError::Cancelled, now);
        Ok(self.steps())
    }

    /// When [`Self::on_time`] is to be called; never, if nothing is due.
    #[must_use]
    pub fn deadline(&self) -> Option<UnixMillis> {
        match &self.phase {
            Phase::Connecting { until } => Some(self.ends_at.min(*until)),
            Phase::Waiting => Some(self.code.refresh_at().map_or(self.ends_at, |at| self.ends_at.min(at))),
            Phase::Accepted { until, restart_at, .. } => Some(restart_at.map_or(*until, |at| at.min(*until))),
            Phase::Probation { until, is_connected: true } => Some(*until),
            Phase::Probation { .. } | Phase::Unstable | Phase::Over => None,
        }
    }

    /// How the account is linked.
    pub(crate) const fn method(&self) -> PairingMethod {
        self.request.method
    }

    /// What there is to show, until the login after the link. It may hold codes that have expired: readers apply
    /// [`PairingView::at`].
    #[must_use]
    pub fn view(&self) -> Option<PairingView> {
        let expires_at = match &self.phase {
            Phase::Connecting { .. } | Phase::Waiting => self.ends_at,
            Phase::Accepted { until, .. } => *until,
            Phase::Probation { .. } | Phase::Unstable | Phase::Over => return None,
        };
        Some(PairingView {
            ticket: self.id.clone(),
            method: self.request.method,
            status: self.status,
            qr: self.qr.clone().filter(|_| self.shows_qr),
            code: self.code.shown().cloned(),
            codes_left: self.codes_left,
            expires_at,
        })
    }

    /// Its ticket's id.
    #[must_use]
    pub const fn id(&self) -> &TicketId {
        &self.id
    }

    /// When its ticket ends.
    #[must_use]
    pub const fn ends_at(&self) -> UnixMillis {
        self.ends_at
    }

    /// Whether a phone may still link: no phone has accepted yet, and the ticket lives.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Connecting { .. } | Phase::Waiting)
    }

    /// Whether nothing may be asked of it any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn hear(&mut self, heard: Heard<'_>, now: UnixMillis) {
        match &mut self.phase {
            Phase::Connecting { .. } | Phase::Waiting => self.hear_waiting(heard, now),
            Phase::Accepted { device, restart_at, .. } => match heard {
                Heard::Disconnected => *restart_at = None,
                Heard::Connected => {
                    let device = device.clone();
                    self.linked(device, now);
                }
                Heard::LoggedOut => self.unstable(),
                Heard::Unconfirmed if now < self.ends_at => {
                    self.phase = Phase::Waiting;
                    self.is_ready = false;
                    self.out.push(Step::Unconfirmed);
                    self.show();
                }
                Heard::Unconfirmed => self.fail(PairError::Expired, now),
                Heard::Closed { kind, code, .. } => self.fail(PairError::Closed { kind, code }, now),
                _ => {}
            },
            Phase::Probation { is_connected, until } => match heard {
                Heard::Connected => {
                    *is_connected = true;
                    if now >= *until {
                        self.confirm();
                    }
                }
                Heard::Disconnected => *is_connected = false,
                Heard::LoggedOut => self.unstable(),
                Heard::Closed { kind, code, .. } => self.end_linked(PairError::Closed { kind, code }),
                _ => {}
            },
            Phase::Unstable | Phase::Over => {}
        }
    }

    fn hear_waiting(&mut self, heard: Heard<'_>, now: UnixMillis) {
        match heard {
            Heard::Qr { text, expires_in } => {
                self.phase = Phase::Waiting;
                self.is_ready = true;
                self.qr = Some(Shown::new(text, self.ends_at.min(now.after(expires_in))));
                self.show_qr();
                self.ask_wanted_code();
            }
            Heard::Code(made) => self.code_made(&made, now),
            Heard::CodeVoid(reason) => self.code_void(reason, now),
            Heard::Passkey(progress) => self.hear_passkey(progress),
            Heard::AnswerRefused => self.tell(PairingUpdate::AnswerRefused),
            Heard::Vetoed => self.fail(PairError::AlreadyLinked { account: None }, now),
            Heard::Paired(device) => self.accepted(device, now),
            Heard::Disconnected => {
                self.connection_lost(now);
                self.show();
            }
            Heard::Closed { is_timeout: true, .. } => {
                self.connection_lost(now);
                // Without QR codes there is nothing to come back for until somebody asks for a code.
                if self.is_waiting() && (self.shows_qr || self.code.is_coming()) {
                    self.out.push(Step::Reconnect { shows_qr: self.shows_qr });
                }
                self.show();
            }
            Heard::Closed { kind, code, .. } => self.fail(PairError::Closed { kind, code }, now),
            Heard::LoggedOut => {
                self.fail(PairError::Closed { kind: ReasonKind::LoggedOut, code: None }, now);
            }
            // The client begins anew by itself.
            Heard::Unconfirmed | Heard::Connected => {}
        }
    }

    fn show_qr(&mut self) {
        if let Some(qr) = self.qr.clone().filter(|_| self.shows_qr) {
            self.event(EventKind::PairingQr, [("expiresAt", json!(qr.expires_at.0))]);
            self.tell(PairingUpdate::Qr(qr));
        }
        self.show();
    }

    fn connection_lost(&mut self, now: UnixMillis) {
        self.is_ready = false;
        self.qr = None;
        if self.code.shown().is_some() {
            self.code_void(&wa_core::event::CodeVoid::ConnectionLost, now);
        }
    }

    fn hear_passkey(&mut self, progress: &PasskeyProgress) {
        match progress {
            // The authenticator tells what is to be signed.
            PasskeyProgress::Asked => self.passkey = Passkey::Asked,
            PasskeyProgress::Code { code, is_handed_off } => {
                self.passkey = Passkey::Asked;
                // One that is to be compared is told by the authenticator, once it hears the answer.
                if *is_handed_off {
                    let code = SecretText::new(code.to_string());
                    self.tell(PairingUpdate::PasskeyConfirm { code, is_asked: false });
                }
            }
            // Without an authenticator, or after a failure; and whatever it may come to mean.
            _ => {
                self.passkey = Passkey::Failed;
                self.tell(PairingUpdate::PasskeyFailed);
            }
        }
        self.show();
    }

    /// The phone accepted. Nothing else can link from here on, so nothing is shown any more.
    fn accepted(&mut self, device: LinkedDevice, now: UnixMillis) {
        self.drop_codes();
        self.out.push(Step::Accepted(device.clone()));
        self.phase = Phase::Accepted {
            device,
            until: now.after(self.policy.link_wait),
            restart_at: Some(now.after(self.policy.restart_wait)),
        };
        self.tell(PairingUpdate::Accepted);
        self.show();
    }

    /// Logged in: only now it is a link (R022).
    fn linked(&mut self, device: LinkedDevice, now: UnixMillis) {
        let until = now.after(self.policy.probation);
        self.phase = Phase::Probation { until, is_connected: true };
        self.out.push(Step::Linked(device.clone()));
        self.out.push(Step::Note(LimitNote::Linked { device: device.jid.device() }));
        let about = [
            ("deviceId", json!(device.jid.to_string())),
            ("platform", json!(device.platform)),
            ("probationEndsAt", json!(until.0)),
        ];
        self.event(EventKind::AccountLinked, about);
        self.tell(PairingUpdate::Linked(device));
        self.out.push(Step::Show);
    }

    fn confirm(&mut self) {
        self.phase = Phase::Over;
        self.out.push(Step::Note(LimitNote::Confirmed));
        self.event(EventKind::AccountLinkConfirmed, []);
        self.tell(PairingUpdate::Confirmed);
        self.out.push(Step::Done(Ok(())));
    }

    /// Unlinked before the probation was over (R018).
    fn unstable(&mut self) {
        self.phase = Phase::Unstable;
        self.out.push(Step::AskUnstable);
    }

    /// Ends the attempt without a link.
    fn fail(&mut self, error: PairError, now: UnixMillis) {
        self.drop_codes();
        self.phase = Phase::Over;
        self.out.push(Step::Note(LimitNote::Failed(error.clone())));
        self.out.push(Step::Show);
        let reason = error.reason(now);
        self.status = if reason.is_some() { AccountStatus::Error } else { AccountStatus::Idle };
        self.out.push(Step::Status(self.status, reason));
        let about = [
            ("code", json!(error.code())),
            ("serverCode", json!(error.server_code())),
            ("retryAfterMs", json!(error.retry_after().map(|wait| wait.as_millis()))),
        ];
        self.event(EventKind::PairingFailed, about);
        self.tell(PairingUpdate::Failed(error.clone()));
        self.out.push(Step::Done(Err(error)));
    }

    /// The link is made, and what ends it now is not the attempt's to tell.
    fn end_linked(&mut self, error: PairError) {
        self.phase = Phase::Over;
        self.tell(PairingUpdate::Failed(error.clone()));
        self.out.push(Step::Done(Err(error)));
    }

    fn drop_codes(&mut self) {
        if self.code.is_at_server() {
            self.out.push(Step::Note(LimitNote::CodeGone));
        }
        self.code = Code::Off(None);
        self.qr = None;
    }

    const fn check_open(&self) -> Result<(), PairError> {
        match self.phase {
            Phase::Connecting { .. } | Phase::Waiting => Ok(()),
            Phase::Accepted { .. } | Phase::Probation { .. } => {
                Err(PairError::AlreadyLinked { account: None })
            }
            Phase::Unstable | Phase::Over => Err(PairError::NotPairing),
        }
    }

    /// What is shown changed, and perhaps the status with it.
    fn show(&mut self) {
        if self.is_over() {
            return;
        }
        let status = self.status_now();
        if status != self.status {
            self.status = status;
            let reason = (status == AccountStatus::Loading).then(|| Reason::new(ReasonKind::Connecting));
            self.out.push(Step::Status(status, reason));
        }
        self.out.push(Step::Show);
    }

    const fn status_now(&self) -> AccountStatus {
        match self.phase {
            Phase::Connecting { .. } => AccountStatus::Loading,
            Phase::Waiting if self.code.shown().is_some() || matches!(self.passkey, Passkey::Asked) => {
                AccountStatus::Pairing
            }
            Phase::Waiting if self.shows_qr && self.qr.is_some() => AccountStatus::Qr,
            Phase::Waiting if self.code.waits_for_user() => AccountStatus::Pairing,
            Phase::Waiting => AccountStatus::Loading,
            Phase::Accepted { .. } => AccountStatus::Authenticated,
            Phase::Probation { .. } | Phase::Unstable | Phase::Over => self.status,
        }
    }

    fn tell(&mut self, update: PairingUpdate) {
        self.out.push(Step::Tell(update));
    }

    fn event<const N: usize>(&mut self, kind: EventKind, about: [(&str, Value); N]) {
        let mut data = Map::from_iter([("ticketId".to_owned(), json!(self.id))]);
        data.extend(about.map(|(name, value)| (name.to_owned(), value)));
        self.out.push(Step::Event(kind, Value::Object(data)));
    }

    fn steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.out)
    }
}
