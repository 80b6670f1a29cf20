//! Groups: what answers and notifications say, what requests look like, and a message that a member reads.

use prost::Message as _;
use wa_core::crypto::SystemRandom;
use wa_core::e2e::group::{OwnKeys, distribution};
use wa_core::signal::{SenderKeyDistribution, SenderKeyMessage, SenderKeyRecord, unpad};
use wa_core::stanza::group_setting::GroupSetting;
use wa_core::stanza::iq::IqRequest;
use wa_core::stanza::iq::groups::{
    ChangeMembers, CreateGroup, FetchGroup, FetchParticipating, GroupPlace, LeaveGroups, MemberAction,
    NewMember, SetDescription, SetSubject,
};
use wa_core::stanza::message::{Class, EncKind, OutboundGroupMessage};
use wa_core::stanza::notification::Notification;
use wa_core::stanza::notification::groups::{GroupChange, GroupNotification};
use wa_core::stanza::{Reader, StanzaError, group::read_group};
use wa_core::store::{AddressingMode, Changes, Group, GroupRole, SenderKeyName};
use wa_core::wire::{self, Document, Node};
use wa_types::{Jid, SignalAddress, UnixSeconds};

const GROUP: &str = "120363000000000001@g.us";

fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

fn document(node: &Node) -> Document<'static> {
    let encoded = wire::encode(node).unwrap();
    let body = wire::unpack(&encoded).unwrap().into_owned();
    wire::decode(&body).unwrap().into_owned()
}

