//! Linking a companion that a passkey vouches for. Protocol: pairing, "Passkey-gated linking".

use serde_json::Value;
use tokio::time::timeout;
use wa_core::crypto::SystemRandom;
use wa_core::pairing::code::PairingCode;
use wa_core::pairing::passkey::{Challenge, Meeting, PasskeyError, handoff_proof};
use wa_core::pairing::{ClientType, QrCode};
use wa_types::Jid;

use super::{Phone, ScanOptions};
use crate::pairing::{ScanError, Sent};

/// A link that the phone wants a passkey for. Dropping it is how the phone's user refuses.
#[derive(Debug)]
pub struct PasskeyLink {
    phone: Phone,
    connection: u64,
    reference: String,
    is_handed_off: bool,
    meeting: Option<Meeting>,
}

/// Why such a link did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasskeyLinkError {
    /// The companion did not answer in time, or its connection ended.
    #[error("the companion did not answer")]
    NoAnswer,
    /// The companion's part is wrong.
    #[error(transparent)]
    Companion(#[from] PasskeyError),
    /// The proof of an earlier link is not by a companion of this phone.
    #[error("the proof of an earlier link is wrong")]
    Proof,
    /// The companion could not be linked.
    #[error(transparent)]
    Link(#[from] ScanError),
}

impl Phone {
    /// Wants a passkey of the companion that shows this QR code. With `inline` the request says what is to be signed,
    /// else the companion has to ask the server.
    ///
    /// # Errors
    /// [`ScanError::Qr`], [`ScanError::UnknownRef`].
    pub fn ask_passkey(&self, qr: &str, inline: bool) -> Result<PasskeyLink, ScanError> {
        let code = QrCode::parse(qr.trim()).map_err(|_| ScanError::Qr)?;
        let passkey = self.lock().passkey.clone();
        let asked = self.hub.state().ask_passkey(&code.reference, passkey, inline);
        let (connection, reference) = asked.ok_or(ScanError::UnknownRef)?;
        Ok(PasskeyLink { phone: self.clone(), connection, reference, is_handed_off: false, meeting: None })
    }

    /// Signs WebAuthn request options with the account's passkey, as the companion's platform would. Returns the
    /// credential's id and the assertion, JSON; `None` for options that are no JSON.
    #[must_use]
    pub fn sign_with_passkey(&self, options: &str) -> Option<(Vec<u8>, String)> {
        let options: Value = serde_json::from_str(options).ok()?;
        let passkey = self.lock().passkey.clone();
        Some((passkey.id.to_vec(), passkey.sign(&options).to_string()))
    }
}

impl PasskeyLink {
    /// Waits for the companion's half, sends the phone's, and gives back the code that the phone shows.
    ///
    /// # Errors
    /// [`PasskeyLinkError`].
    pub async fn code(&mut self) -> Result<PairingCode, PasskeyLinkError> {
        let (payload, proof) =
            self.wait(|sent| sent.prologue.clone().map(|payload| (payload, sent.handoff_proof))).await?;
        let challenge = Challenge::new(&payload, &mut SystemRandom)?;
        if challenge.reference() != self.reference {
            return Err(PasskeyError::Malformed.into());
        }
        if let Some(proof) = proof {
            let phone = self.phone.lock();
            self.is_handed_off = phone.secrets.iter().any(|secret| handoff_proof(secret, &payload) == proof);
            drop(phone);
            if !self.is_handed_off {
                return Err(PasskeyLinkError::Proof);
            }
        }
        self.phone.hub.state().send_primary_half(self.connection, challenge.primary().encode());
        let nonce = self.wait(|sent| sent.nonce).await?;
        let meeting = challenge.meet(&nonce)?;
        let code = meeting.code().clone();
        self.meeting = Some(meeting);
        Ok(code)
    }

    /// Whether the companion proved that it was linked to this phone before. Known after [`Self::code`].
    #[must_use]
    pub const fn is_handed_off(&self) -> bool {
        self.is_handed_off
    }

    /// The phone's user confirms that both screens show the same code. Links the companion.
    ///
    /// # Errors
    /// [`PasskeyLinkError`].
    pub async fn confirm(self) -> Result<Jid, PasskeyLinkError> {
        let request = self.wait(|sent| sent.request.clone()).await?;
        let meeting = self.meeting.as_ref().ok_or(PasskeyLinkError::NoAnswer)?;
        let keys = meeting.open(&request)?;
        let code = QrCode::new(
            &self.reference,
            keys.noise_key,
            keys.identity_key,
            keys.secret,
            ClientType::OtherWeb,
        );
        Ok(self.phone.link(&code, &ScanOptions::default()).await?)
    }

    /// Waits for a part of the companion.
    async fn wait<T>(&self, part: impl Fn(&Sent) -> Option<T>) -> Result<T, PasskeyLinkError> {
        let hub = &self.phone.hub;
        let found = hub.wait(|state| match state.passkey_sent(self.connection, &self.reference) {
            Some(sent) => part(&sent).map(Ok),
            None => Some(Err(PasskeyLinkError::NoAnswer)),
        });
        timeout(hub.config.pairing_reply, found).await.unwrap_or(Err(PasskeyLinkError::NoAnswer))
    }
}
