//! Bytes ↔ nodes: known answers, limits, and the laws that hold for every input.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use wa_core::wire::{
    Content, DecodeError, EncodeError, MAX_DEPTH, MAX_INFLATED, Node, Value, ValueRef, decode, decode_owned,
    encode, encode_into, unpack,
};
use wa_types::{Jid, MessageId, Server};

use crate::vectors;

/// Flag byte, inflating, decoding and copying, as one step.
fn read(payload: &[u8]) -> Result<Node, DecodeError> {
    let body = unpack(payload)?;
    let node = decode(&body)?.root().to_node();
    assert_eq!(decode_owned(body.into_owned())?.root().to_node(), node);
    Ok(node)
}

fn node(json: &Json) -> Node {
    let mut node = Node::new(json["tag"].as_str().unwrap().to_owned());
    for pair in json["attrs"].as_array().unwrap() {
        let value = match &pair[1] {
            Json::String(text) => Value::from(text),
            jid => {
                let integrator = jid["integrator"].as_u64().unwrap_or(0);
                let jid: Jid = jid["jid"].as_str().unwrap().parse().unwrap();
                Value::from(jid.with_integrator(u16::try_from(integrator).unwrap()))
            }
        };
        node.attrs.push((pair[0].as_str().unwrap().to_owned().into(), value));
    }
    let Some(content) = json["content"].as_object() else {
        assert!(json["content"].is_null());
        return node;
    };
    let (form, content) = content.iter().next().unwrap();
    match form.as_str() {
        "text" => node.text(content.as_str().unwrap()),
        "bytes" => node.bytes(hex::decode(content.as_str().unwrap()).unwrap()),
        "fill" => {
            let byte = u8::from_str_radix(content["byte"].as_str().unwrap(), 16).unwrap();
            node.bytes(vec![byte; usize::try_from(content["count"].as_u64().unwrap()).unwrap()])
        }
        "children" => node.children(content.as_array().unwrap().iter().map(self::node)),
        other => panic!("content of an unknown form {other}"),
    }
}

#[test]
fn every_vector_holds() {
    for case in vectors::load("wire").cases {
        let name = vectors::text(&case, "name");
        match vectors::text(&case, "kind") {
            "both" => {
                let node = node(&case["node"]);
                let bytes = encode(&node).unwrap_or_else(|error| panic!("{name}: {error}"));
                if case.get("hex").is_some() {
                    assert_eq!(hex::encode(&bytes), vectors::text(&case, "hex"), "{name}");
                } else {
                    assert_eq!(hex::encode(&bytes[..64]), vectors::text(&case, "hex_head"), "{name}");
                    assert_eq!(Some(bytes.len() as u64), case["size"].as_u64(), "{name}");
                    assert_eq!(Sha256::digest(&bytes)[..], vectors::bytes(&case, "sha256"), "{name}");
                }
                assert_eq!(read(&bytes).as_ref(), Ok(&node), "{name}");
            }
            "decode" => {
                assert_eq!(read(&vectors::bytes(&case, "hex")), Ok(node(&case["node"])), "{name}");
            }
            "error" => assert!(read(&vectors::bytes(&case, "hex")).is_err(), "{name}"),
            other => panic!("{name}: a case of an unknown kind {other}"),
        }
    }
}

