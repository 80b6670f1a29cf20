//! Media files in good weather: every kind both ways, all sources and sinks, newsletters, kept attachments.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wa_core::client::{Downloader, MediaSource, Progress};
use wa_core::media::cipher::encrypted_length;
use wa_core::media::{Attachment, MediaKind, MediaMessage as _};
use wa_core::transport::TlsRoots;
use wa_core::transport::https::HttpsClient;
use wa_core::{Client, Message};
use wa_it::{Companion, builder};
use wa_proto::e2e;
use wa_store::MemoryStore;
use wa_test_server::TestServer;

/// The same bytes for the same length.
fn content(length: usize) -> Vec<u8> {
    (0..251).cycle().step_by(31).take(length).collect()
}

#[tokio::test]
async fn every_kind_goes_up_and_comes_down_again() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    for (index, kind) in MediaKind::ALL.iter().copied().enumerate() {
        if kind.upload_path().is_none() {
            assert!(matches!(
                alice.client.media().upload(content(9), kind).await,
                Err(wa_core::MediaError::NotUploadable)
            ));
            continue;
        }
        let bytes = content(1000 * index);
        let up = alice.client.media().upload(bytes.clone(), kind).await.expect("the hosts take the file");
        assert_eq!((up.kind, up.file_length), (kind, Some(bytes.len() as u64)));
        assert_eq!(up.sidecar.is_some(), kind.has_sidecar());
        // The phone reads what we made, and we what it made.
        assert_eq!(phone.download(&up).as_ref(), Ok(&bytes), "{kind:?}");
        let down = phone.upload(kind, &bytes);
        let read = alice.client.media().download_bytes(&down, 1 << 20).await.expect("the file is there");
        assert_eq!(read, bytes, "{kind:?}");
    }
}

#[tokio::test]
async fn a_picture_travels_in_a_message() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let mut companion = Companion::link(&server, &alice).await;
    let bytes = content(70_000);

    let file = companion.client.media().upload(bytes.clone(), MediaKind::Image).await.unwrap();
    let mut image = e2e::ImageMessage { mimetype: Some("image/jpeg".to_owned()), ..Default::default() };
    image.set_attachment(&file);
    let message = e2e::Message { image_message: Some(image.into()), ..Default::default() };
    companion
        .client
        .send(bob.pn(), Message::from_encoded(prost::Message::encode_to_vec(&message)).unwrap())
        .await
        .unwrap();
    let received = bob.next_message().await;
    let received = received.message.image_message.expect("a picture");
    assert_eq!(bob.download(&received.attachment()), Ok(bytes.clone()));

    let file = bob.upload(MediaKind::Image, &bytes);
    let mut image = e2e::ImageMessage::default();
    image.set_attachment(&file);
    let message = e2e::Message { image_message: Some(image.into()), ..Default::default() };
    bob.send(alice.pn(), message).await.unwrap();
    let received = companion.message().await;
    let message: e2e::Message = prost::Message::decode(received.message.encoded()).unwrap();
    let file = message.image_message.expect("a picture").attachment();
    assert_eq!(companion.client.media().download_bytes(&file, 1 << 20).await.unwrap(), bytes);
}

#[tokio::test]
async fn paths_readers_and_bytes_are_sources_and_sinks() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let media = alice.client.media();
    let folder = tempfile::tempdir().unwrap();
    // More than is kept in memory.
    let bytes = content(3_000_000);
    let source = folder.path().join("source");
    std::fs::write(&source, &bytes).unwrap();

    let from_path = media.upload(source.as_path(), MediaKind::Video).await.unwrap();
    let from_bytes = media.upload(bytes.clone(), MediaKind::Video).await.unwrap();
    let reader = MediaSource::reader(std::io::Cursor::new(bytes.clone()));
    let from_reader = media.upload(reader, MediaKind::Video).await.unwrap();
    for file in [&from_path, &from_bytes, &from_reader] {
        assert_eq!(file.file_sha256, from_path.file_sha256);
        let target = folder.path().join("target");
        media.download_to_path(file, &target).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), bytes);
        let mut written = Vec::new();
        media.download(file, &mut written).await.unwrap();
        assert_eq!(written, bytes);
        assert_eq!(media.download_bytes(file, 3_000_000).await.unwrap(), bytes);
    }
    // Every file has a key of its own.
    assert_ne!(from_path.key, from_bytes.key);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
async fn progress_is_told_up_to_the_last_byte() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let told: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let heard = Arc::clone(&told);
    let media = alice.client.media().on_progress(move |progress| heard.lock().unwrap().push(progress));
    let whole = encrypted_length(2_000_000).unwrap();

    let file = media.upload(content(2_000_000), MediaKind::Document).await.unwrap();
    let up = std::mem::take(&mut *told.lock().unwrap());
    media.download_bytes(&file, 2_000_000).await.unwrap();
    let down = std::mem::take(&mut *told.lock().unwrap());
    for told in [up, down] {
        assert!(told.len() > 1 && told.is_sorted_by_key(|progress| progress.done), "{told:?}");
        let last = told.last().unwrap();
        assert_eq!((last.done, last.total), (whole, Some(whole)));
    }
}

