//! Malformed and unusual stanzas: an answer or an end, never silence and never a crash.

use wa_core::wire::Node;
use wa_test_server::TestServer;
use wa_types::Jid;

use crate::companion::{Wire, attr};
use crate::pairing::linked;

async fn is_alive(wire: &mut Wire) {
    assert!(wire.request("get", "w:p", vec![]).await.get("t").is_some());
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_or_refused() {
    let server = TestServer::start().await;
    let (companion, mut wire) = linked(&server, "alice").await;
    let bob = server.phone("bob");
    let bad_keys = vec![
        Node::new("registration").bytes([1, 2, 3]),
        Node::new("type").bytes([5]),
        Node::new("identity").bytes([9; 32]),
        Node::new("list").children([]),
        Node::new("skey"),
    ];
    let cases: Vec<(&str, &str, Vec<Node>, &str)> = vec![
        ("get", "w:p", vec![Node::new("ping")], ""),
        ("get", "no:such:thing", vec![], "501"),
        ("get", "encrypt", vec![], "400"),
        ("set", "encrypt", bad_keys, "406"),
        ("set", "encrypt", vec![Node::new("rotate")], "406"),
        ("get", "encrypt", vec![Node::new("key").child(Node::new("user"))], "400"),
        ("get", "usync", vec![], "400"),
        ("set", "md", vec![], "400"),
        ("set", "md", vec![Node::new("remove-companion-device").attr("jid", bob.pn())], "403"),
        ("set", "urn:xmpp:whatsapp:dirty", vec![Node::new("clean").attr("type", "groups")], ""),
        ("get", "privacy", vec![Node::new("privacy")], ""),
        ("get", "blocklist", vec![], ""),
        ("get", "abt", vec![Node::new("props").attr("protocol", "1")], ""),
        ("get", "status", vec![Node::new("privacy")], ""),
        ("set", "w:m", vec![Node::new("media_conn")], ""),
        ("get", "w:g2", vec![Node::new("query")], "400"),
        ("whatever", "w:p", vec![], "400"),
    ];
    for (kind, namespace, children, code) in cases {
        let answer = wire.request(kind, namespace, children).await;
        let error = answer.find("error").map(|error| attr(error, "code")).unwrap_or_default();
        assert_eq!(error, code, "{kind} {namespace}: {}", answer.to_xml());
    }
    let unknown: Jid = "19990000000@s.whatsapp.net".parse().expect("a JID");
    let users = [Node::new("user").attr("jid", &unknown), Node::new("user").attr("jid", companion.jid())];
    let answer = wire.request("get", "encrypt", vec![Node::new("key").children(users)]).await;
    let users = answer.find("list").expect("list").nodes();
    assert_eq!(attr(users[0].find("error").expect("error"), "code"), "406");
    assert!(users[1].find("device-identity").is_some());
}

#[tokio::test(start_paused = true)]
async fn usync_answers_by_contact_and_by_address() {
    let server = TestServer::start().await;
    let (companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let query = Node::new("query").children([
        Node::new("contact").attr("addressing_mode", "lid"),
        Node::new("devices").attr("version", "2"),
        Node::new("lid"),
    ]);
    let list = Node::new("list").children([
        Node::new("user").child(Node::new("contact").text(format!("+{}", bob.pn().user()))),
        Node::new("user").attr("jid", alice.pn()),
        Node::new("user").child(Node::new("contact").text("+19990000000")),
        Node::new("user").child(Node::new("contact").text("0123")),
    ]);
    let usync = Node::new("usync").attr("sid", "1").attr("mode", "query").attr("context", "interactive");
    let answer = wire.request("get", "usync", vec![usync.child(query).child(list)]).await;
    let users = answer.find("usync").and_then(|usync| usync.find("list")).expect("list").nodes();
    assert_eq!(users.len(), 4, "{}", answer.to_xml());
    assert_eq!(attr(&users[0], "jid"), bob.lid().to_string());
    assert_eq!(attr(&users[0], "pn_jid"), bob.pn().to_string());
    let devices = users[1].find("devices").expect("devices");
    let numbers: Vec<String> =
        devices.find("device-list").expect("list").nodes().iter().map(|device| attr(device, "id")).collect();
    assert_eq!(numbers, ["0".to_owned(), companion.jid().device().to_string()]);
    assert!(devices.find("key-index-list").is_some());
    assert_eq!(attr(users[1].find("lid").expect("lid"), "val"), alice.lid().to_string());
    assert_eq!(attr(users[2].find("contact").expect("contact"), "type"), "out");
    assert_eq!(attr(users[3].find("contact").expect("contact"), "type"), "invalid");
}

#[tokio::test(start_paused = true)]
async fn messages_that_break_a_rule_are_refused() {
    let server = TestServer::start().await;
    let (companion, mut wire) = linked(&server, "alice").await;
    let bob = server.phone("bob");
    let enc = || Node::new("enc").attr("v", "2").attr("type", "msg").bytes([1, 2, 3]);
    let to = |jid: &Jid| Node::new("to").attr("jid", jid).child(enc());
    let participants = |children: Vec<Node>| Node::new("participants").children(children);
    let nobody: Jid = "19990000000@s.whatsapp.net".parse().expect("a JID");
    let group: Jid = "120363000000000000@g.us".parse().expect("a JID");
    let cases: Vec<(&str, Node, &str)> = vec![
        ("no recipient", Node::new("message").attr("type", "text").child(enc()), "400"),
        ("no type", Node::new("message").attr("to", bob.pn()).child(enc()), "479"),
        ("nobody", Node::new("message").attr("type", "text").attr("to", &nobody).child(enc()), "404"),
        ("a group", Node::new("message").attr("type", "text").attr("to", &group).child(enc()), "404"),
        ("no content", Node::new("message").attr("type", "text").attr("to", bob.pn()), "400"),
        (
            "mixed namespaces",
            Node::new("message")
                .attr("type", "text")
                .attr("to", bob.pn())
                .child(participants(vec![to(bob.pn()), to(server.phone("alice").lid())])),
            "400",
        ),
        (
            "a device twice",
            Node::new("message")
                .attr("type", "text")
                .attr("to", bob.pn())
                .child(participants(vec![to(bob.pn()), to(bob.pn())])),
            "400",
        ),
        (
            "a stranger among the devices",
            Node::new("message")
                .attr("type", "text")
                .attr("to", bob.pn())
                .child(participants(vec![to(server.phone("carol").pn())])),
            "400",
        ),
        (
            "a first message without identity",
            Node::new("message")
                .attr("type", "text")
                .attr("to", bob.pn())
                .child(Node::new("enc").attr("v", "2").attr("type", "pkmsg").bytes([1])),
            "400",
        ),
    ];
    for (number, (name, stanza, code)) in cases.into_iter().enumerate() {
        let id = format!("3EB0BAD{number}");
        wire.send(&stanza.attr("id", &id)).await;
        let ack = wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == id).await;
        assert_eq!(attr(&ack, "error"), code, "{name}");
    }
    assert_eq!(server.queued_for(&companion.jid()), 0);
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_survived() {
    let server = TestServer::start().await;
    let (companion, mut wire) = linked(&server, "alice").await;
    for nonsense in [
        Node::new("message"),
        Node::new("receipt"),
        Node::new("iq"),
        Node::new("chatstate"),
        Node::new("presence").attr("type", "strange"),
        Node::new("call"),
        Node::new("what-is-this"),
    ] {
        wire.send(&nonsense).await;
        let error = wire.expect("error").await;
        assert_eq!(attr(&error, "code"), "479", "{}", nonsense.to_xml());
    }
    for ignored in
        [Node::new("ack"), Node::new("ib"), Node::new("notification"), Node::new("iq").attr("type", "result")]
    {
        wire.send(&ignored).await;
    }
    wire.send(&Node::new("what-is-this").attr("id", "9")).await;
    assert_eq!(attr(&wire.expect("ack").await, "error"), "488");
    is_alive(&mut wire).await;

    wire.send_payload(&[0, 0xF8, 0x05, 0x01]).await;
    let end = wire.expect("stream:error").await;
    assert!(end.find("xml-not-well-formed").is_some());
    wire.expect_end().await;
    server.wait_offline(&companion.jid()).await;
}

#[tokio::test(start_paused = true)]
async fn presence_and_typing_reach_who_watches() {
    let server = TestServer::start().await;
    let (_companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    wire.send(&Node::new("presence").attr("type", "subscribe").attr("to", bob.lid())).await;
    assert_eq!(attr(&wire.expect("presence").await, "type"), "unavailable");
    bob.presence(true);
    let presence = wire.expect("presence").await;
    assert_eq!((attr(&presence, "from"), attr(&presence, "type")), (bob.lid().to_string(), String::new()));
    bob.typing(alice.lid(), true);
    assert!(wire.expect("chatstate").await.find("composing").is_some());
    bob.presence(false);
    assert!(!attr(&wire.expect("presence").await, "last").is_empty());
}
