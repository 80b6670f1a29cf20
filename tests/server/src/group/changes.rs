//! Who comes and goes, and who is told of it. Protocol: groups and communities, "Notifications w:gp2".

use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::Jid;

use super::{Group, GroupMode, Member, Role};
use crate::account::DeviceKey;
use crate::state::State;

/// How members came into a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// Added by the actor, or approved by it.
    Added,
    /// By a link or an invitation.
    Invited,
    /// With a group of the same community.
    Linked,
}

impl Joined {
    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Added => None,
            Self::Invited => Some("invite"),
            Self::Linked => Some("linked_group_join"),
        }
    }
}

impl State {
    /// A new group; its members are told. Members that are named twice, or are the creator, count once.
    pub(crate) fn create_group(
        &mut self,
        creator: usize,
        subject: &str,
        mode: GroupMode,
        members: &[usize],
        key: Option<&str>,
        set: impl FnOnce(&mut Group),
    ) -> Jid {
        let now = self.now_seconds();
        let group = self.groups.create(creator, subject, mode, now);
        for member in members {
            group.members.entry(*member).or_insert(Member { role: Role::Member, joined: now });
        }
        set(group);
        let jid = group.jid.clone();
        let everyone: Vec<usize> = group.members.keys().copied().collect();
        self.tell_of_group(&jid, creator, &everyone, |create| create.attr_opt("key", key));
        jid
    }

    /// Takes accounts in that are not members. Members hear who came, and who came gets the whole group.
    pub(crate) fn add_members(&mut self, jid: &Jid, actor: usize, accounts: &[usize], joined: Joined) {
        let before = self.members_of(jid);
        let now = self.now_seconds();
        let Some(change) = self.new_version(jid, "add") else { return };
        if let Some(group) = self.groups.find_mut(jid) {
            for account in accounts {
                group.members.insert(*account, Member { role: Role::Member, joined: now });
                group.removed.remove(account);
                group.requests.remove(account);
                group.invitations.remove(account);
            }
        }
        let change = self.with_participants(jid, change.attr_opt("reason", joined.reason()), accounts);
        self.tell_group(jid, Some(actor), &before, None, change);
        self.tell_of_group(jid, actor, accounts, |create| create.attr("reason", "invite"));
        if joined != Joined::Linked {
            self.join_community_of(jid, actor, accounts);
        }
    }

    /// Takes members out; they are told too. Where no admin is left, the oldest member becomes one.
    pub(crate) fn remove_members(&mut self, jid: &Jid, actor: usize, accounts: &[usize]) {
        let before = self.members_of(jid);
        let Some(change) = self.new_version(jid, "remove") else { return };
        let change = self.with_participants(jid, change, accounts);
        let Some(group) = self.groups.find_mut(jid) else { return };
        for account in accounts {
            group.members.remove(account);
            if *account != actor {
                group.removed.insert(*account);
            }
        }
        let heir = group.members.iter().min_by_key(|(account, member)| (member.joined, **account));
        let heir = heir
            .map(|(account, _)| *account)
            .filter(|_| !group.members.values().any(|member| member.role >= Role::Admin));
        self.tell_group(jid, Some(actor), &before, None, change);
        if let Some(heir) = heir {
            self.set_roles(jid, None, &[heir], Role::Admin);
        }
    }

    /// Gives members another role. `actor` is `None` when the server does it.
    pub(crate) fn set_roles(&mut self, jid: &Jid, actor: Option<usize>, accounts: &[usize], role: Role) {
        let tag = if role == Role::Member { "demote" } else { "promote" };
        let Some(change) = self.new_version(jid, tag) else { return };
        if let Some(group) = self.groups.find_mut(jid) {
            for account in accounts {
                if let Some(member) = group.members.get_mut(account) {
                    member.role = role;
                }
            }
        }
        let change = self.with_participants(jid, change, accounts);
        let members = self.members_of(jid);
        self.tell_group(jid, actor, &members, None, change);
    }

    /// Tells all members of a change, the device that made it too; `None` when the server made it.
    pub(crate) fn tell_all(&mut self, jid: &Jid, actor: Option<usize>, change: Node) {
        let members = self.members_of(jid);
        self.tell_group(jid, actor, &members, None, change);
    }

    /// Tells all members of a change, but not the device that made it.
    pub(crate) fn tell_members(&mut self, jid: &Jid, actor: DeviceKey, change: Node) {
        let members = self.members_of(jid);
        self.tell_group(jid, Some(actor.account), &members, Some(actor), change);
    }

    /// Tells the admins of a change.
    pub(crate) fn tell_admins(&mut self, jid: &Jid, actor: usize, change: Node) {
        let admins: Vec<usize> = self.groups.find(jid).map_or_else(Vec::new, |group| {
            group.members.keys().copied().filter(|account| group.is_admin(*account)).collect()
        });
        self.tell_group(jid, Some(actor), &admins, None, change);
    }

    /// The accounts that are in a group.
    pub(crate) fn members_of(&self, jid: &Jid) -> Vec<usize> {
        self.groups.find(jid).map_or_else(Vec::new, |group| group.members.keys().copied().collect())
    }

    /// The change of this tag, with the versions before and after it; the group has the new one.
    fn new_version(&mut self, jid: &Jid, tag: &'static str) -> Option<Node> {
        let group = self.groups.find_mut(jid)?;
        let before = group.version;
        group.version += 1;
        Some(Node::new(tag).attr("v_id", group.version).attr("prev_v_id", before))
    }

    fn with_participants(&self, jid: &Jid, change: Node, accounts: &[usize]) -> Node {
        let mode = self.groups.find(jid).map_or(GroupMode::Lid, |group| group.mode);
        change.children(accounts.iter().map(|account| self.participant(*account, mode)))
    }

    /// Hands the whole group to accounts that are new in it.
    fn tell_of_group(&mut self, jid: &Jid, actor: usize, to: &[usize], with: impl FnOnce(Node) -> Node) {
        let Some(group) = self.groups.find(jid) else { return };
        let create = with(Node::new("create")).child(self.group_node(group, true));
        self.tell_group(jid, Some(actor), to, None, create);
    }

    fn tell_group(
        &mut self,
        jid: &Jid,
        actor: Option<usize>,
        to: &[usize],
        except: Option<DeviceKey>,
        change: Node,
    ) {
        let (now, id) = (self.now_seconds(), self.next_id());
        let Some(mode) = self.groups.find(jid).filter(|group| !group.is_quiet).map(|group| group.mode) else {
            return;
        };
        let mut notification = Node::new("notification")
            .attr("type", "w:gp2")
            .attr("from", jid)
            .attr("id", id)
            .attr("t", now)
            .attr("addressing_mode", mode.as_str());
        if let Some(actor) = actor.and_then(|actor| self.account(actor)) {
            let like = mode.sample();
            let other = if like.is_lid() { "participant_pn" } else { "participant_lid" };
            notification = notification
                .attr("participant", actor.jid_like(&like))
                .attr(other, actor.other_jid(&like))
                .attr("notify", &actor.name);
        }
        let notification = Arc::new(notification.child(change));
        for account in to {
            for device in self.devices_of(*account) {
                if Some(device) != except {
                    self.news.push((device, Arc::clone(&notification)));
                }
            }
        }
    }

    /// Sends the news of groups: after the answer to the request that made them.
    pub(crate) fn send_news(&mut self) {
        for (device, notification) in std::mem::take(&mut self.news) {
            self.deliver(device, notification);
        }
    }
}
