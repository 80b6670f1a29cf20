//! Lists of accounts, and what tenants may have.

use wa_manager::account::{AccountSettings, DesiredState, ZoneName};
use wa_manager::manager::{ListFilter, Page, TenantQuota};
use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::trust::Zone;
use wa_manager::{
    AccountKey, AccountName, AccountSnapshot, AccountSpec, AccountStatus, ManagerError, TenantId,
};

use crate::scene::{Scene, linked, linked_with, soon, stands};

fn names(page: &Page<AccountSnapshot>) -> Vec<&str> {
    page.items.iter().map(|account| account.name.as_str()).collect()
}

/// R072: by status, tenant and text, page by page; a page is neither longer nor shorter for what happens between two.
#[tokio::test]
async fn accounts_are_listed_by_what_they_are() {
    let scene = linked(&["anna", "berta", "clara"]).await;
    let other = TenantId::new("other");
    let spec = AccountSpec {
        tenant: other.clone(),
        name: Some(AccountName::new("dora").unwrap()),
        display_name: Some("Front DESK".to_owned()),
        ..AccountSpec::default()
    };
    scene.manager.create(spec).await.unwrap();
    scene.account("berta").start().await.unwrap();
    stands(&scene.account("berta"), AccountStatus::Ready).await;
    let list = async |filter: ListFilter| scene.manager.list(filter).await.unwrap();
    let connected = ListFilter { status: AccountStatus::from_wire("connected"), ..ListFilter::default() };
    assert_eq!(names(&list(connected).await), ["berta"]);
    assert_eq!(names(&list(ListFilter { tenant: Some(other), ..ListFilter::default() }).await), ["dora"]);
    let named = |text: &str| ListFilter { q: Some(text.to_owned()), ..ListFilter::default() };
    assert_eq!(names(&list(named("front desk")).await), ["dora"]);
    let phone = scene.phone("clara").pn().user().to_owned();
    assert_eq!(names(&list(named(&phone)).await), ["clara"]);
    assert!(list(named("nobody")).await.items.is_empty());
    let all = list(ListFilter::default()).await;
    assert_eq!((all.items.len(), &all.next), (4, &None));
    let order: Vec<_> = names(&all).into_iter().map(str::to_owned).collect();
    let first = list(ListFilter { limit: Some(2), ..ListFilter::default() }).await;
    assert_eq!(names(&first), order[..2]);
    // The last one of the page goes meanwhile.
    let gone = wa_manager::AccountKey::Id(first.items[1].id.clone());
    scene.manager.delete(&gone, wa_manager::Unlink::AtServer).await.unwrap();
    let rest = ListFilter { limit: Some(2), cursor: first.next, ..ListFilter::default() };
    let rest = list(rest).await;
    assert_eq!((names(&rest), &rest.next), (order[2..].iter().map(String::as_str).collect(), &None));
    // R180: what changed after a list was read has a higher number.
    let last = scene.manager.events_since(wa_manager::store::EventQuery {
        after: rest.seq,
        limit: 10,
        ..wa_manager::store::EventQuery::default()
    });
    assert!(last.await.unwrap().is_empty());
    let bad = ListFilter { cursor: Some("7".to_owned()), ..ListFilter::default() };
    assert!(matches!(scene.manager.list(bad).await, Err(ManagerError::InvalidCursor)));
}

/// R149: nothing is started that nobody asked to start; what is asked for begins at once, or is not made at all.
#[tokio::test]
async fn an_account_is_made_without_a_start_or_with_its_link() {
    let scene = Scene::new().await;
    let plain = scene.create("plain").await;
    assert_eq!((plain.status(), plain.snapshot().desired), (AccountStatus::Idle, DesiredState::Stopped));
    assert!(scene.statuses(&plain).await.is_empty());
    let spec = || AccountSpec { name: Some(AccountName::new("anna").unwrap()), ..AccountSpec::default() };
    let (anna, mut ticket) = scene.manager.create_and_pair(spec(), PairRequest::qr()).await.unwrap();
    let Some(PairingUpdate::Qr(shown)) = soon("a QR code", ticket.next()).await else { panic!("no code") };
    scene.phone("anna").scan(shown.text.expose()).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    // A number that is linked here already: neither link nor account.
    let phone = scene.phone("anna").pn().user().parse().unwrap();
    let again = AccountSpec { name: Some(AccountName::new("again").unwrap()), ..AccountSpec::default() };
    let refused = scene.manager.create_and_pair(again, PairRequest::code(phone)).await.unwrap_err();
    assert!(matches!(refused, ManagerError::Pair(_)), "{refused:?}");
    assert_eq!(scene.manager.list(ListFilter::default()).await.unwrap().items.len(), 2);
}

