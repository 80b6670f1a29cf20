//! Linking with an eight-character code. Protocol: pairing, "Linking with an 8-character code".
//!
//! ```text
//! Idle ─ asked ─> Waiting ─ pair-device ─> Asking ─ reference ─> Live ─ phone answers (3 at most) ─> Live, secret known
//!  ^                └──── refused, lost ─────┴────── time, refresh, lost ──┘                            └─> linked
//! ```

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use wa_store::AdvSecret;
use wa_types::{PhoneNumber, PublicKey};

use super::PairingAnswer;
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::crypto::{CryptoError, SystemRandom};
use crate::driver::upkeep::Fetched;
use crate::driver::{Actor, Link, Step, clock};
use crate::error::PairCodeError;
use crate::event::{CodeVoid, Event, PairingCodeShown};
use crate::pairing::code::{CodeFinish, CodeLink, platform_display};
use crate::pairing::{ClientType, PairingCode};
use crate::stanza::iq::md::code::{CompanionFinish, CompanionHello};

/// How many phones' answers one code takes.
const ANSWERS: u8 = 3;

/// How long the server may take for the last step.
const FINISH_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// How a pairing code is made, and by whom.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct PairCodeOptions {
    chosen: Option<PairingCode>,
    renews: bool,
    is_quiet: bool,
}

impl PairCodeOptions {
    /// A code that the library makes, announced by a notification on the phone.
    pub fn new() -> Self {
        Self::default()
    }

    /// This code instead of one that the library makes. Whoever knows it can link this device while it is live: choose
    /// it at random. It is never renewed by itself.
    pub fn code(mut self, code: PairingCode) -> Self {
        self.chosen = Some(code);
        self
    }

    /// When nobody typed the code in time, the library makes another one as long as the connection lasts:
    /// [`crate::Event::PairingCode`] tells it. Each one counts towards the server's limit.
    pub const fn renew_when_expired(mut self) -> Self {
        self.renews = true;
        self
    }

    /// No notification on the phone: the user has to open the list of linked devices.
    pub const fn without_notification(mut self) -> Self {
        self.is_quiet = true;
        self
    }
}

/// What a handle asks for.
#[derive(Debug)]
pub(crate) struct PairCodeJob {
    pub(crate) phone: PhoneNumber,
    pub(crate) options: PairCodeOptions,
    pub(crate) reply: oneshot::Sender<Result<PairingCodeShown, PairCodeError>>,
}

/// A code, from the call to its end.
#[derive(Debug, Default)]
pub(super) enum CodeFlow {
    #[default]
    Idle,
    /// For a connection that is ready for pairing.
    Waiting {
        job: PairCodeJob,
        until: Instant,
    },
    /// For the server's reference.
    Asking {
        request: Request,
        link: Arc<CodeLink>,
        /// None when the code is made by itself, after another.
        reply: Option<oneshot::Sender<Result<PairingCodeShown, PairCodeError>>>,
    },
    Live(LiveCode),
}

/// For whom a code is, and how it is made.
#[derive(Debug)]
pub(super) struct Request {
    phone: PhoneNumber,
    options: PairCodeOptions,
}

/// A code that a phone may answer.
#[derive(Debug)]
pub(super) struct LiveCode {
    request: Request,
    link: Arc<CodeLink>,
    reference: Vec<u8>,
    expires_at: Instant,
    answers: u8,
    /// What the answers led to. Which phone had the right code shows in the pair-success.
    secrets: Vec<AdvSecret>,
    /// A phone answered, and is to link us by then.
    linked_by: Option<Instant>,
}

/// Answers to what a code asked.
pub(in crate::driver) enum CodeAnswer {
    /// To the announcement.
    Hello(Result<Vec<u8>, RequestError>),
    /// What we make of a phone's answer.
    Computed { reference: Vec<u8>, result: Result<CodeFinish, CryptoError> },
    /// To the last step.
    Finished { reference: Vec<u8>, result: Result<(), RequestError> },
}

