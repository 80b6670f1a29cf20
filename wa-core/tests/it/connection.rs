//! A connection without a socket or a clock, against the server's side of the handshake.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use wa_core::connection::{
    Answer, CloseReason, Connection, Credentials, HANDSHAKE_LIMIT, Incoming, NextStep, Output, REQUEST_LIMIT,
    RequestError,
};
use wa_core::crypto::{SystemRandom, curve25519};
use wa_core::noise::certificate::{Issuer, Validity};
use wa_core::noise::cipher::Transport;
use wa_core::noise::server::{Accepted, AwaitingClientFinish, Identity, Resumption, accept};
use wa_core::noise::{KnownServer, PROLOGUE, TrustRoot};
use wa_core::stanza::iq::{IqRequest as _, ping::Ping};
use wa_core::wire::frame::{FrameBuffer, FrameStart, write_frame};
use wa_core::wire::{self, Node};
use wa_types::{Jid, UnixSeconds};

const NOW: UnixSeconds = UnixSeconds(1_754_006_400);

/// Who the server is, and whom clients must trust.
fn server_identity() -> (Identity, TrustRoot) {
    let root = curve25519::generate(&mut SystemRandom);
    let key = curve25519::generate(&mut SystemRandom);
    let validity = Validity { not_before: UnixSeconds(NOW.0 - 1000), not_after: UnixSeconds(NOW.0 + 1000) };
    let trust = TrustRoot::new(root.public, 0);
    let intermediate = Issuer::new(curve25519::generate(&mut SystemRandom), 1);
    let root = Issuer::new(root, 0);
    let chain = root.issue_chain(&intermediate, &key.public, 2, validity, &mut SystemRandom);
    (Identity::new(key, &chain), trust)
}

/// A connection under test, and the server that it talks to.
struct Pair {
    client: Connection,
    server: Transport,
    frames: FrameBuffer,
    known: KnownServer,
    now: Instant,
}

fn first_frame(bytes: &[u8], frames: &mut FrameBuffer) -> Vec<u8> {
    frames.push(bytes).unwrap();
    frames.next_frame().unwrap().unwrap().to_vec()
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(payload, &mut out).unwrap();
    out
}

impl Pair {
    fn open() -> Self {
        let (identity, trust) = server_identity();
        Self::open_with(&identity, trust, None, Resumption::Accept)
    }

    fn open_with(
        identity: &Identity,
        trust: TrustRoot,
        known_server: Option<KnownServer>,
        resumption: Resumption,
    ) -> Self {
        let mut credentials =
            Credentials::new(curve25519::generate(&mut SystemRandom), b"payload".to_vec(), trust);
        credentials.known_server = known_server;
        assert!(!format!("{credentials:?}").contains("112"), "no payload in Debug");
        let now = Instant::now();
        let mut client = Connection::new(credentials, now, NOW, Box::new(SystemRandom));
        let mut frames = FrameBuffer::new();
        let sent = client.poll_transmit().unwrap();
        let hello = first_frame(sent.strip_prefix(PROLOGUE.as_slice()).unwrap(), &mut frames);
        let finish = |client: &mut Connection, frames: &mut FrameBuffer, next: AwaitingClientFinish| {
            let finish = first_frame(&client.poll_transmit().unwrap(), frames);
            next.finish(&finish).unwrap()
        };
        let logged_in = match accept(identity, resumption, &PROLOGUE, &hello, &mut SystemRandom).unwrap() {
            Accepted::Resumed { hello, client: logged_in } => {
                client.handle_bytes(now, &framed(&hello)).unwrap();
                assert!(client.poll_transmit().is_none(), "a resumption has no finish");
                logged_in
            }
            Accepted::Full { hello, next } => {
                client.handle_bytes(now, &framed(&hello)).unwrap();
                finish(&mut client, &mut frames, next)
            }
        };
        assert_eq!(logged_in.payload.as_slice(), b"payload");
        let Some(Output::Established(known)) = client.poll_output() else { panic!("not established") };
        assert!(client.is_open());
        Self { client, server: logged_in.transport, frames, known, now }
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let start = FrameStart::new(&mut out);
        out.extend_from_slice(payload);
        self.server.sender.seal(start, &mut out).unwrap();
        out
    }

    fn receive(&mut self, node: &Node) -> Result<(), CloseReason> {
        let frame = self.seal(&wire::encode(node).unwrap());
        self.client.handle_bytes(self.now, &frame)
    }

    /// What the client sent since the last time.
    fn sent(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        if let Some(bytes) = self.client.poll_transmit() {
            self.frames.push(&bytes).unwrap();
        }
        while let Some(frame) = self.frames.next_frame().unwrap() {
            let plain = self.server.receiver.open(frame).unwrap();
            let body = wire::unpack(plain).unwrap();
            nodes.push(wire::decode(&body).unwrap().root().to_node());
        }
        nodes
    }

    fn greet(&mut self) {
        self.receive(&Node::new("success").attr("t", 5)).unwrap();
        assert!(matches!(self.client.poll_output(), Some(Output::Stanza(Incoming::Success(_)))));
    }
}

