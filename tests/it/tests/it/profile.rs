//! What we show of ourselves.

use wa_core::Event;
use wa_core::client::{PictureSize, PictureState};
use wa_core::event::AccountChange;
use wa_core::wire::Node;
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3];

#[tokio::test]
async fn an_about_text_is_set_in_either_way() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let bob = Companion::link(&server, &server.phone("bob")).await;
    for (text, is_new_way) in [("at work", true), ("asleep", false)] {
        if !is_new_way {
            server.faults_of(&alice.jid).refuse_request("w:mex", 501);
        }
        alice.client.profile().set_about(text).await.unwrap();
        let about = bob.client.users().about(phone.lid()).await.unwrap().unwrap();
        assert_eq!(about.text, text);
    }
    assert!(alice.client.profile().set_about(&"x".repeat(200)).await.is_err());
}

#[tokio::test]
async fn a_picture_is_set_found_and_removed_and_other_devices_hear_of_it() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let mut other = Companion::link(&server, &phone).await;
    let profile = alice.client.profile();
    assert_eq!(profile.picture(PictureSize::Full).await.unwrap(), PictureState::NotSet);
    let id = profile.set_picture(JPEG.to_vec()).await.unwrap().unwrap();
    let found = profile.picture(PictureSize::Full).await.unwrap();
    assert!(matches!(&found, PictureState::Set(picture) if picture.id == id), "{found:?}");
    let is_told =
        |event: &Event| matches!(event, Event::Account(change) if matches!(**change, AccountChange::Picture));
    other.wait(is_told).await;
    profile.remove_picture().await.unwrap();
    assert_eq!(profile.picture(PictureSize::Preview).await.unwrap(), PictureState::NotSet);
    other.wait(is_told).await;
    assert!(profile.set_picture(b"GIF89a".to_vec()).await.is_err());
}

#[tokio::test]
async fn a_push_name_is_told_and_kept() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    alice.client.set_available(true).await.unwrap();
    alice.client.profile().set_push_name("Alice A.").await.unwrap();
    let named = |node: &Node| {
        node.tag == "presence" && node.get("name").is_some_and(|name| name.to_text() == "Alice A.")
    };
    server.wait_for(&alice.jid, Direction::FromClient, named).await;
    let kept = alice.store.account().await.unwrap().unwrap().push_name;
    assert_eq!(kept.as_deref(), Some("Alice A."));
}
