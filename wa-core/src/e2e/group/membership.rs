//! What a notification makes of a group that we know. Protocol: groups and communities, "Notifications `w:gp2`",
//! "Version handling".

use wa_store::{Group, GroupFlag, GroupMember, GroupRole};
use wa_types::Jid;

use crate::e2e::addressing::OwnAddress;
use crate::stanza::community::LinkKind;
use crate::stanza::notification::groups::{GroupChange, VersionedChange};

/// What is left of what we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is as the server has it.
    Known,
    /// Something is missing between what we knew and this: ask again before it is used.
    Stale,
    /// We are no member any more, or the group is gone.
    Ended,
}

impl VersionedChange {
    /// Whether it says who is a member, or which of their addresses counts: what decides who reads.
    #[must_use]
    pub const fn is_about_members(&self) -> bool {
        match self.change {
            GroupChange::Created(_)
            | GroupChange::Added { .. }
            | GroupChange::Removed { .. }
            | GroupChange::Promoted { .. }
            | GroupChange::Demoted { .. }
            | GroupChange::NumberChanged { .. }
            | GroupChange::Flag { flag: GroupFlag::MissingAddresses, .. }
            | GroupChange::Deleted { .. }
            | GroupChange::Other(_) => true,
            GroupChange::Subject { .. }
            | GroupChange::Description { .. }
            | GroupChange::Setting(_)
            | GroupChange::Flag { .. }
            | GroupChange::GrowthLocked(_)
            | GroupChange::LinkReset { .. }
            | GroupChange::InvitesRevoked { .. }
            | GroupChange::JoinRequested { .. }
            | GroupChange::JoinRequestsGone { .. }
            | GroupChange::Linked { .. }
            | GroupChange::Unlinked { .. }
            | GroupChange::Suggested { .. }
            | GroupChange::SuggestionsGone { .. }
            | GroupChange::SuggesterChanged { .. }
            | GroupChange::Reported => false,
        }
    }

    /// Whether it ends our own membership.
    #[must_use]
    pub fn ends_membership(&self, own: &OwnAddress) -> bool {
        match &self.change {
            GroupChange::Deleted { .. } => true,
            GroupChange::Removed { members, .. } => members.iter().any(|member| is_us(member, own)),
            _ => false,
        }
    }

    /// Applies it to what is known of its group. What came before is applied again without harm.
    pub fn apply(&self, group: &mut Group, actor: Option<&Jid>, own: &OwnAddress) -> Standing {
        if self.ends_membership(own) {
            return Standing::Ended;
        }
        match &self.change {
            GroupChange::Created(new) => *group = (**new).clone(),
            GroupChange::Subject { subject, by, at } => {
                group.subject.clone_from(subject);
                (group.subject_by, group.subject_at) = (by.clone(), *at);
            }
            GroupChange::Description { description } => group.description.clone_from(description),
            GroupChange::Setting(setting) => setting.apply(group),
            GroupChange::GrowthLocked(lock) => group.growth_lock.clone_from(lock),
            GroupChange::Linked { kind: LinkKind::Community, groups } => {
                group.parent = groups.first().map(|community| community.jid.clone());
            }
            GroupChange::Unlinked { kind: LinkKind::Community, .. } => {
                group.parent = None;
                group.is_default_subgroup = false;
            }
            GroupChange::Flag { flag: GroupFlag::MissingAddresses, .. }
            | GroupChange::Other(_)
            | GroupChange::Deleted { .. } => return Standing::Stale,
            GroupChange::Flag { flag, is_on } => group.flags.set(*flag, *is_on),
            GroupChange::LinkReset { .. }
            | GroupChange::InvitesRevoked { .. }
            | GroupChange::JoinRequested { .. }
            | GroupChange::JoinRequestsGone { .. }
            | GroupChange::Linked { .. }
            | GroupChange::Unlinked { .. }
            | GroupChange::Suggested { .. }
            | GroupChange::SuggestionsGone { .. }
            | GroupChange::SuggesterChanged { .. }
            | GroupChange::Reported => {}
            GroupChange::Added { .. }
            | GroupChange::Removed { .. }
            | GroupChange::Promoted { .. }
            | GroupChange::Demoted { .. }
            | GroupChange::NumberChanged { .. } => return self.apply_to_members(group, actor),
        }
        Standing::Known
    }

