//! What goes wrong on purpose, and what the account makes of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_ffi::client::Client;
use wa_ffi::content::Content;
use wa_ffi::error::WaError;
use wa_ffi::event::Event;
use wa_ffi::media::MediaKind;
use wa_ffi::message::Message;
use wa_ffi::store::Store;
use wa_ffi::testing::{TestPhone, TestServer};

use crate::support::{arrived, connected, event, link, message, on, pair, patiently, phone, qr, text};

/// A client that is linked to Anna's phone, its device, and Bob's phone.
struct Scene {
    server: Arc<TestServer>,
    anna: Arc<TestPhone>,
    bob: Arc<TestPhone>,
    client: Arc<Client>,
    device: String,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await.unwrap();
        let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
        let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
        let device = pair(&client, &anna).await;
        Self { server, anna, bob, client, device }
    }

    /// Bob writes to Anna. The id.
    async fn bob_writes(&self, text: &str) -> String {
        Arc::clone(&self.bob).send_text(self.anna.address(), text.to_owned()).await.unwrap()
    }

    /// The text of the next message that the client gets.
    async fn heard(&self) -> String {
        message(&self.client).await.text.unwrap()
    }

    /// What the connection's next end, that is told as one, is for.
    async fn lost(&self) -> String {
        let reason = event(&self.client, |event| match event {
            Event::Disconnected { reason, .. } | Event::Closed { reason } => Some(reason.code),
            _ => None,
        });
        reason.await
    }
}

#[tokio::test]
async fn faults() {
    let scene = Scene::new().await;
    let Scene { server, bob, client, device, .. } = &scene;
    let to_bob = bob.address();

    // A refused message.
    server.refuse_next(device.clone(), 400).unwrap();
    let refused = client.send(to_bob.clone(), text("refused"), None).await.unwrap_err();
    assert!(matches!(&refused, WaError::Refused { code, .. } if code == "refused_400"), "{refused:?}");
    assert!(!refused.is_retryable());

    // A lost ack: the message is there, and its call goes on waiting until the next connection. It comes once.
    server.drop_acks(device.clone(), 1).unwrap();
    let sending = tokio::spawn({
        let (client, to) = (Arc::clone(client), to_bob.clone());
        async move { client.send(to, text("once"), None).await }
    });
    let received = Arc::clone(bob).next_message().await.unwrap();
    assert_eq!(received.text.as_deref(), Some("once"));
    // What was asked for later is answered.
    client.check_numbers(vec![bob.number()]).await.unwrap();
    assert!(!sending.is_finished());
    assert!(server.disconnect(device.clone()).unwrap());
    assert_eq!(patiently(sending).await.unwrap().unwrap().id, received.id);
    client.send(to_bob.clone(), text("after it"), None).await.unwrap();
    assert_eq!(Arc::clone(bob).next_message().await.unwrap().text.as_deref(), Some("after it"));

    // A garbled message is asked for again, and comes.
    server.garble_next(device.clone(), 1).unwrap();
    let id = scene.bob_writes("garbled").await;
    let garbled = event(client, |event| match event {
        Event::Undecryptable { key, .. } => Some(key.id),
        Event::Message { message } => panic!("{:?} came as it was sent", message.text),
        _ => None,
    });
    assert_eq!(garbled.await, id);
    assert_eq!(scene.heard().await, "garbled");

    // One that comes twice is told once, and one that comes late is told.
    server.duplicate_next(device.clone(), 1).unwrap();
    scene.bob_writes("twice").await;
    scene.bob_writes("next").await;
    server.reorder_next(device.clone(), 1).unwrap();
    scene.bob_writes("late").await;
    scene.bob_writes("early").await;
    for expected in ["twice", "next", "early", "late"] {
        assert_eq!(scene.heard().await, expected);
    }

    // A file that is gone, which the sender's phone gives once more, or that is not what was sent.
    let other = link(server, "bob").await;
    let content = vec![7; 3000];
    let file = client.upload_bytes(content.clone(), MediaKind::Image).await.unwrap();
    let sent = client.send(to_bob, Message::image(Arc::clone(&file), None), None).await.unwrap();
    assert!(server.lose_file(file));
    let received = arrived(&other, &sent.id).await;
    let Content::Image { file, .. } = received.content else { panic!() };
    let gone = other.download_bytes(Arc::clone(&file), 4000).await.unwrap_err();
    assert!(matches!(&gone, WaError::Media { code, .. } if code == "gone"), "{gone:?}");
    let file = other.request_reupload(received.key, file, Duration::from_secs(30)).await.unwrap();
    assert!(other.download_bytes(Arc::clone(&file), 4000).await.unwrap() == content);
    server.tamper_downloads(1000);
    let tampered = other.download_bytes(Arc::clone(&file), 4000).await.unwrap_err();
    assert!(matches!(&tampered, WaError::Media { code, .. } if code == "tampered"), "{tampered:?}");
    server.clear_faults();
    assert!(other.download_bytes(file, 4000).await.unwrap() == content);
    let phone = server.refuse_logins(bob.address(), 503, 1).unwrap_err();
    assert!(matches!(&phone, WaError::Invalid { code, .. } if code == "no_client"), "{phone:?}");

    // A login that is refused for now is made again.
    server.refuse_logins(device.clone(), 503, 1).unwrap();
    server.disconnect(device.clone()).unwrap();
    while scene.lost().await != "refused" {}
    connected(client).await;

    // A ban: nothing is tried before its end, whoever asks.
    server.ban(device.clone(), 101, Duration::from_secs(3600)).unwrap();
    server.disconnect(device.clone()).unwrap();
    while scene.lost().await != "banned" {}
    let banned = client.reconnect().await.unwrap_err();
    assert!(banned.is_retryable());
    let WaError::Restricted { code, until: Some(until), retry_after: Some(wait), .. } = banned else {
        panic!("{banned:?}")
    };
    assert_eq!(code, "banned");
    assert!(until > SystemTime::UNIX_EPOCH && wait > Duration::from_secs(3000));
}

