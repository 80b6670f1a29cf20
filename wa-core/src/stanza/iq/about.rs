//! `status`: our own about text, in the old way. Protocol: IQ catalogue, "Own profile".

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Sets our about text.
#[derive(Clone)]
pub struct SetAbout(pub String);

impl std::fmt::Debug for SetAbout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetAbout({} bytes)", self.0.len())
    }
}

impl IqRequest for SetAbout {
    const NAMESPACE: &'static str = "status";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("status").bytes(self.0.as_bytes())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}
