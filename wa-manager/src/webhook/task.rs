//! What delivers: one task owns all dispatchers, and does what handles tell it.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use wa_core::crypto::{Random as _, SystemRandom};

use super::post::Post;
use super::record::{Webhook, WebhookRecord, WebhookState};
use super::registry::Shared;
use super::spec::{WebhookError, WebhookPatch};
use crate::event::{EventKind, NewEvent};
use crate::ids::{AccountId, EventId, TenantId, WebhookId};
use crate::sink::{Dispatcher, DispatcherParts, Ended, Health};
use crate::store::{Change, Changes, ManagerStoreError};

/// How many webhooks a tenant may have.
const MAX_WEBHOOKS: usize = 100;

/// What the task is told to do.
pub(super) enum Command {
    Create(Box<WebhookRecord>, Reply<()>),
    Update(TenantId, WebhookId, Box<WebhookPatch>, Reply<Webhook>),
    Delete(TenantId, WebhookId, Reply<()>),
    Replay(WebhookId),
    StopAccount(AccountId, Reply<()>),
    StartAccount(AccountId, Reply<()>),
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, WebhookError>>;

/// What delivers. The manager runs it, and awaits it when it has told it to stop.
#[must_use = "nothing is delivered unless this runs"]
pub struct WebhooksTask {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Command>,
    running: HashMap<WebhookId, Running>,
    /// Accounts that may be deleted at any moment, by how many at once: nothing is delivered to their webhooks.
    stopped: HashMap<AccountId, usize>,
    look: Look,
    /// Damage is told once.
    is_damage_told: bool,
}

type Read = Result<Vec<WebhookRecord>, ManagerStoreError>;

/// Whether webhooks that should run are looked for. Commands are obeyed meanwhile: a vault may take its time.
enum Look {
    /// All run.
    Done,
    Again(Pin<Box<Sleep>>),
    Reading(Pin<Box<dyn Future<Output = Read> + Send>>),
}

impl Look {
    fn reading(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self::Reading(Box::pin(async move { shared.store.webhooks().await }))
    }

    /// What was read. Cancel safe.
    async fn next(&mut self, shared: &Arc<Shared>) -> Read {
        loop {
            match self {
                Self::Done => return pending().await,
                Self::Again(at) => at.await,
                Self::Reading(reading) => {
                    let read = reading.await;
                    *self = Self::Done;
                    return read;
                }
            }
            *self = Self::reading(shared);
        }
    }
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

/// Ends them all at once: what is under way to each may take its time.
async fn end_all(all: Vec<Running>) {
    for running in &all {
        running.stop.cancel();
    }
    for running in all {
        running.end().await;
    }
}

impl WebhooksTask {
    pub(super) fn new(shared: Arc<Shared>, inbox: mpsc::Receiver<Command>) -> Self {
        Self {
            look: Look::reading(&shared),
            shared,
            inbox,
            running: HashMap::new(),
            stopped: HashMap::new(),
            is_damage_told: false,
        }
    }

    /// Delivers to all webhooks until it is told to stop, or the last handle is gone. What is under way then is delivered
    /// once more next time.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
        self.inbox.close();
        end_all(self.running.drain().map(|(_, running)| running).collect()).await;
    }

    /// Until the last handle is gone.
    async fn work(&mut self) {
        loop {
            tokio::select! {
                biased;
                read = self.look.next(&self.shared) => self.start_all(read).await,
                command = self.inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
            }
        }
    }

    /// Starts what does not run and should. A vault that is away may come back: then it is tried again.
    async fn start_all(&mut self, read: Read) {
        let records = match read {
            Ok(records) => records,
            Err(ManagerStoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "webhooks cannot be read");
                self.look_again();
                return;
            }
        };
        for record in records {
            if record.state == WebhookState::Damaged && !self.is_damage_told {
                self.tell_damage(&record).await;
            }
            self.start(record);
        }
        self.is_damage_told = true;
    }

    /// Some webhook that should run may not.
    fn look_again(&mut self) {
        const RETRY: Duration = Duration::from_secs(1);
        self.look = Look::Again(Box::pin(sleep(RETRY)));
    }

    /// What is being read may be no more so.
    fn read_anew(&mut self) {
        if matches!(self.look, Look::Reading(_)) {
            self.look = Look::reading(&self.shared);
        }
    }

