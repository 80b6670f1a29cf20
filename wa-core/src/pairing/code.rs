//! Linking with an eight-character code, both sides. Protocol: pairing, "Linking with an 8-character code".
//!
//! ```text
//! companion                                       primary (the phone)
//! CodeLink::new
//!   └─ wrapped_key ──── companion_hello ────────> the user types the code
//!                                                 CodeAnswer::new
//! CodeLink::finish <─── primary_hello ──────────── └─ wrapped_key
//!   └─ bundle ───────── companion_finish ───────> CodeAnswer::open
//!   └─ secret           = the secret of the pair-success =            └─ secret
//! ```
//!
//! Both keys travel encrypted under the code, so whoever does not know it ends with another secret.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use wa_types::{KeyPair, PublicKey};
use zeroize::{Zeroize as _, Zeroizing};

use super::adv::AdvSecret;
use crate::crypto::{CryptoError, Random, aes, curve25519, kdf};
use crate::noise::client_payload::{DeviceProfile, Platform};

/// The size of a public key that is encrypted under a code.
pub const WRAPPED_KEY_SIZE: usize = 80;

/// The size of the bundle that proves to the phone that both have the same code.
pub const BUNDLE_SIZE: usize = 156;

const ALPHABET: &[u8; 32] = b"123456789ABCDEFGHJKLMNPQRSTVWXYZ";
const ROUNDS: NonZeroU32 = NonZeroU32::new(131_072).expect("is not 0");
const BUNDLE_INFO: &[u8] = b"link_code_pairing_key_bundle_encryption_key";
const SECRET_INFO: &[u8] = b"adv_secret";

/// Eight characters that link a companion, or that two screens show to be compared. `Display` is the form for people,
/// `XXXX-XXXX`.
///
/// A code to be typed is a secret while it is live: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode(Zeroizing<[u8; 8]>);

impl PairingCode {
    /// A new code of 40 random bits.
    #[must_use]
    pub fn generate(random: &mut impl Random) -> Self {
        Self::from_bits(random.array())
    }

    /// The code of 40 bits, five per character.
    #[must_use]
    pub fn from_bits(bits: [u8; 5]) -> Self {
        let number = bits.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let mut code = Zeroizing::new([0; 8]);
        for (place, character) in code.iter_mut().rev().enumerate() {
            let digit = usize::try_from(number >> (5 * place) & 31).unwrap_or(0);
            *character = ALPHABET.get(digit).copied().unwrap_or(0);
        }
        Self(code)
    }

    /// The eight characters without the dash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }
}

/// Reads a code as people type it: dashes are dropped, small letters become capital ones.
impl FromStr for PairingCode {
    type Err = PairingCodeError;

    fn from_str(text: &str) -> Result<Self, PairingCodeError> {
        let mut code = Zeroizing::new([0; 8]);
        let mut places = code.iter_mut();
        let mut count = 0;
        for character in text.chars().filter(|character| *character != '-') {
            let byte = u8::try_from(character.to_ascii_uppercase()).ok();
            let byte = byte.filter(|byte| ALPHABET.contains(byte));
            let byte = byte.ok_or(PairingCodeError::Character { character })?;
            count += 1;
            *places.next().ok_or(PairingCodeError::Length)? = byte;
        }
        if count == 8 { Ok(Self(code)) } else { Err(PairingCodeError::Length) }
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.as_str().split_at_checked(4).unwrap_or_default();
        write!(f, "{first}-{last}")
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(..)")
    }
}

/// Why a text is no pairing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairingCodeError {
    /// A code has eight characters, dashes not counted.
    #[error("a pairing code has eight characters")]
    Length,
    /// Only digits from 1 and letters count, without I, O and U.
    #[error("{character:?} is in no pairing code; it takes 1 to 9 and A to Z without I, O and U")]
    Character {
        /// The character.
        character: char,
    },
}

/// The companion's half of a link by code.
#[derive(Debug)]
pub struct CodeLink {
    code: PairingCode,
    ephemeral: KeyPair,
}

