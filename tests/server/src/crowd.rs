//! Accounts and devices that only have keys: others write to them, and nobody reads it. For groups of thousands.

use std::collections::VecDeque;
use std::time::SystemTime;

use wa_core::crypto::{Random as _, SystemRandom, curve25519};
use wa_core::pairing::AccountType;
use wa_core::pairing::adv::{AccountSigner, AdvSecret, accept_link};
use wa_core::signal::SignedPreKey as OwnSignedPreKey;
use wa_types::{Jid, KeyPair, PreKeyId, UnixMillis, UnixSeconds};

use crate::account::{Device, DeviceKeys, KeyIndexList, SignedPreKey};
use crate::state::{QUEUE, State};

/// A companion without a connection.
pub(crate) struct SilentDevice {
    keys: DeviceKeys,
    key_index: u32,
    device_identity: Vec<u8>,
}

impl SilentDevice {
    /// A new one that the account signed.
    pub(crate) fn new(signer: &AccountSigner, key_index: u32) -> Self {
        let random = &mut SystemRandom;
        let identity = curve25519::generate(random);
        let secret = AdvSecret::new(random.array());
        let container = signer.link(&identity.public, &secret, key_index, now(), random);
        let linked = accept_link(&container, &secret, &identity, random).expect("signed one line above");
        Self {
            keys: silent_keys(&identity),
            key_index,
            device_identity: linked.identity.without_account_key().encode(),
        }
    }

    pub(crate) fn device(&self) -> Device {
        let mut device = Device::new(self.keys.clone(), QUEUE);
        device.key_index = Some(self.key_index);
        device.device_identity = Some(self.device_identity.clone());
        device.is_silent = true;
        device
    }
}

impl State {
    /// Adds `count` accounts of `devices` silent devices each, which all have the same keys: it costs next to nothing.
    /// Returns their LIDs.
    pub(crate) fn create_crowd(&mut self, count: usize, devices: u32) -> Vec<Jid> {
        let random = &mut SystemRandom;
        let identity = curve25519::generate(random);
        let phone = silent_keys(&identity);
        let signer = AccountSigner::new(identity, u32::from_be_bytes(random.array()), AccountType::Personal);
        let companions: Vec<SilentDevice> =
            (1..devices).map(|key_index| SilentDevice::new(&signer, key_index)).collect();
        let valid: Vec<u32> = (0..devices.max(1)).collect();
        let list = signer.sign_key_indexes(devices.saturating_sub(1), &valid, now(), random).encode();
        let list = KeyIndexList { timestamp: now().0, signed: list };
        let mut lids = Vec::with_capacity(count);
        for number in 1..=count {
            let index = self.create_account(&format!("crowd {number}"), phone.clone());
            let Some(account) = self.accounts.get_mut(index) else { continue };
            for phone in account.devices.values_mut() {
                phone.is_silent = true;
            }
            for companion in &companions {
                account.devices.insert(account.next_device, companion.device());
                account.next_device += 1;
            }
            account.key_index_list = Some(list.clone());
            lids.push(account.lid.clone());
        }
        lids
    }
}

/// Keys with a single one-time key; more are never asked for.
fn silent_keys(identity: &KeyPair) -> DeviceKeys {
    let random = &mut SystemRandom;
    let signed = OwnSignedPreKey::generate(PreKeyId::FIRST, identity, random);
    let one_time = curve25519::generate(random).public;
    DeviceKeys {
        registration: (u32::from(u16::from_be_bytes(random.array())) % 16_380 + 1).to_be_bytes(),
        identity: identity.public,
        signed: SignedPreKey {
            id: signed.id.to_bytes(),
            key: signed.key_pair.public,
            signature: signed.signature,
        },
        one_time: VecDeque::from([(PreKeyId::FIRST.to_bytes(), one_time)]),
        uploaded: true,
        told_low: true,
        props: Vec::new(),
    }
}

fn now() -> UnixSeconds {
    UnixMillis::from_system_time(SystemTime::now()).to_seconds()
}
