//! The end of a link: by us, by the phone, by another phone; and a link that never began.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wa_core::connection::CloseReason;
use wa_core::stanza::stream::Refusal;
use wa_core::wire::Node;
use wa_core::{Event, Message, SendError, Status};
use wa_it::{CommitHook, Companion, FaultyStore, builder, next, next_qr};
use wa_store::{Change, Changes, MemoryStore, Store, StoreError};
use wa_test_server::{Direction, TestServer};
use wa_types::Jid;

async fn logout_reason(companion: &mut Companion) -> CloseReason {
    match companion.wait(|event| matches!(event, Event::LoggedOut { .. })).await {
        Event::LoggedOut { reason } => reason,
        other => unreachable!("{other:?} was not waited for"),
    }
}

#[tokio::test]
async fn a_device_that_is_unlinked_while_it_sends_hears_of_it_in_every_send() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    alice.send_text(bob.pn(), "the last that arrives").await;
    // From now on nothing is acknowledged: these are on their way when the phone unlinks the device.
    server.faults_of(&alice.jid).drop_ack(u32::MAX);
    let mut sends = tokio::task::JoinSet::new();
    for count in 0..20 {
        let (client, chat) = (alice.client.clone(), bob.pn().clone());
        sends.spawn(async move { client.send(&chat, Message::text(format!("{count}"))).await });
    }
    server
        .wait_for(&alice.jid, Direction::FromClient, |node| {
            node.tag == "message" && node.get("phash").is_none()
        })
        .await;
    assert!(phone.remove_device(&alice.jid));
    while let Some(sent) = sends.join_next().await {
        // Bob's receipt may have told that it arrived.
        let sent = sent.unwrap();
        assert!(matches!(sent, Ok(_) | Err(SendError::LoggedOut)), "{sent:?}");
    }
    assert!(matches!(logout_reason(&mut alice).await, CloseReason::LoggedOut));
    let after = alice.client.send(bob.pn(), Message::text("too late")).await;
    assert_eq!(after, Err(SendError::LoggedOut));
}

#[tokio::test]
async fn a_device_that_is_unlinked_while_away_learns_it_at_its_next_login() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let jid = alice.jid.clone();
    let store = alice.stop().await;
    assert!(phone.remove_device(&jid));
    let (client, mut events) = builder(&server, Arc::clone(&store)).connect().await.unwrap();
    match next(&mut events).await {
        Event::LoggedOut { reason: CloseReason::Refused(failure) } => {
            assert_eq!(failure.reason, Refusal::LoggedOut);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(client.status(), Status::LoggedOut);
    assert!(store.account().await.unwrap().unwrap().logged_out, "also after a restart");
}

#[tokio::test(start_paused = true)]
async fn a_logout_counts_also_when_the_servers_answer_is_lost() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut alice = Companion::link(&server, &phone).await;
    // The server removes the device, and ends the connection instead of an answer.
    server.faults_of(&alice.jid).swallow_requests(Some("md"));
    alice.client.logout().await.unwrap();
    assert!(phone.linked_devices().is_empty());
    assert!(matches!(logout_reason(&mut alice).await, CloseReason::LoggedOut));
    assert_eq!(alice.client.status(), Status::LoggedOut);

    // It hears nothing at all: after three seconds we are done.
    let mut again = Companion::link(&server, &phone).await;
    server.faults_of(&again.jid).dead_socket(true);
    let began = tokio::time::Instant::now();
    again.client.logout().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 3);
    assert!(matches!(logout_reason(&mut again).await, CloseReason::LoggedOut));
    assert!(again.store.account().await.unwrap().unwrap().logged_out);
}

#[tokio::test]
async fn a_logout_that_the_server_refuses_keeps_the_link() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    server.faults_of(&alice.jid).refuse_request("md", 500);
    assert!(alice.client.logout().await.is_err());
    assert_eq!(alice.client.status(), Status::Ready);
    assert_eq!(phone.linked_devices(), std::slice::from_ref(&alice.jid));
    alice.client.disconnect().await;
    assert!(alice.client.logout().await.is_err(), "it takes a connection");
}

#[tokio::test]
async fn an_account_that_moved_to_another_phone_is_left() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut alice = Companion::link(&server, &phone).await;
    let moved = Node::new("notification")
        .attr("type", "encrypt")
        .attr("from", phone.pn())
        .attr("id", "moved")
        .attr("t", "1700000000")
        .child(Node::new("identity"));
    server.deliver(&alice.jid, moved);
    assert!(matches!(logout_reason(&mut alice).await, CloseReason::AccountMoved));
    let removal = server
        .wait_for(&alice.jid, Direction::FromClient, |node| node.find("remove-companion-device").is_some())
        .await;
    let removal = removal.find("remove-companion-device").unwrap();
    let reason = removal.get("reason").map(|reason| reason.to_text().into_owned());
    assert_eq!(reason.as_deref(), Some("primary_identity_key_change"));
    assert!(phone.linked_devices().is_empty());
    assert_eq!(alice.client.status(), Status::LoggedOut);
}

/// Ends the account's task right after the link was stored, before anything of that step is sent: a crash.
#[derive(Debug, Default)]
struct CrashOnceLinked(Mutex<bool>);

impl CommitHook for CrashOnceLinked {
    fn before(&self, changes: &Changes) -> Result<(), StoreError> {
        let links = |change: &Change| matches!(change, Change::PutAccount(account) if account.is_paired());
        *self.0.lock().unwrap() = changes.iter().any(links);
        Ok(())
    }

    fn after(&self, _: &Changes) {
        let is_linked = *self.0.lock().unwrap();
        assert!(!is_linked, "the process ends here, on purpose");
    }
}

#[tokio::test]
async fn a_link_that_was_stored_and_never_confirmed_begins_anew() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let crashing = FaultyStore::with_hook(Arc::clone(&store), Arc::new(CrashOnceLinked::default()));
    let (client, mut events) = builder(&server, Arc::new(crashing)).connect().await.unwrap();
    let qr = next_qr(&mut events).await;
    assert!(phone.scan(&qr).await.is_err(), "the companion is gone");
    client.shutdown().await;
    let stored = store.account().await.unwrap().unwrap();
    assert!(stored.is_paired() && stored.login_counter == 0);
    assert!(phone.linked_devices().is_empty());

    let (client, mut events) = builder(&server, Arc::clone(&store)).connect().await.unwrap();
    assert!(matches!(next(&mut events).await, Event::LinkUnconfirmed));
    match next(&mut events).await {
        Event::Disconnected { retry_in: Duration::ZERO, .. } => {}
        other => panic!("{other:?}"),
    }
    let qr = next_qr(&mut events).await;
    let jid: Jid = phone.scan(&qr).await.unwrap();
    assert!(client.ready().await);
    let account = store.account().await.unwrap().unwrap();
    assert_eq!(account.jid.as_ref(), Some(&jid));
    assert_ne!(account.identity.public, stored.identity.public, "an identity key is used for one link only");
}
