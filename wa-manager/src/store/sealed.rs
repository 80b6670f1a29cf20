//! Seals the secrets of webhooks before a store has them, and opens them after. What cannot be opened keeps nobody from
//! the rest: such a webhook is [`Damaged`](WebhookState::Damaged). The vault may take its time: it is asked beside the
//! runtime's threads, and one that does not answer counts as away. Requirements: manager.md, 4.4.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Change, Changes, ChatRecord, ContactRecord, CursorRecord, DeadLetterQuery, DeadLetterRecord, EventQuery,
    IdempotencyRecord, LeftoverRecord, ManagerStore, ManagerStoreError, NumberRecord, PairLimitRecord,
    ReservationRecord, SendRecord, StoreFuture, TrustRecord,
};
use crate::account::AccountRecord;
use crate::event::EventRecord;
use crate::ids::{AccountId, EventId, TenantId};
use crate::vault::{SecretVault, VaultError};
use crate::webhook::{WebhookRecord, WebhookSecret, WebhookState};

/// The name of the header that stands for all that is sealed: no real header has it.
const SEALED: &str = "";

/// How long a vault may take.
const LIMIT: Duration = Duration::from_secs(10);

/// So many threads wait for the vault at once. Those of a vault that hangs are not given back.
const THREADS: usize = 4;

/// A store that never sees the secrets of webhooks, if there is a vault.
#[derive(Debug)]
pub(crate) struct Sealed {
    inner: Arc<dyn ManagerStore>,
    vault: Option<Arc<dyn SecretVault>>,
    threads: Arc<Semaphore>,
}

/// What is sealed of a webhook.
#[derive(Serialize, Deserialize)]
struct Secrets {
    secrets: Vec<String>,
    headers: BTreeMap<String, String>,
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.secrets.zeroize();
        self.headers.values_mut().for_each(|value| value.zeroize());
    }
}

fn purpose(webhook: &WebhookRecord) -> String {
    format!("wa-manager webhook {}", webhook.id.as_str())
}

fn seal(vault: &dyn SecretVault, webhook: &mut WebhookRecord) -> Result<(), ManagerStoreError> {
    let secrets = webhook.spec.secrets.iter().map(|secret| secret.to_text().to_string()).collect();
    let secrets = Secrets { secrets, headers: std::mem::take(&mut webhook.spec.headers) };
    let text = Zeroizing::new(serde_json::to_vec(&secrets).map_err(ManagerStoreError::io)?);
    let sealed = vault.seal(&purpose(webhook), &text).map_err(ManagerStoreError::io)?;
    webhook.spec.secrets.clear();
    webhook.spec.headers = BTreeMap::from([(SEALED.to_owned(), STANDARD.encode(sealed))]);
    Ok(())
}

/// What was stored without a vault stays as it is, until it is changed.
fn open(vault: Option<&dyn SecretVault>, webhook: &mut WebhookRecord) -> Result<(), VaultError> {
    let Some(sealed) = webhook.spec.headers.get(SEALED) else { return Ok(()) };
    let sealed = STANDARD.decode(sealed).map_err(|_| VaultError::Changed)?;
    let text = vault.ok_or(VaultError::NoKey)?.open(&purpose(webhook), &sealed)?;
    let mut opened: Secrets = serde_json::from_slice(&text).map_err(|_| VaultError::Changed)?;
    let secrets = opened.secrets.iter().map(|secret| WebhookSecret::parse(secret));
    webhook.spec.secrets = secrets.collect::<Result<_, _>>().map_err(|_| VaultError::Changed)?;
    webhook.spec.headers = std::mem::take(&mut opened.headers);
    Ok(())
}

/// Opens all that can be. A vault that is away may come back: that is no damage.
fn open_all(
    vault: Option<&dyn SecretVault>,
    webhooks: &mut [WebhookRecord],
) -> Result<(), ManagerStoreError> {
    for webhook in webhooks {
        match open(vault, webhook) {
            Ok(()) => {}
            Err(error @ VaultError::Away(_)) => return Err(ManagerStoreError::io(error)),
            Err(error) => {
                let webhook_id = webhook.id.as_str();
                tracing::error!(webhook = webhook_id, %error, "the secrets of a webhook cannot be opened");
                webhook.spec.secrets.clear();
                webhook.spec.headers.clear();
                webhook.state = WebhookState::Damaged;
            }
        }
    }
    Ok(())
}

