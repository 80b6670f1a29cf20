//! Random faults from a seed, and a client that gets through all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prost::Message as _;
use tokio::time::timeout;
use wa_core::crypto::SystemRandom;
use wa_core::signal::{LocalIdentity, Peer, PreKeySignalMessage, PreKeys, SignalError, SignalMessage, unpad};
use wa_core::wire::{self, Node};
use wa_proto::e2e::Message;
use wa_test_server::{Chaos, Fault, FaultPlan, Phone, Stroke, TestServer};

use crate::companion::{Companion, Wire, attr, text};
use crate::pairing::linked;

/// A companion of Alice that repeats what was not acknowledged, reads what it can, and asks for the rest again.
struct Patient<'a> {
    server: &'a TestServer,
    companion: Companion,
    wire: Wire,
    bob: Phone,
    /// What it read, by id.
    read: BTreeMap<String, String>,
    acked: BTreeSet<String>,
    asked: BTreeMap<String, u32>,
    sent: BTreeMap<String, String>,
}

impl<'a> Patient<'a> {
    async fn new(server: &'a TestServer) -> Self {
        let (companion, wire) = linked(server, "alice").await;
        let bob = server.phone("bob");
        let (read, acked) = (BTreeMap::new(), BTreeSet::new());
        Self { server, companion, wire, bob, read, acked, asked: BTreeMap::new(), sent: BTreeMap::new() }
    }

    /// Sends a text until it is acknowledged.
    async fn send(&mut self, id: &str, body: &str) {
        let bob = self.bob.lid().clone();
        while !self.companion.sessions.contains_key(&bob) {
            let keys = Node::new("key").child(Node::new("user").attr("jid", &bob));
            let ask =
                Node::new("iq").attr("type", "get").attr("xmlns", "encrypt").attr("id", "keys").child(keys);
            self.put(&ask).await;
            self.step().await;
        }
        let copy = self.companion.copy_for(&bob, &text(body));
        let stanza = Node::new("message")
            .attr("to", &bob)
            .attr("id", id)
            .attr("type", "text")
            .child(Node::new("participants").child(copy))
            .child(self.companion.device_identity());
        self.sent.insert(id.to_owned(), body.to_owned());
        while !self.acked.contains(id) {
            self.put(&stanza).await;
            self.until(|patient, is_new| is_new || patient.acked.contains(id)).await;
        }
    }

    /// Waits until a message was read.
    async fn receive(&mut self, id: &str) -> String {
        self.until(|patient, _| patient.read.contains_key(id)).await;
        self.read.get(id).expect("waited for").clone()
    }

    /// Goes on until something is so; `is_done` also hears whether the connection is a new one.
    async fn until(&mut self, is_done: impl Fn(&Self, bool) -> bool) {
        while !is_done(self, false) {
            let is_new = self.step().await;
            if is_new && is_done(self, true) {
                return;
            }
        }
    }

    async fn put(&mut self, node: &Node) {
        let mut out = Vec::new();
        let plain = wire::encode(node).expect("encodes");
        self.wire.transport.sender.seal_frame(&plain, &mut out).expect("seals");
        // A connection that broke is noticed when it is read.
        let _broken = self.wire.socket.send(out).await;
    }

    /// Handles the next stanza, or connects anew: then `true`.
    async fn step(&mut self) -> bool {
        match timeout(PATIENCE, self.wire.next()).await {
            Ok(Some(node)) => {
                self.handle(&node).await;
                false
            }
            // The end, or nothing for so long that the connection must be dead.
            Ok(None) | Err(_) => {
                loop {
                    self.wire =
                        self.companion.connect(&*self.server.connector(), &self.server.trust_root()).await;
                    let first = timeout(PATIENCE, self.wire.next()).await;
                    if first.is_ok_and(|first| first.is_some_and(|node| node.tag == "success")) {
                        break;
                    }
                }
                self.put(&Node::new("ib").child(Node::new("offline_batch").attr("count", "200"))).await;
                true
            }
        }
    }

