//! What an account does besides sending: answers, typing, reading, files.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use wa_core::Message;
use wa_core::event::Typing;
use wa_core::media::MediaKind;
use wa_core::message::content::{Image, Poll};
use wa_core::message::{Content, OptionHash};
use wa_manager::account::{AccountSettings, ErrandError, SendOutcome, StorageMode};
use wa_manager::event::EventKind;
use wa_manager::inbound::InboundMessage;
use wa_manager::media::{DownloadError, MediaFuture, MediaHome, MediaKey, MediaStore, StoredMedia};
use wa_manager::{Account, AccountPatch, AccountStatus, Unlink};
use wa_test_server::Direction;

use crate::scene::{Scene, key, linked, linked_with, next, soon, stands};

/// What the account has of the next message, as JSON keeps it.
async fn received(scene: &Scene, account: &Account, send: impl AsyncFnOnce()) -> InboundMessage {
    let mut events = scene.subscribe(account);
    send().await;
    let event = next(&mut events, EventKind::MessageReceived).await;
    assert_eq!(InboundMessage::of(&event).unwrap().id.as_str(), event.data["messageId"].as_str().unwrap());
    let text = event.data.to_string();
    serde_json::from_str(&text).unwrap()
}

async fn ready(scene: &Scene, name: &str) -> Account {
    let account = scene.account(name);
    account.start().await.unwrap();
    stands(&account, AccountStatus::Ready).await;
    account
}

async fn keep(account: &Account, mode: StorageMode) {
    let settings = AccountSettings { storage_mode: mode, ..account.snapshot().settings };
    account.update(AccountPatch { settings: Some(settings), ..AccountPatch::default() }).await.unwrap();
}

/// R033: what the event of a message says is enough to answer it and to say that it was read.
#[tokio::test]
async fn a_message_is_answered_and_read_by_what_its_event_says() {
    let scene = linked(&["anna"]).await;
    let (anna, berta) = (ready(&scene, "anna").await, scene.phone("berta"));
    let own = scene.phone("anna").pn().clone();
    let asked =
        received(&scene, &anna, async || drop(berta.send_text(&own, "are you there?").await.unwrap())).await;
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    anna.set_typing(&asked.chat, Typing::Composing).await.unwrap();
    let wrote = |node: &wa_core::wire::Node| node.tag == "chatstate";
    soon("the typing", scene.server.wait_for(&device, Direction::FromClient, wrote)).await;
    anna.mark_read(std::slice::from_ref(&asked)).await.unwrap();
    soon("the receipt", berta.receipt(&asked.id, Some("read"))).await;
    let answer = soon("the answer", anna.reply(&asked, Message::text("yes"))).await.unwrap();
    assert!(matches!(answer, SendOutcome::Sent(_)));
    let answer = soon("the answer", berta.message()).await;
    let text = answer.message.extended_text_message.as_ref().unwrap();
    let context = text.context_info.as_ref().unwrap();
    assert_eq!((text.text(), context.stanza_id()), ("yes", asked.id.as_str()));
    assert!(context.quoted_message.is_some());
    anna.stop().await.unwrap();
    let refused = anna.set_typing(&asked.chat, Typing::Paused).await.unwrap_err();
    assert!(matches!(refused, ErrandError::NotReady { status: AccountStatus::Idle }), "{refused:?}");
    assert!(matches!(anna.mark_read(&[asked]).await, Err(ErrandError::NotReady { .. })));
}

/// What was sealed in a message is in its event, opened.
#[tokio::test]
async fn a_vote_is_read_by_what_its_event_says() {
    let scene = linked(&["anna"]).await;
    let (anna, berta) = (ready(&scene, "anna").await, scene.phone("berta"));
    let own = scene.phone("anna").pn().clone();
    let asked = received(&scene, &anna, async || drop(berta.send_text(&own, "lunch?").await.unwrap())).await;
    soon("the poll", anna.reply(&asked, Poll::new("What?", ["tea", "coffee"]).into())).await.unwrap();
    let poll = soon("the poll", berta.message()).await;
    let voted =
        received(&scene, &anna, async || drop(berta.vote(&poll, &["coffee"], i64::MAX).await.unwrap())).await;
    let Content::PollVote(vote) = voted.message().unwrap().unwrap().content() else { panic!("no vote") };
    assert_eq!(vote.selected, [OptionHash::of("coffee")]);
}

async fn picture(scene: &Scene, account: &Account, bytes: &[u8]) -> InboundMessage {
    let (berta, own) = (scene.phone("berta"), scene.phone(account.name().as_str()).pn().clone());
    let file = berta.upload(MediaKind::Image, bytes);
    let message = Message::from(Image::new(file));
    received(scene, account, async || drop(berta.send_encoded(&own, message.encoded()).await.unwrap())).await
}

async fn read(account: &Account, message: &InboundMessage) -> Vec<u8> {
    let file = soon("a file", account.download_media(message)).await.unwrap();
    assert_eq!(file.mimetype, "image/jpeg");
    file.bytes(1 << 20).await.unwrap().expect("small enough")
}

