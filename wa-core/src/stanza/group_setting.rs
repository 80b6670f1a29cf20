//! The settings of a group: as the group object carries them, as a notification tells them, and as a request sets them.
//! All three have one shape. Protocol: groups and communities, "Group object"; IQ catalogue, "Groups and communities".

use wa_store::{Group, GroupFlag, GrowthLock, WhoMay};

use super::Reader;
use super::group::read_expiration;
use crate::wire::Node;

/// A setting of a group, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupSetting {
    /// Whether only admins send messages.
    Announcement(bool),
    /// Whether only admins change name, description, picture and disappearing time.
    Locked(bool),
    /// After how many seconds messages disappear, 0 for never. The server takes a day, a week and ninety days.
    Expiration {
        /// The seconds.
        seconds: u32,
        /// What set it, by the server's number for it.
        trigger: Option<u32>,
    },
    /// Whether an admin must let in who joins by link.
    JoinApproval(bool),
    /// Who adds members.
    Adding(WhoMay),
    /// Who sees the link that leads into the group.
    Link(WhoMay),
    /// Who gives new members messages from before they came.
    ShareHistory(WhoMay),
    /// Whether new members may get such messages at all.
    History(bool),
    /// Whether messages that were forwarded often are kept out.
    NoFrequentForwards(bool),
    /// Whether members may report messages to the admins.
    AdminReports(bool),
    /// Of a community: whether its members may make groups in it.
    MembersCreateGroups(bool),
}

impl GroupSetting {
    /// After how many seconds messages disappear; 0 for never.
    #[must_use]
    pub const fn expiration(seconds: u32) -> Self {
        Self::Expiration { seconds, trigger: None }
    }

    /// The node that sets it.
    #[must_use]
    pub fn to_node(self) -> Node {
        let switch = |on: &'static str, off: &'static str, is_on| Node::new(if is_on { on } else { off });
        match self {
            Self::Announcement(is_on) => switch("announcement", "not_announcement", is_on),
            Self::Locked(is_on) => switch("locked", "unlocked", is_on),
            Self::Expiration { seconds: 0, .. } => Node::new("not_ephemeral"),
            Self::Expiration { seconds, trigger } => {
                Node::new("ephemeral").attr("expiration", seconds).attr_opt("trigger", trigger)
            }
            Self::JoinApproval(is_on) => {
                let join = Node::new("group_join").attr("state", if is_on { "on" } else { "off" });
                Node::new("membership_approval_mode").child(join)
            }
            Self::Adding(who) => mode("member_add_mode", who, ADDING),
            Self::Link(who) => mode("member_link_mode", who, LINK),
            Self::ShareHistory(who) => mode("member_share_group_history_mode", who, HISTORY),
            Self::History(is_on) => switch("group_history", "no_group_history", is_on),
            Self::NoFrequentForwards(is_on) => {
                switch("no_frequently_forwarded", "frequently_forwarded_ok", is_on)
            }
            Self::AdminReports(is_on) => switch("allow_admin_reports", "not_allow_admin_reports", is_on),
            Self::MembersCreateGroups(is_on) => {
                switch("allow_non_admin_sub_group_creation", "not_allow_non_admin_sub_group_creation", is_on)
            }
        }
    }

    /// Reads a node that says how a group is set; `None` for one that says something else, or a value that we do not
    /// know.
    #[must_use]
    pub fn read(node: Reader<'_>) -> Option<Self> {
        Some(match &*node.node().tag().as_str() {
            "announcement" => Self::Announcement(true),
            "not_announcement" => Self::Announcement(false),
            "locked" => Self::Locked(true),
            "unlocked" => Self::Locked(false),
            "ephemeral" => Self::Expiration {
                seconds: read_expiration(node),
                trigger: node.number_opt("trigger").ok().flatten(),
            },
            "not_ephemeral" => Self::expiration(0),
            "membership_approval_mode" => {
                Self::JoinApproval(node.child_opt("group_join")?.attr_is("state", "on"))
            }
            "member_add_mode" => Self::Adding(read_mode(node, ADDING)?),
            "member_link_mode" => Self::Link(read_mode(node, LINK)?),
            "member_share_group_history_mode" => Self::ShareHistory(read_mode(node, HISTORY)?),
            "group_history" => Self::History(true),
            "no_group_history" => Self::History(false),
            "no_frequently_forwarded" => Self::NoFrequentForwards(true),
            "frequently_forwarded_ok" => Self::NoFrequentForwards(false),
            "allow_admin_reports" => Self::AdminReports(true),
            "not_allow_admin_reports" => Self::AdminReports(false),
            "allow_non_admin_sub_group_creation" => Self::MembersCreateGroups(true),
            "not_allow_non_admin_sub_group_creation" => Self::MembersCreateGroups(false),
            _ => return None,
        })
    }

