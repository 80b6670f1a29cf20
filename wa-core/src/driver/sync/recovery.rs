//! A collection that the server's data cannot mend: the phone is asked for what it has. Protocol: app state, "Recovery".

use std::time::{Duration, Instant};

use wa_proto::e2e;
use wa_proto::e2e::protocol_message::Type;
use wa_store::StoreError;

use super::keys::StoredKey;
use super::round::{Answer, Work};
use super::{Rung, app_state};
use crate::app_state::{AppStateError, Collection, CollectionState, KeyId, KeyRing, read_recovery};
use crate::driver::{Actor, Step, clock};
use crate::event::AppStateEvent;
use crate::message::{self, Message};

/// How long the phone may take.
const LIMIT: Duration = Duration::from_secs(120);

impl Actor {
    /// Asks for what is due, and gives up what was not answered.
    pub(super) async fn mind_recoveries(&mut self, now: Instant, step: &mut Step) -> Result<(), StoreError> {
        for collection in Collection::ALL {
            let Some(care) = self.sync.cares.get_mut(&collection) else { continue };
            let is_late = care.recovery.as_ref().is_some_and(|(_, until)| now >= *until);
            if care.wants_phone() {
                self.ask_for_recovery(collection, now, step).await?;
            } else if care.rung() == Rung::Recovery && is_late {
                self.give_up(collection, step);
            }
        }
        Ok(())
    }

    async fn ask_for_recovery(
        &mut self,
        collection: Collection,
        now: Instant,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let time = i64::try_from(clock::unix_millis().to_seconds().0).unwrap_or(i64::MAX);
        let wanted = e2e::peer_data_operation_request_message::SyncDCollectionFatalRecoveryRequest {
            collection_name: Some(collection.name().to_owned()),
            timestamp: Some(time),
        };
        let request = e2e::PeerDataOperationRequestMessage {
            peer_data_operation_request_type: Some(
                e2e::PeerDataOperationRequestType::CompanionSyncdSnapshotFatalRecovery.into(),
            ),
            syncd_collection_fatal_recovery_request: Some(wanted),
            ..Default::default()
        };
        let request = e2e::ProtocolMessage {
            r#type: Some(Type::PeerDataOperationRequestMessage.into()),
            peer_data_operation_request_message: Some(Box::new(request)),
            ..Default::default()
        };
        let id = message::id::generate(&mut self.random);
        if self.send_to_phone(&id, request, "high", step).await? {
            tracing::info!(name = collection.name(), "the phone is asked for a collection");
            self.sync.care(collection).recovery = Some((id, now + LIMIT));
        }
        Ok(())
    }

    /// An answer that comes late is still taken.
    fn give_up(&mut self, collection: Collection, step: &mut Step) {
        let care = self.sync.care(collection);
        let Some(trouble) = care.trouble.as_mut().filter(|trouble| trouble.rung != Rung::Broken) else {
            return;
        };
        tracing::error!(name = collection.name(), "a collection of the shared state cannot be read");
        trouble.rung = Rung::Broken;
        let error = trouble.error.clone();
        care.is_due = false;
        step.events.push(app_state(AppStateEvent::Broken { collection, error }));
    }

    /// Takes the phone's answer; `false` when it is none about collections.
    pub(in crate::driver) async fn take_recovery(
        &mut self,
        answer: &Message,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let Some(answer) = answer.phone_answer() else { return Ok(false) };
        if answer.peer_data_operation_request_type()
            != e2e::PeerDataOperationRequestType::CompanionSyncdSnapshotFatalRecovery
        {
            return Ok(false);
        }
        let is_asked = |collection: &Collection| {
            let care = self.sync.cares.get(collection);
            let request = care.and_then(|care| care.recovery.as_ref());
            request.is_some_and(|(id, _)| id.as_str() == answer.stanza_id())
        };
        let Some(collection) = Collection::ALL.into_iter().find(is_asked) else { return Ok(true) };
        let given = answer
            .peer_data_operation_result
            .iter()
            .find_map(|result| result.syncd_snapshot_fatal_recovery_response.as_ref());
        let result = match given {
            Some(given) => {
                let bytes = given.collection_snapshot.as_deref().unwrap_or_default();
                self.recover_collection(collection, bytes, given.is_compressed(), step).await?
            }
            None => Err(AppStateError::Malformed("an answer without collection")),
        };
        match result {
            Ok(()) => {
                let care = self.sync.care(collection);
                care.current();
                care.is_due = true;
            }
            Err(AppStateError::MissingKeys(missing)) => {
                let care = self.sync.care(collection);
                (care.blocked, care.recovery) = (missing, None);
                step.events.push(app_state(AppStateEvent::KeysMissing { collection }));
            }
            Err(error) => {
                tracing::warn!(%error, "what the phone has of a collection cannot be read");
                self.give_up(collection, step);
            }
        }
        Ok(true)
    }

    async fn recover_collection(
        &mut self,
        collection: Collection,
        bytes: &[u8],
        is_compressed: bool,
        step: &mut Step,
    ) -> Result<Result<(), AppStateError>, StoreError> {
        let stored = self.store.app_state_keys().await?;
        let keys: Vec<(KeyId, StoredKey)> = stored
            .iter()
            .filter_map(|(id, record)| Some((KeyId::from_bytes(id)?, StoredKey::decode(record)?)))
            .collect();
        let keys = KeyRing::new(keys.iter().map(|(id, key)| (*id, key.data())));
        let recovered = match read_recovery(bytes, is_compressed, collection, &keys) {
            Ok(recovered) => recovered,
            Err(error) => return Ok(Err(error)),
        };
        let version = self.stored_version(collection).await?;
        if recovered.0.version <= version {
            return Ok(Err(AppStateError::VersionGap { local: version, patch: recovered.0.version }));
        }
        let before = CollectionState { version, ..CollectionState::default() };
        let mut answer = Answer::default();
        Work::recovered(collection, &keys, before, recovered).settle(&*self.store, &mut answer).await?;
        step.changes.merge(answer.changes);
        self.tell_news(answer.events, step).await?;
        Ok(Ok(()))
    }
}