/// What the companion makes of the phone's answer.
#[derive(Debug)]
pub struct CodeFinish {
    /// For the phone.
    pub bundle: [u8; BUNDLE_SIZE],
    /// The pair-success is made with it, if the phone had the same code.
    pub secret: AdvSecret,
}

impl CodeLink {
    /// A link with this code and a new key. Draws 32 random bytes.
    pub fn new(code: PairingCode, random: &mut impl Random) -> Self {
        Self { code, ephemeral: curve25519::generate(random) }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> &PairingCode {
        &self.code
    }

    /// The companion's key for the phone, encrypted under the code. Draws 48 random bytes; takes some 20 ms.
    pub fn wrapped_key(&self, random: &mut impl Random) -> [u8; WRAPPED_KEY_SIZE] {
        wrap(&self.code, &self.ephemeral.public, random)
    }

    /// Answers the phone's key. Whether the phone had the right code does not show here: with a wrong one it cannot
    /// open the bundle, and no pair-success follows. Draws 76 random bytes; takes some 20 ms.
    ///
    /// # Errors
    /// [`CryptoError::WeakKey`]: a key of the phone is of low order, as no honest phone's is.
    pub fn finish(
        &self,
        identity: &KeyPair,
        wrapped_primary: &[u8; WRAPPED_KEY_SIZE],
        primary_identity: &PublicKey,
        random: &mut impl Random,
    ) -> Result<CodeFinish, CryptoError> {
        let primary = unwrap(&self.code, wrapped_primary);
        let shared = curve25519::agree(&self.ephemeral.private, &primary)?;
        let shared_identity = curve25519::agree(&identity.private, primary_identity)?;
        let nonce = Zeroizing::new(random.array::<32>());
        let (salt, iv) = (random.array::<32>(), random.array::<12>());

        // Sized for the tag: growing would leave a copy of the plaintext behind.
        let mut sealed = Vec::with_capacity(BUNDLE_SIZE);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&iv);
        sealed.extend_from_slice(identity.public.as_bytes());
        sealed.extend_from_slice(primary_identity.as_bytes());
        sealed.extend_from_slice(nonce.as_slice());
        bundle_key(&shared, &salt).seal(iv, &[], &mut sealed, salt.len() + iv.len());
        let bundle = sealed.try_into().expect("32 + 12 + 96 + 16 bytes are 156");
        Ok(CodeFinish { bundle, secret: secret(&shared, &shared_identity, nonce.as_slice()) })
    }
}

/// The phone's half of a link by code.
#[derive(Debug)]
pub struct CodeAnswer {
    code: PairingCode,
    ephemeral: KeyPair,
    companion: PublicKey,
}

impl CodeAnswer {
    /// Answers a companion's wrapped key with the code that the user typed. Draws 32 random bytes; takes some 20 ms.
    pub fn new(
        code: PairingCode,
        wrapped_companion: &[u8; WRAPPED_KEY_SIZE],
        random: &mut impl Random,
    ) -> Self {
        let companion = unwrap(&code, wrapped_companion);
        Self { code, ephemeral: curve25519::generate(random), companion }
    }

    /// The companion's key, as this code opens it: with a wrong code it is another one.
    #[must_use]
    pub const fn companion_key(&self) -> &PublicKey {
        &self.companion
    }

    /// The phone's key for the companion. Draws 48 random bytes; takes some 20 ms.
    pub fn wrapped_key(&self, random: &mut impl Random) -> [u8; WRAPPED_KEY_SIZE] {
        wrap(&self.code, &self.ephemeral.public, random)
    }

