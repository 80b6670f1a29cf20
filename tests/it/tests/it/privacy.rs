//! Who sees what of us, limits, and what is told of both.

use wa_core::Event;
use wa_core::client::DefaultTimer;
use wa_core::event::{AccountChange, PrivacyCategory, PrivacyValue};
use wa_core::types::UnixSeconds;
use wa_core::wire::Node;
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

/// What this change of the account is made of.
async fn account<T>(companion: &mut Companion, read: impl Fn(&AccountChange) -> Option<T>) -> T {
    let wanted = |event: &Event| matches!(event, Event::Account(change) if read(change).is_some());
    match companion.wait(wanted).await {
        Event::Account(change) => read(&change).unwrap(),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn settings_are_read_and_set_and_other_devices_hear_of_it() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let mut other = Companion::link(&server, &phone).await;
    let privacy = alice.client.privacy();
    let settings = privacy.settings().await.unwrap();
    assert_eq!(settings.value(&PrivacyCategory::LastSeen), Some(&PrivacyValue::Everyone));
    privacy.set(PrivacyCategory::LastSeen, PrivacyValue::Nobody).await.unwrap();
    let settings = privacy.settings().await.unwrap();
    assert_eq!(settings.value(&PrivacyCategory::LastSeen), Some(&PrivacyValue::Nobody));
    let told = account(&mut other, |change| match change {
        AccountChange::Privacy(settings) => Some(settings.clone()),
        _ => None,
    })
    .await;
    assert_eq!(told.value(&PrivacyCategory::LastSeen), Some(&PrivacyValue::Nobody));
    assert_eq!(told.list.len(), 1, "only what changed");
    assert!(privacy.set(PrivacyCategory::Online, PrivacyValue::Contacts).await.is_err());
}

#[tokio::test]
async fn a_list_that_changed_meanwhile_is_read_again() {
    let server = TestServer::start().await;
    let (bob, carol) = (server.phone("bob"), server.phone("carol"));
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let asked: Vec<_> = [&bob, &carol].map(|phone| phone.lid().clone()).to_vec();
    alice.client.users().info(&asked).await.unwrap();
    let privacy = alice.client.privacy();
    let (category, value) = (PrivacyCategory::About, PrivacyValue::ContactsExcept);
    privacy.change_list(category.clone(), value.clone(), &[bob.pn().clone()], &[]).await.unwrap();
    let list = privacy.list(category.clone(), value.clone()).await.unwrap();
    assert_eq!(list.users, [bob.lid().clone()]);
    // Read between the question and the change: what another device would do.
    let (other, phone) = (alice.client.clone(), carol.lid().clone());
    let added = [carol.lid().clone()];
    let (one, two) = tokio::join!(privacy.change_list(category.clone(), value.clone(), &added, &[]), async {
        other.privacy().change_list(PrivacyCategory::About, PrivacyValue::ContactsExcept, &[], &[phone]).await
    },);
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    let is_conflict = |node: &Node| {
        let error = node.find("error").and_then(|error| error.get("code"));
        error.is_some_and(|code| code.to_text() == "409")
    };
    assert!(
        server.nodes_of(&alice.jid).iter().any(|(_, node)| is_conflict(node)),
        "one of them was too late"
    );
    privacy.change_list(category.clone(), value.clone(), &[], &[bob.pn().clone()]).await.unwrap();
    let list = privacy.list(category, value).await.unwrap();
    assert!(!list.users.contains(bob.lid()));
}

#[tokio::test]
async fn a_default_timer_is_set_and_told() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let mut other = Companion::link(&server, &phone).await;
    alice.client.privacy().set_default_timer(DefaultTimer::Week).await.unwrap();
    let told = account(&mut other, |change| match change {
        AccountChange::DefaultTimer { seconds } => Some(*seconds),
        _ => None,
    });
    assert_eq!(told.await, 604_800);
    let own = other.client.users().info(std::slice::from_ref(phone.lid())).await.unwrap().remove(0);
    assert_eq!(own.result.unwrap().default_timer, Ok(Some(604_800)));
}

#[tokio::test]
async fn the_time_lock_and_the_quota_are_asked_for_and_told() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut alice = Companion::link(&server, &phone).await;
    assert!(!alice.client.account().reachout_timelock().await.unwrap().is_active);
    phone.set_timelock(Some(1_900_000_000));
    let lock = account(&mut alice, |change| match change {
        AccountChange::ReachoutTimelock(lock) => Some(lock.clone()),
        _ => None,
    })
    .await;
    assert_eq!((lock.is_active, lock.until), (true, Some(UnixSeconds(1_900_000_000))));
    assert_eq!(alice.client.account().reachout_timelock().await.unwrap(), lock);
    phone.set_new_chats(10, 10);
    let quota = account(&mut alice, |change| match change {
        AccountChange::NewChatQuota(quota) => Some(quota.clone()),
        _ => None,
    })
    .await;
    assert_eq!((quota.total, quota.used, quota.status.as_deref()), (Some(10), Some(10), Some("CAPPED")));
    assert_eq!(alice.client.account().new_chat_quota().await.unwrap().total, Some(10));
}

#[tokio::test]
async fn what_is_dirty_is_asked_for_and_then_reported_clean() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut alice = Companion::link(&server, &phone).await;
    let dirty = |kind: &'static str, parts: Vec<Node>| {
        let dirty = Node::new("dirty").attr("type", kind).attr("timestamp", "17").children(parts);
        Node::new("ib").attr("from", wa_core::Jid::SERVER).child(dirty)
    };
    let cleans = |kind: &'static str| {
        move |node: &Node| {
            node.find("clean").is_some_and(|clean| {
                clean.get("type").is_some_and(|value| value.to_text() == kind)
                    && clean.get("timestamp").is_some_and(|value| value.to_text() == "17")
            })
        }
    };
    server.inject(&alice.jid, dirty("account_sync", vec![Node::new("privacy"), Node::new("blocklist")]));
    account(&mut alice, |change| matches!(change, AccountChange::Privacy(_)).then_some(())).await;
    account(&mut alice, |change| matches!(change, AccountChange::Blocklist(_)).then_some(())).await;
    server.wait_for(&alice.jid, Direction::FromClient, cleans("account_sync")).await;
    for kind in ["groups", "unheard_of"] {
        server.inject(&alice.jid, dirty(kind, Vec::new()));
        server.wait_for(&alice.jid, Direction::FromClient, cleans(kind)).await;
    }
}
