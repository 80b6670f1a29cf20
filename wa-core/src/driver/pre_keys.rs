//! Our own pre-keys: supplied when the server runs low, rotated by age, compared with what the server has, and let go of
//! when they are old. Protocol: prekeys and devices, "Upload", "Low notification and digest", "Signed prekey rotation".

use std::time::{Duration, Instant};

use wa_store::{PreKeyRecord, SignedPreKeyRecord, StoreError};
use wa_types::{PreKeyId, UnixMillis};

use super::requester::Requester;
use super::upkeep::Fetched;
use super::{Actor, Status, Step, clock};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::crypto::kdf::sha1;
use crate::signal::{PreKey, SignedPreKey};
use crate::stanza::iq::IqRefusal;
use crate::stanza::iq::encrypt::{KeyDigest, RotateSignedPreKey, ServerKeys, SignedKey, UploadPreKeys};

/// How many one-time pre-keys the server gets at a time.
const PRE_KEYS: usize = 812;

/// How many one-time pre-keys are kept that the server has, or had: those of the last uploads, and some that were given
/// away otherwise.
const KEPT: usize = 4 * PRE_KEYS;

/// How many signed pre-keys are kept beside the current one, for messages under way.
const OLD_SIGNED: usize = 3;

/// Our keys on the server are looked at this often.
const DIGEST_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// A rotation that failed is tried again this much later, or with the next login.
const ROTATE_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What is under way about our keys, and when there is more to do.
#[derive(Debug, Default)]
pub(super) struct KeyCare {
    is_supplying: bool,
    is_rotating: bool,
    is_checking: bool,
    /// A mismatch was mended in this connection: what is still wrong then is not mended by another upload.
    has_mended: bool,
    /// When the signed pre-key is old.
    rotate_at: Option<Instant>,
}

impl KeyCare {
    /// When [`Actor::check_keys`] has something to do.
    pub(super) const fn next_at(&self) -> Option<Instant> {
        self.rotate_at
    }
}

impl Actor {
    /// The connection is gone: what was asked on it stays unanswered.
    pub(super) fn reset_key_care(&mut self) {
        self.key_care = KeyCare::default();
    }

    /// Looks after the keys, once logged in and whenever it is time.
    pub(super) fn check_keys(&mut self) {
        if *self.status.borrow() != Status::Ready {
            return;
        }
        let now = clock::now();
        let time = clock::unix_millis();
        let checked = self.account.keys_checked.map_or(UnixMillis(0), |at| at.to_millis());
        if time.since(checked) >= DIGEST_EVERY {
            self.check_digest();
        }
        if self.key_care.rotate_at.is_none() {
            let age = time.since(self.signed_pre_key.created.to_millis());
            let rest = self.config.signed_pre_key_age.saturating_sub(age);
            self.key_care.rotate_at = now.checked_add(rest);
        }
    }

    /// Replaces the signed pre-key when it is old.
    pub(super) async fn rotate_if_due(&mut self, now: Instant) {
        if self.key_care.rotate_at.is_none_or(|at| now < at) || *self.status.borrow() != Status::Ready {
            return;
        }
        self.key_care.rotate_at = now.checked_add(ROTATE_AGAIN);
        let mut step = Step::default();
        match self.rotate_signed_pre_key(&mut step).await {
            Ok(()) => self.finish(step).await,
            Err(error) => self.handle_store_failure(&error, step),
        }
    }

    /// Offers the keys that were made and not taken yet, and as many new ones as a full supply needs. They are stored
    /// before they are offered.
    pub(super) async fn supply_pre_keys(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let Some(requester) = self.requester().cloned().filter(|_| !self.key_care.is_supplying) else {
            // Those on their way would be offered twice, and given to two others.
            return Ok(());
        };
        let mut records = self.store.unuploaded_pre_keys(PRE_KEYS).await?;
        while records.len() < PRE_KEYS {
            let id = self.account.next_pre_key_id;
            self.account.next_pre_key_id = id.next();
            let key = PreKey::generate(id, &mut self.random);
            records.push(PreKeyRecord { id, key_pair: key.key_pair, uploaded: false });
        }
        let mut changes = std::mem::take(&mut step.changes);
        changes.put_account(self.account.clone());
        for record in &records {
            changes.put_pre_key(record.clone());
        }
        self.store.commit(changes).await?;
        let request = UploadPreKeys {
            registration_id: self.account.registration_id,
            identity: self.account.identity.public,
            one_time: records.iter().map(|key| (key.id, key.key_pair.public)).collect::<Vec<(PreKeyId, _)>>(),
            signed: self.signed_pre_key(),
        };
        self.key_care.is_supplying = true;
        self.greetings.spawn(upload(requester, request, records));
        Ok(())
    }

    /// The public side of our current signed pre-key.
    pub(super) const fn signed_pre_key(&self) -> SignedKey {
        signed_key(&self.signed_pre_key)
    }

