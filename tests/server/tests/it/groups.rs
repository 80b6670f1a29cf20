//! Groups: what is asked of them, who hears of changes, and where messages and receipts go.

use wa_core::wire::Node;
use wa_test_server::{Config, GroupMode, TestServer};
use wa_types::{Jid, Server};

use crate::companion::{Companion, Wire, attr, phash};
use crate::pairing::{linked, log_in};

/// A request about one group.
pub(crate) async fn ask(wire: &mut Wire, group: &Jid, kind: &str, child: Node) -> Node {
    wire.request_to(group, kind, "w:g2", vec![child]).await
}

fn all() -> Jid {
    Jid::new("", Server::Group)
}

fn participants(tag: &'static str, users: &[&Jid]) -> Node {
    Node::new(tag).children(users.iter().map(|jid| Node::new("participant").attr("jid", *jid)))
}

/// Creates a group of these; returns its address.
pub(crate) async fn create(wire: &mut Wire, subject: &str, members: &[&Jid]) -> Jid {
    let create = participants("create", members).attr("subject", subject).attr("key", "k1");
    let answer = ask(wire, &all(), "set", create).await;
    let group = answer.find("group").unwrap_or_else(|| panic!("a group: {}", answer.to_xml()));
    Jid::new(attr(group, "id"), Server::Group)
}

/// The next notification of a group, with its change.
async fn change(wire: &mut Wire, tag: &str) -> (Node, Node) {
    let notification =
        wire.expect_where(|node| attr(node, "type") == "w:gp2" && node.find(tag).is_some()).await;
    let ack = Node::new("ack")
        .attr("class", "notification")
        .attr("id", attr(&notification, "id"))
        .attr("type", "w:gp2")
        .attr_opt("to", notification.get("from").cloned());
    wire.send(&ack).await;
    let change = notification.find(tag).expect("the change").clone();
    (notification, change)
}

fn error(answer: &Node) -> String {
    answer.find("error").map(|error| attr(error, "code")).unwrap_or_default()
}

fn errors(answer: &Node, tag: &str) -> Vec<String> {
    answer.find(tag).expect("outcomes").nodes().iter().map(|one| attr(one, "error")).collect()
}

fn jids(change: &Node) -> Vec<String> {
    change.find_all("participant").map(|one| attr(one, "jid")).collect()
}

fn skmsg(bytes: &[u8]) -> Node {
    Node::new("enc").attr("v", "2").attr("type", "skmsg").bytes(bytes)
}

fn pairwise(jid: &Jid, bytes: &[u8]) -> Node {
    let enc = Node::new("enc").attr("v", "2").attr("type", "msg").bytes(bytes);
    Node::new("to").attr("jid", jid).child(enc)
}

/// A message to a group; the server looks into no ciphertext.
fn to_group(group: &Jid, id: &str, mode: &str) -> Node {
    Node::new("message").attr("to", group).attr("id", id).attr("type", "text").attr("addressing_mode", mode)
}

async fn send(wire: &mut Wire, message: &Node) -> Node {
    let id = attr(message, "id");
    wire.send(message).await;
    wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == id).await
}

async fn receive(wire: &mut Wire, group: &Jid, id: &str) -> Node {
    let from = group.to_string();
    wire.expect_where(|node| node.tag == "message" && attr(node, "id") == id && attr(node, "from") == from)
        .await
}

fn lid(companion: &Companion) -> Jid {
    companion.lid.clone().expect("lid")
}