/// R108: files are kept as the settings say, are there without a connection, and go with the account.
#[tokio::test]
async fn files_are_kept_where_the_settings_say() {
    let scene = linked(&["anna"]).await;
    let anna = ready(&scene, "anna").await;
    let (in_files, in_database) = (vec![1; 300_000], vec![2; 600_000]);
    let first = picture(&scene, &anna, &in_files).await;
    assert_eq!(read(&anna, &first).await, in_files);
    keep(&anna, StorageMode::Database).await;
    let second = picture(&scene, &anna, &in_database).await;
    assert_eq!(read(&anna, &second).await, in_database);
    keep(&anna, StorageMode::None).await;
    let third = picture(&scene, &anna, b"not kept").await;
    assert_eq!(read(&anna, &third).await, b"not kept");
    keep(&anna, StorageMode::S3).await;
    let refused = anna.download_media(&third).await.unwrap_err();
    assert!(matches!(refused, DownloadError::NoObjectStore), "{refused:?}");
    anna.stop().await.unwrap();
    keep(&anna, StorageMode::Filesystem).await;
    assert_eq!(read(&anna, &first).await, in_files);
    keep(&anna, StorageMode::Database).await;
    assert_eq!(read(&anna, &second).await, in_database);
    let not_ready = anna.download_media(&third).await.unwrap_err();
    assert!(matches!(not_ready, DownloadError::NotReady { .. }), "{not_ready:?}");
    let beside = scene.key_file("anna").with_extension("db.media");
    let database = scene.key_file("anna").with_extension("db.media.db");
    // R090: nothing is left.
    assert!(beside.is_dir() && database.is_file());
    scene.manager.delete(&key("anna"), Unlink::AtServer).await.unwrap();
    assert!(!beside.exists() && !database.exists());
}

/// A file that the hosts dropped comes from the phone; what has no file says so.
#[tokio::test]
async fn a_file_that_the_hosts_dropped_is_asked_of_the_phone() {
    let scene = linked(&["anna"]).await;
    let anna = ready(&scene, "anna").await;
    let berta = scene.phone("berta");
    let file = berta.upload(MediaKind::Image, b"a picture");
    let place = file.direct_path.clone().unwrap();
    let own = scene.phone("anna").pn().clone();
    let message = Message::from(Image::new(file));
    let told =
        received(&scene, &anna, async || drop(berta.send_encoded(&own, message.encoded()).await.unwrap()))
            .await;
    assert!(scene.server.media().expire(&place));
    assert_eq!(read(&anna, &told).await, b"a picture");
    let text = received(&scene, &anna, async || drop(berta.send_text(&own, "no file").await.unwrap())).await;
    assert!(matches!(anna.download_media(&text).await, Err(DownloadError::NoFile)));
    let bare = InboundMessage { raw: None, ..told };
    assert!(matches!(anna.download_media(&bare).await, Err(DownloadError::NoFile)));
}

/// A file that is to be sent goes up by the account's own connection.
#[tokio::test]
async fn files_are_uploaded_while_the_account_is_ready() {
    let scene = linked(&["anna"]).await;
    let anna = ready(&scene, "anna").await;
    let media = anna.media().await.unwrap();
    let file = soon("the upload", media.upload(b"a picture".to_vec(), MediaKind::Image)).await.unwrap();
    assert_eq!(scene.phone("berta").download(&file).unwrap(), b"a picture");
    anna.stop().await.unwrap();
    let refused = anna.media().await.unwrap_err();
    assert!(matches!(refused, ErrandError::NotReady { status: AccountStatus::Idle }), "{refused:?}");
}

/// An object store of the host's.
#[derive(Debug, Default)]
struct Objects(Mutex<HashMap<MediaKey, Vec<u8>>>);

impl MediaStore for Objects {
    fn put<'a>(&'a self, key: &'a MediaKey, path: &'a Path) -> MediaFuture<'a, ()> {
        let bytes = std::fs::read(path);
        let kept = bytes.map(|bytes| drop(self.0.lock().unwrap().insert(key.clone(), bytes)));
        Box::pin(std::future::ready(kept))
    }

    fn get<'a>(&'a self, key: &'a MediaKey) -> MediaFuture<'a, Option<StoredMedia>> {
        let bytes = self.0.lock().unwrap().get(key).cloned();
        let stored =
            bytes.map(|bytes| StoredMedia::new(bytes.len() as u64, Box::new(io::Cursor::new(bytes))));
        Box::pin(std::future::ready(Ok(stored)))
    }

    fn delete_all<'a>(&'a self, home: &'a MediaHome) -> MediaFuture<'a, ()> {
        self.0.lock().unwrap().retain(|key, _| key.home != *home);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// R108
#[tokio::test]
async fn files_go_to_the_hosts_object_store() {
    let objects = Arc::new(Objects::default());
    let scene = linked_with(&["anna"], |builder| builder.media_store(objects.clone())).await;
    let anna = ready(&scene, "anna").await;
    keep(&anna, StorageMode::S3).await;
    let told = picture(&scene, &anna, b"an object").await;
    assert_eq!(read(&anna, &told).await, b"an object");
    assert_eq!(objects.0.lock().unwrap().len(), 1);
    // Not fetched again.
    let asked = scene.server.media().requests().len();
    assert_eq!(read(&anna, &told).await, b"an object");
    assert_eq!(scene.server.media().requests().len(), asked);
    scene.manager.delete(&key("anna"), Unlink::AtServer).await.unwrap();
    assert!(objects.0.lock().unwrap().is_empty());
}