    pub(super) async fn handle_upload(
        &mut self,
        uploaded: Vec<PreKeyRecord>,
        result: Result<(), RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.key_care.is_supplying = false;
        match result {
            Ok(()) => {
                // One that was used up before this answer came must not come back.
                let ids: Vec<PreKeyId> = uploaded.iter().map(|record| record.id).collect();
                for record in self.store.pre_keys(&ids).await?.into_iter().flatten() {
                    step.changes.put_pre_key(PreKeyRecord { uploaded: true, ..record });
                }
                step.changes.trim_pre_keys(KEPT, self.account.next_pre_key_id);
                self.account.server_has_pre_keys = true;
                step.changes.put_account(self.account.clone());
            }
            Err(RequestError::Refused(IqRefusal { code: 406, .. })) => {
                tracing::error!("the server does not like our pre-keys; new ones are made at the next login");
                for record in uploaded {
                    step.changes.delete_pre_key(record.id);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the pre-keys were not uploaded; the next login tries again")
            }
        }
        if *self.status.borrow() != Status::Ready {
            self.ask_for_traffic();
        }
        Ok(())
    }

    /// Makes another signed pre-key, stores it, and tells the server; it becomes the current one with the answer. One
    /// whose answer was lost is offered again.
    async fn rotate_signed_pre_key(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let Some(requester) = self.requester().cloned().filter(|_| !self.key_care.is_rotating) else {
            return Ok(());
        };
        let id = self.signed_pre_key.id.next();
        let offered = self.store.signed_pre_keys(&[id]).await?.into_iter().next().flatten();
        let record = match offered.filter(|offered| offered.created >= self.signed_pre_key.created) {
            Some(offered) => offered,
            None => {
                let key = SignedPreKey::generate(id, &self.account.identity, &mut self.random);
                let created = clock::unix_millis().to_seconds();
                let record =
                    SignedPreKeyRecord { id, key_pair: key.key_pair, signature: key.signature, created };
                step.changes.put_signed_pre_key(record.clone());
                record
            }
        };
        self.key_care.is_rotating = true;
        // Asked once it is committed.
        step.questions.push(Box::pin(async move {
            let result =
                requester.ask(RotateSignedPreKey { signed: signed_key(&record) }, REQUEST_LIMIT).await;
            Fetched::Rotated { signed: Box::new(record), result }
        }));
        Ok(())
    }

    pub(super) async fn handle_rotated(
        &mut self,
        signed: SignedPreKeyRecord,
        result: Result<(), RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.key_care.is_rotating = false;
        match result {
            Ok(()) => {
                let mut oldest = signed.id;
                for _ in 0..=OLD_SIGNED {
                    oldest = before(oldest);
                }
                step.changes.delete_signed_pre_key(oldest);
                self.account.signed_pre_key_id = signed.id;
                self.signed_pre_key = signed;
                step.changes.put_account(self.account.clone());
                self.key_care.rotate_at = None;
                self.check_keys();
            }
            Err(RequestError::Refused(IqRefusal { code: 406, .. })) => {
                tracing::error!("the server does not like our signed pre-key; another one is made");
                step.changes.delete_signed_pre_key(signed.id);
            }
            Err(RequestError::Refused(IqRefusal { code: 409, .. })) => self.check_digest(),
            Err(error) => tracing::warn!(%error, "the signed pre-key was not rotated"),
        }
        Ok(())
    }

    /// Asks the server what it has of our keys.
    pub(super) fn check_digest(&mut self) {
        let Some(requester) = self.requester().cloned().filter(|_| !self.key_care.is_checking) else {
            return;
        };
        self.key_care.is_checking = true;
        self.greetings
            .spawn(async move { Fetched::KeyDigest(requester.ask(KeyDigest, REQUEST_LIMIT).await) });
    }

    pub(super) async fn handle_digest(
        &mut self,
        result: Result<Option<ServerKeys>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.key_care.is_checking = false;
        let is_right = match result {
            Ok(Some(keys)) => self.is_ours(&keys).await?,
            Ok(None) | Err(RequestError::Refused(IqRefusal { code: 404, .. })) => false,
            Err(error) => {
                tracing::warn!(%error, "the server does not tell what it has of our keys");
                return Ok(());
            }
        };
        self.account.keys_checked = Some(clock::unix_millis().to_seconds());
        step.changes.put_account(self.account.clone());
        if is_right || self.key_care.is_supplying {
            return Ok(());
        }
        tracing::warn!(mended = self.key_care.has_mended, "the server has other keys of ours than we do");
        if !std::mem::replace(&mut self.key_care.has_mended, true) {
            self.account.server_has_pre_keys = false;
            self.supply_pre_keys(step).await?;
        }
        Ok(())
    }

    /// Whether the server has our current keys, and no one-time pre-key that we do not have.
    async fn is_ours(&self, keys: &ServerKeys) -> Result<bool, StoreError> {
        let ours = self.signed_pre_key();
        if keys.registration_id != self.account.registration_id
            || keys.identity != self.account.identity.public
            || keys.signed_id != ours.id
        {
            return Ok(false);
        }
        let records = self.store.pre_keys(&keys.one_time).await?;
        let mut parts: Vec<&[u8]> =
            vec![keys.identity.as_bytes(), ours.key.as_bytes(), ours.signature.as_bytes()];
        for record in &records {
            let Some(record) = record else { return Ok(false) };
            parts.push(record.key_pair.public.as_bytes());
        }
        Ok(sha1(&parts) == keys.hash)
    }
}

async fn upload(requester: Requester, request: UploadPreKeys, uploaded: Vec<PreKeyRecord>) -> Fetched {
    let result = requester.ask(request, REQUEST_LIMIT).await;
    Fetched::PreKeys { uploaded, result }
}

const fn signed_key(record: &SignedPreKeyRecord) -> SignedKey {
    SignedKey { id: record.id, key: record.key_pair.public, signature: record.signature }
}

/// The id before this one; wraps from 1 to the largest.
fn before(id: PreKeyId) -> PreKeyId {
    PreKeyId::new(id.get() - 1).unwrap_or(PreKeyId::MAX)
}
