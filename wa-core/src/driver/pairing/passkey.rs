//! Linking that a passkey vouches for. Protocol: pairing, "Passkey-gated linking".
//!
//! ```text
//! request ─> Asserting ─ authenticator ─> Begun ─ phone's half ─> Met ─ confirmed ─> Told ─ pair-success ─> linked
//! ```

use std::time::{Duration, Instant};

use tokio::time::timeout;
use wa_store::AdvSecret;

use super::PairingAnswer;
use super::hooks::{AuthenticatorError, PasskeyAssertion, PasskeyAuthenticator};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::crypto::Random as _;
use crate::driver::requester::Requester;
use crate::driver::upkeep::Fetched;
use crate::driver::{Actor, Step, clock};
use crate::event::{Event, PasskeyFailure, PasskeyProgress};
use crate::pairing::passkey::{
    CompanionKeys, Meeting, PasskeyError, PrimaryEphemeral, Prologue, handoff_proof,
};
use crate::stanza::iq::md::passkey::{
    CompanionNonce, EncryptedRequest, PasskeyOptions, PasskeyPrologue, PasskeyReference,
};

/// How long the secret of the link before proves anything.
const HANDOFF: Duration = Duration::from_secs(300);

/// A link that a passkey vouches for. Answers to an earlier one carry another number.
#[derive(Debug, Default)]
pub(super) struct PasskeyFlow {
    number: u64,
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    until: Instant,
    is_handed_off: bool,
}

#[derive(Debug)]
enum Phase {
    /// The authenticator signs.
    Asserting,
    /// The phone makes its half.
    Begun(Prologue),
    /// The user compares the codes.
    Met(Meeting),
    /// The phone knows our keys, and this secret.
    Told(AdvSecret),
}

/// Answers to what such a link asked, with its number.
pub(in crate::driver) enum PasskeyAnswer {
    Asserted(u64, Result<(String, PasskeyAssertion), PasskeyFailure>),
    /// The server took a part, or not.
    Taken(u64, Result<(), RequestError>),
    Confirmed(u64, Result<(), PasskeyFailure>),
}

impl PasskeyFlow {
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.state.as_ref().map(|state| state.until)
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.state.is_some()
    }

    /// The secret that a pair-success may be made with.
    pub(super) const fn secret(&self) -> Option<&AdvSecret> {
        match &self.state {
            Some(State { phase: Phase::Told(secret), .. }) => Some(secret),
            _ => None,
        }
    }

    pub(super) fn set_down(&mut self) -> Option<Event> {
        let failed = PasskeyProgress::Failed(PasskeyFailure::ConnectionLost);
        self.state.take().map(|_| Event::Passkey(failed))
    }
}

impl Actor {
    /// The phone wants a passkey. One that is under way is given up for the new one.
    pub(super) fn begin_passkey(&mut self, options: Option<String>, step: &mut Step) {
        let (Some(authenticator), Some(requester)) =
            (self.config.authenticator.clone(), self.requester().cloned())
        else {
            return step.events.push(Event::Passkey(PasskeyProgress::NoAuthenticator));
        };
        let limit = self.config.pairing.passkey;
        let flow = &mut self.linking.passkey;
        flow.number += 1;
        let number = flow.number;
        let until = clock::now() + limit;
        flow.state = Some(State { phase: Phase::Asserting, until, is_handed_off: false });
        step.events.push(Event::Passkey(PasskeyProgress::Asked));
        step.questions.push(Box::pin(async move {
            let asserted = timeout(limit, assert(&*authenticator, &requester, options)).await;
            let result = asserted.unwrap_or(Err(PasskeyFailure::Timeout));
            Fetched::Pairing(PairingAnswer::Passkey(PasskeyAnswer::Asserted(number, result)))
        }));
    }

    pub(super) fn handle_passkey_answer(&mut self, answer: PasskeyAnswer, step: &mut Step) {
        let (PasskeyAnswer::Asserted(number, _)
        | PasskeyAnswer::Taken(number, _)
        | PasskeyAnswer::Confirmed(number, _)) = &answer;
        if *number != self.linking.passkey.number || !self.linking.passkey.is_under_way() {
            return;
        }
        match answer {
            PasskeyAnswer::Asserted(number, Ok((reference, assertion))) => {
                self.open_prologue(number, reference, assertion, step);
            }
            PasskeyAnswer::Confirmed(number, Ok(())) => self.tell_keys(number, step),
            PasskeyAnswer::Asserted(_, Err(failure)) | PasskeyAnswer::Confirmed(_, Err(failure)) => {
                self.fail_passkey(failure, step);
            }
            PasskeyAnswer::Taken(_, Err(error)) => self.fail_passkey(error.into(), step),
            PasskeyAnswer::Taken(_, Ok(())) => {}
        }
    }

