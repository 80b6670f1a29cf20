//! More than is taken, and stores that give nothing.

use std::sync::Arc;
use std::time::Duration;

use wa_core::connection::CloseReason;
use wa_core::wire::Node;
use wa_core::{Event, StartError, Status};
use wa_it::{Companion, FaultyStore, builder, next_within};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Direction, TestServer};
use wa_types::PreKeyId;

#[tokio::test(start_paused = true)]
async fn a_flood_that_nobody_takes_costs_a_connection_and_no_stanza() {
    const FLOOD: usize = 9000;
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).event_capacity(1);
    let mut alice = Companion::link_built(built, &phone, store).await;
    alice.wait(|event| matches!(event, Event::BacklogDone { .. })).await;
    // More messages than there is room for events: no more stanzas are taken.
    for number in 0..4 {
        bob.send_text(phone.pn(), &number.to_string()).await.unwrap();
    }
    let receipt = |number: usize| {
        let id = format!("FLOOD{number}");
        Node::new("receipt").attr("id", id).attr("from", bob.pn()).attr("type", "read").attr("t", 1_u32)
    };
    let mut delivered = 0;
    while server.is_online(&alice.jid) && delivered < FLOOD {
        for _ in 0..100 {
            server.deliver(&alice.jid, receipt(delivered));
            delivered += 1;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.wait_offline(&alice.jid).await;
    let reason = alice.client.close_reason();
    assert!(matches!(reason, Some(CloseReason::Overflow) | None), "{reason:?}");
    // From here on it is a backlog, of which no more is asked for than is taken.
    let (mut texts, mut receipts, mut overflows) = (Vec::new(), 0, 0);
    while texts.len() < 4 || receipts < delivered {
        match next_within(&mut alice.events, Duration::from_secs(60)).await {
            Event::Message(message) => texts.push(message.message.as_text().unwrap().to_owned()),
            Event::Receipt(receipt) => receipts += receipt.ids.len(),
            Event::Disconnected { reason, .. } => {
                assert!(matches!(reason, CloseReason::Overflow), "{reason:?}");
                overflows += 1;
            }
            _ => {}
        }
    }
    assert_eq!(texts, ["0", "1", "2", "3"]);
    assert_eq!(overflows, 1);
    server.wait_drained(&alice.jid).await;
    assert_eq!(alice.client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_cannot_be_read_at_the_start_is_read_later() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let built = builder(&server, Arc::clone(&store) as _).confirm_by_hand();
    let mut alice = Companion::link_built(built, &phone, Arc::clone(&store) as _).await;
    bob.send_text(phone.pn(), "kept").await.unwrap();
    assert_eq!(alice.texts(1).await, ["kept"]);
    alice.stop().await;
    // Nothing can be numbered: the client does not start.
    store.set_readable(0);
    let started = builder(&server, Arc::clone(&store) as _).connect().await;
    assert!(matches!(started, Err(StartError::Store(_))));
    // It starts, and then cannot read what an earlier run left: that comes as soon as it can, before all else.
    store.set_readable(1);
    let (client, mut events) = builder(&server, Arc::clone(&store) as _).connect().await.unwrap();
    bob.send_text(phone.pn(), "new").await.unwrap();
    let mut failures = 0;
    let mut texts = Vec::new();
    while texts.len() < 2 {
        match next_within(&mut events, Duration::from_secs(60)).await {
            Event::StoreFailed { .. } => {
                failures += 1;
                if failures == 3 {
                    store.set_readable(u64::MAX);
                }
            }
            Event::Message(message) => texts.push(message.message.as_text().unwrap().to_owned()),
            _ => {}
        }
    }
    assert_eq!((failures, texts.as_slice()), (3, &["kept".to_owned(), "new".to_owned()][..]));
    client.shutdown().await;
}

/// The id of the pre-key that a retry request brings.
fn pre_key_of(node: &Node) -> Option<PreKeyId> {
    let id = node.find("keys")?.find("key")?.find("id")?.content_bytes()?;
    let [a, b, c] = <[u8; 3]>::try_from(id).ok()?;
    PreKeyId::new(u32::from_be_bytes([0, a, b, c]))
}

#[tokio::test]
async fn the_pre_key_that_a_retry_request_brings_is_stored_before_it_leaves() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    server.faults_of(&alice.jid).garble_next(2);
    let sent = bob.send_text(phone.pn(), "garbled twice").await.unwrap();
    let is_with_keys = |node: &Node| node.tag == "receipt" && pre_key_of(node).is_some();
    let request = server.wait_for(&alice.jid, Direction::FromClient, is_with_keys).await;
    let id = pre_key_of(&request).unwrap();
    // Killed at this moment, so to say: the next run opens what was encrypted to that key.
    let jid = alice.jid.clone();
    let store = alice.stop().await;
    let mut alice = Companion::start(&server, Arc::clone(&store)).await;
    let message = alice.message().await;
    assert_eq!((message.id, message.message.as_text()), (sent.id, Some("garbled twice")));
    server.wait_drained(&jid).await;
    assert!(id.get() > 812, "none of those that the server gives to others");
    assert_eq!(store.pre_keys(&[id]).await.unwrap(), [None], "used up");
}