fn with<T>(node: &Node, read: impl FnOnce(Reader<'_>) -> T) -> T {
    read(Reader::new(document(node).root()))
}

/// The node's text form without line breaks.
fn line(node: &Node) -> String {
    node.to_xml().lines().map(str::trim_start).collect()
}

fn answer(child: Node) -> Node {
    Node::new("iq").attr("id", "1").attr("type", "result").child(child)
}

fn participant(jid: &str) -> Node {
    Node::new("participant").attr("jid", self::jid(jid))
}

fn group_node() -> Node {
    Node::new("group")
        .attr("id", "120363000000000001")
        .attr("subject", "Friends")
        .attr("creation", "1760000000")
        .attr("creator", jid("800@lid"))
        .attr("addressing_mode", "lid")
        .attr("size", "5")
        .attr("p_v_id", "17")
        .child(
            participant("800@lid").attr("phone_number", jid("200@s.whatsapp.net")).attr("type", "superadmin"),
        )
        .child(participant("801@lid").attr("type", "admin"))
        .child(participant("802@lid").attr("addressable", "false"))
        .child(participant("120363000000000002@g.us"))
        .child(Node::new("description").attr("id", "D1").child(Node::new("body").bytes("all of us")))
        .child(Node::new("announcement"))
        .child(Node::new("locked"))
        .child(Node::new("ephemeral").attr("expiration", "86400"))
        .child(Node::new("linked_parent").attr("jid", jid("120363000000000009@g.us")))
        .child(Node::new("default_sub_group"))
        .child(Node::new("of_next_year"))
}

#[test]
fn a_group_is_read_with_its_members_and_settings() {
    let group = with(&answer(group_node()), FetchGroup::read).unwrap();
    assert_eq!((group.jid.to_string().as_str(), group.subject.as_str()), (GROUP, "Friends"));
    assert_eq!((group.addressing, group.size), (AddressingMode::Lid, 5), "not all are listed");
    let roles: Vec<GroupRole> = group.members.iter().map(|member| member.role).collect();
    assert_eq!(roles, [GroupRole::SuperAdmin, GroupRole::Admin, GroupRole::Member], "a group is no member");
    assert_eq!(group.members[0].pn, Some(jid("200@s.whatsapp.net")));
    assert_eq!((&group.members[1].pn, group.members[2].is_unreachable), (&None, true));
    assert_eq!(group.member(&jid("200:4@s.whatsapp.net")), group.members.first(), "by either address");
    let description = group.description.unwrap();
    assert_eq!((description.id.as_str(), description.text.as_str()), ("D1", "all of us"));
    assert!(group.is_announcement && group.is_locked && group.is_default_subgroup && !group.is_community);
    assert_eq!((group.expiration_s, group.created), (86400, UnixSeconds(1_760_000_000)));
    assert_eq!(group.parent, Some(jid("120363000000000009@g.us")));
    assert_eq!(group.member_version.as_deref(), Some("17"));
}

#[test]
fn a_bare_group_is_read_and_one_without_an_id_is_not() {
    let bare = with(&Node::new("community").attr("id", jid(GROUP)), read_group).unwrap();
    assert_eq!((bare.jid, bare.addressing, bare.is_community), (jid(GROUP), AddressingMode::Pn, true));
    assert!(bare.subject.is_empty() && bare.members.is_empty() && bare.member_version.is_none());
    for wrong in
        [Node::new("group"), Node::new("group").attr("id", "x@y@z"), Node::new("group").attr("id", "5@lid")]
    {
        assert!(matches!(
            with(&answer(wrong), FetchGroup::read),
            Err(StanzaError::Missing { part: "id", .. } | StanzaError::Invalid { part: "id", .. })
        ));
    }
    assert!(with(&answer(Node::new("other")), FetchGroup::read).is_err());
}

#[test]
fn all_groups_are_read_one_faulty_one_does_not_matter() {
    let list = Node::new("groups").child(group_node()).child(Node::new("group"));
    let groups = with(&answer(list), FetchParticipating::read).unwrap();
    assert_eq!(groups.iter().map(|group| group.jid.to_string()).collect::<Vec<_>>(), [GROUP]);
    assert!(with(&answer(Node::new("groups")), FetchParticipating::read).unwrap().is_empty());
}

fn member(of: &str, pn: Option<&str>, token: Option<Vec<u8>>) -> NewMember {
    NewMember { jid: jid(of), pn: pn.map(jid), token }
}

#[test]
fn requests_have_the_catalogues_shapes() {
    let create = CreateGroup {
        subject: "Friends".to_owned(),
        members: vec![
            member("800@lid", Some("200@s.whatsapp.net"), None),
            member("300@s.whatsapp.net", None, Some(vec![1])),
        ],
        description: None,
        settings: Vec::new(),
        place: GroupPlace::Alone,
    };
    let node = create.to_node("7");
    assert_eq!(
        line(&node),
        "<iq id=\"7\" to=\"g.us\" type=\"set\" xmlns=\"w:g2\"><create subject=\"Friends\">\
         <participant jid=\"800@lid\" phone_number=\"200@s.whatsapp.net\"/>\
         <participant jid=\"300@s.whatsapp.net\"><privacy>0x01</privacy></participant></create></iq>"
    );
    let fetch = line(&FetchGroup { group: jid(GROUP) }.to_node("8"));
    assert_eq!(
        fetch,
        format!(
            "<iq id=\"8\" to=\"{GROUP}\" type=\"get\" xmlns=\"w:g2\"><query request=\"interactive\"/></iq>"
        )
    );
    let members = vec![member("800@lid", Some("200@s.whatsapp.net"), None)];
    let change =
        |action| ChangeMembers { group: jid(GROUP), action, members: members.clone(), with_subgroups: false };
    let body = |action| line(&change(action).body()[0]);
    assert_eq!(
        body(MemberAction::Add),
        "<add><participant jid=\"800@lid\" phone_number=\"200@s.whatsapp.net\"/></add>"
    );
    assert_eq!(body(MemberAction::Remove), "<remove><participant jid=\"800@lid\"/></remove>");
    assert_eq!(body(MemberAction::Promote), "<promote><participant jid=\"800@lid\"/></promote>");
    assert_eq!(body(MemberAction::Demote), "<demote><participant jid=\"800@lid\"/></demote>");
    let leave = LeaveGroups { groups: vec![jid(GROUP)], are_communities: false };
    assert_eq!(line(&leave.body()[0]), format!("<leave><group id=\"{GROUP}\"/></leave>"));
    let subject = SetSubject { group: jid(GROUP), subject: "Old friends".to_owned() };
    assert_eq!(subject.body()[0].content_bytes(), Some(&b"Old friends"[..]));
    let text = |text: Option<&str>| SetDescription {
        group: jid(GROUP),
        id: "D2".to_owned(),
        previous: Some("D1".to_owned()),
        text: text.map(str::to_owned),
    };
    let node = &text(Some("hi")).body()[0];
    assert_eq!((node.get("prev").unwrap().to_text(), node.get("delete")), ("D1".into(), None));
    assert_eq!(node.find("body").unwrap().content_bytes(), Some(&b"hi"[..]));
    assert_eq!(line(&text(None).body()[0]), "<description id=\"D2\" prev=\"D1\" delete=\"true\"/>");
}

#[test]
fn each_members_answer_is_its_own() {
    let done = Node::new("add")
        .child(participant("800@lid"))
        .child(participant("801@lid").attr("error", "200"))
        .child(participant("802@lid").attr("error", "409"))
        .child(participant("803@lid").attr("error", "what"))
        .child(
            participant("804@lid")
                .attr("error", "403")
                .child(Node::new("add_request").attr("code", "ABC").attr("expiration", "1760000000")),
        );
    let answers = with(&answer(done), ChangeMembers::read).unwrap();
    let errors: Vec<Option<u16>> = answers.iter().map(|answer| answer.error).collect();
    assert_eq!(errors, [None, None, Some(409), Some(0), Some(403)]);
    let invitation = answers[4].invitation.as_ref().unwrap();
    assert_eq!((invitation.code.as_str(), invitation.expires), ("ABC", UnixSeconds(1_760_000_000)));
    assert!(with(&answer(Node::new("other")), ChangeMembers::read).is_err());

    let refused = group_node().child(participant("805@lid").attr("error", "403"));
    let (group, answers) = with(&answer(refused), CreateGroup::read).unwrap();
    assert_eq!(answers.iter().filter(|answer| answer.error.is_some()).count(), 1);
    assert!(group.member(&jid("805@lid")).is_none(), "who was refused is no member");

    let left = |node: Node| with(&answer(Node::new("leave").child(node)), LeaveGroups::read);
    assert_eq!(left(Node::new("group").attr("id", jid(GROUP))), Ok(vec![(jid(GROUP), None)]));
    assert_eq!(
        left(Node::new("group").attr("id", jid(GROUP)).attr("error", "404")),
        Ok(vec![(jid(GROUP), Some(404))])
    );
}

fn notification(children: Vec<Node>) -> GroupNotification {
    let node = Node::new("notification")
        .attr("id", "N1")
        .attr("type", "w:gp2")
        .attr("from", jid(GROUP))
        .attr("participant", jid("800:3@lid"))
        .attr("participant_pn", jid("200@s.whatsapp.net"))
        .attr("addressing_mode", "lid")
        .attr("t", "1760000000")
        .children(children);
    match with(&node, Notification::read).unwrap() {
        Notification::Group(group) => *group,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_change_of_a_notification_is_read_in_order() {
    let one = |tag: &'static str| Node::new(tag).child(participant("801@lid"));
    let read = notification(vec![
        Node::new("create").child(group_node()),
        one("add").attr("reason", "invite").attr("prev_v_id", "17").attr("v_id", "18"),
        one("remove"),
        one("promote"),
        one("demote"),
        one("modify"),
        Node::new("subject").attr("subject", "New"),
        Node::new("description").attr("id", "D2").child(Node::new("body").bytes("text")),
        Node::new("description").attr("id", "D3").child(Node::new("delete")),
        Node::new("announcement"),
        Node::new("unlocked"),
        Node::new("ephemeral").attr("expiration", "604800"),
        Node::new("not_ephemeral"),
        Node::new("delete"),
        Node::new("of_next_year").attr("a", "b"),
        Node::new("create"),
    ]);
    assert_eq!((read.group, read.actor), (jid(GROUP), Some(jid("800:3@lid"))));
    assert_eq!(read.actor_alt, Some(jid("200@s.whatsapp.net")));
    assert_eq!((read.addressing, read.timestamp), (Some(AddressingMode::Lid), UnixSeconds(1_760_000_000)));
    let versions = (read.changes[1].from_version.as_deref(), read.changes[1].to_version.as_deref());
    assert_eq!(versions, (Some("17"), Some("18")));
    let changes: Vec<GroupChange> = read.changes.into_iter().map(|versioned| versioned.change).collect();
    assert!(matches!(&changes[0], GroupChange::Created(group) if group.members.len() == 3));
    assert!(
        matches!(&changes[1], GroupChange::Added { members, reason } if members.len() == 1 && reason.as_deref() == Some("invite"))
    );
    assert!(
        matches!(&changes[2], GroupChange::Removed { members, .. } if members[0].is_user(&jid("801@lid")))
    );
    assert!(matches!(&changes[3], GroupChange::Promoted { .. }));
    assert!(matches!(&changes[4], GroupChange::Demoted { .. }));
    assert!(matches!(&changes[5], GroupChange::NumberChanged { .. }));
    assert!(matches!(&changes[6], GroupChange::Subject { subject, .. } if subject == "New"));
    assert!(matches!(&changes[7], GroupChange::Description { description: Some(new) } if new.text == "text"));
    assert!(matches!(&changes[8], GroupChange::Description { description: None }));
    assert_eq!(changes[9], GroupChange::Setting(GroupSetting::Announcement(true)));
    assert_eq!(changes[10], GroupChange::Setting(GroupSetting::Locked(false)));
    assert_eq!(changes[11], GroupChange::Setting(GroupSetting::expiration(604_800)));
    assert_eq!(changes[12], GroupChange::Setting(GroupSetting::expiration(0)));
    assert_eq!(changes[13], GroupChange::Deleted { reason: None });
    assert!(matches!(&changes[14], GroupChange::Other(node) if node.tag == "of_next_year"));
    assert!(matches!(&changes[15], GroupChange::Other(_)), "one that cannot be read is kept as it came");
}

#[test]
fn a_notification_of_no_group_is_refused() {
    let node = Node::new("notification").attr("id", "N1").attr("type", "w:gp2").attr("from", jid("800@lid"));
    assert!(with(&node, Notification::read).is_err());
}

#[test]
fn who_got_the_key_reads_from_then_on_and_not_after_a_rotation() {
    let random = &mut SystemRandom;
    let own = SignalAddress::from_jid(&jid("900:7@lid")).unwrap();
    let name = SenderKeyName { group: jid(GROUP), sender: own };
    let mut keys = OwnKeys::default();
    keys.load(name.clone(), None);
    assert!(keys.seal(&name, b"x\x01", random).is_err(), "there is no key yet");
    keys.rotate(&name, random);
    let before = keys.seal(&name, b"before\x01", random).unwrap();

    let padded = distribution(&name.group, keys.get(&name).unwrap(), random);
    let message = wa_proto::e2e::Message::decode(unpad(&padded).unwrap()).unwrap();
    let given = message.sender_key_distribution_message.as_deref().unwrap();
    assert_eq!(given.group_id.as_deref(), Some(GROUP));
    let bytes = given.axolotl_sender_key_distribution_message.as_deref().unwrap();
    let mut member = SenderKeyRecord::new();
    member.process(&SenderKeyDistribution::parse(bytes).unwrap()).unwrap();
    let mut reads = |sealed: &[u8]| member.decrypt(&SenderKeyMessage::parse(sealed).unwrap());
    assert!(reads(&before).is_err(), "what was sent before is not for it");
    let after = keys.seal(&name, b"after\x01", random).unwrap();
    assert_eq!(reads(&after).unwrap(), b"after\x01");

    // The next step begins with what the store has.
    let mut changes = Changes::new();
    keys.stage(&mut changes);
    let record = changes.iter().find_map(|change| match change {
        wa_core::store::Change::PutSenderKey { record, .. } => Some(record.clone()),
        _ => None,
    });
    keys.forget_all();
    keys.load(name.clone(), record);
    assert_eq!(reads(&keys.seal(&name, b"more\x01", random).unwrap()).unwrap(), b"more\x01");
    keys.rotate(&name, random);
    assert!(reads(&keys.seal(&name, b"secret\x01", random).unwrap()).is_err());
}

#[test]
fn a_group_message_carries_keys_only_for_those_who_lack_them() {
    let (to, id) = (jid(GROUP), "A1".into());
    let mut class = Class::media("image");
    (class.edit, class.hides_failure) = (Some("1"), true);
    let message = |keys: Vec<(Jid, EncKind, Vec<u8>)>| {
        let message = OutboundGroupMessage {
            to: &to,
            id: &id,
            class,
            addressing: Some(AddressingMode::Lid),
            phash: Some("2:abcdefgh"),
            others: Vec::new(),
            setting: None,
            keys,
            content: vec![9],
            device_identity: Some(b"identity"),
        };
        message.into_node()
    };
    let warm = message(Vec::new());
    for (name, value) in
        [("to", GROUP), ("addressing_mode", "lid"), ("phash", "2:abcdefgh"), ("type", "media"), ("edit", "1")]
    {
        assert_eq!(warm.get(name).unwrap().to_text(), value, "{name}");
    }
    assert!(warm.find("participants").is_none() && warm.find("device-identity").is_none());
    let enc = warm.find("enc").unwrap();
    for (name, value) in [("type", "skmsg"), ("v", "2"), ("mediatype", "image"), ("decrypt-fail", "hide")] {
        assert_eq!(enc.get(name).unwrap().to_text(), value, "{name}");
    }
    assert_eq!(enc.content_bytes(), Some(&[9][..]));

    let running = message(vec![(jid("800:1@lid"), EncKind::Message, vec![1])]);
    assert!(running.find("device-identity").is_none(), "no session begins");
    let to = running.find("participants").unwrap().find("to").unwrap();
    assert_eq!(to.get("jid").unwrap().to_text(), "800:1@lid");
    assert!(to.find("enc").unwrap().get("mediatype").is_none(), "the key is no content");
    let first = message(vec![(jid("800@lid"), EncKind::PreKey, vec![1])]);
    assert_eq!(first.find("device-identity").unwrap().content_bytes(), Some(&b"identity"[..]));
}

#[test]
fn a_group_keeps_its_text_in_the_store() {
    let group = with(&group_node(), read_group).unwrap();
    assert_eq!(Group::decode(&group.encode()).unwrap(), group);
}
