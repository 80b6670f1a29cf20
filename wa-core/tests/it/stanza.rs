//! Stanzas: the shapes that the chapters show, and every reader on good, minimal and malformed input.

use serde_json::Value as Json;
use wa_core::stanza::iq::encrypt::{
    BundleAnswer, CountPreKeys, FetchBundles, KeyDigest, SignedKey, UploadPreKeys, key_node,
};
use wa_core::stanza::iq::usync::FetchDevices;
use wa_core::stanza::iq::{IqRefusal, IqRequest, md, passive, ping};
use wa_core::stanza::message::{Class, EncKind, InboundMessage, OutboundMessage, Unavailable};
use wa_core::stanza::notification::Notification;
use wa_core::stanza::pairing::{PairingRequest, pair_device_sign};
use wa_core::stanza::receipt::{InboundReceipt, OutboundReceipt, ReceiptKind};
use wa_core::stanza::retry::{Origin, RetryKeys, RetryRequest};
use wa_core::stanza::stream::{BanCause, Failure, Refusal, StreamError, Success};
use wa_core::stanza::{Reader, StanzaError, ack, ib, iq};
use wa_core::wire::{self, Document, Node};
use wa_types::{Jid, MessageId, PreKeyId, PublicKey, RegistrationId, Signature, UnixSeconds};

use crate::vectors::{self, array, bytes, text};

macro_rules! jid {
    ($text:expr) => {
        $text.parse::<Jid>().unwrap()
    };
}

fn document(node: &Node) -> Document<'static> {
    let encoded = wire::encode(node).unwrap();
    let body = wire::unpack(&encoded).unwrap().into_owned();
    wire::decode(&body).unwrap().into_owned()
}

