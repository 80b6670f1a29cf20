//! Contacts, chats, and who is there.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_ffi::chats::NewestMessage;
use wa_ffi::client::Client;
use wa_ffi::event::{Event, TypingState};
use wa_ffi::people::Contact;
use wa_ffi::testing::TestServer;

use crate::support::{event, link, message, phone, text};

/// Waits until it is so: looked at anew with each change of what the account's devices share that the client hears of.
async fn until(client: &Client, is_so: impl AsyncFn() -> bool) {
    while !is_so().await {
        event(client, |event| matches!(event, Event::State { .. }).then_some(())).await;
    }
}

fn contact(address: &str, name: &str) -> Contact {
    Contact {
        address: address.to_owned(),
        lid: None,
        full_name: Some(name.to_owned()),
        first_name: None,
        username: None,
        is_on_phone: false,
    }
}

/// What one device of an account does there, the others have.
#[tokio::test]
async fn contacts_and_chats() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let (client, other) = (link(&server, "anna").await, link(&server, "anna").await);
    let chat = bob.lid();

    let listed = async |wanted: &[Contact]| other.contacts().await.unwrap() == wanted;
    for name in ["Bob", "Robert"] {
        client.put_contact(contact(&chat, name)).await.unwrap();
        until(&other, async || listed(&[contact(&chat, name)]).await).await;
        assert_eq!(other.contact(chat.clone()).await.unwrap(), Some(contact(&chat, name)));
    }
    client.remove_contact(chat.clone()).await.unwrap();
    until(&other, async || listed(&[]).await).await;

    let standing = async || other.chat_settings(chat.clone()).await.unwrap();
    for is_on in [true, false] {
        client.archive_chat(chat.clone(), is_on).await.unwrap();
        until(&other, async || standing().await.is_archived == is_on).await;
    }
    for is_on in [true, false] {
        client.pin_chat(chat.clone(), is_on).await.unwrap();
        until(&other, async || standing().await.is_pinned == is_on).await;
        client.mark_chat(chat.clone(), !is_on).await.unwrap();
        until(&other, async || standing().await.is_marked_unread == is_on).await;
    }
    for end in [None, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000))] {
        client.mute_chat(chat.clone(), end).await.unwrap();
        until(&other, async || {
            let chat = standing().await;
            (chat.is_muted, chat.muted_until) == (true, end)
        })
        .await;
    }
    client.unmute_chat(chat.clone()).await.unwrap();
    until(&other, async || !standing().await.is_muted).await;

    Arc::clone(&bob).send_text(anna.address(), "hello".to_owned()).await.unwrap();
    let received = message(&client).await;
    for stars in [1, 0] {
        client.star(received.key.clone(), stars == 1).await.unwrap();
        until(&other, async || {
            let starred = other.starred().await.unwrap();
            starred.iter().map(|key| &key.id).eq(std::iter::repeat_n(&received.id, stars))
        })
        .await;
    }
}

/// What chats have beside that.
#[tokio::test]
async fn chats_are_set_up() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let client = link(&server, "anna").await;
    let chat = bob.address();
    bob.send_text(anna.address(), "hello".to_owned()).await.unwrap();
    let received = message(&client).await;
    let newest = || Some(NewestMessage { key: received.key.clone(), at: received.timestamp });
    client.lock_chat(chat.clone(), true).await.unwrap();
    assert!(client.chat_settings(chat.clone()).await.unwrap().is_locked);
    client.lock_chat(chat.clone(), false).await.unwrap();
    assert!(!client.chat_settings(chat.clone()).await.unwrap().is_locked);
    client.set_favorites(vec![chat.clone()]).await.unwrap();
    assert_eq!(client.favorites().await.unwrap(), std::slice::from_ref(&chat));
    assert!(!client.is_status_muted(chat.clone()).await.unwrap());
    client.mute_status(chat.clone(), true).await.unwrap();
    assert!(client.is_status_muted(chat.clone()).await.unwrap());
    client.delete_for_me(received.key.clone(), received.timestamp, false).await.unwrap();
    client.clear_chat(chat.clone(), newest(), true, false).await.unwrap();
    client.delete_chat(chat, newest(), true).await.unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|kind| kind != "deleteChat") {
        told.push(
            event(&client, |event| match event {
                Event::State { mut index, .. } => Some(index.swap_remove(0)),
                _ => None,
            })
            .await,
        );
    }
    for kind in ["deleteMessageForMe", "clearChat"] {
        assert!(told.iter().any(|one| one == kind), "{told:?}");
    }

    let carla = Contact {
        first_name: Some("C.".to_owned()),
        username: Some("carla.x".to_owned()),
        ..contact(&phone(&server, "carla").address(), "Carla")
    };
    client.put_contact(carla.clone()).await.unwrap();
    assert_eq!(client.contact(carla.address.clone()).await.unwrap(), Some(carla));
}

#[tokio::test]
async fn presence_and_typing() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let (client, other) = (link(&server, "anna").await, link(&server, "bob").await);
    let presence = async || {
        let told = event(&client, |event| match event {
            Event::Presence { user, available, last_seen, .. } => Some((user, available, last_seen)),
            _ => None,
        });
        told.await
    };
    client.watch_presence(bob.lid()).await.unwrap();
    assert_eq!(presence().await, (bob.lid(), false, None));
    other.set_available(true).await.unwrap();
    assert_eq!(presence().await, (bob.lid(), true, None));
    other.set_available(false).await.unwrap();
    let (_, available, last_seen) = presence().await;
    assert!(!available && last_seen.is_some());

    let typing = async |client: &Client| {
        let told = event(client, |event| match event {
            Event::Typing { user, state, .. } => Some((user, state)),
            _ => None,
        });
        told.await
    };
    for (is_typing, state) in [(true, TypingState::Composing), (false, TypingState::Paused)] {
        bob.typing(anna.lid(), is_typing).unwrap();
        assert_eq!(typing(&client).await, (bob.lid(), state));
    }
    for state in [TypingState::Composing, TypingState::Recording, TypingState::Paused] {
        client.set_typing(bob.lid(), state).await.unwrap();
        assert_eq!(typing(&other).await, (anna.lid(), state));
    }

    // Nobody tells of somebody who is watched no more. An answer says that the service knows.
    client.unwatch_presence(bob.lid()).await.unwrap();
    client.check_numbers(vec![bob.number()]).await.unwrap();
    other.set_available(true).await.unwrap();
    other.send(anna.address(), text("I am here"), None).await.unwrap();
    let next = event(&client, |event| match event {
        Event::Presence { user, .. } => panic!("{user} is watched still"),
        Event::Message { message } => message.text,
        _ => None,
    });
    assert_eq!(next.await, "I am here");
}
