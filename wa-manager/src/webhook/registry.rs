//! All webhooks, as a host sees and changes them: handles send the task commands.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use wa_core::crypto::{Random as _, SystemRandom};

use super::builder::WebhooksBuilder;
use super::reach::Clients;
use super::record::{Webhook, WebhookRecord, WebhookState};
use super::replay::{DEAD_LETTERS_AT_ONCE, Replayed};
use super::spec::{self, WebhookError, WebhookPatch, WebhookSpec, unique};
use super::task::{Command, Reply};
use crate::clock::Clock;
use crate::hub::Hub;
use crate::ids::{AccountId, TenantId, WebhookId};
use crate::sink::{DeliveryPolicy, Endpoint};
use crate::store::{Change, Changes, DeadLetterQuery, DeadLetterRecord, ManagerStore, ManagerStoreError};

/// All webhooks. Clones are the same. Each call sees those of one tenant only.
#[derive(Clone)]
pub struct Webhooks {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

/// What the handles and the task share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn ManagerStore>,
    pub(super) hub: Hub,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) clients: Clients,
    pub(super) policy: DeliveryPolicy,
    pub(super) time_limit: Duration,
}

impl Webhooks {
    pub(super) const fn new(shared: Arc<Shared>, commands: mpsc::Sender<Command>) -> Self {
        Self { shared, commands }
    }

    /// Builds them.
    pub fn builder(store: Arc<dyn ManagerStore>, hub: Hub, clock: Arc<dyn Clock>) -> WebhooksBuilder {
        WebhooksBuilder::new(store, hub, clock)
    }

    /// All that events are owed to, whoever's they are: what is disabled has them only as long as they are kept. `store` may
    /// be the one that knows no secrets: none is needed for this.
    pub(crate) async fn endpoints(
        &self,
        store: &dyn ManagerStore,
    ) -> Result<Vec<Endpoint>, ManagerStoreError> {
        let mut records = store.webhooks().await?;
        records.retain(|record| record.state != WebhookState::Disabled);
        let endpoint = |record: WebhookRecord| Endpoint {
            name: record.id.to_string(),
            filter: record.filter(),
            since: record.since,
            dead_letters: self.shared.policy.dead_letters,
        };
        Ok(records.into_iter().map(endpoint).collect())
    }

    /// Sets up a webhook: it gets the events from now on.
    ///
    /// # Errors
    /// Any [`WebhookError`].
    pub async fn create(&self, tenant: TenantId, spec: WebhookSpec) -> Result<Webhook, WebhookError> {
        let since = self.shared.store.last_seq().await?;
        let now = self.shared.clock.wall();
        let spec = WebhookSpec { events: unique(spec.events), ignore: unique(spec.ignore), ..spec };
        self.shared.check(&spec)?;
        let record = WebhookRecord {
            id: WebhookId::of(SystemRandom.array()),
            tenant,
            spec,
            state: WebhookState::Enabled,
            since,
            created_at: now,
            updated_at: now,
        };
        let webhook = Webhook::from(&record);
        self.ask(|reply| Command::Create(Box::new(record), reply)).await?;
        Ok(webhook)
    }

    /// The webhooks of a tenant, in the order in which they were set up.
    ///
    /// # Errors
    /// [`WebhookError::Store`].
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Webhook>, WebhookError> {
        let records = self.shared.store.webhooks().await?;
        Ok(records.iter().filter(|record| record.tenant == *tenant).map(Webhook::from).collect())
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Store`].
    pub async fn get(&self, tenant: &TenantId, id: &WebhookId) -> Result<Webhook, WebhookError> {
        Ok(Webhook::from(&self.shared.find(tenant, id).await?))
    }

    /// Changes a webhook. What is under way for it is delivered anew.
    ///
    /// # Errors
    /// Any [`WebhookError`]; nothing is changed then.
    pub async fn update(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        patch: WebhookPatch,
    ) -> Result<Webhook, WebhookError> {
        self.ask(|reply| Command::Update(tenant.clone(), id.clone(), Box::new(patch), reply)).await
    }

    /// Removes a webhook, with its dead letters.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Store`], [`WebhookError::Stopped`].
    pub async fn delete(&self, tenant: &TenantId, id: &WebhookId) -> Result<(), WebhookError> {
        self.ask(|reply| Command::Delete(tenant.clone(), id.clone(), reply)).await
    }

