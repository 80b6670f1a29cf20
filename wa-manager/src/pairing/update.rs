//! What the holder of a ticket hears, and what the account's actor is to do.

use std::time::Duration;

use serde_json::Value;
use wa_core::event::Paired;
use wa_types::{Jid, PhoneNumber};

use super::error::PairError;
use super::view::{SecretText, Shown};
use crate::account::{AccountStatus, Reason};
use crate::event::EventKind;

/// What happened to an attempt. A later one of the same kind replaces an earlier one that nobody has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairingUpdate {
    /// Show this QR code instead of the one before.
    Qr(Shown),
    /// Show this code to be typed.
    Code(Shown),
    /// The code on show links nothing any more. Another one follows by itself, unless `needs_refresh`.
    CodeExpired {
        /// The user has to ask for the next one: [`super::PairingTicket::refresh`].
        needs_refresh: bool,
    },
    /// There is no code to be typed. QR codes go on where they are shown; after 452 they are shown from now on.
    CodeRefused(PairError),
    /// The phone wants a passkey: have this signed, and answer with [`super::PairingTicket::respond_passkey`] within
    /// three minutes.
    PasskeyChallenge {
        /// The JSON of WebAuthn's request options (`PublicKeyCredentialRequestOptions`, with base64url for bytes).
        options: SecretText,
    },
    /// Both screens show this code; the user compares them and confirms on the phone.
    PasskeyConfirm {
        /// The code.
        code: SecretText,
        /// Say with [`super::PairingTicket::confirm_passkey`] whether they are the same; otherwise the phone's word
        /// is enough.
        is_asked: bool,
    },
    /// The passkey did not do. QR codes and codes go on.
    PasskeyFailed,
    /// A phone's answer did not hold, as after a wrong code. What is on show still links.
    AnswerRefused,
    /// The phone accepted; the login follows.
    Accepted,
    /// Linked and logged in.
    Linked(LinkedDevice),
    /// The link held through its probation. The ticket ends.
    Confirmed,
    /// There is no link. The ticket ends.
    Failed(PairError),
}

/// The device that was linked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made again after a restart, of what the row kept")]
pub struct LinkedDevice {
    /// By phone number, with the number of the device.
    pub jid: Jid,
    /// By LID.
    pub lid: Option<Jid>,
    /// The phone's platform, in the server's word.
    pub platform: Option<String>,
    /// The business's name, for business accounts.
    pub business_name: Option<String>,
}

impl LinkedDevice {
    /// Its phone number.
    #[must_use]
    pub fn phone(&self) -> Option<PhoneNumber> {
        PhoneNumber::new(self.jid.user()).ok()
    }
}

impl From<&Paired> for LinkedDevice {
    fn from(paired: &Paired) -> Self {
        Self {
            jid: paired.jid.clone(),
            lid: paired.lid.clone(),
            platform: paired.platform.clone(),
            business_name: paired.business_name.clone(),
        }
    }
}

/// What the actor is to do, in this order. A status and the events next to it belong into one commit.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Ask for a code through [`super::PairLimiter::make_code`], and hand the answer to [`super::Attempt::on_code`].
    AskCode {
        /// For this phone.
        phone: PhoneNumber,
        /// Whether the phone shows a notification.
        notifies: bool,
    },
    /// End the connection, if there is one, and connect again. Where `shows_qr`, only after
    /// [`super::PairLimiter::round`] allowed it; a refusal goes to [`super::Attempt::on_limited`].
    Reconnect {
        /// QR codes will be shown.
        shows_qr: bool,
    },
    /// Tell the holder of the ticket.
    Tell(PairingUpdate),
    /// What is to be shown changed: hand [`super::Attempt::view`] to [`super::ViewPublisher::publish`].
    Show,
    /// The account stands there.
    Status(AccountStatus, Option<Reason>),
    /// Something for the event log, with no secrets in it.
    Event(EventKind, Value),
    /// The limits want to know: [`super::PairLimiter::note`].
    Note(LimitNote),
    /// The link is gone within its probation: ask [`super::PairLimiter::unstable`] what follows, and hand the answer to
    /// [`super::Attempt::on_unstable`].
    AskUnstable,
    /// A phone accepted: the [`super::PairSubject`] has its number from here on, also where a QR code was scanned by
    /// whomever.
    Accepted(LinkedDevice),
    /// What the phone accepted never came about at the server: nothing of it stays, and the attempt waits again.
    Unconfirmed,
    /// The account is linked: its row gets these addresses.
    Linked(LinkedDevice),
    /// The attempt is over, and nothing may be asked of it any more.
    Done(Result<(), PairError>),
}

/// What the limits want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitNote {
    /// A code is on show that was not asked for: it counts.
    CodeMade {
        /// How long it lives.
        expires_in: Duration,
    },
    /// The code that was live links nothing any more.
    CodeGone,
    /// The server refused what was done with a code.
    Refused {
        /// Its code.
        code: u16,
        /// How long it wants us to wait.
        retry_after: Option<Duration>,
    },
    /// A link, by a device with this number.
    Linked {
        /// The number.
        device: u16,
    },
    /// The link held.
    Confirmed,
    /// The attempt ended without a link.
    Failed(PairError),
}
