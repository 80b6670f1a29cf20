//! Figures for a recorder.

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use wa_core::Message;
use wa_manager::account::{AccountSettings, IgnoreRules};
use wa_manager::event::EventKind;
use wa_manager::figures;
use wa_manager::manager::ListFilter;
use wa_manager::pairing::PairRequest;
use wa_manager::sending::SendRequest;
use wa_manager::store::ManagerStore;
use wa_manager::{AccountPatch, AccountStatus};

use crate::scene::{Scene, link_to, next, settled, soon, stands};

/// The sum of all figures of this name whose labels have all of these.
fn sum(handle: &PrometheusHandle, name: &str, labels: &[&str]) -> f64 {
    let text = handle.render();
    let lines = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// R075, R171: what the manager does is counted, and what comes in has one outcome each.
#[tokio::test]
async fn what_happens_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // Of this thread: the test's runtime has no other.
    let _guard = metrics::set_default_local_recorder(&recorder);
    figures::describe();
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let refused = anna.pair(PairRequest::code("628110000001".parse().unwrap())).await;
    assert!(refused.is_ok());
    anna.cancel_pairing().await.unwrap();
    stands(&anna, AccountStatus::Idle).await;
    assert_eq!(sum(&handle, "wa_pair_total", &["method=\"code\"", "result=\"cancelled\""]), 1.0);
    link_to(&scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    assert_eq!(sum(&handle, "wa_pair_total", &["method=\"qr\"", "result=\"linked\""]), 1.0);
    assert_eq!(sum(&handle, "wa_accounts", &["status=\"ready\""]), 1.0);
    assert_eq!(sum(&handle, "wa_accounts", &[]), 1.0, "each account stands in one place");
    assert!(sum(&handle, "wa_transition_seconds_count", &["to=\"ready\""]) >= 1.0);
    assert!(sum(&handle, "wa_lease_renew_seconds_count", &[]) >= 1.0);
    assert!(sum(&handle, "wa_socket_frame_age_seconds_count", &[]) >= 1.0);
    let mut events = scene.subscribe(&anna);
    assert!(sum(&handle, "wa_status_publish_seconds_count", &[]) >= 1.0);

    // In: one that is told, one that is skipped.
    let (berta, own) = (scene.phone("berta"), scene.phone("anna").pn().clone());
    let ignore = IgnoreRules { groups: true, ..IgnoreRules::default() };
    let settings = AccountSettings { ignore, ..AccountSettings::default() };
    anna.update(AccountPatch { settings: Some(settings), ..AccountPatch::default() }).await.unwrap();
    let group = berta.create_group("friends", &[&own], wa_test_server::GroupMode::Pn);
    berta.send_text(&group, "in the group").await.unwrap();
    berta.send_text(&own, "hello").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    let outcomes = |outcome: &str| sum(&handle, "wa_inbound_total", &[outcome]);
    let parts = ["\"processed\"", "\"skipped\"", "\"failed\""].map(outcomes);
    assert_eq!(sum(&handle, "wa_inbound_received_total", &[]), parts.iter().sum::<f64>());
    assert!(parts[0] >= 1.0 && parts[1] >= 1.0, "{parts:?}");

    // Out: an answer, and a stranger who has to wait.
    soon("an answer", anna.send(SendRequest::new(berta.pn().clone(), Message::text("yes")))).await.unwrap();
    assert_eq!(sum(&handle, "wa_send_total", &["lane=\"reply\"", "result=\"sent\""]), 1.0);
    let stranger = scene.phone("clara").pn().clone();
    anna.send(SendRequest::new(stranger, Message::text("hello"))).await.unwrap_err();
    assert_eq!(sum(&handle, "wa_limit_denied_total", &["lane=\"first_contact\""]), 1.0);
    scene.phone("anna").set_timelock(Some(4_000_000_000));
    next(&mut events, EventKind::AccountRestriction).await;
    assert_eq!(sum(&handle, "wa_restriction_active", &["kind=\"time_lock\""]), 1.0);

    // A connection that is lost comes back.
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    scene.server.disconnect(&device);
    stands(&anna, AccountStatus::Disconnected).await;
    stands(&anna, AccountStatus::Ready).await;
    assert_eq!(sum(&handle, "wa_reconnects_total", &["reason=\"network\""]), 1.0);
    assert_eq!(scene.manager.list(ListFilter::default()).await.unwrap().items.len(), 1);
    // Another life of the manager counts what the server said before.
    let scene = scene.restart().await;
    settled(&scene.account("anna")).await;
    assert_eq!(sum(&handle, "wa_restriction_active", &["kind=\"time_lock\""]), 1.0);
    scene.manager.shutdown(Duration::from_secs(10)).await;
    assert_eq!(sum(&handle, "wa_accounts", &[]), 0.0, "nothing runs any more");
    assert_eq!(sum(&handle, "wa_restriction_active", &[]), 0.0);
}

/// 4.10: an account that another owner takes over is counted.
#[tokio::test]
async fn a_lost_fence_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (server, directory) = (wa_test_server::TestServer::start().await, tempfile::TempDir::new().unwrap());
    let path = directory.path().join("manager.db");
    let store = std::sync::Arc::new(wa_manager::store::SqliteManagerStore::open(path).unwrap());
    let manager = crate::scene::builder_on(store.clone(), &server, &directory).build().await.unwrap();
    let account = manager.create(wa_manager::AccountSpec::default()).await.unwrap();
    account.stop().await.unwrap(); // it has begun
    let mut row = store.account(account.id()).await.unwrap().unwrap();
    row.epoch = wa_manager::Epoch(row.epoch.0 + 1);
    let mut changes = wa_manager::store::Changes::new();
    changes.put_account(row);
    store.commit(changes).await.unwrap();
    let patch = AccountPatch { display_name: Some("other".to_owned()), ..AccountPatch::default() };
    account.update(patch).await.unwrap_err();
    soon("the loss", account.reached(|snapshot| snapshot.status == AccountStatus::Error)).await;
    assert_eq!(sum(&handle, "wa_fence_lost_total", &[]), 1.0);
}
