//! All webhooks: set up, changed, run. One task owns what runs; handles send it commands.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::transport::{Proxy, TlsRoots};

use super::post::Post;
use super::reach::{Clients, Reach};
use super::record::{SigningMode, Webhook, WebhookId, WebhookRecord, WebhookState};
use super::secret::WebhookSecret;
use crate::clock::Clock;
use crate::event::{EventKind, EventRecord, NewEvent};
use crate::hub::Hub;
use crate::ids::{AccountId, EventId, TenantId};
use crate::sink::{DeliveryPolicy, Dispatcher, DispatcherParts, Ended, Health};
use crate::store::{
    Change, Changes, DeadLetterQuery, DeadLetterRecord, EventQuery, ManagerStore, ManagerStoreError,
};

/// How many secrets a webhook may have: more than one while they are being changed.
const MAX_SECRETS: usize = 4;

/// How many further headers, and how long they may be.
const MAX_HEADERS: usize = 16;
const MAX_HEADER: usize = 1024;

/// How many webhooks a tenant may have.
const MAX_WEBHOOKS: usize = 100;

/// So many dead letters are listed at once, and so many events marked in one commit.
pub const DEAD_LETTERS_AT_ONCE: usize = 100;

/// So many events are delivered once more in one go, and a few: those of the last page.
const MAX_REPLAYED: usize = 10_000;

/// Headers that are ours, or the connection's.
const OURS: [&str; 11] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "user-agent",
    "x-hub-signature-256",
];

/// Builds [`Webhooks`].
#[must_use = "a builder does nothing until `build`"]
pub struct WebhooksBuilder {
    store: Arc<dyn ManagerStore>,
    hub: Hub,
    clock: Arc<dyn Clock>,
    reach: Reach,
    roots: TlsRoots,
    proxy: Option<Proxy>,
    policy: DeliveryPolicy,
    time_limit: Duration,
}

impl WebhooksBuilder {
    /// What webhooks may reach besides public hosts over TLS.
    pub const fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Who is trusted to say which host is which. By default what Mozilla trusts.
    pub fn roots(mut self, roots: TlsRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Delivers through a proxy. Names are still looked up here.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How patient we are with endpoints.
    pub const fn policy(mut self, policy: DeliveryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How long an answer may take; 10 seconds unless set.
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The webhooks, which are delivered to once somebody runs the task.
    pub fn build(self) -> (Webhooks, WebhooksTask) {
        let Self { store, hub, clock, reach, roots, proxy, policy, time_limit } = self;
        let (commands, inbox) = mpsc::channel(64);
        let clients = Clients::new(reach, &roots, proxy.as_ref());
        let shared = Arc::new(Shared { store, hub, clock, clients, policy, time_limit });
        let task = WebhooksTask { shared: Arc::clone(&shared), inbox, running: HashMap::new() };
        (Webhooks { shared, commands }, task)
    }
}

impl fmt::Debug for WebhooksBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksBuilder").field("reach", &self.reach).finish_non_exhaustive()
    }
}

struct Shared {
    store: Arc<dyn ManagerStore>,
    hub: Hub,
    clock: Arc<dyn Clock>,
    clients: Clients,
    policy: DeliveryPolicy,
    time_limit: Duration,
}