#[test]
fn malformed_input_is_refused_with_its_cause() {
    use DecodeError::*;
    let cases: &[(&str, &str, DecodeError)] = &[
        ("empty payload", "", Empty),
        ("flag only", "00", Empty),
        ("end of the stream", "02", StreamEnd),
        ("not zlib", "02f80119", Inflate),
        ("list cut short", "00f801", Truncated),
        ("child list cut short", "00f80219f801", Truncated),
        (
            "length beyond the input",
            "00f8021dfe7fffffffa1b2",
            Length { announced: 0x7FFF_FFFF, remaining: 2 },
        ),
        ("packed beyond the input", "00f803131aff841234", Length { announced: 4, remaining: 2 }),
        ("too many children", "00f80219f9fffff8010e", Count { announced: 65535, remaining: 3 }),
        ("not a list", "0003", NotANode(0x03)),
        ("empty list as a node", "0000", NotANode(0x00)),
        ("size zero", "00f80019", EmptyNode),
        ("empty tag", "00f801fc00", EmptyTag),
        ("no tag", "00f80100", EmptyTag),
        ("undefined byte as a tag", "00f801f4", Undefined(0xF4)),
        ("undefined byte as a value", "00f8031904f0", Undefined(0xF0)),
        ("undefined byte as content", "00f80219f2", Undefined(0xF2)),
        ("list as a value", "00f8031904f800", NotText(0xF8)),
        ("address as a name", "00f80319fa000304", NotText(0xFA)),
        ("address in an address", "00f8031904fafa000303", NotText(0xFA)),
        ("nibble 12", "00f803131aff01c1", Nibble(12)),
        ("filler in the middle", "00f803131aff02f112", Nibble(15)),
        ("filler at an even end", "00f803131aff021f1f", Nibble(15)),
        ("tag that is not UTF-8", "00f801fc01ff", Utf8),
        ("name that is not UTF-8", "00f80319fc02c32804", Utf8),
        ("value that is not UTF-8", "00f8031904fc01ff", Utf8),
        ("user that is not UTF-8", "00f8031904fafc01ff03", Utf8),
        ("domain 2", "00f8031306f70205ff8615551234567f", Domain(2)),
        ("domain 131", "00f8031306f78305ff8615551234567f", Domain(131)),
        ("pair without server", "00f8031306faff8615551234567f00", NoServer),
        ("bytes after the node", "00f8011f1f1f", Trailing(2)),
    ];
    for (name, payload, expected) in cases {
        assert_eq!(read(&hex::decode(payload).unwrap()).as_ref(), Err(expected), "{name}");
    }
}

#[test]
fn odd_forms_that_only_receivers_see_are_read() {
    let cases: &[(&str, &str, Node)] = &[
        ("absent value", "00f8031904 00", Node::new("iq").attr("type", "")),
        ("server as a token", "00f8031911 03", Node::new("iq").attr("to", "s.whatsapp.net")),
        ("odd packed text without bytes", "00f803131aff80", Node::new("message").attr("t", "")),
        ("even domain with bit 7", "00f8031306f78207fc0131", {
            Node::new("message").attr("from", Jid::new("1", Server::Hosted).with_device(7))
        }),
        ("text content packed as hex", "00f80219fb04deadbeef", Node::new("iq").text("DEADBEEF")),
        ("unknown server", "00f8031306fafc0131fc03666f6f", {
            Node::new("message").attr("from", Jid::new("1", Server::from_name("foo")))
        }),
    ];
    for (name, payload, expected) in cases {
        assert_eq!(read(&hex::decode(payload.replace(' ', "")).unwrap()).as_ref(), Ok(expected), "{name}");
    }
}

#[test]
fn the_server_has_one_address_however_it_is_spelled() {
    for payload in ["f8031911fa0003", "f803191103", "f8031911fafc00fc0e732e77686174736170702e6e6574"] {
        let body = hex::decode(payload).unwrap();
        let document = decode(&body).unwrap();
        let to = document.root().attr("to").unwrap();
        assert_eq!((to.to_jid(), &*to.to_text()), (Ok(Jid::SERVER), "s.whatsapp.net"));
    }
}

#[test]
fn of_two_attributes_with_one_name_the_last_counts() {
    let body = hex::decode("f805190429045a").unwrap();
    let document = decode(&body).unwrap();
    assert_eq!(document.root().attrs().len(), 2);
    assert_eq!(document.root().attr("type").unwrap().to_text(), "set");
    assert_eq!(document.root().to_node().get("type"), Some(&Value::from("set")));
    assert_eq!(Node::new("iq").attr("type", "get").attr("id", "1").attr("type", "set").attrs.len(), 2);
}

