//! QR codes, one after the other. Protocol: pairing, "QR".

use std::time::{Duration, Instant};

use crate::crypto::Random as _;
use crate::driver::{Actor, Step, clock};
use crate::event::{Event, PairingQr};
use crate::pairing::qr::QrForm;
use crate::pairing::{AdvSecret, ClientType, QrCode};

/// How long the first code of a list is shown.
const FIRST: Duration = Duration::from_secs(60);

/// How long each of the others is shown.
const FOLLOWING: Duration = Duration::from_secs(20);

/// How far the server's clock for the codes and ours may be apart.
const SLACK: Duration = Duration::from_secs(2);

/// The reference on show, and those that are still to be shown.
#[derive(Debug)]
pub(super) struct QrRotation {
    /// None is shown any more.
    shown: Option<Shown>,
    rest: std::vec::IntoIter<String>,
}

#[derive(Debug)]
struct Shown {
    reference: String,
    until: Instant,
}

impl QrRotation {
    /// When the code on show is to be replaced.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.shown.as_ref().map(|shown| shown.until)
    }

    /// Whether the last one is through, or so nearly that a server which ends the connection now does so for that.
    pub(super) fn is_through(&self, now: Instant) -> bool {
        self.rest.len() == 0 && self.next_at().is_none_or(|until| now + SLACK >= until)
    }

    /// Whether the last one is through.
    pub(super) const fn has_ended(&self) -> bool {
        self.shown.is_none()
    }
}

impl Actor {
    /// Shows the first of a new list.
    pub(super) fn show_qr_codes(&mut self, refs: Vec<String>, step: &mut Step) {
        let mut rest = refs.into_iter();
        let shown = rest.next().map(|reference| {
            step.events.push(self.qr_event(&reference, FIRST));
            Shown { reference, until: clock::now() + FIRST }
        });
        self.linking.qr = Some(QrRotation { shown, rest });
    }

    /// Shows the next code, if it is time for it.
    pub(super) fn rotate_qr(&mut self, now: Instant, step: &mut Step) {
        let Some(rotation) = &mut self.linking.qr else { return };
        let Some(until) = rotation.next_at().filter(|until| now >= *until) else { return };
        rotation.shown = rotation.rest.next().map(|reference| Shown { reference, until: until + FOLLOWING });
        let next = rotation.shown.as_ref().map(|shown| shown.reference.clone());
        step.events.extend(next.map(|reference| self.qr_event(&reference, FOLLOWING)));
    }

    /// The server wants another secret in the codes. The one on show is told anew.
    pub(super) fn replace_qr_secret(&mut self, step: &mut Step) {
        self.account.adv_secret = AdvSecret::new(self.random.array());
        step.changes.put_account(self.account.clone());
        let shown = self.linking.qr.as_ref().and_then(|rotation| rotation.shown.as_ref());
        let shown = shown.map(|shown| (shown.reference.clone(), shown.until));
        step.events.extend(shown.map(|(reference, until)| {
            self.qr_event(&reference, until.saturating_duration_since(clock::now()))
        }));
    }

    fn qr_event(&self, reference: &str, expires_in: Duration) -> Event {
        let code = QrCode::new(
            reference,
            self.account.noise.public,
            self.account.identity.public,
            self.account.adv_secret.clone(),
            ClientType::from(self.config.profile.platform),
        );
        Event::PairingQr(PairingQr { text: code.to_text(QrForm::Link), expires_in })
    }
}
