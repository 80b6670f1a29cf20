//! `spam`: messages that a person reports. Protocol: IQ catalogue, "Spam report".

use wa_types::{Jid, MessageId, UnixSeconds};

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Where in the application the report was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpamFlow {
    /// At a message.
    Message,
    /// At a group.
    GroupInfo,
    /// At the warning about a group.
    GroupBanner,
    /// At a contact.
    Contact,
    /// At a status post.
    Status,
}

impl SpamFlow {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "MessageMenu",
            Self::GroupInfo => "GroupInfoReport",
            Self::GroupBanner => "GroupSpamBannerReport",
            Self::Contact => "ContactInfo",
            Self::Status => "StatusReport",
        }
    }
}

/// A message that is reported. `Debug` does not show what it says.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller makes it, of all that it has")]
pub struct SpamMessage {
    /// Its id.
    pub id: MessageId,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The user in a direct chat, else the group.
    pub from: Jid,
    /// Who wrote it, in a group.
    pub participant: Option<Jid>,
    /// Its protobuf, for the operator to read.
    pub content: Option<Vec<u8>>,
}

impl std::fmt::Debug for SpamMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpamMessage").field("id", &self.id).field("from", &self.from).finish_non_exhaustive()
    }
}

/// Reports messages.
#[derive(Debug, Clone)]
pub struct ReportSpam {
    /// Where the report was made.
    pub flow: SpamFlow,
    /// The chat.
    pub chat: Jid,
    /// The messages.
    pub messages: Vec<SpamMessage>,
    /// The token of trust that the user gave us.
    pub token: Option<Vec<u8>>,
}

impl IqRequest for ReportSpam {
    const NAMESPACE: &'static str = "spam";
    const KIND: IqKind = IqKind::Set;
    /// The number of the report.
    type Reply = Option<String>;

    fn body(&self) -> Vec<Node> {
        let message = |message: &SpamMessage| {
            let raw = |content: &Vec<u8>| Node::new("raw").attr("v", "3").bytes(content.clone());
            let node = Node::new("message")
                .attr("id", &message.id)
                .attr("t", message.timestamp)
                .attr("from", &message.from)
                .attr_opt("participant", message.participant.as_ref());
            if message.content.is_some() { node.children(message.content.as_ref().map(raw)) } else { node }
        };
        let list = Node::new("spam_list")
            .attr("spam_flow", self.flow.as_str())
            .attr("jid", &self.chat)
            .children(self.messages.iter().map(message));
        let token = self.token.as_ref().map(|token| Node::new("tctoken").bytes(token.clone()));
        std::iter::once(list).chain(token).collect()
    }

    fn read(reply: Reader<'_>) -> Result<Option<String>, StanzaError> {
        let id = reply.child_opt("report_id").and_then(|id| id.node().text());
        Ok(id.map(std::borrow::Cow::into_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_beside_the_list() {
        let message = SpamMessage {
            id: MessageId::new("A1"),
            timestamp: UnixSeconds(5),
            from: Jid::lid("100"),
            participant: None,
            content: None,
        };
        let report = ReportSpam {
            flow: SpamFlow::Message,
            chat: Jid::lid("100"),
            messages: vec![message],
            token: Some(vec![1]),
        };
        let body = report.body();
        assert_eq!(body.iter().map(|node| node.tag.as_ref()).collect::<Vec<_>>(), ["spam_list", "tctoken"]);
        assert_eq!(body[0].nodes()[0].to_xml(), r#"<message id="A1" t="5" from="100@lid"/>"#);
    }
}
