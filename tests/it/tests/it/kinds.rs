//! Each kind of message, to and from phones, and what the stanza says of it.

use std::time::Duration;

use prost::Message as _;
use wa_core::event::MessageReceived;
use wa_core::event::{GroupChange, GroupSetting};
use wa_core::media::{Attachment, MediaKey, MediaKind};
use wa_core::message::content::{
    Album, Audio, ContactCard, Contacts, Content, Document, GroupInvite, Image, LinkPreview, LiveLocation,
    Location, MemberLabel, Occasion, PackedSticker, Poll, Sticker, StickerPack, Video,
};
use wa_core::message::{MessageKey, Wrapper};
use wa_core::{Event, Message};
use wa_it::Companion;
use wa_test_server::{GroupMode, Phone, PhoneMessage, TestServer};
use wa_types::{Jid, MessageId, UnixSeconds};

const DAY: Duration = Duration::from_secs(86_400);

fn file(kind: MediaKind) -> Attachment {
    let mut file = Attachment::new(kind);
    file.direct_path = Some("/v/t62.7/1?ccb=11-4".into());
    file.key = Some(MediaKey::new([1; 32]));
    file.file_sha256 = Some([2; 32]);
    file.file_enc_sha256 = Some([3; 32]);
    file.file_length = Some(4000);
    file
}

/// A message of each kind that stands for itself or is about `target`.
fn each_kind(target: &MessageKey) -> Vec<Message> {
    let card = |name: &str| ContactCard::of_number(name, &Jid::pn("15550009"));
    let poll = || Poll::new("Lunch?", ["Soup", "Salad", "Bread"]);
    let pack = file(MediaKind::StickerPack);
    vec![
        Message::text("*bold*"),
        Message::link("see https://example.org", LinkPreview::new("https://example.org").title("Example")),
        Image::new(file(MediaKind::Image)).caption("a view").size((640, 480)).thumbnail(vec![1]).into(),
        Video::new(file(MediaKind::Video)).duration(Duration::from_secs(9)).into(),
        Video::new(file(MediaKind::Gif)).into(),
        Video::new(file(MediaKind::RoundVideo)).into(),
        Audio::new(file(MediaKind::Audio)).into(),
        Audio::new(file(MediaKind::VoiceNote)).waveform((0..64).collect()).into(),
        Document::new(file(MediaKind::Document), "application/pdf", "a.pdf").into(),
        Document::new(file(MediaKind::Document), "application/pdf", "a.pdf").caption("read").into(),
        Sticker::new(file(MediaKind::Sticker)).into(),
        Sticker::new(file(MediaKind::Sticker)).lottie().into(),
        StickerPack::new("id", "Cats", "Ana", pack, vec![PackedSticker::new("a.webp", ["🐈"])]).into(),
        Album::new(1, 0).into(),
        Message::image(Image::new(file(MediaKind::Image))).in_album(target),
        Message::image(Image::new(file(MediaKind::Image))).view_once(),
        Message::audio(Audio::new(file(MediaKind::VoiceNote))).view_once(),
        Location::new(52.5, 13.4).name("Here").into(),
        LiveLocation::new(52.5, 13.4).into(),
        Message::contact(card("Rui")),
        Contacts::new(vec![card("Rui"), card("Eva")]).into(),
        Message::reaction(target, "👍"),
        Message::reaction_removed(target),
        Message::edit(target, Message::text("better")),
        Message::delete(target),
        Message::pin(target, DAY),
        Message::unpin(target),
        Message::keep(target),
        poll().into(),
        poll().selectable(0).into(),
        poll().quiz("Soup").into(),
        Occasion::new("Party", UnixSeconds(1_900_000_000)).location(Location::new(1.0, 2.0)).into(),
        GroupInvite::new(&"5@g.us".parse().unwrap(), "CODE", "Crew", UnixSeconds(1_900_000_000)).into(),
        MemberLabel::new("Cook").into(),
        Message::disappearing(None),
    ]
}

/// As the client reads what the phone has.
fn as_read(message: &PhoneMessage) -> Message {
    Message::from_encoded(message.message.encode_to_vec()).unwrap()
}

