//! The handshake of both roles, the frames and the certificates: known answers and laws.

mod client_payload;

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;
use serde_json::Value;
use wa_core::crypto::{SystemRandom, curve25519, xeddsa};
use wa_core::noise::certificate::{self, CertificateChain, Issuer, Link, Validity};
use wa_core::noise::cipher::{Receiver, Sender, nonce};
use wa_core::noise::client_payload::ClientPayload;
use wa_core::noise::server::{Accepted, Identity, LoggedIn, Resumption, accept};
use wa_core::noise::symmetric::{Pattern, Symmetric};
use wa_core::noise::{
    CertificateError, Established, HandshakeError, Header, HeaderError, KnownServer, PROLOGUE, Part,
    RoutingInfo, TransportError, TrustRoot, ik, xx,
};
use wa_core::wire::frame::{FrameBuffer, FrameError, FrameStart, MAX_FRAME_SIZE, write_frame};
use wa_types::{KeyPair, PrivateKey, PublicKey, UnixSeconds};

use crate::vectors::{self, Scripted, array, bytes, text};

const NOW: UnixSeconds = UnixSeconds(1_754_006_400);

#[test]
fn every_case_of_the_noise_vectors_holds() {
    let mut kinds = BTreeMap::<String, usize>::new();
    for case in &vectors::load("noise").cases {
        let kind = text(case, "kind");
        *kinds.entry(kind.to_owned()).or_default() += 1;
        match kind {
            "xx" => full_handshake(case),
            "ik" => resumption(case),
            "xxfallback" => fallback(case),
            "certificate" => certificate_case(case),
            "framing" => framing(case),
            "first_frame" => first_frame(case),
            "nonce" => assert_eq!(
                nonce(u32::try_from(case["counter"].as_u64().unwrap()).unwrap()),
                array(case, "nonce")
            ),
            other => panic!("unknown kind {other}"),
        }
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}

/// The keys of a handshake's vector.
struct Keys {
    client_static: KeyPair,
    client_ephemeral: KeyPair,
    server_static: KeyPair,
    server_ephemeral: KeyPair,
    root: TrustRoot,
}

impl Keys {
    fn of(case: &Value) -> Self {
        Self {
            client_static: pair(case, "client_static"),
            client_ephemeral: pair(case, "client_ephemeral"),
            server_static: pair(case, "server_static"),
            server_ephemeral: pair(case, "server_ephemeral"),
            root: TrustRoot::new(pair(case, "test_root").public, 0),
        }
    }

    fn server(&self, case: &Value) -> Identity {
        Identity::with_encoded_chain(self.server_static.clone(), bytes(case, "server_payload"))
    }

    fn client_random(&self) -> Scripted {
        Scripted::new([self.client_ephemeral.private.as_bytes().as_slice()])
    }

    fn server_random(&self) -> Scripted {
        Scripted::new([self.server_ephemeral.private.as_bytes().as_slice()])
    }
}

fn pair(case: &Value, key: &str) -> KeyPair {
    let pair = curve25519::key_pair(PrivateKey::new(array(&case[key], "private")));
    assert_eq!(pair.public.as_bytes(), &array(&case[key], "public"), "{}: {key}", case["name"]);
    pair
}

fn full_handshake(case: &Value) {
    let keys = Keys::of(case);
    let name = text(case, "name");
    replay(case, "steps", Pattern::Xx, true);

    let (hello, client) = xx::start(keys.client_static.clone(), &mut keys.client_random());
    assert_eq!(hello, bytes(case, "client_hello"), "{name}");
    assert_state(client.symmetric(), &case["steps"][2], name);

    let routing =
        case["routing_info"].as_str().map(|hex| RoutingInfo::new(hex::decode(hex).unwrap()).unwrap());
    let mut wire = Vec::new();
    Header::new(routing.clone()).write(&mut wire);
    write_frame(&hello, &mut wire).unwrap();
    assert_eq!(wire, bytes(case, "client_hello_wire"), "{name}");
    let (header, size) = Header::read(&wire).unwrap().unwrap();
    assert_eq!((header.routing, &wire[size + 3..]), (routing, hello.as_slice()), "{name}");

    let accepted =
        accept(&keys.server(case), Resumption::Accept, &header.prologue, &hello, &mut keys.server_random());
    let Ok(Accepted::Full { hello, next: server }) = accepted else { panic!("{name}: {accepted:?}") };
    assert_eq!(hello, bytes(case, "server_hello"), "{name}");
    assert_eq!(framed(&hello), bytes(case, "server_hello_wire"), "{name}");
    assert_state(server.symmetric(), &case["steps"][7], name);

    let payload = bytes(case, "client_payload");
    let (finish, established) = client.finish(&hello, &payload, &keys.root, NOW).unwrap();
    assert_eq!(finish, bytes(case, "client_finish"), "{name}");
    assert_eq!(framed(&finish), bytes(case, "client_finish_wire"), "{name}");
    assert_eq!(established.server.static_key, keys.server_static.public);
    finish_connection(case, &keys, established, server.finish(&finish).unwrap());
}

fn resumption(case: &Value) {
    let keys = Keys::of(case);
    let name = text(case, "name");
    replay(case, "steps", Pattern::Ik, true);

    let known = known_server(PublicKey::new(array(case, "cached_server_static")));
    let payload = bytes(case, "client_payload");
    let (hello, client) =
        ik::start(keys.client_static.clone(), known, &payload, NOW, &mut keys.client_random()).unwrap();
    assert_eq!(hello, bytes(case, "client_hello"), "{name}");
    assert_eq!(first_message(&hello), bytes(case, "client_hello_wire"), "{name}");
    assert_state(client.symmetric(), &case["steps"][7], name);

    let accepted =
        accept(&keys.server(case), Resumption::Accept, &PROLOGUE, &hello, &mut keys.server_random());
    let Ok(Accepted::Resumed { hello, client: logged_in }) = accepted else { panic!("{name}: {accepted:?}") };
    assert_eq!(hello, bytes(case, "server_hello"), "{name}");
    assert_eq!(framed(&hello), bytes(case, "server_hello_wire"), "{name}");
    let answer = client.finish(&hello, &payload, &keys.root, NOW).unwrap();
    let ik::Answer::Resumed(established) = answer else { panic!("{name}: {answer:?}") };
    assert_eq!(established.server, known);
    finish_connection(case, &keys, established, logged_in);
}

fn fallback(case: &Value) {
    let keys = Keys::of(case);
    let name = text(case, "name");
    replay(case, "ik_steps", Pattern::Ik, false);
    replay(case, "steps", Pattern::XxFallback, true);

    let known = known_server(PublicKey::new(array(case, "stale_server_static")));
    let payload = bytes(case, "client_payload");
    let (hello, client) =
        ik::start(keys.client_static.clone(), known, &payload, NOW, &mut keys.client_random()).unwrap();
    assert_eq!(hello, bytes(case, "client_hello"), "{name}");
    assert_eq!(first_message(&hello), bytes(case, "client_hello_wire"), "{name}");
    assert_state(client.symmetric(), &case["ik_steps"][7], name);

    let accepted =
        accept(&keys.server(case), Resumption::Accept, &PROLOGUE, &hello, &mut keys.server_random());
    let Ok(Accepted::Full { hello, next: server }) = accepted else { panic!("{name}: {accepted:?}") };
    assert_eq!(hello, bytes(case, "server_hello"), "{name}");
    assert_eq!(framed(&hello), bytes(case, "server_hello_wire"), "{name}");
    assert_state(server.symmetric(), &case["steps"][7], name);
    let answer = client.finish(&hello, &payload, &keys.root, NOW).unwrap();
    let ik::Answer::FellBack { finish, established } = answer else { panic!("{name}: {answer:?}") };
    assert_eq!(finish, bytes(case, "client_finish"), "{name}");
    assert_eq!(framed(&finish), bytes(case, "client_finish_wire"), "{name}");
    assert_eq!(established.server.static_key, keys.server_static.public);
    finish_connection(case, &keys, established, server.finish(&finish).unwrap());
}

/// Who the client is, and the first frames both ways, on both sides.
fn finish_connection(case: &Value, keys: &Keys, client: Established, server: LoggedIn) {
    let name = text(case, "name");
    assert_eq!(server.static_key, keys.client_static.public, "{name}");
    assert_eq!(*server.payload, bytes(case, "client_payload"), "{name}");
    let (mut client, mut server) = (client.transport, server.transport);
    let frames = case["frames"].as_array().unwrap();
    assert!(!frames.is_empty());
    for frame in frames {
        let (write_key, sender, receiver) = match frame["direction"].as_str().unwrap() {
            "client_to_server" => ("client_write_key", &mut client.sender, &mut server.receiver),
            "server_to_client" => ("client_read_key", &mut server.sender, &mut client.receiver),
            other => panic!("unknown direction {other}"),
        };
        let plaintext = hex::decode(frame["plaintext"].as_str().unwrap()).unwrap();
        let counter = u32::try_from(frame["counter"].as_u64().unwrap()).unwrap();
        let wire = hex::decode(frame["wire"].as_str().unwrap()).unwrap();
        assert_eq!(hex::encode(nonce(counter)), frame["nonce"].as_str().unwrap(), "{name}");

        let mut out = Vec::new();
        sender.seal_frame(&plaintext, &mut out).unwrap();
        assert_eq!(out, wire, "{name}");
        assert_eq!(hex::encode(&out[3..]), frame["ciphertext"].as_str().unwrap(), "{name}");
        assert_eq!(receiver.open(&mut out[3..]).unwrap(), plaintext, "{name}");

        let mut out = Vec::new();
        Sender::new(&array(case, write_key), counter).seal_frame(&plaintext, &mut out).unwrap();
        assert_eq!(out, wire, "{name}: {write_key}");
    }
}

/// Goes through a vector's steps with the bare symmetric state, once sealing and once opening.
fn replay(case: &Value, list: &str, pattern: Pattern, whole: bool) {
    let steps = case[list].as_array().unwrap();
    let name = text(case, "name");
    if list == "steps" {
        assert_eq!(pattern.name(), bytes(case, "protocol_name"), "{name}");
    }
    for opening in [false, true] {
        let mut state = Symmetric::unmixed(pattern);
        for (index, step) in steps.iter().enumerate() {
            let field = |key: &str| hex::decode(step[key].as_str().unwrap()).unwrap();
            let operation = step["op"].as_str().unwrap();
            match operation.split_whitespace().next().unwrap() {
                "initialise" => assert_eq!(index, 0, "{name}"),
                "mix_hash" => state.mix_hash(&field("data")),
                "mix_key" => {
                    let secret: [u8; 32] = field("dh").try_into().unwrap();
                    assert_agreement(case, operation, &secret);
                    state.mix_key(&secret);
                }
                "encrypt/decrypt" | "encrypt" if opening => {
                    assert_eq!(
                        *state.decrypt(&field("ciphertext")).unwrap(),
                        field("plaintext"),
                        "{name}: {operation}"
                    );
                }
                "encrypt/decrypt" | "encrypt" => {
                    assert_eq!(
                        state.encrypt(&field("plaintext")),
                        field("ciphertext"),
                        "{name}: {operation}"
                    );
                }
                other => panic!("{name}: unknown operation {other}"),
            }
            assert_state(&state, step, name);
        }
        if whole {
            let (to_server, to_client) = state.split();
            assert_eq!(
                (*to_server, *to_client),
                (array(case, "client_write_key"), array(case, "client_read_key"))
            );
        }
    }
}

/// `mix_key ee: DH(client ephemeral, server ephemeral)`: the secret is what both sides compute.
fn assert_agreement(case: &Value, operation: &str, secret: &[u8; 32]) {
    let (_, arguments) = operation.split_once("DH(").unwrap();
    let (ours, theirs) = arguments.trim_end_matches(')').split_once(", ").unwrap();
    let ours = pair(case, &ours.replace(' ', "_"));
    if theirs == "cached server static" {
        let key = if case["cached_server_static"].is_string() {
            "cached_server_static"
        } else {
            "stale_server_static"
        };
        let theirs = PublicKey::new(array(case, key));
        assert_eq!(&*curve25519::agree(&ours.private, &theirs).unwrap(), secret, "{operation}");
        return;
    }
    let theirs = pair(case, &theirs.replace(' ', "_"));
    assert_eq!(&*curve25519::agree(&ours.private, &theirs.public).unwrap(), secret, "{operation}");
    assert_eq!(&*curve25519::agree(&theirs.private, &ours.public).unwrap(), secret, "{operation}");
}

fn assert_state(state: &Symmetric, step: &Value, name: &str) {
    let (chaining_key, key, counter) = state.danger_keys();
    let actual =
        [hex::encode(state.hash()), hex::encode(chaining_key), hex::encode(key), counter.to_string()];
    let expected = ["h", "ck", "k"].map(|field| step[field].as_str().unwrap().to_owned());
    assert_eq!(actual[..3], expected, "{name}: {}", step["op"]);
    assert_eq!(actual[3], step["n"].to_string(), "{name}: {}", step["op"]);
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(payload, &mut out).unwrap();
    out
}

fn first_message(hello: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Header::new(None).write(&mut out);
    write_frame(hello, &mut out).unwrap();
    out
}

fn known_server(static_key: PublicKey) -> KnownServer {
    KnownServer::new(static_key, ALWAYS, ALWAYS)
}

const ALWAYS: Validity = Validity { not_before: UnixSeconds(0), not_after: UnixSeconds(u64::MAX) };

fn certificate_case(case: &Value) {
    let name = text(case, "name");
    let root = TrustRoot::new(
        PublicKey::new(array(case, "root_public")),
        u32::try_from(case["root_serial"].as_u64().unwrap()).unwrap(),
    );
    let server = PublicKey::new(array(case, "server_static"));
    let now = UnixSeconds(case["now"].as_u64().unwrap());
    let verified = certificate::verify(&bytes(case, "chain"), &root, &server, now);
    assert_eq!(verified.is_ok(), case["accept"].as_bool().unwrap(), "{name}: {verified:?}");
    let expected = match name.trim_start_matches("certificate: ") {
        "valid" | "valid, other serials" => {
            let verified = verified.unwrap();
            assert!(verified.static_key == server && verified.is_valid_at(now), "{name}");
            return;
        }
        "leaf signed by the root instead of the intermediate" => {
            CertificateError::BadSignature { link: Link::Leaf }
        }
        "intermediate signed by another key" | "last signature bit flipped" => {
            CertificateError::BadSignature { link: Link::Intermediate }
        }
        "leaf key is not the server static key" => CertificateError::OtherServer,
        "intermediate issuerSerial is not the root serial" => {
            CertificateError::WrongIssuer { link: Link::Intermediate }
        }
        "leaf issuerSerial does not match" => CertificateError::WrongIssuer { link: Link::Leaf },
        "leaf expired" => CertificateError::Expired { link: Link::Leaf },
        "intermediate not yet valid" => CertificateError::NotYetValid { link: Link::Intermediate },
        "leaf missing" | "empty payload" => CertificateError::Missing { link: Link::Leaf },
        "intermediate missing" => CertificateError::Missing { link: Link::Intermediate },
        other => panic!("unknown case {other}"),
    };
    assert_eq!(verified, Err(expected), "{name}");
}

fn framing(case: &Value) {
    let name = text(case, "name");
    let list = |key: &str| -> Vec<Vec<u8>> {
        case[key].as_array().unwrap().iter().map(|hex| hex::decode(hex.as_str().unwrap()).unwrap()).collect()
    };
    let mut buffer = FrameBuffer::new();
    let mut frames = Vec::new();
    for chunk in list("chunks") {
        buffer.push(&chunk).unwrap();
        while let Some(frame) = buffer.next_frame().unwrap() {
            frames.push(frame.to_vec());
        }
    }
    assert_eq!(frames, list("frames"), "{name}");
    assert_eq!(buffer.unread(), bytes(case, "unconsumed"), "{name}");
}

fn first_frame(case: &Value) {
    let name = text(case, "name");
    let routing =
        case["routing_info"].as_str().map(|hex| RoutingInfo::new(hex::decode(hex).unwrap()).unwrap());
    assert_eq!(routing.as_ref().map(RoutingInfo::to_query).as_deref(), case["ws_query"].as_str(), "{name}");
    let header = Header::new(routing);
    let mut wire = Vec::new();
    header.write(&mut wire);
    let size = wire.len();
    write_frame(&bytes(case, "payload"), &mut wire).unwrap();
    assert_eq!(wire, bytes(case, "wire"), "{name}");
    assert_eq!(framed(&bytes(case, "second_payload")), bytes(case, "second_wire"), "{name}");

    for end in 0..size {
        assert_eq!(Header::read(&wire[..end]), Ok(None), "{name}: {end} bytes");
    }
    assert!(header.is_supported());
    assert_eq!(Header::read(&wire), Ok(Some((header, size))), "{name}");
}

#[test]
fn a_header_of_another_protocol_is_refused_at_its_first_wrong_byte() {
    for (bytes, expected) in [
        (b"G".as_slice(), Err(HeaderError::BadMagic)),
        (b"WX", Err(HeaderError::BadMagic)),
        (b"ED\x00\x02", Err(HeaderError::BadMagic)),
        (b"ED\x00\x01\x00\x00\x01xGET ", Err(HeaderError::BadMagic)),
        (b"WA\x05", Ok(None)),
        (b"", Ok(None)),
    ] {
        assert_eq!(Header::read(bytes), expected, "{bytes:?}");
    }
    let (header, size) = Header::read(b"WA\x05\x02rest").unwrap().unwrap();
    assert!(!header.is_supported());
    assert_eq!(size, 4);
    assert_eq!(RoutingInfo::new(vec![0; MAX_FRAME_SIZE + 1]), Err(HeaderError::RoutingTooLong));
}

#[test]
fn a_server_finds_header_and_frames_in_one_stream_of_bytes() {
    let mut wire = Vec::new();
    Header::new(Some(RoutingInfo::new(*b"somewhere").unwrap())).write(&mut wire);
    write_frame(b"hello", &mut wire).unwrap();
    write_frame(b"finish", &mut wire).unwrap();
    let (mut buffer, mut header, mut frames) = (FrameBuffer::new(), None, Vec::new());
    for byte in wire {
        buffer.push(&[byte]).unwrap();
        if header.is_none() {
            let Some((read, size)) = Header::read(buffer.unread()).unwrap() else { continue };
            buffer.skip(size);
            header = Some(read);
        }
        while let Some(frame) = buffer.next_frame().unwrap() {
            frames.push(frame.to_vec());
        }
    }
    assert_eq!(header.unwrap().routing.unwrap().as_bytes(), b"somewhere");
    assert_eq!(frames, [b"hello".to_vec(), b"finish".to_vec()]);
}

#[test]
fn a_long_frame_is_refused_and_its_length_is_not_believed() {
    let mut buffer = FrameBuffer::new();
    buffer.push(&[0xFF, 0xFF, 0xFF, 1, 2, 3]).unwrap();
    assert_eq!(buffer.next_frame(), Ok(None));
    assert!(buffer.capacity() <= 64 * 1024, "{}", buffer.capacity());

    let mut buffer = FrameBuffer::with_max_frame_size(1000);
    buffer.push(&[0, 3, 0xE9]).unwrap();
    assert_eq!(buffer.next_frame(), Err(FrameError::TooLong { size: 1001 }));
    assert_eq!(buffer.push(&vec![0; 33 << 20]), Err(FrameError::Overflow));

    let mut out = vec![7];
    assert_eq!(
        write_frame(&vec![0; MAX_FRAME_SIZE + 1], &mut out),
        Err(FrameError::TooLong { size: MAX_FRAME_SIZE + 1 })
    );
    assert_eq!(out, [7]);
}

#[test]
fn memory_of_a_large_frame_is_given_back() {
    let mut buffer = FrameBuffer::new();
    let large = framed(&vec![1; 1 << 20]);
    for piece in large.chunks(9000) {
        assert_eq!(buffer.next_frame(), Ok(None));
        buffer.push(piece).unwrap();
    }
    assert_eq!(buffer.next_frame().unwrap().unwrap().len(), 1 << 20);
    assert_eq!(buffer.next_frame(), Ok(None));
    assert!(buffer.capacity() <= 64 * 1024, "{}", buffer.capacity());
}

#[test]
fn a_frame_that_cannot_be_sealed_leaves_no_trace() {
    let mut out = b"before".to_vec();
    let mut sender = Sender::new(&[1; 32], 0);
    let frame = FrameStart::new(&mut out);
    out.resize(out.len() + MAX_FRAME_SIZE - 15, 0);
    assert_eq!(
        sender.seal(frame, &mut out),
        Err(TransportError::Frame(FrameError::TooLong { size: MAX_FRAME_SIZE + 1 }))
    );
    assert_eq!(out, b"before");
    sender.seal_frame(b"next", &mut out).unwrap();
    let mut receiver = Receiver::new(&[1; 32], 0);
    assert_eq!(receiver.open(&mut out[9..]).unwrap(), b"next", "the counter did not move");
}

#[test]
fn a_direction_ends_with_its_last_counter() {
    let (mut sender, mut receiver) = (Sender::new(&[1; 32], u32::MAX), Receiver::new(&[1; 32], u32::MAX));
    let mut out = Vec::new();
    sender.seal_frame(b"last", &mut out).unwrap();
    assert_eq!(receiver.open(&mut out[3..]).unwrap(), b"last");
    out.clear();
    assert_eq!(sender.seal_frame(b"more", &mut out), Err(TransportError::Exhausted));
    assert!(out.is_empty());
    assert_eq!(receiver.open(&mut [0; 20]), Err(TransportError::Exhausted));
}

#[test]
fn a_frame_out_of_order_or_changed_is_refused() {
    let mut sender = Sender::new(&[1; 32], 0);
    let mut out = Vec::new();
    sender.seal_frame(b"first", &mut out).unwrap();
    for place in 3..out.len() {
        let mut changed = out.clone();
        changed[place] ^= 1;
        let mut receiver = Receiver::new(&[1; 32], 0);
        assert_eq!(receiver.open(&mut changed[3..]), Err(TransportError::Tampered), "{place}");
    }
    assert_eq!(Receiver::new(&[1; 32], 1).open(&mut out[3..]), Err(TransportError::Tampered));
    assert_eq!(Receiver::new(&[1; 32], 0).open(&mut []), Err(TransportError::Tampered));
}

/// A server with a root of its own, and a client.
struct World {
    root: Issuer,
    server: Identity,
    client: KeyPair,
}

impl World {
    fn new() -> Self {
        let random = &mut SystemRandom;
        let root = Issuer::new(curve25519::generate(random), 0);
        let intermediate = Issuer::new(curve25519::generate(random), 1);
        let server = curve25519::generate(random);
        let validity =
            Validity { not_before: UnixSeconds(NOW.0 - 86_400), not_after: UnixSeconds(NOW.0 + 86_400) };
        let chain = root.issue_chain(&intermediate, &server.public, 2, validity, random);
        Self { root, server: Identity::new(server, &chain), client: curve25519::generate(random) }
    }

    fn accept(&self, hello: &[u8]) -> Result<Accepted, HandshakeError> {
        accept(&self.server, Resumption::Accept, &PROLOGUE, hello, &mut SystemRandom)
    }

    /// A full handshake whose messages `change` may change; both ends at the end.
    fn full(
        &self,
        mut change: impl FnMut(usize, &mut Vec<u8>),
    ) -> Result<(Established, LoggedIn), HandshakeError> {
        let (mut hello, client) = xx::start(self.client.clone(), &mut SystemRandom);
        change(0, &mut hello);
        let Accepted::Full { mut hello, next } = self.accept(&hello)? else {
            panic!("a client that knows nobody")
        };
        change(1, &mut hello);
        let (mut finish, established) = client.finish(&hello, b"payload", &self.root.trust_root(), NOW)?;
        change(2, &mut finish);
        Ok((established, next.finish(&finish)?))
    }

    /// A resumption whose messages `change` may change; the finish only when it falls back.
    fn resume(
        &self,
        known: KnownServer,
        mut change: impl FnMut(usize, &mut Vec<u8>),
    ) -> Result<(bool, Established, LoggedIn), HandshakeError> {
        let (mut hello, client) = ik::start(self.client.clone(), known, b"payload", NOW, &mut SystemRandom)?;
        change(0, &mut hello);
        let root = self.root.trust_root();
        match self.accept(&hello)? {
            Accepted::Resumed { mut hello, client: logged_in } => {
                change(1, &mut hello);
                match client.finish(&hello, b"payload", &root, NOW)? {
                    ik::Answer::Resumed(established) => Ok((true, established, logged_in)),
                    ik::Answer::FellBack { .. } => panic!("a resumption became a fallback"),
                }
            }
            Accepted::Full { mut hello, next } => {
                change(1, &mut hello);
                match client.finish(&hello, b"payload", &root, NOW)? {
                    ik::Answer::FellBack { mut finish, established } => {
                        change(2, &mut finish);
                        Ok((false, established, next.finish(&finish)?))
                    }
                    ik::Answer::Resumed(_) => panic!("a fallback became a resumption"),
                }
            }
        }
    }
}

fn assert_connected(client: Established, server: LoggedIn) {
    let (mut client, mut server) = (client.transport, server.transport);
    for (sender, receiver) in
        [(&mut client.sender, &mut server.receiver), (&mut server.sender, &mut client.receiver)]
    {
        let mut out = Vec::new();
        sender.seal_frame(b"hello", &mut out).unwrap();
        assert_eq!(receiver.open(&mut out[3..]).unwrap(), b"hello");
    }
}

#[test]
fn client_and_server_understand_each_other_in_every_handshake() {
    let world = World::new();
    let (established, logged_in) = world.full(|_, _| ()).unwrap();
    assert_eq!(logged_in.static_key, world.client.public);
    assert_eq!(&established.server.static_key, world.server.static_key());
    let known = established.server;
    assert_connected(established, logged_in);

    let (resumed, established, logged_in) = world.resume(known, |_, _| ()).unwrap();
    assert!(resumed);
    assert_eq!(
        (logged_in.static_key, logged_in.payload.as_slice()),
        (world.client.public, b"payload".as_slice())
    );
    assert_connected(established, logged_in);

    let other = known_server(curve25519::generate(&mut SystemRandom).public);
    let (resumed, established, logged_in) = world.resume(other, |_, _| ()).unwrap();
    assert!(!resumed);
    assert_eq!(established.server, known, "the client learns the key that the server has now");
    assert_connected(established, logged_in);

    let (hello, client) = ik::start(world.client.clone(), known, b"payload", NOW, &mut SystemRandom).unwrap();
    let declined = accept(&world.server, Resumption::Decline, &PROLOGUE, &hello, &mut SystemRandom).unwrap();
    let Accepted::Full { hello, .. } = declined else { panic!("{declined:?}") };
    let answer = client.finish(&hello, b"payload", &world.root.trust_root(), NOW).unwrap();
    assert!(matches!(answer, ik::Answer::FellBack { .. }));
}

#[test]
fn a_client_does_not_talk_to_a_server_of_another_root_time_or_key() {
    let world = World::new();
    let root = world.root.trust_root();
    let try_with = |root: &TrustRoot, now: u64, server: &Identity| {
        let (hello, client) = xx::start(world.client.clone(), &mut SystemRandom);
        let accepted = accept(server, Resumption::Accept, &PROLOGUE, &hello, &mut SystemRandom).unwrap();
        let Accepted::Full { hello, .. } = accepted else { panic!() };
        client.finish(&hello, b"payload", root, UnixSeconds(now)).map(|_| ())
    };
    assert_eq!(try_with(&root, NOW.0, &world.server), Ok(()));
    for (root, now, expected) in [
        (TrustRoot::WHATSAPP, NOW.0, CertificateError::BadSignature { link: Link::Intermediate }),
        (
            TrustRoot::new(root.public_key, 9),
            NOW.0,
            CertificateError::WrongIssuer { link: Link::Intermediate },
        ),
        (root, NOW.0 - 86_401, CertificateError::NotYetValid { link: Link::Leaf }),
        (root, NOW.0 + 86_401, CertificateError::Expired { link: Link::Leaf }),
    ] {
        assert_eq!(try_with(&root, now, &world.server), Err(HandshakeError::Certificate(expected)));
    }
    assert_eq!(
        (try_with(&root, NOW.0 - 86_400, &world.server), try_with(&root, NOW.0 + 86_400, &world.server)),
        (Ok(()), Ok(()))
    );

    let stranger = World::new();
    let (_, stolen) = (stranger.full(|_, _| ()).unwrap(), stranger.server);
    assert!(try_with(&root, NOW.0, &stolen).is_err());
    let known = KnownServer::new(
        *world.server.static_key(),
        ALWAYS,
        Validity { not_before: UnixSeconds(0), not_after: UnixSeconds(NOW.0 - 1) },
    );
    let stale = ik::start(world.client.clone(), known, b"", NOW, &mut SystemRandom);
    assert_eq!(stale.map(|_| ()).unwrap_err(), HandshakeError::StaleServer);
}

#[test]
fn a_chain_for_another_key_or_with_a_wrong_key_size_is_refused() {
    let random = &mut SystemRandom;
    let root = Issuer::new(curve25519::generate(random), 0);
    let intermediate = Issuer::new(curve25519::generate(random), 1);
    let (server, other) = (curve25519::generate(random), curve25519::generate(random));
    let chain = root.issue_chain(&intermediate, &other.public, 2, ALWAYS, random);
    assert_eq!(CertificateChain::decode(&chain.encode()), Ok(chain.clone()));
    let verify = |chain: &[u8]| certificate::verify(chain, &root.trust_root(), &server.public, NOW);
    assert_eq!(verify(&chain.encode()), Err(CertificateError::OtherServer));

    // `key` of 31 bytes, signed all the same.
    let mut leaf = chain.leaf.clone();
    let place = leaf.details.iter().position(|byte| *byte == 0x1A).unwrap();
    leaf.details[place + 1] = 31;
    leaf.details.remove(place + 2);
    leaf.signature = xeddsa::sign(&intermediate.key.private, &[&leaf.details], random);
    let short = CertificateChain::new(leaf, chain.intermediate);
    assert_eq!(verify(&short.encode()), Err(CertificateError::KeySize { link: Link::Leaf, size: 31 }));
    assert_eq!(verify(&[0xFF; 5]), Err(CertificateError::Malformed));
}

#[test]
fn changing_any_byte_of_any_handshake_message_fails() {
    let world = World::new();
    let (established, _) = world.full(|_, _| ()).unwrap();
    let known = established.server;
    let other = known_server(curve25519::generate(&mut SystemRandom).public);

    for message in 0..3 {
        each_changed_byte(|place, flip| {
            let mut in_range = false;
            let outcome =
                world.full(|turn, bytes| in_range |= turn == message && flip_byte(bytes, place, flip));
            assert!(!in_range || outcome.is_err(), "XX message {message}, byte {place} ^ {flip:#x}");
            in_range
        });
    }
    for message in 0..2 {
        each_changed_byte(|place, flip| {
            let mut in_range = false;
            let outcome = world
                .resume(known, |turn, bytes| in_range |= turn == message && flip_byte(bytes, place, flip));
            // A hello that the server cannot read leads to the fallback, a full handshake of its own, by design.
            let fell_back = matches!(outcome, Ok((false, ..)));
            assert!(
                !in_range || outcome.is_err() || message == 0 && fell_back,
                "IK message {message}, byte {place} ^ {flip:#x}"
            );
            in_range
        });
    }
    for message in 1..3 {
        each_changed_byte(|place, flip| {
            let mut in_range = false;
            let outcome = world
                .resume(other, |turn, bytes| in_range |= turn == message && flip_byte(bytes, place, flip));
            assert!(!in_range || outcome.is_err(), "fallback message {message}, byte {place} ^ {flip:#x}");
            in_range
        });
    }
}

/// Calls `attempt` with each place and some changes, until it says that the place is behind the end.
fn each_changed_byte(mut attempt: impl FnMut(usize, u8) -> bool) {
    for place in 0.. {
        for flip in [0x01, 0x10, 0x80] {
            if !attempt(place, flip) {
                assert!(place > 30, "the messages are longer");
                return;
            }
        }
    }
}

fn flip_byte(bytes: &mut [u8], place: usize, flip: u8) -> bool {
    bytes.get_mut(place).map(|byte| *byte ^= flip).is_some()
}

#[test]
fn messages_without_a_part_or_out_of_turn_are_refused_with_their_cause() {
    use wa_proto::wa6::HandshakeMessage;
    use wa_proto::wa6::handshake_message::{ClientFinish, ClientHello, ServerHello};
    let world = World::new();
    let key = Some(vec![9; 32]);
    let client = |hello| HandshakeMessage { client_hello: Some(hello), ..Default::default() }.encode_to_vec();
    let server = |hello| HandshakeMessage { server_hello: Some(hello), ..Default::default() }.encode_to_vec();
    let missing = |part| HandshakeError::Missing { part };
    for (hello, expected) in [
        (vec![0xFF], HandshakeError::Malformed),
        (vec![], HandshakeError::UnexpectedMessage),
        (client(ClientHello::default()), missing(Part::Ephemeral)),
        (
            client(ClientHello { ephemeral: Some(vec![9; 31]), ..Default::default() }),
            HandshakeError::KeySize { part: Part::Ephemeral },
        ),
        (
            client(ClientHello { ephemeral: Some(vec![0; 32]), ..Default::default() }),
            HandshakeError::WeakKey { part: Part::Ephemeral },
        ),
        (
            client(ClientHello { ephemeral: key.clone(), r#static: Some(vec![]), ..Default::default() }),
            missing(Part::Payload),
        ),
        (
            client(ClientHello { ephemeral: key.clone(), payload: Some(vec![]), ..Default::default() }),
            missing(Part::Static),
        ),
        (server(ServerHello::default()), HandshakeError::UnexpectedMessage),
    ] {
        assert_eq!(world.accept(&hello).map(|_| ()), Err(expected), "{hello:?}");
    }
    let root = world.root.trust_root();
    for (hello, expected) in [
        (client(ClientHello::default()), HandshakeError::UnexpectedMessage),
        (server(ServerHello { ephemeral: key.clone(), ..Default::default() }), missing(Part::Payload)),
        (
            server(ServerHello { ephemeral: key.clone(), payload: Some(vec![]), ..Default::default() }),
            missing(Part::Static),
        ),
        (
            server(ServerHello {
                ephemeral: Some(vec![0; 32]),
                r#static: Some(vec![]),
                payload: Some(vec![]),
                ..Default::default()
            }),
            HandshakeError::WeakKey { part: Part::Ephemeral },
        ),
        (
            server(ServerHello {
                ephemeral: key.clone(),
                r#static: Some(vec![1; 48]),
                payload: Some(vec![]),
                ..Default::default()
            }),
            HandshakeError::Tampered { part: Part::Static },
        ),
    ] {
        let (_, waiting) = xx::start(world.client.clone(), &mut SystemRandom);
        assert_eq!(waiting.finish(&hello, b"", &root, NOW).map(|_| ()), Err(expected), "{hello:?}");
    }
    for (finish, expected) in [
        (ClientFinish::default(), missing(Part::Static)),
        (ClientFinish { r#static: key.clone(), ..Default::default() }, missing(Part::Payload)),
        (
            ClientFinish { r#static: key.clone(), payload: key, ..Default::default() },
            HandshakeError::Tampered { part: Part::Static },
        ),
    ] {
        let (hello, _) = xx::start(world.client.clone(), &mut SystemRandom);
        let Ok(Accepted::Full { next, .. }) = world.accept(&hello) else { panic!() };
        let finish = HandshakeMessage { client_finish: Some(finish), ..Default::default() }.encode_to_vec();
        assert_eq!(next.finish(&finish).map(|_| ()), Err(expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_never_panics(garbage in proptest::collection::vec(any::<u8>(), 0..400)) {
        let world = World::new();
        let _ = world.accept(&garbage);
        let _ = world.full(|turn, bytes| if turn == 1 { bytes.clone_from(&garbage) });
        let _ = world.full(|turn, bytes| if turn == 2 { bytes.clone_from(&garbage) });
        let _ = certificate::verify(&garbage, &TrustRoot::WHATSAPP, world.server.static_key(), NOW);
        let _ = ClientPayload::decode(&garbage);
        let _ = Header::read(&garbage);
        prop_assert!(Receiver::new(&[0; 32], 0).open(&mut garbage.clone()).is_err());
    }

    #[test]
    fn frames_survive_any_chunking(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..12),
        chunk in 1_usize..5000,
        lazy in any::<bool>(),
    ) {
        let mut wire = Vec::new();
        payloads.iter().for_each(|payload| write_frame(payload, &mut wire).unwrap());
        let mut buffer = FrameBuffer::new();
        let mut frames = Vec::new();
        for (index, piece) in wire.chunks(chunk).enumerate() {
            buffer.push(piece).unwrap();
            if lazy && index % 3 != 0 { continue; }
            while let Some(frame) = buffer.next_frame().unwrap() { frames.push(frame.to_vec()); }
        }
        while let Some(frame) = buffer.next_frame().unwrap() { frames.push(frame.to_vec()); }
        prop_assert_eq!(frames, payloads);
        prop_assert!(buffer.unread().is_empty());
    }
}