fn nested(levels: usize) -> Node {
    (1..levels).fold(Node::new("iq"), |node, _| Node::new("iq").child(node))
}

#[test]
fn nesting_has_a_limit_in_both_directions() {
    let deepest = nested(MAX_DEPTH);
    let bytes = encode(&deepest).unwrap();
    assert_eq!(read(&bytes), Ok(deepest));
    assert_eq!(encode(&nested(MAX_DEPTH + 1)), Err(EncodeError::TooDeep));

    let wrapped = [&[0x00, 0xF8, 0x02, 0x19, 0xF8, 0x01], &bytes[1..]].concat();
    assert_eq!(read(&wrapped), Err(DecodeError::TooDeep));
    let bottomless = [&[0x00][..], &[0xF8, 0x02, 0x19, 0xF8, 0x01].repeat(100_000)].concat();
    assert_eq!(read(&bottomless), Err(DecodeError::TooDeep));
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(vec![0x02], Compression::best());
    zlib.write_all(body).unwrap();
    zlib.finish().unwrap()
}

#[test]
fn a_compressed_body_is_inflated_up_to_its_limit() {
    for size in [0, 1, 255, 100_000, MAX_INFLATED] {
        let payload = compressed(&vec![7; size]);
        assert_eq!(unpack(&payload).unwrap().len(), size);
    }
    for size in [MAX_INFLATED + 1, 3 * MAX_INFLATED] {
        assert_eq!(unpack(&compressed(&vec![7; size])), Err(DecodeError::TooLarge), "{size}");
    }
    let mut payload = compressed(b"\xf8\x01\x1f");
    assert_eq!(read(&payload), Ok(Node::new("presence")));
    payload.extend([1, 2]);
    assert_eq!(unpack(&payload), Err(DecodeError::Trailing(2)));
    for end in 2..payload.len() - 2 {
        assert_eq!(unpack(&payload[..end]), Err(DecodeError::Inflate), "{end}");
    }
}

#[test]
fn what_has_no_form_on_the_wire_is_not_written() {
    let to = |jid: &Jid| Node::new("iq").attr("to", jid);
    let jids = [
        Jid::pn("1").with_device(256),
        Jid::lid("1").with_device(300),
        Jid::new("1", Server::Group).with_device(1),
        Jid::SERVER.with_device(1),
        Jid::pn("1").with_integrator(1),
        Jid::new("1", Server::Other("".into())),
    ];
    for jid in &jids {
        assert_eq!(encode(&to(jid)), Err(EncodeError::Jid(jid.clone())));
    }
    assert_eq!(encode(&Node::new("")), Err(EncodeError::EmptyTag));
    let many = Node::new("iq").children(vec![Node::new("item"); 65_536]);
    assert_eq!(encode(&many), Err(EncodeError::TooMany(65_536)));

    let mut out = b"before".to_vec();
    assert!(encode_into(&Node::new("iq").child(Node::new("")), &mut out).is_err());
    assert_eq!(out, b"before", "a failed node leaves nothing behind");
}

#[test]
fn servers_with_their_own_jid_tags_are_written_with_them() {
    for jid in [
        Jid::new("100012345678901", Server::Messenger).with_device(258),
        Jid::new("445566778899", Server::Interop).with_device(3).with_integrator(7),
    ] {
        let node = Node::new("message").attr("from", &jid);
        assert_eq!(read(&encode(&node).unwrap()), Ok(node));
    }
}

fn message() -> Node {
    Node::new("message")
        .attr("id", MessageId::new("3EB0A1B2C3D4"))
        .attr("from", Jid::pn("15551234567").with_device(5))
        .attr("participant", "15559876543@s.whatsapp.net")
        .attr("notify", "Zoë <\"&\">")
        .attr("t", 1_700_000_000_u64)
        .attr_opt("edit", None::<&str>)
        .child(Node::new("enc").attr("v", 2_u32).attr("type", "msg").bytes([0xDE, 0xAD, 0x00]))
        .child(Node::new("body").text("hello"))
        .child(Node::new("empty").children([]))
}