fn with<T>(node: &Node, read: impl FnOnce(Reader<'_>) -> T) -> T {
    let document = document(node);
    read(Reader::new(document.root()))
}

fn message(node: &Node) -> Result<InboundMessage, StanzaError> {
    with(node, |stanza| InboundMessage::read(stanza, |jid| *jid == jid!("900:7@lid")))
}

fn inbound(from: &str) -> Node {
    Node::new("message")
        .attr("id", "A1")
        .attr("from", jid!(from))
        .attr("t", "1760000000")
        .attr("type", "text")
}

fn enc(kind: &str) -> Node {
    Node::new("enc").attr("v", "2").attr("type", kind).bytes(vec![1, 2])
}

#[test]
fn every_retry_vector_holds() {
    for case in &vectors::load("retry").cases {
        let fields = &case["fields"];
        let optional = |key: &str| fields[key].as_str().map(|text| jid!(text));
        let mut node = inbound(text(fields, "to")).attr("id", text(fields, "id")).child(enc("msg"));
        node = node
            .attr_opt("participant", optional("participant"))
            .attr_opt("recipient", optional("recipient"));
        node = node.attr_opt("category", fields["category"].as_str());
        let message = message(&node).unwrap();
        let key = |key: &Json| {
            let id = PreKeyId::new(u32::try_from(key["id"].as_u64().unwrap()).unwrap()).unwrap();
            (id, PublicKey::new(array(key, "public")))
        };
        let device_identity = fields["device_identity"].as_str().map(|_| bytes(fields, "device_identity"));
        let keys = device_identity.as_deref().map(|device_identity| {
            let signed = &fields["signed_pre_key"];
            let (id, public) = key(signed);
            RetryKeys {
                identity: PublicKey::new(array(fields, "identity")),
                one_time: Some(&fields["one_time_pre_key"]).filter(|key| !key.is_null()).map(key),
                signed: SignedKey { id, key: public, signature: Signature::new(array(signed, "signature")) },
                device_identity,
            }
        });
        let small = |key: &str| fields[key].as_u64().map(|number| u8::try_from(number).unwrap());
        let request = RetryRequest {
            origin: &Origin::of(&message),
            count: small("count").unwrap(),
            code: small("error"),
            registration_id: RegistrationId(
                u32::try_from(fields["registration_id"].as_u64().unwrap()).unwrap(),
            ),
            keys,
        };
        // Device 0 has no number in our text form.
        let expected = canonical_json(&case["node"]).replace(":0@", "@");
        assert_eq!(canonical(&request.to_node()), expected, "{}", case["name"]);
    }
}

#[test]
fn a_request_is_read_as_the_other_side_wrote_it() {
    let device_identity = [9; 80];
    let signed =
        SignedKey { id: PreKeyId::FIRST, key: PublicKey::new([2; 32]), signature: Signature::new([3; 64]) };
    let keys = RetryKeys {
        identity: PublicKey::new([1; 32]),
        one_time: Some((PreKeyId::MAX, PublicKey::new([4; 32]))),
        signed,
        device_identity: &device_identity,
    };
    let sent = message(&inbound("900:7@lid").child(enc("msg"))).unwrap();
    let origin = Origin::of(&sent);
    let registration_id = RegistrationId(0x0102_0304);
    let request = |keys| {
        let node = RetryRequest { origin: &origin, count: 2, code: Some(7), registration_id, keys }.to_node();
        node.attr("from", jid!("1:5@lid"))
    };
    let read = |node: &Node| with(node, InboundReceipt::read).unwrap();
    let receipt = read(&request(Some(keys)));
    assert_eq!(receipt.kind, ReceiptKind::Retry);
    let asked = receipt.retry.unwrap();
    assert_eq!((asked.count, asked.code, asked.registration_id), (2, Some(7), Some(registration_id)));
    let bundle = asked.keys.unwrap();
    assert_eq!(
        (bundle.registration_id, bundle.identity, bundle.signed),
        (registration_id, keys.identity, signed)
    );
    assert_eq!(bundle.one_time, keys.one_time);
    assert_eq!(bundle.device_identity.as_deref(), Some(&device_identity[..]));

    assert_eq!(read(&request(None)).retry.unwrap().keys, None);
    // What cannot be right is no request at all; the receipt is one all the same.
    let base = || Node::new("receipt").attr("id", "A").attr("from", jid!("1@lid")).attr("type", "retry");
    let retry = |count: &'static str| Node::new("retry").attr("count", count);
    assert_eq!(read(&base()).retry, None);
    assert_eq!(read(&base().child(retry("1")).child(Node::new("keys"))).retry, None);
    assert_eq!(read(&base().child(retry("many"))).retry.unwrap().count, u8::MAX);
    assert_eq!(read(&base().child(retry("300"))).retry.unwrap().count, u8::MAX);
}

#[test]
fn why_there_is_nothing_for_us_is_told_apart() {
    let mark = || Node::new("unavailable");
    let read = |node: Node| message(&node).unwrap().unavailable;
    let empty = || inbound("1@lid");
    assert_eq!(read(empty()), None);
    assert_eq!(read(empty().child(mark())), Some(Unavailable::Plain));
    assert_eq!(read(empty().child(mark().attr("hosted", "true"))), Some(Unavailable::Hosted));
    assert_eq!(read(empty().child(mark().attr("type", "view_once"))), Some(Unavailable::ViewOnce));
    let named = empty().attr("subtype", "view_once_unavailable_fanout");
    assert_eq!(read(named.child(mark())), Some(Unavailable::ViewOnce));
    assert_eq!(read(empty().child(mark()).child(Node::new("bot"))), Some(Unavailable::Bot));
    assert_eq!(read(empty().child(mark().attr("type", "tomorrow"))), Some(Unavailable::Plain));
}

#[test]
fn the_digest_of_our_keys_is_read() {
    let id = |byte: u8| Node::new("id").bytes(vec![0, 0, byte]);
    let digest = Node::new("digest")
        .child(Node::new("registration").bytes(vec![0, 0, 0, 9]))
        .child(Node::new("identity").bytes(vec![1; 32]))
        .child(Node::new("skey").child(id(4)))
        .child(Node::new("list").child(id(5)).child(id(6)))
        .child(Node::new("hash").bytes(vec![7; 20]));
    let reply = |child: Node| Node::new("iq").attr("type", "result").child(child);
    let keys = with(&reply(digest.clone()), KeyDigest::read).unwrap().unwrap();
    assert_eq!((keys.registration_id, keys.signed_id.get()), (RegistrationId(9), 4));
    assert_eq!(keys.one_time.iter().map(|id| id.get()).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(with(&Node::new("iq"), KeyDigest::read).unwrap(), None);
    let short = Node::new("digest").child(Node::new("hash").bytes(vec![7; 19]));
    assert!(with(&reply(short), KeyDigest::read).is_err());
}

/// A spelling in which the order of attributes and of children does not matter.
fn canonical(node: &Node) -> String {
    let attrs = node.attrs.iter().map(|(name, value)| format!("{name}={}", value.to_text())).collect();
    let content = node.content_bytes().map(hex::encode);
    spell(&node.tag, attrs, content, node.nodes().iter().map(canonical).collect())
}

fn canonical_json(node: &Json) -> String {
    let attrs = node["attrs"].as_object().unwrap().iter();
    let attrs = attrs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    let children = node["content"].as_array().into_iter().flatten().map(canonical_json).collect();
    spell(text(node, "tag"), attrs, node["content_hex"].as_str().map(str::to_owned), children)
}

fn spell(tag: &str, mut attrs: Vec<String>, content: Option<String>, mut children: Vec<String>) -> String {
    attrs.sort();
    children.sort();
    format!("<{tag} {}>{}{}</{tag}>", attrs.join(" "), content.unwrap_or_default(), children.concat())
}

#[test]
fn requests_have_the_shapes_of_the_chapters() {
    let signed =
        SignedKey { id: PreKeyId::FIRST, key: PublicKey::new([2; 32]), signature: Signature::new([3; 64]) };
    let upload = UploadPreKeys {
        registration_id: RegistrationId(1),
        identity: PublicKey::new([1; 32]),
        one_time: vec![(PreKeyId::FIRST, PublicKey::new([4; 32]))],
        signed,
    };
    let iq = |kind: &str, namespace: &str, body: &str| {
        let head = format!("<iq id=\"7\" to=\"s.whatsapp.net\" type=\"{kind}\" xmlns=\"{namespace}\"");
        if body.is_empty() { format!("{head}></iq>") } else { format!("{head}>\n{body}\n</iq>") }
    };
    let devices = vec![jid!("1:5@s.whatsapp.net"), jid!("2@lid")];
    let cases = [
        (ping::Ping.to_node("7"), iq("get", "w:p", "")),
        (passive::SetActive.to_node("7"), iq("set", "passive", "  <active/>")),
        (CountPreKeys.to_node("7"), iq("get", "encrypt", "  <count/>")),
        (
            md::RemoveCompanion { jid: jid!("1:5@s.whatsapp.net"), reason: md::RemovalReason::UserInitiated }
                .to_node("7"),
            iq(
                "set",
                "md",
                "  <remove-companion-device jid=\"1:5@s.whatsapp.net\" reason=\"user_initiated\"/>",
            ),
        ),
        (
            md::CleanDirty { kind: "groups".into(), timestamp: "5".into() }.to_node("7"),
            iq("set", "urn:xmpp:whatsapp:dirty", "  <clean type=\"groups\" timestamp=\"5\"/>"),
        ),
        (
            FetchBundles { devices, is_renewal: false }.to_node("7"),
            iq(
                "get",
                "encrypt",
                "  <key>\n    <user jid=\"1:5@s.whatsapp.net\"/>\n    <user jid=\"2@lid\"/>\n  </key>",
            ),
        ),
        (
            FetchDevices { sid: "s".into(), users: vec![jid!("2@lid")] }.to_node("7"),
            iq(
                "get",
                "usync",
                "  <usync sid=\"s\" mode=\"query\" last=\"true\" index=\"0\" context=\"message\">\n    <query>\n      \
                 <devices version=\"2\"/>\n      <lid/>\n    </query>\n    <list>\n      <user jid=\"2@lid\"/>\n    \
                 </list>\n  </usync>",
            ),
        ),
        (ib::offline_batch(200), "<ib>\n  <offline_batch count=\"200\"/>\n</ib>".into()),
    ];
    for (node, expected) in cases {
        assert_eq!(node.to_xml(), expected);
    }
    let node = upload.to_node("7");
    let tags: Vec<&str> = node.nodes().iter().map(|child| &*child.tag).collect();
    assert_eq!(tags, ["registration", "type", "identity", "list", "skey"]);
    assert_eq!(node.find("registration").unwrap().content_bytes(), Some([0, 0, 0, 1].as_slice()));
    assert_eq!(node.find("type").unwrap().content_bytes(), Some([5].as_slice()));
    assert_eq!(
        node.find("list").unwrap().nodes()[0].find("id").unwrap().content_bytes(),
        Some(&[0, 0, 1][..])
    );
    let identity = pair_device_sign("7", 3, b"sig".to_vec());
    assert!(identity.to_xml().contains("<device-identity key-index=\"3\">sig</device-identity>"));
    assert_eq!(
        iq::error("7", 501, "x").to_xml(),
        "<iq id=\"7\" to=\"s.whatsapp.net\" type=\"error\">\n  <error code=\"501\" text=\"x\"/>\n</iq>"
    );
}

#[test]
fn an_outbound_message_names_its_class_and_shows_the_identity_only_when_a_session_begins() {
    let (to, id, pn) = (jid!("800@lid"), MessageId::new("A1"), jid!("1@s.whatsapp.net"));
    let build = |kind, class| OutboundMessage {
        to: &to,
        id: &id,
        class,
        recipients: vec![(jid!("800:3@lid"), kind, b"ct".to_vec())],
        device_identity: Some(b"who"),
        recipient_pn: Some(&pn),
        trust: None,
    };
    assert_eq!(
        build(EncKind::PreKey, Class::TEXT).into_node().to_xml(),
        "<message to=\"800@lid\" id=\"A1\" type=\"text\" peer_recipient_pn=\"1@s.whatsapp.net\">\n  <participants>\n    \
         <to jid=\"800:3@lid\">\n      <enc v=\"2\" type=\"pkmsg\">ct</enc>\n    </to>\n  </participants>\n  \
         <device-identity>who</device-identity>\n</message>"
    );
    let media = build(EncKind::Message, Class::media("image")).into_node().to_xml();
    assert!(media.contains("type=\"media\"") && media.contains("mediatype=\"image\""), "{media}");
    assert!(!media.contains("device-identity"), "{media}");
}

#[test]
fn receipts_have_the_shapes_of_the_chapters() {
    let mut receipt =
        OutboundReceipt::new(jid!("1:5@s.whatsapp.net"), Some("inactive"), MessageId::new("A1"));
    receipt.ids.push(MessageId::new("A2"));
    assert_eq!(
        receipt.into_node().to_xml(),
        "<receipt id=\"A1\" to=\"1:5@s.whatsapp.net\" type=\"inactive\">\n  <list>\n    <item id=\"A2\"/>\n  \
         </list>\n</receipt>"
    );
    let status = OutboundReceipt::new(Jid::STATUS, None, MessageId::new("A1")).into_node();
    assert_eq!(status.to_xml(), "<receipt id=\"A1\" to=\"status@broadcast\" context=\"status\"/>");
}

#[test]
fn acks_copy_what_the_server_matches_them_by() {
    let ack = |node: &Node| with(node, ack::for_stanza).to_xml();
    let stanza = |tag: &'static str| Node::new(tag).attr("id", "A1").attr("from", jid!("1@s.whatsapp.net"));
    let head = |class: &str| format!("<ack class=\"{class}\" id=\"A1\" to=\"1@s.whatsapp.net\"");
    let cases = [
        (stanza("notification").attr("type", "devices"), "notification", " type=\"devices\"/>"),
        (stanza("notification").attr("type", "encrypt").child(Node::new("identity")), "notification", "/>"),
        (stanza("receipt").attr("type", "read"), "receipt", " type=\"read\"/>"),
        (stanza("message").attr("type", "text"), "message", "/>"),
        (stanza("call").child(Node::new("offer")), "call", " type=\"offer\"/>"),
    ];
    for (node, class, tail) in cases {
        assert_eq!(ack(&node), head(class) + tail);
    }
}

#[test]
fn an_inbound_message_is_read_whole_or_refused_with_its_place() {
    let minimal = message(&inbound("1:5@s.whatsapp.net").child(enc("pkmsg"))).unwrap();
    assert_eq!((minimal.sender().device(), minimal.encs.len(), minimal.offline), (5, 1, None));

    let mine = Node::new("to").attr("jid", jid!("900:7@lid")).child(enc("msg").attr("count", "300"));
    let odd = Node::new("to").attr("jid", "@@").child(enc("msg"));
    let full = inbound("1203@g.us")
        .attr("participant", jid!("800:3@lid"))
        .attr("participant_lid", jid!("800@lid"))
        .attr("participant_pn", jid!("1@s.whatsapp.net"))
        .attr("offline", "")
        .attr("notify", "-")
        .child(enc("skmsg"))
        .child(enc("sonething"))
        .child(Node::new("participants").children([odd, mine]));
    let full = message(&full).unwrap();
    assert_eq!(full.sender_alt, Some(jid!("1@s.whatsapp.net")), "the hint of the other name space counts");
    let kinds: Vec<_> = full.encs.iter().map(|enc| (enc.kind, enc.count)).collect();
    assert_eq!(kinds, [(EncKind::Message, u8::MAX), (EncKind::SenderKey, 0)]);
    assert_eq!((full.offline, full.push_name.as_deref()), (Some(0), None));
    let named = message(&inbound("1@s.whatsapp.net").attr("notify", "Ana").child(enc("msg"))).unwrap();
    assert_eq!(named.push_name.as_deref(), Some("Ana"));
    assert!(!format!("{named:?}").contains("Ana"), "names are not for logs");

    let dm = message(&inbound("1:5@s.whatsapp.net").attr("participant", jid!("2@s.whatsapp.net"))).unwrap();
    assert_eq!(dm.sender(), &jid!("1:5@s.whatsapp.net"), "a direct chat has one sender");

    let many = inbound("1@s.whatsapp.net").children((0..5000).map(|_| enc("msg")));
    assert!(message(&many).unwrap().encs.len() <= 16);

    let malformed = [
        (Node::new("message").attr("from", Jid::SERVER), "id"),
        (Node::new("message").attr("id", "A1"), "from"),
        (Node::new("message").attr("id", "A1").attr("from", "no jid"), "from"),
        (inbound("1203@g.us"), "participant"),
        (inbound("status@broadcast"), "participant"),
    ];
    for (node, place) in malformed {
        let error = message(&node).unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    }
}

#[test]
fn an_inbound_receipt_keeps_the_ids_that_are_there() {
    let read = |node: &Node| with(node, InboundReceipt::read);
    let receipt = Node::new("receipt").attr("id", "A1").attr("from", jid!("1@s.whatsapp.net"));
    assert_eq!(read(&receipt).unwrap().kind, ReceiptKind::Delivered);
    let items = [Node::new("item").attr("id", "A2"), Node::new("item").attr("server_id", "100")];
    let listed =
        read(&receipt.clone().attr("type", "view").child(Node::new("list").children(items))).unwrap();
    assert_eq!(listed.ids, [MessageId::new("A1"), MessageId::new("A2")]);
    assert_eq!(listed.kind, ReceiptKind::Other("view".into()));
    let huge = (0..4000).map(|n| Node::new("item").attr("id", n));
    assert_eq!(read(&receipt.child(Node::new("list").children(huge))).unwrap().ids.len(), 257);
    assert!(read(&Node::new("receipt").attr("id", "A1")).is_err());
}

#[test]
fn notifications_and_stream_ends_are_told_apart() {
    let notification = |node: Node| with(&node.attr("from", jid!("1@s.whatsapp.net")), Notification::read);
    let encrypt = || Node::new("notification").attr("type", "encrypt");
    let low = notification(encrypt().child(Node::new("count").attr("value", "many"))).unwrap();
    assert_eq!(low, Notification::PreKeysLow { count: 0 });
    let other = notification(Node::new("notification")).unwrap();
    assert_eq!(other, Notification::Other { kind: String::new() });
    assert!(with(&Node::new("notification").attr("type", "devices"), Notification::read).is_err());

    let conflict =
        |kind: &'static str| Node::new("stream:error").child(Node::new("conflict").attr("type", kind));
    let code = |code: u32| Node::new("stream:error").attr("code", code);
    let cases = [
        (code(515), StreamError::RestartRequired),
        (code(516), StreamError::LoggedOut),
        (code(401), StreamError::LoggedOut),
        (code(409), StreamError::Replaced),
        (code(429), StreamError::RateLimited),
        (code(503), StreamError::ServerTrouble(503)),
        (code(413), StreamError::Code(413)),
        (conflict("replaced"), StreamError::Replaced),
        (conflict("device_removed"), StreamError::LoggedOut),
        (conflict("new"), StreamError::UnknownConflict),
        (conflict("new").attr("code", 401), StreamError::LoggedOut),
        (Node::new("stream:error").child(Node::new("ack")), StreamError::Unacknowledged),
        (Node::new("stream:error").child(Node::new("xml-not-well-formed")), StreamError::NotWellFormed),
        (Node::new("stream:error"), StreamError::Unknown),
    ];
    for (node, expected) in cases {
        assert_eq!(with(&node, StreamError::read), expected, "{}", node.to_xml());
    }
    let failure = with(&Node::new("failure").attr("reason", "99999").attr("expire", "60"), Failure::read);
    assert_eq!(
        (failure.reason, failure.expires_in.map(|time| time.as_secs())),
        (Refusal::Other(0), Some(60))
    );
    let banned = Node::new("failure").attr("reason", 402).attr("code", 104).attr("appeal_token", "T0K3N");
    let banned = with(&banned, Failure::read);
    assert_eq!((banned.reason, banned.ban), (Refusal::TemporaryBan, Some(BanCause::SameMessageToTooMany)));
    assert_eq!(banned.details.get("appeal_token").map(String::as_str), Some("T0K3N"), "told only once");
    assert!(!format!("{banned:?}").contains("T0K3N"));
    let success = with(&Node::new("success").attr("t", "x").attr("lid", "@@"), Success::read);
    assert_eq!((success.timestamp, success.lid), (None, None));
}

#[test]
fn one_malformed_user_or_device_is_not_the_others_fault() {
    let user = |jid: &'static str| Node::new("user").attr("jid", jid);
    let skey = key_node("skey", PreKeyId::FIRST, &PublicKey::new([1; 32]))
        .child(Node::new("signature").bytes(vec![0; 64]));
    let good = user("1@s.whatsapp.net")
        .child(Node::new("registration").bytes(vec![0, 0, 0, 1]))
        .child(Node::new("identity").bytes(vec![9; 32]))
        .child(skey);
    let gone = user("2@lid").child(Node::new("error").attr("code", "406"));
    let list = Node::new("list").children([user("undefined"), user("3@lid"), gone, good]);
    let answers = with(&Node::new("iq").child(list), FetchBundles::read).unwrap();
    assert_eq!(answers.len(), 3);
    assert_eq!((&answers[0].1, &answers[1].1), (&BundleAnswer::Unavailable, &BundleAnswer::Gone));
    assert!(matches!(&answers[2].1, BundleAnswer::Bundle(bundle) if bundle.one_time.is_none()));

    let device = |id: u32| Node::new("device").attr("id", id);
    let devices = [device(0), device(7).attr("key-index", 3), device(7), device(70_000), device(99)];
    let listed = Node::new("devices").child(Node::new("device-list").children(devices));
    let lid = Node::new("lid").attr("val", "900@lid");
    let users = [user("undefined"), user("1@s.whatsapp.net").child(listed).child(lid), user("2@lid")];
    let usync = |result: Node| {
        let list = Node::new("list").children(users.clone());
        with(&Node::new("iq").child(Node::new("usync").child(result).child(list)), FetchDevices::read)
    };
    let read = usync(Node::new("result").child(Node::new("devices"))).unwrap();
    assert_eq!((read.len(), &read[0].lid, &read[1].devices), (2, &Some(jid!("900@lid")), &None));
    let ids: Vec<_> = read[0].devices.iter().flatten().map(|device| (device.id, device.is_hosted)).collect();
    assert_eq!(ids, [(0, false), (7, false), (99, true)]);
    let error = Node::new("error").attr("code", "503");
    let failed = usync(Node::new("result").child(Node::new("devices").child(error)));
    assert_eq!(failed.unwrap_err(), StanzaError::Refused { part: "devices", code: 503 });
}

#[test]
fn pairing_and_refusals_are_read() {
    let success = |jid: &'static str| {
        let device = Node::new("device").attr("jid", jid).attr("lid", "900:7@lid");
        let children = [device, Node::new("device-identity").bytes(b"hmac".to_vec())];
        Node::new("iq").child(Node::new("pair-success").children(children))
    };
    let read = with(&success("1:7@s.whatsapp.net"), PairingRequest::read).unwrap();
    assert!(matches!(read, Some(PairingRequest::PairSuccess(success)) if success.jid.device() == 7));
    assert!(with(&success("1203@g.us"), PairingRequest::read).is_err(), "a group is no device");
    assert!(with(&Node::new("iq").child(Node::new("pair-device")), PairingRequest::read).is_err());
    assert_eq!(with(&Node::new("iq"), PairingRequest::read).unwrap(), None);

    let error = Node::new("error").attr("code", "429").attr("text", "rate").attr("backoff", "5");
    let refusal = with(&Node::new("iq").attr("type", "error").child(error), IqRefusal::read).unwrap();
    assert_eq!((refusal.code, refusal.backoff.map(|time| time.as_secs())), (429, Some(5)));
    assert_eq!(with(&Node::new("iq").attr("type", "error"), IqRefusal::read).unwrap().code, 0);
    let t = with(&Node::new("ack").attr("error", "x").attr("t", 5), ack::MessageAck::read);
    assert_eq!((t.error, t.timestamp), (Some(0), Some(UnixSeconds(5))));
}
