//! Linking that a passkey vouches for: checks the assertion, and carries what companion and phone tell each other.
//! Protocol: pairing, "Passkey-gated linking".

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use wa_core::crypto::kdf::{hmac_sha256, sha256};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::wire::Node;
use wa_types::Jid;

use crate::stanza::{Read, error_text, iq_error, iq_result};
use crate::state::State;

/// A passkey as the server knows it. The real ones sign; this one's signature is a MAC.
#[derive(Debug, Clone)]
pub(crate) struct Passkey {
    pub(crate) id: [u8; 16],
    key: [u8; 32],
}

impl Passkey {
    pub(crate) fn generate() -> Self {
        Self { id: SystemRandom.array(), key: SystemRandom.array() }
    }

    /// Signs the challenge of these options; gives back the assertion.
    pub(crate) fn sign(&self, options: &Value) -> Value {
        let client_data = json!({
            "type": "webauthn.get",
            "challenge": options.get("challenge"),
            "origin": "https://web.whatsapp.com",
        })
        .to_string();
        let authenticator_data = [sha256(&[b"whatsapp.com"]).as_slice(), &[5, 0, 0, 0, 1]].concat();
        let signature = self.mac(&authenticator_data, &client_data);
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(authenticator_data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": null,
            },
        })
    }

    fn mac(&self, authenticator_data: &[u8], client_data: &str) -> [u8; 32] {
        hmac_sha256(&self.key, &[authenticator_data, &sha256(&[client_data.as_bytes()])])
    }

    /// Whether this passkey signed this challenge.
    fn has_signed(&self, challenge: &str, credential_id: &[u8], assertion: &[u8]) -> Option<bool> {
        let assertion: Value = serde_json::from_slice(assertion).ok()?;
        let bytes = |value: &Value| URL_SAFE_NO_PAD.decode(value.as_str()?).ok();
        let response = assertion.get("response")?;
        let client_data = String::from_utf8(bytes(response.get("clientDataJSON")?)?).ok()?;
        let signed: Value = serde_json::from_str(&client_data).ok()?;
        let mac = self.mac(&bytes(response.get("authenticatorData")?)?, &client_data);
        Some(
            bytes(assertion.get("rawId")?)? == credential_id
                && credential_id == self.id
                && signed.get("challenge").and_then(Value::as_str) == Some(challenge)
                && bytes(response.get("signature")?)? == mac,
        )
    }
}

/// A passkey that a companion was asked for, and what it sent since.
#[derive(Debug)]
pub(super) struct AskedPasskey {
    passkey: Passkey,
    challenge: String,
    options: String,
    reference: String,
    has_half: bool,
    sent: Sent,
}

/// What a companion sent for the phone.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sent {
    pub(crate) prologue: Option<Vec<u8>>,
    pub(crate) handoff_proof: Option<[u8; 32]>,
    pub(crate) nonce: Option<[u8; 32]>,
    pub(crate) request: Option<Vec<u8>>,
}

impl AskedPasskey {
    pub(super) fn is(&self, reference: &str) -> bool {
        self.reference == reference
    }
}

impl State {
    /// Asks the companion behind a QR code for a passkey. With `inline` the request says what to sign, else the
    /// companion has to ask. Gives back the connection and the reference; `None` when nobody shows the code.
    pub(crate) fn ask_passkey(
        &mut self,
        reference: &str,
        passkey: Passkey,
        inline: bool,
    ) -> Option<(u64, String)> {
        let (connection, _) = self.pairing_of(reference)?;
        let challenge = URL_SAFE_NO_PAD.encode(SystemRandom.array::<32>());
        let options = json!({
            "challenge": challenge,
            "timeout": 60_000,
            "rpId": "whatsapp.com",
            "allowCredentials": [{
                "id": URL_SAFE_NO_PAD.encode(passkey.id),
                "type": "public-key",
                "transports": ["internal", "hybrid"],
            }],
            "userVerification": "required",
        })
        .to_string();
        let reference = format!("4@{}", STANDARD.encode(SystemRandom.array::<24>()));
        let inlined = inline.then(|| Node::new("passkey_request_options").bytes(options.as_bytes()));
        let asked = AskedPasskey {
            passkey,
            challenge,
            options,
            reference: reference.clone(),
            has_half: false,
            sent: Sent::default(),
        };
        self.pairings.by_connection.get_mut(&connection)?.passkey = Some(asked);
        self.notify_unpaired(connection, "passkey_prologue_request", inlined);
        Some((connection, reference))
    }

