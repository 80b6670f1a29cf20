//! Communities: a group without messages of its own, over an announcement group and others. Whoever is in a group of
//! one is in it, and in its announcement group. Protocol: groups and communities, "Communities".

use wa_core::wire::Node;
use wa_types::Jid;

use super::changes::Joined;
use super::render::subgroup_node;
use super::{Group, GroupMode, Place, Role, Subgroup};
use crate::state::State;

impl State {
    /// Makes the announcement group of a community that was just made, and a general chat if it is to have one.
    pub(crate) fn furnish_community(&mut self, community: &Jid, with_general_chat: bool) {
        let Some(parent) = self.groups.find(community) else { return };
        let (subject, creator) = (parent.subject.clone(), parent.creator);
        let mut wanted = vec![Subgroup::Announcements];
        wanted.extend(with_general_chat.then_some(Subgroup::General));
        for kind in wanted {
            let place = Place::In { community: community.clone(), kind };
            self.create_group(creator, &subject, GroupMode::Lid, &[], None, |group| {
                group.announcement = kind == Subgroup::Announcements;
                group.place = place;
            });
        }
    }

    /// The announcement group of a community.
    pub(crate) fn announcements_of(&self, community: &Jid) -> Option<Jid> {
        let groups = self.groups.within(community);
        let found = groups.into_iter().find(|group| group.is(Subgroup::Announcements));
        found.map(|group| group.jid.clone())
    }

    /// Who came into a group is in its community now, and in the announcement group; who came into a community is in
    /// its announcement group.
    pub(crate) fn join_community_of(&mut self, jid: &Jid, actor: usize, accounts: &[usize]) {
        let Some(group) = self.groups.find(jid) else { return };
        let community = if group.is_community() { Some(jid.clone()) } else { group.community().cloned() };
        let Some(community) = community else { return };
        let places = std::iter::once(community.clone()).chain(self.announcements_of(&community));
        for place in places.collect::<Vec<_>>() {
            let members = self.members_of(&place);
            let new: Vec<usize> =
                accounts.iter().copied().filter(|account| !members.contains(account)).collect();
            if !new.is_empty() {
                self.add_members(&place, actor, &new, Joined::Linked);
            }
        }
    }

    /// Takes accounts out of a community and of all its groups.
    pub(crate) fn remove_from_community(&mut self, community: &Jid, actor: usize, accounts: &[usize]) {
        let groups = self.groups.within(community);
        let mut places: Vec<Jid> = groups.into_iter().map(|group| group.jid.clone()).collect();
        places.push(community.clone());
        for place in places {
            let members = self.members_of(&place);
            let gone: Vec<usize> =
                accounts.iter().copied().filter(|account| members.contains(account)).collect();
            if !gone.is_empty() {
                self.remove_members(&place, actor, &gone);
            }
        }
    }

    /// Makes a group part of a community. Both sides are told, and its members come into the community.
    pub(crate) fn link_group(&mut self, community: &Jid, jid: &Jid, actor: usize, kind: Subgroup) {
        let Some(group) = self.groups.find_mut(jid) else { return };
        group.place = Place::In { community: community.clone(), kind };
        let members: Vec<usize> = group.members.keys().copied().collect();
        let own = subgroup_node(group, "jid");
        let Some(parent) = self.groups.find(community) else { return };
        let above = Node::new("group").attr("jid", community).attr("subject", &parent.subject);
        self.tell_all(community, Some(actor), link("sub_group", own));
        self.tell_all(jid, Some(actor), link("parent_group", above));
        self.join_community_of(jid, actor, &members);
    }

    /// Takes a group out of its community. Both sides are told. Who is in no other group of it loses it, if that is
    /// wanted.
    pub(crate) fn unlink_group(&mut self, jid: &Jid, actor: usize, reason: &'static str, with_orphans: bool) {
        let Some(group) = self.groups.find_mut(jid) else { return };
        let Some(community) = group.community().cloned() else { return };
        let own = subgroup_node(group, "jid");
        group.place = Place::Alone;
        let members: Vec<usize> = group.members.keys().copied().collect();
        let above = Node::new("group").attr("jid", &community);
        self.tell_all(&community, Some(actor), unlink("sub_group", reason, own));
        self.tell_all(jid, Some(actor), unlink("parent_group", reason, above));
        let creator = self.groups.find(&community).map(|parent| parent.creator);
        let orphans: Vec<usize> = members
            .into_iter()
            .filter(|account| with_orphans && Some(*account) != creator)
            .filter(|account| {
                let others = self.groups.within(&community);
                !others
                    .iter()
                    .any(|other| !other.is(Subgroup::Announcements) && other.members.contains_key(account))
            })
            .collect();
        if !orphans.is_empty() {
            self.remove_from_community(&community, actor, &orphans);
        }
    }

    /// Ends a community: its groups stand alone, its announcement group is gone.
    pub(crate) fn deactivate_community(&mut self, community: &Jid, actor: usize) {
        let groups = self.groups.within(community);
        let (own, others): (Vec<&Group>, Vec<&Group>) =
            groups.into_iter().partition(|group| group.is(Subgroup::Announcements));
        let own: Vec<Jid> = own.into_iter().map(|group| group.jid.clone()).collect();
        let others: Vec<Jid> = others.into_iter().map(|group| group.jid.clone()).collect();
        for group in others {
            self.unlink_group(&group, actor, "delete_parent", false);
        }
        for gone in own.into_iter().chain([community.clone()]) {
            self.tell_all(&gone, Some(actor), Node::new("delete").attr("reason", "delete_parent"));
            self.groups.remove(&gone);
        }
    }

    /// Gives a community, and its announcement group, another owner.
    pub(crate) fn transfer_community(&mut self, community: &Jid, from: usize, to: usize) {
        for place in std::iter::once(community.clone()).chain(self.announcements_of(community)) {
            if let Some(group) = self.groups.find_mut(&place) {
                group.creator = to;
            }
            self.set_roles(&place, Some(from), &[to], Role::SuperAdmin);
            self.set_roles(&place, Some(from), &[from], Role::Admin);
        }
    }
}

impl Group {
    /// Whether it is this group of its community.
    pub(crate) fn is(&self, wanted: Subgroup) -> bool {
        matches!(self.place, Place::In { kind, .. } if kind == wanted)
    }
}

fn link(kind: &'static str, group: Node) -> Node {
    Node::new("link").attr("link_type", kind).child(group)
}

fn unlink(kind: &'static str, reason: &'static str, group: Node) -> Node {
    Node::new("unlink").attr("unlink_type", kind).attr("unlink_reason", reason).child(group)
}
