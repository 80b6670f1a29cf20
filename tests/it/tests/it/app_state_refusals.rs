//! Each call that writes into the shared state, while the server refuses what is written.

use std::pin::Pin;

use wa_core::Event;
use wa_core::app_state::Collection;
use wa_core::app_state::action::{Action, ChatAction, MessageRange, RangeMessage};
use wa_core::client::{Client, Contact, Label, MessageRef, Mute, QuickReply};
use wa_core::error::CallError;
use wa_core::event::AppStateEvent;
use wa_it::Companion;
use wa_test_server::{AppStateFaults, Phone, TestServer};
use wa_types::{Jid, MessageId, UnixSeconds};

type Answer<'c> = Pin<Box<dyn Future<Output = Result<(), CallError>> + 'c>>;
type Call = for<'c> fn(&'c Client) -> Answer<'c>;

fn chat() -> Jid {
    Jid::pn("15550001111")
}

fn range() -> MessageRange {
    MessageRange::up_to(vec![RangeMessage::new(chat(), id(), false, None, UnixSeconds(1_700_000_000))])
}

fn id() -> MessageId {
    MessageId::new("3A01")
}

fn message() -> MessageRef {
    MessageRef::direct(&chat(), &id(), false)
}

fn label() -> Label {
    Label::new("7", "New")
}

fn reply() -> QuickReply {
    QuickReply::new("1700000000", "hi", "Hello!")
}

fn pin() -> Vec<Action> {
    vec![Action::Chat(ChatAction::Pin { chat: chat(), pinned: true })]
}

const CALLS: &[(&str, Call)] = &[
    ("app_state.set", |client| Box::pin(async { client.app_state().set(pin()).await })),
    ("app_state.remove", |client| Box::pin(async { client.app_state().remove(vec![known()]).await })),
    ("archive", |client| Box::pin(async { client.chats().archive(&chat(), range()).await })),
    ("unarchive", |client| Box::pin(async { client.chats().unarchive(&chat(), range()).await })),
    ("pin", |client| Box::pin(async { client.chats().pin(&chat()).await })),
    ("unpin", |client| Box::pin(async { client.chats().unpin(&chat()).await })),
    ("mute", |client| Box::pin(async { client.chats().mute(&chat(), Mute::Forever).await })),
    ("unmute", |client| Box::pin(async { client.chats().unmute(&chat()).await })),
    ("mark_read", |client| Box::pin(async { client.chats().mark_read(&chat(), range()).await })),
    ("mark_unread", |client| Box::pin(async { client.chats().mark_unread(&chat(), range()).await })),
    ("lock", |client| Box::pin(async { client.chats().lock(&chat()).await })),
    ("unlock", |client| Box::pin(async { client.chats().unlock(&chat()).await })),
    ("clear", |client| Box::pin(async { client.chats().clear(&chat(), range(), true, true).await })),
    ("delete", |client| Box::pin(async { client.chats().delete(&chat(), range(), true).await })),
    ("star", |client| Box::pin(async { client.chats().star(&message()).await })),
    ("unstar", |client| Box::pin(async { client.chats().unstar(&message()).await })),
    ("delete_for_me", |client| {
        Box::pin(async { client.chats().delete_for_me(&message(), UnixSeconds(1_700_000_000), true).await })
    }),
    ("contacts.put", |client| Box::pin(async { client.contacts().put(&Contact::new(&chat(), "Ana")).await })),
    ("contacts.remove", |client| Box::pin(async { client.contacts().remove(&known_contact().jid).await })),
    ("labels.put", |client| Box::pin(async { client.labels().put(&label()).await })),
    ("labels.delete", |client| Box::pin(async { client.labels().delete(&label()).await })),
    ("label_chat", |client| Box::pin(async { client.labels().label_chat("7", &chat(), true).await })),
    ("label_message", |client| {
        Box::pin(async { client.labels().label_message("7", &chat(), &id(), true).await })
    }),
    ("put_quick_reply", |client| Box::pin(async { client.labels().put_quick_reply(&reply()).await })),
    ("delete_quick_reply", |client| Box::pin(async { client.labels().delete_quick_reply(&reply()).await })),
    ("set_push_name", |client| Box::pin(async { client.settings().set_push_name("Alice A.").await })),
    ("profile.set_push_name", |client| Box::pin(async { client.profile().set_push_name("Alice B.").await })),
    ("set_unarchives", |client| Box::pin(async { client.settings().set_unarchives(true).await })),
];