/// Two contents of which the first may have no time of sending yet.
fn assert_same(sent: &Message, arrived: &Message) {
    let (mut sent, arrived) = (sent.content(), arrived.content());
    match (&mut sent, &arrived) {
        (Content::Reaction(sent), Content::Reaction(arrived)) => sent.at = sent.at.or(arrived.at),
        (Content::Edit(sent), Content::Edit(arrived)) => sent.at = sent.at.or(arrived.at),
        (Content::Pin(sent), Content::Pin(arrived)) => sent.at = sent.at.or(arrived.at),
        (Content::Keep(sent), Content::Keep(arrived)) => sent.at = sent.at.or(arrived.at),
        (Content::Disappearing(sent), Content::Disappearing(arrived)) => {
            sent.since = sent.since.or(arrived.since)
        }
        (Content::MemberLabel(sent), Content::MemberLabel(arrived)) => {
            sent.since = sent.since.or(arrived.since)
        }
        _ => {}
    }
    assert!(sent == arrived, "{} became {}", sent.name(), arrived.name());
}

struct Three {
    _server: TestServer,
    alice_phone: Phone,
    bob_phone: Phone,
    alice: Companion,
    bob: Companion,
}

impl Three {
    async fn linked() -> Self {
        let server = TestServer::start().await;
        let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
        let alice = Companion::link(&server, &alice_phone).await;
        let bob = Companion::link(&server, &bob_phone).await;
        Self { _server: server, alice_phone, bob_phone, alice, bob }
    }

    fn group(&self) -> Jid {
        self.alice_phone.create_group("crew", &[self.bob_phone.pn()], GroupMode::Lid)
    }
}

async fn send(from: &Companion, chat: &Jid, message: Message) -> MessageKey {
    MessageKey::from(&from.client.send(chat, message).await.unwrap())
}

/// What a received message is about, as our account names it: the id, whether it is ours, and else whose.
fn target(received: &MessageReceived) -> (MessageId, bool, Option<Jid>) {
    let target = received.target().expect("it is about a message");
    (target.id, target.from_me, target.sender)
}

#[tokio::test]
async fn each_kind_reaches_the_other_side_and_our_own_phone() {
    let Three { alice_phone, bob_phone, alice, mut bob, _server } = Three::linked().await;
    let first = send(&alice, bob_phone.pn(), Message::text("first")).await;
    bob.message().await;
    for phone in [&alice_phone, &bob_phone] {
        phone.next_message().await;
    }
    for message in each_kind(&first) {
        alice.client.send(bob_phone.pn(), message.clone()).await.unwrap();
        let received = bob.message().await.message;
        assert_same(&message, &received);
        assert_eq!(received.wrappers(), message.wrappers());
        assert_eq!(received.association(), message.association());
        assert_same(&message, &as_read(&bob_phone.next_message().await));
        assert_same(&message, &as_read(&alice_phone.next_message().await));
    }
}

#[tokio::test]
async fn each_kind_is_read_from_phones() {
    let Three { alice_phone, bob_phone, mut alice, bob: _bob, _server } = Three::linked().await;
    let first = bob_phone.send_text(alice_phone.pn(), "first").await.unwrap();
    let first = MessageKey::own(alice_phone.lid(), first.id);
    alice.message().await;
    for message in each_kind(&first) {
        bob_phone.send_encoded(alice_phone.pn(), message.encoded()).await.unwrap();
        let received = alice.message().await.message;
        assert_same(&message, &received);
        assert_eq!((received.encoded(), received.wrappers()), (message.encoded(), message.wrappers()));
    }
}

