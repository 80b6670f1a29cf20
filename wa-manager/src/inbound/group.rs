//! What the event of a change in a group holds: `group`, `actor`, `timestamp`, and `change`, whose `type` says what else
//! is in it. Names stay; new ones may come.

use serde_json::{Value, json};
use wa_core::event::{GroupChange, GroupChanged, GroupSetting};
use wa_store::{GroupFlag, GroupMember, GroupRole, WhoMay};
use wa_types::Jid;

/// The data of the event.
pub(crate) fn group_json(changed: &GroupChanged) -> Value {
    json!({
        "group": changed.group.to_string(),
        "actor": changed.actor.as_ref().map(Jid::to_string),
        "timestamp": changed.timestamp.to_millis().0,
        "change": change(&changed.change),
    })
}

fn change(change: &GroupChange) -> Value {
    match change {
        GroupChange::Created(group) => json!({ "type": "created", "subject": group.subject }),
        GroupChange::Added { members, reason } => {
            json!({ "type": "added", "members": all(members), "reason": reason })
        }
        GroupChange::Removed { members, reason } => {
            json!({ "type": "removed", "members": all(members), "reason": reason })
        }
        GroupChange::Promoted { members } => json!({ "type": "promoted", "members": all(members) }),
        GroupChange::Demoted { members } => json!({ "type": "demoted", "members": all(members) }),
        GroupChange::NumberChanged { member: to } => {
            json!({ "type": "number_changed", "member": member(to) })
        }
        GroupChange::Subject { subject, .. } => json!({ "type": "subject", "subject": subject }),
        GroupChange::Description { description } => {
            json!({ "type": "description", "text": description.as_ref().map(|description| &description.text) })
        }
        GroupChange::Setting(set) => {
            let (name, value) = setting(set);
            json!({ "type": "setting", "setting": name, "value": value })
        }
        GroupChange::Flag { flag: set, is_on } => {
            json!({ "type": "flag", "flag": flag(*set), "isOn": is_on })
        }
        GroupChange::GrowthLocked(lock) => {
            json!({ "type": "growth_locked", "until": lock.as_ref().map(|lock| lock.until.to_millis().0) })
        }
        // Not the code: whoever has it gets in.
        GroupChange::LinkReset { .. } => json!({ "type": "link_reset" }),
        GroupChange::InvitesRevoked { users } => json!({ "type": "invites_revoked", "members": all(users) }),
        GroupChange::JoinRequested { users, method, community } => json!({
            "type": "join_requested",
            "members": all(users),
            "method": method,
            "community": community.as_ref().map(Jid::to_string),
        }),
        GroupChange::JoinRequestsGone { users } => {
            json!({ "type": "join_requests_gone", "members": all(users) })
        }
        GroupChange::Linked { groups, .. } => {
            let groups: Vec<_> = groups.iter().map(|group| group.jid.to_string()).collect();
            json!({ "type": "linked", "groups": groups })
        }
        GroupChange::Unlinked { groups, reason, .. } => {
            let groups: Vec<_> = groups.iter().map(|group| group.jid.to_string()).collect();
            json!({ "type": "unlinked", "groups": groups, "reason": reason })
        }
        GroupChange::Suggested { suggestions } => {
            let groups: Vec<_> = suggestions.iter().map(|group| group.jid.to_string()).collect();
            json!({ "type": "suggested", "groups": groups })
        }
        GroupChange::SuggestionsGone { suggestions } => {
            let groups: Vec<_> = suggestions.iter().map(|group| group.jid.to_string()).collect();
            json!({ "type": "suggestions_gone", "groups": groups })
        }
        GroupChange::SuggesterChanged { user, .. } => {
            json!({ "type": "suggester_changed", "user": user.to_string() })
        }
        GroupChange::Reported => json!({ "type": "reported" }),
        GroupChange::Deleted { reason } => json!({ "type": "deleted", "reason": reason }),
        GroupChange::Other(node) => json!({ "type": "other", "tag": node.tag }),
        _ => json!({ "type": "other" }),
    }
}

fn all(members: &[GroupMember]) -> Vec<Value> {
    members.iter().map(member).collect()
}

fn member(member: &GroupMember) -> Value {
    let role = match member.role {
        GroupRole::Member => "member",
        GroupRole::Admin => "admin",
        GroupRole::SuperAdmin => "super_admin",
    };
    json!({
        "phone": member.pn.as_ref().map(Jid::to_string),
        "lid": member.lid.as_ref().map(Jid::to_string),
        "role": role,
    })
}

fn setting(setting: &GroupSetting) -> (&'static str, Value) {
    let who = |who: &WhoMay| match who {
        WhoMay::Admins => json!("admins"),
        WhoMay::Members => json!("members"),
    };
    match setting {
        GroupSetting::Announcement(is_on) => ("announcement", json!(is_on)),
        GroupSetting::Locked(is_on) => ("locked", json!(is_on)),
        GroupSetting::Expiration { seconds, .. } => ("expiration_seconds", json!(seconds)),
        GroupSetting::JoinApproval(is_on) => ("join_approval", json!(is_on)),
        GroupSetting::Adding(may) => ("adding", who(may)),
        GroupSetting::Link(may) => ("link", who(may)),
        GroupSetting::ShareHistory(may) => ("share_history", who(may)),
        GroupSetting::History(is_on) => ("history", json!(is_on)),
        GroupSetting::NoFrequentForwards(is_on) => ("no_frequent_forwards", json!(is_on)),
        GroupSetting::AdminReports(is_on) => ("admin_reports", json!(is_on)),
        GroupSetting::MembersCreateGroups(is_on) => ("members_create_groups", json!(is_on)),
        _ => ("other", Value::Null),
    }
}

const fn flag(flag: GroupFlag) -> &'static str {
    match flag {
        GroupFlag::JoinApproval => "join_approval",
        GroupFlag::History => "history",
        GroupFlag::NoFrequentForwards => "no_frequent_forwards",
        GroupFlag::AdminReports => "admin_reports",
        GroupFlag::LimitedSharing => "limited_sharing",
        GroupFlag::MemberLabels => "member_labels",
        GroupFlag::GeneralChat => "general_chat",
        GroupFlag::Hidden => "hidden",
        GroupFlag::ClosedCommunity => "closed_community",
        GroupFlag::MembersCreateGroups => "members_create_groups",
        GroupFlag::Suspended => "suspended",
        GroupFlag::Support => "support",
        _ => "other",
    }
}
