//! Passkeys that phones want while they link: asked over HTTP, signed by a browser or a platform's dialog elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use wa_core::client::{AuthenticatorError, PasskeyAssertion};
use wa_manager::AccountId;
use wa_manager::pairing::{PairError, PairingTicket, PairingUpdate, SecretText};

/// What is wanted of an account's passkey now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The JSON of WebAuthn's request options, to be signed.
    pub(crate) challenge: Option<SecretText>,
    /// The code that the phone must show, too.
    pub(crate) code: Option<SecretText>,
}

enum Answer {
    Signed(Result<PasskeyAssertion, AuthenticatorError>),
    Same(bool),
}

type Asked = (Answer, oneshot::Sender<Result<(), PairError>>);

#[derive(Debug)]
struct Held {
    wanted: Wanted,
    answers: mpsc::Sender<Asked>,
}

/// The tickets whose passkeys are signed over HTTP.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passkeys {
    held: Arc<Mutex<HashMap<AccountId, Held>>>,
}

impl Passkeys {
    /// Holds a ticket until its pairing ends.
    pub(crate) fn hold(&self, account: AccountId, mut ticket: PairingTicket) {
        let (answers, mut asked) = mpsc::channel::<Asked>(4);
        self.with(|held| {
            held.insert(account.clone(), Held { wanted: Wanted::default(), answers: answers.clone() })
        });
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    update = ticket.next() => match update {
                        Some(update) => this.note(&account, &answers, update),
                        None => break,
                    },
                    Some((answer, reply)) = asked.recv() => {
                        let _gone = reply.send(match answer {
                            Answer::Signed(signed) => ticket.respond_passkey(signed),
                            Answer::Same(is_same) => ticket.confirm_passkey(is_same),
                        });
                    }
                }
            }
            // Unless another one took its place.
            this.with(|held| {
                if held.get(&account).is_some_and(|held| held.answers.same_channel(&answers)) {
                    held.remove(&account);
                }
            });
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<AccountId, Held>) -> T) -> T {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, account: &AccountId, from: &mpsc::Sender<Asked>, update: PairingUpdate) {
        self.with(|held| {
            let Some(Held { wanted, answers }) = held.get_mut(account) else { return };
            if !answers.same_channel(from) {
                return; // another attempt is under way
            }
            match update {
                PairingUpdate::PasskeyChallenge { options } => wanted.challenge = Some(options),
                PairingUpdate::PasskeyConfirm { code, .. } => {
                    *wanted = Wanted { challenge: None, code: Some(code) };
                }
                PairingUpdate::PasskeyFailed | PairingUpdate::Accepted => *wanted = Wanted::default(),
                _ => {}
            }
        });
    }

    /// What is wanted now; `None` while nobody holds a ticket of this account.
    pub(crate) fn wanted(&self, account: &AccountId) -> Option<Wanted> {
        self.with(|held| held.get(account).map(|held| held.wanted.clone()))
    }

    /// Hands over what was signed, or why it was not.
    pub(crate) async fn respond(
        &self,
        account: &AccountId,
        signed: Result<PasskeyAssertion, AuthenticatorError>,
    ) -> Result<(), PairError> {
        self.answer(account, Answer::Signed(signed)).await
    }

    /// Says whether both screens show the same code.
    pub(crate) async fn confirm(&self, account: &AccountId, is_same: bool) -> Result<(), PairError> {
        self.answer(account, Answer::Same(is_same)).await
    }

    async fn answer(&self, account: &AccountId, answer: Answer) -> Result<(), PairError> {
        let answers = self.with(|held| held.get(account).map(|held| held.answers.clone()));
        let (reply, done) = oneshot::channel();
        let answers = answers.ok_or(PairError::NotPairing)?;
        answers.send((answer, reply)).await.map_err(|_| PairError::NotPairing)?;
        done.await.map_err(|_| PairError::NotPairing)?
    }
}
