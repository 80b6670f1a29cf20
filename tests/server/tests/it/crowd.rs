//! Many members, silent devices, channels, and asking for users by LID.

use wa_core::wire::Node;
use wa_test_server::{GroupMode, TestServer};
use wa_types::Jid;

use crate::companion::{attr, phash, text};
use crate::pairing::linked;

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_a_thousand_members_at_once() {
    let server = TestServer::start().await;
    let (mut alices, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let crowd = server.add_crowd(1022, 2);
    let members: Vec<&Jid> = crowd.iter().chain([bob.lid()]).collect();
    let group = alice.create_group("Everybody", &members, GroupMode::Lid);

    let answer = wire.request_to(&group, "get", "w:g2", vec![Node::new("query")]).await;
    let shown = answer.find("group").expect("group");
    assert_eq!((attr(shown, "size"), shown.find_all("participant").count()), ("1024".into(), 1024));

    // Each device of the crowd has a bundle, and each companion is one of its account.
    let first = crowd.first().expect("a crowd");
    alices.fetch(&mut wire, &[first.clone(), first.clone().with_device(1)]).await;
    let users = [Node::new("user").attr("jid", first)];
    let query = Node::new("query").child(Node::new("devices").attr("version", "2"));
    let usync = Node::new("usync").child(query).child(Node::new("list").children(users));
    let answer = wire.request("get", "usync", vec![usync]).await;
    let listed = answer.find("usync").and_then(|usync| usync.find("list")?.nodes().first().cloned());
    let listed = listed.expect("a user");
    let list = listed.find("devices").and_then(|devices| devices.find("device-list")).expect("devices");
    assert_eq!(list.nodes().len(), 2);
    assert!(listed.find("devices").and_then(|devices| devices.find("key-index-list")).is_some());

    let mut devices: Vec<Jid> =
        crowd.iter().flat_map(|jid| [jid.clone(), jid.clone().with_device(1)]).collect();
    devices.extend([alice.lid().clone(), bob.lid().clone(), alices.lid.clone().expect("lid")]);
    let distribution = alices.distribution(&group);
    alices.fetch(&mut wire, &[bob.lid().clone()]).await;
    let copies: Vec<Node> = [first, bob.lid()].map(|device| alices.copy_for(device, &distribution)).into();
    let stanza = Node::new("message")
        .attr("to", &group)
        .attr("id", "3EB0AA")
        .attr("type", "text")
        .attr("addressing_mode", "lid")
        .attr("phash", phash(&devices))
        .child(Node::new("participants").children(copies))
        .child(alices.group_enc(&group, &text("to all of you")))
        .child(alices.device_identity());
    wire.send(&stanza).await;
    let ack = wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == "3EB0AA").await;
    assert_eq!((attr(&ack, "error"), attr(&ack, "phash")), (String::new(), String::new()));
    assert_eq!(bob.next_message().await.text(), Some("to all of you"));
    assert_eq!(server.queued_for(first), 0, "nothing is kept for who never reads");
}

#[tokio::test(start_paused = true)]
async fn phones_are_made_in_bulk_and_upload_keys_when_they_need_them() {
    let server = TestServer::start().await;
    let phones = server.phones("member", 40);
    let members: Vec<&Jid> = phones.iter().map(wa_test_server::Phone::lid).collect();
    let alice = server.phone("alice");
    let group = alice.create_group("Crew", &members, GroupMode::Lid);
    let before = server.pre_keys_of(alice.pn());
    alice.send_text(&group, "hello").await.expect("sent");
    for phone in &phones {
        assert_eq!(phone.next_message().await.text(), Some("hello"));
        assert!(server.pre_keys_of(phone.pn()) > 2);
    }
    assert_eq!(server.pre_keys_of(alice.pn()), before);
    assert_eq!(server.phone("member 7").lid(), phones.get(6).expect("forty").lid());
}

#[tokio::test(start_paused = true)]
async fn a_phone_gets_a_companion_that_only_has_keys() {
    let server = TestServer::start().await;
    let (_alices, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    bob.send_text(alice.lid(), "now we know each other").await.expect("sent");
    let device = bob.add_companion_keys();
    assert_eq!(bob.linked_devices(), std::slice::from_ref(&device));
    let notification = wire.expect_where(|node| attr(node, "type") == "devices").await;
    let added = notification.find("add").and_then(|add| add.find("device")).expect("a device");
    assert_eq!(attr(added, "jid"), device.to_string());
    alice.send_text(bob.lid(), "to both").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("to both"));
    let ack =
        server.wait_for(alice.pn(), wa_test_server::Direction::ToClient, |node| node.tag == "ack").await;
    assert_eq!(attr(&ack, "phash"), "");
    assert!(bob.remove_device(&device));
    wire.expect_where(|node| node.find("remove").is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn followers_get_the_posts_of_a_channel() {
    let server = TestServer::start().await;
    let (alices, mut wire) = linked(&server, "alice").await;
    let channel = server.create_newsletter();
    assert!(server.follow(&channel, server.phone("alice").pn()));
    assert!(!server.follow(&channel, &Jid::pn("1999")));
    let post = server.post(&channel, &text("news")).expect("a channel");
    let stanza = wire.expect("message").await;
    assert_eq!(attr(&stanza, "from"), channel.to_string());
    assert_eq!((attr(&stanza, "id"), attr(&stanza, "server_id")), (post.id.to_string(), "100".into()));
    let plain = stanza.find("plaintext").and_then(Node::content_bytes).expect("plaintext");
    assert_eq!(
        <wa_proto::e2e::Message as prost::Message>::decode(plain).expect("a message").conversation(),
        "news"
    );
    let ack = Node::new("ack").attr("class", "message").attr("id", post.id.to_string()).attr("to", &channel);
    wire.send(&ack).await;
    server.wait_drained(&alices.jid()).await;
    let next = server.post(&channel, &text("more")).expect("a channel");
    assert_eq!(next.server_id, post.server_id + 1);
}

#[tokio::test(start_paused = true)]
async fn users_are_asked_for_by_number_and_by_lid() {
    let server = TestServer::start().await;
    let (_alices, mut wire) = linked(&server, "alice").await;
    let bob = server.phone("bob");
    let query = Node::new("query").child(Node::new("devices").attr("version", "2")).child(Node::new("lid"));
    let users = [
        Node::new("user").attr("jid", bob.pn()),
        Node::new("user").attr("jid", bob.lid()),
        Node::new("user").attr("pn_jid", bob.pn()),
    ];
    let usync = Node::new("usync").child(query).child(Node::new("list").children(users));
    let answer = wire.request("get", "usync", vec![usync]).await;
    let list = answer.find("usync").and_then(|usync| usync.find("list")).expect("a list");
    let seen: Vec<[String; 3]> = list
        .nodes()
        .iter()
        .map(|user| {
            let lid = user.find("lid").map(|lid| attr(lid, "val")).unwrap_or_default();
            [attr(user, "jid"), attr(user, "pn_jid"), lid]
        })
        .collect();
    let (pn, lid) = (bob.pn().to_string(), bob.lid().to_string());
    assert_eq!(
        seen,
        [
            [pn.clone(), String::new(), lid.clone()],
            [lid.clone(), pn.clone(), lid.clone()],
            [pn, String::new(), lid],
        ]
    );
}
