//! Files that the hosts dropped, and the phone uploads again.

use std::time::Duration;

use prost::Message as _;
use wa_core::client::Media;
use wa_core::event::{MediaEvent, MessageReceived};
use wa_core::media::retry::RetryAnswerError;
use wa_core::media::{Attachment, MediaKind, MediaMessage as _};
use wa_core::{Event, MediaError, MediaRemedy};
use wa_it::Companion;
use wa_proto::e2e;
use wa_test_server::{Phone, Reuploads, TestServer};

const LIMIT: Duration = Duration::from_secs(20);
const BYTES: &[u8] = b"a picture from long ago";

struct Scene {
    server: TestServer,
    phone: Phone,
    alice: Companion,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let phone = server.phone("alice");
        let alice = Companion::link(&server, &phone).await;
        Self { server, phone, alice }
    }

    fn media(&self) -> Media {
        self.alice.client.media()
    }

    /// Bob sends a picture that the hosts drop.
    async fn expired(&mut self) -> (MessageReceived, Attachment) {
        let bob = self.server.phone("bob");
        let mut image = e2e::ImageMessage::default();
        image.set_attachment(&bob.upload(MediaKind::Image, BYTES));
        let message = e2e::Message { image_message: Some(image.into()), ..e2e::Message::default() };
        bob.send(self.phone.pn(), message).await.unwrap();
        self.phone.message().await;
        let received = self.alice.message().await;
        let message = e2e::Message::decode(received.message.encoded()).unwrap();
        let file = message.image_message.unwrap().attachment();
        assert!(self.server.media().expire(file.direct_path.as_deref().unwrap()));
        let gone = self.media().download_bytes(&file, 1000).await.unwrap_err();
        assert!(matches!(gone, MediaError::Gone { status: 410 }), "{gone:?}");
        assert_eq!(gone.remedy(), MediaRemedy::RequestReupload);
        (received, file)
    }
}

#[tokio::test]
async fn the_phone_uploads_what_the_hosts_dropped() {
    let mut scene = Scene::new().await;
    let (received, file) = scene.expired().await;
    let again = scene.media().request_reupload(&received, &file, LIMIT).await.unwrap();
    assert_ne!(again.direct_path, file.direct_path);
    assert_eq!((&again.key, again.file_sha256), (&file.key, file.file_sha256));
    assert_eq!(scene.media().download_bytes(&again, 1000).await.unwrap(), BYTES);
}

#[tokio::test]
async fn a_phone_that_cannot_help_says_so() {
    let cases = [
        (Reuploads::Missing, RetryAnswerError::NotFound),
        (Reuploads::Code(2), RetryAnswerError::NotFound),
        (Reuploads::Code(3), RetryAnswerError::PhoneCouldNotDecrypt),
        (Reuploads::Code(7), RetryAnswerError::Failed),
        (Reuploads::OtherMessage, RetryAnswerError::OtherMessage),
        (Reuploads::Corrupt, RetryAnswerError::Tampered),
    ];
    let mut scene = Scene::new().await;
    for (reuploads, expected) in cases {
        scene.phone.set_reuploads(reuploads);
        let (received, file) = scene.expired().await;
        let error = scene.media().request_reupload(&received, &file, LIMIT).await.unwrap_err();
        assert!(matches!(&error, MediaError::Reupload(why) if *why == expected), "{reuploads:?}: {error:?}");
        assert_eq!(error.remedy(), MediaRemedy::GiveUp);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_comes_as_an_event() {
    let mut scene = Scene::new().await;
    let (received, file) = scene.expired().await;
    scene.phone.go_offline();
    let error = scene.media().request_reupload(&received, &file, LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::PhoneSilent), "{error:?}");
    scene.phone.online();
    let event = scene.alice.wait(|event| matches!(event, Event::Media(_))).await;
    let Event::Media(MediaEvent::Reuploaded { id, direct_path, .. }) = event else { unreachable!() };
    assert_eq!(id, received.id);
    let mut again = file;
    again.direct_path = Some(direct_path);
    assert_eq!(scene.media().download_bytes(&again, 1000).await.unwrap(), BYTES);
}

#[tokio::test]
async fn the_phone_is_asked_once_however_many_wait() {
    let mut scene = Scene::new().await;
    let (received, file) = scene.expired().await;
    scene.phone.go_offline();
    let media = scene.media();
    let (first, second, ()) = tokio::join!(
        media.request_reupload(&received, &file, LIMIT),
        media.request_reupload(&received, &file, LIMIT),
        async { scene.phone.online() },
    );
    assert_eq!(first.unwrap(), second.unwrap());
    let receipts = scene.server.stanzas_of(&scene.alice.jid);
    assert_eq!(
        receipts.iter().filter(|xml| xml.starts_with("→ <receipt") && xml.contains("server-error")).count(),
        1
    );
}

#[tokio::test]
async fn without_a_connection_nobody_is_asked() {
    let mut scene = Scene::new().await;
    let (received, file) = scene.expired().await;
    scene.alice.client.disconnect().await;
    let error = scene.media().request_reupload(&received, &file, LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::Call(_)), "{error:?}");
    let keyless = Attachment::new(MediaKind::Image);
    let error = scene.media().request_reupload(&received, &keyless, LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::NoKey));
}
