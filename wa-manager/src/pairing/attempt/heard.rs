//! What the client tells, as an attempt hears it.

use std::time::Duration;

use wa_core::Event;
use wa_core::connection::CloseReason;
use wa_core::event::{CodeVoid, PasskeyProgress};

use super::codes::MadeCode;
use crate::account::actor::closed;
use crate::account::{Reason, ReasonKind};
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
                let Reason { kind, code, .. } = closed(reason);
                Self::Closed { is_timeout, kind, code }
            }
            Event::LoggedOut { reason } => match closed(reason) {
                // Locked and banned accounts are still linked.
                Reason {
                    kind: kind @ (ReasonKind::AccountLocked | ReasonKind::AccountBanned), code, ..
                } => Self::Closed { is_timeout: false, kind, code },
                _ => Self::LoggedOut,
            },
            _ => return None,
        })
    }
}
