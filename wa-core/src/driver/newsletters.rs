//! What goes to channels as a stanza of its own. Protocol: IQ catalogue, "Channels", "Stanzas".

use wa_types::Jid;

use super::{Actor, Step};
use crate::connection::RequestError;
use crate::driver::Status;
use crate::error::CallError;
use crate::message;
use crate::wire::Node;

impl Actor {
    /// Reacts to a post, or takes the reaction back.
    pub(super) fn react_to_post(
        &mut self,
        newsletter: &Jid,
        post: u64,
        emoji: Option<&str>,
        step: &mut Step,
    ) -> Result<(), CallError> {
        if *self.status.borrow() != Status::Ready {
            return Err(RequestError::NotConnected.into());
        }
        let id = message::id::generate(&mut self.random);
        step.reply(
            Node::new("message")
                .attr("to", newsletter)
                .attr("id", id)
                .attr("server_id", post)
                .attr("type", "reaction")
                .attr_opt("edit", emoji.is_none().then_some("7"))
                .child(Node::new("reaction").attr_opt("code", emoji)),
        );
        Ok(())
    }
}
