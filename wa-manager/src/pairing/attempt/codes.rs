//! The code to be typed: when one is asked for, shown, over, and what follows then. Never two at once.

use std::time::Duration;

use serde_json::json;
use wa_core::connection::RequestError;
use wa_core::error::{CodeRefusal, PairCodeError};
use wa_core::event::{CodeVoid, PairingCodeShown};
use wa_core::pairing::PairingCode;
use wa_types::UnixMillis;

use super::{Attempt, Phase};
use crate::account::ReasonKind;
use crate::event::EventKind;
use crate::pairing::error::{LimitedBy, PairError};
use crate::pairing::limiter::refusal_code;
use crate::pairing::update::{LimitNote, PairingUpdate, Step};
use crate::pairing::view::Shown;

/// So many codes that were shown are remembered: more than tickets have, for servers that make some by themselves.
const REMEMBERED: usize = 8;

/// A code that the client made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by actors and their tests")]
pub struct MadeCode {
    /// The code.
    pub code: PairingCode,
    /// How long it is good.
    pub expires_in: Duration,
}

impl From<PairingCodeShown> for MadeCode {
    fn from(shown: PairingCodeShown) -> Self {
        Self { code: shown.code, expires_in: shown.expires_in }
    }
}

/// Why there is no code.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CodeFailure {
    /// The limits do not allow it; nothing was asked of the server.
    Limited(PairError),
    /// The client made none.
    Client {
        /// Why.
        error: PairCodeError,
        /// How long the limits want this phone to wait now.
        wait: Option<Duration>,
    },
}

/// Where the code to be typed stands.
#[derive(Debug)]
pub(super) enum Code {
    /// None are made; for this reason, where they were wanted.
    Off(Option<PairError>),
    /// To be asked for as soon as the connection can pair.
    Wanted,
    /// The server was asked; by the client itself, where it replaces one that the server took back.
    Asked { by_client: bool },
    /// On show.
    Live { shown: Shown, refresh_at: Option<UnixMillis> },
    /// The user has to ask for the next one.
    NeedsRefresh,
}

impl Code {
    pub(super) const fn shown(&self) -> Option<&Shown> {
        match self {
            Self::Live { shown, .. } => Some(shown),
            _ => None,
        }
    }

    pub(super) const fn refresh_at(&self) -> Option<UnixMillis> {
        match self {
            Self::Live { refresh_at, .. } => *refresh_at,
            _ => None,
        }
    }

    /// One is asked for, or will be without anybody's help.
    pub(super) const fn is_coming(&self) -> bool {
        matches!(self, Self::Wanted | Self::Asked { .. })
    }

    /// The server may know one.
    pub(super) const fn is_at_server(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Live { .. })
    }

    pub(super) const fn waits_for_user(&self) -> bool {
        matches!(self, Self::NeedsRefresh)
    }
}

impl Attempt {
    /// The connection can pair: asks for the code that is wanted.
    pub(super) fn ask_wanted_code(&mut self) {
        if matches!(self.code, Code::Wanted) && self.is_ready {
            self.ask_code();
        }
    }

    fn ask_code(&mut self) {
        let Some(phone) = self.request.phone.clone() else { return };
        self.codes_left = self.codes_left.saturating_sub(1);
        self.code = Code::Asked { by_client: false };
        self.out.push(Step::AskCode { phone, notifies: self.request.show_push_notification });
    }

