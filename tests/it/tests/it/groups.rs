//! Groups: made, asked about, changed, and what of it is heard.

use std::sync::Arc;

use wa_core::error::{GroupRefusal, MemberRefusal};
use wa_core::event::{GroupChange, GroupChanged};
use wa_core::store::{AddressingMode, Group, GroupRole};
use wa_core::wire::Node;
use wa_core::{Event, GroupError};
use wa_it::Companion;
use wa_test_server::{Config, Direction, GroupMode, Phone, TestServer};
use wa_types::Jid;

/// Three accounts, each a phone and a companion.
pub(crate) struct Three {
    pub(crate) server: TestServer,
    pub(crate) phones: [Phone; 3],
    pub(crate) alice: Companion,
    pub(crate) bob: Companion,
    pub(crate) carol: Companion,
}

impl Three {
    pub(crate) async fn linked() -> Self {
        let server = TestServer::start().await;
        let phones = ["alice", "bob", "carol"].map(|name| server.phone(name));
        let alice = Companion::link(&server, &phones[0]).await;
        let bob = Companion::link(&server, &phones[1]).await;
        let carol = Companion::link(&server, &phones[2]).await;
        Self { server, phones, alice, bob, carol }
    }

    /// A group that Alice makes with Bob.
    pub(crate) async fn crew(&mut self) -> Jid {
        let made = self.alice.client.groups().create("Crew", &[self.phones[1].pn().clone()]).await.unwrap();
        assert!(made.refused.is_empty());
        changed(&mut self.alice).await;
        changed(&mut self.bob).await;
        made.group.jid.clone()
    }
}

/// The next thing that happens in a group.
pub(crate) async fn changed(companion: &mut Companion) -> GroupChanged {
    match companion.wait(|event| matches!(event, Event::GroupChanged(_))).await {
        Event::GroupChanged(changed) => *changed,
        other => unreachable!("{other:?} is no change"),
    }
}

/// How often a device asked about a group.
fn queries(server: &TestServer, device: &Jid, group: &Jid) -> usize {
    let sent = server.nodes_of(device);
    let asks = |node: &Node| {
        node.tag == "iq"
            && node.find("query").is_some()
            && node.get("to").is_some_and(|to| to.to_text() == group.to_string())
    };
    sent.iter().filter(|(direction, node)| *direction == Direction::FromClient && asks(node)).count()
}

fn members(group: &Group) -> Vec<(Jid, GroupRole)> {
    group.members.iter().map(|member| (member.pn.clone().unwrap(), member.role)).collect()
}

#[tokio::test]
async fn a_group_is_made_and_known_to_all_members() {
    let mut three = Three::linked().await;
    let [alice, bob, carol] = three.phones.each_ref().map(|phone| phone.pn().clone());
    let stranger = Jid::pn("19995550000");
    let wanted = [bob.clone(), stranger.clone()];
    let made = three.alice.client.groups().create("Crew", &wanted).await.unwrap();
    assert_eq!(made.refused, [(stranger, MemberRefusal::NotFound)]);
    assert_eq!((made.group.subject.as_str(), made.group.addressing), ("Crew", AddressingMode::Lid));
    let both = [(alice, GroupRole::SuperAdmin), (bob, GroupRole::Member)];
    assert_eq!(members(&made.group), both);

    let heard = changed(&mut three.bob).await;
    assert_eq!(heard.group, made.group.jid);
    assert_eq!(heard.actor.map(|actor| actor.to_user()), Some(three.phones[0].lid().clone()));
    assert!(matches!(heard.change, GroupChange::Created(group) if members(&group) == both));
    let known = three.bob.client.groups().info(&made.group.jid).await.unwrap();
    assert_eq!(members(&known), both);
    assert_eq!(queries(&three.server, &three.bob.jid, &made.group.jid), 0, "it was told, not asked for");

    let all = three.bob.client.groups().participating().await.unwrap();
    assert_eq!(all.iter().map(|group| &group.jid).collect::<Vec<_>>(), [&made.group.jid]);
    assert_eq!(members(&all[0]), both);
    assert!(three.carol.client.groups().participating().await.unwrap().is_empty());
    let refused = three.carol.client.groups().info(&made.group.jid).await.unwrap_err();
    assert!(
        matches!(refused, GroupError::Refused { reason: GroupRefusal::NotPermitted, code: 403, .. }),
        "{refused:?}"
    );
    let _ = carol;
}