/// R163, 3.4: the least limit holds; each tenant has its own.
#[tokio::test]
async fn a_tenant_caps_the_days_of_its_accounts() {
    let quota = |tenant: &TenantId| match tenant.as_str() {
        "default" => TenantQuota { daily_cap: Some(7), max_accounts: Some(1) },
        _ => TenantQuota::default(),
    };
    let scene = linked_with(&["anna"], |builder| builder.tenant_quota(quota)).await;
    let anna = scene.account("anna");
    assert_eq!(anna.trust().view().await.unwrap().usage.daily_limit, 7);
    assert_eq!(anna.snapshot().trust.daily_limit, 7);
    let refused = scene.manager.create(AccountSpec::default()).await.unwrap_err();
    assert!(matches!(refused, ManagerError::QuotaExceeded { max: 1 }), "{refused:?}");
    let spec = AccountSpec { tenant: TenantId::new("other"), ..AccountSpec::default() };
    let other = scene.manager.create(spec).await.unwrap();
    assert_eq!(other.trust().view().await.unwrap().usage.daily_limit, 50);
}

/// R156, 3.8: the zone of the account, else its tenant's, else the manager's.
#[tokio::test]
async fn a_day_ends_where_the_account_is_or_its_tenant_or_the_manager() {
    let zone = |name: &str| Zone::named(name).unwrap();
    let scene = Scene::with(|builder| {
        builder
            .zone(zone("Pacific/Honolulu"))
            .tenant_zone(move |tenant| (tenant.as_str() == "java").then(|| zone("Asia/Jakarta")))
    })
    .await;
    let time_zone = ZoneName::try_from("America/Caracas".to_owned()).ok();
    let own = AccountSettings { time_zone, ..AccountSettings::default() };
    for (tenant, settings, expected) in [
        ("default", None, "Pacific/Honolulu"),
        ("java", None, "Asia/Jakarta"),
        ("java", Some(own.clone()), "America/Caracas"),
        ("default", Some(own), "America/Caracas"),
    ] {
        let spec = AccountSpec { tenant: TenantId::new(tenant), settings, ..AccountSpec::default() };
        let account = scene.manager.create(spec).await.unwrap();
        let usage = account.trust().view().await.unwrap().usage;
        // The end of a day here is none in the other zones.
        let ends = usage.resets_at;
        for name in ["Pacific/Honolulu", "Asia/Jakarta", "America/Caracas", "UTC"] {
            assert_eq!(zone(name).day_start(ends) == ends, name == expected, "{tenant}, {name}");
        }
        assert_eq!(account.snapshot().trust.resets_at, ends.0);
    }
}

/// R165: what is set for accounts that are made without settings.
#[tokio::test]
async fn the_host_says_what_new_accounts_are_set_to() {
    let defaults = AccountSettings { auto_start: true, ..AccountSettings::default() };
    let scene = Scene::with(|builder| builder.defaults(defaults.clone())).await;
    let made = scene.manager.create(AccountSpec::default()).await.unwrap();
    assert_eq!(made.snapshot().settings, defaults);
    let settings = Some(AccountSettings::default());
    let other = scene.manager.create(AccountSpec { settings, ..AccountSpec::default() }).await.unwrap();
    assert_eq!(other.snapshot().settings, AccountSettings::default());
    // What was set stays, whatever the host says later.
    let id = made.id().clone();
    drop((made, other));
    let scene = scene.restart().await;
    let made = scene.manager.account(&AccountKey::Id(id)).unwrap();
    assert_eq!(made.snapshot().settings, defaults);
}
