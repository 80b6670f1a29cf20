//! The passkey that a phone may want is signed by whoever holds the ticket: in a browser, or the platform's dialog.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use wa_core::client::{AuthenticatorError, HookFuture, PasskeyAssertion, PasskeyAuthenticator};
use wa_core::pairing::PairingCode;

use super::error::PairError;
use super::ticket::Updates;
use super::update::PairingUpdate;
use super::view::SecretText;

/// Asks the holder of a ticket, and waits for the answer.
#[derive(Debug)]
pub(super) struct HolderPasskey {
    updates: Arc<Updates>,
    asked: Mutex<Asked>,
}

/// What the holder was asked. A newer question takes the place of an older one of its kind.
#[derive(Debug, Default)]
struct Asked {
    assertion: Option<oneshot::Sender<Result<PasskeyAssertion, AuthenticatorError>>>,
    confirmation: Option<oneshot::Sender<bool>>,
    is_holder_gone: bool,
}

impl HolderPasskey {
    pub(super) fn new(updates: Arc<Updates>) -> Self {
        Self { updates, asked: Mutex::default() }
    }

    pub(super) fn respond(
        &self,
        answer: Result<PasskeyAssertion, AuthenticatorError>,
    ) -> Result<(), PairError> {
        let asked = self.asked().assertion.take();
        asked.and_then(|asked| asked.send(answer).ok()).ok_or(PairError::NotPairing)
    }

    pub(super) fn confirm(&self, is_same: bool) -> Result<(), PairError> {
        let asked = self.asked().confirmation.take();
        asked.and_then(|asked| asked.send(is_same).ok()).ok_or(PairError::NotPairing)
    }

    /// Nobody answers any more.
    pub(super) fn holder_gone(&self) {
        *self.asked() = Asked { is_holder_gone: true, ..Asked::default() };
    }

    /// Takes note of a question; none where nobody answers.
    fn ask<T>(
        &self,
        slot: impl FnOnce(&mut Asked) -> &mut Option<oneshot::Sender<T>>,
    ) -> Option<oneshot::Receiver<T>> {
        let mut asked = self.asked();
        let (reply, answer) = oneshot::channel();
        (!asked.is_holder_gone).then(|| {
            *slot(&mut asked) = Some(reply);
            answer
        })
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PasskeyAuthenticator for HolderPasskey {
    fn assert<'a>(
        &'a self,
        options: &'a str,
    ) -> HookFuture<'a, Result<PasskeyAssertion, AuthenticatorError>> {
        Box::pin(async move {
            let nobody = || AuthenticatorError::Failed("nobody holds the ticket".to_owned());
            let answer = self.ask(|asked| &mut asked.assertion).ok_or_else(nobody)?;
            self.updates.tell(PairingUpdate::PasskeyChallenge { options: SecretText::new(options) });
            answer.await.unwrap_or_else(|_| Err(nobody()))
        })
    }

    /// Where nobody holds the ticket, the word of the phone's user is enough.
    fn confirm<'a>(&'a self, code: &'a PairingCode) -> HookFuture<'a, bool> {
        Box::pin(async move {
            let Some(answer) = self.ask(|asked| &mut asked.confirmation) else { return true };
            let code = SecretText::new(code.to_string());
            self.updates.tell(PairingUpdate::PasskeyConfirm { code, is_asked: true });
            answer.await.unwrap_or(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use wa_types::UnixMillis;

    use super::*;
    use crate::ids::TicketId;
    use crate::pairing::{PairingMethod, PairingTicket};

    #[tokio::test]
    async fn the_holder_signs_and_compares() {
        let (mut ticket, side) =
            PairingTicket::new(TicketId::of([1; 16]), PairingMethod::Qr, UnixMillis(600_000));
        let authenticator = side.authenticator();
        let signed = PasskeyAssertion::new([1, 2], "{}");
        assert_eq!(ticket.respond_passkey(Ok(signed.clone())), Err(PairError::NotPairing));

        let holder = async {
            let Some(PairingUpdate::PasskeyChallenge { options }) = ticket.next().await else { panic!() };
            assert_eq!(options.expose(), "{\"challenge\":1}");
            ticket.respond_passkey(Ok(signed.clone())).unwrap();
        };
        let (answer, ()) = tokio::join!(authenticator.assert("{\"challenge\":1}"), holder);
        assert_eq!(answer, Ok(signed.clone()));

        let code = PairingCode::from_bits([1; 5]);
        assert_eq!(ticket.confirm_passkey(true), Err(PairError::NotPairing));
        for is_same in [true, false] {
            // Whoever is told the code can answer at once.
            let compare = async {
                let shown = ticket.next().await.unwrap();
                let told = SecretText::new(code.to_string());
                assert_eq!(shown, PairingUpdate::PasskeyConfirm { code: told, is_asked: true });
                ticket.confirm_passkey(is_same).unwrap();
            };
            let (answer, ()) = tokio::join!(authenticator.confirm(&code), compare);
            assert_eq!(answer, is_same);
        }

        // Given up: the answer comes too late.
        assert!(authenticator.assert("{}").now_or_never().is_none());
        assert_eq!(ticket.respond_passkey(Err(AuthenticatorError::Declined)), Err(PairError::NotPairing));
    }

    #[tokio::test]
    async fn without_a_holder_nobody_is_waited_for() {
        let (ticket, side) =
            PairingTicket::new(TicketId::of([1; 16]), PairingMethod::Qr, UnixMillis(600_000));
        let authenticator = side.authenticator();
        let (answer, ()) = tokio::join!(authenticator.assert("{}"), async { drop(ticket) });
        assert!(matches!(answer, Err(AuthenticatorError::Failed(_))));
        assert!(authenticator.assert("{}").await.is_err());
        assert!(authenticator.confirm(&PairingCode::from_bits([1; 5])).await);
    }
}
