//! Who waits to be let into a group. Protocol: groups and communities, "Joining".

use wa_types::{Jid, UnixSeconds};

use super::members::read_answer;
use super::{MemberAnswer, NAMESPACE, participant};
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// A user who waits to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinRequest {
    /// Who, as the group addresses its members.
    pub user: Jid,
    /// The user's phone number, where the server tells it beside a LID.
    pub phone_number: Option<Jid>,
    /// The user's username.
    pub username: Option<String>,
    /// Since when.
    pub requested: UnixSeconds,
    /// The member who asked for them; none when they asked for themselves.
    pub requested_by: Option<Jid>,
    /// How they came, in the server's word, such as `invite_link`.
    pub method: Option<String>,
    /// Through which community they came.
    pub community: Option<Jid>,
}

/// Asks who waits to be let in.
#[derive(Debug, Clone)]
pub struct FetchJoinRequests {
    /// The group.
    pub group: Jid,
}

impl IqRequest for FetchJoinRequests {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<JoinRequest>;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("membership_approval_requests")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let all = reply.child("membership_approval_requests")?.children_of("membership_approval_request");
        Ok(all.filter_map(read_request).collect())
    }
}

/// What an admin decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// They come in.
    Approve,
    /// They do not.
    Reject,
}

impl Decision {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// Lets users in, or does not.
#[derive(Debug, Clone)]
pub struct DecideJoinRequests {
    /// The group.
    pub group: Jid,
    /// What is decided.
    pub decision: Decision,
    /// About whom.
    pub users: Vec<Jid>,
}

impl IqRequest for DecideJoinRequests {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Vec<MemberAnswer>;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        let users = self.users.iter().map(participant);
        let decided = Node::new(self.decision.as_str()).children(users);
        vec![Node::new("membership_requests_action").child(decided)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let all = reply.child("membership_requests_action")?.children();
        Ok(all.flat_map(|decided| decided.children_of("participant")).filter_map(read_answer).collect())
    }
}

/// Does not want to be let in any more.
#[derive(Debug, Clone)]
pub struct WithdrawJoinRequest {
    /// The group.
    pub group: Jid,
    /// Our own account.
    pub user: Jid,
}

impl IqRequest for WithdrawJoinRequest {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Vec<MemberAnswer>;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("cancel_membership_requests").child(participant(&self.user))]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let all = reply.child("cancel_membership_requests")?.children_of("participant");
        Ok(all.filter_map(read_answer).collect())
    }
}

fn read_request(request: Reader<'_>) -> Option<JoinRequest> {
    let user = |name| request.jid_opt(name).ok().flatten().map(|jid: Jid| jid.to_chat());
    let text = |name| request.text_opt(name).map(std::borrow::Cow::into_owned);
    Some(JoinRequest {
        user: user("jid").filter(Jid::is_user)?,
        phone_number: user("phone_number").filter(Jid::is_pn),
        username: text("username"),
        requested: request.time_opt("request_time").unwrap_or_default(),
        requested_by: user("requestor"),
        method: text("request_method"),
        community: user("parent_group_jid").filter(Jid::is_group),
    })
}
