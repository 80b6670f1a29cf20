//! Resuming: the client knows the server from an earlier full handshake, and saves a round trip.
//! Protocol: transport, "IK resume".
//!
//! A server that has another key by now answers with a fallback, which goes on as the full handshake does, with its
//! certificates. An eavesdropper may replay our hello: it holds nothing that the full handshake keeps from them, and
//! only the server can read it.

use wa_types::{KeyPair, UnixSeconds};

use super::certificate::{KnownServer, TrustRoot};
use super::message::{ClientHello, SealedClient, ServerHello};
use super::symmetric::{Pattern, Symmetric};
use super::xx::AwaitingServerHello;
use super::{Established, HandshakeError, PROLOGUE, Part};
use crate::crypto::{Random, curve25519};

/// Begins a resumption: the hello to send, and the state that waits for its answer. `payload` is an encoded login
/// payload. Draws 32 random bytes.
///
/// # Errors
/// [`HandshakeError::StaleServer`] when the server's certificates do not hold now, [`HandshakeError::WeakKey`] when
/// the remembered key is none. Use the full handshake.
pub fn start(
    static_key: KeyPair,
    server: KnownServer,
    payload: &[u8],
    now: UnixSeconds,
    random: &mut impl Random,
) -> Result<(Vec<u8>, AwaitingAnswer), HandshakeError> {
    if !server.is_valid_at(now) {
        return Err(HandshakeError::StaleServer);
    }
    let ephemeral = curve25519::generate(random);
    let mut symmetric = Symmetric::new(Pattern::Ik, &PROLOGUE);
    symmetric.mix_hash(server.static_key.as_bytes());
    symmetric.mix_hash(ephemeral.public.as_bytes());
    symmetric.mix_agreement(&ephemeral, &server.static_key, Part::Static)?;
    let sealed_key = symmetric.encrypt(static_key.public.as_bytes());
    symmetric.mix_agreement(&static_key, &server.static_key, Part::Static)?;
    let sealed = SealedClient { static_key: sealed_key, payload: symmetric.encrypt(payload) };
    let hello = ClientHello { ephemeral: ephemeral.public, sealed: Some(sealed) }.encode();
    Ok((hello, AwaitingAnswer { static_key, ephemeral, server, symmetric }))
}

/// The client has said hello to a server that it knows.
#[derive(Debug)]
#[must_use = "a handshake that does not go on leaves the connection open"]
pub struct AwaitingAnswer {
    static_key: KeyPair,
    ephemeral: KeyPair,
    server: KnownServer,
    symmetric: Symmetric,
}

/// How a resumption ended.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum Answer {
    /// The server knew us: the connection stands.
    Resumed(Established),
    /// The server has another key, and proved it: send `finish`, then the connection stands.
    FellBack {
        /// The message to send.
        finish: Vec<u8>,
        /// With the key that the server has now.
        established: Established,
    },
}

impl AwaitingAnswer {
    /// Reads the server's answer. `payload`, `root` and `now` are for the fallback, see
    /// [`AwaitingServerHello::finish`].
    ///
    /// # Errors
    /// [`HandshakeError`]: close the connection, forget the [`KnownServer`], and use the full handshake next time.
    pub fn finish(
        mut self,
        hello: &[u8],
        payload: &[u8],
        root: &TrustRoot,
        now: UnixSeconds,
    ) -> Result<Answer, HandshakeError> {
        let hello = ServerHello::decode(hello)?;
        if hello.static_key.is_some() {
            let state = AwaitingServerHello::new(Pattern::XxFallback, self.static_key, self.ephemeral);
            let (finish, established) = state.answer(hello, payload, root, now)?;
            return Ok(Answer::FellBack { finish, established });
        }
        let state = &mut self.symmetric;
        state.mix_hash(hello.ephemeral.as_bytes());
        state.mix_agreement(&self.ephemeral, &hello.ephemeral, Part::Ephemeral)?;
        state.mix_agreement(&self.static_key, &hello.ephemeral, Part::Ephemeral)?;
        // Only the holder of the static key, which was verified when it was learned, can have sealed this.
        state.open(&hello.payload, Part::Payload)?;
        let transport = self.symmetric.into_client_transport();
        Ok(Answer::Resumed(Established { transport, server: self.server }))
    }

    /// The state so far, for comparison with known answers.
    #[must_use]
    pub const fn symmetric(&self) -> &Symmetric {
        &self.symmetric
    }
}
