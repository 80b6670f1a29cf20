//! The keys of the shared state: taken from our own devices, given to them, asked for. Protocol: app state, "Keys".

use prost::Message as _;
use wa_proto::e2e;
use wa_proto::e2e::protocol_message::Type;
use wa_store::StoreError;
use wa_types::UnixMillis;
use zeroize::Zeroizing;

use crate::app_state::KeyId;
use crate::driver::{Actor, Step, clock};
use crate::message::{self, Message};

/// A key as the store has it.
pub(super) struct StoredKey {
    data: Zeroizing<[u8; 32]>,
    timestamp: i64,
    fingerprint: Vec<u8>,
}

/// How many keys one share may have.
const KEYS: usize = 4096;

impl StoredKey {
    pub(super) fn data(&self) -> &[u8; 32] {
        &self.data
    }

    fn of(data: &e2e::AppStateSyncKeyData) -> Option<Self> {
        Some(Self {
            data: Zeroizing::new(data.key_data.as_deref()?.try_into().ok()?),
            timestamp: data.timestamp(),
            fingerprint: data
                .fingerprint
                .as_ref()
                .map(e2e::AppStateSyncKeyFingerprint::encode_to_vec)
                .unwrap_or_default(),
        })
    }

    /// The key, when it was made, and the devices that were there then.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40 + self.fingerprint.len());
        bytes.extend_from_slice(&*self.data);
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (data, rest) = bytes.split_first_chunk::<32>()?;
        let (timestamp, fingerprint) = rest.split_first_chunk::<8>()?;
        Some(Self {
            data: Zeroizing::new(*data),
            timestamp: i64::from_be_bytes(*timestamp),
            fingerprint: fingerprint.to_vec(),
        })
    }

    fn to_proto(&self) -> e2e::AppStateSyncKeyData {
        e2e::AppStateSyncKeyData {
            key_data: Some(self.data.to_vec()),
            fingerprint: e2e::AppStateSyncKeyFingerprint::decode(self.fingerprint.as_slice()).ok(),
            timestamp: Some(self.timestamp),
        }
    }
}

impl Actor {
    /// Takes the keys that one of our own devices shares. Those that it does not have itself come without.
    pub(in crate::driver) async fn take_key_share(
        &mut self,
        message: &Message,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let protocol = message.proto().protocol_message.as_ref();
        let Some(share) = protocol.and_then(|protocol| protocol.app_state_sync_key_share.as_ref()) else {
            return Ok(false);
        };
        let known = self.store.app_state_keys().await?;
        let mut taken = Vec::new();
        for key in share.keys.iter().take(KEYS) {
            let id = key.key_id.as_ref().and_then(|id| id.key_id.as_deref()).and_then(KeyId::from_bytes);
            let Some(id) = id else {
                tracing::warn!("a shared key has no id");
                continue;
            };
            let Some(data) = key.key_data.as_ref().and_then(StoredKey::of) else {
                tracing::info!(epoch = id.epoch(), "a device of ours does not have a key either");
                continue;
            };
            let bytes = id.to_bytes().to_vec();
            let old = known.iter().find(|(id, _)| *id == bytes).and_then(|(_, old)| StoredKey::decode(old));
            if let Some(old) = old {
                if old.data == data.data || old.timestamp >= data.timestamp {
                    continue;
                }
                tracing::warn!(epoch = id.epoch(), "a key has other bytes than before");
            }
            step.changes.put_app_state_key(bytes, data.encode());
            taken.push(id);
        }
        tracing::debug!(keys = taken.len(), "keys of the shared state came");
        if !taken.is_empty() {
            self.sync.keys_came(&taken);
        }
        Ok(true)
    }

    /// Another device of ours lacks keys: it gets those that we have.
    pub(in crate::driver) async fn take_key_request(
        &mut self,
        device: u16,
        message: &Message,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let protocol = message.proto().protocol_message.as_ref();
        let Some(request) = protocol.and_then(|protocol| protocol.app_state_sync_key_request.as_ref()) else {
            return Ok(false);
        };
        let known = self.store.app_state_keys().await?;
        let keys = request.key_i_ds.iter().take(KEYS).map(|asked| {
            let found = known.iter().find(|(id, _)| Some(id) == asked.key_id.as_ref());
            e2e::AppStateSyncKey {
                key_id: Some(asked.clone()),
                key_data: found.and_then(|(_, key)| StoredKey::decode(key)).map(|key| key.to_proto()),
            }
        });
        let share = e2e::ProtocolMessage {
            r#type: Some(Type::AppStateSyncKeyShare.into()),
            app_state_sync_key_share: Some(e2e::AppStateSyncKeyShare { keys: keys.collect() }.into()),
            ..Default::default()
        };
        let id = message::id::generate(&mut self.random);
        self.send_to_own_device(device, &id, share, "high", step).await?;
        Ok(true)
    }

    /// Asks for the keys that collections wait for: the phone first, and our other devices when it does not answer.
    /// Each key once a day.
    pub(super) async fn ask_for_keys(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let now = clock::now();
        let wanted = self.sync.keys_to_ask(now, clock::unix_millis());
        if !wanted.from_phone.is_empty() && self.send_key_request(0, &wanted.from_phone, step).await? {
            self.sync.keys_asked(&wanted.from_phone, now, clock::unix_millis());
        }
        if !wanted.from_all.is_empty() {
            let Some(own) = self.own() else { return Ok(()) };
            for device in self.own_companions(&own).await? {
                self.send_key_request(device, &wanted.from_all, step).await?;
            }
            self.sync.all_asked(&wanted.from_all);
        }
        Ok(())
    }

    async fn send_key_request(
        &mut self,
        device: u16,
        ids: &[KeyId],
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let key_ids = ids.iter().map(|id| e2e::AppStateSyncKeyId { key_id: Some(id.to_bytes().to_vec()) });
        let request = e2e::ProtocolMessage {
            r#type: Some(Type::AppStateSyncKeyRequest.into()),
            app_state_sync_key_request: Some(
                e2e::AppStateSyncKeyRequest { key_i_ds: key_ids.collect() }.into(),
            ),
            ..Default::default()
        };
        let id = message::id::generate(&mut self.random);
        self.send_to_own_device(device, &id, request, "high", step).await
    }
}

/// The keys to ask for now.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) from_phone: Vec<KeyId>,
    /// The phone was asked and did not answer.
    pub(super) from_all: Vec<KeyId>,
}

/// When a key was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: std::time::Instant,
    pub(super) time: UnixMillis,
    pub(super) all: bool,
}
