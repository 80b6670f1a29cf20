//! A group and its members as nodes. Protocol: groups and communities, "Group object".

use wa_core::wire::Node;
use wa_types::Jid;

use super::{Group, GroupMode, Member, Place, Role, Subgroup};
use crate::state::State;

impl State {
    /// A user under its address in the mode, with its other address.
    pub(crate) fn participant(&self, account: usize, mode: GroupMode) -> Node {
        let node = Node::new("participant");
        let Some(account) = self.account(account) else { return node };
        match mode {
            GroupMode::Lid => node.attr("jid", &account.lid).attr("phone_number", &account.pn),
            GroupMode::Pn => node.attr("jid", &account.pn).attr("lid", &account.lid),
        }
    }

    /// A member with its role.
    fn member_node(&self, account: usize, member: Member, mode: GroupMode) -> Node {
        let role = match member.role {
            Role::Member => None,
            Role::Admin => Some("admin"),
            Role::SuperAdmin => Some("superadmin"),
        };
        self.participant(account, mode).attr_opt("type", role).attr("join_time", member.joined)
    }

    /// The whole group.
    pub(crate) fn group_node(&self, group: &Group, with_members: bool) -> Node {
        let mut node = Node::new("group")
            .attr("id", group.jid.user())
            .attr("subject", &group.subject)
            .attr("s_t", group.subject_time)
            .attr("creation", group.creation)
            .attr("addressing_mode", group.mode.as_str())
            .attr("size", group.members.len())
            .attr("p_v_id", group.version)
            .attr("a_v_id", group.version);
        let names = [("s_o", "s_o_pn", group.subject_owner), ("creator", "creator_pn", group.creator)];
        for (name, name_pn, account) in names {
            if let Some(account) = self.account(account) {
                node = match group.mode {
                    GroupMode::Lid => node.attr(name, &account.lid).attr(name_pn, &account.pn),
                    GroupMode::Pn => node.attr(name, &account.pn),
                };
            }
        }
        let members = group.members.iter().filter(|_| with_members);
        node.children(members.map(|(account, member)| self.member_node(*account, *member, group.mode)))
            .children(self.setting_nodes(group))
    }

    fn setting_nodes(&self, group: &Group) -> Vec<Node> {
        let mut nodes = Vec::new();
        if let Some(description) = &group.description {
            let author = self.account(description.author);
            let like = group.mode.sample();
            nodes.push(
                Node::new("description")
                    .attr("id", &description.id)
                    .attr_opt("participant", author.map(|author| author.jid_like(&like)))
                    .attr("t", description.time)
                    .child(Node::new("body").bytes(description.text.as_str())),
            );
        }
        nodes.extend(group.locked.then(|| Node::new("locked")));
        nodes.extend(group.announcement.then(|| Node::new("announcement")));
        nodes.extend(group.ephemeral.map(|(seconds, trigger)| {
            Node::new("ephemeral").attr("expiration", seconds).attr_opt("trigger", trigger)
        }));
        nodes.extend(group.approval.then(|| approval_node(true)));
        nodes.push(Node::new("member_add_mode").bytes(group.member_add_mode.as_str()));
        nodes.push(Node::new("member_link_mode").bytes(group.member_link_mode.as_str()));
        nodes.push(Node::new("member_share_group_history_mode").bytes(group.member_share_mode.as_str()));
        nodes.extend(group.flags.iter().map(|flag| Node::new(*flag)));
        nodes.extend(place_nodes(&group.place));
        nodes
    }
}

fn place_nodes(place: &Place) -> Vec<Node> {
    match place {
        Place::Alone => Vec::new(),
        Place::Community { closed } => {
            let mode = closed.then_some("request_required");
            vec![Node::new("parent").attr_opt("default_membership_approval_mode", mode)]
        }
        Place::In { community, kind } => {
            let linked = Node::new("linked_parent").attr("jid", community);
            std::iter::once(linked).chain(kind.node()).collect()
        }
    }
}

impl Subgroup {
    /// What says so in a node about the group.
    pub(crate) fn node(self) -> Option<Node> {
        match self {
            Self::Announcements => Some(Node::new("default_sub_group")),
            Self::General => Some(Node::new("general_chat")),
            Self::Hidden => Some(Node::new("hidden_group")),
            Self::Ordinary => None,
        }
    }
}

/// A group of a community, as lists of them have it. `name` is the attribute that has its address.
pub(crate) fn subgroup_node(group: &Group, name: &'static str) -> Node {
    let node = Node::new("group");
    let node = if name == "id" { node.attr("id", group.jid.user()) } else { node.attr(name, &group.jid) };
    let kind = match group.place {
        Place::In { kind, .. } => kind.node(),
        Place::Alone | Place::Community { .. } => None,
    };
    let node = node
        .attr("subject", &group.subject)
        .attr("s_t", group.subject_time)
        .attr("creation", group.creation)
        .attr("size", group.members.len());
    node.children(kind)
}

pub(crate) fn approval_node(on: bool) -> Node {
    let state = if on { "on" } else { "off" };
    Node::new("membership_approval_mode").child(Node::new("group_join").attr("state", state))
}

/// A group's address without its object.
pub(crate) fn group_ref(jid: &Jid) -> Node {
    Node::new("group").attr("jid", jid)
}