impl Sealed {
    pub(crate) fn new(inner: Arc<dyn ManagerStore>, vault: Option<Arc<dyn SecretVault>>) -> Self {
        Self { inner, vault, threads: Arc::new(Semaphore::new(THREADS)) }
    }

    /// Asks the vault beside the runtime's threads. One that panics, or takes too long, is away.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ManagerStoreError> + Send + 'static,
    ) -> Result<T, ManagerStoreError> {
        let threads = Arc::clone(&self.threads);
        let asked = async move {
            let thread = threads.acquire_owned().await.map_err(ManagerStoreError::io)?;
            let work = move || {
                let _thread = thread;
                work()
            };
            tokio::task::spawn_blocking(work).await.map_err(ManagerStoreError::io)?
        };
        let late = |_| Err(ManagerStoreError::io(VaultError::Away("it does not answer".to_owned())));
        timeout(LIMIT, asked).await.unwrap_or_else(late)
    }
}

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $answer> {
            self.inner.$name($($argument),*)
        })*
    };
}

impl ManagerStore for Sealed {
    passed_on! {
        accounts() -> Vec<AccountRecord>;
        account(id: &AccountId) -> Option<AccountRecord>;
        events(query: EventQuery) -> Vec<EventRecord>;
        has_event(id: &EventId) -> bool;
        last_seq() -> u64;
        first_seq() -> u64;
        last_seq_before(at: UnixMillis) -> u64;
        trust(account: &AccountId) -> Option<TrustRecord>;
        reservation(account: &AccountId, id: &str) -> Option<ReservationRecord>;
        open_reservations(account: &AccountId) -> Vec<ReservationRecord>;
        sends(account: &AccountId) -> Vec<SendRecord>;
        send(account: &AccountId, id: &MessageId) -> Option<SendRecord>;
        contact(account: &AccountId, address: &Jid) -> Option<ContactRecord>;
        contacts(account: &AccountId, from: u64, limit: usize) -> Vec<ContactRecord>;
        chat(account: &AccountId, chat: &Jid) -> Option<ChatRecord>;
        chats(account: &AccountId, limit: usize) -> Vec<ChatRecord>;
        numbers(account: &AccountId, numbers: Vec<PhoneNumber>) -> Vec<NumberRecord>;
        leftovers() -> Vec<LeftoverRecord>;
        idempotency(tenant: &TenantId, key: &str) -> Option<IdempotencyRecord>;
        pair_limit(key: &str) -> Option<PairLimitRecord>;
        cursors(endpoint: &str) -> Vec<CursorRecord>;
        dead_letters(endpoint: &str, query: DeadLetterQuery) -> Vec<DeadLetterRecord>;
        close() -> ();
    }

    fn webhooks(&self) -> StoreFuture<'_, Vec<WebhookRecord>> {
        Box::pin(async move {
            let mut webhooks = self.inner.webhooks().await?;
            if !webhooks.iter().any(|webhook| webhook.spec.headers.contains_key(SEALED)) {
                return Ok(webhooks);
            }
            let vault = self.vault.clone();
            self.blocking(move || open_all(vault.as_deref(), &mut webhooks).map(|()| webhooks)).await
        })
    }

    fn commit(&self, changes: Changes) -> StoreFuture<'_, Vec<EventRecord>> {
        let has_secrets = changes.iter().any(|change| matches!(change, Change::PutWebhook(_)));
        let Some(vault) = self.vault.clone().filter(|_| has_secrets) else {
            return self.inner.commit(changes);
        };
        Box::pin(async move {
            let sealed = self.blocking(move || {
                let mut sealed = Changes::new();
                for mut change in changes {
                    if let Change::PutWebhook(webhook) = &mut change {
                        seal(&*vault, webhook)?;
                    }
                    sealed.push(change);
                }
                Ok(sealed)
            });
            self.inner.commit(sealed.await?).await
        })
    }
}
