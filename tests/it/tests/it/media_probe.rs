//! What is found out about a file goes into its message.

use std::time::Duration;

use wa_core::media::probe::Picture;
use wa_core::media::{MediaKind, waveform};
use wa_core::message::content::{Audio, Content, Image};
use wa_it::Companion;
use wa_test_server::TestServer;

/// Three seconds of Opus.
const NOTE: &[u8] = include_bytes!("../../../../wa-core/tests/media/voice-note.ogg");

/// A PNG of one red pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xDE\0\0\0\x0CIDAT\
    x\x9Cc\xF8\xCF\xC0\0\0\x03\x01\x01\0\xC9\xFE\x92\xEF\0\0\0\0IEND\xAEB`\x82";

#[tokio::test]
async fn a_voice_note_and_a_picture_are_sent_with_what_was_found_out() {
    let server = TestServer::start().await;
    let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    let mut bob = Companion::link(&server, &bob_phone).await;
    let media = alice.client.media();

    let found = waveform::voice_note(NOTE).unwrap();
    let file = media.upload(NOTE, MediaKind::VoiceNote).await.unwrap();
    let note = Audio::new(file).duration(found.duration).waveform(found.waveform.to_vec());
    alice.client.send(bob_phone.pn(), note.into()).await.unwrap();
    let message = bob_phone.next_message().await.message.audio_message.unwrap();
    assert_eq!((message.seconds, message.ptt), (Some(3), Some(true)));
    assert_eq!(message.waveform.as_deref(), Some(found.waveform.as_slice()));
    let Content::Audio(note) = bob.message().await.message.content() else { panic!("a sound") };
    assert_eq!((note.duration, note.waveform), (Some(Duration::from_secs(3)), message.waveform));

    let picture = Picture::decode(PNG).unwrap();
    let thumbnail = picture.thumbnail(100);
    let file = media.upload(PNG, MediaKind::Image).await.unwrap();
    let image = Image::new(file)
        .mimetype(picture.info().mimetype)
        .size(picture.info().size)
        .thumbnail(thumbnail.jpeg.clone());
    alice.client.send(bob_phone.pn(), image.into()).await.unwrap();
    let message = bob_phone.next_message().await.message.image_message.unwrap();
    assert_eq!((message.width, message.height, message.mimetype()), (Some(1), Some(1), "image/png"));
    assert!(message.jpeg_thumbnail().starts_with(&[0xFF, 0xD8]));
    let Content::Image(image) = bob.message().await.message.content() else { panic!("a picture") };
    assert_eq!((image.size, image.thumbnail), (Some((1, 1)), Some(thumbnail.jpeg)));
}