/// All webhooks. Clones are the same. Each call sees those of one tenant only.
#[derive(Clone)]
pub struct Webhooks {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

/// A webhook to be.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers, from `new`")]
pub struct WebhookSpec {
    /// The account whose events it gets; those of all of the tenant's if there is none.
    pub account: Option<AccountId>,
    /// Where events are sent.
    pub url: String,
    /// Which events; all if there are none.
    pub events: Vec<EventKind>,
    /// What deliveries are signed with: 1 to 4, the newest first.
    pub secrets: Vec<WebhookSecret>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// How deliveries are signed.
    pub mode: SigningMode,
    /// Whether the events of an account may overtake each other.
    pub is_parallel: bool,
}

impl WebhookSpec {
    /// All events of a tenant's accounts, in order, signed with one secret.
    pub fn new(url: impl Into<String>, secret: WebhookSecret) -> Self {
        Self {
            account: None,
            url: url.into(),
            events: Vec::new(),
            secrets: vec![secret],
            headers: BTreeMap::new(),
            mode: SigningMode::default(),
            is_parallel: false,
        }
    }
}

impl fmt::Debug for WebhookSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSpec").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What is to be changed of a webhook; the rest stays.
#[derive(Clone, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers with ..Default::default()")]
pub struct WebhookPatch {
    /// Where events are sent.
    pub url: Option<String>,
    /// Which events.
    pub events: Option<Vec<EventKind>>,
    /// All secrets. To change one: first the new and the old one, and when the receiver knows the new one, that alone.
    pub secrets: Option<Vec<WebhookSecret>>,
    /// All further headers.
    pub headers: Option<BTreeMap<String, String>>,
    /// How deliveries are signed.
    pub mode: Option<SigningMode>,
    /// Whether the events of an account may overtake each other.
    pub is_parallel: Option<bool>,
    /// Whether it is sent anything.
    pub is_enabled: Option<bool>,
}

impl fmt::Debug for WebhookPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookPatch").finish_non_exhaustive()
    }
}

/// What is delivered once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// How many events.
    pub events: usize,
    /// Those up to this one were looked at.
    pub up_to: u64,
}

/// Why a webhook was not set up or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The tenant has no such webhook.
    #[error("there is no such webhook")]
    NotFound,
    /// The URL is none of the web, is too long, or has a user or a fragment in it.
    #[error("the URL is not one of a webhook")]
    Url,
    /// The host is not on the public internet, and others are not allowed: see [`Reach`].
    #[error("the host is not on the public internet")]
    Private,
    /// The URL is without TLS, and that is not allowed: see [`Reach`].
    #[error("the URL is without TLS")]
    Plain,
    /// There are too many headers, or one that is ours or malformed.
    #[error("the headers cannot be sent")]
    Headers,
    /// There is no secret, or there are more than 4.
    #[error("a webhook has 1 to 4 secrets")]
    Secrets,
    /// The tenant has no such account.
    #[error("there is no such account")]
    NoAccount,
    /// The tenant has as many webhooks as it may have.
    #[error("there are too many webhooks")]
    TooMany,
    /// The store failed. Nothing was changed.
    #[error("the store failed")]
    Store(#[from] ManagerStoreError),
    /// The manager has shut down.
    #[error("the manager has shut down")]
    Stopped,
}

enum Command {
    Create(Box<WebhookRecord>, Reply<()>),
    Update(TenantId, WebhookId, Box<WebhookPatch>, Reply<Webhook>),
    Delete(TenantId, WebhookId, Reply<()>),
    Replay(WebhookId),
    StopAccount(AccountId, Reply<()>),
    StartAccount(AccountId, Reply<()>),
}

type Reply<T> = oneshot::Sender<Result<T, WebhookError>>;

impl Webhooks {
    /// Builds them.
    pub fn builder(store: Arc<dyn ManagerStore>, hub: Hub, clock: Arc<dyn Clock>) -> WebhooksBuilder {
        WebhooksBuilder {
            store,
            hub,
            clock,
            reach: Reach::default(),
            roots: TlsRoots::mozilla(),
            proxy: None,
            policy: DeliveryPolicy::default(),
            time_limit: Duration::from_secs(10),
        }
    }

