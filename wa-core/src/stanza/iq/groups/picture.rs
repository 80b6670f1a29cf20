//! The picture of a group. Protocol: IQ catalogue, "Profile picture".

use wa_types::Jid;

use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Gives a group another picture, or none.
#[derive(Clone)]
pub struct SetGroupPicture {
    /// The group.
    pub group: Jid,
    /// A square JPEG; none to take the picture away.
    pub jpeg: Option<Vec<u8>>,
}

impl IqRequest for SetGroupPicture {
    const NAMESPACE: &'static str = "w:profile:picture";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    /// The new picture's id.
    type Reply = Option<String>;

    fn body(&self) -> Vec<Node> {
        let picture = self.jpeg.iter().map(|jpeg| Node::new("picture").attr("type", "image").bytes(&**jpeg));
        picture.collect()
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let id = reply.child_opt("picture").and_then(|picture| picture.text_opt("id"));
        Ok(id.map(std::borrow::Cow::into_owned))
    }

    fn to_node(&self, id: &str) -> Node {
        let node = Node::new("iq")
            .attr("id", id)
            .attr("to", self.to())
            .attr("target", &self.group)
            .attr("type", "set")
            .attr("xmlns", Self::NAMESPACE);
        self.body().into_iter().fold(node, Node::child)
    }
}

impl std::fmt::Debug for SetGroupPicture {
    /// The picture by its size.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.jpeg.as_ref().map(Vec::len);
        f.debug_struct("SetGroupPicture").field("group", &self.group).field("bytes", &size).finish()
    }
}