    async fn handle(&mut self, node: &Node) {
        let id = attr(node, "id");
        match node.tag.as_ref() {
            "ack" if attr(node, "class") == "message" => {
                assert_eq!(attr(node, "error"), "", "{}", node.to_xml());
                self.acked.insert(id);
            }
            "iq" => {
                if let Some(user) = node.find("list").and_then(|list| list.find("user")) {
                    let bundle = crate::companion::bundle_of(user).expect("a bundle");
                    let ours = LocalIdentity {
                        key_pair: &self.companion.identity,
                        registration_id: self.companion.registration_id,
                    };
                    let session = self.companion.sessions.entry(self.bob.lid().clone()).or_default();
                    session.initiate(ours, &bundle, &mut SystemRandom).expect("good");
                }
            }
            "message" => match self.open(node) {
                Ok(body) => {
                    if let Some(body) = body {
                        assert_eq!(self.read.insert(id.clone(), body), None, "{id} is read once");
                    }
                    let receipt =
                        Node::new("receipt").attr("id", id).attr_opt("to", node.get("from").cloned());
                    self.put(&receipt).await;
                }
                Err(error) => {
                    assert!(error.retry_code().is_some(), "{error}");
                    let count = self.asked.entry(id.clone()).or_insert(0);
                    *count += 1;
                    let retry = Node::new("retry").attr("v", "1").attr("count", *count).attr("id", &id);
                    let receipt = Node::new("receipt")
                        .attr("id", id)
                        .attr_opt("to", node.get("from").cloned())
                        .attr("type", "retry")
                        .child(retry)
                        .child(Node::new("registration").bytes(self.companion.registration_id.to_bytes()));
                    self.put(&receipt).await;
                }
            },
            "receipt" | "notification" => {
                let ack = Node::new("ack")
                    .attr("class", node.tag.to_string())
                    .attr("id", &id)
                    .attr_opt("to", node.get("from").cloned())
                    .attr_opt("type", node.get("type").cloned());
                self.put(&ack).await;
                if attr(node, "type") == "retry" {
                    let count = attr(node.find("retry").expect("retry"), "count");
                    let body = self.sent.get(&id).expect("sent").clone();
                    let enc = self.companion.enc_for(self.bob.lid(), &text(&body)).attr("count", count);
                    let again = Node::new("message")
                        .attr("to", self.bob.lid())
                        .attr("id", id)
                        .attr("type", "text")
                        .child(enc)
                        .child(self.companion.device_identity());
                    self.put(&again).await;
                }
            }
            _ => {}
        }
    }

