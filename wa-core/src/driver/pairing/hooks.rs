//! What an application may add to pairing: whom to let in, a passkey, and how long things may take.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use crate::event::Paired;
use crate::pairing::PairingCode;

/// What the hooks of pairing return.
pub type HookFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Decides which accounts this client may be linked to.
///
/// It is asked once the phone's answer was checked, and before anything of it is stored or confirmed.
pub trait LinkGuard: fmt::Debug + Send + Sync {
    /// Whether to go on with this account. `false`, and no answer within [`PairingLimits::guard`], end the pairing: the
    /// phone shows a failure, nothing is kept, and [`crate::Event::PairingVetoed`] follows.
    fn admit<'a>(&'a self, account: &'a Paired) -> HookFuture<'a, bool>;
}

/// Signs with a passkey, in whatever way the application has one: the platform's dialog, a browser, a security key.
pub trait PasskeyAuthenticator: fmt::Debug + Send + Sync {
    /// Signs a challenge. `options` is the JSON of WebAuthn's request options (`PublicKeyCredentialRequestOptions`,
    /// with base64url for bytes). Dropped when the phone or the server gave up, or after [`PairingLimits::passkey`].
    fn assert<'a>(&'a self, options: &'a str)
    -> HookFuture<'a, Result<PasskeyAssertion, AuthenticatorError>>;

    /// Whether the phone shows this code too, as far as this side can tell. The user is asked on the phone in any case,
    /// so the default is yes. Not asked when this installation proved that it was linked before.
    fn confirm<'a>(&'a self, code: &'a PairingCode) -> HookFuture<'a, bool> {
        let _ = code;
        Box::pin(std::future::ready(true))
    }
}

/// What a passkey signed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasskeyAssertion {
    /// The credential's id, as bytes.
    pub credential_id: Vec<u8>,
    /// The JSON of WebAuthn's assertion: `{id, rawId, type, response{clientDataJSON, authenticatorData, signature,
    /// userHandle}}`, with base64url for bytes.
    pub json: String,
}

impl PasskeyAssertion {
    /// This assertion.
    pub fn new(credential_id: impl Into<Vec<u8>>, json: impl Into<String>) -> Self {
        Self { credential_id: credential_id.into(), json: json.into() }
    }
}

impl fmt::Debug for PasskeyAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasskeyAssertion(..)")
    }
}

/// Why there is no assertion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// The user does not want it.
    #[error("the user declined")]
    Declined,
    /// It did not work.
    #[error("{0}")]
    Failed(String),
}

/// How long the steps of pairing may take. The defaults are the service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairingLimits {
    /// How long [`crate::Client::pair_with_code`] waits for a connection that is ready for pairing.
    pub connection: Duration,
    /// How long a pairing code is good.
    pub code: Duration,
    /// How long a phone may take to link after it answered a code, and after a passkey's user confirmed.
    pub confirmation: Duration,
    /// How long the authenticator, and the phone after it, may take.
    pub passkey: Duration,
    /// How long the [`LinkGuard`] may take. The server waits about half a minute.
    pub guard: Duration,
}

impl Default for PairingLimits {
    fn default() -> Self {
        Self {
            connection: Duration::from_secs(60),
            code: Duration::from_secs(180),
            confirmation: Duration::from_secs(60),
            passkey: Duration::from_secs(180),
            guard: Duration::from_secs(15),
        }
    }
}
