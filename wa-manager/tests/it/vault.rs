//! Secrets at rest.

use std::sync::Arc;

use wa_manager::store::{ManagerStore as _, SqliteManagerStore};
use wa_manager::vault::{KeyVault, SecretVault, SessionKey, VaultError};
use wa_manager::webhook::{Reach, WebhookSecret, WebhookSpec};
use wa_manager::{ManagerBuilder, ManagerError, TenantId};

use crate::receiver::Receiver;
use crate::scene::{Scene, builder_on, link_to};

const SECRET: &str = "a secret that nobody else knows";

fn sealed_with(byte: u8) -> impl FnOnce(ManagerBuilder) -> ManagerBuilder {
    let vault: Arc<dyn SecretVault> = Arc::new(KeyVault::new(SessionKey::new([byte; 32])));
    move |builder| {
        let reach = |webhooks: wa_manager::webhook::WebhooksBuilder| {
            webhooks.reach(Reach { private: true, plain: true })
        };
        builder.vault(vault).webhooks(reach)
    }
}

/// R063: the file has no secret of a webhook, deliveries are signed all the same, and the wrong key is a loud mistake.
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
    assert!(webhooks[0].secrets.is_empty());
    let none = on().build().await.unwrap_err();
    assert!(matches!(none, ManagerError::Vault(VaultError::NoKey)), "{none:?}");
    let other = sealed_with(2)(on()).build().await.unwrap_err();
    assert!(matches!(other, ManagerError::Vault(VaultError::NoKey)), "{other:?}");
    let manager = sealed_with(1)(on()).build().await.unwrap();
    let known = manager.webhooks().list(&TenantId::default()).await.unwrap();
    assert_eq!((known[0].secrets, known[0].headers.as_slice()), (1, ["authorization".to_owned()].as_slice()));
}
