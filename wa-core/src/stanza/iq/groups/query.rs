//! What a group is, and which groups there are.

use wa_store::Group;
use wa_types::Jid;

use super::{GROUPS, NAMESPACE, named_group, one_group, read_error};
use crate::stanza::group::read_group;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks about one group.
#[derive(Debug, Clone)]
pub struct FetchGroup {
    /// The group.
    pub group: Jid,
}

impl IqRequest for FetchGroup {
    const NAMESPACE: &'static str = NAMESPACE;
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
    const NAMESPACE: &'static str = NAMESPACE;
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

/// Asks about many groups; the server takes up to [`GROUPS_LIMIT`].
#[derive(Debug, Clone)]
pub struct FetchGroups {
    /// The groups.
    pub groups: Vec<Jid>,
}

/// How many groups one request may ask about.
pub const GROUPS_LIMIT: usize = 10_000;

/// What the server says about one of many groups.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupEntry {
    /// The group.
    Group(Box<Group>),
    /// It is too large for an answer about many: ask about it alone.
    Truncated {
        /// How many members it has.
        size: u32,
    },
    /// The code of a refusal.
    Refused(u16),
}

impl IqRequest for FetchGroups {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    /// Each group that the server names.
    type Reply = Vec<(Jid, GroupEntry)>;

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        let groups = self.groups.iter().map(|group| Node::new("group").attr("jid", group));
        vec![Node::new("query").children(groups)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let all = reply.child("groups")?.children();
        let read = |group: Reader<'_>| {
            let entry = if let Some(code) = read_error(group) {
                GroupEntry::Refused(code)
            } else if group.attr_is("truncated", "true") {
                GroupEntry::Truncated { size: group.number_opt("size").ok().flatten().unwrap_or(0) }
            } else {
                GroupEntry::Group(Box::new(read_group(group).ok()?))
            };
            Some((named_group(group)?, entry))
        };
        Ok(all.filter_map(read).collect())
    }
}
