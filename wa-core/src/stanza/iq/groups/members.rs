//! Who is in a group: adding, removing, roles, leaving.

use wa_types::Jid;

use super::{GROUPS, NAMESPACE, named_group, participant, read_error};
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// What is done to members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberAction {
    /// Makes them members.
    Add,
    /// Ends their membership.
    Remove,
    /// Makes them admins.
    Promote,
    /// Ends their being admins.
    Demote,
}

impl MemberAction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Promote => "promote",
            Self::Demote => "demote",
        }
    }
}

/// Adds, removes, promotes or demotes.
#[derive(Debug, Clone)]
pub struct ChangeMembers {
    /// The group.
    pub group: Jid,
    /// What is done.
    pub action: MemberAction,
    /// To whom.
    pub members: Vec<NewMember>,
    /// Of a community: who is removed is removed from all its groups, too.
    pub with_subgroups: bool,
}

impl IqRequest for ChangeMembers {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Vec<MemberAnswer>;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        // Only who is added needs to be found by the server.
        let finds = self.action == MemberAction::Add;
        let members =
            self.members.iter().map(|member| if finds { member.to_node() } else { participant(&member.jid) });
        let everywhere = (self.with_subgroups && self.action == MemberAction::Remove).then_some("true");
        let node = Node::new(self.action.as_str()).attr_opt("linked_groups", everywhere);
        vec![node.children(members)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let actions = [MemberAction::Add, MemberAction::Remove, MemberAction::Promote, MemberAction::Demote];
        let done = actions.into_iter().find_map(|action| reply.child_opt(action.as_str()));
        let done = done.ok_or_else(|| reply.missing("add"))?;
        Ok(done.children_of("participant").filter_map(read_answer).collect())
    }
}

/// Somebody who shall be in a group. `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMember {
    /// Who.
    pub jid: Jid,
    /// The phone number beside a LID, so that the server finds the user.
    pub pn: Option<Jid>,
    /// The token of trust that the user gave us: with it, their privacy may let us.
    pub token: Option<Vec<u8>>,
}

impl NewMember {
    pub(super) fn to_node(&self) -> Node {
        let pn = self.pn.as_ref().filter(|_| self.jid.is_lid());
        let node = participant(&self.jid).attr_opt("phone_number", pn);
        match &self.token {
            Some(token) => node.child(Node::new("privacy").bytes(token.clone())),
            None => node,
        }
    }
}

impl std::fmt::Debug for NewMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewMember").field("jid", &self.jid).field("pn", &self.pn).finish_non_exhaustive()
    }
}

/// What the server said about one of several members.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberAnswer {
    /// The member, as the server addresses it.
    pub jid: Jid,
    /// The member's phone number, where the server told it.
    pub pn: Option<Jid>,
    /// The code of a refusal; 0 for one that is no number.
    pub error: Option<u16>,
    /// The member's privacy forbids it: with this they can join by themselves.
    pub invitation: Option<Invitation>,
}

/// What a message to a user must carry so that the user can join a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invitation {
    /// The code.
    pub code: String,
    /// Until when it is good.
    pub expires: wa_types::UnixSeconds,
}

pub(super) fn read_answer(participant: Reader<'_>) -> Option<MemberAnswer> {
    let request = participant.child_opt("add_request");
    Some(MemberAnswer {
        jid: participant.jid("jid").ok().filter(Jid::is_user)?.to_chat(),
        pn: participant.jid_opt("phone_number").ok().flatten().filter(Jid::is_pn),
        error: read_error(participant),
        invitation: request.and_then(|request| {
            let code = request.text_opt("code")?.into_owned();
            Some(Invitation { code, expires: request.time_opt("expiration").unwrap_or_default() })
        }),
    })
}

/// Ends our own membership.
#[derive(Debug, Clone)]
pub struct LeaveGroups {
    /// The groups, or one community.
    pub groups: Vec<Jid>,
    /// They are communities: all their groups are left with them.
    pub are_communities: bool,
}

impl IqRequest for LeaveGroups {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    /// Each group that the server names, with the code of a refusal.
    type Reply = Vec<(Jid, Option<u16>)>;

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        let tag = if self.are_communities { "community" } else { "group" };
        let groups = self.groups.iter().map(|group| Node::new(tag).attr("id", group));
        vec![Node::new("leave").children(groups)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let left = reply.child_opt("leave").into_iter().flat_map(|leave| leave.children());
        Ok(left.filter_map(|group| Some((named_group(group)?, read_error(group)))).collect())
    }
}