#[tokio::test]
async fn an_unknown_kind_arrives_whole_and_is_sent_whole() {
    let Three { alice_phone, bob_phone, mut alice, mut bob, _server } = Three::linked().await;
    // A field with the number 5000, in a wrapper that says that it disappears.
    let unknown = [0xC2, 0xB8, 0x02, 1, 7];
    let wrapped = [&[0xC2, 0x02, 7, 0x0A, 5][..], &unknown].concat();
    bob_phone.send_encoded(alice_phone.pn(), &wrapped).await.unwrap();
    let received = alice.message().await.message;
    assert_eq!(received.content(), Content::Unknown(unknown.to_vec()));
    assert_eq!((received.encoded(), received.wrappers()), (wrapped.as_slice(), vec![Wrapper::Ephemeral]));

    bob.message().await; // its phone's own message
    alice.client.send(bob_phone.pn(), Message::from_encoded(wrapped).unwrap()).await.unwrap();
    let Content::Unknown(bytes) = bob.message().await.message.content() else { panic!("an unknown kind") };
    assert_eq!(bytes, unknown);
}

#[tokio::test]
async fn in_a_direct_chat_both_sides_name_the_same_message() {
    let Three { alice_phone, bob_phone, mut alice, mut bob, _server } = Three::linked().await;
    let sent = send(&alice, bob_phone.pn(), Message::text("lunch?")).await;
    let received = bob.message().await;

    // The other side reacts to ours, and to its own answer; we react to its answer.
    bob.client.send(&received.chat, Message::reaction(&received, "👍")).await.unwrap();
    assert_eq!(target(&alice.message().await), (sent.id.clone(), true, None));
    let answer = bob.client.send(&received.chat, Message::text("at one").reply_to(&received)).await.unwrap();
    let answered = alice.message().await;
    let quote = answered.message.context().quote.unwrap();
    assert_eq!((&quote.id, quote.message.unwrap().as_text()), (&sent.id, Some("lunch?")));
    assert_eq!(quote.sender.unwrap().to_user(), *alice_phone.lid());
    bob.client.send(&received.chat, Message::edit(&answer, Message::text("at two"))).await.unwrap();
    let edit = alice.message().await;
    assert_eq!(target(&edit), (answer.id.clone(), false, Some(bob_phone.lid().clone())));
    let Content::Edit(new) = edit.message.content() else { panic!("an edit") };
    assert_eq!(new.message.as_text(), Some("at two"));
    alice.client.send(&answered.chat, Message::reaction(&answered, "🎉")).await.unwrap();
    assert_eq!(target(&bob.message().await), (answer.id, true, None));

    // Deleted for everyone.
    alice.client.send(bob_phone.pn(), Message::delete(&sent)).await.unwrap();
    let deleted = bob.message().await;
    assert_eq!(target(&deleted), (sent.id, false, Some(alice_phone.lid().clone())));
    assert!(matches!(deleted.message.content(), Content::Revoke(_)));

    // What our own phone does is told from our side.
    let own = alice_phone.send_text(bob_phone.pn(), "from the phone").await.unwrap();
    let copy = alice.message().await;
    assert!(copy.from_me);
    let reaction = Message::reaction(MessageKey::own(bob_phone.lid(), own.id.clone()), "x");
    alice_phone.send_encoded(bob_phone.pn(), reaction.encoded()).await.unwrap();
    assert_eq!(target(&alice.message().await), (own.id, true, None));
}

#[tokio::test]
async fn in_a_group_the_writer_is_named() {
    let three = Three::linked().await;
    let group = three.group();
    let Three { alice_phone, bob_phone, mut alice, mut bob, _server } = three;
    let sent = bob.send_text(&group, "hello").await;
    let received = alice.message().await;
    bob_phone.next_message().await;

    alice.client.send(&group, Message::reaction(&received, "👍")).await.unwrap();
    let at_phone = bob_phone.next_message().await.message.reaction_message.unwrap().key.unwrap();
    assert_eq!(at_phone.participant.as_deref(), Some(bob_phone.lid().to_string().as_str()));
    assert_eq!((at_phone.remote_jid(), at_phone.from_me()), (group.to_string().as_str(), false));
    assert_eq!(target(&bob.message().await), (sent.id.clone(), false, Some(bob_phone.lid().clone())));

    // A reaction to one's own, an answer with mentions, and what an admin deletes.
    let own = send(&bob, &group, Message::reaction(&sent, "😀")).await;
    assert_eq!(target(&alice.message().await), (sent.id.clone(), false, Some(bob_phone.lid().clone())));
    let text = format!("@{} and @all", bob_phone.lid().user());
    let answer = Message::text(text).mention(&[bob_phone.lid().clone()]).mention_all().reply_to(&received);
    alice.client.send(&group, answer).await.unwrap();
    let context = bob.message().await.message.context();
    assert_eq!((context.mentions, context.mentions_all), (vec![bob_phone.lid().clone()], true));
    let quote = context.quote.unwrap();
    assert_eq!((quote.id, quote.sender, quote.chat), (sent.id.clone(), Some(bob_phone.lid().clone()), None));
    alice.client.send(&group, Message::delete(&received)).await.unwrap();
    assert_eq!(target(&bob.message().await), (sent.id, false, Some(bob_phone.lid().clone())));
    drop((own, alice_phone));
}

