//! Secrets at rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use wa_manager::event::EventKind;
use wa_manager::sink::DeliveryPolicy;
use wa_manager::store::{
    Change, Changes, DeadLetterQuery, IdempotencyRecord, ManagerStore as _, SqliteManagerStore,
};
use wa_manager::vault::{KeyVault, SecretVault, SessionKey, VaultError};
use wa_manager::webhook::{Reach, WebhookError, WebhookPatch, WebhookSecret, WebhookSpec, WebhookState};
use wa_manager::{ClientManager, ManagerBuilder, TenantId, Unlink};
use wa_types::UnixMillis;

use crate::paused::Paused;
use crate::receiver::Receiver;
use crate::scene::{Scene, builder_on, link_to, next, soon};

/// As long as a vault may take.
const LIMIT: Duration = Duration::from_secs(10);

const SECRET: &str = "a secret that nobody else knows";

fn key(byte: u8) -> SessionKey {
    SessionKey::new([byte; 32])
}

fn sealed_with(byte: u8) -> impl FnOnce(ManagerBuilder) -> ManagerBuilder {
    sealed_by(KeyVault::new(key(byte)))
}

fn sealed_by(vault: impl SecretVault + 'static) -> impl FnOnce(ManagerBuilder) -> ManagerBuilder {
    let vault: Arc<dyn SecretVault> = Arc::new(vault);
    move |builder| {
        let reach = |webhooks: wa_manager::webhook::WebhooksBuilder| {
            webhooks.reach(Reach { private: true, plain: true })
        };
        builder.vault(vault).webhooks(reach)
    }
}

/// Notes on which threads it is asked.
#[derive(Debug)]
struct Slow {
    keys: KeyVault,
    threads: Arc<Mutex<Vec<ThreadId>>>,
}

impl SecretVault for Slow {
    fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.threads.lock().unwrap().push(std::thread::current().id());
        self.keys.seal(purpose, secret)
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, VaultError> {
        self.threads.lock().unwrap().push(std::thread::current().id());
        self.keys.open(purpose, sealed)
    }
}

/// A vault may be far away: meanwhile everything else goes on.
#[tokio::test]
async fn a_vault_holds_up_no_thread_of_the_runtime() {
    let threads = Arc::new(Mutex::new(Vec::new()));
    let vault = Slow { keys: KeyVault::new(key(1)), threads: Arc::clone(&threads) };
    let scene = Scene::with(sealed_by(vault)).await;
    let spec = WebhookSpec::new("http://127.0.0.1:9/", WebhookSecret::parse(SECRET).unwrap());
    let hook = scene.manager.webhooks().create(TenantId::default(), spec).await.unwrap();
    scene.manager.webhooks().get(&TenantId::default(), &hook.id).await.unwrap();
    let threads = threads.lock().unwrap();
    assert!(threads.len() >= 2 && !threads.contains(&std::thread::current().id()));
}

/// Cannot be reached for a while.
#[derive(Debug)]
struct Far {
    keys: KeyVault,
    /// So often it opens something before it is away.
    opens: Arc<AtomicUsize>,
}

impl SecretVault for Far {
    fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.keys.seal(purpose, secret)
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, VaultError> {
        let less = |opens: usize| opens.checked_sub(1);
        let is_there = self.opens.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        is_there.map_err(|_| VaultError::Away("on purpose".to_owned()))?;
        self.keys.open(purpose, sealed)
    }
}

/// Accounts can be deleted meanwhile; when it is back, the webhooks of all others are delivered to.
#[tokio::test]
async fn a_vault_that_is_away_at_the_start_keeps_no_account_from_its_end() {
    let (tenant, receiver) = (TenantId::default(), Receiver::start(|_| (200, None)).await);
    let spec = || WebhookSpec::new(receiver.url(), WebhookSecret::parse(SECRET).unwrap());
    let scene = Scene::with(sealed_with(1)).await;
    let anna = scene.create("anna").await;
    let of_anna = WebhookSpec { account: Some(anna.id().clone()), ..spec() };
    scene.manager.webhooks().create(tenant.clone(), of_anna).await.unwrap();
    let of_all = scene.manager.webhooks().create(tenant.clone(), spec()).await.unwrap();
    drop(anna);
    let opens = Arc::new(AtomicUsize::new(0));
    let far = Far { keys: KeyVault::new(key(1)), opens: Arc::clone(&opens) };
    let scene = scene.restart_with(sealed_by(far)).await;
    let anna = crate::scene::key("anna");
    let deleted = scene.manager.delete(&anna, Unlink::IfReachable);
    soon("a deletion", deleted).await.unwrap();
    opens.store(usize::MAX, Ordering::SeqCst);
    soon("a delivery", receiver.wait_for(1)).await;
    let known = scene.manager.webhooks().list(&tenant).await.unwrap();
    assert_eq!(known.iter().map(|hook| &hook.id).collect::<Vec<_>>(), [&of_all.id]);
}

