//! An account that is linked again: to the same number, or to another one.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;
use wa_manager::event::EventKind;
use wa_manager::media::{MediaFuture, MediaHome, MediaKey, MediaStore, StoredMedia};
use wa_manager::sending::Actor;
use wa_manager::store::{ManagerStore, MemoryManagerStore};
use wa_manager::trust::TrustLevel;
use wa_manager::{AccountStatus, Unlink};
use wa_test_server::TestServer;

use crate::scene::{Scene, builder_on, link_to, soon, stands};

async fn scene() -> (Scene, Arc<MemoryManagerStore>) {
    let (server, directory) = (TestServer::start().await, tempfile::TempDir::new().unwrap());
    let store = Arc::new(MemoryManagerStore::new());
    let shared = Arc::clone(&store) as Arc<dyn ManagerStore>;
    let manager = builder_on(shared, &server, &directory).build().await.unwrap();
    (Scene { server, directory, manager }, store)
}

/// Who wrote is known, and the level was set by hand; then the account is logged out.
async fn used_and_logged_out(scene: &Scene) -> wa_manager::Account {
    let anna = scene.create("anna").await;
    link_to(scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    scene.phone("berta").send_text(scene.phone("anna").pn(), "hello").await.unwrap();
    while soon("a message", events.next()).await.unwrap().kind != EventKind::MessageReceived {}
    let operator = Actor::new("operator");
    anna.trust().set_daily_limit(20, operator.clone()).await.unwrap();
    anna.trust().set_level(TrustLevel::HELD, operator, "a complaint".to_owned()).await.unwrap();
    anna.logout(Unlink::AtServer).await.unwrap();
    anna
}

// 3.3: what is known of one number says nothing of another.
#[tokio::test]
async fn another_number_begins_anew() {
    let (scene, store) = scene().await;
    let anna = used_and_logged_out(&scene).await;
    assert_eq!(store.contacts(anna.id(), 0, 9).await.unwrap().len(), 1);
    link_to(&scene, &anna, "clara").await;
    let ready = stands(&anna, AccountStatus::Ready).await;
    assert_eq!(ready.phone_number.as_deref(), Some(scene.phone("clara").pn().user()));
    assert_eq!((ready.trust.trust_level, ready.trust.messages_sent_today), (1, 0));
    assert_eq!(ready.trust.daily_limit, 20, "what people set stays");
    assert_eq!(store.contacts(anna.id(), 0, 9).await.unwrap(), []);
    assert_eq!(store.chats(anna.id(), 9).await.unwrap(), []);
    let events = scene.events(&anna).await;
    let linked = events.iter().rev().find(|event| event.kind == EventKind::AccountLinked).unwrap();
    assert_eq!(linked.data["isAnotherNumber"], true);
    let changed = events.iter().rev().find(|event| event.kind == EventKind::TrustChanged).unwrap();
    assert_eq!((changed.data["from"].as_u64(), changed.data["to"].as_u64()), (Some(0), Some(1)));
    assert_eq!(changed.data["cause"], "another_number");
}

/// Says when files are to be forgotten, and takes its time.
#[derive(Debug, Default)]
struct Slow {
    is_asked: Notify,
    goes_on: Notify,
}

impl MediaStore for Slow {
    fn put<'a>(&'a self, _key: &'a MediaKey, _path: &'a Path) -> MediaFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, _key: &'a MediaKey) -> MediaFuture<'a, Option<StoredMedia>> {
        Box::pin(async { Ok(None) })
    }

    fn delete_all<'a>(&'a self, _home: &'a MediaHome) -> MediaFuture<'a, ()> {
        Box::pin(async {
            self.is_asked.notify_one();
            self.goes_on.notified().await;
            Ok(())
        })
    }
}

/// Nobody sees the new number with what the one before was trusted.
#[tokio::test]
async fn another_number_is_shown_with_its_own_limits() {
    let (server, directory) = (TestServer::start().await, tempfile::TempDir::new().unwrap());
    let files = Arc::new(Slow::default());
    let store = Arc::new(MemoryManagerStore::new());
    let builder = builder_on(store, &server, &directory).media_store(Arc::clone(&files) as _);
    let scene = Scene { server, directory, manager: builder.build().await.unwrap() };
    let anna = used_and_logged_out(&scene).await;
    let linking = link_to(&scene, &anna, "clara");
    let seen = async {
        files.is_asked.notified().await;
        let shown = anna.snapshot();
        files.goes_on.notify_one();
        shown
    };
    let (shown, ()) = tokio::join!(soon("the files to be forgotten", seen), linking);
    assert_eq!(shown.phone_number.as_deref(), Some(scene.phone("clara").pn().user()));
    assert_eq!(shown.trust.trust_level, 1);
    stands(&anna, AccountStatus::Ready).await;
}

#[tokio::test]
async fn the_same_number_goes_on_as_it_was() {
    let (scene, store) = scene().await;
    let anna = used_and_logged_out(&scene).await;
    link_to(&scene, &anna, "anna").await;
    let ready = stands(&anna, AccountStatus::Ready).await;
    assert_eq!(ready.trust.trust_level, 0);
    assert_eq!(store.contacts(anna.id(), 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.chats(anna.id(), 9).await.unwrap().len(), 1);
    let events = scene.events(&anna).await;
    let linked = events.iter().rev().find(|event| event.kind == EventKind::AccountLinked).unwrap();
    assert_eq!(linked.data["isAnotherNumber"], false);
}
