//! `md`: linking and unlinking companions. Protocol: pairing, "Logout and removal".

pub mod code;
pub mod passkey;

use wa_types::Jid;

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Unlinks this very device.
#[derive(Debug, Clone)]
pub struct RemoveCompanion {
    /// Our own device.
    pub jid: Jid,
    /// Why.
    pub reason: RemovalReason,
}

/// Why a companion unlinks itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// Its user wants it.
    UserInitiated,
    /// The account is on another phone now.
    PrimaryIdentityChange,
}

impl RemovalReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UserInitiated => "user_initiated",
            Self::PrimaryIdentityChange => "primary_identity_key_change",
        }
    }
}

impl IqRequest for RemoveCompanion {
    const NAMESPACE: &'static str = "md";
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("remove-companion-device").attr("jid", &self.jid).attr("reason", self.reason.as_str())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Tells that a kind of data was synced, so that the server stops announcing it.
#[derive(Debug, Clone)]
pub struct CleanDirty {
    /// What the server called it.
    pub kind: String,
    /// The time it gave.
    pub timestamp: String,
}

impl IqRequest for CleanDirty {
    const NAMESPACE: &'static str = "urn:xmpp:whatsapp:dirty";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("clean").attr("type", self.kind.as_str()).attr("timestamp", self.timestamp.as_str())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}