/// Nobody needs a secret for that; what was not taken is kept as dead letters all the same.
#[tokio::test(start_paused = true)]
async fn what_is_old_is_forgotten_while_a_vault_is_away() {
    const HOUR: Duration = Duration::from_secs(3600);
    let policy =
        DeliveryPolicy { failures_in_a_row: 1, probe_every: HOUR * 10_000, ..DeliveryPolicy::default() };
    let (tenant, opens) = (TenantId::default(), Arc::new(AtomicUsize::new(usize::MAX)));
    let far: Arc<dyn SecretVault> = Arc::new(Far { keys: KeyVault::new(key(1)), opens: Arc::clone(&opens) });
    let paused = Paused::with(|builder, _| {
        let builder = builder.keep_events(HOUR * 48).vault(far);
        builder.webhooks(move |webhooks| webhooks.policy(policy))
    });
    let paused = paused.await;
    let spec = WebhookSpec::new("https://nowhere.invalid/", WebhookSecret::parse(SECRET).unwrap());
    let hook = paused.scene.manager.webhooks().create(tenant.clone(), spec).await.unwrap();
    opens.store(0, Ordering::SeqCst);
    paused.scene.create("anna").await;
    let mut changes = Changes::new();
    changes.push(Change::PutIdempotency(Box::new(IdempotencyRecord {
        tenant: tenant.clone(),
        key: "send/1".to_owned(),
        outcome: "A".to_owned(),
        until: UnixMillis(1),
    })));
    paused.store.commit(changes).await.unwrap();
    let last = paused.store.last_seq().await.unwrap();
    for _ in 0..60 {
        tokio::time::sleep(HOUR).await;
    }
    assert!(paused.scene.manager.webhooks().list(&tenant).await.is_err(), "the vault is away");
    assert!(paused.store.first_seq().await.unwrap() > last, "events are forgotten");
    assert_eq!(paused.store.idempotency(&tenant, "send/1").await.unwrap(), None);
    let all = DeadLetterQuery { limit: 99, ..DeadLetterQuery::default() };
    let letters = paused.store.dead_letters(hook.id.as_str(), all).await.unwrap();
    assert!(letters.iter().any(|letter| letter.event.kind == EventKind::AccountCreated), "{letters:?}");
}

/// Answers when it is told to.
#[derive(Debug)]
struct Hung {
    keys: KeyVault,
    gate: Arc<(Mutex<bool>, std::sync::Condvar)>,
}