    /// Opens the companion's bundle; gives back the secret to make the pair-success with.
    ///
    /// # Errors
    /// [`CodeLinkError`].
    pub fn open(
        &self,
        identity: &KeyPair,
        companion_identity: &PublicKey,
        bundle: &[u8; BUNDLE_SIZE],
    ) -> Result<AdvSecret, CodeLinkError> {
        let weak = |_| CodeLinkError::WrongCode;
        let shared = curve25519::agree(&self.ephemeral.private, &self.companion).map_err(weak)?;
        let shared_identity = curve25519::agree(&identity.private, companion_identity).map_err(weak)?;
        let (salt, rest) = bundle.split_first_chunk::<32>().expect("156 is more than 32");
        let (iv, sealed) = rest.split_first_chunk::<12>().expect("124 is more than 12");
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let plain = bundle_key(&shared, salt).open(*iv, &[], &mut sealed).map_err(weak)?;
        let (companion, rest) = plain.split_first_chunk::<32>().expect("96 is more than 32");
        let (primary, nonce) = rest.split_first_chunk::<32>().expect("64 is more than 32");
        if companion != companion_identity.as_bytes() || primary != identity.public.as_bytes() {
            return Err(CodeLinkError::OtherIdentity);
        }
        Ok(secret(&shared, &shared_identity, nonce))
    }
}

/// Why the phone cannot link a companion by code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeLinkError {
    /// The user typed another code than the companion shows.
    #[error("the code is wrong")]
    WrongCode,
    /// The bundle names other keys than its sender has.
    #[error("the bundle names other identity keys")]
    OtherIdentity,
}

/// How the companion introduces itself to the phone while linking by code: `Chrome (Linux)`. The server takes only
/// systems that it knows: a profile of another name is shown as Linux.
#[must_use]
pub fn platform_display(profile: &DeviceProfile) -> String {
    let system = SYSTEMS.iter().find(|system| system.eq_ignore_ascii_case(&profile.name)).unwrap_or(&"Linux");
    let browser = match profile.platform {
        Platform::Firefox => "Firefox",
        Platform::InternetExplorer => "IE",
        Platform::Opera => "Opera",
        Platform::Safari => "Safari",
        Platform::Edge => "Edge",
        _ => "Chrome",
    };
    format!("{browser} ({system})")
}

/// The systems that the server takes in a [`platform_display`].
pub const SYSTEMS: [&str; 5] = ["Windows", "Mac OS", "Linux", "Android", "iOS"];

fn wrap(code: &PairingCode, key: &PublicKey, random: &mut impl Random) -> [u8; WRAPPED_KEY_SIZE] {
    let mut wrapped = [0; WRAPPED_KEY_SIZE];
    let (salt, rest) = wrapped.split_first_chunk_mut::<32>().expect("80 is more than 32");
    let (iv, body) = rest.split_first_chunk_mut::<16>().expect("48 is more than 16");
    random.fill(salt);
    random.fill(iv);
    body.copy_from_slice(key.as_bytes());
    aes::ctr_apply(&wrap_key(code, salt), *iv, body);
    wrapped
}

fn unwrap(code: &PairingCode, wrapped: &[u8; WRAPPED_KEY_SIZE]) -> PublicKey {
    let (salt, rest) = wrapped.split_first_chunk::<32>().expect("80 is more than 32");
    let (iv, body) = rest.split_first_chunk::<16>().expect("48 is more than 16");
    let mut key: [u8; 32] = body.try_into().expect("80 - 32 - 16 is 32");
    aes::ctr_apply(&wrap_key(code, salt), *iv, &mut key);
    PublicKey::new(key)
}

fn wrap_key(code: &PairingCode, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    kdf::pbkdf2_sha256(code.0.as_slice(), salt, ROUNDS)
}

fn bundle_key(shared: &[u8; 32], salt: &[u8; 32]) -> aes::GcmKey {
    aes::GcmKey::new(&kdf::hkdf_array(shared, salt, BUNDLE_INFO))
}

fn secret(shared: &[u8; 32], shared_identity: &[u8; 32], nonce: &[u8]) -> AdvSecret {
    let mut material = Zeroizing::new(Vec::with_capacity(96));
    material.extend_from_slice(shared);
    material.extend_from_slice(shared_identity);
    material.extend_from_slice(nonce);
    let mut derived = kdf::hkdf_array::<32>(&material, &[], SECRET_INFO);
    let secret = AdvSecret::new(*derived);
    derived.zeroize();
    secret
}