#[tokio::test]
async fn a_forwarded_message_keeps_what_it_says_and_gets_a_secret_of_its_own() {
    let Three { alice_phone, bob_phone, mut alice, mut bob, _server } = Three::linked().await;
    let document = Document::new(file(MediaKind::Document), "text/plain", "a.txt").caption("read");
    bob_phone.send_encoded(alice_phone.pn(), Message::from(document).encoded()).await.unwrap();
    let received = alice.message().await;
    bob.message().await;
    alice.client.send(bob_phone.pn(), Message::forward(&received.message)).await.unwrap();
    let forwarded = bob.message().await.message;
    assert_eq!(forwarded.content(), received.message.content());
    assert_eq!(
        (forwarded.context().forwarded, forwarded.wrappers()),
        (Some(1), vec![Wrapper::DocumentWithCaption])
    );
}

/// How long a message says that it stays, in seconds.
fn stays(message: &Message) -> Option<u64> {
    message.context().expiration.map(|time| time.as_secs())
}

#[tokio::test]
async fn messages_to_a_disappearing_chat_disappear() {
    let Three { alice_phone, bob_phone, mut alice, mut bob, _server } = Three::linked().await;
    // The other side sets it.
    bob_phone.send_encoded(alice_phone.pn(), Message::disappearing(Some(DAY)).encoded()).await.unwrap();
    let chat = alice.message().await.chat;
    bob.message().await;
    alice.client.send(&chat, Message::text("gone tomorrow")).await.unwrap();
    let received = bob.message().await;
    assert_eq!((received.message.as_text(), stays(&received.message)), (Some("gone tomorrow"), Some(86_400)));
    // The other companion knows by its own phone's message, and after a restart.
    let store = bob.stop().await;
    let mut bob = Companion::start(&_server, store).await;
    assert_eq!(bob.message().await.id, received.id, "nobody confirmed it");
    bob.client.send(alice_phone.pn(), Message::text("me too")).await.unwrap();
    assert_eq!(stays(&alice.message().await.message), Some(86_400));

    // A message has its own time; then we end it.
    alice.client.send(&chat, Message::text("a minute").expire_after(Duration::from_secs(60))).await.unwrap();
    assert_eq!(stays(&bob.message().await.message), Some(60));
    alice.client.send(&chat, Message::disappearing(None)).await.unwrap();
    let Content::Disappearing(setting) = bob.message().await.message.content() else { panic!("a setting") };
    assert_eq!(setting.after, None);
    alice.client.send(&chat, Message::text("for ever")).await.unwrap();
    assert_eq!(stays(&bob.message().await.message), None);
}

#[tokio::test]
async fn messages_to_a_disappearing_group_disappear() {
    let three = Three::linked().await;
    let group = three.group();
    let Three { alice_phone, mut alice, mut bob, _server, bob_phone: _bob_phone } = three;
    let week = wa_core::wire::Node::new("ephemeral").attr("expiration", 604_800_u32);
    alice_phone.set_group(&group, week).unwrap();
    let is_set = |event: &Event| {
        matches!(event, Event::GroupChanged(changed)
            if matches!(changed.change, GroupChange::Setting(GroupSetting::Expiration { seconds: 604_800, .. })))
    };
    alice.wait(is_set).await;
    alice.client.send(&group, Message::text("gone next week")).await.unwrap();
    assert_eq!(stays(&bob.message().await.message), Some(604_800));
}