    /// Events that a webhook did not take, after the one of this number: [`DEAD_LETTERS_AT_ONCE`] at most, the oldest first;
    /// with `is_replayed` only those that are to be delivered once more, or only the others.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Store`].
    pub async fn dead_letters(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        after: u64,
        is_replayed: Option<bool>,
    ) -> Result<Vec<DeadLetterRecord>, WebhookError> {
        self.shared.find(tenant, id).await?;
        let query = DeadLetterQuery { after, is_replayed, limit: DEAD_LETTERS_AT_ONCE };
        Ok(self.shared.store.dead_letters(id.as_str(), query).await?)
    }

    /// Forgets the dead letters of these events.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Store`].
    pub async fn discard(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        events: RangeInclusive<u64>,
    ) -> Result<(), WebhookError> {
        self.shared.find(tenant, id).await?;
        let (endpoint, (first, last)) = (id.to_string(), events.into_inner());
        let mut changes = Changes::new();
        changes.push(Change::DeleteDeadLetters { endpoint, first, last });
        self.shared.store.commit(changes).await?;
        Ok(())
    }

    /// Delivers these events once more, whether they were taken or not: those that the webhook wants, and that are dead
    /// letters or still kept. They come beside those that happen now, under their old ids, in their order. Of many, the
    /// first 10,000 are taken: go on after [`Replayed::up_to`].
    ///
    /// If this fails, or is dropped, some of them are delivered.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Store`], [`WebhookError::Stopped`].
    pub async fn replay(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        events: RangeInclusive<u64>,
    ) -> Result<Replayed, WebhookError> {
        let record = self.shared.find(tenant, id).await?;
        let replayed = self.shared.mark(&record, &events).await?;
        // Removed meanwhile: what was marked since is nobody's.
        if let Err(error @ WebhookError::NotFound) = self.shared.find(tenant, id).await {
            let mut changes = Changes::new();
            changes.push(Change::DeleteDeadLetters { endpoint: id.to_string(), first: 0, last: u64::MAX });
            self.shared.store.commit(changes).await?;
            return Err(error);
        }
        self.commands.send(Command::Replay(id.clone())).await.map_err(|_| WebhookError::Stopped)?;
        Ok(replayed)
    }

    /// Ends the deliveries to the webhooks of an account alone. To be called before the account is deleted from the store,
    /// which removes them: otherwise they would still write there. [`Self::start_account`] follows, once for each of this.
    ///
    /// # Errors
    /// [`WebhookError::Store`], [`WebhookError::Stopped`].
    pub async fn stop_account(&self, account: &AccountId) -> Result<(), WebhookError> {
        self.ask(|reply| Command::StopAccount(account.clone(), reply)).await
    }

    /// The account was deleted, or not after all: its webhooks, if there still are any, are delivered to again.
    ///
    /// # Errors
    /// [`WebhookError::Store`], [`WebhookError::Stopped`].
    pub async fn start_account(&self, account: &AccountId) -> Result<(), WebhookError> {
        self.ask(|reply| Command::StartAccount(account.clone(), reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, WebhookError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| WebhookError::Stopped)?;
        answer.await.map_err(|_| WebhookError::Stopped)?
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) async fn find(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
    ) -> Result<WebhookRecord, WebhookError> {
        let records = self.store.webhooks().await?;
        let found = records.into_iter().find(|record| record.id == *id && record.tenant == *tenant);
        found.ok_or(WebhookError::NotFound)
    }

    pub(super) fn check(&self, spec: &WebhookSpec) -> Result<(), WebhookError> {
        self.clients.check(&spec.url)?;
        spec::check(spec)
    }
}
