//! A message to a group: one ciphertext under our own key of the group, and that key for each device that lacks it.
//! Protocol: messages, "Groups"; signal, "Sender keys".

pub mod fan_out;
pub mod holders;
pub mod membership;
pub mod own_keys;

pub use fan_out::FanOut;
pub use holders::KeyHolders;
pub use own_keys::OwnKeys;

use prost::Message as _;
use wa_proto::e2e;
use wa_types::Jid;
use zeroize::Zeroizing;

use crate::crypto::Random;
use crate::signal::{OwnSenderKey, pad};

/// The padded message that gives our key of a group to a device; the same for all devices. Take it before the message
/// that it goes out with is sealed. Draws one byte for the padding.
pub fn distribution(group: &Jid, key: &OwnSenderKey, random: &mut impl Random) -> Zeroizing<Vec<u8>> {
    let mut bytes = distribution_message(group, key);
    pad(&mut bytes, random);
    bytes
}

/// The same without padding: what a message that is sent again to one device carries beside its content.
pub fn distribution_message(group: &Jid, key: &OwnSenderKey) -> Zeroizing<Vec<u8>> {
    let distribution = e2e::SenderKeyDistributionMessage {
        group_id: Some(group.to_string()),
        axolotl_sender_key_distribution_message: Some(key.distribution().to_bytes()),
    };
    let message = e2e::Message {
        sender_key_distribution_message: Some(Box::new(distribution)),
        ..e2e::Message::default()
    };
    Zeroizing::new(message.encode_to_vec())
}
