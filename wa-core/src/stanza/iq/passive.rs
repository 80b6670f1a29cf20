//! `passive`: whether the server shall send us traffic. Protocol: transport, "Startup order".

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// We are ready for traffic.
#[derive(Debug, Clone, Copy)]
pub struct SetActive;

impl IqRequest for SetActive {
    const NAMESPACE: &'static str = "passive";
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("active")]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}