    /// A code is there. Told twice where we asked for it: as the answer, and as an event, and the answer may come when
    /// the code is over already.
    pub(super) fn code_made(&mut self, made: &MadeCode, now: UnixMillis) {
        if self.past_codes.contains(&made.code) {
            return;
        }
        self.past_codes.push(made.code.clone());
        self.past_codes.drain(..self.past_codes.len().saturating_sub(REMEMBERED));
        match &self.code {
            Code::Asked { by_client: false } => {}
            _ => self.out.push(Step::Note(LimitNote::CodeMade { expires_in: made.expires_in })),
        }
        self.phase = Phase::Waiting;
        let expires_at = now.after(made.expires_in);
        let refresh_at = now.after(self.policy.refresh_after);
        let is_refreshed = self.codes_left > 0 && refresh_at < expires_at.min(self.ends_at);
        let shown = Shown::new(made.code.to_string(), expires_at.min(self.ends_at));
        let about = [("expiresAt", json!(shown.expires_at.0)), ("codesLeft", json!(self.codes_left))];
        self.event(EventKind::PairingCode, about);
        self.tell(PairingUpdate::Code(shown.clone()));
        let refresh_at = is_refreshed.then_some(refresh_at);
        self.code = Code::Live { shown, refresh_at };
        self.show();
    }

    /// There is no code.
    pub(super) fn code_failed(&mut self, failure: CodeFailure, now: UnixMillis) {
        match failure {
            CodeFailure::Limited(error) => {
                self.give_back();
                self.no_codes(error, now);
            }
            CodeFailure::Client { error, wait } => self.client_failed(error, wait, now),
        }
    }

    fn client_failed(&mut self, error: PairCodeError, wait: Option<Duration>, now: UnixMillis) {
        match error {
            // One is live all the same: that is ours.
            PairCodeError::Live { code, expires_in } => {
                self.give_back();
                self.code_made(&MadeCode { code, expires_in }, now);
            }
            PairCodeError::InProgress => self.give_back(),
            // The event of the link is on its way.
            PairCodeError::AlreadyPaired => self.code = Code::Off(None),
            PairCodeError::LoggedOut => {
                self.fail(PairError::Closed { kind: ReasonKind::LoggedOut, code: None }, now);
            }
            PairCodeError::Shutdown => self.fail(PairError::Cancelled, now),
            PairCodeError::NotConnected | PairCodeError::Timeout => {
                self.give_back();
                self.code = Code::Wanted;
            }
            PairCodeError::Refused { why, retry_after } => self.refused(why, wait.max(retry_after), now),
            PairCodeError::Request(RequestError::NotConnected) => {
                self.give_back();
                self.code = Code::Wanted;
            }
            PairCodeError::Request(RequestError::ConnectionLost) => self.next_code(now),
            _ => self.wait_for_user(PairError::ConnectTimeout, now),
        }
    }

    /// The server refused, for good or for long: it is not asked again by itself (R051).
    fn refused(&mut self, why: CodeRefusal, retry_after: Option<Duration>, now: UnixMillis) {
        let code = refusal_code(why);
        let error = match (code, retry_after) {
            (429, Some(retry_after)) => PairError::RateLimited { retry_after, by: LimitedBy::Server },
            _ => PairError::Rejected { code, retry_after },
        };
        match code {
            500 => self.wait_for_user(error, now),
            452 => {
                // A QR code links such an account: it is shown, whatever was asked for.
                self.shows_qr = true;
                self.no_codes(error, now);
                self.show_qr();
            }
            _ => self.no_codes(error, now),
        }
    }

    /// There will be no codes. QR codes go on where they are shown; otherwise this is the end.
    fn no_codes(&mut self, error: PairError, now: UnixMillis) {
        if !self.shows_qr {
            return self.fail(error, now);
        }
        self.code = Code::Off(Some(error.clone()));
        self.tell(PairingUpdate::CodeRefused(error));
        self.show();
    }

    /// No code this time; the user may ask for another one.
    fn wait_for_user(&mut self, error: PairError, now: UnixMillis) {
        if self.codes_left == 0 {
            return self.no_codes(PairError::Exhausted, now);
        }
        self.code = Code::NeedsRefresh;
        self.tell(PairingUpdate::CodeRefused(error));
        self.show();
    }

