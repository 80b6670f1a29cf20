//! Making a group or a community.

use wa_store::Group;
use wa_types::Jid;

use super::members::read_answer;
use super::{GROUPS, MemberAnswer, NAMESPACE, NewMember, one_group};
use crate::stanza::group::read_group;
use crate::stanza::group_setting::GroupSetting;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Makes a group. Its creator is a member by itself.
#[derive(Debug, Clone)]
pub struct CreateGroup {
    /// Its name.
    pub subject: String,
    /// The other members.
    pub members: Vec<NewMember>,
    /// What it says about itself, and the id of that.
    pub description: Option<(String, String)>,
    /// How it is set.
    pub settings: Vec<GroupSetting>,
    /// Where it stands.
    pub place: GroupPlace,
}

/// Where a new group stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GroupPlace {
    /// By itself.
    #[default]
    Alone,
    /// In this community.
    In(Jid),
    /// It is a community.
    Community {
        /// Who joins must be let in.
        is_closed: bool,
        /// The server makes a general chat, beside the announcement group that every community has.
        has_general_chat: bool,
    },
}

impl IqRequest for CreateGroup {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    /// The group, and what became of those who shall be in it.
    type Reply = (Group, Vec<MemberAnswer>);

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        let members = self.members.iter().map(NewMember::to_node);
        let create = Node::new("create").attr("subject", self.subject.as_str()).children(members);
        let description = self.description.iter().map(|(id, text)| {
            let body = Node::new("body").bytes(text.as_bytes());
            Node::new("description").attr("id", id.as_str()).child(body)
        });
        let settings = self.settings.iter().map(|setting| setting.to_node());
        vec![create.children(settings).children(self.place.nodes()).children(description)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let node = one_group(reply)?;
        let mut group = read_group(node)?;
        let answers: Vec<MemberAnswer> = node.children_of("participant").filter_map(read_answer).collect();
        for refused in answers.iter().filter(|answer| answer.error.is_some()) {
            group.members.retain(|member| !member.is_user(&refused.jid));
        }
        Ok((group, answers))
    }
}

impl GroupPlace {
    fn nodes(&self) -> Vec<Node> {
        match self {
            Self::Alone => Vec::new(),
            Self::In(community) => vec![Node::new("linked_parent").attr("jid", community)],
            Self::Community { is_closed, has_general_chat } => {
                let closed = is_closed.then_some("request_required");
                let parent = Node::new("parent").attr_opt("default_membership_approval_mode", closed);
                let general = has_general_chat.then(|| Node::new("create_general_chat"));
                std::iter::once(parent).chain(general).collect()
            }
        }
    }
}
