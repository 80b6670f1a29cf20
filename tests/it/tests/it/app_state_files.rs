//! Snapshots and large patches: files on the media hosts, downloaded, verified, decrypted, and mended when they are bad.

use wa_core::Event;
use wa_core::app_state::action::{Action, ContactAction};
use wa_core::app_state::{AppStateError, Collection};
use wa_core::event::{AppStateEvent, ChangeOrigin};
use wa_it::Companion;
use wa_test_server::{AppStateFaults, MediaFault, Phone, TestServer};
use wa_types::Jid;

/// A server that gives snapshots, and an account whose phone has this many contacts.
async fn scene(contacts: u32) -> (TestServer, Phone) {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    phone.set_app_state_snapshots(Some(1));
    let all: Vec<Action> = (0..contacts).map(contact).collect();
    for some in all.chunks(1000) {
        phone.set_app_state(some);
    }
    (server, phone)
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

/// Waits until this collection was fetched whole, or given up; tells the changes before, and why it was given up.
async fn synced(alice: &mut Companion, collection: Collection) -> (usize, Option<AppStateError>) {
    let mut changes = 0;
    loop {
        let Event::AppState(event) = alice.next().await else { continue };
        match *event {
            AppStateEvent::Changed(changed) => {
                assert_eq!(changed.origin, ChangeOrigin::FullSync);
                changes += 1;
            }
            AppStateEvent::Synced { collection: which } if which == collection => return (changes, None),
            AppStateEvent::Broken { collection: which, error } if which == collection => {
                return (changes, Some(error));
            }
            _ => {}
        }
    }
}

fn downloads(server: &TestServer) -> usize {
    server.media().requests().iter().filter(|request| request.starts_with("GET ")).count()
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_thousands_is_downloaded_and_patches_go_on_top() {
    let (server, phone) = scene(5000).await;
    let mut alice = Companion::link(&server, &phone).await;
    assert_eq!(synced(&mut alice, Collection::CriticalUnblockLow).await, (5000, None));
    assert_eq!(downloads(&server), 1);
    assert_eq!(alice.client.contacts().all().await.unwrap().len(), 5000);
    // The next patch is on top of it, so its version and its hash are those of everybody else.
    phone.set_app_state(&[contact(5000)]);
    alice
        .wait(|event| matches!(event, Event::AppState(event) if matches!(**event, AppStateEvent::Changed(_))))
        .await;
    assert_eq!(alice.client.contacts().all().await.unwrap().len(), 5001);
    alice.client.contacts().remove(&Jid::pn("15550000000")).await.unwrap();
    phone.wait_app_state(Collection::CriticalUnblockLow, 7).await;
    assert_eq!(phone.app_state().len(), 5000);
    assert_eq!(downloads(&server), 1);
}

#[tokio::test(start_paused = true)]
async fn patches_in_files_are_downloaded() {
    let (server, phone) = scene(1).await;
    phone.set_app_state_snapshots(None);
    phone.set_app_state_in_files(true);
    phone.set_app_state(&[contact(1), contact(2)]);
    let mut alice = Companion::link(&server, &phone).await;
    assert_eq!(synced(&mut alice, Collection::CriticalUnblockLow).await, (3, None));
    assert_eq!(downloads(&server), 1);
    assert_eq!(alice.client.contacts().all().await.unwrap().len(), 3);
}

/// What is done to the files, and what that is called.
fn faults(server: &TestServer, phone: &Phone, which: &AppStateError, count: u32) {
    match which {
        AppStateError::FileTampered => server.media().fail(MediaFault::WrongBody, count),
        AppStateError::FileGone => server.media().fail(MediaFault::Status(404), count),
        _ => phone
            .set_app_state_faults(AppStateFaults { spoiled_snapshots: count, ..AppStateFaults::default() }),
    }
}

const BAD: [AppStateError; 3] =
    [AppStateError::FileTampered, AppStateError::FileGone, AppStateError::SnapshotMac];

#[tokio::test(start_paused = true)]
async fn a_bad_snapshot_is_asked_for_again_and_then_of_the_phone() {
    for bad in BAD {
        // A file that was tampered with is fetched from both hosts.
        for count in [2, 1000] {
            let (server, phone) = scene(3).await;
            faults(&server, &phone, &bad, if bad == AppStateError::FileTampered { count } else { count / 2 });
            let mut alice = Companion::link(&server, &phone).await;
            assert_eq!(synced(&mut alice, Collection::CriticalUnblockLow).await, (3, None), "{bad} {count}");
            assert_eq!(alice.client.contacts().all().await.unwrap().len(), 3);
            let asked = phone.app_state_recoveries();
            assert_eq!(asked, u64::from(count == 1000), "{bad} {count}");
            // And it goes on from there.
            server.media().clear_faults();
            alice.client.contacts().remove(&Jid::pn("15550000000")).await.unwrap();
            phone.wait_app_state(Collection::CriticalUnblockLow, 2).await;
            assert_eq!(phone.app_state().len(), 2, "{bad} {count}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_nobody_can_mend_says_why_and_holds_up_nothing() {
    for bad in BAD {
        let (server, phone) = scene(3).await;
        let bob = server.phone("bob");
        phone.set_recovers_nothing(true);
        phone.set_app_state(&[Action::Setting(wa_core::app_state::action::SettingAction::Unarchive {
            returns: true,
        })]);
        faults(&server, &phone, &bad, 1000);
        if bad != AppStateError::SnapshotMac {
            // The other collection comes in patches.
            phone.set_app_state_snapshots(Some(2));
            phone.set_app_state(&[contact(3)]);
        }
        let mut alice = Companion::link(&server, &phone).await;
        bob.send_text(&alice.jid.to_user(), "meanwhile").await.unwrap();
        assert_eq!(alice.message().await.message.as_text(), Some("meanwhile"), "{bad}");
        let (_, error) = synced(&mut alice, Collection::CriticalUnblockLow).await;
        assert_eq!(error, Some(bad.clone()));
        assert!(alice.client.contacts().all().await.unwrap().is_empty());
        // Still linked, still sending and receiving; and what is well again is read with the next news.
        assert_eq!(phone.linked_devices(), [alice.jid.clone()]);
        alice.send_text(bob.pn(), "as ever").await;
        server.media().clear_faults();
        phone.set_app_state_faults(AppStateFaults::default());
        phone.set_app_state(&[contact(4)]);
        let (_, error) = synced(&mut alice, Collection::CriticalUnblockLow).await;
        assert_eq!(error, None, "{bad}");
        assert!(alice.client.contacts().find(&Jid::pn("15550000004")).await.unwrap().is_some());
    }
}