    /// What the companion sent so far; `None` when it is gone.
    pub(crate) fn passkey_sent(&self, connection: u64, reference: &str) -> Option<Sent> {
        let asked = self.pairings.by_connection.get(&connection)?.passkey.as_ref()?;
        asked.is(reference).then(|| asked.sent.clone())
    }

    /// The phone's half, for the companion.
    pub(crate) fn send_primary_half(&mut self, connection: u64, half: Vec<u8>) {
        let asked =
            self.pairings.by_connection.get_mut(&connection).and_then(|pairing| pairing.passkey.as_mut());
        if let Some(asked) = asked {
            asked.has_half = true;
            let half = Node::new("primary_ephemeral_identity").bytes(half);
            self.notify_unpaired(connection, "crsc_continuation", Some(half));
        }
    }

    /// The answer to a request about passkeys; `None` when it is about something else.
    pub(super) fn answer_passkey(&mut self, connection: u64, iq: &Node) -> Option<Node> {
        let known = [
            "passkey_request_options",
            "ref",
            "passkey_prologue",
            "companion_nonce",
            "encrypted_pairing_request",
        ];
        let request = known.into_iter().find_map(|tag| iq.find(tag))?;
        let answer = self.take_passkey_part(connection, request);
        self.ring();
        Some(match answer {
            Ok(child) => iq_result(iq).children(child),
            Err(code) => iq_error(iq, code, error_text(code)),
        })
    }

    fn take_passkey_part(&mut self, connection: u64, request: &Node) -> Result<Option<Node>, u16> {
        let pairing = self.pairings.by_connection.get_mut(&connection);
        let asked = pairing.and_then(|pairing| pairing.passkey.as_mut()).ok_or(404_u16)?;
        let content = request.content_bytes().unwrap_or_default();
        match request.tag.as_ref() {
            "passkey_request_options" => {
                return Ok(Some(Node::new("passkey_request_options").bytes(asked.options.as_bytes())));
            }
            "ref" => return Ok(Some(Node::new("ref").bytes(asked.reference.as_bytes()))),
            "passkey_prologue" => {
                let part = |tag| request.child_bytes(tag).ok_or(400_u16);
                let (id, assertion) = (part("credential_id")?, part("webauthn_assertion")?);
                if asked.passkey.has_signed(&asked.challenge, id, assertion) != Some(true) {
                    return Err(401);
                }
                asked.sent.prologue = Some(part("prologue_payload")?.to_vec());
                asked.sent.handoff_proof = request.child_array("pairing_handoff_proof");
            }
            // Revealed too early, it would not bind the companion any more.
            "companion_nonce" if asked.has_half => {
                asked.sent.nonce = Some(content.try_into().map_err(|_| 400_u16)?);
            }
            "encrypted_pairing_request" if asked.sent.nonce.is_some() => {
                asked.sent.request = Some(content.to_vec());
            }
            _ => return Err(400),
        }
        Ok(None)
    }

    pub(super) fn notify_unpaired(&mut self, connection: u64, kind: &str, child: Option<Node>) {
        let (id, now) = (self.next_id(), self.now_seconds());
        let notification = Node::new("notification")
            .attr("type", kind)
            .attr("from", Jid::SERVER)
            .attr("id", id)
            .attr("t", now)
            .children(child);
        self.transmit_unpaired(connection, notification);
    }
}
