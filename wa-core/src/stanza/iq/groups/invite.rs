//! Links and invitations to a group, and joining by them. Protocol: groups and communities, "Joining".

use wa_store::Group;
use wa_types::{Jid, UnixSeconds};

use super::members::read_answer;
use super::{GROUPS, MemberAnswer, NAMESPACE, named_group, one_group, participant};
use crate::stanza::group::read_group;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks for the code of the link that leads into a group.
#[derive(Debug, Clone)]
pub struct FetchInviteLink {
    /// The group.
    pub group: Jid,
}

impl IqRequest for FetchInviteLink {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = String;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("invite")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        read_code(reply)
    }
}

/// Makes another link; the one before leads nowhere.
#[derive(Debug, Clone)]
pub struct ResetInviteLink {
    /// The group.
    pub group: Jid,
}

impl IqRequest for ResetInviteLink {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = String;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("invite")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        read_code(reply)
    }
}

/// Asks what a link leads to.
#[derive(Debug, Clone)]
pub struct LookBehindLink {
    /// The link's code.
    pub code: String,
}

impl IqRequest for LookBehindLink {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    /// The group, with some or none of its members.
    type Reply = Group;

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("invite").attr("code", self.code.as_str())]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        one_group(reply).and_then(read_group)
    }
}

/// Joins the group that a link leads to.
#[derive(Debug, Clone)]
pub struct JoinByLink {
    /// The link's code.
    pub code: String,
}

impl IqRequest for JoinByLink {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Joined;

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("invite").attr("code", self.code.as_str())]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        read_joined(reply)
    }
}

/// What a message said in which an admin invites one user to a group.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupInvite {
    /// The group.
    pub group: Jid,
    /// The admin who sent it.
    pub admin: Jid,
    /// Its code, for this one user.
    pub code: String,
    /// Until when it is good.
    pub expires: UnixSeconds,
}

impl GroupInvite {
    fn node(&self, tag: &'static str) -> Node {
        Node::new(tag)
            .attr("code", self.code.as_str())
            .attr("expiration", self.expires)
            .attr("admin", &self.admin)
    }
}

impl std::fmt::Debug for GroupInvite {
    /// Without the code: whoever has it can join.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupInvite")
            .field("group", &self.group)
            .field("admin", &self.admin)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Asks what an invitation leads to.
#[derive(Debug, Clone)]
pub struct LookBehindInvite {
    /// The invitation.
    pub invite: GroupInvite,
}

impl IqRequest for LookBehindInvite {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = Group;

    fn to(&self) -> Jid {
        self.invite.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("query").child(self.invite.node("add_request"))]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        one_group(reply).and_then(read_group)
    }
}

/// Joins the group of an invitation.
#[derive(Debug, Clone)]
pub struct AcceptInvite {
    /// The invitation.
    pub invite: GroupInvite,
}

impl IqRequest for AcceptInvite {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Joined;

    fn to(&self) -> Jid {
        self.invite.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![self.invite.node("accept")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        read_joined(reply)
    }
}

/// Takes invitations back.
#[derive(Debug, Clone)]
pub struct RevokeInvites {
    /// The group.
    pub group: Jid,
    /// Whose.
    pub users: Vec<Jid>,
}

impl IqRequest for RevokeInvites {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Vec<MemberAnswer>;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        let users = self.users.iter().map(participant);
        vec![Node::new("revoke").children(users)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        Ok(reply.child("revoke")?.children_of("participant").filter_map(read_answer).collect())
    }
}

/// What became of a wish to join.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Joined {
    /// We are a member of this group.
    Member(Jid),
    /// An admin of this group must let us in.
    Waiting(Jid),
}

fn read_code(reply: Reader<'_>) -> Result<String, StanzaError> {
    reply.child("invite")?.text("code").map(std::borrow::Cow::into_owned)
}

fn read_joined(reply: Reader<'_>) -> Result<Joined, StanzaError> {
    let member = reply.child_opt("group").or_else(|| reply.child_opt("community"));
    let waiting = || reply.child_opt("membership_approval_request").and_then(named_group);
    let joined = member.and_then(named_group).map(Joined::Member).or_else(|| waiting().map(Joined::Waiting));
    joined.ok_or_else(|| reply.missing("group"))
}
