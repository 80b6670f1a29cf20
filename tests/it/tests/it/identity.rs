//! Somebody's identity key is another one than before.

use std::sync::Arc;

use wa_core::wire::Node;
use wa_core::{Event, IdentityPolicy};
use wa_it::{Companion, builder};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Act, Direction, Filter, Phone, TestServer};
use wa_types::Jid;

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        Self { server, phone, bob }
    }

    /// A companion of Alice that has talked with Bob.
    async fn linked(&self, policy: IdentityPolicy) -> Companion {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let built = builder(&self.server, Arc::clone(&store)).identity_policy(policy);
        let mut alice = Companion::link_built(built, &self.phone, store).await;
        self.talk(&mut alice, "before").await;
        alice
    }

    /// Messages both ways arrive.
    async fn talk(&self, alice: &mut Companion, text: &str) {
        alice.send_text(self.bob.pn(), text).await;
        assert_eq!(self.bob.next_message().await.text(), Some(text));
        self.bob.send_text(self.phone.pn(), text).await.unwrap();
        assert_eq!(alice.texts(1).await, [text]);
    }
}

const fn is_changed(event: &Event) -> bool {
    matches!(event, Event::IdentityChanged { .. })
}

async fn changed(alice: &mut Companion, user: &Phone) {
    match alice.wait(|event| is_changed(event) || matches!(event, Event::Message(_))).await {
        Event::IdentityChanged { device } => {
            assert!(device.is_same_user(user.pn()) || device.is_same_user(user.lid()), "{device:?}");
            assert_eq!(device.device(), 0);
        }
        other => panic!("{other:?}"),
    }
}

/// The next event about people and messages is this text: nothing was told twice.
async fn only(alice: &mut Companion, text: &str) {
    match alice.wait(|event| is_changed(event) || matches!(event, Event::Message(_))).await {
        Event::Message(message) => assert_eq!(message.message.as_text(), Some(text)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_reinstalls_is_told_once_and_heard_and_written_to() {
    let scene = Scene::new().await;
    let mut alice = scene.linked(IdentityPolicy::Trust).await;
    scene.bob.reinstall();
    changed(&mut alice, &scene.bob).await;
    let mark = scene.server.mark();
    alice.send_text(scene.bob.pn(), "to the new phone").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("to the new phone"));
    let asks = |node: &Node| node.tag == "iq" && node.nodes().iter().any(|child| child.tag == "key");
    let request = scene.server.wait_for_after(mark, &alice.jid, Direction::FromClient, asks).await;
    let users: Vec<&Node> = request.nodes()[0].nodes().iter().collect();
    assert!(users.iter().any(|user| user.get("reason").is_some_and(|reason| reason.to_text() == "identity")));
    scene.bob.send_text(scene.phone.pn(), "from the new phone").await.unwrap();
    only(&mut alice, "from the new phone").await;
}

#[tokio::test]
async fn a_new_identity_is_noticed_in_the_first_message_when_nobody_told_of_it() {
    let scene = Scene::new().await;
    let mut alice = scene.linked(IdentityPolicy::Trust).await;
    let faults = scene.server.faults_of(&alice.jid);
    faults.script(Filter::deliveries().tag("notification").kind("encrypt"), Act::Drop, 1);
    scene.bob.reinstall();
    scene.bob.send_text(scene.phone.pn(), "guess who").await.unwrap();
    let told = alice.wait(|event| is_changed(event) || matches!(event, Event::Message(_))).await;
    let also = alice.wait(|event| is_changed(event) || matches!(event, Event::Message(_))).await;
    assert!(is_changed(&told) != is_changed(&also), "{told:?} {also:?}");
    scene.talk(&mut alice, "as ever").await;
}

#[tokio::test]
async fn companions_of_the_old_account_get_nothing_any_more() {
    let scene = Scene::new().await;
    let bobs = Companion::link(&scene.server, &scene.bob).await;
    let mut alice = scene.linked(IdentityPolicy::Trust).await;
    scene.bob.reinstall();
    changed(&mut alice, &scene.bob).await;
    let mark = scene.server.mark();
    alice.send_text(scene.bob.pn(), "for the phone").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("for the phone"));
    let sent = |node: &Node| node.tag == "message";
    let sent = scene.server.wait_for_after(mark, &alice.jid, Direction::FromClient, sent).await;
    let copies = sent.nodes().iter().find(|child| child.tag == "participants").unwrap().nodes();
    let to: Vec<Jid> = copies.iter().map(|to| to.get("jid").unwrap().to_text().parse().unwrap()).collect();
    assert!(
        !to.iter().any(|to| to.device() == bobs.jid.device() && to.is_same_user(scene.bob.lid())),
        "{to:?}"
    );
}

#[tokio::test]
async fn trusting_somebody_who_is_not_held_changes_nothing() {
    let scene = Scene::new().await;
    let mut alice = scene.linked(IdentityPolicy::Hold).await;
    alice.client.trust_identity(scene.bob.lid()).await.unwrap();
    scene.talk(&mut alice, "as ever").await;
}
