//! Linking by code: carries what companion and phone tell each other. Protocol: pairing, "Linking with an 8-character
//! code" and "Code flow, primary".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::pairing::ClientType;
use wa_core::pairing::code::{BUNDLE_SIZE, SYSTEMS, WRAPPED_KEY_SIZE};
use wa_core::wire::Node;
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::stanza::{Read, error, error_text, iq_error, iq_refusal, iq_result};
use crate::state::State;

const TAG: &str = "link_code_companion_reg";

/// A code that a companion announced to a phone.
#[derive(Debug)]
pub(super) struct Announced {
    reference: String,
    account: usize,
    expires: Instant,
    is_answered: bool,
}

impl Announced {
    pub(super) fn is_live(&self) -> bool {
        self.expires > Instant::now()
    }

    pub(super) fn is(&self, reference: &str) -> bool {
        self.reference == reference
    }
}

/// What the server answers to the next announcement of a code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeRefusal {
    pub(crate) code: u16,
    pub(crate) backoff: Option<u32>,
}

impl State {
    /// The answer to a `link_code_companion_reg` of a connection that is not registered.
    pub(super) fn answer_link_code(&mut self, connection: u64, iq: &Node, request: &Node) -> Node {
        let answer = match request.attr_text("stage").as_deref() {
            Some("get_country_code") => Ok(Some(Node::new("country_code").attr("iso", "US"))),
            Some("companion_hello") => {
                if let Some(refusal) = self.pairings.refusals.pop_front() {
                    return refused(iq, refusal);
                }
                self.announce_code(connection, request).ok_or(400).map(|reference| {
                    let reference = Node::new("link_code_pairing_ref").bytes(reference.as_bytes());
                    Some(Node::new(TAG).attr("stage", "companion_hello").child(reference))
                })
            }
            Some("companion_finish") => self.finish_code(connection, request).ok_or(400).map(|()| None),
            _ => Err(400),
        };
        match answer {
            Ok(child) => iq_result(iq).children(child),
            Err(code) => iq_error(iq, code, error_text(code)),
        }
    }

    /// Tells the phone that a companion shows a code. The server does not see the code.
    fn announce_code(&mut self, connection: u64, hello: &Node) -> Option<String> {
        let account = self.account_of(&hello.attr_jid("jid")?)?;
        let text = |tag| std::str::from_utf8(hello.child_bytes(tag)?).ok();
        let (system, has_nonce) =
            (text("companion_platform_display")?, hello.child_bytes("link_code_pairing_nonce").is_some());
        let is_known = SYSTEMS.iter().any(|known| system.ends_with(&format!(" ({known})")));
        let is_complete = hello
            .child_array::<WRAPPED_KEY_SIZE>("link_code_pairing_wrapped_companion_ephemeral_pub")
            .is_some()
            && ClientType::from_code(text("companion_platform_id")?).is_some();
        if !(is_known && is_complete && has_nonce) {
            return None;
        }
        let expires = Instant::now() + self.config.code_life;
        let reference = format!("3@{}", STANDARD.encode(SystemRandom.array::<24>()));
        let pairing = self.pairings.by_connection.get_mut(&connection)?;
        if hello.child_array("companion_server_auth_key_pub") != Some(*pairing.noise_key.as_bytes()) {
            return None;
        }
        pairing.code = Some(Announced { reference: reference.clone(), account, expires, is_answered: false });
        let known = [
            "link_code_pairing_wrapped_companion_ephemeral_pub",
            "companion_server_auth_key_pub",
            "companion_platform_id",
            "companion_platform_display",
        ];
        let parts = known.into_iter().filter_map(|tag| hello.find(tag).cloned());
        self.tell_phone(account, "companion_hello", &reference, parts.collect());
        Some(reference)
    }

