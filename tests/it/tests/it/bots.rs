//! What bots answer: sealed with the secret of what they were asked with.

use prost::Message as _;
use wa_core::crypto::SystemRandom;
use wa_core::event::LostReason;
use wa_core::message::secret::bot;
use wa_core::wire::Node;
use wa_core::{Event, Message};
use wa_it::Companion;
use wa_proto::e2e;
use wa_test_server::{Direction, GroupMode, PhoneMessage, TestServer};
use wa_types::{Jid, MessageId};

const BOT: &str = "867051314767696@bot";

/// An answer to `prompt`, in this chat, of the account that asked.
#[derive(Clone, Copy)]
struct Answer<'a> {
    chat: &'a Jid,
    bot: &'a Jid,
    asker: &'a Jid,
    sealed_for: &'a Jid,
    prompt: &'a PhoneMessage,
}

impl Answer<'_> {
    /// `replaces` names the answer that this one is in the place of.
    fn node(&self, id: &str, replaces: Option<&str>, text: &str) -> Node {
        let context = self.prompt.message.message_context_info.as_ref().unwrap();
        let secret: [u8; 32] = context.message_secret.clone().unwrap().try_into().unwrap();
        let named = MessageId::new(replaces.unwrap_or(id));
        let plain = Message::text(text).encoded().to_vec();
        let sealed = bot::seal_answer(&secret, &named, self.sealed_for, self.bot, &plain, &mut SystemRandom);
        let sealed = e2e::MessageSecretMessage {
            version: Some(1),
            enc_iv: Some(sealed.iv.to_vec()),
            enc_payload: Some(sealed.payload),
        };
        Node::new("message")
            .attr("from", self.chat)
            .attr("participant", self.bot)
            .attr("id", id.to_owned())
            .attr("t", 1_760_000_000_u32)
            .attr("type", "text")
            .child(
                Node::new("bot")
                    .attr("edit", if replaces.is_some() { "last" } else { "first" })
                    .attr_opt("edit_target_id", replaces.map(str::to_owned)),
            )
            .child(Node::new("meta").attr("target_id", &self.prompt.id).attr("target_sender_jid", self.asker))
            .child(Node::new("enc").attr("v", "2").attr("type", "msmsg").bytes(sealed.encode_to_vec()))
    }
}

#[tokio::test]
async fn answers_of_bots_are_opened_with_the_secret_of_what_was_asked() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    let group = phone.create_group("Crew", &[bob.pn()], GroupMode::Lid);
    let asked = alice.send_text(&group, "@bot what time is it?").await;
    let prompt = bob.next_message().await;
    assert_eq!(prompt.id, asked.id);
    let asker = phone.lid().to_user();
    let bot: Jid = BOT.parse().unwrap();
    let answer = Answer { chat: &group, bot: &bot, asker: &asker, sealed_for: &asker, prompt: &prompt };
    server.deliver(&alice.jid, answer.node("A1", None, "It is"));
    server.deliver(&alice.jid, answer.node("A2", Some("A1"), "It is noon"));
    for (id, text) in [("A1", "It is"), ("A2", "It is noon")] {
        let received = alice.message().await;
        assert_eq!((received.id.as_str(), received.message.as_text()), (id, Some(text)));
        assert_eq!((&received.chat, received.sender.to_string().as_str()), (&group, BOT));
    }

    // Of a prompt that nobody here knows, one that was not made for who asked, and one of somebody who is no bot.
    let mut unknown = prompt.clone();
    unknown.id = MessageId::new("NOWHERE");
    server.deliver(&alice.jid, Answer { prompt: &unknown, ..answer }.node("A3", None, "x"));
    let other = bob.lid().to_user();
    let forged = Answer { sealed_for: &other, ..answer };
    server.deliver(&alice.jid, forged.node("A4", None, "x"));
    let member = bob.lid().to_user();
    server.deliver(&alice.jid, Answer { bot: &member, ..answer }.node("A5", None, "x"));
    for id in ["A3", "A4", "A5"] {
        let lost = alice.wait(|event| matches!(event, Event::MessageLost(_))).await;
        let Event::MessageLost(lost) = lost else { unreachable!() };
        assert_eq!((lost.id.as_str(), lost.why), (id, LostReason::MissingSecret));
        let refused = |node: &Node| {
            node.tag == "ack"
                && node.get("id").is_some_and(|it| it.to_text() == id)
                && node.get("error").is_some_and(|it| it.to_text() == "495")
        };
        server.wait_for(&alice.jid, Direction::FromClient, refused).await;
    }
}