#[tokio::test]
async fn files_of_newsletters_are_not_encrypted() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let media = alice.client.media();
    let bytes = content(1_500_000);
    let file = media.upload_for_newsletter(bytes.clone(), MediaKind::Image).await.unwrap();
    assert!(file.key.is_none() && file.file_enc_sha256.is_none() && file.handle.is_some());
    assert_eq!(server.media().file(file.direct_path.as_deref().unwrap()), Some(bytes.clone()));
    assert!(
        server.media().requests().iter().any(|request| request.contains("/newsletter/newsletter-image/"))
    );
    assert_eq!(media.download_bytes(&file, 2_000_000).await.unwrap(), bytes);
    // What cannot be proven is not downloaded.
    let mut unproven = file.clone();
    unproven.file_sha256 = None;
    assert!(matches!(media.download_bytes(&unproven, 1 << 20).await, Err(wa_core::MediaError::NoKey)));
    let mut other = file;
    other.file_sha256 = Some([0; 32]);
    assert!(matches!(media.download_bytes(&other, 2_000_000).await, Err(wa_core::MediaError::Tampered(_))));
}

#[tokio::test]
async fn kept_attachments_are_downloaded_without_a_connection() {
    let server = TestServer::start().await;
    let file = server.phone("alice").upload(MediaKind::Audio, &content(5000));
    let downloader = Downloader::with_hosts(server.media().http_client(), server.media().names());
    assert_eq!(downloader.download_bytes(&file, 5000).await.unwrap(), content(5000));
    assert_eq!(server.media().asked(), 0);

    // A client that never paired downloads from the hosts that are always there.
    let client = builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap().0;
    assert!(client.media().download_bytes(&file, 5000).await.is_ok());
    let requests = server.media().requests();
    assert!(requests.last().unwrap().starts_with("GET mmg.whatsapp.net/"), "{requests:?}");
}

#[tokio::test]
async fn media_move_over_real_https() {
    let server = TestServer::start().await;
    let endpoint = server.media().listen("127.0.0.1").await.unwrap();
    let roots = TlsRoots::none().with_certificate(&endpoint.tls_certificate).unwrap();
    let store = Arc::new(MemoryStore::new());
    let with_https = builder(&server, store.clone()).http_client(Arc::new(HttpsClient::new(&roots)));
    let alice = Companion::link_built(with_https, &server.phone("alice"), store).await;
    let bytes = content(9_000_000);
    let file = alice.client.media().upload(bytes.clone(), MediaKind::Document).await.unwrap();
    assert_eq!(alice.client.media().download_bytes(&file, 1 << 24).await.unwrap(), bytes);
    // Somebody else's certificate is not trusted.
    let downloader = Downloader::with_hosts(Arc::new(HttpsClient::new(&TlsRoots::mozilla())), endpoint.hosts);
    assert!(matches!(downloader.download_bytes(&file, 1 << 24).await, Err(wa_core::MediaError::Network(_))));
}

/// Yields so many bytes, and notes how far it was read beyond what was uploaded.
struct Endless {
    left: u64,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.remaining());
        buffer.initialize_unfilled_to(count);
        buffer.advance(count);
        self.left -= count as u64;
        std::task::Poll::Ready(Ok(()))
    }
}

/// Counts, and keeps nothing.
#[derive(Default)]
struct Counting {
    bytes: u64,
    longest: usize,
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.bytes += bytes.len() as u64;
        self.longest = self.longest.max(bytes.len());
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn large_files_stream_in_small_pieces() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let media = alice.client.media();
    let length = 24 << 20;
    let file = media.upload(MediaSource::reader(Endless { left: length }), MediaKind::Video).await.unwrap();
    let mut sink = Counting::default();
    media.download(&file, &mut sink).await.unwrap();
    assert_eq!(sink.bytes, length);
    assert!(sink.longest <= 512 << 10, "{} bytes at once", sink.longest);
}

#[tokio::test]
async fn hosts_are_asked_for_once_until_their_time_is_over() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let media = alice.client.media();
    let uploads = (0..8).map(|i| media.upload(content(i), MediaKind::Image));
    let files: Vec<Attachment> =
        futures_util::future::join_all(uploads).await.into_iter().map(|file| file.unwrap()).collect();
    assert_eq!((files.len(), server.media().asked()), (8, 1));
}

#[tokio::test]
async fn an_upload_needs_the_server() {
    let server = TestServer::start().await;
    let (client, _events) = builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap();
    let client: Client = client;
    let refused = client.media().upload(content(5), MediaKind::Image).await.unwrap_err();
    assert!(matches!(refused, wa_core::MediaError::Hosts(_)), "{refused}");
    assert_eq!(refused.remedy(), wa_core::MediaRemedy::TryLater);
}
