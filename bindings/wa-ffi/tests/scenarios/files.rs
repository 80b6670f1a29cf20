//! Files that are not there, and files as what they were uploaded.

use std::time::Duration;

use wa_ffi::client::Client;
use wa_ffi::content::Content;
use wa_ffi::error::WaError;
use wa_ffi::media::MediaKind;
use wa_ffi::message::{AudioOptions, Message};
use wa_ffi::store::Store;
use wa_ffi::testing::TestServer;

use crate::support::{link, on, patiently};

/// Who uploads what comes for ever hears of a failure all the same.
#[tokio::test]
async fn an_upload_that_failed_takes_no_more() {
    let server = TestServer::start().await.unwrap();
    // It is linked to no phone.
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let writer = client.upload(MediaKind::Document).unwrap();
    let (piece, mut taken) = (vec![7; 1 << 20], 0);
    let failed = patiently(async {
        loop {
            match writer.write(&piece) {
                Ok(0) => {
                    if let Err(error) = writer.ready().await {
                        return error;
                    }
                }
                Ok(count) => taken += count,
                Err(error) => return error,
            }
            assert!(taken < 100 << 20, "it goes on");
        }
    })
    .await;
    let WaError::Unavailable { code, .. } = &failed else { panic!("{failed:?}") };
    // Whoever asks later is told the same.
    let later = [
        writer.write(&piece).unwrap_err(),
        writer.ready().await.unwrap_err(),
        writer.finish().await.unwrap_err(),
    ];
    for error in later {
        assert!(matches!(&error, WaError::Unavailable { code: said, .. } if said == code), "{error:?}");
    }
    writer.cancel();
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_tried_again() {
    let server = TestServer::start().await.unwrap();
    let client = link(&server, "anna").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing").display().to_string();
    let missing = client.upload_file(path, MediaKind::Document).await.unwrap_err();
    assert!(matches!(&missing, WaError::Store { code, .. } if code == "local_file"), "{missing:?}");
    assert!(!missing.is_retryable());
}

#[tokio::test]
async fn a_voice_note_stays_one_whatever_is_said_of_it() {
    let server = TestServer::start().await.unwrap();
    let client = link(&server, "anna").await;
    for (kind, is_voice_note, plays) in
        [(MediaKind::VoiceNote, true, "audio/ogg; codecs=opus"), (MediaKind::Audio, false, "audio/mp4")]
    {
        let file = client.upload_bytes(b"a sound".to_vec(), kind).await.unwrap();
        let options = AudioOptions {
            mimetype: None,
            duration: Some(Duration::from_secs(3)),
            voice_note: false,
            waveform: None,
            view_once: false,
        };
        let Content::Audio { voice_note, mimetype, duration, .. } =
            Message::audio(file, Some(options)).content()
        else {
            panic!()
        };
        assert_eq!((voice_note, mimetype.as_str()), (is_voice_note, plays));
        assert_eq!(duration, Some(Duration::from_secs(3)));
    }
}
