//! Linking that a passkey vouches for. Protocol: pairing, "Passkey-gated linking".

use std::fmt;

use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks what the passkey shall sign, when the server did not say so at once.
#[derive(Debug, Clone, Copy)]
pub struct PasskeyOptions;

impl IqRequest for PasskeyOptions {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Get;
    /// WebAuthn request options, JSON.
    type Reply = String;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("passkey_request_options")]
    }

    fn read(reply: Reader<'_>) -> Result<String, StanzaError> {
        text(reply, "passkey_request_options")
    }
}

/// Asks for the server's name of this link.
#[derive(Debug, Clone, Copy)]
pub struct PasskeyReference;

impl IqRequest for PasskeyReference {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Get;
    type Reply = String;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("ref")]
    }

    fn read(reply: Reader<'_>) -> Result<String, StanzaError> {
        text(reply, "ref")
    }
}

fn text(reply: Reader<'_>, tag: &'static str) -> Result<String, StanzaError> {
    let text = String::from_utf8(reply.child(tag)?.content().into_owned()).ok();
    text.filter(|text| !text.is_empty()).ok_or_else(|| reply.invalid(tag))
}

/// What the passkey signed, and the companion's half of the meeting. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct PasskeyPrologue {
    /// Which passkey signed.
    pub credential_id: Vec<u8>,
    /// The WebAuthn assertion, JSON.
    pub assertion: String,
    /// The companion's half.
    pub payload: Vec<u8>,
    /// Proof that this installation was linked before.
    pub handoff_proof: Option<[u8; 32]>,
}

impl fmt::Debug for PasskeyPrologue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasskeyPrologue(..)")
    }
}

impl IqRequest for PasskeyPrologue {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        let proof =
            self.handoff_proof.map(|proof| Node::new("pairing_handoff_proof").bytes(proof.as_slice()));
        let prologue = Node::new("passkey_prologue")
            .child(Node::new("credential_id").bytes(self.credential_id.as_slice()))
            .child(Node::new("webauthn_assertion").bytes(self.assertion.as_bytes()))
            .child(Node::new("prologue_payload").bytes(self.payload.as_slice()))
            .children(proof);
        vec![prologue]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Reveals the companion's nonce, once the phone's half has come.
#[derive(Debug, Clone, Copy)]
pub struct CompanionNonce(pub [u8; 32]);

impl IqRequest for CompanionNonce {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("companion_nonce").bytes(self.0.as_slice())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// The companion's keys for the phone, encrypted.
#[derive(Debug, Clone)]
pub struct EncryptedRequest(pub Vec<u8>);

impl IqRequest for EncryptedRequest {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("encrypted_pairing_request").bytes(self.0.as_slice())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}