    fn apply_to_members(&self, group: &mut Group, actor: Option<&Jid>) -> Standing {
        if self.to_version.is_some() && self.to_version == group.member_version {
            return Standing::Known;
        }
        let follows = self.from_version.is_some() && self.from_version == group.member_version;
        let standing = match &self.change {
            GroupChange::Added { members, .. } if follows => add(group, members),
            GroupChange::Removed { members, .. } if follows => remove(group, members),
            GroupChange::Promoted { members } if follows || self.from_version.is_none() => {
                set_role(group, members, GroupRole::Admin)
            }
            GroupChange::Demoted { members } if follows || self.from_version.is_none() => {
                set_role(group, members, GroupRole::Member)
            }
            GroupChange::NumberChanged { member } if follows || self.from_version.is_none() => {
                let old = actor.and_then(|actor| group.members.iter_mut().find(|known| known.is_user(actor)));
                match old {
                    Some(old) => {
                        *old = GroupMember { role: old.role, joined: old.joined, ..(**member).clone() };
                        Standing::Known
                    }
                    None => Standing::Stale,
                }
            }
            _ => Standing::Stale,
        };
        if standing == Standing::Known && follows && self.to_version.is_some() {
            group.member_version.clone_from(&self.to_version);
        }
        standing
    }
}

fn is_us(member: &GroupMember, own: &OwnAddress) -> bool {
    [&member.pn, &member.lid].into_iter().flatten().any(|address| own.is_account(address))
}

fn is_same(one: &GroupMember, other: &GroupMember) -> bool {
    [&one.pn, &one.lid].into_iter().flatten().any(|address| other.is_user(address))
}

fn add(group: &mut Group, members: &[GroupMember]) -> Standing {
    for member in members {
        match group.members.iter_mut().find(|known| is_same(known, member)) {
            Some(known) => {
                known.pn = member.pn.clone().or_else(|| known.pn.take());
                known.lid = member.lid.clone().or_else(|| known.lid.take());
            }
            None => {
                group.members.push(member.clone());
                group.size = group.size.saturating_add(1);
            }
        }
    }
    Standing::Known
}

fn remove(group: &mut Group, members: &[GroupMember]) -> Standing {
    for member in members {
        let before = group.members.len();
        group.members.retain(|known| !is_same(known, member));
        if group.members.len() == before {
            return Standing::Stale;
        }
        group.size = group.size.saturating_sub(1);
    }
    Standing::Known
}

fn set_role(group: &mut Group, members: &[GroupMember], role: GroupRole) -> Standing {
    for member in members {
        match group.members.iter_mut().find(|known| is_same(known, member)) {
            Some(known) => known.role = role,
            None => return Standing::Stale,
        }
    }
    Standing::Known
}

#[cfg(test)]
mod tests {
    use wa_store::AddressingMode;
    use wa_types::UnixSeconds;

    use super::*;
    use crate::stanza::group_setting::GroupSetting;

    fn own() -> OwnAddress {
        OwnAddress { pn: Jid::pn("100").with_device(7), lid: Some(Jid::lid("900").with_device(7)) }
    }

    fn member(pn: &str, lid: &str) -> GroupMember {
        GroupMember::new(Some(Jid::pn(pn)), Some(Jid::lid(lid)))
    }

    fn group() -> Group {
        Group {
            subject: "Friends".to_owned(),
            addressing: AddressingMode::Lid,
            members: vec![member("100", "900"), member("200", "800")],
            size: 2,
            member_version: Some("1".to_owned()),
            ..Group::new("1203@g.us".parse().expect("a group"))
        }
    }

    fn change(change: GroupChange, from: Option<&str>, to: Option<&str>) -> VersionedChange {
        VersionedChange {
            from_version: from.map(str::to_owned),
            to_version: to.map(str::to_owned),
            ..VersionedChange::new(change)
        }
    }