#[tokio::test(start_paused = true)]
async fn members_hear_of_every_change() {
    let server = TestServer::start().await;
    let (_alices, mut alice) = linked(&server, "alice").await;
    let (_bobs, mut bob) = linked(&server, "bob").await;
    let (_carols, mut carol) = linked(&server, "carol").await;
    let (a, b, c) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));

    let group = create(&mut alice, "Crew", &[b.pn()]).await;
    let (notification, created) = change(&mut bob, "create").await;
    assert_eq!(attr(&notification, "participant"), a.lid().to_string());
    assert_eq!(attr(&notification, "participant_pn"), a.pn().to_string());
    assert_eq!(attr(&created, "key"), "k1");
    let shown = created.find("group").expect("group");
    assert_eq!((attr(shown, "subject"), attr(shown, "addressing_mode")), ("Crew".into(), "lid".into()));
    assert_eq!(jids(shown), [a.lid().to_string(), b.lid().to_string()]);
    let roles: Vec<String> = shown.find_all("participant").map(|one| attr(one, "type")).collect();
    assert_eq!(roles, ["superadmin", ""]);
    let numbers: Vec<String> = shown.find_all("participant").map(|one| attr(one, "phone_number")).collect();
    assert_eq!(numbers, [a.pn().to_string(), b.pn().to_string()]);
    let version = attr(shown, "p_v_id");

    assert_eq!(error(&ask(&mut carol, &group, "get", Node::new("query")).await), "403");
    let answer =
        ask(&mut alice, &group, "set", participants("add", &[c.lid(), b.lid(), &Jid::pn("1999")])).await;
    assert_eq!(errors(&answer, "add"), ["", "409", "404"]);
    let (_, added) = change(&mut bob, "add").await;
    assert_eq!((attr(&added, "prev_v_id"), jids(&added)), (version, vec![c.lid().to_string()]));
    let (_, created) = change(&mut carol, "create").await;
    assert_eq!(created.find("group").map(|group| attr(group, "p_v_id")), Some(attr(&added, "v_id")));
    change(&mut alice, "add").await;

    assert_eq!(error(&ask(&mut bob, &group, "set", participants("remove", &[c.lid()])).await), "401");
    ask(&mut alice, &group, "set", participants("promote", &[b.pn()])).await;
    let (_, promoted) = change(&mut carol, "promote").await;
    assert_eq!(jids(&promoted), [b.lid().to_string()]);
    let answer = ask(&mut bob, &group, "set", participants("demote", &[a.lid()])).await;
    assert_eq!(errors(&answer, "demote"), ["405"], "nobody demotes the creator");

    ask(&mut bob, &group, "set", Node::new("subject").text("The crew")).await;
    let (notification, subject) = change(&mut carol, "subject").await;
    assert_eq!(attr(&subject, "subject"), "The crew");
    assert_eq!(attr(&notification, "participant"), b.lid().to_string());
    ask(&mut bob, &group, "set", Node::new("announcement")).await;
    change(&mut carol, "announcement").await;
    ask(&mut bob, &group, "set", Node::new("locked")).await;
    change(&mut carol, "locked").await;
    assert_eq!(error(&ask(&mut carol, &group, "set", Node::new("subject").text("no")).await), "401");
    ask(&mut bob, &group, "set", Node::new("ephemeral").attr("expiration", "86400")).await;
    assert_eq!(attr(&change(&mut carol, "ephemeral").await.1, "expiration"), "86400");
    let add_mode = Node::new("member_add_mode").text("admin_add");
    ask(&mut bob, &group, "set", add_mode).await;
    assert_eq!(error(&ask(&mut carol, &group, "set", participants("add", &[b.lid()])).await), "401");

    let body = Node::new("body").text("about");
    let described = Node::new("description").attr("id", "d1").child(body.clone());
    ask(&mut bob, &group, "set", described).await;
    assert_eq!(attr(&change(&mut carol, "description").await.1, "id"), "d1");
    let stale = Node::new("description").attr("id", "d2").child(body);
    assert_eq!(error(&ask(&mut bob, &group, "set", stale).await), "409");

    let answer = ask(&mut alice, &group, "set", participants("remove", &[c.lid()])).await;
    assert_eq!(errors(&answer, "remove"), [""]);
    change(&mut bob, "remove").await;
    let (_, removed) = change(&mut carol, "remove").await;
    assert_eq!(jids(&removed), [c.lid().to_string()]);
    assert_eq!(error(&ask(&mut carol, &group, "get", Node::new("query")).await), "403");

    // The only admin who is left goes: the server makes another one.
    ask(&mut alice, &group, "set", participants("demote", &[b.lid()])).await;
    let leave = Node::new("leave").child(Node::new("group").attr("id", &group));
    ask(&mut alice, &all(), "set", leave).await;
    let (notification, left) = change(&mut bob, "remove").await;
    assert_eq!(attr(&notification, "participant"), a.lid().to_string());
    assert_eq!(jids(&left), [a.lid().to_string()]);
    let (notification, heir) = change(&mut bob, "promote").await;
    assert_eq!((attr(&notification, "participant"), jids(&heir)), (String::new(), vec![b.lid().to_string()]));

    let mine =
        ask(&mut bob, &all(), "get", Node::new("participating").child(Node::new("participants"))).await;
    let groups = mine.find("groups").expect("groups");
    assert_eq!(groups.nodes().iter().map(jids).collect::<Vec<_>>(), [[b.lid().to_string()]]);
    let none = ask(&mut alice, &all(), "get", Node::new("participating")).await;
    assert_eq!(none.find("groups").map(|groups| groups.nodes().len()), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_link_leads_into_the_group_until_it_is_reset() {
    let server =
        TestServer::with(Config { new_groups: GroupMode::Pn, group_size: 3, ..Config::default() }).await;
    let (_alices, mut alice) = linked(&server, "alice").await;
    let (_bobs, mut bob) = linked(&server, "bob").await;
    let (_carols, mut carol) = linked(&server, "carol").await;
    let (a, b, c) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
    let group = create(&mut alice, "Open", &[]).await;
    let answer = ask(&mut alice, &group, "get", Node::new("invite")).await;
    let code = attr(answer.find("invite").expect("invite"), "code");
    assert_eq!(code.len(), 22);
    let invite = |code: &str| Node::new("invite").attr("code", code);

    let seen = ask(&mut bob, &all(), "get", invite(&code)).await;
    assert_eq!(seen.find("group").map(|group| attr(group, "subject")), Some("Open".into()));
    let joined = ask(&mut bob, &all(), "set", invite(&code)).await;
    assert_eq!(joined.find("group").map(|group| attr(group, "jid")), Some(group.to_string()));
    let (notification, added) = change(&mut alice, "add").await;
    assert_eq!((attr(&added, "reason"), jids(&added)), ("invite".into(), vec![b.pn().to_string()]));
    assert_eq!(attr(&notification, "participant_lid"), b.lid().to_string());
    let lids: Vec<String> = added.find_all("participant").map(|one| attr(one, "lid")).collect();
    assert_eq!(lids, [b.lid().to_string()]);

    ask(&mut alice, &group, "set", participants("remove", &[b.pn()])).await;
    assert_eq!(error(&ask(&mut bob, &all(), "set", invite(&code)).await), "405");
    ask(&mut alice, &group, "set", Node::new("invite")).await;
    assert_eq!(error(&ask(&mut carol, &all(), "set", invite(&code)).await), "410");
    assert_eq!(error(&ask(&mut carol, &all(), "set", invite("never")).await), "406");

    // Approval: the admin hears of the request, and lets her in.
    let on = Node::new("membership_approval_mode").child(Node::new("group_join").attr("state", "on"));
    ask(&mut alice, &group, "set", on).await;
    let answer = ask(&mut alice, &group, "get", Node::new("invite")).await;
    let code = attr(answer.find("invite").expect("invite"), "code");
    let answer = ask(&mut carol, &all(), "set", invite(&code)).await;
    assert!(answer.find("membership_approval_request").is_some());
    change(&mut alice, "membership_approval_request").await;
    let approve = Node::new("membership_requests_action").child(participants("approve", &[c.pn()]));
    ask(&mut alice, &group, "set", approve).await;
    change(&mut carol, "create").await;

    // Privacy keeps dave out of groups; an invitation lets him in, and then it is full.
    let (_daves, mut dave) = linked(&server, "dave").await;
    let d = server.phone("dave");
    let nobody = Node::new("category").attr("name", "groupadd").attr("value", "none");
    dave.request("set", "privacy", vec![Node::new("privacy").child(nobody)]).await;
    let answer = ask(&mut alice, &group, "set", participants("add", &[d.pn()])).await;
    assert_eq!(errors(&answer, "add"), ["403"]);
    let request =
        answer.find("add").and_then(|add| add.nodes().first()?.find("add_request")).expect("a code");
    let accept = Node::new("accept")
        .attr("code", attr(request, "code"))
        .attr("expiration", attr(request, "expiration"))
        .attr("admin", a.pn());
    ask(&mut dave, &group, "set", accept).await;
    change(&mut dave, "create").await;
    let answer = ask(&mut alice, &group, "set", participants("add", &[b.pn()])).await;
    assert_eq!(errors(&answer, "add"), ["419"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_every_device_once_with_its_own_part() {
    let server = TestServer::start().await;
    let (alices, mut alice) = linked(&server, "alice").await;
    let (_alices_other, mut alice_other) = linked(&server, "alice").await;
    let (bobs, mut bob) = linked(&server, "bob").await;
    let (_bobs_other, mut bob_other) = linked(&server, "bob").await;
    let (a, b) = (server.phone("alice"), server.phone("bob"));
    let group = create(&mut alice, "Crew", &[b.lid()]).await;
    let answer = ask(&mut alice, &group, "get", Node::new("query")).await;
    assert!(answer.find("group").is_some());

    let everyone: Vec<Jid> = [&a, &b]
        .into_iter()
        .flat_map(|phone| {
            let linked =
                phone.linked_devices().into_iter().map(|jid| phone.lid().clone().with_device(jid.device()));
            linked.chain([phone.lid().clone()]).collect::<Vec<_>>()
        })
        .collect();
    let right = phash(&everyone);
    let message = to_group(&group, "3EB001", "lid")
        .attr("phash", &right)
        .child(Node::new("participants").child(pairwise(&lid(&bobs), b"for bob's companion")))
        .child(skmsg(b"for all"))
        .child(Node::new("meta").attr("polltype", "creation"));
    let ack = send(&mut alice, &message).await;
    assert_eq!((attr(&ack, "error"), attr(&ack, "phash")), (String::new(), String::new()));
    assert_eq!((attr(&ack, "from"), attr(&ack, "addressing_mode")), (group.to_string(), "lid".into()));

    let got = receive(&mut bob, &group, "3EB001").await;
    let encs = |stanza: &Node| stanza.find_all("enc").map(|enc| attr(enc, "type")).collect::<Vec<_>>();
    assert_eq!(encs(&got), ["msg", "skmsg"]);
    assert_eq!(attr(&got, "participant"), lid(&alices).to_string());
    assert_eq!(attr(&got, "participant_pn"), a.pn().to_string());
    assert_eq!((attr(&got, "addressing_mode"), attr(&got, "phash")), ("lid".into(), right));
    assert!(got.find("meta").is_some());
    assert_eq!(encs(&receive(&mut bob_other, &group, "3EB001").await), ["skmsg"]);
    assert_eq!(encs(&receive(&mut alice_other, &group, "3EB001").await), ["skmsg"]);

    // The same id again is acknowledged only; a wrong hash is answered with the right one.
    send(&mut alice, &message).await;
    let other = to_group(&group, "3EB002", "lid").attr("phash", "2:abcdefgh").child(skmsg(b"next"));
    assert_eq!(attr(&send(&mut alice, &other).await, "phash"), phash(&everyone));
    assert_eq!(attr(&bob.expect("message").await, "id"), "3EB002");

    // The same id with a copy for who had none: for that device, once.
    let keyed = to_group(&group, "3EB002", "lid")
        .child(Node::new("participants").child(pairwise(&lid(&bobs), b"the key")))
        .child(skmsg(b"next"));
    for _ in 0..2 {
        send(&mut alice, &keyed).await;
    }
    assert_eq!(encs(&bob.expect("message").await), ["msg", "skmsg"]);

    // Pairwise only: for the named, and not again.
    let some = to_group(&group, "3EB003", "lid")
        .child(Node::new("participants").child(pairwise(&lid(&bobs), b"for one")));
    send(&mut alice, &some).await;
    assert_eq!(encs(&receive(&mut bob, &group, "3EB003").await), ["msg"]);

    // A resend is for the one that asked, in both forms that libraries use; one of them does not tell the mode.
    let enc = Node::new("enc").attr("v", "2").attr("type", "msg").attr("count", "1").bytes(*b"again");
    let resend = to_group(&group, "3EB002", "lid").attr("participant", lid(&bobs)).child(enc.clone());
    send(&mut alice, &resend).await;
    let got = receive(&mut bob, &group, "3EB002").await;
    assert_eq!((encs(&got), attr(got.find("enc").expect("enc"), "count")), (vec!["msg".into()], "1".into()));
    let twice = Node::new("message")
        .attr("to", &group)
        .attr("id", "3EB001")
        .attr("type", "text")
        .attr("participant", lid(&bobs))
        .child(Node::new("participants").child(Node::new("to").attr("jid", lid(&bobs)).child(enc)));
    send(&mut alice, &twice).await;
    assert_eq!(encs(&receive(&mut bob, &group, "3EB001").await), ["msg"]);
    send(&mut alice, &to_group(&group, "3EB004", "lid").child(skmsg(b"last"))).await;
    assert_eq!(attr(&bob_other.expect("message").await, "id"), "3EB002");
    assert_eq!(attr(&bob_other.expect("message").await, "id"), "3EB004");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_may_not_be_is_refused() {
    let server = TestServer::with(Config { new_groups: GroupMode::Pn, ..Config::default() }).await;
    let (_alices, mut alice) = linked(&server, "alice").await;
    let (bobs, mut bob) = linked(&server, "bob").await;
    let (_carols, mut carol) = linked(&server, "carol").await;
    let b = server.phone("bob");
    let group = create(&mut alice, "Crew", &[b.pn()]).await;
    let message = |id: &str, mode: &str| to_group(&group, id, mode).child(skmsg(b"hello"));

    assert_eq!(attr(&send(&mut carol, &message("1", "pn")).await, "error"), "403");
    let nowhere = Jid::new("120363999999999999", Server::Group);
    let lost = to_group(&nowhere, "2", "pn").child(skmsg(b"hello"));
    assert_eq!(attr(&send(&mut alice, &lost).await, "error"), "404");
    assert_eq!(attr(&send(&mut alice, &message("3", "lid")).await, "error"), "421");
    assert_eq!(attr(&send(&mut alice, &to_group(&group, "4", "pn")).await, "error"), "400");
    let mixed = message("5", "pn").child(Node::new("participants").child(pairwise(&lid(&bobs), b"by lid")));
    assert_eq!(attr(&send(&mut alice, &mixed).await, "error"), "400");
    let to_stranger = to_group(&group, "6", "pn")
        .attr("participant", server.phone("carol").pn())
        .child(Node::new("enc").attr("v", "2").attr("type", "msg").bytes(*b"x"));
    assert_eq!(attr(&send(&mut alice, &to_stranger).await, "error"), "403");

    server.set_group_mode(&group, GroupMode::Lid);
    assert_eq!(attr(&send(&mut alice, &message("7", "pn")).await, "error"), "421");
    assert_eq!(attr(&send(&mut alice, &message("8", "lid")).await, "error"), "");
    ask(&mut alice, &group, "set", Node::new("announcement")).await;
    assert_eq!(attr(&send(&mut bob, &message("9", "lid")).await, "error"), "403");
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_a_member_was_away_comes_in_order() {
    let server = TestServer::start().await;
    let (_alices, mut alice) = linked(&server, "alice").await;
    let (mut bobs, bob) = linked(&server, "bob").await;
    let (b, c) = (server.phone("bob"), server.phone("carol"));
    let group = create(&mut alice, "Crew", &[b.lid()]).await;
    drop(bob);
    server.wait_offline(&bobs.jid()).await;
    send(&mut alice, &to_group(&group, "first", "lid").child(skmsg(b"1"))).await;
    ask(&mut alice, &group, "set", participants("add", &[c.lid()])).await;
    send(&mut alice, &to_group(&group, "second", "lid").child(skmsg(b"2"))).await;
    ask(&mut alice, &group, "set", participants("remove", &[c.lid()])).await;
    send(&mut alice, &to_group(&group, "third", "lid").child(skmsg(b"3"))).await;

    let mut bob = log_in(&server, &mut bobs).await;
    bob.send(&Node::new("ib").child(Node::new("offline_batch").attr("count", "200"))).await;
    let mut seen = Vec::new();
    while seen.len() < 6 {
        let stanza = bob.expect_where(|node| attr(node, "from") == group.to_string()).await;
        assert!(stanza.get("offline").is_some());
        seen.push(match stanza.tag.as_ref() {
            "message" => attr(&stanza, "id"),
            _ => stanza.nodes().first().expect("a change").tag.to_string(),
        });
    }
    assert_eq!(seen, ["create", "first", "add", "second", "remove", "third"]);
}

#[tokio::test(start_paused = true)]
async fn lost_news_leave_a_gap_in_the_versions() {
    let server = TestServer::start().await;
    let (_alices, mut alice) = linked(&server, "alice").await;
    let (b, c) = (server.phone("bob"), server.phone("carol"));
    let group = b.create_group("Crew", &[server.phone("alice").lid()], GroupMode::Lid);
    let (_, created) = change(&mut alice, "create").await;
    let version: u64 = attr(created.find("group").expect("group"), "p_v_id").parse().expect("a number");
    assert!(server.lose_group_news(&group, true));
    b.add_member(&group, c.lid()).expect("added");
    assert!(server.lose_group_news(&group, false));
    b.promote(&group, c.lid()).expect("promoted");
    let (_, promoted) = change(&mut alice, "promote").await;
    assert_eq!(attr(&promoted, "prev_v_id"), (version + 1).to_string());
    assert_eq!(attr(&promoted, "v_id"), (version + 2).to_string());
}

#[tokio::test(start_paused = true)]
async fn receipts_go_to_the_author() {
    let server = TestServer::start().await;
    let (mut alices, mut alice) = linked(&server, "alice").await;
    let (bobs, mut bob) = linked(&server, "bob").await;
    let (carols, mut carol) = linked(&server, "carol").await;
    let (b, c) = (server.phone("bob"), server.phone("carol"));
    let group = create(&mut alice, "Crew", &[b.lid(), c.lid()]).await;
    for phone in [&b, &c] {
        phone.go_offline();
    }
    change(&mut bob, "create").await;
    change(&mut carol, "create").await;
    send(&mut alice, &to_group(&group, "3EB001", "lid").child(skmsg(b"1"))).await;
    let stanza = receive(&mut bob, &group, "3EB001").await;
    bob.confirm(&stanza).await;
    let reader = lid(&bobs).to_string();
    let receipt =
        alice.expect_where(|node| node.tag == "receipt" && attr(node, "participant") == reader).await;
    assert_eq!((attr(&receipt, "from"), attr(&receipt, "type")), (group.to_string(), String::new()));
    server.wait_drained(&bobs.jid()).await;

    let about = |kind: &str| {
        Node::new("receipt")
            .attr("id", "3EB001")
            .attr("to", &group)
            .attr("participant", lid(&alices))
            .attr("type", kind)
    };
    let retry = Node::new("retry").attr("v", "1").attr("count", "1").attr("id", "3EB001");
    bob.send(&about("retry").child(retry)).await;
    let is_retry = |node: &Node| attr(node, "type") == "retry" && attr(node, "participant") == reader;
    let receipt = alice.expect_where(is_retry).await;
    assert!(receipt.find("retry").is_some());
    bob.send(&about("read")).await;
    let receipt = alice.expect_where(|node| attr(node, "type") == "read").await;
    assert_eq!(attr(&receipt, "participant"), b.lid().to_string());

    // For an author who is away, the receipts of one message are one stanza.
    send(&mut alice, &to_group(&group, "3EB002", "lid").child(skmsg(b"2"))).await;
    drop(alice);
    server.wait_offline(&alices.jid()).await;
    for wire in [&mut bob, &mut carol] {
        let stanza = receive(wire, &group, "3EB002").await;
        wire.confirm(&stanza).await;
        wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == "3EB002").await;
    }
    let mut alice = log_in(&server, &mut alices).await;
    let receipt =
        alice.expect_where(|node| node.tag == "receipt" && node.find("participants").is_some()).await;
    assert_eq!(attr(&receipt, "id"), "3EB002");
    let list = receipt.find("participants").expect("several");
    assert_eq!(attr(list, "key"), "3EB002");
    let users: Vec<String> = list.nodes().iter().map(|user| attr(user, "jid")).collect();
    assert_eq!(users, [lid(&bobs).to_string(), lid(&carols).to_string()]);
}
