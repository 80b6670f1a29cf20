//! How an account of a manager is linked to a phone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use wa_core::client::{AuthenticatorError, PasskeyAssertion};
use wa_manager::pairing::{self, Lang, PairError, Shown};

use crate::error::WaError;
use crate::queue::{CAPACITY, Filling, Queue};
use crate::runtime::{self, Task};
use crate::types::{self, Secret};

/// How a phone is to be linked.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct PairRequest {
    /// The phone's number, digits with the country code: for a code to type.
    #[uniffi(default = None)]
    pub phone_number: Option<String>,
    /// A QR code, too, or only. Without a number there is always one.
    #[uniffi(default = false)]
    pub with_qr: bool,
    /// The number may be linked to another account here.
    #[uniffi(default = false)]
    pub allow_relink: bool,
}

impl PairRequest {
    pub(crate) fn into_core(self) -> Result<pairing::PairRequest, WaError> {
        let request = match self.phone_number {
            None => pairing::PairRequest::qr(),
            Some(number) => {
                let number = types::phone_number(&number)?;
                if self.with_qr {
                    pairing::PairRequest::both(number)
                } else {
                    pairing::PairRequest::code(number)
                }
            }
        };
        Ok(if self.allow_relink { request.allow_relink() } else { request })
    }
}

/// What happens while a phone is linked.
#[derive(Debug, Clone, uniffi::Enum)]
pub enum PairingUpdate {
    /// A QR code to show, in place of the one before.
    Qr {
        /// The text to show as a QR code. A secret: do not log it.
        text: Secret,
        /// When it is worth nothing any more.
        expires_at: SystemTime,
    },
    /// A code to type on the phone.
    Code {
        /// The code, as it is to be shown. A secret: do not log it.
        code: Secret,
        /// When it is worth nothing any more.
        expires_at: SystemTime,
    },
    /// The code is worth nothing any more.
    CodeExpired {
        /// A new one wants `refresh`.
        needs_refresh: bool,
    },
    /// There is no code to type; a QR code may still link.
    CodeRefused {
        /// Why, for programs.
        code: String,
        /// When it may be tried again.
        retry_after: Option<Duration>,
    },
    /// The phone wants a passkey: answer with `respond_passkey`.
    PasskeyChallenge {
        /// WebAuthn's request options, as JSON. A secret: do not log it.
        options: Secret,
    },
    /// The phone shows this code, too: answer with `confirm_passkey` if it is asked.
    PasskeyConfirm {
        /// The code, as it is to be shown. A secret: do not log it.
        code: Secret,
        /// Whether an answer is waited for.
        is_asked: bool,
    },
    /// The passkey did not do; codes still link.
    PasskeyFailed,
    /// A phone's answer did not hold, as after a wrong code. What is shown still links.
    AnswerRefused,
    /// The phone accepted; the login follows.
    Accepted,
    /// Linked, and logged in.
    Linked {
        /// The device, by phone number.
        jid: String,
        /// The device, by LID.
        lid: Option<String>,
    },
    /// The link held through its probation. The last update.
    Confirmed,
    /// It came to nothing. The last update.
    Failed {
        /// Why, for programs.
        code: String,
        /// Why, for logs.
        detail: String,
        /// When it may be tried again.
        retry_after: Option<Duration>,
        /// What the user can try, in English.
        hints: Vec<String>,
    },
    /// Something that this version has no form for.
    Unknown {
        /// What is known of it, for logs.
        debug: String,
    },
}

impl PairingUpdate {
    fn of(update: pairing::PairingUpdate) -> Self {
        use pairing::PairingUpdate as P;
        let shown =
            |shown: &Shown| (Secret(shown.text.expose().to_owned()), types::time_ms(shown.expires_at));
        match update {
            P::Qr(qr) => {
                let (text, expires_at) = shown(&qr);
                Self::Qr { text, expires_at }
            }
            P::Code(code) => {
                let (code, expires_at) = shown(&code);
                Self::Code { code, expires_at }
            }
            P::CodeExpired { needs_refresh } => Self::CodeExpired { needs_refresh },
            P::CodeRefused(error) => {
                Self::CodeRefused { code: error.code().to_owned(), retry_after: error.retry_after() }
            }
            P::PasskeyChallenge { options } => {
                Self::PasskeyChallenge { options: Secret(options.expose().to_owned()) }
            }
            P::PasskeyConfirm { code, is_asked } => {
                Self::PasskeyConfirm { code: Secret(code.expose().to_owned()), is_asked }
            }
            P::PasskeyFailed => Self::PasskeyFailed,
            P::AnswerRefused => Self::AnswerRefused,
            P::Accepted => Self::Accepted,
            P::Linked(device) => {
                Self::Linked { jid: device.jid.to_string(), lid: types::text(device.lid.as_ref()) }
            }
            P::Confirmed => Self::Confirmed,
            P::Failed(error) => Self::Failed {
                hints: error.hints(Lang::En).into_iter().map(str::to_owned).collect(),
                detail: error.to_string(),
                retry_after: error.retry_after(),
                code: WaError::from(error).code().to_owned(),
            },
            other => Self::Unknown { debug: format!("{other:?}") },
        }
    }
}

