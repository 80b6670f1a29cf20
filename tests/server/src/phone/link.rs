//! Scanning QR codes, signing companions and the list of them. Protocol: pairing, "Primary side".

use std::time::{Duration, SystemTime};

use prost::Message as _;
use tokio::time::{sleep, timeout};
use wa_core::crypto::{Random as _, SystemRandom, curve25519};
use wa_core::pairing::AccountType;
use wa_core::pairing::adv::AdvSecret;
use wa_core::pairing::qr::QrCode;
use wa_core::wire::Node;
use wa_proto::companion_reg::ClientPairingProps;
use wa_types::{Jid, UnixMillis, UnixSeconds};

use super::{Phone, PhoneState};
use crate::account::{DeviceKey, KeyIndexList};
use crate::crowd::SilentDevice;
use crate::pairing::{LinkOptions, LinkUpload, ScanError};
use crate::routing::devices::{Change, key_index_node};

/// What is to be wrong, or unusual, with one scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// The device identity is made with another secret.
    pub bad_hmac: bool,
    /// The account signs another device's key.
    pub bad_account_signature: bool,
    /// The pair-success does not tell the LID.
    pub without_lid: bool,
    /// The pair-success comes this much later.
    pub delay: Option<Duration>,
    /// The pair-success comes twice.
    pub repeat: bool,
    /// The account is a business of this name.
    pub business: Option<String>,
    /// The account is hosted.
    pub hosted: bool,
}

impl Phone {
    /// Scans a QR code and links the companion that shows it. Returns the new device's address when the companion has
    /// confirmed.
    ///
    /// # Errors
    /// [`ScanError`].
    pub async fn scan(&self, qr: &str) -> Result<Jid, ScanError> {
        self.scan_with(qr, &ScanOptions::default()).await
    }

    /// [`Self::scan`], with something wrong on purpose.
    ///
    /// # Errors
    /// [`ScanError`].
    pub async fn scan_with(&self, qr: &str, options: &ScanOptions) -> Result<Jid, ScanError> {
        let code = QrCode::parse(qr.trim()).map_err(|_| ScanError::Qr)?;
        self.link(&code, options).await
    }

    /// Signs and links the companion with these keys, whatever way they came.
    pub(super) async fn link(&self, code: &QrCode, options: &ScanOptions) -> Result<Jid, ScanError> {
        if let Some(delay) = options.delay {
            sleep(delay).await;
        }
        let (key_index, upload) = {
            let mut phone = self.lock();
            let key_index = phone.next_key_index;
            phone.next_key_index += 1;
            (key_index, self.sign(&phone, code, key_index, options))
        };
        let (connection, answer) = self.hub.state().begin_link(self.inner.key.account, upload)?;
        let linked = match timeout(self.hub.config.pairing_reply, answer).await {
            Ok(answer) => answer.unwrap_or(Err(ScanError::NoAnswer)),
            Err(_) => {
                self.hub.state().drop_link(connection);
                Err(ScanError::NoAnswer)
            }
        };
        if let Ok(jid) = &linked {
            let mut phone = self.lock();
            phone.live.insert(jid.device(), key_index);
            phone.secrets.push(code.secret.clone());
            phone.code_request = None;
            drop(phone);
            self.share_later(jid);
            tokio::spawn(self.clone().give_past(jid.clone()));
        }
        linked
    }

    /// Its companions, by phone number.
    #[must_use]
    pub fn linked_devices(&self) -> Vec<Jid> {
        let devices = self.hub.state().devices_of(self.inner.key.account);
        let companions = devices.into_iter().filter(|key| key.number != 0);
        companions.map(|key| self.inner.pn.clone().with_device(key.number)).collect()
    }

