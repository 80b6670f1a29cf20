//! Name, description, and how a group is set.

use wa_types::Jid;

use super::NAMESPACE;
use crate::stanza::group_setting::GroupSetting;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Gives a group another name.
#[derive(Debug, Clone)]
pub struct SetSubject {
    /// The group.
    pub group: Jid,
    /// The name.
    pub subject: String,
}

impl IqRequest for SetSubject {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("subject").bytes(self.subject.as_bytes())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Gives a group another description, or none.
#[derive(Debug, Clone)]
pub struct SetDescription {
    /// The group.
    pub group: Jid,
    /// The new description's id: any that was not used before.
    pub id: String,
    /// The id of the description that it replaces.
    pub previous: Option<String>,
    /// The text; none to take the description away.
    pub text: Option<String>,
}

impl IqRequest for SetDescription {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        let node = Node::new("description")
            .attr("id", self.id.as_str())
            .attr_opt("prev", self.previous.as_deref())
            .attr_opt("delete", self.text.is_none().then_some("true"));
        vec![match &self.text {
            Some(text) => node.child(Node::new("body").bytes(text.as_bytes())),
            None => node,
        }]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Sets a group otherwise.
#[derive(Debug, Clone)]
pub struct SetGroup {
    /// The group.
    pub group: Jid,
    /// The setting, with its new value.
    pub setting: GroupSetting,
}

impl IqRequest for SetGroup {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![self.setting.to_node()]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Tells the server that the user saw a group that others added them to.
#[derive(Debug, Clone)]
pub struct AcknowledgeGroup {
    /// The group.
    pub group: Jid,
}

impl IqRequest for AcknowledgeGroup {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("ack")]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}
