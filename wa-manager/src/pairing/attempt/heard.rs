//! What the client tells, as an attempt hears it.

use std::time::Duration;

use wa_core::Event;
use wa_core::connection::CloseReason;
use wa_core::event::{CodeVoid, PasskeyProgress};
use wa_core::stanza::stream::Refusal;

use super::codes::MadeCode;
use crate::account::ReasonKind;
use crate::pairing::update::LinkedDevice;

/// Something that matters to an attempt.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    Qr {
        text: &'a str,
        expires_in: Duration,
    },
    Code(MadeCode),
    CodeVoid(&'a CodeVoid),
    Passkey(&'a PasskeyProgress),
    /// A phone's answer does not hold; what is on show still links.
    AnswerRefused,
    /// Our own guard did not let the account in.
    Vetoed,
    /// The link never came about at the server.
    Unconfirmed,
    Paired(LinkedDevice),
    Connected,
    Disconnected,
    Closed {
        /// The QR codes ran out: the next connection brings new ones.
        is_timeout: bool,
        kind: ReasonKind,
        code: Option<u16>,
    },
    LoggedOut,
}

impl<'a> Heard<'a> {
    pub(super) fn of(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::PairingQr(qr) => Self::Qr { text: &qr.text, expires_in: qr.expires_in },
            Event::PairingCode(shown) => Self::Code(MadeCode::from(shown.clone())),
            Event::PairingCodeVoid { reason } => Self::CodeVoid(reason),
            Event::Passkey(progress) => Self::Passkey(progress),
            Event::PairingFailed { .. } => Self::AnswerRefused,
            Event::PairingVetoed(_) => Self::Vetoed,
            Event::LinkUnconfirmed => Self::Unconfirmed,
            Event::Paired(paired) => Self::Paired(paired.into()),
            Event::Connected => Self::Connected,
            Event::Disconnected { .. } => Self::Disconnected,
            Event::Closed { reason } => {
                let is_timeout = matches!(reason, CloseReason::PairingTimeout);
                let (kind, code) = kind(reason);
                Self::Closed { is_timeout, kind, code }
            }
            Event::LoggedOut { .. } => Self::LoggedOut,
            _ => return None,
        })
    }
}

/// Why an account whose connection ended for this stands still, and the server's code for it.
fn kind(reason: &CloseReason) -> (ReasonKind, Option<u16>) {
    match reason {
        CloseReason::LoggedOut | CloseReason::AccountMoved => (ReasonKind::LoggedOut, Some(401)),
        CloseReason::Replaced | CloseReason::Conflict => (ReasonKind::Conflict, None),
        CloseReason::Banned { .. } => (ReasonKind::TemporaryBan, Some(402)),
        CloseReason::VersionRefused { .. } => (ReasonKind::ClientOutdated, Some(405)),
        CloseReason::PairingTimeout => (ReasonKind::PairingExpired, None),
        CloseReason::StoreFailed => (ReasonKind::StoreFailed, None),
        CloseReason::Refused(failure) => match failure.reason {
            Refusal::LoggedOut => (ReasonKind::LoggedOut, Some(401)),
            Refusal::TemporaryBan => (ReasonKind::TemporaryBan, Some(402)),
            Refusal::Locked => (ReasonKind::AccountLocked, Some(403)),
            Refusal::ClientTooOld => (ReasonKind::ClientOutdated, Some(405)),
            Refusal::Banned => (ReasonKind::AccountBanned, Some(406)),
            Refusal::RateLimited => (ReasonKind::PairingRejected, Some(429)),
            Refusal::Other(code) => (ReasonKind::CredentialsRejected, Some(code)),
            _ => (ReasonKind::CredentialsRejected, None),
        },
        _ => (ReasonKind::Network, None),
    }
}