    /// The passkey signed: begins with our half.
    fn open_prologue(
        &mut self,
        number: u64,
        reference: String,
        assertion: PasskeyAssertion,
        step: &mut Step,
    ) {
        let Some(requester) = self.requester().cloned() else { return };
        let device_type = self.config.profile.platform.number();
        let prologue = Prologue::new(reference, device_type, &mut self.random);
        let now = clock::now();
        let previous = self.linking.handoff.as_ref().filter(|(_, at)| now < *at + HANDOFF);
        let handoff_proof = previous.map(|(secret, _)| handoff_proof(secret, prologue.payload()));
        let request = PasskeyPrologue {
            credential_id: assertion.credential_id,
            assertion: assertion.json,
            payload: prologue.payload().to_vec(),
            handoff_proof,
        };
        self.linking.passkey.state = Some(State {
            phase: Phase::Begun(prologue),
            until: now + self.config.pairing.passkey,
            is_handed_off: handoff_proof.is_some(),
        });
        step.questions.push(Box::pin(async move {
            let taken = requester.ask(request, REQUEST_LIMIT).await;
            Fetched::Pairing(PairingAnswer::Passkey(PasskeyAnswer::Taken(number, taken)))
        }));
    }

    /// The phone's half came: reveals our nonce, and shows the code of both.
    pub(super) fn continue_passkey(&mut self, primary: &[u8], step: &mut Step) {
        let number = self.linking.passkey.number;
        let Some(State { phase: phase @ Phase::Begun(_), is_handed_off, .. }) =
            &mut self.linking.passkey.state
        else {
            return tracing::debug!("a phone's half that nobody waits for");
        };
        let Phase::Begun(prologue) = &*phase else { return };
        let half = PrimaryEphemeral::decode(primary);
        let met = half.and_then(|half| prologue.meet(&half).map_err(|_| PasskeyError::Malformed));
        let nonce = CompanionNonce(*prologue.nonce());
        let meeting = match met {
            Ok(meeting) => meeting,
            Err(error) => return self.fail_passkey(error.into(), step),
        };
        let (code, is_handed_off) = (meeting.code().clone(), *is_handed_off);
        *phase = Phase::Met(meeting);
        step.events.push(Event::Passkey(PasskeyProgress::Code { code: code.clone(), is_handed_off }));
        let Some(requester) = self.requester().cloned() else { return };
        let authenticator = self.config.authenticator.clone().filter(|_| !is_handed_off);
        step.questions.push(Box::pin(async move {
            let confirmed = async {
                requester.ask(nonce, REQUEST_LIMIT).await?;
                match authenticator {
                    Some(authenticator) if !authenticator.confirm(&code).await => {
                        Err(PasskeyFailure::Declined)
                    }
                    _ => Ok(()),
                }
            };
            let answer = PasskeyAnswer::Confirmed(number, confirmed.await);
            Fetched::Pairing(PairingAnswer::Passkey(answer))
        }));
    }

    /// The codes are the same: the phone gets our keys, and a secret of its own.
    fn tell_keys(&mut self, number: u64, step: &mut Step) {
        let Some(requester) = self.requester().cloned() else { return };
        let until = clock::now() + self.config.pairing.confirmation;
        let secret = AdvSecret::new(self.random.array());
        let keys =
            CompanionKeys::new(self.account.noise.public, self.account.identity.public, secret.clone());
        let Some(state) = &mut self.linking.passkey.state else { return };
        let Phase::Met(meeting) = &state.phase else { return };
        let request = EncryptedRequest(meeting.seal(&keys, &mut self.random));
        state.phase = Phase::Told(secret);
        state.until = until;
        step.questions.push(Box::pin(async move {
            let taken = requester.ask(request, REQUEST_LIMIT).await;
            Fetched::Pairing(PairingAnswer::Passkey(PasskeyAnswer::Taken(number, taken)))
        }));
    }

    pub(super) fn continue_passkey_time(&mut self, now: Instant, step: &mut Step) {
        if self.linking.passkey.next_at().is_some_and(|until| now >= until) {
            self.fail_passkey(PasskeyFailure::Timeout, step);
        }
    }

    fn fail_passkey(&mut self, failure: PasskeyFailure, step: &mut Step) {
        tracing::info!(%failure, "no link by passkey");
        self.linking.passkey.state = None;
        step.events.push(Event::Passkey(PasskeyProgress::Failed(failure)));
    }
}

/// Has the passkey sign what the server wants; gives back the server's reference with it.
async fn assert(
    authenticator: &dyn PasskeyAuthenticator,
    requester: &Requester,
    options: Option<String>,
) -> Result<(String, PasskeyAssertion), PasskeyFailure> {
    let options = match options {
        Some(options) => options,
        None => requester.ask(PasskeyOptions, REQUEST_LIMIT).await?,
    };
    let assertion = authenticator.assert(&options).await.map_err(|error| match error {
        AuthenticatorError::Declined => PasskeyFailure::Declined,
        AuthenticatorError::Failed(why) => PasskeyFailure::Authenticator(why),
    })?;
    let reference = requester.ask(PasskeyReference, REQUEST_LIMIT).await?;
    Ok((reference, assertion))
}