/// The rest of what can go wrong on purpose; and the end of it.
#[tokio::test]
async fn more_faults() {
    let scene = Scene::new().await;
    let Scene { server, bob, client, device, .. } = &scene;

    // Hosts that want to be left alone.
    server.refuse_media(503, 1000);
    let busy = client.upload_bytes(vec![1; 100], MediaKind::Document).await.unwrap_err();
    assert!(matches!(&busy, WaError::Unavailable { code, .. } if code == "media_hosts"), "{busy:?}");

    // All that was to go wrong ends.
    server.garble_next(device.clone(), 1000).unwrap();
    server.refuse_next(device.clone(), 400).unwrap();
    server.refuse_connections(1000);
    server.refuse_pairing_code(429);
    server.clear_faults();
    let file = client.upload_bytes(vec![1; 100], MediaKind::Document).await.unwrap();
    assert!(client.download_bytes(file, 100).await.unwrap() == [1; 100]);
    client.send(bob.address(), text("not refused"), None).await.unwrap();
    scene.bob_writes("as it was sent").await;
    let heard = event(client, |event| match event {
        Event::Undecryptable { key, .. } => panic!("{key:?} cannot be read"),
        Event::Message { message } => message.text,
        _ => None,
    });
    assert_eq!(heard.await, "as it was sent");

    // A connection that is refused is made again.
    server.refuse_connections(1);
    assert!(server.disconnect(device.clone()).unwrap());
    for _ in 0..2 {
        scene.lost().await;
    }
    connected(client).await;

    // A code that the service gives nobody; and then gives.
    let unlinked = Client::connect(Store::memory(), on(server)).await.unwrap();
    qr(&unlinked).await;
    server.refuse_pairing_code(429);
    let refused = unlinked.pair_with_code(bob.number()).await.unwrap_err();
    assert!(matches!(&refused, WaError::Refused { code, .. } if code == "pairing_refused"), "{refused:?}");
    let code = unlinked.pair_with_code(bob.number()).await.unwrap();
    Arc::clone(bob).enter_code(code).await.unwrap();
    connected(&unlinked).await;

    let nobody = server.garble_next("1@s.whatsapp.net".to_owned(), 1).unwrap_err();
    assert!(matches!(&nobody, WaError::NotFound { code, .. } if code == "no_account"), "{nobody:?}");
    let unread = bob.read("3EB0".to_owned()).unwrap_err();
    assert!(matches!(&unread, WaError::NotFound { code, .. } if code == "no_message"), "{unread:?}");
}
