//! Status posts and broadcast lists: who gets them, also after a restart and when they ask again; who does not; what
//! comes back.

use std::sync::Arc;

use wa_core::client::{Audience, Contact};
use wa_core::event::{ChatKind, SendState};
use wa_core::message::{Content, MessageKey};
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::wire::Node;
use wa_core::{Message, MessageId, SendError, SendOptions};
use wa_it::{Companion, builder};
use wa_store::{MemoryStore, SqliteStore, Store};
use wa_test_server::{Config, Direction, Phone, TestServer};
use wa_types::Jid;

/// Alice with a companion, and three phones that may read what it posts.
struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    carol: Phone,
    dave: Phone,
    alice: Companion,
}

impl Scene {
    async fn of(config: Config) -> Self {
        Self::with(config, Arc::new(MemoryStore::new())).await
    }

    async fn with(config: Config, store: Arc<dyn Store>) -> Self {
        let server = TestServer::with(config).await;
        let [phone, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| server.phone(name));
        let alice = Companion::link_with(&server, &phone, store).await;
        Self { server, phone, bob, carol, dave, alice }
    }

    async fn new() -> Self {
        Self::of(Config::default()).await
    }

    /// Bob and Carol are in the address book, by number.
    async fn know(&self) {
        for (phone, name) in [(&self.bob, "Bob"), (&self.carol, "Carol")] {
            self.alice.client.contacts().put(&Contact::new(phone.pn(), name)).await.unwrap();
        }
    }

    async fn post(&self, text: &str, audience: Audience) -> MessageId {
        let options = SendOptions::new().audience(audience);
        self.alice.client.send_with(&Jid::STATUS, Message::text(text), options).await.unwrap().id
    }

    /// Exactly these phones get a post, and Alice's own: the others get the message that follows, and nothing before.
    async fn read_by(&self, readers: &[&Phone], text: &str) {
        for phone in readers.iter().copied().chain([&self.phone]) {
            let received = phone.next_message().await;
            assert_eq!((received.text(), &received.chat), (Some(text), &Jid::STATUS), "{}", phone.name());
        }
        for phone in [&self.bob, &self.carol, &self.dave] {
            if !readers.iter().any(|reader| reader.pn() == phone.pn()) {
                self.nothing_before(phone).await;
            }
        }
    }

    /// The phone got nothing that it did not show.
    async fn nothing_before(&self, phone: &Phone) {
        self.nothing_before_of(&[], phone).await;
    }

    /// As [`Self::nothing_before`], where Alice's own phone has these texts before it.
    async fn nothing_before_of(&self, own: &[&str], phone: &Phone) {
        self.alice.send_text(phone.pn(), "nothing before").await;
        assert_eq!(phone.next_message().await.text(), Some("nothing before"), "{}", phone.name());
        for text in own.iter().copied().chain(["nothing before"]) {
            assert_eq!(self.phone.next_message().await.text(), Some(text));
        }
    }

    /// The status stanzas that Alice's companion put on the wire.
    fn sent(&self) -> Vec<Node> {
        let nodes = self.server.nodes_of(&self.alice.jid).into_iter();
        let sent =
            nodes.filter(|(direction, node)| *direction == Direction::FromClient && node.tag == "message");
        sent.map(|(_, node)| node).filter(|node| text(node, "to") == "status@broadcast").collect()
    }
}

fn text(node: &Node, name: &str) -> String {
    node.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default()
}

fn setting(node: &Node) -> String {
    node.find("meta").map(|meta| text(meta, "status_setting")).unwrap_or_default()
}

/// Whom a stanza names: with our key, and without.
fn named(node: &Node) -> (Vec<String>, Vec<String>) {
    let entries = node.find("participants").into_iter().flat_map(|list| list.find_all("to"));
    let (keyed, bare): (Vec<&Node>, Vec<&Node>) = entries.partition(|to| to.find("enc").is_some());
    let texts = |nodes: Vec<&Node>| {
        let mut jids: Vec<String> = nodes.into_iter().map(|to| text(to, "jid")).collect();
        jids.sort_unstable();
        jids
    };
    (texts(keyed), texts(bare))
}

