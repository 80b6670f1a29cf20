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
use wa_core::store::{Changes, SenderKeyName};
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
    signed: SignedPreKey,
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
        Self::between(curve25519::generate(random), curve25519::generate(random))
    }

    /// The same two, with another session.
    fn new_from(other: &Self) -> Self {
        Self::between(other.alice.clone(), other.bob.clone())
    }

    /// Alice has another identity.
    fn begin_anew(&mut self) {
        *self = Self::between(curve25519::generate(&mut SystemRandom), self.bob.clone());
    }

    fn between(alice: KeyPair, bob_key: KeyPair) -> Self {
        let random = &mut SystemRandom;
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
        received.load_signed_pre_key(signed.clone());
        let own = OwnAddress { pn: Jid::pn("100").with_device(7), lid: Some(Jid::lid("900").with_device(7)) };
        Self { bob: bob_key, own, received, alice, sent, signed }
    }

    fn seal(&mut self, message: &e2e::Message) -> Node {
        let mut plaintext = message.encode_to_vec();
        pad(&mut plaintext, &mut SystemRandom);
        let sealed = self.sent.seal(&bob(), &plaintext).unwrap();
        enc("pkmsg", sealed.bytes)
    }

    fn open(&mut self, from: &str, encs: Vec<Node>) -> (Outcome, bool) {
        self.open_as(&alice(), from, encs)
    }

    /// Opens a message with the session that is kept under this address.
    fn open_as(&mut self, sender: &SignalAddress, from: &str, encs: Vec<Node>) -> (Outcome, bool) {
        let from: Jid = from.parse().unwrap();
        let participant = from.is_group().then(|| ALICE.parse::<Jid>().unwrap());
        let node =
            Node::new("message").attr("id", "A1").attr("from", from).attr_opt("participant", participant);
        let bytes = wire::encode(&node.children(encs)).unwrap();
        let body = wire::unpack(&bytes).unwrap();
        let document = wire::decode(&body).unwrap();
        let message = InboundMessage::read(Reader::new(document.root()), |_| false).unwrap();
        let mut place = Place::of(&message, &self.own);
        let opening = Opening { own: &self.own, ours: ours(&self.bob), sender, account_key: None };
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

const ALICE_PN: &str = "200@s.whatsapp.net";

fn alice_pn() -> SignalAddress {
    SignalAddress::from_jid(&ALICE_PN.parse().unwrap()).unwrap()
}

fn says(outcome: &Outcome, expected: &str) -> bool {
    matches!(outcome, Outcome::Content(message) if message.as_text() == Some(expected))
}

#[test]
fn a_session_that_moves_to_the_lid_goes_on_and_the_one_there_still_reads() {
    let mut chat = Chat::new();
    // One session began under the number, and another, with the same phone, under the LID.
    let (first, late) = (chat.seal(&text("1")), chat.seal(&text("late under the number")));
    assert!(says(&chat.open_as(&alice_pn(), ALICE_PN, vec![first]).0, "1"));
    let mut again = Chat::new_from(&chat);
    let (second, later) = (again.seal(&text("2")), again.seal(&text("late under the LID")));
    chat.received.load_signed_pre_key(again.signed.clone());
    assert!(says(&chat.open(ALICE, vec![second]).0, "2"));

    let mut changes = Changes::new();
    let current = chat.received.current_session(&alice_pn());
    chat.received.migrate(&alice_pn(), &alice(), &mut changes);
    assert_eq!(
        chat.received.current_session(&alice()),
        current,
        "the number's session is the one to send on"
    );
    assert!(!chat.received.knows(&alice_pn()) && chat.received.can_send_to(&alice()));
    assert_eq!(chat.received.identity(&alice()), Some(chat.alice.public));
    assert_eq!(chat.received.identity(&alice_pn()), None);
    assert!(says(&chat.open(ALICE, vec![late]).0, "late under the number"));
    assert!(says(&chat.open(ALICE, vec![later]).0, "late under the LID"));
    // And all of it is written: gone there, here now.
    chat.received.stage(&mut changes);
    let text = format!("{changes:?}");
    assert!(
        text.contains("DeleteSession") && text.contains("DeleteIdentity") && text.contains("PutSession"),
        "{text}"
    );
}

#[test]
fn nothing_is_sent_any_more_on_a_moved_session_of_an_identity_that_was_replaced() {
    let mut chat = Chat::new();
    let old = chat.seal(&text("old phone"));
    assert!(says(&chat.open_as(&alice_pn(), ALICE_PN, vec![old]).0, "old phone"));
    let late = chat.seal(&text("late"));
    // The phone was set up anew, and wrote under its LID.
    let mut renewed = Chat::new_from(&chat);
    renewed.begin_anew();
    chat.received.load_signed_pre_key(renewed.signed.clone());
    let new = renewed.seal(&text("new phone"));
    assert!(says(&chat.open(ALICE, vec![new]).0, "new phone"));
    let current = chat.received.current_session(&alice());
    chat.received.migrate(&alice_pn(), &alice(), &mut Changes::new());
    assert_eq!(chat.received.current_session(&alice()), current);
    assert_eq!(chat.received.identity(&alice()), Some(renewed.alice.public), "the LID's is the newer one");
    assert!(says(&chat.open(ALICE, vec![late]).0, "late"), "what was under way is still read");
}

#[test]
fn a_sender_key_moves_to_the_lid() {
    let mut ratchets = Ratchets::default();
    let name = |sender| SenderKeyName { group: GROUP.parse().unwrap(), sender };
    let mut key = OwnSenderKey::generate(&mut SystemRandom);
    ratchets.process_distribution(name(alice_pn()), &key.distribution().to_bytes()).unwrap();
    ratchets.migrate_sender_key(&name(alice_pn()), &name(alice()), &mut Changes::new());
    let message = key.encrypt(b"to all", &mut SystemRandom).unwrap();
    assert_eq!(ratchets.open_group(&name(alice()), &message).unwrap(), b"to all");
    // A newer one under the LID is not overwritten by what comes later under the number.
    let other = OwnSenderKey::generate(&mut SystemRandom);
    ratchets.process_distribution(name(alice_pn()), &other.distribution().to_bytes()).unwrap();
    ratchets.migrate_sender_key(&name(alice_pn()), &name(alice()), &mut Changes::new());
    let message = key.encrypt(b"again", &mut SystemRandom).unwrap();
    assert_eq!(ratchets.open_group(&name(alice()), &message).unwrap(), b"again");
}
