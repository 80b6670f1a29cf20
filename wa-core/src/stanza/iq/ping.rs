//! `w:p`: is the server still there. Protocol: transport, "Keep-alive".

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks for a sign of life.
#[derive(Debug, Clone, Copy)]
pub struct Ping;

impl IqRequest for Ping {
    const NAMESPACE: &'static str = "w:p";
    const KIND: IqKind = IqKind::Get;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        Vec::new()
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}