    fn added(from: Option<&str>, to: Option<&str>) -> VersionedChange {
        change(GroupChange::Added { members: vec![member("300", "700")], reason: None }, from, to)
    }

    #[test]
    fn what_follows_is_applied_and_once() {
        let mut known = group();
        assert_eq!(added(Some("1"), Some("2")).apply(&mut known, None, &own()), Standing::Known);
        assert_eq!((known.members.len(), known.size), (3, 3));
        assert_eq!(known.member_version.as_deref(), Some("2"));
        let after = known.clone();
        assert_eq!(added(Some("1"), Some("2")).apply(&mut known, None, &own()), Standing::Known);
        assert_eq!(known, after, "the same again changes nothing");
        let gone = GroupChange::Removed { members: vec![member("300", "700")], reason: None };
        assert_eq!(change(gone, Some("2"), Some("3")).apply(&mut known, None, &own()), Standing::Known);
        assert_eq!(known.members, group().members);
    }

    #[test]
    fn a_gap_makes_what_is_known_stale() {
        for (from, to) in [(Some("2"), Some("3")), (None, None), (None, Some("2"))] {
            let mut known = group();
            assert_eq!(added(from, to).apply(&mut known, None, &own()), Standing::Stale, "{from:?} {to:?}");
            assert_eq!(known, group());
        }
        let mut unversioned = Group { member_version: None, ..group() };
        assert_eq!(added(None, None).apply(&mut unversioned, None, &own()), Standing::Stale);
        let stranger = GroupChange::Removed { members: vec![member("400", "600")], reason: None };
        assert_eq!(change(stranger, Some("1"), Some("2")).apply(&mut group(), None, &own()), Standing::Stale);
        let unknown = GroupChange::Other(Box::new(crate::wire::Node::new("of_next_year")));
        assert_eq!(change(unknown, None, None).apply(&mut group(), None, &own()), Standing::Stale);
    }

    #[test]
    fn our_own_removal_ends_it_whatever_the_version() {
        let us = GroupMember { pn: None, ..member("100", "900") };
        let removed = change(GroupChange::Removed { members: vec![us], reason: None }, Some("7"), Some("8"));
        assert_eq!(removed.apply(&mut group(), None, &own()), Standing::Ended);
        assert_eq!(
            change(GroupChange::Deleted { reason: None }, None, None).apply(&mut group(), None, &own()),
            Standing::Ended
        );
    }

    #[test]
    fn roles_numbers_and_settings_change() {
        let mut known = group();
        let mut apply = |kind, actor: Option<&Jid>| {
            assert_eq!(change(kind, None, None).apply(&mut known, actor, &own()), Standing::Known);
            known.clone()
        };
        let them = || vec![GroupMember { pn: None, ..member("200", "800") }];
        assert_eq!(apply(GroupChange::Promoted { members: them() }, None).members[1].role, GroupRole::Admin);
        let moved = GroupChange::NumberChanged { member: Box::new(member("222", "888")) };
        let after = apply(moved, Some(&Jid::lid("800").with_device(3)));
        assert!(after.member(&Jid::lid("800")).is_none());
        assert_eq!(after.member(&Jid::pn("222")).map(|member| member.role), Some(GroupRole::Admin));
        let new = vec![member("222", "888")];
        assert_eq!(apply(GroupChange::Demoted { members: new }, None).members[1].role, GroupRole::Member);
        assert_eq!(
            apply(GroupChange::Subject { subject: "New".to_owned(), by: None, at: UnixSeconds(7) }, None)
                .subject,
            "New"
        );
        assert!(apply(GroupChange::Setting(GroupSetting::Announcement(true)), None).is_announcement);
        assert!(apply(GroupChange::Setting(GroupSetting::Locked(true)), None).is_locked);
        assert_eq!(apply(GroupChange::Setting(GroupSetting::expiration(86400)), None).expiration_s, 86400);
        let moved = GroupChange::NumberChanged { member: Box::new(member("1", "2")) };
        assert_eq!(change(moved, None, None).apply(&mut known, None, &own()), Standing::Stale, "whose?");
    }
}
