//! Registration, scanning, login, removal.

use wa_core::wire::Node;
use wa_test_server::{Config, Direction, ScanError, ScanOptions, TestServer};
use wa_types::Jid;

use crate::companion::{Companion, Wire, attr};

/// A companion of this phone, linked and logged in, with pre-keys on the server.
pub(crate) async fn linked(server: &TestServer, phone: &str) -> (Companion, Wire) {
    let mut companion = Companion::new();
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    let qr = companion.show_qr(&mut wire).await;
    let phone = server.phone(phone);
    let (scanned, ()) = tokio::join!(phone.scan(&qr), companion.confirm(&mut wire));
    assert_eq!(scanned.as_ref(), Ok(&companion.jid()));
    let wire = log_in(server, &mut companion).await;
    (companion, wire)
}

pub(crate) async fn log_in(server: &TestServer, companion: &mut Companion) -> Wire {
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    let success = wire.expect("success").await;
    assert_eq!(attr(&success, "lid"), companion.lid.as_ref().expect("lid").to_string());
    if companion.one_time.is_empty() {
        let keys = companion.upload(30);
        let answer = wire.request("set", "encrypt", keys).await;
        assert_eq!(attr(&answer, "type"), "result");
    }
    wire
}

#[tokio::test(start_paused = true)]
async fn a_companion_pairs_and_logs_in() {
    let server = TestServer::start().await;
    let (companion, mut wire) = linked(&server, "alice").await;
    let alice = server.phone("alice");
    assert_eq!(alice.linked_devices(), [companion.jid()]);
    assert_eq!(companion.jid().user(), alice.pn().user());
    let pong = wire.request("get", "w:p", vec![]).await;
    assert!(pong.get("t").is_some());
    assert_eq!(server.pre_keys_of(&companion.jid()), 30);
}