#[tokio::test]
async fn members_and_roles_change_and_everybody_hears_of_it() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let [alice, bob, carol] = three.phones.each_ref().map(|phone| phone.pn().clone());
    let groups = three.alice.client.groups();

    let outcomes = groups.add(&crew, &[carol.clone(), bob.clone()]).await.unwrap();
    let results: Vec<_> = outcomes.iter().map(|outcome| outcome.result.clone()).collect();
    assert_eq!(results, [Ok(()), Err(MemberRefusal::AlreadyMember)]);
    let added = changed(&mut three.bob).await.change;
    assert!(matches!(added, GroupChange::Added { members, .. } if members[0].is_user(&carol)));
    assert!(matches!(changed(&mut three.carol).await.change, GroupChange::Created(_)));

    let denied = three.bob.client.groups().remove(&crew, std::slice::from_ref(&carol)).await.unwrap_err();
    assert!(matches!(denied, GroupError::Refused { reason: GroupRefusal::NotAdmin, .. }), "{denied:?}");

    groups.promote(&crew, std::slice::from_ref(&bob)).await.unwrap();
    assert!(matches!(changed(&mut three.bob).await.change, GroupChange::Promoted { .. }));
    let known = three.bob.client.groups().info(&crew).await.unwrap();
    let roles =
        [(alice, GroupRole::SuperAdmin), (bob.clone(), GroupRole::Admin), (carol.clone(), GroupRole::Member)];
    assert_eq!(members(&known), roles);
    groups.demote(&crew, std::slice::from_ref(&bob)).await.unwrap();
    assert!(matches!(changed(&mut three.bob).await.change, GroupChange::Demoted { .. }));
    let known = three.bob.client.groups().info(&crew).await.unwrap();
    assert_eq!(known.member(&bob).map(|member| member.role), Some(GroupRole::Member));
    assert_eq!(queries(&three.server, &three.bob.jid, &crew), 0, "all of it was told");

    groups.remove(&crew, std::slice::from_ref(&carol)).await.unwrap();
    assert!(matches!(changed(&mut three.bob).await.change, GroupChange::Removed { .. }));
    assert!(three.bob.client.groups().info(&crew).await.unwrap().member(&carol).is_none());
    three.carol
        .wait(|event| {
            matches!(event, Event::GroupChanged(changed) if matches!(changed.change, GroupChange::Removed { .. }))
        })
        .await;
    assert_eq!(
        three.carol.store.groups(std::slice::from_ref(&crew)).await.unwrap(),
        [None],
        "it is forgotten"
    );

    three.bob.client.groups().leave(&crew).await.unwrap();
    assert_eq!(three.bob.store.groups(std::slice::from_ref(&crew)).await.unwrap(), [None]);
    let left = loop {
        let heard = changed(&mut three.alice).await;
        if heard.actor.as_ref().is_some_and(|actor| actor.is_same_user(three.phones[1].lid())) {
            break heard.change;
        }
    };
    assert!(
        matches!(left, GroupChange::Removed { members, .. } if members[0].is_user(&bob)),
        "who left did it"
    );
}

#[tokio::test]
async fn name_and_description_change() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let groups = three.alice.client.groups();
    groups.set_subject(&crew, "Old crew").await.unwrap();
    assert_eq!(groups.info(&crew).await.unwrap().subject, "Old crew");
    let heard = changed(&mut three.bob).await.change;
    assert!(matches!(heard, GroupChange::Subject { subject, .. } if subject == "Old crew"));
    assert_eq!(three.bob.client.groups().info(&crew).await.unwrap().subject, "Old crew");

    for text in [Some("since ever"), Some("since yesterday"), None] {
        groups.set_description(&crew, text).await.unwrap();
        let GroupChange::Description { description } = changed(&mut three.bob).await.change else {
            panic!("another change")
        };
        assert_eq!(description.as_ref().map(|new| new.text.as_str()), text);
        let known = three.bob.client.groups().info(&crew).await.unwrap();
        assert_eq!(known.description, description);
    }
    let long = groups.set_subject(&crew, &"x".repeat(101)).await.unwrap_err();
    assert!(matches!(long, GroupError::Refused { reason: GroupRefusal::NotAcceptable, .. }), "{long:?}");
}

#[tokio::test]
async fn however_many_ask_the_server_is_asked_once() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let mut changes = wa_core::store::Changes::new();
    changes.delete_group(crew.clone());
    let Three { server, bob, phones, alice: _alice, carol: _carol } = three;
    let store = bob.stop().await;
    store.commit(changes).await.unwrap();
    let bob = Companion::start(&server, store).await;

    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (client, crew) = (bob.client.clone(), crew.clone());
        asking.spawn(async move { client.groups().info(&crew).await });
    }
    for known in asking.join_all().await {
        assert_eq!(known.unwrap().members.len(), 2);
    }
    assert_eq!(queries(&server, &bob.jid, &crew), 1);
    bob.client.groups().refresh(&crew).await.unwrap();
    assert_eq!(queries(&server, &bob.jid, &crew), 2, "fresh means asked");
    // It is known also after a restart.
    let bob = Companion::start(&server, bob.stop().await).await;
    assert_eq!(bob.client.groups().info(&crew).await.unwrap().members.len(), 2);
    assert_eq!(queries(&server, &bob.jid, &crew), 2);
    let _ = phones;
}