#[tokio::test]
async fn a_post_goes_to_the_audience_of_each_kind_and_to_nobody_else() {
    let scene = Scene::new().await;
    scene.know().await;
    let (bob, carol, dave) = (scene.bob.lid().clone(), scene.carol.lid().clone(), scene.dave.pn().clone());
    scene.post("for contacts", Audience::Contacts).await;
    scene.read_by(&[&scene.bob, &scene.carol], "for contacts").await;
    scene.post("without bob", Audience::Except(vec![bob.clone()])).await;
    scene.read_by(&[&scene.carol], "without bob").await;
    scene.post("for dave", Audience::Only(vec![dave])).await;
    scene.read_by(&[&scene.dave], "for dave").await;
    scene.post("for us", Audience::Only(Vec::new())).await;
    scene.read_by(&[], "for us").await;

    let sent = scene.sent();
    let settings: Vec<String> = sent.iter().map(setting).collect();
    assert_eq!(settings, ["contacts", "denylist", "allowlist", "allowlist"]);
    for stanza in &sent {
        assert_eq!((text(stanza, "addressing_mode"), text(stanza, "phash")), (String::new(), String::new()));
    }
    // Whoever had our key and is of the audience no more cannot read on: there is a new one each time.
    let own = scene.phone.lid();
    assert_eq!(named(&sent[1]), (sorted(&[&carol, own]), Vec::new()));
    assert_eq!(named(&sent[3]), (sorted(&[own]), Vec::new()));
}

fn sorted(jids: &[&Jid]) -> Vec<String> {
    let mut texts: Vec<String> = jids.iter().map(ToString::to_string).collect();
    texts.sort_unstable();
    texts
}

#[tokio::test]
async fn our_key_goes_to_each_viewer_once_and_the_others_are_named() {
    for is_migrated in [true, false] {
        let scene = Scene::of(Config { lid_migrated: is_migrated, ..Config::default() }).await;
        let audience = || Audience::Only(vec![scene.bob.pn().clone(), scene.carol.pn().clone()]);
        scene.post("one", audience()).await;
        scene.read_by(&[&scene.bob, &scene.carol], "one").await;
        scene.post("two", audience()).await;
        scene.read_by(&[&scene.bob, &scene.carol], "two").await;
        let readers = if is_migrated {
            sorted(&[scene.phone.lid(), scene.bob.lid(), scene.carol.lid()])
        } else {
            sorted(&[scene.phone.pn(), scene.bob.pn(), scene.carol.pn()])
        };
        let sent = scene.sent();
        assert_eq!(named(&sent[0]), (readers.clone(), Vec::new()), "migrated: {is_migrated}");
        assert_eq!(named(&sent[1]), (Vec::new(), readers), "migrated: {is_migrated}");
    }
}

#[tokio::test]
async fn the_accounts_setting_says_who_reads_where_the_caller_does_not() {
    let scene = Scene::new().await;
    scene.know().await;
    scene.alice.send_text(&Jid::STATUS, "as set").await;
    scene.read_by(&[&scene.bob, &scene.carol], "as set").await;
    scene.phone.set_status_audience("blacklist", &[scene.carol.lid()]);
    scene.alice.send_text(&Jid::STATUS, "not for carol").await;
    scene.read_by(&[&scene.bob], "not for carol").await;
    scene.phone.set_status_audience("whitelist", &[scene.dave.lid()]);
    scene.alice.send_text(&Jid::STATUS, "for dave").await;
    scene.read_by(&[&scene.dave], "for dave").await;
    // Nobody is guessed.
    let post = async || scene.alice.client.send(&Jid::STATUS, Message::text("for whom?")).await;
    scene.phone.set_status_audience("close_friends", &[]);
    assert_eq!(post().await, Err(SendError::NoAudience(Jid::STATUS)));
    scene.server.faults_of(&scene.alice.jid).refuse_request("status", 500);
    assert_eq!(post().await, Err(SendError::Lookup));
    for phone in [&scene.bob, &scene.carol, &scene.dave] {
        scene.nothing_before(phone).await;
    }
}

