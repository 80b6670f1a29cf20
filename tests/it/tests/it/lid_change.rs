//! What changes about others while we know them: their LID, and what is said of it; their devices, by a hash.

use std::time::Duration;

use wa_core::e2e::phash::contact_hash;
use wa_core::wire::Node;
use wa_core::{Message, SendOptions};
use wa_it::Companion;
use wa_test_server::{Addressing, Direction, GroupMode, Phone, TestServer};
use wa_types::Jid;

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    alice: Companion,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let alice = Companion::link(&server, &phone).await;
        Self { server, phone, bob, alice }
    }

    /// Messages both ways.
    async fn talk(&mut self, text: &str) {
        self.bob.send_text(self.phone.pn(), text).await.unwrap();
        assert_eq!(self.alice.texts(1).await, [text]);
        self.alice.send_text(self.bob.pn(), text).await;
        assert_eq!(self.bob.next_message().await.text(), Some(text));
    }

    /// How often the client asked the server about users' devices.
    fn questions(&self) -> usize {
        let nodes = self.server.nodes_of(&self.alice.jid).into_iter();
        nodes.filter(|(direction, node)| *direction == Direction::FromClient && is_usync(node)).count()
    }

    /// How many messages were asked for again, by anybody.
    fn retries(&self) -> usize {
        let nodes = self.server.nodes_of(&self.alice.jid).into_iter();
        nodes.filter(|(_, node)| is_retry(node)).count()
    }

    fn notify(&self, kind: &'static str, id: &str, from: &Jid, child: Option<Node>, lid: Option<&Jid>) {
        let notification = Node::new("notification")
            .attr("from", from)
            .attr("id", id)
            .attr("type", kind)
            .attr("t", "1760000000")
            .attr_opt("lid", lid)
            .children(child);
        assert!(self.server.deliver(&self.alice.jid, notification));
    }
}

fn is_usync(node: &Node) -> bool {
    node.tag == "iq" && node.find("usync").is_some()
}

fn is_retry(node: &Node) -> bool {
    node.tag == "receipt" && node.get("type").is_some_and(|kind| kind.to_text() == "retry")
}

#[tokio::test]
async fn a_user_with_another_lid_keeps_chat_and_session_and_loses_nothing() {
    let mut scene = Scene::new().await;
    scene.bob.set_addressing(Addressing::Lid);
    let group = scene.bob.create_group("Crew", &[scene.phone.pn()], GroupMode::Lid);
    scene.talk("before").await;
    scene.bob.send_text(&group, "to all").await.unwrap();
    assert_eq!(scene.alice.texts(1).await, ["to all"]);
    scene.alice.send_text(&group, "to all as well").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("to all as well"));
    let (old, pn) = (scene.bob.lid().clone(), scene.bob.pn().clone());
    let chat = scene.alice.client.peer(&old).await.unwrap().chat;

    scene.alice.client.disconnect().await;
    for to in [&old, &pn] {
        scene.alice.client.enqueue(to, Message::text("queued"), SendOptions::new()).await.unwrap();
    }
    let new = scene.bob.change_lid();
    scene.bob.send_text(scene.phone.pn(), "from the new one").await.unwrap();
    scene.bob.send_text(&group, "to all from the new one").await.unwrap();
    scene.alice.client.reconnect().await.unwrap();
    let message = scene.alice.message().await;
    assert_eq!((message.message.as_text(), &message.chat), (Some("from the new one"), &chat));
    assert_eq!((message.sender.to_user(), message.recovered), (new.clone(), None));
    let message = scene.alice.message().await;
    assert_eq!((message.message.as_text(), &message.chat), (Some("to all from the new one"), &group));
    for _ in 0..2 {
        assert_eq!(scene.bob.next_message().await.text(), Some("queued"));
    }
    for jid in [&old, &new, &pn] {
        let peer = scene.alice.client.peer(jid).await.unwrap();
        assert_eq!(
            (&peer.pn, &peer.lid, &peer.chat),
            (&Some(pn.clone()), &Some(new.clone()), &chat),
            "{jid}"
        );
    }
    let sent = scene.alice.send_text(&old, "after").await;
    assert_eq!(sent.chat, chat);
    assert_eq!(scene.bob.next_message().await.text(), Some("after"));
    scene.alice.send_text(&group, "to all, after").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("to all, after"));
    scene.bob.send_text(scene.phone.pn(), "on the same session").await.unwrap();
    assert_eq!(scene.alice.message().await.recovered, None);
    assert_eq!(scene.retries(), 1, "for his key of the group; the rest was readable at once");
}

#[tokio::test]
async fn a_hint_that_contradicts_what_is_known_is_looked_into_once() {
    let mut scene = Scene::new().await;
    scene.talk("hello").await;
    let (pn, lid) = (scene.bob.pn().clone(), scene.bob.lid().clone());
    let wrong = Jid::lid("777000777000777");
    let asked = scene.questions();
    for id in ["1", "2", "3"] {
        scene.notify("picture", id, &pn, None, Some(&wrong));
    }
    scene.talk("still the same").await;
    scene.server.wait_drained(&scene.alice.jid).await;
    assert_eq!(scene.questions(), asked + 1);
    let peer = scene.alice.client.peer(&pn).await.unwrap();
    assert_eq!(peer.lid, Some(lid.clone()));

    // What is known may be what is wrong: then the server's word corrects it.
    let carol = scene.server.phone("carol");
    scene.server.hide_addresses(true);
    carol.set_addressing(Addressing::Pn);
    carol.send_text(scene.phone.pn(), "who am I?").await.unwrap();
    assert_eq!(scene.alice.texts(1).await, ["who am I?"]);
    scene.notify("picture", "4", carol.pn(), None, Some(&Jid::lid("777000777000778")));
    scene.server.wait_drained(&scene.alice.jid).await;
    assert_ne!(scene.alice.client.peer(carol.pn()).await.unwrap().lid, None);
    scene.server.hide_addresses(false);
    scene.notify("picture", "5", carol.pn(), None, Some(carol.lid()));
    let corrected = async {
        // The chat by number stays with whom it was begun with: another LID is another user.
        while scene.alice.client.peer(carol.lid()).await.unwrap().pn.as_ref() != Some(carol.pn()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), corrected).await.expect("it is corrected");
    scene.alice.send_text(carol.lid(), "found you").await;
    assert_eq!(carol.next_message().await.text(), Some("found you"));
}

#[tokio::test]
async fn a_contact_whose_devices_changed_is_found_by_its_hash() {
    let mut scene = Scene::new().await;
    let carol = scene.server.phone("carol");
    scene.talk("hello").await;
    scene.alice.send_text(carol.pn(), "hello").await;
    let asked = scene.questions();
    let update = |hash: &str| Some(Node::new("update").attr("hash", hash));
    let own = scene.phone.pn().clone();
    // Somebody whom we do not know; then Bob, by number and by LID.
    scene.notify("devices", "1", &own, update(&contact_hash("15550000000")), None);
    scene.talk("as ever").await;
    scene.alice.send_text(carol.pn(), "as ever").await;
    assert_eq!(scene.questions(), asked);
    for (number, user) in [scene.bob.pn().clone(), scene.bob.lid().clone()].into_iter().enumerate() {
        let id = format!("of bob {number}");
        let hash = contact_hash(user.user());
        scene.notify("devices", &id, &own, update(&hash), None);
        scene.talk(&id).await;
        scene.alice.send_text(carol.pn(), &id).await;
        assert_eq!(scene.questions(), asked + number + 1, "about bob, not about carol");
    }
}