    /// Sets up a webhook: it gets the events from now on.
    ///
    /// # Errors
    /// Any [`WebhookError`].
    pub async fn create(&self, tenant: TenantId, spec: WebhookSpec) -> Result<Webhook, WebhookError> {
        let since = self.shared.store.last_seq().await?;
        let now = self.shared.clock.wall();
        let record = WebhookRecord {
            id: WebhookId::of(SystemRandom.array()),
            tenant,
            account: spec.account,
            url: spec.url,
            events: spec.events,
            secrets: spec.secrets,
            headers: spec.headers,
            mode: spec.mode,
            is_parallel: spec.is_parallel,
            state: WebhookState::Enabled,
            since,
            created_at: now,
            updated_at: now,
        };
        self.shared.check(&record)?;
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

    /// Events that a webhook did not take, after the one of this number: [`DEAD_LETTERS_AT_ONCE`] at most, the oldest first.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Store`].
    pub async fn dead_letters(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        after: u64,
    ) -> Result<Vec<DeadLetterRecord>, WebhookError> {
        self.shared.find(tenant, id).await?;
        let query = DeadLetterQuery { after, is_replayed: None, limit: DEAD_LETTERS_AT_ONCE };
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
        self.commands.send(Command::Replay(id.clone())).await.map_err(|_| WebhookError::Stopped)?;
        Ok(replayed)
    }

    /// Ends the deliveries to the webhooks of an account alone. To be called before the account is deleted from the store,
    /// which removes them: otherwise they would still write there. [`Self::start_account`] when it is not deleted.
    ///
    /// # Errors
    /// [`WebhookError::Store`], [`WebhookError::Stopped`].
    pub async fn stop_account(&self, account: &AccountId) -> Result<(), WebhookError> {
        self.ask(|reply| Command::StopAccount(account.clone(), reply)).await
    }

    /// Delivers again to the webhooks of an account that was not deleted after all.
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
    async fn find(&self, tenant: &TenantId, id: &WebhookId) -> Result<WebhookRecord, WebhookError> {
        let records = self.store.webhooks().await?;
        let found = records.into_iter().find(|record| record.id == *id && record.tenant == *tenant);
        found.ok_or(WebhookError::NotFound)
    }

    fn check(&self, record: &WebhookRecord) -> Result<(), WebhookError> {
        self.clients.check(&record.url)?;
        if record.secrets.is_empty() || record.secrets.len() > MAX_SECRETS {
            return Err(WebhookError::Secrets);
        }
        let is_fit = |name: &str, value: &str| {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            let name = name.to_ascii_lowercase();
            let is_ours = OURS.contains(&name.as_str())
                || ["webhook-", "x-webhook-hmac", "proxy-"].iter().any(|ours| name.starts_with(ours));
            !is_ours
                && !name.is_empty()
                && name.len() + value.len() <= MAX_HEADER
                && name.bytes().all(is_token)
                && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        };
        let is_fit = record.headers.len() <= MAX_HEADERS
            && record.headers.iter().all(|(name, value)| is_fit(name, value));
        if is_fit { Ok(()) } else { Err(WebhookError::Headers) }
    }

    /// Marks events to be delivered once more.
    async fn mark(
        &self,
        record: &WebhookRecord,
        events: &RangeInclusive<u64>,
    ) -> Result<Replayed, WebhookError> {
        let (filter, last) = (record.filter(), *events.end());
        let mut count = 0;
        // Some of these may not be kept any more elsewhere.
        let mut after = events.start().saturating_sub(1);
        loop {
            let query = DeadLetterQuery { after, is_replayed: Some(false), limit: DEAD_LETTERS_AT_ONCE };
            let letters = self.store.dead_letters(record.id.as_str(), query).await?;
            let Some(end) = letters.last().map(|letter| letter.event.seq) else { break };
            let mut changes = Changes::new();
            for letter in letters.into_iter().filter(|letter| letter.event.seq <= last) {
                changes
                    .push(Change::PutDeadLetter(Box::new(DeadLetterRecord { is_replayed: true, ..letter })));
                count += 1;
            }
            self.store.commit(changes).await?;
            if end >= last {
                break;
            }
            after = end;
        }
        let mut after = events.start().saturating_sub(1);
        while after < last && count < MAX_REPLAYED {
            let (tenant, account) = (filter.tenant.clone(), filter.account.clone());
            let query = EventQuery { after, tenant, account, limit: DEAD_LETTERS_AT_ONCE };
            let page = self.store.events(query).await?;
            let Some(end) = page.last().map(|event| event.seq) else {
                after = last;
                break;
            };
            // No more letters than events lie between.
            let query = DeadLetterQuery { after, is_replayed: Some(true), limit: DEAD_LETTERS_AT_ONCE };
            let marked = self.store.dead_letters(record.id.as_str(), query).await?;
            let is_marked = |event: &EventRecord| marked.iter().any(|letter| letter.event.seq == event.seq);
            let mut changes = Changes::new();
            for event in page.into_iter().filter(|event| event.seq <= last && filter.matches(event)) {
                if !is_marked(&event) {
                    changes.push(Change::PutDeadLetter(Box::new(DeadLetterRecord {
                        endpoint: record.id.to_string(),
                        event,
                        tries: 0,
                        reason: String::new(),
                        at: self.clock.wall(),
                        is_replayed: true,
                    })));
                    count += 1;
                }
            }
            self.store.commit(changes).await?;
            after = end;
        }
        Ok(Replayed { events: count, up_to: after.min(last) })
    }

    fn dispatcher(self: &Arc<Self>, record: WebhookRecord) -> Dispatcher {
        let (shared, hook) = (Arc::clone(self), record.clone());
        Dispatcher::new(DispatcherParts {
            store: Arc::clone(&self.store),
            hub: self.hub.clone(),
            clock: Arc::clone(&self.clock),
            endpoint: record.id.to_string(),
            filter: record.filter(),
            is_parallel: record.is_parallel,
            since: record.since,
            policy: self.policy,
            on_health: Box::new(move |health| shared.on_health(&hook, health)),
            sink: Arc::new(Post {
                record,
                clients: self.clients.clone(),
                store: Arc::clone(&self.store),
                clock: Arc::clone(&self.clock),
                time_limit: self.time_limit,
            }),
        })
    }

    /// What is written when a webhook does better or worse.
    fn on_health(&self, record: &WebhookRecord, health: Health) -> Changes {
        let state = match health {
            Health::Good => WebhookState::Enabled,
            Health::Bad => WebhookState::Degraded,
            Health::Gone => WebhookState::Disabled,
        };
        let mut changes = Changes::new();
        changes.push(Change::SetWebhookState { id: record.id.clone(), state });
        if state != WebhookState::Enabled {
            changes.push_event(NewEvent {
                id: EventId::of(SystemRandom.array()),
                tenant: record.tenant.clone(),
                account: record.account.clone(),
                kind: EventKind::WebhookDegraded,
                at: self.clock.wall(),
                // Not its URL: that may be a secret.
                data: json!({ "webhookId": record.id, "state": state }),
            });
        }
        changes
    }
}

/// What delivers. The manager runs it, and awaits it when it has told it to stop.
#[must_use = "nothing is delivered unless this runs"]
pub struct WebhooksTask {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Command>,
    running: HashMap<WebhookId, Running>,
}

/// Deliveries to one webhook.
struct Running {
    account: Option<AccountId>,
    stop: CancellationToken,
    replay: Arc<Notify>,
    /// One task.
    task: JoinSet<Ended>,
}

impl Running {
    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.task.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a dispatcher crashed");
            }
        }
    }
}