impl CodeFlow {
    pub(super) fn next_at(&self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Asking { .. } => None,
            Self::Waiting { until, .. } => Some(*until),
            Self::Live(live) => Some(live.next_at()),
        }
    }

    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self, Self::Asking { .. } | Self::Live(_))
    }

    /// The secrets that a pair-success may be made with.
    pub(super) fn secrets(&self) -> &[AdvSecret] {
        match self {
            Self::Live(live) => &live.secrets,
            _ => &[],
        }
    }

    /// The connection is gone. A call that waits for one goes on waiting if one comes.
    pub(super) fn set_down(&mut self, comes_back: bool) -> Option<Event> {
        match std::mem::take(self) {
            Self::Idle => None,
            waiting @ Self::Waiting { .. } if comes_back => {
                *self = waiting;
                None
            }
            Self::Waiting { job, .. } => {
                let _ = job.reply.send(Err(PairCodeError::NotConnected));
                None
            }
            Self::Asking { reply: Some(reply), .. } => {
                let _ = reply.send(Err(PairCodeError::Request(RequestError::ConnectionLost)));
                None
            }
            Self::Asking { reply: None, .. } | Self::Live(_) => {
                Some(Event::PairingCodeVoid { reason: CodeVoid::ConnectionLost })
            }
        }
    }

    fn live(&mut self, reference: &[u8]) -> Option<&mut LiveCode> {
        match self {
            Self::Live(live) if live.reference == reference => Some(live),
            _ => None,
        }
    }
}

impl LiveCode {
    /// A phone that answered in time may take longer than the code lives.
    fn next_at(&self) -> Instant {
        self.linked_by.unwrap_or(self.expires_at)
    }
}

impl Actor {
    /// A handle asks for a code. It is made at once, or as soon as a connection is ready for it.
    pub(in crate::driver) async fn pair_with_code(&mut self, job: PairCodeJob, step: &mut Step) {
        let now = clock::now();
        let refusal = match &self.linking.code {
            _ if self.account.logged_out => Some(PairCodeError::LoggedOut),
            _ if self.account.is_paired() => Some(PairCodeError::AlreadyPaired),
            CodeFlow::Live(live) => Some(PairCodeError::Live {
                code: live.link.code().clone(),
                expires_in: live.expires_at.saturating_duration_since(now),
            }),
            CodeFlow::Waiting { .. } | CodeFlow::Asking { .. } => Some(PairCodeError::InProgress),
            CodeFlow::Idle => None,
        };
        if let Some(refusal) = refusal {
            let _ = job.reply.send(Err(refusal));
            return;
        }
        if self.linking.is_open {
            let PairCodeJob { phone, options, reply } = job;
            return self.ask_for_code(Request { phone, options }, Some(reply), step);
        }
        self.linking.code = CodeFlow::Waiting { job, until: now + self.config.pairing.connection };
        if matches!(self.link, Link::Down { .. }) {
            self.backoff.reset();
            self.connect().await;
        }
    }

    /// The connection is ready: makes the code that a call waits for.
    pub(super) fn ask_for_waiting_code(&mut self, step: &mut Step) {
        match std::mem::take(&mut self.linking.code) {
            CodeFlow::Waiting { job: PairCodeJob { phone, options, reply }, .. } => {
                self.ask_for_code(Request { phone, options }, Some(reply), step);
            }
            other => self.linking.code = other,
        }
    }

    fn ask_for_code(
        &mut self,
        request: Request,
        reply: Option<oneshot::Sender<Result<PairingCodeShown, PairCodeError>>>,
        step: &mut Step,
    ) {
        let Some(requester) = self.requester().cloned() else { return };
        let code = match &request.options.chosen {
            Some(code) => code.clone(),
            None => PairingCode::generate(&mut self.random),
        };
        let link = Arc::new(CodeLink::new(code, &mut self.random));
        let (jid, notifies) = (request.phone.to_jid(), !request.options.is_quiet);
        let noise_key = self.account.noise.public;
        let platform_id = ClientType::from(self.config.profile.platform).code();
        let platform_display = platform_display(&self.config.profile);
        self.linking.code = CodeFlow::Asking { request, link: Arc::clone(&link), reply };
        step.questions.push(Box::pin(async move {
            let wrapped_key = link.wrapped_key(&mut SystemRandom);
            let hello =
                CompanionHello { jid, wrapped_key, noise_key, platform_id, platform_display, notifies };
            let answer = requester.ask(hello, REQUEST_LIMIT).await;
            Fetched::Pairing(PairingAnswer::Code(CodeAnswer::Hello(answer)))
        }));
    }

    pub(super) fn handle_code_answer(&mut self, answer: CodeAnswer, step: &mut Step) {
        match answer {
            CodeAnswer::Hello(result) => self.show_code(result, step),
            CodeAnswer::Computed { reference, result } => match result {
                Ok(finish) => self.finish_code(reference, finish, step),
                // No honest phone sends such a key; it is counted, and otherwise as if nothing had come.
                Err(error) => tracing::warn!(%error, "a phone's answer to the code"),
            },
            CodeAnswer::Finished { reference, result: Err(error) } => {
                if self.linking.code.live(&reference).is_some() {
                    self.void_code(CodeVoid::Refused(error), step);
                }
            }
            CodeAnswer::Finished { result: Ok(()), .. } => {}
        }
    }

