//! What is sealed with the secret of a message, beside votes: answers to events, reactions, comments, edits.

use prost::Message as _;
use wa_core::event::MessageReceived;
use wa_core::message::content::{Attendance, Comment, OccasionAnswer};
use wa_core::message::secret::SealedKind;
use wa_core::message::{Content, MessageKey};
use wa_core::{Message, SendError};
use wa_it::Companion;
use wa_proto::e2e;
use wa_test_server::{Direction, Phone, PhoneMessage, TestServer};
use wa_types::{Jid, UnixSeconds};

/// Two accounts in a direct chat: of Alice a companion, of Bob a phone.
struct Chat {
    server: TestServer,
    phone: Phone,
    alice: Companion,
    bob: Phone,
}

impl Chat {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let alice = Companion::link(&server, &phone).await;
        Self { server, phone, alice, bob }
    }

    /// A message of Alice's, and as Bob has it.
    async fn of_alice(&self, message: Message) -> (MessageKey, PhoneMessage) {
        let sent = self.alice.client.send(self.bob.pn(), message).await.unwrap();
        (MessageKey::from(&sent), self.bob.next_message().await)
    }

    /// What Bob adds to a message, as Alice reads it.
    async fn added(&mut self, target: &PhoneMessage, kind: SealedKind, plain: &[u8]) -> MessageReceived {
        self.bob.send_sealed(target, kind, plain).await.unwrap();
        self.alice.message().await
    }

    /// What Alice adds to a message, as Bob opens it.
    async fn opened(&self, target: &PhoneMessage, message: Message) -> Vec<u8> {
        self.alice.client.send(self.bob.pn(), message).await.unwrap();
        let received = self.bob.next_message().await;
        self.bob.open_sealed(target, &received).expect("it opens")
    }
}

fn party() -> Message {
    wa_core::message::content::Occasion::new("Party", UnixSeconds(1_900_000_000)).into()
}

#[tokio::test]
async fn an_event_is_answered_both_ways() {
    let mut chat = Chat::new().await;
    let (key, of_bob) = chat.of_alice(party()).await;
    let plain = e2e::EventResponseMessage {
        response: Some(e2e::event_response_message::EventResponseType::Maybe.into()),
        timestamp_ms: Some(1_760_000_000_000),
        extra_guest_count: Some(2),
    };
    let received = chat.added(&of_bob, SealedKind::EventResponse, &plain.encode_to_vec()).await;
    assert_eq!(received.target(), Some(key.clone()));
    let Content::OccasionAnswer(answer) = received.message.content() else { panic!("no answer") };
    assert_eq!((answer.answer, answer.guests), (Attendance::Maybe, 2));

    let answer = OccasionAnswer::new(key, Attendance::Going).guests(1);
    let opened = chat.opened(&of_bob, answer.into()).await;
    let opened = e2e::EventResponseMessage::decode(opened.as_slice()).unwrap();
    assert_eq!((opened.response, opened.extra_guest_count), (Some(1), Some(1)));
    assert!(opened.timestamp_ms > Some(0), "it says when");
}

#[tokio::test]
async fn sealed_reactions_comments_and_edits_are_opened() {
    let mut chat = Chat::new().await;
    let (key, of_bob) = chat.of_alice(Message::text("hello")).await;
    let reaction = e2e::ReactionMessage { text: Some("👍".to_owned()), ..Default::default() };
    let received = chat.added(&of_bob, SealedKind::Reaction, &reaction.encode_to_vec()).await;
    assert!(
        matches!(received.message.content(), Content::Reaction(read) if read.emoji.as_deref() == Some("👍"))
    );
    assert_eq!(received.target(), Some(key.clone()));
    let comment = e2e::Message { conversation: Some("well said".to_owned()), ..Default::default() };
    let received = chat.added(&of_bob, SealedKind::Comment, &comment.encode_to_vec()).await;
    assert!(
        matches!(received.message.content(), Content::Comment(read) if read.message.as_text() == Some("well said"))
    );

    // An edit is the author's own: Bob's of Alice's message stays sealed.
    let edit = e2e::Message { conversation: Some("bye".to_owned()), ..Default::default() };
    let received = chat.added(&of_bob, SealedKind::MessageEdit, &edit.encode_to_vec()).await;
    assert!(matches!(received.message.content(), Content::Sealed(_)));
}

#[tokio::test]
async fn comments_and_sealed_edits_are_sent() {
    let chat = Chat::new().await;
    let (key, of_bob) = chat.of_alice(Message::text("hello")).await;
    let comment = Comment::new(key.clone(), Message::text("indeed"));
    let opened = chat.opened(&of_bob, comment.into()).await;
    assert_eq!(e2e::Message::decode(opened.as_slice()).unwrap().conversation.as_deref(), Some("indeed"));
    let opened = chat.opened(&of_bob, Message::sealed_edit(key.clone(), Message::text("hello!"))).await;
    let opened = e2e::Message::decode(opened.as_slice()).unwrap();
    let edited = opened.protocol_message.and_then(|protocol| protocol.edited_message);
    assert_eq!(edited.and_then(|message| message.conversation).as_deref(), Some("hello!"));

    // Of somebody else's message only its author can.
    let key = MessageKey::by(chat.bob.pn(), chat.bob.pn(), key.id);
    let refused = chat.alice.client.send(chat.bob.pn(), Message::sealed_edit(key, Message::text("x"))).await;
    assert!(matches!(refused, Err(SendError::UnknownSecret(_))), "{refused:?}");
}

#[tokio::test]
async fn a_text_carries_a_reporting_token_and_a_reaction_none() {
    let chat = Chat::new().await;
    let (key, of_bob) = chat.of_alice(Message::text("hello")).await;
    chat.of_alice(Message::reaction(key, "👍")).await;
    let sent: Vec<_> = chat
        .server
        .nodes_of(&chat.alice.jid)
        .into_iter()
        .filter(|(direction, node)| *direction == Direction::FromClient && node.tag == "message")
        .map(|(_, node)| node)
        .collect();
    let token = |at: usize| {
        sent[at].find("reporting").and_then(|reporting| reporting.find("reporting_token")).cloned()
    };
    let secret: [u8; 32] = of_bob
        .message
        .message_context_info
        .as_ref()
        .unwrap()
        .message_secret
        .clone()
        .unwrap()
        .try_into()
        .unwrap();
    let to: Jid = sent[0].get("to").unwrap().to_jid().unwrap();
    let me = if to.is_lid() { chat.phone.lid().to_user() } else { chat.alice.jid.to_user() };
    let expected =
        wa_core::message::report::token(&secret, &of_bob.id, &me, &to, &of_bob.message.encode_to_vec())
            .unwrap();
    assert_eq!(token(0).unwrap().content_bytes(), Some(expected.as_slice()));
    assert_eq!(of_bob.message.message_context_info.unwrap().reporting_token_version, Some(2));
    assert!(token(1).is_none());
}
