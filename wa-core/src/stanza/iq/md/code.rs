//! Linking with an eight-character code. Protocol: pairing, "companion_hello", "companion_finish".

use wa_types::{Jid, PublicKey};

use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

const TAG: &str = "link_code_companion_reg";

/// Announces a code: the phone of this number asks its user for it.
#[derive(Debug, Clone)]
pub struct CompanionHello {
    /// The user's address.
    pub jid: Jid,
    /// The companion's key, encrypted under the code.
    pub wrapped_key: [u8; 80],
    /// The companion's Noise static key.
    pub noise_key: PublicKey,
    /// The character of the kind of client.
    pub platform_id: &'static str,
    /// `Browser (System)`, with a system that the server knows.
    pub platform_display: String,
    /// Whether the phone shows a notification.
    pub notifies: bool,
}

impl IqRequest for CompanionHello {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Set;
    /// The server's name for this link.
    type Reply = Vec<u8>;

    fn body(&self) -> Vec<Node> {
        let hello = Node::new(TAG)
            .attr("jid", &self.jid)
            .attr("stage", "companion_hello")
            .attr("should_show_push_notification", if self.notifies { "true" } else { "false" })
            .child(
                Node::new("link_code_pairing_wrapped_companion_ephemeral_pub")
                    .bytes(self.wrapped_key.as_slice()),
            )
            .child(Node::new("companion_server_auth_key_pub").bytes(self.noise_key.as_bytes().as_slice()))
            .child(Node::new("companion_platform_id").bytes(self.platform_id.as_bytes()))
            .child(Node::new("companion_platform_display").bytes(self.platform_display.as_bytes()))
            .child(Node::new("link_code_pairing_nonce").bytes([0_u8].as_slice()));
        vec![hello]
    }

    fn read(reply: Reader<'_>) -> Result<Vec<u8>, StanzaError> {
        let reference = reply.child(TAG)?.child("link_code_pairing_ref")?;
        match reference.content() {
            bytes if bytes.is_empty() => Err(reference.invalid("content")),
            bytes => Ok(bytes.into_owned()),
        }
    }
}

/// Answers the phone's key, so that both have the same secret.
#[derive(Debug, Clone)]
pub struct CompanionFinish {
    /// The user's address.
    pub jid: Jid,
    /// What proves to the phone that both had the same code.
    pub bundle: [u8; 156],
    /// The companion's identity key.
    pub identity: PublicKey,
    /// The server's name for this link.
    pub reference: Vec<u8>,
}

impl IqRequest for CompanionFinish {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        let finish = Node::new(TAG)
            .attr("jid", &self.jid)
            .attr("stage", "companion_finish")
            .child(Node::new("link_code_pairing_wrapped_key_bundle").bytes(self.bundle.as_slice()))
            .child(Node::new("companion_identity_public").bytes(self.identity.as_bytes().as_slice()))
            .child(Node::new("link_code_pairing_ref").bytes(self.reference.as_slice()));
        vec![finish]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}
