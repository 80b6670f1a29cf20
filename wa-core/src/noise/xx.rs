//! The full handshake: neither side knows the other. It always works. Protocol: transport, "XX".

use wa_types::{KeyPair, UnixSeconds};

use super::certificate::{self, TrustRoot};
use super::message::{ClientHello, SealedClient, ServerHello};
use super::symmetric::{Pattern, Symmetric};
use super::{Established, HandshakeError, PROLOGUE, Part};
use crate::crypto::{Random, curve25519};

/// Begins a handshake with our static key: the hello to send, and the state that waits for its answer.
/// Draws 32 random bytes.
pub fn start(static_key: KeyPair, random: &mut impl Random) -> (Vec<u8>, AwaitingServerHello) {
    let ephemeral = curve25519::generate(random);
    let hello = ClientHello { ephemeral: ephemeral.public, sealed: None }.encode();
    (hello, AwaitingServerHello::new(Pattern::Xx, static_key, ephemeral))
}

/// The client has said hello.
#[derive(Debug)]
#[must_use = "a handshake that does not go on leaves the connection open"]
pub struct AwaitingServerHello {
    static_key: KeyPair,
    ephemeral: KeyPair,
    symmetric: Symmetric,
}

impl AwaitingServerHello {
    pub(super) fn new(pattern: Pattern, static_key: KeyPair, ephemeral: KeyPair) -> Self {
        let mut symmetric = Symmetric::new(pattern, &PROLOGUE);
        symmetric.mix_hash(ephemeral.public.as_bytes());
        Self { static_key, ephemeral, symmetric }
    }

    /// Checks the server's certificates, and proves our static key. Returns the finish to send; nothing answers it
    /// but the first frames. `payload` is an encoded [`super::ClientPayload`].
    ///
    /// # Errors
    /// [`HandshakeError`]: close the connection; nothing of ours was told to the server.
    pub fn finish(
        self,
        hello: &[u8],
        payload: &[u8],
        root: &TrustRoot,
        now: UnixSeconds,
    ) -> Result<(Vec<u8>, Established), HandshakeError> {
        self.answer(ServerHello::decode(hello)?, payload, root, now)
    }

    pub(super) fn answer(
        mut self,
        hello: ServerHello,
        payload: &[u8],
        root: &TrustRoot,
        now: UnixSeconds,
    ) -> Result<(Vec<u8>, Established), HandshakeError> {
        let state = &mut self.symmetric;
        let sealed_key = hello.static_key.ok_or(HandshakeError::Missing { part: Part::Static })?;

        state.mix_hash(hello.ephemeral.as_bytes());
        state.mix_agreement(&self.ephemeral, &hello.ephemeral, Part::Ephemeral)?;
        let server_static = state.open_key(&sealed_key)?;
        state.mix_agreement(&self.ephemeral, &server_static, Part::Static)?;
        let chain = state.open(&hello.payload, Part::Payload)?;
        let server = certificate::verify(&chain, root, &server_static, now)?;

        let static_key = state.encrypt(self.static_key.public.as_bytes());
        state.mix_agreement(&self.static_key, &hello.ephemeral, Part::Ephemeral)?;
        let finish = SealedClient { static_key, payload: state.encrypt(payload) }.encode();
        Ok((finish, Established { transport: self.symmetric.into_client_transport(), server }))
    }

    /// The state so far, for comparison with known answers.
    #[must_use]
    pub const fn symmetric(&self) -> &Symmetric {
        &self.symmetric
    }
}
