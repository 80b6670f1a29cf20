//! What goes wrong on purpose.

use std::time::Duration;

use tokio::time::Instant;
use wa_core::noise::TrustRoot;
use wa_core::wire::Node;
use wa_test_server::{CertificateFault, TestServer};

use crate::companion::{Companion, attr};
use crate::pairing::{linked, log_in};

#[tokio::test(start_paused = true)]
async fn wrong_certificates_are_refused_by_the_client() {
    let server = TestServer::start().await;
    let companion = Companion::new();
    for fault in [
        CertificateFault::WrongRoot,
        CertificateFault::BrokenSignature,
        CertificateFault::OtherKey,
        CertificateFault::Expired,
    ] {
        server.faults().certificate(fault, 1);
        let socket = server.connector().connect(None).await.expect("connects");
        let wire = companion.shake_hands(socket, &server.trust_root(), &[]).await;
        assert!(wire.is_none(), "{fault:?}");
    }
    let socket = server.connector().connect(None).await.expect("connects");
    assert!(companion.shake_hands(socket, &TrustRoot::WHATSAPP, &[]).await.is_none());
    companion.connect(&*server.connector(), &server.trust_root()).await.expect("iq").await;
}

#[tokio::test(start_paused = true)]
async fn frames_may_be_split_and_stanzas_compressed() {
    let server = TestServer::start().await;
    let (companion, mut wire) = linked(&server, "alice").await;
    let faults = server.faults_of(&companion.jid());
    faults.split_frames(true);
    assert!(wire.request("get", "w:p", vec![]).await.get("t").is_some());
    faults.compress(true);
    assert!(wire.request("get", "w:p", vec![]).await.get("t").is_some());
    faults.clear();
    assert!(wire.request("get", "w:p", vec![]).await.get("t").is_some());
}

#[tokio::test(start_paused = true)]
async fn acks_can_be_lost_late_or_errors() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    server.faults().drop_ack(1);
    assert_eq!(alice.send_text(bob.pn(), "lost").await, Err(wa_test_server::SendError::NoAck));
    assert_eq!(bob.next_message().await.text(), Some("lost"));
    server.faults().nack_next(463);
    assert_eq!(alice.send_text(bob.pn(), "refused").await, Err(wa_test_server::SendError::Refused(463)));
    server.faults().delay_acks(Some(Duration::from_secs(7)));
    let start = Instant::now();
    alice.send_text(bob.pn(), "late").await.expect("sent");
    assert!(start.elapsed() >= Duration::from_secs(7));
    assert_eq!(bob.next_message().await.text(), Some("late"));
}

#[tokio::test(start_paused = true)]
async fn deliveries_can_come_twice_and_out_of_order() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let faults = server.faults_of(&companion.jid());
    faults.duplicate_next(1);
    let sent = bob.send_text(alice.pn(), "twice").await.expect("sent");
    let first = wire.expect("message").await;
    let second = wire.expect("message").await;
    assert_eq!(first, second);
    assert_eq!(attr(&first, "id"), sent.id.to_string());
    companion.decrypt(&first);

    faults.reorder_next(1);
    bob.send_text(alice.pn(), "one").await.expect("sent");
    bob.send_text(alice.pn(), "two").await.expect("sent");
    for expected in ["two", "one"] {
        let stanza = wire.expect("message").await;
        assert_eq!(companion.decrypt(&stanza).conversation(), expected);
    }
    faults.inflate_next(1, 70_000);
    bob.send_text(alice.pn(), "large").await.expect("sent");
    let stanza = wire.expect("message").await;
    assert_eq!(stanza.find("enc").and_then(Node::content_bytes).map(<[u8]>::len), Some(70_000));
}

#[tokio::test(start_paused = true)]
async fn connections_can_break_in_every_way() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let jid = companion.jid();
    assert!(server.disconnect(&jid));
    wire.expect_end().await;

    let mut wire = log_in(&server, &mut companion).await;
    assert!(server.cut_mid_frame(&jid));
    wire.expect_end().await;
    assert!(!wire.buffer.unread().is_empty(), "half a frame came");

    let mut wire = log_in(&server, &mut companion).await;
    server.stream_error(&jid, 503);
    assert_eq!(attr(&wire.expect("stream:error").await, "code"), "503");
    wire.expect_end().await;

    let mut wire = log_in(&server, &mut companion).await;
    server.end_stream(&jid);
    wire.expect("xmlstreamend").await;

    server.faults().refuse_login(503, 1);
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    assert_eq!(attr(&wire.expect("failure").await, "reason"), "503");

    server.faults().refuse_connections(1);
    assert!(server.connector().connect(None).await.is_err());

    let mut wire = log_in(&server, &mut companion).await;
    server.faults_of(&jid).swallow_pings(true);
    wire.send(&Node::new("iq").attr("type", "get").attr("xmlns", "w:p").attr("id", "lost")).await;
    let answer = wire.request("get", "encrypt", vec![Node::new("count")]).await;
    assert!(answer.find("count").is_some());
    assert!(!server.stanzas_of(&jid).iter().any(|stanza| stanza.starts_with('←') && stanza.contains("lost")));
}