    async fn tell_damage(&mut self, record: &WebhookRecord) {
        let mut changes = Changes::new();
        changes.push_event(self.shared.health_event(record, WebhookState::Damaged));
        match self.shared.store.commit(changes).await {
            Ok(_) => self.shared.hub.notify(),
            Err(error) => tracing::error!(%error, "that a webhook is damaged could not be told"),
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Create(record, reply) => {
                let _nobody_waits = reply.send(self.create(*record).await);
            }
            Command::Update(tenant, id, patch, reply) => {
                let _nobody_waits = reply.send(self.update(&tenant, &id, *patch).await);
                self.read_anew();
            }
            Command::Delete(tenant, id, reply) => {
                let _nobody_waits = reply.send(self.delete(&tenant, &id).await);
                self.read_anew();
            }
            Command::Replay(id) => {
                if let Some(running) = self.running.get(&id) {
                    running.replay.notify_one();
                }
            }
            Command::StopAccount(account, reply) => {
                let of_it = self.running.extract_if(|_, running| running.account.as_ref() == Some(&account));
                let of_it = of_it.map(|(_, running)| running).collect();
                *self.stopped.entry(account).or_default() += 1;
                end_all(of_it).await;
                let _nobody_waits = reply.send(Ok(()));
            }
            Command::StartAccount(account, reply) => {
                self.start_account(&account);
                let _nobody_waits = reply.send(Ok(()));
            }
        }
    }

    /// Nobody deletes the account any more, or one less does.
    fn start_account(&mut self, account: &AccountId) {
        match self.stopped.get_mut(account) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.stopped.remove(account);
                self.look = Look::reading(&self.shared);
            }
        }
    }

    async fn create(&mut self, record: WebhookRecord) -> Result<(), WebhookError> {
        let all = self.shared.store.webhooks().await?;
        if all.iter().filter(|other| other.tenant == record.tenant).count() >= MAX_WEBHOOKS {
            return Err(WebhookError::TooMany);
        }
        if let Some(account) = &record.spec.account {
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
        if changed.state == WebhookState::Damaged && (patch.secrets.is_none() || patch.headers.is_none()) {
            return Err(WebhookError::Damaged);
        }
        patch.apply(&mut changed.spec);
        self.shared.check(&changed.spec)?;
        // Its dispatcher writes the state.
        self.stop(id).await;
        let before = self.shared.find(tenant, id).await.inspect_err(|_| self.look_again())?;
        changed.state = match patch.is_enabled {
            Some(true) => WebhookState::Enabled,
            Some(false) => WebhookState::Disabled,
            None if before.state == WebhookState::Damaged => WebhookState::Enabled,
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

    async fn put(&mut self, record: WebhookRecord) -> Result<(), WebhookError> {
        let mut changes = Changes::new();
        changes.push(Change::PutWebhook(Box::new(record)));
        self.shared.store.commit(changes).await?;
        Ok(())
    }

    /// Starts deliveries to a webhook, unless they run or must not.
    fn start(&mut self, record: WebhookRecord) {
        let is_off = matches!(record.state, WebhookState::Disabled | WebhookState::Damaged);
        let is_stopped =
            record.spec.account.as_ref().is_some_and(|account| self.stopped.contains_key(account));
        if is_off || is_stopped || self.running.contains_key(&record.id) {
            return;
        }
        let (id, account, stop) = (record.id.clone(), record.spec.account.clone(), CancellationToken::new());
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

impl Shared {
    fn dispatcher(self: &Arc<Self>, record: WebhookRecord) -> Dispatcher {
        let (shared, hook) = (Arc::clone(self), record.clone());
        Dispatcher::new(DispatcherParts {
            store: Arc::clone(&self.store),
            hub: self.hub.clone(),
            clock: Arc::clone(&self.clock),
            endpoint: record.id.to_string(),
            filter: record.filter(),
            is_parallel: record.spec.is_parallel,
            since: record.since,
            policy: record.policy(self.policy),
            health: if record.state == WebhookState::Degraded { Health::Bad } else { Health::Good },
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
            changes.push_event(self.health_event(record, state));
        }
        changes
    }

    fn health_event(&self, record: &WebhookRecord, state: WebhookState) -> NewEvent {
        NewEvent {
            id: EventId::of(SystemRandom.array()),
            tenant: record.tenant.clone(),
            account: record.spec.account.clone(),
            kind: EventKind::WebhookDegraded,
            at: self.clock.wall(),
            // Not its URL: that may be a secret.
            data: json!({ "webhookId": record.id, "state": state }),
        }
    }
}
