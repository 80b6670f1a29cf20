//! Files that are not there, and files as what they were uploaded.

use std::time::Duration;

use wa_ffi::content::Content;
use wa_ffi::error::WaError;
use wa_ffi::media::MediaKind;
use wa_ffi::message::{AudioOptions, Message};
use wa_ffi::testing::TestServer;

use crate::support::link;

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