#[tokio::test]
async fn a_post_that_waits_is_for_those_for_whom_it_was_taken_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path().join("account.db")).await.unwrap());
    let Scene { server, phone, bob, carol, dave, alice } = Scene::with(Config::default(), store).await;
    for (phone, name) in [(&bob, "Bob"), (&carol, "Carol")] {
        alice.client.contacts().put(&Contact::new(phone.pn(), name)).await.unwrap();
    }
    alice.client.disconnect().await;
    let taken = async |text, audience| {
        let options = SendOptions::new().audience(audience);
        alice.client.enqueue(&Jid::STATUS, Message::text(text), options).await
    };
    let first = taken("for contacts", Audience::Contacts).await.unwrap();
    taken("but bob", Audience::Except(vec![bob.lid().clone()])).await.unwrap();
    taken("for dave", Audience::Only(vec![dave.pn().clone()])).await.unwrap();
    // Who is a contact later is none of its audience.
    alice.client.contacts().put(&Contact::new(dave.pn(), "Dave")).await.unwrap();
    assert_eq!(alice.client.sent_state(&first).await.unwrap(), Some(SendState::Queued));
    drop(alice.stop().await);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path().join("account.db")).await.unwrap());
    let alice = Companion::start(&server, store).await;
    let texts = async |phone: &Phone, count: usize| {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(phone.next_message().await.text().unwrap().to_owned());
        }
        texts
    };
    assert_eq!(texts(&phone, 3).await, ["for contacts", "but bob", "for dave"]);
    let scene = Scene { server, phone, bob, carol, dave, alice };
    assert_eq!(texts(&scene.bob, 1).await, ["for contacts"]);
    assert_eq!(texts(&scene.carol, 2).await, ["for contacts", "but bob"]);
    assert_eq!(texts(&scene.dave, 1).await, ["for dave"]);
    for phone in [&scene.bob, &scene.carol, &scene.dave] {
        scene.nothing_before(phone).await;
    }
}

#[tokio::test]
async fn a_viewer_who_asks_again_gets_the_post_and_a_stranger_nothing() {
    let scene = Scene::new().await;
    scene.server.faults_of(scene.bob.pn()).refuse_decrypt(2);
    let only_bob = || Audience::Only(vec![scene.bob.pn().clone()]);
    let id = scene.post("in the end", only_bob()).await;
    let received = scene.bob.next_message().await;
    assert_eq!((&received.id, received.text(), &received.chat), (&id, Some("in the end"), &Jid::STATUS));
    let resends: Vec<Node> =
        scene.sent().into_iter().filter(|node| node.get("participant").is_some()).collect();
    assert_eq!(resends.len(), 2);
    assert!(resends.iter().all(|node| text(node, "participant") == scene.bob.lid().to_string()));
    assert!(resends.iter().all(|node| setting(node).is_empty()));
    // It goes on to read what follows.
    scene.post("and after", only_bob()).await;
    assert_eq!(scene.bob.next_message().await.text(), Some("and after"));

    // Carol was not asked to see it, under whichever address; Alice's companion does nothing but acknowledge.
    let asked = |from: &Jid, count: u32| {
        let retry = Node::new("retry").attr("v", "1").attr("count", count).attr("id", &id).attr("t", 1_u32);
        Node::new("receipt")
            .attr("from", &Jid::STATUS)
            .attr("participant", from)
            .attr("id", &id)
            .attr("type", "retry")
            .attr("t", 1_u32)
            .child(retry)
            .child(Node::new("registration").bytes([0, 0, 0, 9]))
    };
    let before = scene.sent().len();
    scene.server.deliver(&scene.alice.jid, asked(scene.carol.lid(), 1));
    scene.server.deliver(&scene.alice.jid, asked(scene.carol.pn(), 2));
    scene.server.wait_drained(&scene.alice.jid).await;
    scene.nothing_before_of(&["in the end", "and after"], &scene.carol).await;
    assert_eq!(scene.sent().len(), before);
}

#[tokio::test]
async fn who_was_left_out_gets_nothing_by_asking() {
    let scene = Scene::new().await;
    scene.know().await;
    let id = scene.post("not for bob", Audience::Except(vec![scene.bob.lid().clone()])).await;
    assert_eq!(scene.carol.next_message().await.text(), Some("not for bob"));
    let retry = Node::new("retry").attr("v", "1").attr("count", 1_u32).attr("id", &id).attr("t", 1_u32);
    for from in [scene.bob.pn(), scene.bob.lid()] {
        let receipt = Node::new("receipt")
            .attr("from", &Jid::STATUS)
            .attr("participant", from)
            .attr("id", &id)
            .attr("type", "retry")
            .attr("t", 1_u32)
            .child(retry.clone())
            .child(Node::new("registration").bytes([0, 0, 0, 9]));
        scene.server.deliver(&scene.alice.jid, receipt);
    }
    scene.server.wait_drained(&scene.alice.jid).await;
    scene.nothing_before_of(&["not for bob"], &scene.bob).await;
    assert!(scene.sent().iter().all(|node| node.get("participant").is_none()));
}

