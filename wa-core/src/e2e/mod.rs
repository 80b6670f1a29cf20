//! Who can read a message: addresses, devices, encryption and decryption. Records and bytes in, records and bytes
//! out; what is to be written comes back as [`wa_store::Changes`].

pub mod addressing;
pub mod decrypt;
pub mod encrypt;
pub mod group;
pub mod phash;
pub mod ratchets;
pub mod recipients;
pub mod retry;
pub mod trust;

pub use decrypt::DecryptError;