    /// The code on show links nothing any more.
    pub(super) fn code_void(&mut self, reason: &CodeVoid, now: UnixMillis) {
        if let CodeVoid::NotRenewed(error) = reason {
            if matches!(self.code, Code::Asked { by_client: true }) {
                self.client_failed(error.clone(), None, now);
            }
            return;
        }
        if self.code.shown().is_none() {
            return;
        }
        let word = match reason {
            CodeVoid::Expired => "expired",
            CodeVoid::NotConfirmed => "not_confirmed",
            CodeVoid::TooManyAnswers => "too_many_answers",
            CodeVoid::Refreshed => "refreshed_by_server",
            CodeVoid::RefreshByUser => "refresh_by_user",
            CodeVoid::ConnectionLost => "connection_lost",
            CodeVoid::Refused(_) => "refused",
            _ => "void",
        };
        self.code_over(
            word,
            !matches!(reason, CodeVoid::Expired | CodeVoid::Refreshed | CodeVoid::ConnectionLost),
        );
        match reason {
            CodeVoid::Refreshed => {
                self.codes_left = self.codes_left.saturating_sub(1);
                self.code = Code::Asked { by_client: true };
                self.show();
            }
            CodeVoid::Expired | CodeVoid::ConnectionLost => self.next_code(now),
            CodeVoid::Refused(RequestError::Refused(refusal)) => {
                let (code, retry_after) = (refusal.code, refusal.backoff);
                self.out.push(Step::Note(LimitNote::Refused { code, retry_after }));
                self.next_by_user(now);
            }
            _ => self.next_by_user(now),
        }
    }

    fn code_over(&mut self, word: &str, needs_refresh: bool) {
        self.code = Code::NeedsRefresh;
        self.out.push(Step::Note(LimitNote::CodeGone));
        self.event(EventKind::PairingCodeExpired, [("reason", json!(word))]);
        let needs_refresh = needs_refresh && self.codes_left > 0;
        self.tell(PairingUpdate::CodeExpired { needs_refresh });
    }

    /// The next code is made by itself.
    fn next_code(&mut self, now: UnixMillis) {
        if self.codes_left == 0 {
            return self.no_codes(PairError::Exhausted, now);
        }
        self.code = Code::Wanted;
        self.show();
        self.ask_wanted_code();
    }

    /// The next code is made when the user wants it.
    fn next_by_user(&mut self, now: UnixMillis) {
        if self.codes_left == 0 {
            return self.no_codes(PairError::Exhausted, now);
        }
        self.code = Code::NeedsRefresh;
        self.show();
    }

    /// A code that lives long is replaced after a while (R041). The server knows one code of a connection: the next one
    /// comes on the next.
    pub(super) fn refresh_when_due(&mut self, now: UnixMillis) {
        if self.code.refresh_at().is_none_or(|at| now < at) {
            return;
        }
        self.code_over("refreshed", false);
        self.code = Code::Wanted;
        self.reconnect();
    }

    fn reconnect(&mut self) {
        self.is_ready = false;
        self.qr = None;
        self.out.push(Step::Reconnect { shows_qr: self.shows_qr });
        self.show();
    }

    pub(super) fn refresh_code(&mut self, now: UnixMillis) -> Result<(), PairError> {
        match &self.code {
            Code::Live { shown, .. } => {
                return Err(PairError::CodeOutstanding { remaining: shown.expires_at.since(now) });
            }
            Code::Off(Some(error)) => return Err(error.clone()),
            Code::Off(None) | Code::Wanted | Code::Asked { .. } => {}
            Code::NeedsRefresh if self.is_ready => self.ask_code(),
            Code::NeedsRefresh => {
                self.code = Code::Wanted;
                // One that lost its connection comes back by itself where QR codes are shown.
                if !self.shows_qr {
                    self.reconnect();
                }
            }
        }
        Ok(())
    }

    /// The server heard nothing of the code that was counted.
    const fn give_back(&mut self) {
        self.codes_left += 1;
    }
}