#[tokio::test]
async fn a_lost_notification_or_an_unknown_one_makes_us_ask() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let carol = three.phones[2].lid().clone();
    let notification = |id: &str, child: Node| {
        Node::new("notification")
            .attr("id", id)
            .attr("type", "w:gp2")
            .attr("from", &crew)
            .attr("participant", three.phones[0].lid())
            .attr("t", "1760000000")
            .child(child)
    };
    let added = Node::new("add")
        .attr("prev_v_id", "7777")
        .attr("v_id", "7778")
        .child(Node::new("participant").attr("jid", &carol));
    let unknown = Node::new("of_next_year");
    let nodes = [notification("N1", added), notification("N2", unknown)];
    for (number, node) in nodes.into_iter().enumerate() {
        assert_eq!(queries(&three.server, &three.bob.jid, &crew), number);
        assert!(three.server.deliver(&three.bob.jid, node));
        let heard = changed(&mut three.bob).await.change;
        assert_eq!(matches!(heard, GroupChange::Other(_)), number == 1);
        let known = three.bob.client.groups().info(&crew).await.unwrap();
        assert!(known.member(&carol).is_none(), "as the server has it");
    }
    assert_eq!(queries(&three.server, &three.bob.jid, &crew), 2);
}

#[tokio::test]
async fn a_group_that_we_are_not_in_any_more_is_forgotten_with_the_list_of_all() {
    let mut three = Three::linked().await;
    let (crew, bob) = (three.crew().await, three.phones[1].pn().clone());
    let other = three.bob.client.groups().create("Other", &[]).await.unwrap().group.jid.clone();
    three.bob.client.groups().info(&crew).await.unwrap();
    // Nobody tells that Bob is removed.
    assert!(three.server.lose_group_news(&crew, true));
    three.alice.client.groups().remove(&crew, &[bob]).await.unwrap();
    let both = [crew.clone(), other.clone()];
    let known = three.bob.store.groups(&both).await.unwrap();
    assert!(known.iter().all(Option::is_some));
    let all = three.bob.client.groups().participating().await.unwrap();
    assert_eq!(all.iter().map(|group| &group.jid).collect::<Vec<_>>(), [&other]);
    let known = three.bob.store.groups(&both).await.unwrap();
    assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    let refused = three.bob.client.groups().info(&crew).await.unwrap_err();
    assert!(matches!(refused, GroupError::Refused { reason: GroupRefusal::NotPermitted, .. }), "{refused:?}");
}

#[tokio::test]
async fn groups_by_phone_number_are_known_by_both_addresses() {
    let server = TestServer::with(Config { new_groups: GroupMode::Pn, ..Config::default() }).await;
    let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    let made = alice.client.groups().create("Numbers", &[bob_phone.lid().clone()]).await.unwrap();
    assert_eq!(made.group.addressing, AddressingMode::Pn);
    let bob = made.group.member(bob_phone.pn()).unwrap();
    assert_eq!(bob.lid.as_ref(), Some(bob_phone.lid()));
    assert_eq!(made.group.member(bob_phone.lid()), Some(bob));
    let pairs = alice.store.lids_of(std::slice::from_ref(bob_phone.pn())).await.unwrap();
    assert_eq!(pairs[0].as_ref().map(|pair| &pair.lid), Some(bob_phone.lid()), "learned by the way");
}

#[tokio::test]
async fn what_happened_while_away_is_heard() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let carol = three.phones[2].pn().clone();
    let Three { server, phones: _phones, mut alice, bob, carol: _carol } = three;
    let store = bob.stop().await;
    alice.client.groups().add(&crew, std::slice::from_ref(&carol)).await.unwrap();
    alice.client.groups().set_subject(&crew, "Bigger crew").await.unwrap();
    changed(&mut alice).await;
    let mut bob = Companion::start(&server, store).await;
    assert!(matches!(changed(&mut bob).await.change, GroupChange::Added { .. }));
    assert!(matches!(changed(&mut bob).await.change, GroupChange::Subject { .. }));
    let known: Arc<Group> = bob.client.groups().info(&crew).await.unwrap();
    assert_eq!((known.subject.as_str(), known.members.len()), ("Bigger crew", 3));
    assert_eq!(queries(&server, &bob.jid, &crew), 0);
}
