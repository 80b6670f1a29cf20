//! Linking this client to an account, and knowing which devices an account has. Protocol: pairing.
//!
//! ```text
//! companion                                   primary (the phone)
//! qr::QrCode::to_text ─────── shown ────────> qr::QrCode::parse
//!                                             adv::AccountSigner::link
//! adv::accept_link <── pair-success ─────────┘
//!   └─ reply ───── pair-device-sign ────────> adv::SignedDeviceIdentity::verify_device
//! ```
//!
//! | Module | Subject |
//! |---|---|
//! | [`qr`] | the text of the QR code, and the kinds of client |
//! | [`code`] | linking with an eight-character code, both sides |
//! | [`passkey`] | linking that a passkey vouches for, both sides |
//! | [`adv`] | the device identity that the phone signs, both sides |
//! | [`key_index`] | the list of an account's valid devices |

pub mod adv;
pub mod code;
pub mod key_index;
pub mod passkey;
pub mod qr;

pub use adv::{AccountType, AdvSecret, LinkError, Linked, SignedDeviceIdentity};
pub use code::{PairingCode, PairingCodeError};
pub use key_index::{KeyIndexError, KeyIndexList, SignedKeyIndexList};
pub use qr::{ClientType, QrCode, QrError};
