//! Sticker packs: sent as one message with all files behind it, and opened again.

use wa_core::client::{NewStickerPack, StickerPackError};
use wa_core::media::sticker_zip::{self, StickerZipError};
use wa_core::media::{Attachment, MediaKind, MediaMessage as _};
use wa_core::message::content::{Content, PackedSticker, StickerPack};
use wa_core::{MediaError, Message};
use wa_it::Companion;
use wa_test_server::TestServer;

/// The head of a WebP of 512 by 512 pixels, still or moving, and something behind it.
fn webp(is_animated: bool, mark: u8) -> Vec<u8> {
    let flags = if is_animated { 2 } else { 0 };
    let head = [b"RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0".as_slice(), &[flags, 0, 0, 0, 0xFF, 1, 0, 0xFF, 1, 0]];
    [head.concat(), vec![mark; 2000]].concat()
}

fn cats() -> NewStickerPack {
    NewStickerPack::new("cats-1", "Cats", "Ana", webp(false, 0))
        .sticker(webp(false, 1), ["🐈"])
        .label("a cat")
        .sticker(webp(true, 2), ["🐈", "🏃"])
        .thumbnail(vec![9; 300], 252, 252)
        .caption("for you")
        .description("only cats")
}

#[tokio::test]
async fn a_sticker_pack_goes_to_a_phone_and_to_a_companion() {
    let server = TestServer::start().await;
    let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    let mut bob = Companion::link(&server, &bob_phone).await;

    let pack = alice.client.media().upload_sticker_pack(cats()).await.unwrap();
    alice.client.send(bob_phone.pn(), pack.clone().into()).await.unwrap();

    // The phone: one key for the ZIP and the picture, and the names of the files are their hashes.
    let message = bob_phone.next_message().await.message.sticker_pack_message.unwrap();
    let zip = bob_phone.download(&message.attachment()).unwrap();
    assert_eq!(message.sticker_pack_size, Some(zip.len() as u64));
    let thumbnail = Attachment::sticker_pack_thumbnail(&message).unwrap();
    assert_eq!(bob_phone.download(&thumbnail), Ok(vec![9; 300]));
    assert_eq!((message.thumbnail_width, message.thumbnail_height), (Some(252), Some(252)));
    assert_eq!(message.tray_icon_file_name.as_deref(), Some("cats-1.webp"));
    let names: Vec<_> = sticker_zip::unpack(&zip).unwrap().into_iter().map(|file| file.name).collect();
    let expected = message.stickers.iter().map(|sticker| sticker.file_name().to_owned());
    assert_eq!(names[1..], expected.collect::<Vec<_>>());

    // The companion: as a typed content, and all files.
    let Content::StickerPack(received) = bob.message().await.message.content() else {
        panic!("a sticker pack");
    };
    assert_eq!(Message::from(received.clone()), Message::from(pack));
    assert_eq!(received.stickers[0].label.as_deref(), Some("a cat"));
    assert_eq!(received.stickers[1].emojis, ["🐈", "🏃"]);
    assert_eq!(
        received.stickers.iter().map(|sticker| sticker.is_animated).collect::<Vec<_>>(),
        [false, true]
    );
    let files = bob.client.media().download_sticker_pack(&received).await.unwrap();
    assert_eq!(files.tray_icon, Some(webp(false, 0)));
    let bytes: Vec<_> = files.stickers.into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(bytes, [webp(false, 1), webp(true, 2)]);
}

#[tokio::test]
async fn a_pack_that_cannot_be_is_not_uploaded() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let media = alice.client.media();
    let bad = cats().sticker(b"GIF89a".to_vec(), ["🐈"]);
    let error = media.upload_sticker_pack(bad).await.unwrap_err();
    assert!(matches!(error, StickerPackError::Zip(StickerZipError::NoWebp)), "{error:?}");
    let many = (0..61).fold(cats(), |pack, mark| pack.sticker(webp(false, mark), ["🐈"]));
    let error = media.upload_sticker_pack(many).await.unwrap_err();
    assert!(matches!(error, StickerPackError::Zip(StickerZipError::Count { count: 63 })), "{error:?}");
    assert!(server.media().requests().is_empty());
}

#[tokio::test]
async fn a_broken_pack_of_a_stranger_is_told_as_such() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;
    let zip = sticker_zip::pack("id", &webp(false, 0), &[webp(false, 1)]).unwrap();
    let name = zip.names[0].clone();
    let missing = ("/gone".to_owned(), "other.webp".to_owned());
    for (bytes, name, expected) in [
        (b"no ZIP".to_vec(), name.clone(), "Zip(Malformed)"),
        (zip.bytes.clone(), missing.1, "Missing"),
        (zip.bytes, name, "Gone"),
    ] {
        let mut file = bob.upload(MediaKind::StickerPack, &bytes);
        if expected == "Gone" {
            file.direct_path = Some(missing.0.clone());
        }
        let pack = StickerPack::new("id", "n", "p", file, vec![PackedSticker::new(name, ["🐈"])]);
        let message: Message = pack.into();
        bob.send(alice_phone.pn(), prost::Message::decode(message.encoded()).unwrap()).await.unwrap();
        let Content::StickerPack(pack) = alice.message().await.message.content() else {
            panic!("a sticker pack");
        };
        match alice.client.media().download_sticker_pack(&pack).await.unwrap_err() {
            StickerPackError::Media(MediaError::Gone { .. }) => assert_eq!(expected, "Gone"),
            error => assert_eq!(format!("{error:?}"), expected),
        }
    }
}