    /// Sets it in what is known of a group.
    pub fn apply(self, group: &mut Group) {
        match self {
            Self::Announcement(is_on) => group.is_announcement = is_on,
            Self::Locked(is_on) => group.is_locked = is_on,
            Self::Expiration { seconds, trigger } => {
                (group.expiration_s, group.expiration_trigger) = (seconds, trigger);
            }
            Self::Adding(who) => group.adding = Some(who),
            Self::Link(who) => group.link = Some(who),
            Self::ShareHistory(who) => group.history = Some(who),
            Self::JoinApproval(is_on) => group.flags.set(GroupFlag::JoinApproval, is_on),
            Self::History(is_on) => group.flags.set(GroupFlag::History, is_on),
            Self::NoFrequentForwards(is_on) => group.flags.set(GroupFlag::NoFrequentForwards, is_on),
            Self::AdminReports(is_on) => group.flags.set(GroupFlag::AdminReports, is_on),
            Self::MembersCreateGroups(is_on) => group.flags.set(GroupFlag::MembersCreateGroups, is_on),
        }
    }
}

/// What only the server sets: the flag, and whether it has it. `None` for other nodes.
pub(super) fn read_flag(node: Reader<'_>) -> Option<(GroupFlag, bool)> {
    Some(match &*node.node().tag().as_str() {
        "limit_sharing_enabled" => (GroupFlag::LimitedSharing, true),
        "general_chat" => (GroupFlag::GeneralChat, true),
        "hidden_group" => (GroupFlag::Hidden, true),
        "suspended" => (GroupFlag::Suspended, true),
        "unsuspended" => (GroupFlag::Suspended, false),
        "support" => (GroupFlag::Support, true),
        "capi" | "is_capi_hosted_group" => (GroupFlag::BusinessHosted, true),
        "incognito" => (GroupFlag::Incognito, true),
        "group_safety_check" => (GroupFlag::SafetyCheck, true),
        "auto_add_disabled" => (GroupFlag::NoAutoAdd, true),
        "participant_label_enabled" => (GroupFlag::MemberLabels, true),
        "missing_participant_identification" => (GroupFlag::MissingAddresses, true),
        _ => return None,
    })
}

/// Reads a `<growth_locked>`.
pub(super) fn read_growth_lock(node: Reader<'_>) -> GrowthLock {
    GrowthLock {
        kind: node.text_opt("type").unwrap_or_default().into_owned(),
        until: node.time_opt("expiration").unwrap_or_default(),
    }
}

fn mode(tag: &'static str, who: WhoMay, [admins, members]: [&'static str; 2]) -> Node {
    Node::new(tag).bytes(match who {
        WhoMay::Admins => admins,
        WhoMay::Members => members,
    })
}

fn read_mode(node: Reader<'_>, [admins, members]: [&str; 2]) -> Option<WhoMay> {
    let content = node.content();
    if *content == *admins.as_bytes() {
        Some(WhoMay::Admins)
    } else if *content == *members.as_bytes() {
        Some(WhoMay::Members)
    } else {
        None
    }
}

const ADDING: [&str; 2] = ["admin_add", "all_member_add"];
const LINK: [&str; 2] = ["admin_link", "all_member_link"];
const HISTORY: [&str; 2] = ["admin_share", "all_member_share"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn what_is_set_is_read_back_and_applied() {
        use WhoMay::{Admins, Members};
        let settings = [true, false].into_iter().flat_map(|is_on| {
            let who = if is_on { Members } else { Admins };
            [
                GroupSetting::Announcement(is_on),
                GroupSetting::Locked(is_on),
                GroupSetting::Expiration {
                    seconds: if is_on { 86_400 } else { 0 },
                    trigger: is_on.then_some(3),
                },
                GroupSetting::JoinApproval(is_on),
                GroupSetting::Adding(who),
                GroupSetting::Link(who),
                GroupSetting::ShareHistory(who),
                GroupSetting::History(is_on),
                GroupSetting::NoFrequentForwards(is_on),
                GroupSetting::AdminReports(is_on),
                GroupSetting::MembersCreateGroups(is_on),
            ]
        });
        let bare = Group::new("1203@g.us".parse().expect("a group"));
        let mut group = bare.clone();
        for setting in settings {
            let encoded = wire::encode(&setting.to_node()).expect("it has a form");
            let body = wire::unpack(&encoded).expect("it unpacks").into_owned();
            let document = wire::decode(&body).expect("it reads");
            assert_eq!(GroupSetting::read(Reader::new(document.root())), Some(setting));
            let before = group.clone();
            setting.apply(&mut group);
            assert_ne!(group, before, "{setting:?}");
        }
        let who = [group.adding.take(), group.link.take(), group.history.take()];
        assert_eq!((who, group), ([Some(Admins); 3], bare), "all is off again");
    }
}