impl SecretVault for Hung {
    fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.keys.seal(purpose, secret)
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, VaultError> {
        let (is_open, news) = &*self.gate;
        drop(news.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
        self.keys.open(purpose, sealed)
    }
}

/// Opens it at the end of the test, however that comes: threads wait for it.
struct Opens(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Drop for Opens {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// Neither a deletion nor the end of the manager waits for it; what it gives back later is used.
#[tokio::test]
async fn a_vault_that_does_not_answer_holds_nobody_up() {
    let (tenant, receiver) = (TenantId::default(), Receiver::start(|_| (200, None)).await);
    let scene = Scene::with(sealed_with(1)).await;
    scene.create("anna").await;
    let spec = WebhookSpec::new(receiver.url(), WebhookSecret::parse(SECRET).unwrap());
    scene.manager.webhooks().create(tenant, spec).await.unwrap();
    let gate = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
    let opens = Opens(Arc::clone(&gate));
    let hung = || Hung { keys: KeyVault::new(key(1)), gate: Arc::clone(&gate) };
    let scene = scene.restart_with(sealed_by(hung())).await;
    let anna = crate::scene::key("anna");
    let deadline = LIMIT / 2;
    let deleted = tokio::time::timeout(deadline, scene.manager.delete(&anna, Unlink::IfReachable)).await;
    deleted.expect("a deletion").unwrap();
    // Nobody can tell from outside that the end came by its deadline, but for the store, which is closed by then.
    scene.manager.shutdown(deadline).await;
    let Scene { server, directory, manager } = scene;
    assert!(matches!(manager.check().await, Err(wa_manager::ManagerError::Store(_))));
    drop(manager);
    let store = Arc::new(SqliteManagerStore::open(directory.path().join("manager.db")).unwrap());
    let manager = sealed_by(hung())(builder_on(store, &server, &directory)).build().await.unwrap();
    drop(opens);
    let scene = Scene { server, directory, manager };
    scene.create("berta").await;
    soon("a delivery", receiver.wait_for(1)).await;
}

/// A change that fails halfway leaves the webhook as it was: at work.
#[tokio::test]
async fn a_webhook_whose_change_fails_is_delivered_to() {
    let (tenant, receiver) = (TenantId::default(), Receiver::start(|_| (200, None)).await);
    let opens = Arc::new(AtomicUsize::new(usize::MAX));
    let far = Far { keys: KeyVault::new(key(1)), opens: Arc::clone(&opens) };
    let scene = Scene::with(sealed_by(far)).await;
    let webhooks = scene.manager.webhooks();
    let spec = WebhookSpec::new(receiver.url(), WebhookSecret::parse(SECRET).unwrap());
    let hook = webhooks.create(tenant.clone(), spec).await.unwrap();
    // It is read once, stopped, and read again.
    opens.store(1, Ordering::SeqCst);
    let failed = webhooks.update(&tenant, &hook.id, WebhookPatch::default()).await.unwrap_err();
    assert!(matches!(failed, WebhookError::Store(_)), "{failed:?}");
    opens.store(usize::MAX, Ordering::SeqCst);
    scene.create("anna").await;
    soon("a delivery", receiver.wait_for(1)).await;
}

async fn states(manager: &ClientManager) -> Vec<WebhookState> {
    let known = manager.webhooks().list(&TenantId::default()).await.unwrap();
    known.iter().map(|hook| hook.state).collect()
}

/// R063: what cannot be opened is told, and everything else runs; with the right key it is as it was.
#[tokio::test]
async fn a_webhook_that_cannot_be_opened_keeps_nobody_from_the_rest() {
    let tenant = TenantId::default();
    let receiver = Receiver::start(|_| (200, None)).await;
    let spec = |url: &str| WebhookSpec::new(url, WebhookSecret::parse(SECRET).unwrap());
    let scene = Scene::with(sealed_with(1)).await;
    let lost = scene.manager.webhooks().create(tenant.clone(), spec("http://127.0.0.1:9/")).await.unwrap();
    // Another key, and one webhook that is sealed with it.
    let scene = scene.restart_with(sealed_with(2)).await;
    let mut events = scene.manager.subscribe(wa_manager::hub::EventFilter::default(), Some(0));
    let told = next(&mut events, EventKind::WebhookDegraded).await;
    assert_eq!(told.data["webhookId"], lost.id.as_str());
    assert_eq!(told.data["state"], "damaged");
    scene.manager.webhooks().create(tenant.clone(), spec(&receiver.url())).await.unwrap();
    assert_eq!(states(&scene.manager).await, [WebhookState::Damaged, WebhookState::Enabled]);
    scene.create("anna").await;
    soon("a delivery", receiver.wait_for(1)).await;
    let patch = WebhookPatch { is_enabled: Some(true), ..WebhookPatch::default() };
    let refused = scene.manager.webhooks().update(&tenant, &lost.id, patch.clone()).await.unwrap_err();
    assert!(matches!(refused, WebhookError::Damaged), "{refused:?}");
    // No key at all.
    let scene = scene.restart().await;
    assert_eq!(states(&scene.manager).await, [WebhookState::Damaged; 2]);
    let scene = scene.restart_with(sealed_by(KeyVault::new(key(2)).with_old(key(1)))).await;
    assert_eq!(states(&scene.manager).await, [WebhookState::Enabled; 2]);
    // The key is gone for good: it is set up anew.
    let scene = scene.restart_with(sealed_with(2)).await;
    let patch = WebhookPatch {
        secrets: Some(vec![WebhookSecret::parse(SECRET).unwrap()]),
        headers: Some(BTreeMap::new()),
        ..WebhookPatch::default()
    };
    scene.manager.webhooks().update(&tenant, &lost.id, patch).await.unwrap();
    assert_eq!(states(&scene.manager).await, [WebhookState::Enabled; 2]);
}

/// R063: the file has no secret of a webhook, and deliveries are signed all the same.
#[tokio::test]
async fn secrets_of_webhooks_are_sealed_in_the_file() {
    let scene = Scene::with(sealed_with(1)).await;
    let receiver = Receiver::start(|_| (200, None)).await;
    let secret = WebhookSecret::parse(SECRET).unwrap();
    let mut spec = WebhookSpec::new(receiver.url(), secret.clone());
    spec.headers.insert("authorization".to_owned(), "Bearer of-the-host".to_owned());
    scene.manager.webhooks().create(TenantId::default(), spec).await.unwrap();
    let anna = scene.create("anna").await;
    link_to(&scene, &anna, "anna").await;
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("authorization"), "Bearer of-the-host");
    let Scene { server, directory, manager } = scene;
    manager.shutdown(std::time::Duration::from_secs(10)).await;
    drop(manager);
    let path = directory.path().join("manager.db");
    let file = std::fs::read(&path).unwrap();
    let has = |text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!has("of-the-host") && !has(SECRET) && !has(secret.to_text().as_str()));
    let raw = Arc::new(SqliteManagerStore::open(&path).unwrap());
    let on = || builder_on(raw.clone(), &server, &directory);
    let webhooks = raw.webhooks().await.unwrap();
    assert!(webhooks[0].spec.secrets.is_empty());
    let manager = sealed_with(1)(on()).build().await.unwrap();
    let known = manager.webhooks().list(&TenantId::default()).await.unwrap();
    assert_eq!((known[0].secrets, known[0].headers.as_slice()), (1, ["authorization".to_owned()].as_slice()));
}