#[tokio::test(start_paused = true)]
async fn codes_are_renewed_and_end() {
    let server = TestServer::with(Config { ref_lists: 2, ..Config::default() }).await;
    let companion = Companion::new();
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    let first = companion.show_qr(&mut wire).await;
    tokio::time::advance(std::time::Duration::from_secs(150)).await;
    let second = companion.show_qr(&mut wire).await;
    assert_ne!(first, second);
    assert_eq!(server.phone("alice").scan(&first).await, Err(ScanError::UnknownRef));
    tokio::time::advance(std::time::Duration::from_secs(150)).await;
    wire.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_pair_success_is_refused_by_the_companion() {
    use wa_core::pairing::adv::{LinkError, accept_link};
    let cases = [
        (ScanOptions { bad_hmac: true, ..ScanOptions::default() }, LinkError::Hmac),
        (ScanOptions { bad_account_signature: true, ..ScanOptions::default() }, LinkError::AccountSignature),
    ];
    for (options, expected) in cases {
        let server = TestServer::start().await;
        let companion = Companion::new();
        let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
        let qr = companion.show_qr(&mut wire).await;
        let phone = server.phone("alice");
        let refuse = async {
            let iq = wire.expect("iq").await;
            let container = iq.find("pair-success").and_then(|node| node.find("device-identity"));
            let container = container.and_then(Node::content_bytes).expect("identity");
            let random = &mut wa_core::crypto::SystemRandom;
            let error =
                accept_link(container, &companion.secret, &companion.identity, random).expect_err("bad");
            assert_eq!(error, expected);
            let (code, text) = error.refusal();
            let error = Node::new("error").attr("code", code).attr("text", text);
            let reply =
                Node::new("iq").attr("to", Jid::SERVER).attr("type", "error").attr("id", attr(&iq, "id"));
            wire.send(&reply.child(error)).await;
        };
        let (scanned, ()) = tokio::join!(phone.scan_with(&qr, &options), refuse);
        assert!(matches!(scanned, Err(ScanError::Refused { code: 401, .. })), "{scanned:?}");
        assert!(phone.linked_devices().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_does_not_answer_is_not_linked() {
    let server = TestServer::start().await;
    let companion = Companion::new();
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    let qr = companion.show_qr(&mut wire).await;
    assert_eq!(server.phone("alice").scan(&qr).await, Err(ScanError::NoAnswer));
    assert!(server.phone("alice").linked_devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn strangers_and_old_clients_are_refused() {
    let server = TestServer::with(Config { minimum_revision: 2_000_000_000, ..Config::default() }).await;
    let companion = Companion::new();
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    assert_eq!(attr(&wire.expect("failure").await, "reason"), "405");

    let server = TestServer::start().await;
    let mut stranger = Companion::new();
    stranger.jid = Some("15550001111:3@s.whatsapp.net".parse().expect("a JID"));
    let mut wire = stranger.connect(&*server.connector(), &server.trust_root()).await;
    assert_eq!(attr(&wire.expect("failure").await, "reason"), "401");

    let (companion, _wire) = linked(&server, "alice").await;
    let mut thief = Companion::new();
    thief.jid = companion.jid.clone();
    let mut wire = thief.connect(&*server.connector(), &server.trust_root()).await;
    assert_eq!(attr(&wire.expect("failure").await, "reason"), "401");
}

#[tokio::test(start_paused = true)]
async fn a_second_login_replaces_the_first() {
    let server = TestServer::start().await;
    let (mut companion, mut first) = linked(&server, "alice").await;
    let mut second = log_in(&server, &mut companion).await;
    let end = first.expect("stream:error").await;
    assert_eq!(attr(end.find("conflict").expect("conflict"), "type"), "replaced");
    assert!(second.request("get", "w:p", vec![]).await.get("t").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_removed_companion_is_told_and_cannot_come_back() {
    let server = TestServer::start().await;
    let (companion, mut wire) = linked(&server, "alice").await;
    let (other, mut other_wire) = linked(&server, "alice").await;
    assert_ne!(companion.jid(), other.jid());
    let sync = wire.expect("notification").await;
    assert_eq!(attr(&sync, "type"), "account_sync");

    assert!(server.phone("alice").remove_device(&companion.jid()));
    let end = wire.expect("stream:error").await;
    assert_eq!((attr(&end, "code").as_str(), end.find("conflict").is_some()), ("401", true));
    let sync = other_wire.expect("notification").await;
    let devices = sync.find("devices").expect("devices");
    assert_eq!(devices.find_all("device").count(), 2);
    let mut again = companion.connect(&*server.connector(), &server.trust_root()).await;
    assert_eq!(attr(&again.expect("failure").await, "reason"), "401");

    let removal =
        Node::new("remove-companion-device").attr("jid", other.jid()).attr("reason", "user_initiated");
    let answer = other_wire.request("set", "md", vec![removal]).await;
    assert_eq!(attr(&answer, "type"), "result");
    other_wire.expect("stream:error").await;
    assert!(server.phone("alice").linked_devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_known_server_is_resumed_with_or_falls_back() {
    let server = TestServer::with(Config { edge_routing: Some(b"edge".to_vec()), ..Config::default() }).await;
    let (companion, _wire) = linked(&server, "alice").await;
    let is_routing = |node: &Node| node.find("edge_routing").is_some();
    let routing = server.wait_for(&companion.jid(), Direction::ToClient, is_routing).await;
    assert!(routing.find("edge_routing").and_then(|node| node.find("routing_info")).is_some());
    let known = companion.known.lock().expect("not poisoned").expect("a full handshake");
    for refuse in [false, true] {
        server.faults().refuse_resume(refuse);
        let socket = server.connector().connect(Some(b"edge")).await.expect("connects");
        let (mut wire, fell_back) = companion.resume(socket, &server.trust_root(), known).await;
        assert_eq!(fell_back, refuse);
        wire.expect("success").await;
    }
}
