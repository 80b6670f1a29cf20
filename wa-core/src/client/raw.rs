//! What has no typed call: any stanza, any request, any GraphQL call.

use serde_json::Value;

use super::Client;
use crate::connection::RequestError;
use crate::error::CallError;
use crate::stanza::iq::mex::{Mex, Operation};
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// The way around the typed calls; [`Client::raw`] gives it. What is sent here is not checked, not stored and not sent
/// again: the server ends the connection of a client that sends what it does not like.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'c> {
    client: &'c Client,
}

impl Client {
    /// Stanzas, requests and GraphQL calls that have no typed call.
    #[must_use]
    pub const fn raw(&self) -> Raw<'_> {
        Raw { client: self }
    }
}

impl Raw<'_> {
    /// Writes a stanza as it is. Answers to it, if there are any, come as [`Event::Other`](crate::Event::Other) or as the
    /// event of their kind.
    ///
    /// # Errors
    /// [`CallError::Request`] with [`RequestError::NotConnected`], [`CallError::Shutdown`]. `Ok` says that it was handed to
    /// the connection, and no more.
    pub async fn send(&self, stanza: Node) -> Result<(), CallError> {
        self.client.tell(stanza).await
    }

    /// Sends an `<iq>` and returns the result whole. The id is set here, and the server is meant where there is no `to`;
    /// `type` and `xmlns` are the caller's. It is not asked again when the connection is lost.
    ///
    /// # Errors
    /// [`CallError::Request`]: refused, not answered in time, or not connected; [`CallError::Shutdown`].
    pub async fn iq(&self, request: Node) -> Result<Node, CallError> {
        self.client.ask(RawIq(request)).await
    }

    /// Calls a GraphQL document by its number, with variables in JSON, and returns the data in JSON.
    ///
    /// # Errors
    /// [`RawCallError::Variables`] when they are no JSON, [`RawCallError::Call`] for all else: what the call itself
    /// answers with is [`RequestError::Refused`], with the code of the error that stands for all.
    pub async fn graphql(&self, document: &str, variables: &str) -> Result<String, RawCallError> {
        let variables: Value = serde_json::from_str(variables).map_err(|_| RawCallError::Variables)?;
        let data = self.client.ask_mex(Mex::of_document(document, &variables)).await?;
        Ok(data.to_string())
    }
}

impl Client {
    /// Calls a known GraphQL operation, and returns its data.
    pub(crate) async fn mex(&self, operation: Operation, variables: Value) -> Result<Value, CallError> {
        self.ask_mex(Mex::new(operation, &variables)).await
    }

    async fn ask_mex(&self, call: Mex) -> Result<Value, CallError> {
        let data = self.ask(call).await?.into_data();
        data.map_err(|refusal| RequestError::Refused(refusal).into())
    }
}

/// A GraphQL call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RawCallError {
    /// The variables are no JSON.
    #[error("the variables are no JSON")]
    Variables,
    /// It did not get through, or was refused.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A request as the caller wrote it.
struct RawIq(Node);

impl IqRequest for RawIq {
    // Both are in the node.
    const NAMESPACE: &'static str = "";
    const KIND: IqKind = IqKind::Set;
    type Reply = Node;

    fn body(&self) -> Vec<Node> {
        self.0.nodes().to_vec()
    }

    fn read(reply: Reader<'_>) -> Result<Node, StanzaError> {
        Ok(reply.node().to_node())
    }

    fn to_node(&self, id: &str) -> Node {
        let node = self.0.clone().attr("id", id);
        if node.get("to").is_some() { node } else { node.attr("to", self.to()) }
    }
}
