//! The state that devices share: fetched, written, put on top of what others wrote, and mended.

use std::sync::Arc;

use tokio::sync::Notify;
use wa_core::Event;
use wa_core::app_state::action::{Action, ChatAction, ContactAction, MessageRange, SettingAction};
use wa_core::app_state::{AppStateError, Collection};
use wa_core::client::Mute;
use wa_core::event::{AppStateEvent, ChangeOrigin, StateChanged};
use wa_it::{CommitHook, Companion, FaultyStore};
use wa_store::{Change, Changes, MemoryStore, Store, StoreError};
use wa_test_server::{Act, AppStateFaults, Filter, Phone, TestServer};
use wa_types::{Jid, UnixMillis};

/// A server and an account whose phone has begun with the shared state.
async fn scene() -> (TestServer, Phone) {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    (server, phone)
}

fn chat() -> Jid {
    Jid::pn("15550001111")
}

fn pin(pinned: bool) -> Action {
    Action::Chat(ChatAction::Pin { chat: chat(), pinned })
}

fn contact(number: u32) -> Action {
    Action::Contact(ContactAction::Contact {
        pn: Jid::pn(format!("1555{number:07}")),
        full_name: Some(format!("Contact {number}")),
        first_name: None,
        lid: None,
        on_phone: Some(true),
        pn_too: None,
        username: None,
    })
}

/// The next change that the companion hears of from elsewhere.
async fn heard(companion: &mut Companion) -> StateChanged {
    loop {
        if let Event::AppState(event) = companion.next().await
            && let AppStateEvent::Changed(changed) = *event
            && changed.origin != ChangeOrigin::Application
        {
            return *changed;
        }
    }
}