#[test]
fn xml_shows_the_whole_node() {
    let xml = r#"<message id="3EB0A1B2C3D4" from="15551234567:5@s.whatsapp.net" participant="15559876543@s.whatsapp.net" notify="Zoë &lt;&quot;&amp;&quot;&gt;" t="1700000000">
  <enc v="2" type="msg">0xdead00</enc>
  <body>hello</body>
  <empty></empty>
</message>"#;
    assert_eq!(message().to_xml(), xml);
    let bytes = encode(&message()).unwrap();
    assert_eq!(decode(&bytes[1..]).unwrap().root().to_xml(), xml);
}

#[test]
fn debug_shows_structure_and_no_secrets() {
    let shown = "message id=3EB0A1B2C3D4 from=…4567:5@s.whatsapp.net participant=…6543@s.whatsapp.net \
                 notify=[10 bytes] t=1700000000 { enc v=2 type=msg [3 bytes], body [5 bytes], empty { } }";
    assert_eq!(format!("{:?}", message()), shown);
    let bytes = encode(&message()).unwrap();
    let document = decode(&bytes[1..]).unwrap();
    assert_eq!(format!("{document:?}"), shown);
    assert_eq!(format!("{:?}", document.root()), shown);
    for (_, value) in document.root().attrs() {
        assert!(!format!("{value:?}").contains("Zo"));
    }
    let crowd = Node::new("list").children(vec![Node::new("item"); 1000]);
    assert!(format!("{crowd:?}").ends_with("item, 984 more }"));
    let busy = (0..40).fold(Node::new("a"), |node, n| node.attr(format!("k{n}"), ""));
    assert!(format!("{busy:?}").ends_with(" k31= and 8 more"));
    let forged = Node::new("a\nb").attr("c\nd", "").attr("type", "x y\n");
    assert_eq!(format!("{forged:?}"), "[3 bytes] [3 bytes]= type=[4 bytes]");
}

#[test]
fn a_document_is_read_in_place() {
    let stanza = Node::new("iq")
        .attr("from", Jid::lid("98765432109876").with_device(33))
        .attr("t", "1700000000")
        .child(
            Node::new("list").child(Node::new("item").text("available")).child(Node::new("item").bytes([1])),
        )
        .child(Node::new("user").attr("jid", Jid::STATUS))
        .child(Node::new("count").text("15551234567"));
    let bytes = encode(&stanza).unwrap();
    let document = decode(&bytes[1..]).unwrap();
    let root = document.root();
    assert!(root.has_children() && root.has_content() && root.bytes().is_none());
    assert_eq!(
        root.children().map(|child| child.tag().to_smol()).collect::<Vec<_>>(),
        ["list", "user", "count"]
    );

    let list = root.child("list").unwrap();
    assert_eq!(list.children().count(), 2);
    assert_eq!(list.child("item").unwrap().text().as_deref(), Some("available"));
    assert_eq!(list.children().last().unwrap().bytes().as_deref(), Some(&[1][..]));
    assert_eq!(root.child("count").unwrap().bytes().as_deref(), Some(&b"15551234567"[..]));
    assert!(root.child("item").is_none() && root.attr("none").is_none());

    let Some(ValueRef::Text(time)) = root.attr("t") else { panic!("a text") };
    assert_eq!(
        (time.parse(), time.len(), time == "1700000000", time == "1700000001"),
        (Ok(1_700_000_000), 10, true, false)
    );
    let Some(ValueRef::Jid(from)) = root.attr("from") else { panic!("an address") };
    assert_eq!((from.user(), from.device()), (from.user(), 33));
    assert!(from.user() == "98765432109876" && from.server() == "lid");
    assert_eq!(from.to_jid(), Jid::lid("98765432109876").with_device(33));

    let kept = document.into_owned();
    drop(bytes);
    assert_eq!(kept.root().to_node(), stanza);
}