    /// The text of a message; `None` when it was read before.
    fn open(&mut self, stanza: &Node) -> Result<Option<String>, SignalError> {
        let from = stanza.get("from").and_then(|jid| jid.to_jid().ok()).expect("from");
        let enc = stanza.find("enc").expect("enc");
        let bytes = enc.content_bytes().expect("bytes");
        let companion = &mut self.companion;
        let session = companion.sessions.entry(from).or_default();
        let random = &mut SystemRandom;
        let opened = if attr(enc, "type") == "pkmsg" {
            let message = PreKeySignalMessage::parse(bytes)?;
            let ours =
                LocalIdentity { key_pair: &companion.identity, registration_id: companion.registration_id };
            let one_time = message.pre_key_id().and_then(|id| companion.one_time.get(&id));
            let keys = PreKeys { signed: Some(&companion.signed), one_time };
            session.decrypt_pre_key(ours, &message, keys, Peer::Contact, random).map(|read| read.plaintext)
        } else {
            session.decrypt(&SignalMessage::parse(bytes)?, Peer::Contact, random)
        };
        match opened {
            Ok(padded) => {
                let message = Message::decode(unpad(&padded).expect("padding")).expect("protobuf");
                Ok(Some(message.conversation().to_owned()))
            }
            Err(SignalError::Duplicate { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A connection that says nothing for so long is dead.
const PATIENCE: Duration = Duration::from_secs(15);

/// Alice's companion and Bob's phone write to each other in turn. Returns what was done to them.
async fn converse(plan: FaultPlan, rounds: u32) -> Vec<Stroke> {
    let server = TestServer::start().await;
    let mut patient = Patient::new(&server).await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    // The phone of Alice would answer for her companion.
    alice.go_offline();
    let chaos: Chaos = server.chaos(plan);
    let mut heard = BTreeSet::new();
    for round in 0..rounds {
        let to_bob = format!("to bob {round}");
        patient.send(&format!("3EB0{round:04}"), &to_bob).await;
        let id = bob.send_text(alice.lid(), &format!("to alice {round}")).await.expect("sent").id;
        assert_eq!(patient.receive(id.as_str()).await, format!("to alice {round}"));
    }
    chaos.calm();
    while heard.len() < rounds as usize {
        if let Some(message) = bob.try_next_message() {
            assert!(heard.insert(message.text().expect("a text").to_owned()), "{message:?} came twice");
        } else {
            patient.step().await;
        }
    }
    assert_eq!(patient.read.len(), rounds as usize);
    let log = chaos.log();
    assert_eq!(log.len() as u64, chaos.counts().values().sum::<u64>());
    log
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_does_the_same_again_and_nothing_is_lost() {
    let plan = |seed| FaultPlan::new(seed).times(6);
    let first = converse(plan(11), 60).await;
    let second = converse(plan(11), 60).await;
    let lines = |log: &[Stroke]| log.iter().map(Stroke::to_string).collect::<Vec<_>>();
    assert_eq!(lines(&first), lines(&second));
    assert!(first.len() > 40, "{:?}", lines(&first));
    let other = converse(plan(12), 60).await;
    assert_ne!(lines(&first), lines(&other));
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_through_each_of_them_alone() {
    let faults = [
        Fault::DropDelivery,
        Fault::DelayDelivery,
        Fault::DuplicateDelivery,
        Fault::ReorderDelivery,
        Fault::GarbleDelivery,
        Fault::DropAck,
        Fault::DelayAck,
        Fault::ReorderAck,
        Fault::WrongPhash,
        Fault::CutMidFrame,
        Fault::EndStream,
        Fault::HalfOpen,
        Fault::DropSent,
        Fault::DuplicateSent,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::RefuseDecrypt,
    ];
    for fault in faults {
        let log = converse(FaultPlan::quiet(3).rate(fault, 2000), 15).await;
        assert!(!log.is_empty() && log.iter().all(|stroke| stroke.fault == fault), "{fault:?}");
    }
    let plan = FaultPlan::quiet(3).rate(Fault::RefuseLogin, 5000).rate(Fault::CutAfter, 2000);
    let log = converse(plan, 15).await;
    assert!(log.iter().any(|stroke| stroke.fault == Fault::RefuseLogin));
    let log = converse(FaultPlan::quiet(3).rate(Fault::NoPreKey, 10_000), 1).await;
    assert!(log.iter().any(|stroke| stroke.fault == Fault::NoPreKey));
}

#[tokio::test(start_paused = true)]
async fn faults_keep_to_the_accounts_that_they_are_for() {
    let server = TestServer::start().await;
    let (alice, bob, carol) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
    let chaos =
        server.chaos(FaultPlan::quiet(5).rate(Fault::DuplicateDelivery, 10_000).accounts([bob.lid()]));
    for to in [&bob, &carol] {
        alice.send_text(to.lid(), "hello").await.expect("sent");
        assert_eq!(to.next_message().await.text(), Some("hello"));
    }
    let log = chaos.log();
    assert!(!log.is_empty() && log.iter().all(|stroke| stroke.account == "bob"), "{log:?}");
    assert_eq!(chaos.counts()[&Fault::DuplicateDelivery], log.len() as u64);
    drop(chaos);
    let chaos = server.chaos(FaultPlan::quiet(5).rate(Fault::Nack, 10_000));
    assert_eq!(chaos.log(), []);
}

#[tokio::test]
async fn a_test_that_fails_prints_its_seed() {
    const CHILD: &str = "WA_TEST_FAILS_ON_PURPOSE";
    if std::env::var_os(CHILD).is_some() {
        let server = TestServer::start().await;
        let _chaos = server.chaos(FaultPlan::new(987_654_321));
        panic!("on purpose");
    }
    let this = std::env::current_exe().expect("a program");
    let output = std::process::Command::new(this)
        .args(["--exact", "chaos::a_test_that_fails_prints_its_seed", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("runs");
    assert!(!output.status.success());
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains("failed under the faults of seed 987654321"), "{printed}");
}
