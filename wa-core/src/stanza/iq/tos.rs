//! `tos`: terms that the user accepts. Protocol: IQ catalogue, "Account and devices".

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks which of these terms the user accepted.
#[derive(Debug, Clone)]
pub struct FetchNotices(pub Vec<String>);

impl IqRequest for FetchNotices {
    const NAMESPACE: &'static str = "tos";
    const KIND: IqKind = IqKind::Get;
    /// Each that the server knows, and whether it was accepted.
    type Reply = Vec<(String, bool)>;

    fn body(&self) -> Vec<Node> {
        let notices = self.0.iter().map(|id| Node::new("notice").attr("id", id));
        vec![Node::new("request").children(notices)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let notices = reply.child("tos")?.children_of("notice");
        let read =
            |notice: Reader<'_>| Some((notice.text_opt("id")?.into_owned(), notice.attr_is("state", "true")));
        Ok(notices.filter_map(read).collect())
    }
}

/// Accepts terms of the server.
#[derive(Debug, Clone)]
pub struct AcceptNotice {
    /// Their number.
    pub id: String,
    /// Which step of them.
    pub stage: u32,
}

impl IqRequest for AcceptNotice {
    const NAMESPACE: &'static str = "tos";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("notice").attr("id", self.id.as_str()).attr("stage", self.stage)]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn terms_are_asked_for_and_accepted_by_their_number() {
        let accept = AcceptNotice { id: "20601218".to_owned(), stage: 5 }.to_node("1").to_xml();
        assert!(accept.contains("<notice id=\"20601218\" stage=\"5\"/>"), "{accept}");
        let asked = FetchNotices(vec!["1".to_owned()]).body();
        assert_eq!(asked, [Node::new("request").child(Node::new("notice").attr("id", "1"))]);
        let notice =
            |id: &'static str, state: &'static str| Node::new("notice").attr("id", id).attr("state", state);
        let tos = Node::new("tos").children([notice("1", "true"), notice("2", "false"), Node::new("notice")]);
        let read = read_node(&Node::new("iq").child(tos), FetchNotices::read).unwrap();
        assert_eq!(read, [("1".to_owned(), true), ("2".to_owned(), false)]);
    }
}
