//! The server's own root of trust, its Noise key, and the certificates for it: made at start, never stored.

use std::time::{Duration, SystemTime};

use wa_core::crypto::{SystemRandom, curve25519};
use wa_core::noise::TrustRoot;
use wa_core::noise::certificate::{CertificateChain, Issuer, Validity};
use wa_core::noise::server::Identity;
use wa_types::{KeyPair, Signature, UnixMillis, UnixSeconds};

use crate::faults::CertificateFault;

/// Signs what the server shows in its handshakes.
#[derive(Debug)]
pub(crate) struct Authority {
    root: Issuer,
    intermediate: Issuer,
    static_key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let random = &mut SystemRandom;
        Self {
            root: Issuer::new(curve25519::generate(random), 0),
            intermediate: Issuer::new(curve25519::generate(random), 1),
            static_key: curve25519::generate(random),
        }
    }

    /// What clients must be given to trust this server.
    pub(crate) fn trust_root(&self) -> TrustRoot {
        self.root.trust_root()
    }

    /// What the server shows to one client: the truth, or something wrong on purpose.
    pub(crate) fn identity(&self, fault: Option<CertificateFault>) -> Identity {
        let random = &mut SystemRandom;
        let now = UnixMillis::from_system_time(SystemTime::now()).to_seconds().0;
        let mut validity = Validity {
            not_before: UnixSeconds(now.saturating_sub(DAY)),
            not_after: UnixSeconds(now + 3650 * DAY),
        };
        let mut root = self.root.clone();
        let mut leaf = self.static_key.public;
        match fault {
            Some(CertificateFault::WrongRoot) => root.key = curve25519::generate(random),
            Some(CertificateFault::OtherKey) => leaf = curve25519::generate(random).public,
            Some(CertificateFault::Expired) => validity.not_after = UnixSeconds(now.saturating_sub(60)),
            Some(CertificateFault::BrokenSignature) | None => {}
        }
        let mut chain = root.issue_chain(&self.intermediate, &leaf, LEAF_SERIAL, validity, random);
        if fault == Some(CertificateFault::BrokenSignature) {
            chain = with_broken_leaf(chain);
        }
        Identity::new(self.static_key.clone(), &chain)
    }
}

fn with_broken_leaf(mut chain: CertificateChain) -> CertificateChain {
    let mut signature = *chain.leaf.signature.as_bytes();
    signature[0] ^= 1;
    chain.leaf.signature = Signature::new(signature);
    chain
}

const DAY: u64 = Duration::from_secs(86_400).as_secs();
const LEAF_SERIAL: u32 = 2;