impl WebhooksTask {
    /// Delivers to all webhooks until it is told to stop, or the last handle is gone. What is under way then is delivered
    /// once more next time.
    pub async fn run(mut self, stop: CancellationToken) {
        let loaded = stop.run_until_cancelled(self.load()).await;
        if loaded.is_some() {
            while let Some(Some(command)) = stop.run_until_cancelled(self.inbox.recv()).await {
                self.obey(command).await;
            }
        }
        self.inbox.close();
        for running in self.running.values() {
            running.stop.cancel();
        }
        for (_, running) in self.running.drain() {
            running.end().await;
        }
    }

    async fn load(&mut self) {
        const RETRY: Duration = Duration::from_secs(1);
        loop {
            match self.shared.store.webhooks().await {
                Ok(records) => {
                    for record in records {
                        self.start(record);
                    }
                    return;
                }
                Err(ManagerStoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "webhooks cannot be read"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Create(record, reply) => {
                let _nobody_waits = reply.send(self.create(*record).await);
            }
            Command::Update(tenant, id, patch, reply) => {
                let _nobody_waits = reply.send(self.update(&tenant, &id, *patch).await);
            }
            Command::Delete(tenant, id, reply) => {
                let _nobody_waits = reply.send(self.delete(&tenant, &id).await);
            }
            Command::Replay(id) => {
                if let Some(running) = self.running.get(&id) {
                    running.replay.notify_one();
                }
            }
            Command::StopAccount(account, reply) => {
                let of_it = self.running.extract_if(|_, running| running.account.as_ref() == Some(&account));
                for (_, running) in of_it.collect::<Vec<_>>() {
                    running.end().await;
                }
                let _nobody_waits = reply.send(Ok(()));
            }
            Command::StartAccount(account, reply) => {
                let _nobody_waits = reply.send(self.start_account(&account).await);
            }
        }
    }

    async fn start_account(&mut self, account: &AccountId) -> Result<(), WebhookError> {
        for record in self.shared.store.webhooks().await? {
            if record.account.as_ref() == Some(account) && !self.running.contains_key(&record.id) {
                self.start(record);
            }
        }
        Ok(())
    }

    async fn create(&mut self, record: WebhookRecord) -> Result<(), WebhookError> {
        let all = self.shared.store.webhooks().await?;
        if all.iter().filter(|other| other.tenant == record.tenant).count() >= MAX_WEBHOOKS {
            return Err(WebhookError::TooMany);
        }
        if let Some(account) = &record.account {
            let row = self.shared.store.account(account).await?;
            row.filter(|row| row.tenant == record.tenant).ok_or(WebhookError::NoAccount)?;
        }
        self.put(record.clone()).await?;
        self.start(record);
        Ok(())
    }

    async fn update(
        &mut self,
        tenant: &TenantId,
        id: &WebhookId,
        patch: WebhookPatch,
    ) -> Result<Webhook, WebhookError> {
        let mut changed = self.shared.find(tenant, id).await?;
        patch.apply(&mut changed);
        self.shared.check(&changed)?;
        // Its dispatcher writes the state.
        self.stop(id).await;
        let before = self.shared.find(tenant, id).await?;
        changed.state = match patch.is_enabled {
            Some(true) => WebhookState::Enabled,
            Some(false) => WebhookState::Disabled,
            None => before.state,
        };
        changed.updated_at = self.shared.clock.wall();
        let put = self.put(changed.clone()).await;
        self.start(if put.is_ok() { changed.clone() } else { before });
        put?;
        Ok(Webhook::from(&changed))
    }

    async fn delete(&mut self, tenant: &TenantId, id: &WebhookId) -> Result<(), WebhookError> {
        let record = self.shared.find(tenant, id).await?;
        self.stop(id).await;
        let mut changes = Changes::new();
        changes.push(Change::DeleteWebhook(id.clone()));
        if let Err(error) = self.shared.store.commit(changes).await {
            self.start(record);
            return Err(error.into());
        }
        Ok(())
    }

    async fn put(&self, record: WebhookRecord) -> Result<(), WebhookError> {
        let mut changes = Changes::new();
        changes.push(Change::PutWebhook(Box::new(record)));
        self.shared.store.commit(changes).await?;
        Ok(())
    }

    fn start(&mut self, record: WebhookRecord) {
        if record.state == WebhookState::Disabled {
            return;
        }
        let (id, account, stop) = (record.id.clone(), record.account.clone(), CancellationToken::new());
        let dispatcher = self.shared.dispatcher(record);
        let (replay, mut task) = (dispatcher.replay(), JoinSet::new());
        task.spawn(dispatcher.run(stop.clone()));
        self.running.insert(id, Running { account, stop, replay, task });
    }

    async fn stop(&mut self, id: &WebhookId) {
        if let Some(running) = self.running.remove(id) {
            running.end().await;
        }
    }
}

impl fmt::Debug for WebhooksTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksTask").finish_non_exhaustive()
    }
}

impl WebhookPatch {
    fn apply(&self, record: &mut WebhookRecord) {
        let Self { url, events, secrets, headers, mode, is_parallel, is_enabled: _ } = self.clone();
        if let Some(url) = url {
            record.url = url;
        }
        if let Some(events) = events {
            record.events = events;
        }
        if let Some(secrets) = secrets {
            record.secrets = secrets;
        }
        if let Some(headers) = headers {
            record.headers = headers;
        }
        record.mode = mode.unwrap_or(record.mode);
        record.is_parallel = is_parallel.unwrap_or(record.is_parallel);
    }
}
