//! Which groups belong together. Protocol: groups and communities, "Communities".

use wa_store::{Group, GroupMember};
use wa_types::Jid;

use super::{NAMESPACE, named_group, one_group, read_error};
use crate::stanza::community::LinkedGroup;
use crate::stanza::group::{read_group, read_member};
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// A group, and the code of a refusal.
pub type LinkAnswer = (Jid, Option<u16>);

/// Asks which groups a community has.
#[derive(Debug, Clone)]
pub struct FetchSubgroups {
    /// The community.
    pub community: Jid,
}

impl IqRequest for FetchSubgroups {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<LinkedGroup>;

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("sub_groups")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let all = reply.child("sub_groups")?.children_of("group");
        Ok(all.filter_map(|group| LinkedGroup::read(group).ok()).collect())
    }
}

/// Asks who is in a community: in it, or in any of its groups.
#[derive(Debug, Clone)]
pub struct FetchCommunityMembers {
    /// The community.
    pub community: Jid,
}

impl IqRequest for FetchCommunityMembers {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    /// Each member once.
    type Reply = Vec<GroupMember>;

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("linked_groups_participants")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let all = reply.child("linked_groups_participants")?;
        let nested = all.children_of("group").flat_map(|group| group.children_of("participant"));
        let mut members: Vec<GroupMember> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for member in all.children_of("participant").chain(nested).filter_map(read_member) {
            if seen.insert(member.lid.clone().or_else(|| member.pn.clone())) {
                members.push(member);
            }
        }
        Ok(members)
    }
}

/// Makes groups part of a community.
#[derive(Debug, Clone)]
pub struct LinkGroups {
    /// The community.
    pub community: Jid,
    /// The groups; we are an admin of each.
    pub groups: Vec<Jid>,
    /// Only their members see them.
    pub are_hidden: bool,
}

impl IqRequest for LinkGroups {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Vec<LinkAnswer>;

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        let hidden = self.are_hidden.then(|| Node::new("hidden_group"));
        let groups = self.groups.iter().map(|group| {
            let node = Node::new("group").attr("jid", group);
            hidden.iter().fold(node, |node, hidden| node.child(hidden.clone()))
        });
        let link = Node::new("link").attr("link_type", "sub_group").children(groups);
        vec![Node::new("links").child(link)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        Ok(read_links(reply.child("links")?.children_of("link")))
    }
}

/// Takes groups out of a community.
#[derive(Debug, Clone)]
pub struct UnlinkGroups {
    /// The community.
    pub community: Jid,
    /// The groups.
    pub groups: Vec<Jid>,
    /// Who is in no other group of the community leaves it.
    pub removes_orphans: bool,
}

impl IqRequest for UnlinkGroups {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Vec<LinkAnswer>;

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        let orphans = self.removes_orphans.then_some("true");
        let groups = self
            .groups
            .iter()
            .map(|group| Node::new("group").attr("jid", group).attr_opt("remove_orphaned_members", orphans));
        vec![Node::new("unlink").attr("unlink_type", "sub_group").children(groups)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        Ok(read_links(reply.children_of("unlink")))
    }
}

/// Asks about one group of a community, also one that we are not in.
#[derive(Debug, Clone)]
pub struct FetchLinkedGroup {
    /// The community.
    pub community: Jid,
    /// The group.
    pub group: Jid,
}

impl IqRequest for FetchLinkedGroup {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = Group;

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("query_linked").attr("type", "sub_group").attr("jid", &self.group)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        one_group(reply.child("linked_group")?).and_then(read_group)
    }
}

/// Joins a group of a community that we are in.
#[derive(Debug, Clone)]
pub struct JoinLinkedGroup {
    /// The community.
    pub community: Jid,
    /// The group.
    pub group: Jid,
}

impl IqRequest for JoinLinkedGroup {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = Group;

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("join_linked_group").attr("jid", &self.group)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        one_group(reply.child("linked_group")?).and_then(read_group)
    }
}

/// Ends a community: its groups stay, each by itself, and its announcement group goes.
#[derive(Debug, Clone)]
pub struct DeactivateCommunity {
    /// The community.
    pub community: Jid,
}

impl IqRequest for DeactivateCommunity {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("delete_parent")]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

fn read_links<'d>(lists: impl Iterator<Item = Reader<'d>>) -> Vec<LinkAnswer> {
    let groups = lists.flat_map(|list| list.children_of("group"));
    groups.filter_map(|group| Some((named_group(group)?, read_error(group)))).collect()
}