#[test]
fn a_known_server_is_resumed_with_and_another_key_falls_back() {
    let (identity, trust) = server_identity();
    let first = Pair::open_with(&identity, trust, None, Resumption::Accept);
    let known = first.known;
    let mut resumed = Pair::open_with(&identity, trust, Some(known), Resumption::Accept);
    resumed.greet();
    let mut declined = Pair::open_with(&identity, trust, Some(known), Resumption::Decline);
    declined.greet();
    let (other, trust) = server_identity();
    let moved = Pair::open_with(&other, trust, Some(known), Resumption::Accept);
    assert_ne!(moved.known.static_key, known.static_key);
}

#[test]
fn requests_are_answered_once_refused_or_time_out() {
    let mut pair = Pair::open();
    pair.greet();
    let ask = |pair: &mut Pair| pair.client.request(pair.now, |id| Ping.to_node(id), REQUEST_LIMIT).unwrap();
    let (first, second, third) = (ask(&mut pair), ask(&mut pair), ask(&mut pair));
    let sent = pair.sent();
    let answer = |node: &Node, kind: &str| {
        Node::new("iq").attr("id", node.get("id").unwrap().clone()).attr("type", kind)
    };
    pair.receive(&answer(&sent[0], "result")).unwrap();
    pair.receive(&answer(&sent[0], "result")).unwrap();
    pair.receive(&answer(&sent[1], "error")).unwrap();
    assert!(matches!(pair.client.poll_output(), Some(Output::Answer(id, Ok(Answer::Iq(_)))) if id == first));
    let refused = pair.client.poll_output();
    assert!(matches!(refused, Some(Output::Answer(id, Err(RequestError::Refused(_)))) if id == second));
    assert!(pair.client.poll_output().is_none(), "the same answer again says nothing");
    pair.client.handle_timeout(pair.now + REQUEST_LIMIT).unwrap();
    let late = pair.client.poll_output();
    assert!(matches!(late, Some(Output::Answer(id, Err(RequestError::Timeout))) if id == third));
}

#[test]
fn only_the_ack_of_the_message_itself_answers_it() {
    let mut pair = Pair::open();
    pair.greet();
    let message = pair
        .client
        .send_message(pair.now, "A1", &Node::new("message").attr("id", "A1"), Duration::from_secs(60))
        .unwrap();
    pair.receive(&Node::new("ack").attr("class", "receipt").attr("id", "A1")).unwrap();
    assert!(pair.client.poll_output().is_none());
    pair.receive(&Node::new("ack").attr("class", "message").attr("id", "A1")).unwrap();
    assert!(
        matches!(pair.client.poll_output(), Some(Output::Answer(id, Ok(Answer::Ack(_)))) if id == message)
    );
}

#[test]
fn what_is_malformed_is_refused_or_dropped_and_the_connection_lives() {
    let mut pair = Pair::open();
    pair.greet();
    let (group, user) = (Jid::new("1203", wa_types::Server::Group), Jid::pn("1"));
    pair.receive(&Node::new("message").attr("id", "A1").attr("from", group)).unwrap();
    pair.receive(&Node::new("novelty").attr("id", "A2").attr("from", &user)).unwrap();
    pair.receive(&Node::new("iq").attr("id", "A3").attr("type", "get").attr("xmlns", "urn:xmpp:ping"))
        .unwrap();
    pair.receive(&Node::new("iq").attr("id", "A4").attr("type", "set")).unwrap();
    let answers: Vec<_> = pair.sent().iter().map(Node::to_xml).collect();
    assert!(answers[0].contains("class=\"message\"") && answers[0].contains("error=\"487\""), "{answers:?}");
    assert!(answers[1].contains("class=\"novelty\"") && answers[1].contains("error=\"488\""), "{answers:?}");
    assert_eq!(answers[2], "<iq id=\"A3\" to=\"s.whatsapp.net\" type=\"result\"/>");
    assert!(answers[3].contains("code=\"501\""), "{answers:?}");
    for garbage in [&[][..], &[0, 0xEE, 0xEE], &[2, 1, 2, 3]] {
        let frame = pair.seal(garbage);
        pair.client.handle_bytes(pair.now, &frame).unwrap();
    }
    pair.receive(&Node::new("success").attr("t", 6)).unwrap();
    while let Some(output) = pair.client.poll_output() {
        assert!(!matches!(output, Output::Stanza(Incoming::Success(_))), "the second success says nothing");
    }
}

