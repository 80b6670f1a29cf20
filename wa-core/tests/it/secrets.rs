//! Known answers: what is sealed with a message's secret, and reporting tokens.

use wa_core::message::secret::{Context, Sealed, SealedKind, bot};
use wa_core::message::{OptionHash, report};
use wa_types::{Jid, MessageId};

use crate::vectors::{Scripted, array, bytes, load, text};

fn kind_of(label: &str) -> SealedKind {
    match label {
        "Poll Vote" => SealedKind::PollVote,
        "Event Response" => SealedKind::EventResponse,
        "Enc Reaction" => SealedKind::Reaction,
        "Enc Comment" => SealedKind::Comment,
        "Message Edit" => SealedKind::MessageEdit,
        "Event Edit" => SealedKind::EventEdit,
        "Poll Edit" => SealedKind::PollEdit,
        "Poll Add Option" => SealedKind::PollAddOption,
        other => panic!("unknown label {other}"),
    }
}

#[test]
fn every_message_secret_vector_holds() {
    for case in &load("msgsecret").cases {
        let name = text(case, "name");
        let secret: [u8; 32] = array(case, "message_secret");
        let id = MessageId::new(text(case, "original_message_id"));
        let author: Jid = text(case, "original_sender").parse().unwrap();
        let sender: Jid = text(case, "modification_sender").parse().unwrap();
        let sealed = Sealed { iv: array(case, "iv"), payload: bytes(case, "enc_payload") };
        let mut random = Scripted::new([sealed.iv.as_slice()]);
        if case["two_step"] == true {
            assert_eq!(bot::secret_of(&secret).as_slice(), bytes(case, "bot_message_secret"), "{name}");
            let plain = bytes(case, "plaintext");
            let opened = bot::open_answer(&secret, &id, &author, &sender, &sealed).unwrap();
            assert_eq!(*opened, plain, "{name}");
            assert_eq!(
                bot::seal_answer(&secret, &id, &author, &sender, &plain, &mut random),
                sealed,
                "{name}"
            );
            continue;
        }
        let kind = kind_of(text(case, "label"));
        let context = Context { kind, id: &id, author: &author, sender: &sender };
        match text(case, "result") {
            "ok" => {
                let plain = bytes(case, "plaintext");
                assert_eq!(context.open(&secret, &sealed).as_deref(), Some(&plain), "{name}");
                assert_eq!(context.seal(&secret, &plain, &mut random), sealed, "{name}");
            }
            "error" => assert!(context.open(&secret, &sealed).is_none(), "{name}"),
            other => panic!("unknown result {other}"),
        }
        if let Some(options) = case["option_hashes"].as_object() {
            for (option, hash) in options {
                assert_eq!(hex::encode(OptionHash::of(option).0), hash.as_str().unwrap(), "{name}");
            }
        }
    }
}

#[test]
fn every_reporting_token_vector_holds() {
    for case in &load("reporting-token").cases {
        let name = text(case, "name");
        assert_eq!(case["version"], report::VERSION, "{name}");
        let message = bytes(case, "message");
        let token = report::token(
            &array(case, "message_secret"),
            &MessageId::new(text(case, "message_id")),
            &text(case, "sender").parse().unwrap(),
            &text(case, "remote").parse().unwrap(),
            &message,
        );
        let has_token = !case["token"].is_null();
        assert_eq!(token.map(Vec::from), has_token.then(|| bytes(case, "token")), "{name}");
        assert_eq!(report::content(&message), has_token.then(|| bytes(case, "content")), "{name}");
    }
}
