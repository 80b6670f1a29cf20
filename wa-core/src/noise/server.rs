//! The server's side of the handshakes: for test servers and tools. Protocol: transport, "XX" and "IK resume".

use wa_types::{KeyPair, PublicKey};
use zeroize::Zeroizing;

use super::certificate::CertificateChain;
use super::cipher::Transport;
use super::message::{ClientHello, SealedClient, ServerHello};
use super::symmetric::{Pattern, Symmetric};
use super::{HandshakeError, Part};
use crate::crypto::{Random, curve25519};

/// What a server shows: its static key, and the certificates for it.
#[derive(Debug, Clone)]
pub struct Identity {
    static_key: KeyPair,
    chain: Vec<u8>,
}

impl Identity {
    /// A server with this key, and a chain that ends in it ([`super::certificate::Issuer::issue_chain`]).
    #[must_use]
    pub fn new(static_key: KeyPair, chain: &CertificateChain) -> Self {
        Self::with_encoded_chain(static_key, chain.encode())
    }

    /// A server that shows these bytes, whatever they are: clients must refuse wrong ones.
    #[must_use]
    pub const fn with_encoded_chain(static_key: KeyPair, chain: Vec<u8>) -> Self {
        Self { static_key, chain }
    }

    /// The key that clients remember.
    #[must_use]
    pub const fn static_key(&self) -> &PublicKey {
        &self.static_key.public
    }
}

/// Whether a server resumes with clients that know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "yes or no")]
pub enum Resumption {
    /// A client that knows the key resumes; one that knows another key falls back.
    #[default]
    Accept,
    /// Every client falls back to the full handshake.
    Decline,
}

/// A client that proved its static key. `Debug` does not show the payload, which has a phone number.
#[non_exhaustive]
pub struct LoggedIn {
    /// The client's Noise static key: the one that its account was paired with, or the login is to be refused.
    pub static_key: PublicKey,
    /// Its encoded [`super::ClientPayload`], not yet checked.
    pub payload: Zeroizing<Vec<u8>>,
    /// Opens its frames and seals ours.
    pub transport: Transport,
}

impl std::fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn").field("static_key", &self.static_key).finish_non_exhaustive()
    }
}

/// How a server goes on after a client's hello. Either way, send the `hello`.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum Accepted {
    /// The client resumed: the connection stands.
    Resumed {
        /// The message to send.
        hello: Vec<u8>,
        /// Who it is.
        client: LoggedIn,
    },
    /// The client does not know us, or fell back: its finish comes next.
    Full {
        /// The message to send.
        hello: Vec<u8>,
        /// Waits for the finish.
        next: AwaitingClientFinish,
    },
}

/// Answers a client's hello. `prologue` is what the client really sent ([`super::Header`]). Draws 32 random bytes.
///
/// # Errors
/// [`HandshakeError`] when the message is malformed or its key of low order. Close the connection.
pub fn accept(
    identity: &Identity,
    resumption: Resumption,
    prologue: &[u8; 4],
    hello: &[u8],
    random: &mut impl Random,
) -> Result<Accepted, HandshakeError> {
    let hello = ClientHello::decode(hello)?;
    let ephemeral = curve25519::generate(random);
    let pattern = match &hello.sealed {
        None => Pattern::Xx,
        Some(sealed) => {
            if resumption == Resumption::Accept
                && let Some((symmetric, static_key, payload)) =
                    open_resumption(identity, prologue, &hello.ephemeral, sealed)
            {
                return resume(identity, symmetric, &hello.ephemeral, ephemeral, static_key, payload);
            }
            Pattern::XxFallback
        }
    };
    let mut symmetric = Symmetric::new(pattern, prologue);
    symmetric.mix_hash(hello.ephemeral.as_bytes());
    symmetric.mix_hash(ephemeral.public.as_bytes());
    symmetric.mix_agreement(&ephemeral, &hello.ephemeral, Part::Ephemeral)?;
    let static_key = symmetric.encrypt(identity.static_key.public.as_bytes());
    symmetric.mix_agreement(&identity.static_key, &hello.ephemeral, Part::Ephemeral)?;
    let payload = symmetric.encrypt(&identity.chain);
    let hello = ServerHello { ephemeral: ephemeral.public, static_key: Some(static_key), payload }.encode();
    Ok(Accepted::Full { hello, next: AwaitingClientFinish { ephemeral, symmetric } })
}

/// The server has said hello.
#[derive(Debug)]
#[must_use = "a handshake that does not go on leaves the connection open"]
pub struct AwaitingClientFinish {
    ephemeral: KeyPair,
    symmetric: Symmetric,
}

impl AwaitingClientFinish {
    /// Reads the client's finish: who it is, and what it says about itself.
    ///
    /// # Errors
    /// [`HandshakeError`]: close the connection.
    pub fn finish(mut self, finish: &[u8]) -> Result<LoggedIn, HandshakeError> {
        let sealed = SealedClient::decode(finish)?;
        let static_key = self.symmetric.open_key(&sealed.static_key)?;
        self.symmetric.mix_agreement(&self.ephemeral, &static_key, Part::Static)?;
        let payload = self.symmetric.open(&sealed.payload, Part::Payload)?;
        Ok(LoggedIn { static_key, payload, transport: self.symmetric.into_server_transport() })
    }

    /// The state so far, for comparison with known answers.
    #[must_use]
    pub const fn symmetric(&self) -> &Symmetric {
        &self.symmetric
    }
}

/// Opens what a resuming client sealed; `None` when it was sealed for another key.
fn open_resumption(
    identity: &Identity,
    prologue: &[u8; 4],
    ephemeral: &PublicKey,
    sealed: &SealedClient,
) -> Option<(Symmetric, PublicKey, Zeroizing<Vec<u8>>)> {
    let mut symmetric = Symmetric::new(Pattern::Ik, prologue);
    symmetric.mix_hash(identity.static_key.public.as_bytes());
    symmetric.mix_hash(ephemeral.as_bytes());
    symmetric.mix_agreement(&identity.static_key, ephemeral, Part::Ephemeral).ok()?;
    let static_key = symmetric.open_key(&sealed.static_key).ok()?;
    symmetric.mix_agreement(&identity.static_key, &static_key, Part::Static).ok()?;
    let payload = symmetric.open(&sealed.payload, Part::Payload).ok()?;
    Some((symmetric, static_key, payload))
}

fn resume(
    identity: &Identity,
    mut symmetric: Symmetric,
    client_ephemeral: &PublicKey,
    ephemeral: KeyPair,
    static_key: PublicKey,
    payload: Zeroizing<Vec<u8>>,
) -> Result<Accepted, HandshakeError> {
    symmetric.mix_hash(ephemeral.public.as_bytes());
    symmetric.mix_agreement(&ephemeral, client_ephemeral, Part::Ephemeral)?;
    symmetric.mix_agreement(&ephemeral, &static_key, Part::Static)?;
    let sealed = symmetric.encrypt(&identity.chain);
    let hello = ServerHello { ephemeral: ephemeral.public, static_key: None, payload: sealed }.encode();
    let client = LoggedIn { static_key, payload, transport: symmetric.into_server_transport() };
    Ok(Accepted::Resumed { hello, client })
}
