//! Our pre-keys on the server: supplied, rotated, compared, and let go of.

use std::sync::Arc;
use std::time::Duration;

use wa_core::wire::Node;
use wa_it::{Companion, builder};
use wa_store::{Changes, MemoryStore, Store};
use wa_test_server::{Direction, Phone, TestServer};
use wa_types::{Jid, PreKeyId};

async fn linked() -> (TestServer, Phone, Phone, Companion) {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    (server, phone, bob, alice)
}

/// Whether this asks, or tells, something of the namespace `encrypt`.
fn is_about_keys(what: &'static str) -> impl Fn(&Node) -> bool {
    move |node| node.tag == "iq" && node.nodes().iter().any(|child| child.tag == what)
}

fn count(server: &TestServer, device: &Jid, what: &'static str) -> usize {
    let nodes = server.nodes_of(device).into_iter();
    nodes.filter(|(direction, node)| *direction == Direction::FromClient && is_about_keys(what)(node)).count()
}

/// Everybody can still write to her.
async fn hears(alice: &mut Companion, phone: &Phone, from: &Phone, text: &str) {
    from.send_text(phone.pn(), text).await.unwrap();
    assert_eq!(alice.texts(1).await, [text]);
}

#[tokio::test]
async fn the_server_is_supplied_when_it_runs_low() {
    let (server, phone, bob, mut alice) = linked().await;
    assert_eq!(server.pre_keys_of(&alice.jid), 812);
    server.drain_pre_keys(&alice.jid, 3);
    let mark = server.mark();
    server.tell_low_pre_keys(&alice.jid);
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_about_keys("skey")).await;
    hears(&mut alice, &phone, &bob, "with a new key").await;
    assert!(server.pre_keys_of(&alice.jid) > 800, "{}", server.pre_keys_of(&alice.jid));
}

#[tokio::test]
async fn one_time_keys_do_not_pile_up() {
    let (server, phone, bob, mut alice) = linked().await;
    // The server gives them away to people who never write.
    for number in 0..6 {
        server.drain_pre_keys(&alice.jid, 0);
        let mark = server.mark();
        server.tell_low_pre_keys(&alice.jid);
        server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_about_keys("skey")).await;
        hears(&mut alice, &phone, &server.phone(&format!("writer {number}")), "x").await;
        server.wait_drained(&alice.jid).await;
    }
    hears(&mut alice, &phone, &bob, "the last key is still there").await;
    let kept = alice.store.pre_key_count().await.unwrap();
    assert!(kept <= 5 * 812, "{kept} are kept");
}

#[tokio::test(start_paused = true)]
async fn the_signed_key_is_rotated_by_age_and_old_ones_stay_for_a_while() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).signed_pre_key_age(Duration::from_secs(10));
    let mut alice = Companion::link_built(built, &phone, store).await;
    for number in 0..6 {
        let mark = server.mark();
        server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_about_keys("rotate")).await;
        // The next request is answered after the answer to this one was taken.
        server.wait_for_after(mark, &alice.jid, Direction::ToClient, |node| node.tag == "iq").await;
        hears(&mut alice, &phone, &server.phone(&format!("writer {number}")), "x").await;
    }
    hears(&mut alice, &phone, &bob, "on the newest").await;
    let ids: Vec<PreKeyId> = (1..20).filter_map(PreKeyId::new).collect();
    let found = alice.store.signed_pre_keys(&ids).await.unwrap();
    let kept: Vec<u32> = found.iter().flatten().map(|key| key.id.get()).collect();
    let current = alice.store.account().await.unwrap().unwrap().signed_pre_key_id.get();
    assert!(current >= 6, "{current}");
    let oldest = current - 3;
    assert!(kept.iter().all(|id| *id >= oldest) && kept.len() >= 4, "{kept:?} beside {current}");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_the_server_refuses_is_tried_again_and_the_old_key_serves() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).signed_pre_key_age(Duration::from_secs(10));
    let mut alice = Companion::link_built(built, &phone, store).await;
    server.faults_of(&alice.jid).refuse_request("encrypt", 503);
    server.wait_for(&alice.jid, Direction::FromClient, is_about_keys("rotate")).await;
    hears(&mut alice, &phone, &bob, "on the old one").await;
    let first = PreKeyId::FIRST;
    assert_eq!(alice.store.account().await.unwrap().unwrap().signed_pre_key_id, first);
    // The next login finds it old, and offers the same new one again.
    let mark = server.mark();
    alice.client.disconnect().await;
    alice.client.reconnect().await.unwrap();
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_about_keys("rotate")).await;
    server.wait_drained(&alice.jid).await;
    hears(&mut alice, &phone, &server.phone("carol"), "on the new one").await;
}

#[tokio::test]
async fn what_the_server_has_is_compared_and_mended_once() {
    let (server, phone, bob, mut alice) = linked().await;
    server.wait_for(&alice.jid, Direction::FromClient, is_about_keys("digest")).await;
    hears(&mut alice, &phone, &bob, "nothing is wrong").await;
    assert_eq!(count(&server, &alice.jid, "skey"), 1, "the supply after pairing");

    // A key is lost here, which the server still has.
    let lost = PreKeyId::new(500).unwrap();
    let mut changes = Changes::new();
    changes.delete_pre_key(lost);
    alice.store.commit(changes).await.unwrap();
    let notice = || {
        let notice = Node::new("notification").attr("type", "encrypt").attr("from", Jid::SERVER);
        notice.attr("id", "DIGEST").attr("t", 1_u32).child(Node::new("digest"))
    };
    let mark = server.mark();
    assert!(server.deliver(&alice.jid, notice()));
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_about_keys("skey")).await;
    server.wait_drained(&alice.jid).await;
    // It still has that key: another upload would not help.
    let mark = server.mark();
    assert!(server.deliver(&alice.jid, notice()));
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_about_keys("digest")).await;
    hears(&mut alice, &phone, &bob, "and on it goes").await;
    assert_eq!(count(&server, &alice.jid, "skey"), 2);
}

#[tokio::test]
async fn keys_are_not_compared_at_every_login() {
    let (server, phone, bob, mut alice) = linked().await;
    server.wait_for(&alice.jid, Direction::FromClient, is_about_keys("digest")).await;
    hears(&mut alice, &phone, &bob, "checked").await;
    for _ in 0..3 {
        let store = alice.stop().await;
        alice = Companion::start(&server, store).await;
    }
    alice.send_text(bob.pn(), "still here").await;
    assert_eq!(count(&server, &alice.jid, "digest"), 1);
}
