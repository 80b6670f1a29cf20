//! `w:g2`: asking about groups, and changing them. Protocol: IQ catalogue, "Groups and communities".

use wa_store::Group;
use wa_types::Jid;

use super::{IqKind, IqRequest};
use crate::stanza::group::{group_jid, read_group};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Where requests go that are about no single group.
const GROUPS: Jid = Jid::service(wa_types::Server::Group);

/// Makes a group. Its creator is a member by itself.
#[derive(Debug, Clone)]
pub struct CreateGroup {
    /// Its name.
    pub subject: String,
    /// The other members. For a LID, the phone number may be told.
    pub members: Vec<(Jid, Option<Jid>)>,
}

impl IqRequest for CreateGroup {
    const NAMESPACE: &'static str = "w:g2";
    const KIND: IqKind = IqKind::Set;
    /// The group, and what became of those who shall be in it.
    type Reply = (Group, Vec<MemberAnswer>);

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        let members = self.members.iter().map(|(jid, pn)| participant(jid, pn.as_ref()));
        vec![Node::new("create").attr("subject", self.subject.as_str()).children(members)]
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

/// Asks about one group.
#[derive(Debug, Clone)]
pub struct FetchGroup {
    /// The group.
    pub group: Jid,
}

impl IqRequest for FetchGroup {
    const NAMESPACE: &'static str = "w:g2";
    const KIND: IqKind = IqKind::Get;
    type Reply = Group;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("query").attr("request", "interactive")]
    }

    fn read(reply: Reader<'_>) -> Result<Group, StanzaError> {
        one_group(reply).and_then(read_group)
    }
}

/// Asks for all groups that we are in, with their members.
#[derive(Debug, Clone, Copy)]
pub struct FetchParticipating;

impl IqRequest for FetchParticipating {
    const NAMESPACE: &'static str = "w:g2";
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<Group>;

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        let wanted = [Node::new("participants"), Node::new("description")];
        vec![Node::new("participating").children(wanted)]
    }

    fn read(reply: Reader<'_>) -> Result<Vec<Group>, StanzaError> {
        let lists = reply.children().filter(|list| list.is("groups") || list.is("communities"));
        let all = lists.flat_map(|list| list.children());
        Ok(all.filter_map(|group| read_group(group).ok()).collect())
    }
}

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
    /// To whom. For a LID, the phone number may be told.
    pub members: Vec<(Jid, Option<Jid>)>,
}

impl IqRequest for ChangeMembers {
    const NAMESPACE: &'static str = "w:g2";
    const KIND: IqKind = IqKind::Set;
    type Reply = Vec<MemberAnswer>;

    fn to(&self) -> Jid {
        self.group.clone()
    }

    fn body(&self) -> Vec<Node> {
        // Only who is added needs to be found by the server.
        let finds = self.action == MemberAction::Add;
        let members = self.members.iter().map(|(jid, pn)| participant(jid, pn.as_ref().filter(|_| finds)));
        vec![Node::new(self.action.as_str()).children(members)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let actions = [MemberAction::Add, MemberAction::Remove, MemberAction::Promote, MemberAction::Demote];
        let done = actions.into_iter().find_map(|action| reply.child_opt(action.as_str()));
        let done = done.ok_or_else(|| reply.missing("add"))?;
        Ok(done.children_of("participant").filter_map(read_answer).collect())
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

fn read_answer(participant: Reader<'_>) -> Option<MemberAnswer> {
    let error = participant.text_opt("error").map(|code| code.parse().unwrap_or(0));
    let request = participant.child_opt("add_request");
    Some(MemberAnswer {
        jid: participant.jid("jid").ok().filter(Jid::is_user)?.to_chat(),
        pn: participant.jid_opt("phone_number").ok().flatten().filter(Jid::is_pn),
        // Some servers say it in numbers.
        error: error.filter(|code| *code != 200),
        invitation: request.and_then(|request| {
            let code = request.text_opt("code")?.into_owned();
            Some(Invitation { code, expires: request.time_opt("expiration").unwrap_or_default() })
        }),
    })
}

/// Ends our own membership.
#[derive(Debug, Clone)]
pub struct LeaveGroup {
    /// The group.
    pub group: Jid,
}

impl IqRequest for LeaveGroup {
    const NAMESPACE: &'static str = "w:g2";
    const KIND: IqKind = IqKind::Set;
    /// The code of a refusal.
    type Reply = Option<u16>;

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("leave").child(Node::new("group").attr("id", &self.group))]
    }

    fn read(reply: Reader<'_>) -> Result<Option<u16>, StanzaError> {
        let left = reply.child_opt("leave").and_then(|leave| leave.children().next());
        let error = left.and_then(|group| group.text_opt("error").map(|code| code.parse().unwrap_or(0)));
        Ok(error.filter(|code| *code != 200))
    }
}

/// Gives a group another name.
#[derive(Debug, Clone)]
pub struct SetSubject {
    /// The group.
    pub group: Jid,
    /// The name.
    pub subject: String,
}

impl IqRequest for SetSubject {
    const NAMESPACE: &'static str = "w:g2";
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
    const NAMESPACE: &'static str = "w:g2";
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

fn participant(jid: &Jid, pn: Option<&Jid>) -> Node {
    Node::new("participant").attr("jid", jid).attr_opt("phone_number", pn.filter(|_| jid.is_lid()))
}

/// The one group of an answer; in a community's answer it has another tag.
fn one_group(reply: Reader<'_>) -> Result<Reader<'_>, StanzaError> {
    let group = reply.child_opt("group").or_else(|| reply.child_opt("community"));
    let group = group.ok_or_else(|| reply.missing("group"))?;
    group_jid(group, "id").map(|_| group)
}
