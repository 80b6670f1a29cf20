//! Linking a companion by the code that it shows. Protocol: pairing, "Code flow, primary".

use std::time::Duration;

use tokio::time::timeout;
use wa_core::crypto::SystemRandom;
use wa_core::pairing::code::{BUNDLE_SIZE, CodeAnswer, PairingCode, WRAPPED_KEY_SIZE};
use wa_core::pairing::{ClientType, QrCode};
use wa_core::wire::Node;
use wa_types::{Jid, PublicKey};

use super::{Phone, ScanOptions};
use crate::pairing::ScanError;
use crate::stanza::Read;

/// A companion that shows a code for this phone, and its answer to ours.
#[derive(Debug, Clone)]
pub(super) struct CodeRequest {
    reference: String,
    wrapped_key: [u8; WRAPPED_KEY_SIZE],
    noise_key: PublicKey,
    display: String,
    finish: Option<([u8; BUNDLE_SIZE], PublicKey)>,
}

/// Why a phone could not link a companion by code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// The text is no code.
    #[error("not a code")]
    NotACode,
    /// No companion shows a code for this phone.
    #[error("no companion shows a code for this phone")]
    NoRequest,
    /// The code is too old, or was taken back.
    #[error("the code is not good any more")]
    Expired,
    /// The companion shows another code.
    #[error("the code is wrong")]
    WrongCode,
    /// The companion did not answer in time, or its connection ended.
    #[error("the companion did not answer")]
    NoAnswer,
    /// The code was right, and the companion could not be linked.
    #[error(transparent)]
    Link(#[from] ScanError),
}

impl Phone {
    /// Types the code that a companion shows, and links it. Returns the new device's address when the companion has
    /// confirmed. A wrong code may be typed again.
    ///
    /// # Errors
    /// [`CodeError`].
    pub async fn enter_code(&self, code: &str) -> Result<Jid, CodeError> {
        self.enter_code_with(code, &ScanOptions::default()).await
    }

    /// [`Self::enter_code`], with something wrong on purpose.
    ///
    /// # Errors
    /// [`CodeError`].
    pub async fn enter_code_with(&self, code: &str, options: &ScanOptions) -> Result<Jid, CodeError> {
        let code: PairingCode = code.trim().parse().map_err(|_| CodeError::NotACode)?;
        let request = timeout(SOON, self.take(|phone| phone.code_request.clone()));
        let request = request.await.map_err(|_| CodeError::NoRequest)?;
        let answer = CodeAnswer::new(code, &request.wrapped_key, &mut SystemRandom);
        let identity = {
            let mut phone = self.lock();
            if let Some(request) = &mut phone.code_request {
                request.finish = None;
            }
            phone.keys.signer.key.clone()
        };
        let wrapped = answer.wrapped_key(&mut SystemRandom);
        let hello = Node::new("link_code_companion_reg")
            .attr("stage", "primary_hello")
            .child(Node::new("link_code_pairing_wrapped_primary_ephemeral_pub").bytes(wrapped.as_slice()))
            .child(Node::new("primary_identity_pub").bytes(identity.public.as_bytes().as_slice()))
            .child(Node::new("link_code_pairing_ref").bytes(request.reference.as_bytes()));
        self.request(&self.new_request("set", "md").child(hello)).ok_or(CodeError::Expired)?;

        let finish = self.take(|phone| {
            let current = phone.code_request.as_ref().filter(|now| now.reference == request.reference);
            current.and_then(|now| now.finish)
        });
        let finish = timeout(self.hub.config.pairing_reply, finish).await;
        let (bundle, companion) = finish.map_err(|_| CodeError::NoAnswer)?;
        let secret = answer.open(&identity, &companion, &bundle).map_err(|_| CodeError::WrongCode)?;
        let code = QrCode::new(request.reference, request.noise_key, companion, secret, ClientType::OtherWeb);
        Ok(self.link(&code, options).await?)
    }

    /// How the companion that shows a code calls itself, such as `Chrome (Linux)`.
    ///
    /// # Errors
    /// [`CodeError::NoRequest`] when none shows one for this phone.
    pub async fn code_request(&self) -> Result<String, CodeError> {
        let request = timeout(SOON, self.take(|phone| phone.code_request.clone())).await;
        request.map(|request| request.display).map_err(|_| CodeError::NoRequest)
    }

    /// Takes back the code that a companion shows for this phone: it shall make a new one, by itself or when its user
    /// asks. `false` when there is none.
    pub fn refresh_code(&self, by_user: bool) -> bool {
        self.lock().code_request = None;
        self.hub.state().refresh_codes(self.inner.key.account, by_user)
    }

    /// A companion shows a code, or answers ours.
    pub(super) fn handle_code(&self, stage: &Node) {
        let Some(reference) = stage.child_bytes("link_code_pairing_ref") else { return };
        let Ok(reference) = std::str::from_utf8(reference) else { return };
        let key = |tag| stage.child_array(tag).map(PublicKey::new);
        let mut phone = self.lock();
        match stage.attr_text("stage").as_deref() {
            Some("companion_hello") => {
                let wrapped = stage.child_array("link_code_pairing_wrapped_companion_ephemeral_pub");
                let parts = wrapped.zip(key("companion_server_auth_key_pub"));
                let display = stage.child_bytes("companion_platform_display").unwrap_or_default();
                phone.code_request = parts.map(|(wrapped_key, noise_key)| CodeRequest {
                    reference: reference.to_owned(),
                    wrapped_key,
                    noise_key,
                    display: String::from_utf8_lossy(display).into_owned(),
                    finish: None,
                });
            }
            Some("companion_finish") => {
                let bundle = stage.child_array("link_code_pairing_wrapped_key_bundle");
                let finish = bundle.zip(key("companion_identity_public"));
                if let Some(request) = phone.code_request.as_mut().filter(|now| now.reference == reference) {
                    request.finish = finish;
                }
            }
            _ => {}
        }
        drop(phone);
        self.inner.arrived.notify_waiters();
    }
}

/// How long a phone waits for a companion that shows a code.
const SOON: Duration = Duration::from_secs(3);