/// Waits for an event about the shared state.
async fn told(companion: &mut Companion, wanted: impl Fn(&AppStateEvent) -> bool) -> AppStateEvent {
    let event = companion.wait(|event| matches!(event, Event::AppState(event) if wanted(event))).await;
    match event {
        Event::AppState(event) => *event,
        other => unreachable!("{other:?} is not about the shared state"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_device_gets_the_keys_and_all_that_is_there() {
    let (server, phone) = scene().await;
    let name = Action::Setting(SettingAction::PushName { name: "Alice".to_owned() });
    phone.set_app_state(&[name, pin(true), contact(1), contact(2)]);
    let mut alice = Companion::link(&server, &phone).await;
    let mut found = Vec::new();
    for _ in 0..4 {
        let changed = heard(&mut alice).await;
        assert_eq!(changed.origin, ChangeOrigin::FullSync);
        assert_eq!(changed.previous, None);
        found.push(changed.index.first().cloned().unwrap_or_default());
    }
    found.sort();
    assert_eq!(found, ["contact", "contact", "pin_v1", "setting_pushName"]);
    assert_eq!(alice.client.settings().push_name().await.unwrap().as_deref(), Some("Alice"));
    assert!(alice.client.chats().settings(&chat()).await.unwrap().is_pinned);
    let contacts = alice.client.contacts().all().await.unwrap();
    assert_eq!(contacts.len(), 2);
    let account = alice.store.account().await.unwrap().unwrap();
    assert_eq!(account.push_name.as_deref(), Some("Alice"));
}

#[tokio::test(start_paused = true)]
async fn what_one_device_sets_the_others_see() {
    let (server, phone) = scene().await;
    let alice = Companion::link(&server, &phone).await;
    let mut other = Companion::link(&server, &phone).await;
    alice.client.chats().mute(&chat(), Mute::Forever).await.unwrap();
    let changed = heard(&mut other).await;
    let expected =
        ChatAction::Mute { chat: chat(), muted: true, until: None, auto_muted: None, mentions_until: None };
    assert_eq!(changed.action, Some(Action::Chat(expected)));
    let until = Mute::Until(UnixMillis(1_900_000_000_000));
    other.client.chats().mute(&chat(), until).await.unwrap();
    assert_eq!(other.client.chats().settings(&chat()).await.unwrap().mute, Some(until));
    let mut alice = alice;
    let changed = heard(&mut alice).await;
    assert_eq!(changed.origin, ChangeOrigin::Device);
    let Some(Action::Chat(ChatAction::Mute { until: before, .. })) = changed.previous else {
        panic!("{changed:?} does not tell what was before")
    };
    assert_eq!(before, None);
    assert_eq!(alice.client.chats().settings(&chat()).await.unwrap().mute, Some(until));
    // The phone reads both patches, which proves every MAC of them.
    assert!(phone.app_state().iter().any(|action| matches!(
        action,
        Action::Chat(ChatAction::Mute { until: Some(UnixMillis(1_900_000_000_000)), .. })
    )));
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_sets_and_removes_is_seen() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    assert_eq!(heard(&mut alice).await.action, Some(contact(1)));
    phone.remove_app_state(&[contact(1)]);
    let removed = heard(&mut alice).await;
    assert_eq!((removed.action, removed.previous), (None, Some(contact(1))));
    assert_eq!(alice.client.contacts().all().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_change_made_offline_goes_out_later_and_only_the_last_of_several() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    alice.client.disconnect().await;
    alice.client.chats().pin(&chat()).await.unwrap();
    alice.client.chats().unpin(&chat()).await.unwrap();
    alice.client.chats().pin(&chat()).await.unwrap();
    assert!(alice.client.chats().settings(&chat()).await.unwrap().is_pinned);
    assert_eq!(phone.app_state_version(Collection::RegularLow), 0);
    // Also after a restart.
    let store = alice.stop().await;
    assert_eq!(store.app_state_changes(0, 10).await.unwrap().len(), 2);
    let mut other = Companion::link(&server, &phone).await;
    let _alice = Companion::start(&server, store).await;
    let mut heard_of = Vec::new();
    while heard_of.len() < 2 {
        let changed = heard(&mut other).await;
        if changed.index.first().is_some_and(|name| name != "contact") {
            heard_of.push(changed.action);
        }
    }
    assert!(heard_of.contains(&Some(pin(true))), "{heard_of:?}");
    assert_eq!(phone.app_state_version(Collection::RegularLow), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_on_top_of_what_others_wrote_first() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[pin(false)]);
    heard(&mut alice).await;
    alice.client.disconnect().await;
    alice.client.chats().pin(&chat()).await.unwrap();
    let elsewhere = Action::Chat(ChatAction::Lock { chat: Jid::pn("15550002222"), locked: true });
    for _ in 0..7 {
        phone.set_app_state(std::slice::from_ref(&elsewhere));
    }
    let version = phone.app_state_version(Collection::RegularLow);
    alice.client.reconnect().await.unwrap();
    phone.wait_app_state(Collection::RegularLow, version + 1).await;
    assert!(phone.app_state().contains(&pin(true)));
    assert!(alice.client.chats().settings(&Jid::pn("15550002222")).await.unwrap().is_locked);
}

#[tokio::test(start_paused = true)]
async fn of_two_devices_that_write_at_once_the_second_writes_again_and_both_changes_survive() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    let mut other = Companion::link(&server, &phone).await;
    phone.set_app_state(&[pin(true)]);
    heard(&mut alice).await;
    heard(&mut other).await;
    // Alice's other device does not hear in time what she wrote, and writes on top of what it knows.
    let news = Filter::to_client().tag("notification").kind("server_sync");
    server.faults_of(&other.jid).script(news, Act::Drop, 1);
    let [first, second] = ["15550003333", "15550004444"].map(Jid::pn);
    alice.client.chats().lock(&first).await.unwrap();
    phone.wait_app_state(Collection::RegularLow, 2).await;
    other.client.chats().lock(&second).await.unwrap();
    phone.wait_app_state(Collection::RegularLow, 3).await;
    assert_eq!(phone.app_state_conflicts(Collection::RegularLow), 1);
    let lock = |chat: &Jid| Action::Chat(ChatAction::Lock { chat: chat.clone(), locked: true });
    while heard(&mut alice).await.action != Some(lock(&second)) {}
    for device in [&alice, &other] {
        for chat in [&first, &second] {
            assert!(device.client.chats().settings(chat).await.unwrap().is_locked, "{:?}", device.jid);
        }
        assert!(device.store.app_state_changes(0, 10).await.unwrap().is_empty());
    }
    let known = phone.app_state();
    assert!(known.contains(&lock(&first)) && known.contains(&lock(&second)));
}

#[tokio::test(start_paused = true)]
async fn a_later_change_elsewhere_wins_over_one_that_waits() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    alice.client.disconnect().await;
    alice.client.chats().unpin(&chat()).await.unwrap();
    phone.set_app_state_at(&[pin(true)], UnixMillis(u64::MAX / 4));
    alice.client.reconnect().await.unwrap();
    assert_eq!(heard(&mut alice).await.action, Some(pin(true)));
    assert!(alice.client.chats().settings(&chat()).await.unwrap().is_pinned);
    assert!(alice.store.app_state_changes(0, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_spoiled_patch_is_fetched_again_and_then_whole() {
    for spoiled in [1, 2] {
        let (server, phone) = scene().await;
        let mut alice = Companion::link(&server, &phone).await;
        phone.set_app_state(&[contact(1)]);
        heard(&mut alice).await;
        let faults = AppStateFaults { spoiled_patches: spoiled, ..AppStateFaults::default() };
        phone.set_app_state_faults(faults);
        phone.set_app_state(&[contact(2)]);
        assert_eq!(heard(&mut alice).await.action, Some(contact(2)), "{spoiled}");
        assert_eq!(alice.client.contacts().all().await.unwrap().len(), 2, "{spoiled}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_is_fetched_whole_patch_by_patch_takes_nothing_away_meanwhile() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    for number in 0..12 {
        phone.set_app_state(&[contact(number)]);
        heard(&mut alice).await;
    }
    // The patch, and the same once more.
    phone.set_app_state_faults(AppStateFaults { spoiled_patches: 2, ..AppStateFaults::default() });
    phone.set_app_state(&[contact(12)]);
    assert_eq!(heard(&mut alice).await.action, Some(contact(12)));
    assert_eq!(alice.client.contacts().all().await.unwrap().len(), 13);
    assert_eq!(phone.app_state_recoveries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_has_more_is_believed_while_it_gives_something() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state_faults(AppStateFaults { endless: true, ..AppStateFaults::default() });
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    alice.client.chats().pin(&chat()).await.unwrap();
    phone.wait_app_state_action(&pin(true)).await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_closed() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    phone.set_app_state_faults(AppStateFaults { gaps: 1, ..AppStateFaults::default() });
    phone.set_app_state(&[contact(2)]);
    phone.set_app_state(&[contact(3)]);
    assert_eq!(heard(&mut alice).await.action, Some(contact(2)));
    assert_eq!(heard(&mut alice).await.action, Some(contact(3)));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_cannot_mend_the_phone_does() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    phone.set_app_state_faults(AppStateFaults { spoiled_patches: 1000, ..AppStateFaults::default() });
    phone.set_app_state(&[contact(2)]);
    assert_eq!(heard(&mut alice).await.action, Some(contact(2)));
    assert_eq!(alice.client.contacts().all().await.unwrap().len(), 2);
    // What follows is a patch again.
    phone.set_app_state_faults(AppStateFaults::default());
    phone.set_app_state(&[contact(3)]);
    assert_eq!(heard(&mut alice).await.action, Some(contact(3)));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_mend_is_told_and_messages_go_on() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    let bob = server.phone("bob");
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    phone.set_recovers_nothing(true);
    phone.set_app_state_faults(AppStateFaults { spoiled_patches: 1000, ..AppStateFaults::default() });
    phone.set_app_state(&[contact(2)]);
    bob.send_text(&alice.jid.to_user(), "are you there?").await.unwrap();
    let broken = told(&mut alice, |event| matches!(event, AppStateEvent::Broken { .. })).await;
    let AppStateEvent::Broken { collection, error } = broken else { unreachable!("waited for") };
    assert_eq!((collection, error), (Collection::CriticalUnblockLow, AppStateError::PatchMac));
    // The device is still linked, and what was known is still known.
    assert_eq!(alice.client.contacts().all().await.unwrap().len(), 1);
    bob.send_text(&alice.jid.to_user(), "still?").await.unwrap();
    assert_eq!(alice.message().await.message.as_text(), Some("still?"));
    // News of the server make it try again.
    phone.set_app_state_faults(AppStateFaults::default());
    phone.set_app_state(&[contact(3)]);
    heard(&mut alice).await;
    heard(&mut alice).await;
    assert_eq!(alice.client.contacts().all().await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn missing_keys_are_asked_for_and_only_what_needs_them_waits() {
    let (server, phone) = scene().await;
    phone.set_withholds_app_state_keys(true);
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    told(&mut alice, |event| matches!(event, AppStateEvent::KeysMissing { .. })).await;
    assert_eq!(heard(&mut alice).await.action, Some(contact(1)));
    // Another key, made later.
    phone.new_app_state_key();
    phone.set_app_state(&[contact(2)]);
    let missing = told(&mut alice, |event| matches!(event, AppStateEvent::KeysMissing { .. })).await;
    assert!(matches!(missing, AppStateEvent::KeysMissing { collection: Collection::CriticalUnblockLow }));
    assert_eq!(heard(&mut alice).await.action, Some(contact(2)));
    // What was written with the old key is overwritten with the new one, and the old entry goes.
    let version = phone.app_state_version(Collection::RegularLow);
    alice.client.chats().pin(&chat()).await.unwrap();
    phone.wait_app_state(Collection::RegularLow, version + 1).await;
    assert!(phone.app_state().contains(&pin(true)));
}

#[tokio::test(start_paused = true)]
async fn a_device_gives_its_keys_to_another_one() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    // The phone is of no help any more.
    phone.set_app_state_silent(true);
    let mut other = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(2)]);
    // They have a session once one wrote to the other: a message is copied to all own devices.
    alice.send_text(server.phone("bob").pn(), "hello").await;
    other.message().await;
    other.send_text(server.phone("bob").pn(), "hello").await;
    assert_eq!(heard(&mut other).await.action, Some(contact(1)));
    assert_eq!(heard(&mut other).await.action, Some(contact(2)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_is_undone_and_told() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    let faults = AppStateFaults { refused_uploads: (400, 1), ..AppStateFaults::default() };
    phone.set_app_state_faults(faults);
    alice.client.chats().unpin(&chat()).await.unwrap();
    let refused = told(&mut alice, |event| matches!(event, AppStateEvent::Refused { .. })).await;
    assert!(matches!(refused, AppStateEvent::Refused { code: 400, .. }));
    assert!(alice.store.app_state_changes(0, 10).await.unwrap().is_empty());
    assert_eq!(alice.client.app_state().get(&["pin_v1", &chat().to_string()]).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_asked_again() {
    let (server, phone) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    let faults = [
        AppStateFaults { refused: (500, 3), ..AppStateFaults::default() },
        AppStateFaults { dropped: 2, ..AppStateFaults::default() },
        AppStateFaults { has_stranger: true, ..AppStateFaults::default() },
    ];
    for (number, faults) in (2..).zip(faults) {
        phone.set_app_state_faults(faults);
        phone.set_app_state(&[contact(number)]);
        assert_eq!(heard(&mut alice).await.action, Some(contact(number)));
        phone.set_app_state_faults(AppStateFaults::default());
    }
}

/// Fails every commit that says that a change was uploaded.
#[derive(Debug)]
struct KeepsChanges;

impl CommitHook for KeepsChanges {
    fn before(&self, changes: &Changes) -> Result<(), StoreError> {
        let says_so = changes.iter().any(|change| matches!(change, Change::DeleteAppStateChange { .. }));
        if says_so { Err(StoreError::Full { source: None }) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_servers_word_and_the_store_writes_nothing_twice() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
    // That the server took a change is not stored.
    let faulty = Arc::new(FaultyStore::with_hook(Arc::clone(&inner), Arc::new(KeepsChanges)));
    let mut alice = Companion::link_with(&server, &phone, faulty).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    alice.client.chats().unpin(&chat()).await.unwrap();
    phone.wait_app_state(Collection::RegularLow, 1).await;
    alice.stop().await;
    assert_eq!(inner.app_state_changes(0, 10).await.unwrap().len(), 1);
    let mut alice = Companion::start(&server, Arc::clone(&inner)).await;
    // It finds its own patch there, and that nothing is left to be written.
    assert_eq!(heard(&mut alice).await.action, Some(pin(false)));
    phone.set_app_state(&[contact(2)]);
    heard(&mut alice).await;
    assert_eq!(phone.app_state_version(Collection::RegularLow), 1);
    assert!(inner.app_state_changes(0, 10).await.unwrap().is_empty());
}

/// Tells of each commit that says that a change was uploaded.
#[derive(Debug, Default)]
struct Uploaded(Notify);

impl CommitHook for Uploaded {
    fn before(&self, _changes: &Changes) -> Result<(), StoreError> {
        Ok(())
    }

    fn after(&self, changes: &Changes) {
        if changes.iter().any(|change| matches!(change, Change::DeleteAppStateChange { .. })) {
            self.0.notify_one();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_uploaded_while_it_is_read_is_read() {
    let (server, phone) = scene().await;
    let uploaded = Arc::new(Uploaded::default());
    let hook: Arc<dyn CommitHook> = Arc::clone(&uploaded) as _;
    let store = Arc::new(FaultyStore::with_hook(Arc::new(MemoryStore::new()), hook));
    let mut alice = Companion::link_with(&server, &phone, Arc::clone(&store) as _).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    alice.client.chats().pin(&chat()).await.unwrap();
    uploaded.0.notified().await;
    alice.client.disconnect().await;
    alice.client.chats().unpin(&chat()).await.unwrap();
    let (held, release) = store.hold_app_state(0);
    let client = alice.client.clone();
    let reading = tokio::spawn(async move { client.app_state().get(&["pin_v1", &chat().to_string()]).await });
    held.await.unwrap();
    alice.client.reconnect().await.unwrap();
    uploaded.0.notified().await;
    drop(release);
    assert_eq!(reading.await.unwrap().unwrap(), Some(pin(false)));
}

#[tokio::test(start_paused = true)]
async fn what_is_written_together_is_read_together() {
    let (server, phone) = scene().await;
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut alice = Companion::link_with(&server, &phone, Arc::clone(&store) as _).await;
    phone.set_app_state(&[contact(1)]);
    heard(&mut alice).await;
    // Not connected: nobody else reads.
    alice.client.disconnect().await;
    alice.client.chats().pin(&chat()).await.unwrap();
    let (held, release) = store.hold_app_state(0);
    let client = alice.client.clone();
    let reading = tokio::spawn(async move { client.chats().settings(&chat()).await });
    held.await.unwrap();
    alice.client.chats().archive(&chat(), MessageRange::default()).await.unwrap();
    drop(release);
    let read = reading.await.unwrap().unwrap();
    assert!(read.is_pinned != read.is_archived, "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn a_contact_that_gets_a_number_while_all_are_read_is_among_them() {
    let (server, phone) = scene().await;
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut alice = Companion::link_with(&server, &phone, Arc::clone(&store) as _).await;
    let (lid, full_name) = (Jid::lid("98765000001"), Some("Bob".to_owned()));
    let (first_name, username) = (None, None);
    let by_lid = Action::Contact(ContactAction::LidContact {
        lid: lid.clone(),
        full_name: full_name.clone(),
        first_name,
        username,
    });
    phone.set_app_state(std::slice::from_ref(&by_lid));
    heard(&mut alice).await;
    // The first list was read whole.
    let (held, release) = store.hold_app_state(1);
    let client = alice.client.clone();
    let reading = tokio::spawn(async move { client.contacts().all().await });
    held.await.unwrap();
    phone.set_app_state(&[Action::Contact(ContactAction::Contact {
        pn: chat(),
        full_name,
        first_name: None,
        lid: Some(lid),
        on_phone: None,
        pn_too: None,
        username: None,
    })]);
    heard(&mut alice).await;
    phone.remove_app_state(&[by_lid]);
    heard(&mut alice).await;
    drop(release);
    let all: Vec<Jid> = reading.await.unwrap().unwrap().into_iter().map(|contact| contact.jid).collect();
    assert_eq!(all, [chat()]);
}
