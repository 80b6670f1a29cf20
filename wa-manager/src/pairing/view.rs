//! What there is to show of an attempt at one moment, so that whoever has the right can ask for it: here, or in another
//! process through a [`PairingStore`](super::PairingStore). Requirements: manager.md, R039, R053, R055.

use std::fmt;

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;
use zeroize::Zeroizing;

use super::policy::PairingMethod;
use crate::account::AccountStatus;
use crate::ids::TicketId;

/// A text that links a device for whoever knows it: wiped from memory when dropped, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text. It does not belong into logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// A QR code or a code to be typed, and until when it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// What to show: the text of the QR code, or `XXXX-XXXX`.
    pub text: SecretText,
    /// After this it links nothing.
    pub expires_at: UnixMillis,
}

impl Shown {
    /// This text, until then.
    pub fn new(text: impl Into<String>, expires_at: UnixMillis) -> Self {
        Self { text: SecretText::new(text), expires_at }
    }
}

/// What there is to show of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairingView {
    /// Its ticket.
    pub ticket: TicketId,
    /// How a phone may link.
    pub method: PairingMethod,
    /// Where the account stands.
    pub status: AccountStatus,
    /// The QR code on show.
    pub qr: Option<Shown>,
    /// The code on show.
    pub code: Option<Shown>,
    /// How many more codes the ticket has.
    pub codes_left: u8,
    /// When the ticket ends, and this view with it.
    pub expires_at: UnixMillis,
}

impl PairingView {
    /// What is left of it at this time: no code that has expired, and nothing when the ticket has ended.
    #[must_use]
    pub fn at(self, now: UnixMillis) -> Option<Self> {
        let is_live = |shown: &Shown| now < shown.expires_at;
        (now < self.expires_at).then(|| Self {
            qr: self.qr.filter(is_live),
            code: self.code.filter(is_live),
            ..self
        })
    }

    /// Its form in stores. It holds secrets: a store for it lets in nobody else.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let shown = |shown: &Option<Shown>| {
            shown.as_ref().map(|shown| StoredCode {
                text: Zeroizing::new(shown.text.expose().to_owned()),
                expires_at: shown.expires_at.0,
            })
        };
        let stored = StoredView {
            ticket: self.ticket.clone(),
            method: self.method,
            status: self.status,
            qr: shown(&self.qr),
            code: shown(&self.code),
            codes_left: self.codes_left,
            expires_at: self.expires_at.0,
        };
        // Names, numbers and texts: there is nothing in it that has no form.
        Zeroizing::new(serde_json::to_vec(&stored).unwrap_or_default())
    }

    /// What a store kept; `None` when it is not what [`Self::to_bytes`] made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut stored: StoredView = serde_json::from_slice(bytes).ok()?;
        let shown = |stored: Option<StoredCode>| {
            stored.map(|code| Shown { text: SecretText(code.text), expires_at: UnixMillis(code.expires_at) })
        };
        let (qr, code) = (stored.qr.take(), stored.code.take());
        Some(Self {
            ticket: stored.ticket,
            method: stored.method,
            status: stored.status,
            qr: shown(qr),
            code: shown(code),
            codes_left: stored.codes_left,
            expires_at: UnixMillis(stored.expires_at),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredView {
    ticket: TicketId,
    method: PairingMethod,
    status: AccountStatus,
    qr: Option<StoredCode>,
    code: Option<StoredCode>,
    codes_left: u8,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredCode {
    #[serde(with = "secret")]
    text: Zeroizing<String>,
    expires_at: u64,
}

/// Texts that are wiped, as strings.
mod secret {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        text: &Zeroizing<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new)
    }
}

#[cfg(test)]
pub(super) fn example(ticket: u8, expires_at: UnixMillis) -> PairingView {
    PairingView {
        ticket: TicketId::of([ticket; 16]),
        method: PairingMethod::Both,
        status: AccountStatus::Pairing,
        qr: Some(Shown::new("2@secret,qr", UnixMillis(expires_at.0 - 2000))),
        code: Some(Shown::new("ABCD-EFGH", UnixMillis(expires_at.0 - 1000))),
        codes_left: 2,
        expires_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: UnixMillis = UnixMillis(600_000);

    // R055
    #[test]
    fn what_has_expired_is_shown_to_nobody() {
        let view = example(1, END);
        let at = |now| view.clone().at(UnixMillis(now)).map(|view| (view.qr.is_some(), view.code.is_some()));
        assert_eq!(at(597_999), Some((true, true)));
        assert_eq!(at(598_000), Some((false, true)));
        assert_eq!(at(599_000), Some((false, false)));
        assert_eq!(at(600_000), None);
    }

    // R053
    #[test]
    fn logs_see_no_codes() {
        let text = format!("{:?}", example(1, END));
        assert!(!text.contains("ABCD") && !text.contains("EFGH") && !text.contains("2@"), "{text}");
    }

    #[test]
    fn a_store_gives_back_what_it_was_given() {
        let view = example(1, END);
        assert_eq!(PairingView::from_bytes(&view.to_bytes()), Some(view));
        assert_eq!(PairingView::from_bytes(b"{}"), None);
        assert_eq!(PairingView::from_bytes(b"\xff"), None);
    }
}
