//! Who the server is: its static key, signed by an intermediate certificate, signed by a root that we know.
//! Protocol: transport, "Certificate chain".
//!
//! ```text
//! TrustRoot ──signs──> intermediate ──signs──> leaf ──names──> the server's static key
//! ```
//!
//! [`verify`] is the client's part and cannot be left out of a handshake: who runs a server with a root of its own
//! hands the client that [`TrustRoot`]. [`Issuer`] is the server's part, for test servers and tools.

use prost::Message as _;
use wa_proto::cert::cert_chain::{NoiseCertificate, noise_certificate};
use wa_types::{KeyPair, PublicKey, Signature, UnixSeconds};

use crate::crypto::{Random, xeddsa};

/// The root that a client trusts: every chain must lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustRoot {
    /// Signs intermediate certificates.
    pub public_key: PublicKey,
    /// What intermediate certificates name as their issuer.
    pub serial: u32,
}

impl TrustRoot {
    /// WhatsApp's own, "WhatsAppLongTerm1".
    pub const WHATSAPP: Self = Self {
        public_key: PublicKey::new([
            0x14, 0x23, 0x75, 0x57, 0x4d, 0x0a, 0x58, 0x71, 0x66, 0xaa, 0xe7, 0x1e, 0xbe, 0x51, 0x64, 0x37,
            0xc4, 0xa2, 0x8b, 0x73, 0xe3, 0x69, 0x5c, 0x6c, 0xe1, 0xf7, 0xf9, 0x54, 0x5d, 0xa8, 0xee, 0x6b,
        ]),
        serial: 0,
    };

    /// The root of a server of one's own.
    #[must_use]
    pub const fn new(public_key: PublicKey, serial: u32) -> Self {
        Self { public_key, serial }
    }
}

impl Default for TrustRoot {
    fn default() -> Self {
        Self::WHATSAPP
    }
}

/// The time in which a certificate holds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a span has two ends")]
pub struct Validity {
    /// The first second.
    pub not_before: UnixSeconds,
    /// The last second.
    pub not_after: UnixSeconds,
}

impl Validity {
    /// Whether `now` lies within.
    #[must_use]
    pub fn contains(self, now: UnixSeconds) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// A server that proved who it is: what to persist for resuming without a full handshake ([`super::ik`]).
///
/// Cache it only when paired; forget it when a resumption fails for any reason other than the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownServer {
    /// The server's Noise static key.
    pub static_key: PublicKey,
    /// When its certificate holds.
    pub leaf: Validity,
    /// When the certificate holds that signed it.
    pub intermediate: Validity,
}

impl KnownServer {
    /// A server as the store remembers it.
    #[must_use]
    pub const fn new(static_key: PublicKey, leaf: Validity, intermediate: Validity) -> Self {
        Self { static_key, leaf, intermediate }
    }

    /// Whether its certificates hold now.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixSeconds) -> bool {
        self.leaf.contains(now) && self.intermediate.contains(now)
    }
}

/// Checks a chain as it came in the handshake against `root`, the server's decrypted static key and the time.
///
/// # Errors
/// A variant of [`CertificateError`] for each check. None is worth a retry with the same server, except
/// [`CertificateError::NotYetValid`] and [`CertificateError::Expired`], where our clock may be wrong.
pub fn verify(
    chain: &[u8],
    root: &TrustRoot,
    server_static: &PublicKey,
    now: UnixSeconds,
) -> Result<KnownServer, CertificateError> {
    let chain = CertificateChain::decode(chain)?;
    let (leaf, intermediate) = (chain.leaf.read(Link::Leaf)?, chain.intermediate.read(Link::Intermediate)?);

    chain.intermediate.check_signature(&root.public_key, Link::Intermediate)?;
    intermediate.check_issuer(root.serial, Link::Intermediate)?;
    chain.leaf.check_signature(&intermediate.key, Link::Leaf)?;
    leaf.check_issuer(intermediate.serial, Link::Leaf)?;
    if leaf.key != *server_static {
        return Err(CertificateError::OtherServer);
    }
    leaf.check_time(now, Link::Leaf)?;
    intermediate.check_time(now, Link::Intermediate)?;
    Ok(KnownServer::new(*server_static, leaf.validity, intermediate.validity))
}

/// The two certificates that a server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateChain {
    /// The server's own.
    pub leaf: SignedCertificate,
    /// Its issuer's, signed by the root.
    pub intermediate: SignedCertificate,
}

impl CertificateChain {
    /// A chain of these two.
    #[must_use]
    pub const fn new(leaf: SignedCertificate, intermediate: SignedCertificate) -> Self {
        Self { leaf, intermediate }
    }

    /// Reads a chain; nothing is verified.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] or [`CertificateError::Missing`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let chain = wa_proto::cert::CertChain::decode(bytes).map_err(|_| CertificateError::Malformed)?;
        Ok(Self {
            leaf: SignedCertificate::from_proto(chain.leaf, Link::Leaf)?,
            intermediate: SignedCertificate::from_proto(chain.intermediate, Link::Intermediate)?,
        })
    }

    /// The bytes that a server encrypts into its hello.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wa_proto::cert::CertChain {
            leaf: Some(self.leaf.to_proto()),
            intermediate: Some(self.intermediate.to_proto()),
        }
        .encode_to_vec()
    }
}

/// A certificate's signed bytes, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedCertificate {
    /// The encoded [`Certificate`], as it was signed.
    pub details: Vec<u8>,
    /// By the issuer, over `details`.
    pub signature: Signature,
}

impl SignedCertificate {
    fn from_proto(certificate: Option<NoiseCertificate>, link: Link) -> Result<Self, CertificateError> {
        let NoiseCertificate { details: Some(details), signature: Some(signature) } =
            certificate.ok_or(CertificateError::Missing { link })?
        else {
            return Err(CertificateError::Missing { link });
        };
        let signature = Signature::from_slice(&signature).ok_or(CertificateError::BadSignature { link })?;
        Ok(Self { details, signature })
    }