fn known_contact() -> Contact {
    Contact::new(&Jid::pn("15550009999"), "Known")
}

/// What the phone has written before.
fn known() -> Action {
    use wa_core::app_state::action::ContactAction;
    Action::Contact(ContactAction::Contact {
        pn: known_contact().jid,
        full_name: known_contact().full_name,
        first_name: None,
        lid: None,
        on_phone: Some(false),
        pn_too: None,
        username: None,
    })
}

async fn scene() -> (TestServer, Phone, Companion) {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[known()]);
    told(&mut alice, |event| matches!(event, AppStateEvent::Changed(_))).await;
    (server, phone, alice)
}

async fn told(alice: &mut Companion, wanted: impl Fn(&AppStateEvent) -> bool) -> AppStateEvent {
    match alice.wait(|event| matches!(event, Event::AppState(event) if wanted(event))).await {
        Event::AppState(event) => *event,
        other => unreachable!("{other:?} is not about the shared state"),
    }
}

/// Waits until a change was refused with this code. Some calls change several entries, and each is told.
async fn refused(alice: &mut Companion, with: u16) {
    told(alice, |event| matches!(event, AppStateEvent::Refused { code, .. } if *code == with)).await;
}

fn versions(phone: &Phone) -> [u64; 5] {
    Collection::ALL.map(|collection| phone.app_state_version(collection))
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_told_and_undone() {
    let (_server, phone, mut alice) = scene().await;
    let before = versions(&phone);
    for (name, call) in CALLS {
        for code in [400, 406] {
            phone.set_app_state_faults(AppStateFaults {
                refused_uploads: (code, 1),
                ..AppStateFaults::default()
            });
            call(&alice.client).await.unwrap();
            refused(&mut alice, code).await;
            assert!(alice.store.app_state_changes(0, 10).await.unwrap().is_empty(), "{name}");
            assert_eq!(versions(&phone), before, "{name}");
        }
    }
    // All is as it was.
    assert_eq!(alice.client.contacts().all().await.unwrap(), [known_contact()]);
    assert_eq!(
        alice.client.chats().settings(&chat()).await.unwrap(),
        wa_core::client::ChatSettings::default()
    );
    assert!(alice.client.labels().all().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_cannot_take_now_it_gets_later() {
    for (name, call) in CALLS {
        let (_server, phone, alice) = scene().await;
        let before = versions(&phone);
        phone.set_app_state_faults(AppStateFaults { refused_uploads: (503, 2), ..AppStateFaults::default() });
        call(&alice.client).await.unwrap();
        assert!(!alice.store.app_state_changes(0, 10).await.unwrap().is_empty(), "{name}");
        let written = Collection::ALL.into_iter().zip(before);
        let waits =
            written.map(|(collection, version)| Box::pin(phone.wait_app_state(collection, version + 1)));
        futures_util::future::select_all(waits).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_as_a_whole_is_told_and_the_next_one_is_made() {
    let (server, phone, mut alice) = scene().await;
    server.faults().refuse_request("w:sync:app:state", 404);
    alice.client.chats().pin(&chat()).await.unwrap();
    refused(&mut alice, 404).await;
    server.faults().clear();
    alice.client.chats().lock(&chat()).await.unwrap();
    phone.wait_app_state(Collection::RegularLow, 1).await;
    assert!(phone.app_state().contains(&Action::Chat(ChatAction::Lock { chat: chat(), locked: true })));
}

#[tokio::test(start_paused = true)]
async fn without_a_link_nothing_is_written() {
    let server = TestServer::start().await;
    let store = std::sync::Arc::new(wa_store::MemoryStore::new());
    let (client, _events) = wa_it::builder(&server, store).connect().await.unwrap();
    for (name, call) in CALLS {
        assert!(matches!(call(&client).await, Err(CallError::NotPaired)), "{name}");
    }
    client.clone().shutdown().await;
    for (name, call) in CALLS {
        assert!(matches!(call(&client).await, Err(CallError::Shutdown)), "{name}");
    }
}
