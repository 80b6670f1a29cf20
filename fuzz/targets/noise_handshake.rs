//! Handshake messages from a stranger, to a client and to a server: an error, never a panic and never a connection.
#![no_main]

use std::hint::black_box;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wa_core::crypto::{Random, curve25519};
use wa_core::noise::certificate::Validity;
use wa_core::noise::server::{self, Accepted, Identity, Resumption};
use wa_core::noise::{ClientPayload, KnownServer, PROLOGUE, TrustRoot, certificate, ik, xx};
use wa_types::{KeyPair, UnixSeconds};

const NOW: UnixSeconds = UnixSeconds(1_760_000_000);

fuzz_target!(|message: &[u8]| {
    as_client(message);
    as_server(message);
    as_client_of_a_server_with_other_certificates(message);
    let _ = black_box(ClientPayload::decode(message));
});

fn as_client(message: &[u8]) {
    let (_, full) = xx::start(CLIENT.clone(), &mut Numbers(1));
    assert!(full.finish(message, b"", &TrustRoot::WHATSAPP, NOW).is_err());
    let (_, resumption) =
        ik::start(CLIENT.clone(), known_server(), b"", NOW, &mut Numbers(2)).expect("the server is known");
    assert!(resumption.finish(message, b"", &TrustRoot::WHATSAPP, NOW).is_err());
}

fn as_server(message: &[u8]) {
    let identity = Identity::with_encoded_chain(SERVER.clone(), Vec::new());
    if let Ok(Accepted::Full { next, .. }) =
        server::accept(&identity, Resumption::Accept, &PROLOGUE, message, &mut Numbers(3))
    {
        assert!(next.finish(message).is_err(), "a hello is no finish");
    }
    let (hello, _) = xx::start(CLIENT.clone(), &mut Numbers(4));
    match server::accept(&identity, Resumption::Accept, &PROLOGUE, &hello, &mut Numbers(5)) {
        Ok(Accepted::Full { next, .. }) => assert!(next.finish(message).is_err()),
        other => panic!("a full handshake begins: {other:?}"),
    }
}

/// The handshake is genuine, the certificates in it are the fuzzer's.
fn as_client_of_a_server_with_other_certificates(chain: &[u8]) {
    assert!(certificate::verify(chain, &TrustRoot::WHATSAPP, &SERVER.public, NOW).is_err());
    let identity = Identity::with_encoded_chain(SERVER.clone(), chain.to_vec());
    let (hello, client) = xx::start(CLIENT.clone(), &mut Numbers(6));
    match server::accept(&identity, Resumption::Decline, &PROLOGUE, &hello, &mut Numbers(7)) {
        Ok(Accepted::Full { hello, .. }) => {
            assert!(client.finish(&hello, b"", &TrustRoot::WHATSAPP, NOW).is_err());
        }
        other => panic!("a full handshake begins: {other:?}"),
    }
}

static CLIENT: LazyLock<KeyPair> = LazyLock::new(|| curve25519::generate(&mut Numbers(100)));
static SERVER: LazyLock<KeyPair> = LazyLock::new(|| curve25519::generate(&mut Numbers(200)));

fn known_server() -> KnownServer {
    let always = Validity { not_before: UnixSeconds(0), not_after: UnixSeconds(u64::MAX) };
    KnownServer::new(SERVER.public, always, always)
}

/// Numbers in a row: a run can be repeated.
struct Numbers(u8);

impl Random for Numbers {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
    }
}