    /// Unlinks a companion. `false` when it has none of this address.
    pub fn remove_device(&self, companion: &Jid) -> bool {
        let number = companion.device();
        let removal = Node::new("remove-companion-device")
            .attr("jid", self.inner.pn.clone().with_device(number))
            .attr("reason", "user_initiated");
        let key = DeviceKey { account: self.inner.key.account, number };
        if self.hub.state().device(key).is_none() {
            return false;
        }
        let removed = self.request(&self.new_request("set", "md").child(removal)).is_some();
        if removed {
            self.lock().live.remove(&number);
            self.publish_list();
        }
        removed
    }

    /// Companions that the server does not list any more leave the signed list too.
    pub(super) fn drop_unlisted(&self, listed: &[u16]) {
        let mut phone = self.lock();
        let before = phone.live.len();
        phone.live.retain(|number, _| listed.contains(number));
        let changed = phone.live.len() != before;
        drop(phone);
        if changed {
            self.publish_list();
        }
    }

    /// Adds a companion that only has keys: others write to it, and nobody reads it. Contacts hear of it. Returns its
    /// address.
    pub fn add_companion_keys(&self) -> Jid {
        let (device, key_index) = {
            let mut phone = self.lock();
            let key_index = phone.next_key_index;
            phone.next_key_index += 1;
            (SilentDevice::new(&phone.keys.signer, key_index).device(), key_index)
        };
        let mut state = self.hub.state();
        let account = self.inner.key.account;
        let number = state.accounts.get_mut(account).map_or(0, |account| {
            let number = account.next_device;
            account.next_device += 1;
            account.devices.insert(number, device);
            number
        });
        drop(state);
        self.lock().live.insert(number, key_index);
        self.publish_list();
        let key = DeviceKey { account, number };
        self.hub.state().announce_device(key, Some(key_index), Change::Added);
        self.inner.pn.clone().with_device(number)
    }

    pub(super) fn publish_list(&self) {
        let phone = self.lock();
        let current = phone.next_key_index.saturating_sub(1);
        let list = signed_list(&phone, current, phone.live.values().copied(), AccountType::Personal);
        drop(phone);
        let iq = self.new_request("set", "md").child(key_index_node(&list));
        if self.request(&iq).is_none() {
            tracing::warn!("key index list refused");
        }
    }

    fn sign(&self, phone: &PhoneState, code: &QrCode, key_index: u32, options: &ScanOptions) -> LinkUpload {
        let random = &mut SystemRandom;
        let mut signer = phone.keys.signer.clone();
        if options.hosted {
            signer.account_type = AccountType::Hosted;
        }
        let secret = if options.bad_hmac { AdvSecret::new(random.array()) } else { code.secret.clone() };
        let companion = if options.bad_account_signature {
            curve25519::generate(random).public
        } else {
            code.identity_key
        };
        let container = signer.link(&companion, &secret, key_index, now(), random);
        let indexes = phone.live.values().copied().chain([key_index]);
        let props = ClientPairingProps {
            is_chat_db_lid_migrated: Some(self.hub.config.lid_migrated),
            ..ClientPairingProps::default()
        };
        LinkUpload {
            reference: code.reference.clone(),
            noise_key: code.noise_key,
            container,
            key_index,
            key_index_list: signed_list(phone, key_index, indexes, signer.account_type),
            client_props: Some(props.encode_to_vec()),
            options: LinkOptions {
                without_lid: options.without_lid,
                business: options.business.clone(),
                repeat: options.repeat,
            },
        }
    }
}

fn signed_list(
    phone: &PhoneState,
    current: u32,
    companions: impl Iterator<Item = u32>,
    account_type: AccountType,
) -> KeyIndexList {
    let mut signer = phone.keys.signer.clone();
    signer.account_type = account_type;
    let valid: Vec<u32> = [0].into_iter().chain(companions).collect();
    let now = now();
    let signed = signer.sign_key_indexes(current, &valid, now, &mut SystemRandom).encode();
    KeyIndexList { timestamp: now.0, signed }
}

fn now() -> UnixSeconds {
    UnixMillis::from_system_time(SystemTime::now()).to_seconds()
}