/// Text of every kind that the encoder tells apart.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9.-]{0,140}",
        "[0-9A-F]{0,140}",
        "\\PC{0,40}",
        prop::sample::select(vec!["", "type", "read-self", "s.whatsapp.net", "404", "51", "xmlstreamend"])
            .prop_map(str::to_owned),
        (250..260_usize).prop_map(|length| "x".repeat(length)),
    ]
}

fn jid() -> impl Strategy<Value = Jid> {
    let address = |server: Server, user: String, device: u16| Jid::new(user, server).with_device(device);
    prop_oneof![
        (
            prop::sample::select(vec![Server::Pn, Server::Lid, Server::Hosted, Server::HostedLid]),
            "[0-9]{1,15}",
            0..256_u16
        )
            .prop_map(move |(server, user, device)| address(server, user, device)),
        (
            prop::sample::select(vec!["c.us", "g.us", "broadcast", "newsletter", "call", "bot", "else"]),
            text()
        )
            .prop_map(|(server, user)| Jid::new(user, Server::from_name(server))),
        ("[0-9]{1,15}", any::<u16>()).prop_map(move |(user, device)| address(
            Server::Messenger,
            user,
            device
        )),
        ("[0-9]{1,15}", any::<u16>(), any::<u16>()).prop_map(move |(user, device, integrator)| {
            address(Server::Interop, user, device).with_integrator(integrator)
        }),
    ]
}

fn any_node() -> impl Strategy<Value = Node> {
    let tag = || text().prop_filter("a tag", |tag| !tag.is_empty());
    let value = || prop_oneof![text().prop_map(Value::from), jid().prop_map(Value::from)];
    let attrs = move || prop::collection::vec((text(), value()), 0..5);
    let bare = move || {
        (tag(), attrs()).prop_map(|(tag, attrs)| {
            attrs.into_iter().fold(Node::new(tag), |node, (name, value)| node.attr(name, value))
        })
    };
    let leaf = (
        bare(),
        prop_oneof![
            Just(Content::None),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Content::Bytes),
            text().prop_map(Content::Text),
        ],
    )
        .prop_map(|(node, content)| Node { content, ..node });
    leaf.prop_recursive(4, 64, 6, move |inner| {
        (bare(), prop::collection::vec(inner, 0..6)).prop_map(|(node, children)| node.children(children))
    })
}

/// Whatever decodes can be walked, shown and copied; and if the copy can be written, it reads as itself.
fn examine(payload: &[u8]) {
    let Ok(body) = unpack(payload) else { return };
    let Ok(document) = decode(&body) else { return };
    let node = document.root().to_node();
    assert!(!format!("{document:?}").is_empty() && !node.to_xml().is_empty());
    if let Ok(bytes) = encode(&node) {
        assert_eq!(read(&bytes), Ok(node));
    }
}

proptest! {
    #[test]
    fn decode_undoes_encode(node in any_node()) {
        let bytes = encode(&node).unwrap();
        prop_assert_eq!(read(&bytes), Ok(node.clone()));
        prop_assert_eq!(read(&compressed(&bytes[1..])), Ok(node));
    }

    #[test]
    fn decode_never_panics(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        examine(&payload);
        examine(&[&[0x00, 0xF8], &payload[..]].concat());
    }

    #[test]
    fn decode_never_panics_on_damaged_nodes(
        node in any_node(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&node).unwrap();
        prop_assert!(read(&bytes[..end.index(bytes.len())]).is_err(), "cut short, yet read");
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        examine(&bytes);
    }
}

/// The fuzzer's only finding: `Debug` of a cursor called itself.
#[test]
fn debug_of_the_smallest_document_ends() {
    let document = decode(&[0xf8, 0x01, 0x1f]).unwrap();
    assert_eq!(format!("{:?}", document.root()), format!("{document:?}"));
}
