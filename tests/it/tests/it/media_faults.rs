//! Media when hosts fail, lie, break off or want something else.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wa_core::MediaError::{
    self, Gone, Network, NoPlace, Refused, Sink, Source, Tampered, TooLarge, Truncated, Unavailable,
};
use wa_core::client::{Downloader, Media};
use wa_core::media::{Attachment, MediaKind};
use wa_core::{MediaRemedy, error};
use wa_it::Companion;
use wa_test_server::{MediaFault, TestServer};

/// The same bytes for the same length.
fn content(length: usize) -> Vec<u8> {
    (0..251).cycle().step_by(31).take(length).collect()
}

const LENGTH: usize = 300_000;

type IsExpected = fn(&MediaError) -> bool;

struct Scene {
    server: TestServer,
    alice: Companion,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let alice = Companion::link(&server, &server.phone("alice")).await;
        Self { server, alice }
    }

    fn media(&self) -> Media {
        self.alice.client.media()
    }

    fn file(&self) -> Attachment {
        self.server.phone("bob").upload(MediaKind::Video, &content(LENGTH))
    }

    async fn download(&self, file: &Attachment) -> Result<Vec<u8>, MediaError> {
        self.media().download_bytes(file, 1 << 30).await
    }

    /// What was asked of the hosts since it was asked last.
    fn count(&self, method: &str) -> usize {
        self.server.media().requests().iter().filter(|request| request.starts_with(method)).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_outlives_faults_of_the_hosts() {
    let faults = [
        MediaFault::Down,
        MediaFault::Status(500),
        MediaFault::Busy(429, 7),
        MediaFault::WrongBody,
        MediaFault::Truncated(1000),
        MediaFault::Truncated(0),
        MediaFault::BreakOff(0),
        MediaFault::BreakOff(200_000),
        MediaFault::Stall,
        MediaFault::Status(403),
        MediaFault::Redirect("mmg-fallback.test".to_owned()),
        MediaFault::Slow(Duration::from_secs(5)),
    ];
    let scene = Scene::new().await;
    for fault in faults {
        scene.server.media().fail(fault.clone(), 1);
        let file = scene.file();
        assert_eq!(scene.download(&file).await.unwrap(), content(LENGTH), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_download_goes_on_where_it_was_on_another_host() {
    let scene = Scene::new().await;
    let file = scene.file();
    for _ in 0..2 {
        scene.server.media().fail(MediaFault::BreakOff(100_000), 1);
    }
    // A writer cannot be rewound: it gets every byte once.
    let mut written = Vec::new();
    scene.media().download(&file, &mut written).await.unwrap();
    assert_eq!(written, content(LENGTH));
    let hosts: Vec<_> = scene.server.media().requests();
    assert!(hosts[0].contains("mmg.test") && hosts[1].contains("mmg-fallback.test"), "{hosts:?}");
    assert_eq!(hosts.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_no_host_has_ends_with_the_reason() {
    let scene = Scene::new().await;
    let media = scene.server.media();
    let cases: [(MediaFault, IsExpected, MediaRemedy); 8] = [
        (MediaFault::Down, |error| matches!(error, Network(_)), MediaRemedy::TryLater),
        (MediaFault::Stall, |error| matches!(error, Network(_)), MediaRemedy::TryLater),
        (
            MediaFault::Status(503),
            |error| matches!(error, Unavailable { status: 503 }),
            MediaRemedy::TryLater,
        ),
        (
            MediaFault::Status(403),
            |error| matches!(error, Gone { status: 403 }),
            MediaRemedy::RequestReupload,
        ),
        (
            MediaFault::Status(404),
            |error| matches!(error, Gone { status: 404 }),
            MediaRemedy::RequestReupload,
        ),
        (MediaFault::Status(400), |error| matches!(error, Refused { status: 400 }), MediaRemedy::GiveUp),
        (MediaFault::WrongBody, |error| matches!(error, Tampered(_)), MediaRemedy::RequestReupload),
        (
            MediaFault::Truncated(1000),
            |error| matches!(error, Truncated { received: 1000 }),
            MediaRemedy::RequestReupload,
        ),
    ];
    for (fault, expected, remedy) in cases {
        media.fail(fault.clone(), u32::MAX);
        let error = scene.download(&scene.file()).await.expect_err("it fails");
        assert!(expected(&error), "{fault:?}: {error:?}");
        assert_eq!(error.remedy(), remedy, "{fault:?}");
        media.clear_faults();
    }
    let file = scene.file();
    assert!(media.expire(file.direct_path.as_deref().unwrap()));
    assert!(matches!(scene.download(&file).await, Err(Gone { status: 410 })));
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_leaves_nothing_under_the_final_name() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("file");
    std::fs::write(&target, b"what was there before").unwrap();
    let faults = [
        MediaFault::WrongBody,
        MediaFault::Truncated(250_000),
        MediaFault::BreakOff(10_000),
        MediaFault::Longer(1_000_000),
        MediaFault::Status(404),
    ];
    for fault in faults {
        scene.server.media().fail(fault.clone(), u32::MAX);
        let done = scene.media().download_to_path(&scene.file(), &target).await;
        assert!(done.is_err(), "{fault:?}");
        assert_eq!(std::fs::read(&target).unwrap(), b"what was there before", "{fault:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{fault:?}");
        scene.server.media().clear_faults();
    }
    // A download that is given up leaves nothing either.
    scene.server.media().fail(MediaFault::Stall, 1);
    let (file, media) = (scene.file(), scene.media());
    let given_up = tokio::time::timeout(Duration::from_secs(1), media.download_to_path(&file, &target)).await;
    assert!(given_up.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    media.download_to_path(&file, &target).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content(LENGTH));
    // And where nothing can be written, that is said.
    let nowhere = folder.path().join("no").join("such").join("folder");
    let error = media.download_to_path(&file, &nowhere).await.unwrap_err();
    assert!(matches!(&error, Sink(_)) && error.remedy() == MediaRemedy::CheckLocalFile);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_read_than_was_allowed() {
    let scene = Scene::new().await;
    let mut file = scene.file();
    assert!(matches!(scene.media().download_bytes(&file, LENGTH as u64 - 100).await, Err(TooLarge { .. })));
    // Nobody is asked for more than the file says.
    scene.server.media().fail(MediaFault::Longer(50_000_000), 1);
    assert!(matches!(scene.download(&file).await, Err(TooLarge { .. })));
    file.file_length = None;
    scene.server.media().fail(MediaFault::Longer(50_000_000), 1);
    let small = scene.media().max_length(LENGTH as u64);
    assert!(matches!(small.download_bytes(&file, u64::MAX).await, Err(TooLarge { .. })));
    // A wrong length that is too long is only a wrong word.
    file.file_length = Some(LENGTH as u64 + 1000);
    assert_eq!(scene.download(&file).await.unwrap(), content(LENGTH));
}

#[tokio::test]
async fn attachments_that_lead_astray_are_not_followed() {
    let scene = Scene::new().await;
    let good = scene.file();
    let mut bad = good.clone();
    (bad.direct_path, bad.url) = (Some("@evil.example/x".to_owned()), None);
    assert!(matches!(scene.download(&bad).await, Err(NoPlace)));
    (bad.direct_path, bad.url) = (None, Some("https://evil.example/x".to_owned()));
    assert!(matches!(scene.download(&bad).await, Err(NoPlace)));
    assert_eq!(scene.count("GET"), 0);
    let mut keyless = good;
    keyless.key = None;
    assert!(matches!(scene.download(&keyless).await, Err(MediaError::NoKey)));
    scene.server.media().fail(MediaFault::Redirect("evil.example".to_owned()), u32::MAX);
    let http = scene.server.media().http_client();
    let downloader = Downloader::with_hosts(http, vec!["mmg.test".to_owned()]);
    tokio::time::pause();
    assert!(matches!(downloader.download_bytes(&scene.file(), 1 << 20).await, Err(Network(_))));
    assert!(scene.server.media().requests().iter().all(|request| !request.contains("evil")));
}

#[tokio::test(start_paused = true)]
async fn an_upload_outlives_faults_of_the_hosts() {
    let scene = Scene::new().await;
    let faults = [
        MediaFault::Down,
        MediaFault::Status(500),
        MediaFault::Status(429),
        MediaFault::Status(401),
        MediaFault::Nonsense,
        MediaFault::BreakUpload(1000),
        MediaFault::Redirect("mmg-fallback.test".to_owned()),
    ];
    for fault in faults {
        scene.server.media().fail(fault.clone(), 1);
        let file = scene.media().upload(content(LENGTH), MediaKind::Document).await;
        let file = file.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(scene.server.phone("bob").download(&file), Ok(content(LENGTH)), "{fault:?}");
    }
    let cases: [(MediaFault, IsExpected); 3] = [
        (MediaFault::Status(413), |error| matches!(error, Refused { status: 413 })),
        (MediaFault::Status(401), |error| matches!(error, Refused { status: 401 })),
        (MediaFault::Status(500), |error| matches!(error, Unavailable { status: 500 })),
    ];
    for (fault, expected) in cases {
        scene.server.media().fail(fault.clone(), u32::MAX);
        let error = scene.media().upload(content(5), MediaKind::Document).await.unwrap_err();
        assert!(expected(&error), "{fault:?}: {error:?}");
        scene.server.media().clear_faults();
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ran_out_is_asked_for_again() {
    let scene = Scene::new().await;
    scene.media().upload(content(5), MediaKind::Image).await.unwrap();
    scene.server.media().expire_auth();
    scene.media().upload(content(6), MediaKind::Image).await.unwrap();
    assert_eq!(scene.server.media().asked(), 2);
    // And when its time is over.
    scene.server.media().set_ttl(20);
    scene.server.media().expire_auth();
    scene.media().upload(content(7), MediaKind::Image).await.unwrap();
    tokio::time::advance(Duration::from_secs(21)).await;
    scene.media().upload(content(8), MediaKind::Image).await.unwrap();
    assert_eq!(scene.server.media().asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_large_upload_goes_on_where_it_broke_off() {
    const LARGE: usize = 6 << 20;
    let scene = Scene::new().await;
    let told: Arc<std::sync::Mutex<Vec<u64>>> = Arc::default();
    let heard = Arc::clone(&told);
    // The first of the two meets the question whether the host has something of it, and breaks nothing.
    scene.server.media().fail(MediaFault::BreakUpload(4 << 20), 2);

    let media = scene.media().on_progress(move |progress| heard.lock().unwrap().push(progress.done));
    let file = media.upload(content(LARGE), MediaKind::Document).await.unwrap();
    assert_eq!(scene.server.phone("bob").download(&file).map(|bytes| bytes == content(LARGE)), Ok(true));
    // It went on, not back to the beginning.
    let moved = told.lock().unwrap();
    assert!(moved.is_sorted() && moved.last() > Some(&(LARGE as u64)), "{moved:?}");
}

#[tokio::test]
async fn sources_and_sinks_that_fail_are_told_apart() {
    struct Broken;
    impl tokio::io::AsyncWrite for Broken {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &[u8],
        ) -> std::task::Poll<io::Result<usize>> {
            std::task::Poll::Ready(Err(io::ErrorKind::StorageFull.into()))
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }
    let scene = Scene::new().await;
    let error = scene.media().download(&scene.file(), &mut Broken).await.unwrap_err();
    assert!(matches!(error, Sink(_)), "{error:?}");
    let nowhere = std::path::Path::new("no such file anywhere");
    let error = scene.media().upload(nowhere, MediaKind::Image).await.unwrap_err();
    assert!(matches!(error, Source(_)), "{error:?}");
    assert_eq!(error.remedy(), MediaRemedy::CheckLocalFile);
}

#[tokio::test]
async fn a_server_that_names_no_hosts_is_said_so() {
    let scene = Scene::new().await;
    scene.server.faults().refuse_request("w:m", 503);
    let error = scene.media().upload(content(5), MediaKind::Image).await.unwrap_err();
    let MediaError::Hosts(error::CallError::Request(refused)) = &error else { panic!("{error:?}") };
    assert!(matches!(refused, wa_core::connection::RequestError::Refused(refusal) if refusal.code == 503));
}