enum TicketCall {
    Refresh(oneshot::Sender<Result<(), PairError>>),
    Cancel(oneshot::Sender<Result<(), PairError>>),
    Respond(Result<PasskeyAssertion, AuthenticatorError>, oneshot::Sender<Result<(), PairError>>),
    Confirm(bool, oneshot::Sender<Result<(), PairError>>),
}

/// An attempt to link an account to a phone: while `ready`, `drain` what happened. It goes on when nobody holds it any more,
/// until its time is over: `Account.cancel_pairing` calls it off without it.
#[derive(uniffi::Object)]
pub struct PairingTicket {
    id: String,
    expires_at: SystemTime,
    queue: Arc<Queue<PairingUpdate>>,
    calls: mpsc::UnboundedSender<TicketCall>,
    /// Ends with the ticket.
    _pump: Task<()>,
}

impl std::fmt::Debug for PairingTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairingTicket").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PairingTicket {
    pub(crate) fn new(mut ticket: pairing::PairingTicket) -> Result<Arc<Self>, WaError> {
        let (id, expires_at) = (ticket.id().to_string(), types::time_ms(ticket.expires_at()));
        let queue = Arc::new(Queue::new(CAPACITY));
        let filled = Filling(Arc::clone(&queue));
        let (calls, mut called) = mpsc::unbounded_channel();
        let pump = Task::spawn(async move {
            loop {
                tokio::select! {
                    Some(call) = called.recv() => answer(&ticket, call).await,
                    update = ticket.next() => match update {
                        Some(update) => filled.put(PairingUpdate::of(update)),
                        None => return,
                    },
                }
            }
        })?;
        Ok(Arc::new(Self { id, expires_at, queue, calls, _pump: pump }))
    }

    async fn ask(
        &self,
        call: impl FnOnce(oneshot::Sender<Result<(), PairError>>) -> TicketCall,
    ) -> Result<(), WaError> {
        runtime::handle()?;
        let (answer, answered) = oneshot::channel();
        // A ticket that ended has no attempt under way.
        let _ = self.calls.send(call(answer));
        Ok(answered.await.unwrap_or(Err(PairError::NotPairing))?)
    }
}

/// Without an id and an assertion, the user declined.
pub(crate) fn passkey_answer(
    credential_id: Option<Vec<u8>>,
    assertion: Option<String>,
) -> Result<PasskeyAssertion, AuthenticatorError> {
    let (id, json) = credential_id.zip(assertion).ok_or(AuthenticatorError::Declined)?;
    Ok(PasskeyAssertion::new(id, json))
}

async fn answer(ticket: &pairing::PairingTicket, call: TicketCall) {
    let (outcome, to) = match call {
        TicketCall::Refresh(to) => (ticket.refresh().await, to),
        TicketCall::Cancel(to) => (ticket.cancel().await, to),
        TicketCall::Respond(answer, to) => (ticket.respond_passkey(answer), to),
        TicketCall::Confirm(is_same, to) => (ticket.confirm_passkey(is_same), to),
    };
    let _ = to.send(outcome);
}

#[uniffi::export]
impl PairingTicket {
    /// Its id.
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// When no phone may link any more.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// Waits for what happens next. True when something did, false when nothing will any more. Takes nothing: cancelling
    /// it loses nothing.
    pub async fn ready(&self) -> bool {
        self.queue.ready().await
    }

    /// Takes up to so many updates, without waiting.
    pub fn drain(&self, max: u32) -> Vec<PairingUpdate> {
        self.queue.drain(max)
    }

    /// Asks for a new code to type, which comes as `Code`. QR codes are replaced by themselves: where no code was asked for,
    /// nothing happens.
    pub async fn refresh(&self) -> Result<(), WaError> {
        self.ask(TicketCall::Refresh).await
    }

    /// Calls it off.
    pub async fn cancel(&self) -> Result<(), WaError> {
        self.ask(TicketCall::Cancel).await
    }

    /// Answers `PasskeyChallenge`. Without an id and an assertion, the user declined.
    #[uniffi::method(default(credential_id = None, assertion = None))]
    pub async fn respond_passkey(
        &self,
        credential_id: Option<Vec<u8>>,
        assertion: Option<String>,
    ) -> Result<(), WaError> {
        let answer = passkey_answer(credential_id, assertion);
        self.ask(|to| TicketCall::Respond(answer, to)).await
    }

    /// Answers `PasskeyConfirm`: whether the phone shows the same code.
    pub async fn confirm_passkey(&self, is_same: bool) -> Result<(), WaError> {
        self.ask(|to| TicketCall::Confirm(is_same, to)).await
    }
}