#[tokio::test]
async fn a_post_is_deleted_for_those_who_got_it() {
    let scene = Scene::new().await;
    let id = scene.post("too much", Audience::Only(vec![scene.bob.pn().clone()])).await;
    scene.read_by(&[&scene.bob], "too much").await;
    let deletion = || Message::delete(MessageKey::own(&Jid::STATUS, id.clone()));
    scene.alice.client.send(&Jid::STATUS, deletion()).await.unwrap();
    let received = scene.bob.next_message().await;
    let protocol = received.message.protocol_message.unwrap();
    let key = protocol.key.unwrap();
    assert_eq!((key.id(), key.remote_jid(), received.chat), (id.as_str(), "status@broadcast", Jid::STATUS));
    assert!(scene.phone.next_message().await.message.protocol_message.is_some());
    scene.nothing_before(&scene.carol).await;
    let sent = scene.sent();
    assert_eq!((text(&sent[1], "edit"), setting(&sent[1])), ("7".to_owned(), String::new()));

    // Of a post that it did not send it does not know who got it; then the caller says so.
    let other = scene.phone.send_status(&[scene.carol.lid()], "by the phone").await.unwrap();
    assert_eq!(scene.carol.next_message().await.text(), Some("by the phone"));
    let deletion = || Message::delete(MessageKey::own(&Jid::STATUS, other.id.clone()));
    let refused = scene.alice.client.send(&Jid::STATUS, deletion()).await;
    assert_eq!(refused, Err(SendError::NoAudience(Jid::STATUS)));
    let options = SendOptions::new().audience(Audience::Only(vec![scene.carol.pn().clone()]));
    scene.alice.client.send_with(&Jid::STATUS, deletion(), options).await.unwrap();
    assert!(scene.carol.next_message().await.message.protocol_message.is_some());
}

#[tokio::test]
async fn it_is_told_who_got_and_who_saw_a_post() {
    let mut scene = Scene::new().await;
    let id = scene.post("look", Audience::Only(vec![scene.bob.pn().clone()])).await;
    let received = scene.bob.next_message().await;
    let delivered = scene.alice.receipt(&id, ReceiptKind::Delivered).await;
    assert_eq!(delivered.chat, Jid::STATUS);
    scene.bob.read(&received);
    let seen = scene.alice.receipt(&id, ReceiptKind::Read).await;
    assert_eq!((&seen.chat, &seen.from), (&Jid::STATUS, scene.bob.lid()));
    let state = scene.alice.client.sent_state(&id).await.unwrap();
    assert_eq!(state, Some(SendState::Read));
}

#[tokio::test]
async fn posts_of_others_are_seen_answered_and_reacted_to() {
    let mut scene = Scene::new().await;
    let posted = scene.bob.send_status(&[scene.phone.lid()], "on holiday").await.unwrap();
    let received = scene.alice.message().await;
    assert_eq!((received.kind(), &received.chat), (ChatKind::Status, &Jid::STATUS));
    assert_eq!(scene.phone.next_message().await.text(), Some("on holiday"));
    scene.alice.client.mark_read(&[&received]).await.unwrap();
    let seen = scene.bob.receipt(&posted.id, Some("read")).await;
    assert_eq!(seen.from, *scene.phone.lid());

    // An answer is a direct message to the author.
    let answer = Message::text("lucky you").reply_to(&received);
    scene.alice.client.send(&received.sender.to_user(), answer).await.unwrap();
    let got = scene.bob.next_message().await;
    assert_eq!((got.text(), got.chat.is_user()), (Some("lucky you"), true));
    assert_eq!(scene.phone.next_message().await.text(), Some("lucky you"));

    // A reaction stands in the feed, and is for the author's and our own devices alone.
    let reaction = Message::reaction(&received, "👍");
    let sent = scene.alice.client.send(&Jid::STATUS, reaction).await.unwrap();
    assert_eq!(sent.chat, Jid::STATUS);
    for phone in [&scene.bob, &scene.phone] {
        let got = phone.next_message().await;
        let reaction = got.message.reaction_message.unwrap();
        assert_eq!((got.chat, reaction.text()), (Jid::STATUS, "👍"));
        assert_eq!(reaction.key.unwrap().id(), posted.id.as_str());
    }
    let stanza = scene.sent().pop().unwrap();
    assert_eq!((setting(&stanza), text(&stanza, "type")), (String::new(), "reaction".to_owned()));
    assert_eq!(named(&stanza).0, sorted(&[scene.bob.lid(), scene.phone.lid()]));
    scene.nothing_before(&scene.carol).await;
}

