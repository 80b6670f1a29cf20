//! A phone's sender keys: its own per group, and those of others.

use std::collections::{BTreeSet, HashMap};

use wa_core::crypto::SystemRandom;
use wa_core::signal::{
    OwnSenderKey, SenderKeyDistribution, SenderKeyMessage, SenderKeyRecord, SignalError, pad, unpad,
};
use wa_proto::e2e::{Message, SenderKeyDistributionMessage};
use wa_types::Jid;

use super::keys::Unreadable;
use crate::account::DeviceKey;
use crate::group::GroupMode;

/// Sender keys by group; the status feed is one too.
#[derive(Default)]
pub(super) struct SenderKeys {
    own: HashMap<Jid, OwnKey>,
    others: HashMap<(Jid, DeviceKey), SenderKeyRecord>,
}

struct OwnKey {
    key: OwnSenderKey,
    mode: GroupMode,
    /// The devices that were given the key.
    given: BTreeSet<DeviceKey>,
}

impl SenderKeys {
    /// Which of these devices still need the own key. Where somebody who had it is not among them any more, or the
    /// addresses changed, there is a new key, and all need it.
    pub(super) fn missing(&mut self, group: &Jid, mode: GroupMode, devices: &[DeviceKey]) -> Vec<DeviceKey> {
        let stays = self
            .own
            .get(group)
            .is_some_and(|own| own.mode == mode && own.given.iter().all(|device| devices.contains(device)));
        if !stays {
            self.rotate(group);
        }
        let given = self.own.get(group).map(|own| &own.given);
        devices.iter().copied().filter(|device| given.is_none_or(|given| !given.contains(device))).collect()
    }

    /// The message that gives the own key away, as of the next message.
    pub(super) fn distribution(&mut self, group: &Jid, mode: GroupMode) -> Message {
        let own = self.own(group, mode);
        let distribution = SenderKeyDistributionMessage {
            group_id: Some(group.to_string()),
            axolotl_sender_key_distribution_message: Some(own.key.distribution().to_bytes()),
        };
        Message { sender_key_distribution_message: Some(distribution.into()), ..Message::default() }
    }

    /// Notes who has the own key now.
    pub(super) fn gave(&mut self, group: &Jid, device: DeviceKey) {
        if let Some(own) = self.own.get_mut(group) {
            own.given.insert(device);
        }
    }

    /// Forgets the own key of a group; the next message has a new one.
    pub(super) fn rotate(&mut self, group: &Jid) {
        self.own.remove(group);
    }

    /// Forgets what others gave for a group, as after a loss of data.
    pub(super) fn forget(&mut self, group: &Jid) {
        self.others.retain(|(known, _), _| known != group);
    }

    /// Pads and encrypts for a group.
    pub(super) fn encrypt(
        &mut self,
        group: &Jid,
        mode: GroupMode,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SignalError> {
        let mut padded = plaintext.to_vec();
        pad(&mut padded, &mut SystemRandom);
        self.own(group, mode).key.encrypt(&padded, &mut SystemRandom)
    }

    /// Takes in another's key.
    pub(super) fn take(&mut self, group: &Jid, sender: DeviceKey, bytes: &[u8]) -> Result<(), SignalError> {
        let distribution = SenderKeyDistribution::parse(bytes)?;
        self.others.entry((group.clone(), sender)).or_default().process(&distribution)
    }

    /// Decrypts another's message and takes the padding off.
    pub(super) fn decrypt(
        &mut self,
        group: &Jid,
        sender: DeviceKey,
        bytes: &[u8],
    ) -> Result<Vec<u8>, Unreadable> {
        let message = SenderKeyMessage::parse(bytes)?;
        let record = self.others.entry((group.clone(), sender)).or_default();
        let padded = record.decrypt(&message)?;
        unpad(&padded).map(<[u8]>::to_vec).map_err(|_| Unreadable::Padding)
    }

    fn own(&mut self, group: &Jid, mode: GroupMode) -> &mut OwnKey {
        self.own.entry(group.clone()).or_insert_with(|| OwnKey {
            key: OwnSenderKey::generate(&mut SystemRandom),
            mode,
            given: BTreeSet::new(),
        })
    }
}
