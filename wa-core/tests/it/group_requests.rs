//! Groups and communities: what requests look like on the wire, what their answers say, and what notifications tell.

use wa_core::event::{GroupChange, GroupSetting, LinkKind};
use wa_core::stanza::Reader;
use wa_core::stanza::iq::IqRequest;
use wa_core::stanza::iq::groups::{
    AcceptInvite, AcknowledgeGroup, ChangeMembers, CreateGroup, DeactivateCommunity, DecideJoinRequests,
    Decision, FetchCommunityMembers, FetchGroups, FetchInviteLink, FetchJoinRequests, FetchLinkedGroup,
    FetchSubgroups, GroupEntry, GroupInvite, GroupPlace, JoinByLink, JoinLinkedGroup, Joined, LeaveGroups,
    LinkGroups, LookBehindInvite, LookBehindLink, MemberAction, NewMember, ResetInviteLink, RevokeInvites,
    SetGroup, UnlinkGroups, WithdrawJoinRequest,
};
use wa_core::stanza::iq::picture::SetPicture;
use wa_core::stanza::notification::Notification;
use wa_core::store::{GroupFlag, WhoMay};
use wa_core::wire::{self, Node};
use wa_types::{Jid, UnixSeconds};

const GROUP: &str = "120363000000000001@g.us";
const OTHER: &str = "120363000000000002@g.us";

fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

