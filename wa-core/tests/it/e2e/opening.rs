//! Opening what others sealed: duplicates, claimed identities, and what only own devices may say.

use prost::Message as _;
use wa_core::crypto::{SystemRandom, curve25519};
use wa_core::e2e::DecryptError;
use wa_core::e2e::addressing::{OwnAddress, Place};
use wa_core::e2e::decrypt::{Opening, Outcome};
use wa_core::e2e::ratchets::Ratchets;
use wa_core::signal::{
    LocalIdentity, OwnSenderKey, PreKeyBundle, PreKeySignalMessage, SignalError, SignedPreKey, pad,
};
use wa_core::stanza::Reader;
use wa_core::stanza::message::InboundMessage;
use wa_core::store::Changes;
use wa_core::wire::{self, Node};
use wa_proto::e2e;
use wa_types::{Jid, KeyPair, PreKeyId, RegistrationId, SignalAddress};

const ALICE: &str = "800@lid";
const GROUP: &str = "1203@g.us";

/// Bob, who receives, and Alice's session with him.
struct Chat {
    bob: KeyPair,
    own: OwnAddress,
    received: Ratchets,
    alice: KeyPair,
    sent: Ratchets,
}

fn ours(key_pair: &KeyPair) -> LocalIdentity<'_> {
    LocalIdentity { key_pair, registration_id: RegistrationId(1) }
}

fn alice() -> SignalAddress {
    SignalAddress::from_jid(&ALICE.parse().unwrap()).unwrap()
}

fn bob() -> SignalAddress {
    SignalAddress::from_jid(&Jid::lid("900")).unwrap()
}

impl Chat {
    fn new() -> Self {
        let random = &mut SystemRandom;
        let (alice, bob_key) = (curve25519::generate(random), curve25519::generate(random));
        let signed = SignedPreKey::generate(PreKeyId::FIRST, &bob_key, random);
        let bundle = PreKeyBundle {
            registration_id: RegistrationId(1),
            identity: bob_key.public,
            signed_pre_key_id: signed.id,
            signed_pre_key: signed.key_pair.public,
            signature: signed.signature,
            pre_key: None,
        };
        let (mut sent, mut received) = (Ratchets::default(), Ratchets::default());
        sent.initiate(ours(&alice), &bob(), &bundle, &mut Changes::new(), random).unwrap();
        received.load_signed_pre_key(signed);
        let own = OwnAddress { pn: Jid::pn("100").with_device(7), lid: Some(Jid::lid("900").with_device(7)) };
        Self { bob: bob_key, own, received, alice, sent }
    }

    fn seal(&mut self, message: &e2e::Message) -> Node {
        let mut plaintext = message.encode_to_vec();
        pad(&mut plaintext, &mut SystemRandom);
        let sealed = self.sent.seal(&bob(), &plaintext).unwrap();
        enc("pkmsg", sealed.bytes)
    }

    fn open(&mut self, from: &str, encs: Vec<Node>) -> (Outcome, bool) {
        let from: Jid = from.parse().unwrap();
        let participant = from.is_group().then(|| ALICE.parse::<Jid>().unwrap());
        let node =
            Node::new("message").attr("id", "A1").attr("from", from).attr_opt("participant", participant);
        let bytes = wire::encode(&node.children(encs)).unwrap();
        let body = wire::unpack(&bytes).unwrap();
        let document = wire::decode(&body).unwrap();
        let message = InboundMessage::read(Reader::new(document.root()), |_| false).unwrap();
        let mut place = Place::of(&message, &self.own);
        let opening = Opening { own: &self.own, ours: ours(&self.bob), sender: &alice(), account_key: None };
        opening.open(&message, &mut place, &mut self.received, &mut Changes::new(), &mut SystemRandom)
    }
}

fn enc(kind: &str, bytes: Vec<u8>) -> Node {
    Node::new("enc").attr("v", "2").attr("type", kind).bytes(bytes)
}

fn text(text: &str) -> e2e::Message {
    e2e::Message { conversation: Some(text.into()), ..Default::default() }
}

#[test]
fn a_repeated_distribution_does_not_hide_the_content_beside_it() {
    let mut chat = Chat::new();
    let mut key = OwnSenderKey::generate(&mut SystemRandom);
    let distribution = e2e::Message {
        sender_key_distribution_message: Some(Box::new(e2e::SenderKeyDistributionMessage {
            group_id: Some(GROUP.into()),
            axolotl_sender_key_distribution_message: Some(key.distribution().to_bytes()),
        })),
        ..Default::default()
    };
    let pairwise = chat.seal(&distribution);
    let mut plaintext = text("to all").encode_to_vec();
    pad(&mut plaintext, &mut SystemRandom);
    let group = enc("skmsg", key.encrypt(&plaintext, &mut SystemRandom).unwrap());

    assert!(matches!(chat.open(GROUP, vec![pairwise.clone()]).0, Outcome::Silent));
    let (outcome, _) = chat.open(GROUP, vec![group.clone(), pairwise.clone()]);
    assert!(
        matches!(&outcome, Outcome::Content(message) if message.as_text() == Some("to all")),
        "{outcome:?}"
    );
    assert!(matches!(chat.open(GROUP, vec![pairwise, group]).0, Outcome::Duplicate));
}

#[test]
fn the_key_that_a_message_shows_on_a_known_session_is_not_believed() {
    let mut chat = Chat::new();
    let first = chat.seal(&text("one"));
    let second = chat.seal(&text("two"));
    assert!(matches!(chat.open(ALICE, vec![first]).0, Outcome::Content(_)));
    assert_eq!(chat.received.identity(&alice()), Some(chat.alice.public));

    // Someone between changes the key that the second hello shows; with it, this is no session that we know.
    let mut bytes = second.content_bytes().unwrap().to_vec();
    let shown = *PreKeySignalMessage::parse(&bytes).unwrap().identity_key();
    let at = bytes.windows(32).position(|window| window == shown.as_bytes()).unwrap();
    let forged = curve25519::generate(&mut SystemRandom).public;
    bytes[at..at + 32].copy_from_slice(forged.as_bytes());
    let (outcome, is_new_identity) = chat.open(ALICE, vec![enc("pkmsg", bytes)]);
    assert!(matches!(outcome, Outcome::Failed(DecryptError::Signal(SignalError::BadMac))), "{outcome:?}");
    assert!(!is_new_identity);
    assert_eq!(chat.received.identity(&alice()), Some(chat.alice.public));
}

#[test]
fn what_only_own_devices_may_say_is_ignored_from_others() {
    let mut chat = Chat::new();
    let share = e2e::ProtocolMessage {
        r#type: Some(e2e::protocol_message::Type::AppStateSyncKeyShare as i32),
        ..Default::default()
    };
    let share = e2e::Message { protocol_message: Some(Box::new(share)), ..Default::default() };
    let sealed = chat.seal(&share);
    assert!(matches!(chat.open(ALICE, vec![sealed]).0, Outcome::Silent));

    let copy = e2e::DeviceSentMessage { destination_jid: Some("1@lid".into()), ..Default::default() };
    let copy = e2e::Message { device_sent_message: Some(Box::new(copy)), ..Default::default() };
    let sealed = chat.seal(&copy);
    assert!(matches!(chat.open(ALICE, vec![sealed]).0, Outcome::Failed(DecryptError::ForeignCopy)));

    let secret = chat.open(ALICE, vec![enc("msmsg", vec![1])]).0;
    assert!(matches!(secret, Outcome::Failed(DecryptError::MissingSecret)));
    assert!(matches!(chat.open(ALICE, vec![]).0, Outcome::Failed(DecryptError::NoContent)));
}