#[test]
fn the_server_ends_a_connection_in_its_ways() {
    let end = |node: &Node| Pair::open().receive(node).unwrap_err();
    assert!(matches!(end(&Node::new("xmlstreamend")), CloseReason::StreamEnd));
    let mut pair = Pair::open();
    let frame = pair.seal(&[2]);
    assert!(matches!(pair.client.handle_bytes(pair.now, &frame), Err(CloseReason::StreamEnd)));
    let failure = |reason: u32| end(&Node::new("failure").attr("reason", reason)).next_step();
    use NextStep::{Backoff, LoggedOut, Now, Once, OtherVersion, SlowBackoff, Stop};
    let failures: &[(u32, NextStep)] = &[
        (400, Stop),
        (401, LoggedOut),
        (402, Stop),
        (403, LoggedOut),
        (405, OtherVersion),
        (406, LoggedOut),
        (409, Stop),
        (413, Stop),
        (414, Stop),
        (415, Stop),
        (418, Stop),
        (429, SlowBackoff),
        (500, Backoff),
        (501, Stop),
        (503, Backoff),
        (599, Stop),
        (0, Stop),
    ];
    for (reason, step) in failures {
        assert_eq!(failure(*reason), *step, "{reason}");
    }
    let error = |code: u32| end(&Node::new("stream:error").attr("code", code)).next_step();
    let errors: &[(u32, NextStep)] = &[
        (401, LoggedOut),
        (409, Once),
        (429, SlowBackoff),
        (500, Backoff),
        (503, Backoff),
        (515, Now),
        (516, LoggedOut),
        (599, Backoff),
        (600, Backoff),
    ];
    for (code, step) in errors {
        assert_eq!(error(*code), *step, "{code}");
    }
    let conflict = |kind: &'static str| {
        end(&Node::new("stream:error").child(Node::new("conflict").attr("type", kind))).next_step()
    };
    assert_eq!(["new", "replaced", "device_removed"].map(conflict), [Stop, Once, LoggedOut]);
    for child in ["ack", "xml-not-well-formed", "novelty"] {
        assert_eq!(end(&Node::new("stream:error").child(Node::new(child))).next_step(), Backoff, "{child}");
    }
    let mut frame = pair.seal(b"x");
    *frame.last_mut().unwrap() ^= 1;
    assert!(matches!(pair.client.handle_bytes(pair.now, &frame), Err(CloseReason::BadFrame)));
}

#[test]
fn silence_is_pinged_and_a_dead_socket_is_noticed() {
    let mut pair = Pair::open();
    pair.greet();
    let ping_at = pair.client.poll_timeout();
    assert!((15..=30).contains(&ping_at.duration_since(pair.now).as_secs()));
    pair.client.handle_timeout(ping_at).unwrap();
    let sent = pair.sent();
    assert_eq!(sent.len(), 1);
    let result = Node::new("iq").attr("id", sent[0].get("id").unwrap().clone()).attr("type", "result");
    pair.now = ping_at + Duration::from_secs(19);
    pair.receive(&result).unwrap();
    let again = pair.now + Duration::from_secs(40);
    pair.client.handle_timeout(again).unwrap();
    assert_eq!(pair.sent().len(), 1);
    let dead = pair.client.handle_timeout(again + Duration::from_secs(20));
    assert!(matches!(dead, Err(CloseReason::DeadSocket)), "{dead:?}");
}

#[test]
fn a_socket_that_dies_while_a_request_waits_is_noticed_long_before_the_request_times_out() {
    let mut pair = Pair::open();
    pair.greet();
    let begun = pair.now;
    pair.client.request(pair.now, |id| Ping.to_node(id), Duration::from_secs(600)).unwrap();
    pair.sent();
    // Something else comes: the line lives, and the request is as unanswered as before. Then nothing any more.
    pair.now += Duration::from_secs(1);
    pair.receive(&Node::new("ib")).unwrap();
    let dead = loop {
        let next = pair.client.poll_timeout();
        if let Err(reason) = pair.client.handle_timeout(next) {
            assert!(next < begun + Duration::from_secs(90), "{:?}", next - begun);
            break reason;
        }
    };
    assert!(matches!(dead, CloseReason::DeadSocket), "{dead:?}");
}

#[test]
fn a_server_that_does_not_speak_is_left() {
    let (_, trust) = server_identity();
    let credentials = Credentials::new(curve25519::generate(&mut SystemRandom), Vec::new(), trust);
    let now = Instant::now();
    let mut client = Connection::new(credentials, now, NOW, Box::new(SystemRandom));
    assert!(matches!(client.send(&Node::new("x")), Err(RequestError::NotConnected)));
    assert!(client.handle_timeout(now).is_ok());
    assert!(matches!(client.handle_timeout(now + HANDSHAKE_LIMIT), Err(CloseReason::DeadSocket)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_connection_panic(
        hello in proptest::collection::vec(any::<u8>(), 0..200),
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..8),
    ) {
        let (_, trust) = server_identity();
        let credentials = Credentials::new(curve25519::generate(&mut SystemRandom), Vec::new(), trust);
        let now = Instant::now();
        let mut client = Connection::new(credentials, now, NOW, Box::new(SystemRandom));
        let _ = client.handle_bytes(now, &framed(&hello));
        let _ = client.handle_bytes(now, &hello);
        let mut pair = Pair::open();
        for payload in payloads {
            let frame = pair.seal(&payload);
            if pair.client.handle_bytes(pair.now, &frame).is_err() {
                break;
            }
        }
    }
}