fn with<T>(node: &Node, read: impl FnOnce(Reader<'_>) -> T) -> T {
    let encoded = wire::encode(node).unwrap();
    let body = wire::unpack(&encoded).unwrap().into_owned();
    read(Reader::new(wire::decode(&body).unwrap().root()))
}

fn line(node: &Node) -> String {
    node.to_xml().lines().map(str::trim_start).collect()
}

/// The whole request but its id and namespace.
fn shape(request: &impl IqRequest) -> String {
    let node = request.to_node("7");
    let text = |name| node.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default();
    let body: Vec<String> = node.nodes().iter().map(line).collect();
    format!("{} {} {}", text("type"), text("to"), body.join(""))
}

fn answer(child: Node) -> Node {
    Node::new("iq").attr("id", "1").attr("type", "result").child(child)
}

fn participant(jid: &str) -> Node {
    Node::new("participant").attr("jid", self::jid(jid))
}

fn group_ref(jid: &str) -> Node {
    Node::new("group").attr("jid", self::jid(jid))
}

#[test]
fn links_and_invitations_have_the_catalogues_shapes() {
    let (group, code) = (jid(GROUP), "AbC".to_owned());
    let invite = GroupInvite {
        group: group.clone(),
        admin: jid("200@s.whatsapp.net"),
        code: code.clone(),
        expires: UnixSeconds(1_760_000_000),
    };
    let attrs = "code=\"AbC\" expiration=\"1760000000\" admin=\"200@s.whatsapp.net\"";
    let users = vec![jid("800@lid")];
    for (shape, expected) in [
        (shape(&FetchInviteLink { group: group.clone() }), format!("get {GROUP} <invite/>")),
        (shape(&ResetInviteLink { group: group.clone() }), format!("set {GROUP} <invite/>")),
        (shape(&LookBehindLink { code: code.clone() }), "get g.us <invite code=\"AbC\"/>".to_owned()),
        (shape(&JoinByLink { code }), "set g.us <invite code=\"AbC\"/>".to_owned()),
        (
            shape(&LookBehindInvite { invite: invite.clone() }),
            format!("get {GROUP} <query><add_request {attrs}/></query>"),
        ),
        (shape(&AcceptInvite { invite }), format!("set {GROUP} <accept {attrs}/>")),
        (
            shape(&RevokeInvites { group: group.clone(), users: users.clone() }),
            format!("set {GROUP} <revoke><participant jid=\"800@lid\"/></revoke>"),
        ),
        (
            shape(&FetchJoinRequests { group: group.clone() }),
            format!("get {GROUP} <membership_approval_requests/>"),
        ),
        (
            shape(&DecideJoinRequests {
                group: group.clone(),
                decision: Decision::Approve,
                users: users.clone(),
            }),
            format!(
                "set {GROUP} <membership_requests_action><approve><participant jid=\"800@lid\"/></approve>\
                 </membership_requests_action>"
            ),
        ),
        (
            shape(&DecideJoinRequests { group: group.clone(), decision: Decision::Reject, users }),
            format!(
                "set {GROUP} <membership_requests_action><reject><participant jid=\"800@lid\"/></reject>\
                 </membership_requests_action>"
            ),
        ),
        (
            shape(&WithdrawJoinRequest { group, user: jid("100@s.whatsapp.net") }),
            format!(
                "set {GROUP} <cancel_membership_requests><participant jid=\"100@s.whatsapp.net\"/>\
                 </cancel_membership_requests>"
            ),
        ),
    ] {
        assert_eq!(shape, expected);
    }
}

#[test]
fn settings_and_creation_have_the_catalogues_shapes() {
    let group = jid(GROUP);
    let set = |setting| shape(&SetGroup { group: group.clone(), setting });
    for (setting, node) in [
        (GroupSetting::Announcement(true), "<announcement/>"),
        (GroupSetting::Announcement(false), "<not_announcement/>"),
        (GroupSetting::Locked(true), "<locked/>"),
        (GroupSetting::Locked(false), "<unlocked/>"),
        (GroupSetting::expiration(86_400), "<ephemeral expiration=\"86400\"/>"),
        (GroupSetting::expiration(0), "<not_ephemeral/>"),
        (
            GroupSetting::JoinApproval(true),
            "<membership_approval_mode><group_join state=\"on\"/></membership_approval_mode>",
        ),
        (GroupSetting::History(false), "<no_group_history/>"),
        (GroupSetting::NoFrequentForwards(true), "<no_frequently_forwarded/>"),
        (GroupSetting::AdminReports(true), "<allow_admin_reports/>"),
        (GroupSetting::MembersCreateGroups(false), "<not_allow_non_admin_sub_group_creation/>"),
    ] {
        assert_eq!(set(setting), format!("set {GROUP} {node}"));
    }
    for (setting, tag, text) in [
        (GroupSetting::Adding(WhoMay::Admins), "member_add_mode", "admin_add"),
        (GroupSetting::Link(WhoMay::Members), "member_link_mode", "all_member_link"),
        (GroupSetting::ShareHistory(WhoMay::Admins), "member_share_group_history_mode", "admin_share"),
    ] {
        let node = setting.to_node();
        assert_eq!((&*node.tag, node.content_bytes()), (tag, Some(text.as_bytes())));
    }
    assert_eq!(shape(&AcknowledgeGroup { group: group.clone() }), format!("set {GROUP} <ack/>"));
    let remove = ChangeMembers {
        group: group.clone(),
        action: MemberAction::Remove,
        members: vec![NewMember { jid: jid("800@lid"), pn: None, token: None }],
        with_subgroups: true,
    };
    assert_eq!(
        shape(&remove),
        format!("set {GROUP} <remove linked_groups=\"true\"><participant jid=\"800@lid\"/></remove>")
    );
    let leave = LeaveGroups { groups: vec![group.clone()], are_communities: true };
    assert_eq!(shape(&leave), format!("set g.us <leave><community id=\"{GROUP}\"/></leave>"));

    let create = |place| CreateGroup {
        subject: "Crew".to_owned(),
        members: Vec::new(),
        description: None,
        settings: vec![GroupSetting::Locked(true)],
        place,
    };
    let community = create(GroupPlace::Community { is_closed: true, has_general_chat: true });
    assert_eq!(
        shape(&community),
        "set g.us <create subject=\"Crew\"><locked/>\
         <parent default_membership_approval_mode=\"request_required\"/><create_general_chat/></create>"
    );
    let inside = create(GroupPlace::In(group.clone()));
    assert_eq!(
        shape(&inside),
        format!("set g.us <create subject=\"Crew\"><locked/><linked_parent jid=\"{GROUP}\"/></create>")
    );
    let picture = SetPicture { of: Some(group.clone()), jpeg: Some(vec![0xff, 0xd8]) }.to_node("7");
    assert_eq!(picture.get("target").map(|target| target.to_text().into_owned()), Some(GROUP.to_owned()));
    assert_eq!(picture.find("picture").and_then(Node::content_bytes), Some(&[0xff, 0xd8][..]));
    let removed = SetPicture { of: Some(group), jpeg: None }.to_node("7");
    assert!(removed.nodes().is_empty());
}

#[test]
fn communities_have_the_catalogues_shapes() {
    let (community, group) = (jid(GROUP), jid(OTHER));
    let groups = vec![group.clone()];
    for (shape, node) in [
        (shape(&FetchSubgroups { community: community.clone() }), "get <sub_groups/>".to_owned()),
        (
            shape(&FetchCommunityMembers { community: community.clone() }),
            "get <linked_groups_participants/>".to_owned(),
        ),
        (
            shape(&LinkGroups { community: community.clone(), groups: groups.clone(), are_hidden: true }),
            format!(
                "set <links><link link_type=\"sub_group\"><group jid=\"{OTHER}\"><hidden_group/></group></link>\
                 </links>"
            ),
        ),
        (
            shape(&UnlinkGroups { community: community.clone(), groups, removes_orphans: true }),
            format!(
                "set <unlink unlink_type=\"sub_group\"><group jid=\"{OTHER}\" \
                 remove_orphaned_members=\"true\"/></unlink>"
            ),
        ),
        (
            shape(&FetchLinkedGroup { community: community.clone(), group: group.clone() }),
            format!("get <query_linked type=\"sub_group\" jid=\"{OTHER}\"/>"),
        ),
        (
            shape(&JoinLinkedGroup { community: community.clone(), group }),
            format!("set <join_linked_group jid=\"{OTHER}\"/>"),
        ),
        (shape(&DeactivateCommunity { community }), "set <delete_parent/>".to_owned()),
    ] {
        assert_eq!(shape.replacen(&format!(" {GROUP}"), "", 1), node);
    }
}

#[test]
fn answers_say_what_became_of_it() {
    let joined = |node| with(&answer(node), JoinByLink::read);
    assert_eq!(joined(group_ref(GROUP)), Ok(Joined::Member(jid(GROUP))));
    assert_eq!(joined(Node::new("community").attr("jid", jid(GROUP))), Ok(Joined::Member(jid(GROUP))));
    let waiting = Node::new("membership_approval_request").attr("jid", jid(GROUP));
    assert_eq!(joined(waiting), Ok(Joined::Waiting(jid(GROUP))));
    assert!(joined(Node::new("other")).is_err());
    let code = with(&answer(Node::new("invite").attr("code", "AbC")), FetchInviteLink::read);
    assert_eq!(code.as_deref(), Ok("AbC"));
    assert!(with(&answer(Node::new("invite")), FetchInviteLink::read).is_err());

    let request = Node::new("membership_approval_request")
        .attr("jid", jid("800@lid"))
        .attr("phone_number", jid("200@s.whatsapp.net"))
        .attr("request_time", "1760000000")
        .attr("requestor", jid("900@lid"))
        .attr("request_method", "non_admin_add")
        .attr("parent_group_jid", jid(OTHER));
    let list = Node::new("membership_approval_requests").child(request).child(Node::new("other"));
    let requests = with(&answer(list), FetchJoinRequests::read).unwrap();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((&request.user, &request.phone_number), (&jid("800@lid"), &Some(jid("200@s.whatsapp.net"))));
    assert_eq!(
        (request.requested, &request.requested_by),
        (UnixSeconds(1_760_000_000), &Some(jid("900@lid")))
    );
    assert_eq!((request.method.as_deref(), &request.community), (Some("non_admin_add"), &Some(jid(OTHER))));

    let decided = Node::new("membership_requests_action")
        .child(Node::new("approve").child(participant("800@lid")))
        .child(Node::new("reject").child(participant("801@lid").attr("error", "404")));
    let decided = with(&answer(decided), DecideJoinRequests::read).unwrap();
    assert_eq!(decided.iter().map(|answer| answer.error).collect::<Vec<_>>(), [None, Some(404)]);

    let many = Node::new("groups")
        .child(Node::new("group").attr("id", "120363000000000001").attr("subject", "Crew"))
        .child(Node::new("group").attr("id", "2").attr("truncated", "true").attr("size", "1024"))
        .child(Node::new("group").attr("id", "3").attr("error", "403"));
    let many = with(&answer(many), FetchGroups::read).unwrap();
    assert!(
        matches!(&many[0], (jid, GroupEntry::Group(group)) if jid.to_string() == GROUP && group.subject == "Crew")
    );
    assert_eq!(many[1].1, GroupEntry::Truncated { size: 1024 });
    assert_eq!(many[2].1, GroupEntry::Refused(403));

    let link = Node::new("link")
        .attr("link_type", "sub_group")
        .child(group_ref(GROUP))
        .child(group_ref(OTHER).attr("error", "401"));
    let linked = with(&answer(Node::new("links").child(link)), LinkGroups::read).unwrap();
    assert_eq!(linked, [(jid(GROUP), None), (jid(OTHER), Some(401))]);

    let nested = Node::new("linked_groups_participants")
        .child(participant("800@lid"))
        .child(Node::new("group").child(participant("800@lid")).child(participant("801@lid")));
    let members = with(&answer(nested), FetchCommunityMembers::read).unwrap();
    assert_eq!(members.len(), 2, "each once");

    let subgroup = Node::new("group")
        .attr("id", "120363000000000002")
        .attr("subject", "News")
        .attr("size", "7")
        .child(Node::new("default_sub_group"));
    let groups = with(&answer(Node::new("sub_groups").child(subgroup)), FetchSubgroups::read).unwrap();
    assert_eq!((groups[0].jid.to_string().as_str(), groups[0].size), (OTHER, Some(7)));
    assert!(groups[0].is_default && !groups[0].is_hidden);
}

fn changes(children: Vec<Node>) -> Vec<GroupChange> {
    let node = Node::new("notification")
        .attr("id", "N1")
        .attr("type", "w:gp2")
        .attr("from", jid(GROUP))
        .attr("participant", jid("800@lid"))
        .attr("participant_pn", jid("200@s.whatsapp.net"))
        .attr("t", "1760000000")
        .children(children);
    match with(&node, Notification::read).unwrap() {
        Notification::Group(group) => group.changes.into_iter().map(|versioned| versioned.change).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_notifications_tell_beside_members_is_read() {
    let suggestion = Node::new("sub_group_suggestion")
        .attr("jid", jid(OTHER))
        .attr("creator", jid("800@lid"))
        .attr("creation", "1760000000")
        .child(Node::new("subject").bytes("Runners"))
        .child(Node::new("description").child(Node::new("body").bytes("we run")))
        .child(Node::new("participant_count").bytes("12"))
        .child(Node::new("is_existing_group"));
    let user = Node::new("requested_user").attr("jid", jid("801@lid"));
    let heard = changes(vec![
        Node::new("invite").attr("code", "AbC"),
        Node::new("revoke").child(participant("801@lid")),
        Node::new("membership_approval_request").attr("request_method", "invite_link"),
        Node::new("created_membership_requests").attr("request_method", "non_admin_add").child(user),
        Node::new("revoked_membership_requests").child(participant("801@lid")),
        Node::new("link").attr("link_type", "parent_group").child(group_ref(OTHER)),
        Node::new("unlink")
            .attr("unlink_type", "sub_group")
            .attr("unlink_reason", "delete_parent")
            .child(group_ref(OTHER).attr("subject", "Runners")),
        Node::new("created_sub_group_suggestion").child(suggestion.clone()),
        Node::new("revoked_sub_group_suggestions").child(suggestion.attr("reason", "rejected")),
        Node::new("change_number").attr("jid", jid("899@lid")),
        Node::new("growth_locked").attr("type", "spam").attr("expiration", "1760000001"),
        Node::new("growth_unlocked"),
        Node::new("suspended"),
        Node::new("unsuspended"),
        Node::new("limit_sharing_enabled").attr("trigger", "1"),
        Node::new("member_add_mode").bytes("admin_add"),
        Node::new("reports"),
        Node::new("delete").attr("reason", "community"),
        Node::new("description").attr("id", "D").child(Node::new("body").bytes("text")),
        Node::new("member_add_mode").bytes("of_next_year"),
    ]);
    let mut heard = heard.into_iter();
    let mut next = || heard.next().unwrap();
    assert_eq!(next(), GroupChange::LinkReset { code: "AbC".to_owned() });
    assert!(matches!(next(), GroupChange::InvitesRevoked { users } if users[0].is_user(&jid("801@lid"))));
    let GroupChange::JoinRequested { users, method, community } = next() else { panic!("another change") };
    assert_eq!((users.len(), method.as_deref(), community), (1, Some("invite_link"), None));
    assert!(users[0].is_user(&jid("200@s.whatsapp.net")) && users[0].is_user(&jid("800@lid")), "the actor");
    assert!(matches!(next(), GroupChange::JoinRequested { users, .. } if users[0].is_user(&jid("801@lid"))));
    assert!(matches!(next(), GroupChange::JoinRequestsGone { users } if users.len() == 1));
    assert!(
        matches!(next(), GroupChange::Linked { kind: LinkKind::Community, groups } if groups[0].jid == jid(OTHER))
    );
    let GroupChange::Unlinked { kind, reason, groups } = next() else { panic!("another change") };
    assert_eq!((kind, reason.as_deref()), (LinkKind::Subgroup, Some("delete_parent")));
    assert_eq!(groups[0].subject, "Runners");
    let GroupChange::Suggested { suggestions } = next() else { panic!("another change") };
    let one = &suggestions[0];
    assert_eq!((&one.jid, one.subject.as_str(), one.size), (&jid(OTHER), "Runners", Some(12)));
    assert_eq!((one.description.as_deref(), one.is_existing), (Some("we run"), true));
    assert!(
        matches!(next(), GroupChange::SuggestionsGone { suggestions } if suggestions[0].reason.is_some())
    );
    assert!(matches!(next(), GroupChange::SuggesterChanged { user, .. } if user == jid("899@lid")));
    assert!(
        matches!(next(), GroupChange::GrowthLocked(Some(lock)) if lock.until == UnixSeconds(1_760_000_001))
    );
    assert_eq!(next(), GroupChange::GrowthLocked(None));
    assert_eq!(next(), GroupChange::Flag { flag: GroupFlag::Suspended, is_on: true });
    assert_eq!(next(), GroupChange::Flag { flag: GroupFlag::Suspended, is_on: false });
    assert_eq!(next(), GroupChange::Flag { flag: GroupFlag::LimitedSharing, is_on: true });
    assert_eq!(next(), GroupChange::Setting(GroupSetting::Adding(WhoMay::Admins)));
    assert_eq!(next(), GroupChange::Reported);
    assert_eq!(next(), GroupChange::Deleted { reason: Some("community".to_owned()) });
    let GroupChange::Description { description: Some(description) } = next() else {
        panic!("another change")
    };
    assert_eq!((description.by, description.at), (Some(jid("800@lid")), UnixSeconds(1_760_000_000)));
    assert!(matches!(next(), GroupChange::Other(_)), "a value that we do not know makes us ask");
}