    fn to_proto(&self) -> NoiseCertificate {
        NoiseCertificate {
            details: Some(self.details.clone()),
            signature: Some(self.signature.as_bytes().to_vec()),
        }
    }

    fn read(&self, link: Link) -> Result<Certificate, CertificateError> {
        let details = noise_certificate::Details::decode(self.details.as_slice())
            .map_err(|_| CertificateError::Malformed)?;
        let key = PublicKey::from_raw(details.key())
            .map_err(|_| CertificateError::KeySize { link, size: details.key().len() })?;
        Ok(Certificate {
            serial: details.serial(),
            issuer_serial: details.issuer_serial(),
            key,
            validity: Validity {
                not_before: UnixSeconds(details.not_before()),
                not_after: UnixSeconds(details.not_after()),
            },
        })
    }

    fn check_signature(&self, issuer: &PublicKey, link: Link) -> Result<(), CertificateError> {
        if xeddsa::verify(issuer, &[&self.details], &self.signature) {
            Ok(())
        } else {
            Err(CertificateError::BadSignature { link })
        }
    }
}

/// What a certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// Its own number.
    pub serial: u32,
    /// Its issuer's number.
    pub issuer_serial: u32,
    /// The key that it vouches for.
    pub key: PublicKey,
    /// When it holds.
    pub validity: Validity,
}

impl Certificate {
    fn check_issuer(&self, serial: u32, link: Link) -> Result<(), CertificateError> {
        if self.issuer_serial == serial { Ok(()) } else { Err(CertificateError::WrongIssuer { link }) }
    }

    fn check_time(&self, now: UnixSeconds, link: Link) -> Result<(), CertificateError> {
        if now < self.validity.not_before {
            Err(CertificateError::NotYetValid { link })
        } else if now > self.validity.not_after {
            Err(CertificateError::Expired { link })
        } else {
            Ok(())
        }
    }
}

/// Who signs certificates: a root, or the holder of an intermediate certificate. For test servers and tools.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Issuer {
    /// Signs.
    pub key: KeyPair,
    /// What the certificates name as their issuer.
    pub serial: u32,
}

impl Issuer {
    /// An issuer with this key and number.
    #[must_use]
    pub const fn new(key: KeyPair, serial: u32) -> Self {
        Self { key, serial }
    }

    /// What clients of this root are handed.
    #[must_use]
    pub const fn trust_root(&self) -> TrustRoot {
        TrustRoot::new(self.key.public, self.serial)
    }

    /// Signs a certificate for `key`. Draws 64 random bytes.
    #[must_use]
    pub fn issue(
        &self,
        serial: u32,
        key: &PublicKey,
        validity: Validity,
        random: &mut impl Random,
    ) -> SignedCertificate {
        // Zero serials are written too: some clients want to see them.
        let details = noise_certificate::Details {
            serial: Some(serial),
            issuer_serial: Some(self.serial),
            key: Some(key.as_bytes().to_vec()),
            not_before: Some(validity.not_before.0),
            not_after: Some(validity.not_after.0),
        }
        .encode_to_vec();
        let signature = xeddsa::sign(&self.key.private, &[&details], random);
        SignedCertificate { details, signature }
    }

    /// A chain for a server: this root signs `intermediate`, which signs `leaf` with `leaf_serial`. Both certificates
    /// hold in `validity`. Draws 128 random bytes.
    #[must_use]
    pub fn issue_chain(
        &self,
        intermediate: &Self,
        leaf: &PublicKey,
        leaf_serial: u32,
        validity: Validity,
        random: &mut impl Random,
    ) -> CertificateChain {
        CertificateChain {
            intermediate: self.issue(intermediate.serial, &intermediate.key.public, validity, random),
            leaf: intermediate.issue(leaf_serial, leaf, validity, random),
        }
    }
}

/// Which certificate of a chain an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Link {
    /// The server's own.
    Leaf,
    /// Its issuer's.
    Intermediate,
}

/// Why a server's certificates are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are no chain.
    #[error("the certificate chain is malformed")]
    Malformed,
    /// A certificate, its content or its signature is absent.
    #[error("the {link:?} certificate is missing or incomplete")]
    Missing {
        /// Which one.
        link: Link,
    },
    /// A certificate names a key that is not 32 bytes long.
    #[error("the key of the {link:?} certificate has {size} bytes")]
    KeySize {
        /// Which one.
        link: Link,
        /// Its length, bytes.
        size: usize,
    },
    /// A signature is not by the next certificate up the chain, or not 64 bytes long.
    #[error("the signature of the {link:?} certificate does not verify")]
    BadSignature {
        /// Which one.
        link: Link,
    },
    /// A certificate names another issuer than the one that signed it.
    #[error("the {link:?} certificate names another issuer")]
    WrongIssuer {
        /// Which one.
        link: Link,
    },
    /// The chain is good, but for another server than the one that we talk to.
    #[error("the certificate is for another key")]
    OtherServer,
    /// A certificate does not hold yet. Perhaps our clock is slow.
    #[error("the {link:?} certificate is not yet valid")]
    NotYetValid {
        /// Which one.
        link: Link,
    },
    /// A certificate held in the past. Perhaps our clock is fast.
    #[error("the {link:?} certificate has expired")]
    Expired {
        /// Which one.
        link: Link,
    },
}

impl CertificateError {
    /// Whether a wrong clock of ours would explain it.
    #[must_use]
    pub const fn may_be_our_clock(self) -> bool {
        matches!(self, Self::NotYetValid { .. } | Self::Expired { .. })
    }
}