    /// The server took the announcement, or not.
    fn show_code(&mut self, result: Result<Vec<u8>, RequestError>, step: &mut Step) {
        let (request, link, reply) = match std::mem::take(&mut self.linking.code) {
            CodeFlow::Asking { request, link, reply } => (request, link, reply),
            other => return self.linking.code = other,
        };
        match result {
            Ok(reference) => {
                let expires_in = self.config.pairing.code;
                let shown = PairingCodeShown::new(link.code().clone(), expires_in);
                step.events.push(Event::PairingCode(shown.clone()));
                if let Some(reply) = reply {
                    let _ = reply.send(Ok(shown));
                }
                self.linking.code = CodeFlow::Live(LiveCode {
                    request,
                    link,
                    reference,
                    expires_at: clock::now() + expires_in,
                    answers: 0,
                    secrets: Vec::new(),
                    linked_by: None,
                });
            }
            Err(error) => match reply {
                Some(reply) => {
                    let _ = reply.send(Err(error.into()));
                }
                None => {
                    step.events.push(Event::PairingCodeVoid { reason: CodeVoid::NotRenewed(error.into()) })
                }
            },
        }
    }

    /// A phone answers the code. Whether its user typed the right one is not seen yet.
    pub(super) fn answer_phone(
        &mut self,
        reference: &[u8],
        wrapped_key: Box<[u8; 80]>,
        primary_identity: PublicKey,
        step: &mut Step,
    ) {
        let now = clock::now();
        let Some(live) = self.linking.code.live(reference).filter(|live| now < live.expires_at) else {
            return tracing::debug!("a phone answers a code that is not live");
        };
        if live.answers >= ANSWERS {
            return self.void_code(CodeVoid::TooManyAnswers, step);
        }
        live.answers += 1;
        let (link, reference) = (Arc::clone(&live.link), reference.to_vec());
        let identity = self.account.identity.clone();
        step.questions.push(Box::pin(async move {
            let result = link.finish(&identity, &wrapped_key, &primary_identity, &mut SystemRandom);
            Fetched::Pairing(PairingAnswer::Code(CodeAnswer::Computed { reference, result }))
        }));
    }

    /// Answers the phone. The secret is known before the answer leaves, and so before the pair-success comes.
    fn finish_code(&mut self, reference: Vec<u8>, finish: CodeFinish, step: &mut Step) {
        let Some(requester) = self.requester().cloned() else { return };
        let linked_by = clock::now() + self.config.pairing.confirmation;
        let Some(live) = self.linking.code.live(&reference) else { return };
        live.secrets.push(finish.secret);
        live.linked_by = Some(linked_by);
        let request = CompanionFinish {
            jid: live.request.phone.to_jid(),
            bundle: finish.bundle,
            identity: self.account.identity.public,
            reference: reference.clone(),
        };
        step.questions.push(Box::pin(async move {
            let result = requester.ask(request, FINISH_LIMIT).await;
            Fetched::Pairing(PairingAnswer::Code(CodeAnswer::Finished { reference, result }))
        }));
    }

    /// The server wants another code.
    pub(super) fn refresh_code(&mut self, reference: &[u8], by_user: bool, step: &mut Step) {
        if self.linking.code.live(reference).is_some() {
            let reason = if by_user { CodeVoid::RefreshByUser } else { CodeVoid::Refreshed };
            self.void_code(reason, step);
        }
    }

    /// What is due by time.
    pub(super) fn continue_code(&mut self, now: Instant, step: &mut Step) {
        match &self.linking.code {
            CodeFlow::Waiting { until, .. } if now >= *until => {
                if let CodeFlow::Waiting { job, .. } = std::mem::take(&mut self.linking.code) {
                    let _ = job.reply.send(Err(PairCodeError::Timeout));
                }
            }
            CodeFlow::Live(live) if now >= live.next_at() => {
                let reason =
                    if live.linked_by.is_some() { CodeVoid::NotConfirmed } else { CodeVoid::Expired };
                self.void_code(reason, step);
            }
            _ => {}
        }
    }

    /// Ends the live code; another one takes its place where that is wanted.
    fn void_code(&mut self, reason: CodeVoid, step: &mut Step) {
        let CodeFlow::Live(live) = std::mem::take(&mut self.linking.code) else { return };
        let options = &live.request.options;
        let is_renewed = options.chosen.is_none()
            && match reason {
                CodeVoid::Refreshed => true,
                CodeVoid::Expired => options.renews,
                _ => false,
            };
        step.events.push(Event::PairingCodeVoid { reason });
        if is_renewed {
            self.ask_for_code(live.request, None, step);
        }
    }
}
