//! What happens while a device is being linked. Protocol: pairing.

use std::fmt;
use std::time::Duration;

use wa_types::Jid;

use crate::connection::RequestError;
use crate::error::PairCodeError;
use crate::pairing::PairingCode;
use crate::pairing::passkey::PasskeyError;

/// A QR code to show.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairingQr {
    /// The text to show as a QR code. It holds a secret: do not log it.
    pub text: String,
    /// How long it is good; then the next one comes, or none.
    pub expires_in: Duration,
}

impl fmt::Debug for PairingQr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairingQr(.., expires in {:?})", self.expires_in)
    }
}

/// A code for the user to type on the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairingCodeShown {
    /// The code; its `Display` is the form to show, `XXXX-XXXX`.
    pub code: PairingCode,
    /// How long it is good.
    pub expires_in: Duration,
}

impl PairingCodeShown {
    pub(crate) const fn new(code: PairingCode, expires_in: Duration) -> Self {
        Self { code, expires_in }
    }
}

/// Why a pairing code is no longer good. Unless it says otherwise, [`crate::Client::pair_with_code`] makes a new one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CodeVoid {
    /// Its time is up and no phone answered.
    #[error("nobody typed the code in time")]
    Expired,
    /// A phone answered, and did not link this device in time: most often the user typed another code.
    #[error("a phone answered, and did not link this device; most often the wrong code was typed")]
    NotConfirmed,
    /// Phones answered more often than one code allows.
    #[error("too many answers to one code")]
    TooManyAnswers,
    /// The server wants a new code. It is made by itself, and [`crate::Event::PairingCode`] follows, if the library made
    /// this one; else ask for one.
    #[error("the server wants a new code")]
    Refreshed,
    /// The server wants the user to ask for a new code.
    #[error("the server wants the user to ask for a new code")]
    RefreshByUser,
    /// The connection ended, and the code with it.
    #[error("the connection ended")]
    ConnectionLost,
    /// The server refused our answer to the phone.
    #[error("the server refused our answer to the phone")]
    Refused(#[source] RequestError),
    /// A new code was to be made by itself, and was not.
    #[error("no new code could be made")]
    NotRenewed(#[source] PairCodeError),
}

/// How far a link is that a passkey vouches for. QR codes and pairing codes go on meanwhile.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PasskeyProgress {
    /// The phone wants a passkey, and the authenticator was asked.
    Asked,
    /// The phone wants a passkey, and there is no authenticator: only a QR code or a pairing code links.
    NoAuthenticator,
    /// Both screens show this code; the user compares them and confirms on the phone.
    Code {
        /// The code; its `Display` is the form to show, `XXXX-XXXX`.
        code: PairingCode,
        /// We proved that this installation was linked before; the authenticator is not asked to confirm.
        is_handed_off: bool,
    },
    /// It ended without a link.
    Failed(PasskeyFailure),
}

/// Why a link that a passkey vouches for did not come about.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PasskeyFailure {
    /// The user does not want it, or the codes differ.
    #[error("the user declined")]
    Declined,
    /// The authenticator failed.
    #[error("the authenticator failed: {0}")]
    Authenticator(String),
    /// The server refused a part of it, or did not answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The phone's part is wrong.
    #[error("the phone's part is wrong")]
    Phone(#[from] PasskeyError),
    /// The phone, or the authenticator, did not go on in time.
    #[error("it took too long")]
    Timeout,
    /// The connection ended.
    #[error("the connection ended")]
    ConnectionLost,
}

/// The device was linked, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paired {
    /// Our own device, by phone number.
    pub jid: Jid,
    /// Our own device, by LID.
    pub lid: Option<Jid>,
    /// The phone's platform, in the server's word.
    pub platform: Option<String>,
    /// The business's name, for business accounts.
    pub business_name: Option<String>,
}