#[tokio::test]
async fn posts_of_our_other_devices_are_heard_of() {
    let mut scene = Scene::new().await;
    let posted = scene.phone.send_status(&[scene.bob.lid()], "by the phone").await.unwrap();
    let heard = scene.alice.message().await;
    assert_eq!((&heard.id, heard.from_me, heard.kind()), (&posted.id, true, ChatKind::Status));
    let mut second = Companion::link_built(
        builder(&scene.server, Arc::new(MemoryStore::new())),
        &scene.phone,
        Arc::new(MemoryStore::new()),
    )
    .await;
    let id = scene.post("by a companion", Audience::Only(vec![scene.bob.pn().clone()])).await;
    let heard = second.message().await;
    assert_eq!((&heard.id, heard.from_me, &heard.chat), (&id, true, &Jid::STATUS));
    assert_eq!(heard.message.as_text(), Some("by a companion"));
    assert!(matches!(heard.message.content(), Content::Text(_)));
}

#[tokio::test]
async fn a_refused_post_fails_and_the_next_one_gives_our_key_again() {
    let scene = Scene::new().await;
    scene.server.faults_of(&scene.alice.jid).nack_next(479);
    let only = || SendOptions::new().audience(Audience::Only(vec![scene.bob.pn().clone()]));
    let refused = scene.alice.client.send_with(&Jid::STATUS, Message::text("refused"), only()).await;
    assert_eq!(refused, Err(SendError::SchemaRefused));
    scene.server.faults_of(&scene.alice.jid).nack_next(403);
    let refused = scene.alice.client.send_with(&Jid::STATUS, Message::text("refused"), only()).await;
    assert_eq!(refused, Err(SendError::Refused { code: 403 }));
    scene.alice.client.send_with(&Jid::STATUS, Message::text("taken"), only()).await.unwrap();
    scene.read_by(&[&scene.bob], "taken").await;
    assert_eq!(named(&scene.sent()[2]).0, sorted(&[scene.phone.lid(), scene.bob.lid()]));
}

#[tokio::test]
async fn a_message_to_a_list_is_a_direct_message_for_each_on_it() {
    let mut scene = Scene::new().await;
    let list: Jid = "1690000000@broadcast".parse().unwrap();
    let refused = scene.alice.client.send(&list, Message::text("to whom?")).await;
    assert_eq!(refused, Err(SendError::NoAudience(list.clone())));
    let both = || vec![scene.bob.pn().clone(), scene.carol.lid().clone()];
    for text in ["to all", "again"] {
        let options = SendOptions::new().audience(Audience::Only(both()));
        let sent = scene.alice.client.send_with(&list, Message::text(text), options).await.unwrap();
        assert_eq!(sent.chat, list);
        for phone in [&scene.bob, &scene.carol, &scene.phone] {
            assert_eq!(phone.next_message().await.text(), Some(text));
        }
    }
    scene.nothing_before(&scene.dave).await;

    // A member's device that the sender did not know of gets it by the server's hash.
    let mut second = Companion::link(&scene.server, &scene.bob).await;
    let options = SendOptions::new().audience(Audience::Only(both()));
    let sent = scene.alice.client.send_with(&list, Message::text("to all devices"), options).await.unwrap();
    let received = second.message().await;
    assert_eq!(received.message.as_text(), Some("to all devices"));
    assert_eq!((received.kind(), received.chat.is_same_user(scene.phone.lid())), (ChatKind::Direct, true));
    let read = scene.bob.next_message().await;
    scene.bob.read(&read);
    assert_eq!(scene.alice.receipt(&sent.id, ReceiptKind::Read).await.chat, list);

    scene.bob.send_to_list(&list, &[scene.phone.lid()], "from bob's").await.unwrap();
    let received = scene.alice.message().await;
    assert_eq!((received.message.as_text(), received.chat.is_user()), (Some("from bob's"), true));
}

#[tokio::test]
async fn whoever_is_on_no_device_holds_nothing_up() {
    let scene = Scene::new().await;
    let nobody = [Jid::pn("15559999999"), Jid::lid("1"), Jid::STATUS];
    let audience = || Audience::Only([scene.bob.pn().clone()].into_iter().chain(nobody.clone()).collect());
    scene.post("for who is there", audience()).await;
    scene.read_by(&[&scene.bob], "for who is there").await;
    scene.post("as before", Audience::Except(nobody.to_vec())).await;
    scene.read_by(&[], "as before").await;
}