    fn finish_code(&mut self, connection: u64, finish: &Node) -> Option<()> {
        let reference = std::str::from_utf8(finish.child_bytes("link_code_pairing_ref")?).ok()?.to_owned();
        finish.child_array::<BUNDLE_SIZE>("link_code_pairing_wrapped_key_bundle")?;
        finish.child_array::<32>("companion_identity_public")?;
        let pairing = self.pairings.by_connection.get(&connection)?;
        let code = pairing.code.as_ref()?;
        if !code.is(&reference) || !code.is_answered {
            return None;
        }
        let account = code.account;
        let known = ["link_code_pairing_wrapped_key_bundle", "companion_identity_public"];
        let parts = known.into_iter().filter_map(|tag| finish.find(tag).cloned());
        self.tell_phone(account, "companion_finish", &reference, parts.collect());
        Some(())
    }

    fn tell_phone(&mut self, account: usize, stage: &str, reference: &str, parts: Vec<Node>) {
        let stage = Node::new(TAG)
            .attr("stage", stage)
            .child(Node::new("link_code_pairing_ref").bytes(reference.as_bytes()))
            .children(parts);
        let notification = self.code_notification(stage);
        self.deliver(DeviceKey { account, number: 0 }, notification);
    }

    fn code_notification(&mut self, stage: Node) -> Node {
        let (id, now) = (self.next_id(), self.now_seconds());
        Node::new("notification")
            .attr("type", TAG)
            .attr("from", Jid::SERVER)
            .attr("id", id)
            .attr("t", now)
            .child(stage)
    }

    /// A phone answers a code: the companion gets it as it came.
    ///
    /// # Errors
    /// The code of the refusal: 404 for a code that is unknown or too old.
    pub(crate) fn relay_primary_hello(&mut self, account: usize, hello: &Node) -> Result<(), u16> {
        let parts = [
            "link_code_pairing_ref",
            "link_code_pairing_wrapped_primary_ephemeral_pub",
            "primary_identity_pub",
        ];
        let parts: Vec<Node> = parts.into_iter().filter_map(|tag| hello.find(tag).cloned()).collect();
        let reference =
            hello.child_bytes("link_code_pairing_ref").and_then(|bytes| std::str::from_utf8(bytes).ok());
        let (3, Some(reference)) = (parts.len(), reference) else { return Err(400) };
        let mut pairings = self.pairings.by_connection.iter_mut();
        let found = pairings.find_map(|(connection, pairing)| {
            let code = pairing.code.as_mut()?;
            (code.is(reference) && code.account == account && code.is_live()).then_some((*connection, code))
        });
        let Some((connection, code)) = found else { return Err(404) };
        code.is_answered = true;
        let stage = Node::new(TAG).attr("stage", "primary_hello").children(parts);
        let notification = self.code_notification(stage);
        self.transmit_unpaired(connection, notification);
        Ok(())
    }

    /// Takes back the codes for this account and tells the companions so. `false` when there is none.
    pub(crate) fn refresh_codes(&mut self, account: usize, by_user: bool) -> bool {
        let of_account = |code: &Announced| code.account == account && code.is_live();
        let taken: Vec<(u64, Announced)> = self
            .pairings
            .by_connection
            .iter_mut()
            .filter_map(|(connection, pairing)| {
                pairing.code.take_if(|code| of_account(code)).map(|code| (*connection, code))
            })
            .collect();
        for (connection, code) in &taken {
            let stage = Node::new(TAG)
                .attr("stage", "refresh_code")
                .attr("force_manual_refresh", if by_user { "true" } else { "false" })
                .child(Node::new("link_code_pairing_ref").bytes(code.reference.as_bytes()));
            let notification = self.code_notification(stage);
            self.transmit_unpaired(*connection, notification);
        }
        !taken.is_empty()
    }
}

fn refused(iq: &Node, refusal: CodeRefusal) -> Node {
    let error = error(refusal.code, error_text(refusal.code));
    iq_refusal(iq, error.attr_opt("backoff", refusal.backoff))
}
