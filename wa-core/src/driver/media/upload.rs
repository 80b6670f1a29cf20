//! Encrypts and uploads. Protocol: media, "Upload", "Resumable upload", "Plain (channel) media".

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::sleep;

use super::exchange::{self, request};
use super::hosts::upload_names;
use super::spool::{MediaSource, Spool};
use super::{Fetcher, Settings};
use crate::crypto::SystemRandom;
use crate::driver::clock;
use crate::error::MediaError;
use crate::media::{Attachment, MediaKey, MediaKind, upload_token};
use crate::stanza::iq::media_conn::MediaHosts;
use crate::transport::{HttpBody, HttpMethod, HttpResponse};

/// What is shorter is uploaded from the start again. Protocol: media, "Resumable upload".
const RESUME_FROM: u64 = 5 << 20;

/// How often all hosts are tried.
const ROUNDS: u32 = 3;

/// How long to wait before the next round.
const BACKOFF: Duration = Duration::from_secs(1);

/// The longest answer of a host.
const ANSWER_LIMIT: u64 = 64 << 10;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

impl Fetcher {
    /// Encrypts a file with a new key, and uploads it.
    ///
    /// # Errors
    /// [`MediaError`].
    pub(crate) async fn upload(
        &self,
        source: MediaSource,
        kind: MediaKind,
        settings: &Settings,
    ) -> Result<Attachment, MediaError> {
        self.upload_with_key(source, kind, MediaKey::generate(&mut SystemRandom), settings).await
    }

    /// [`Self::upload`] with the key of another file, as thumbnails have it.
    ///
    /// # Errors
    /// [`MediaError`].
    pub(crate) async fn upload_with_key(
        &self,
        source: MediaSource,
        kind: MediaKind,
        key: MediaKey,
        settings: &Settings,
    ) -> Result<Attachment, MediaError> {
        let path = kind.upload_path().ok_or(MediaError::NotUploadable)?;
        self.hosts_are_known().await?;
        let (spool, file) = Spool::encrypted(source, &key, kind).await?;
        let uploaded = self.send(&spool, path, &file.file_enc_sha256, settings).await?;
        Ok(Attachment {
            direct_path: uploaded.direct_path,
            url: uploaded.url,
            handle: uploaded.handle,
            key: Some(key),
            key_timestamp: Some(clock::unix_millis().to_seconds()),
            file_sha256: Some(file.file_sha256),
            file_enc_sha256: Some(file.file_enc_sha256),
            file_length: Some(file.length),
            sidecar: file.sidecar,
            ..Attachment::new(kind)
        })
    }

    /// Uploads a file for a newsletter, which everybody may read.
    ///
    /// # Errors
    /// [`MediaError`].
    pub(crate) async fn upload_plain(
        &self,
        source: MediaSource,
        kind: MediaKind,
        settings: &Settings,
    ) -> Result<Attachment, MediaError> {
        let path = kind.newsletter_path().ok_or(MediaError::NotUploadable)?;
        self.hosts_are_known().await?;
        let (spool, hash) = Spool::plain(source).await?;
        let uploaded = self.send(&spool, path, &hash, settings).await?;
        Ok(Attachment {
            direct_path: uploaded.direct_path,
            url: uploaded.url,
            handle: uploaded.handle,
            file_sha256: Some(hash),
            file_length: Some(spool.length),
            ..Attachment::new(kind)
        })
    }

    /// Asked before the file is read, which may take long: nothing of it goes anywhere without hosts.
    async fn hosts_are_known(&self) -> Result<(), MediaError> {
        self.hosts.for_upload(None).await.map(drop)
    }

    async fn send(
        &self,
        spool: &Spool,
        path: &str,
        hash: &[u8; 32],
        settings: &Settings,
    ) -> Result<Uploaded, MediaError> {
        let token = upload_token(hash);
        let mut hosts = self.hosts.for_upload(None).await?;
        let mut asked_again = false;
        let mut last = MediaError::Network(io::ErrorKind::NotConnected.into());
        let mut round = 0;
        'rounds: while round < ROUNDS {
            round += 1;
            let named = Arc::clone(&hosts);
            for host in upload_names(&named) {
                let url = format!("https://{host}{path}/{token}?auth={}&token={token}", encoded(&named.auth));
                match self.send_to(&url, spool, &named, settings).await {
                    Ok(uploaded) => return Ok(uploaded),
                    Err(MediaError::Refused { status: 401 | 403 }) if !asked_again => {
                        asked_again = true;
                        hosts = self.hosts.for_upload(Some(&named)).await?;
                        round -= 1;
                        continue 'rounds;
                    }
                    Err(
                        error @ (MediaError::Network(_)
                        | MediaError::Unavailable { .. }
                        | MediaError::Malformed),
                    ) => {
                        tracing::debug!(%error, "a media host failed");
                        last = error;
                    }
                    Err(error) => return Err(error),
                }
            }
            if round < ROUNDS {
                sleep(BACKOFF * round).await;
            }
        }
        Err(last)
    }

    /// Uploads to one host.
    async fn send_to(
        &self,
        url: &str,
        spool: &Spool,
        hosts: &Arc<MediaHosts>,
        settings: &Settings,
    ) -> Result<Uploaded, MediaError> {
        let (mut url, mut offset) = (url.to_owned(), 0);
        if spool.length >= RESUME_FROM {
            match self.resume(&url).await {
                Some(Resume::Complete(uploaded)) => return Ok(uploaded),
                Some(Resume::From(begun)) if begun < spool.length => {
                    offset = begun;
                    let _ = write!(url, "&file_offset={offset}");
                }
                Some(Resume::From(_)) | None => {}
            }
        }
        let names: Vec<String> = hosts.hosts.iter().map(|host| host.name.clone()).collect();
        for _ in 0..=MAX_REDIRECTS {
            let body = spool.body(offset).await.map_err(MediaError::Source)?;
            let body = Counted { body, done: offset, total: spool.length, settings: settings.clone() };
            let request = request(HttpMethod::Post, &url)
                .header("content-type", "application/octet-stream")
                .body(Box::new(body), spool.length - offset);
            let response = exchange::upload(&*self.http, request).await.map_err(MediaError::Network)?;
            match exchange::next(&url, &response, &names) {
                Some(location) => url = location.map_err(MediaError::Network)?,
                None => return Uploaded::of(response).await,
            }
        }
        Err(MediaError::Network(io::Error::other("too many redirects")))
    }

    /// How much of the file the host has. Whatever goes wrong here, the whole file is uploaded.
    async fn resume(&self, url: &str) -> Option<Resume> {
        let request = request(HttpMethod::Post, &format!("{url}&resume=1"));
        let response = exchange::send(&*self.http, request).await.ok()?;
        if response.status != 200 {
            return None;
        }
        let answer = exchange::read_short(response.body, ANSWER_LIMIT).await.ok()?;
        let answer: Value = serde_json::from_slice(&answer).ok()?;
        match answer.get("resume")? {
            Value::String(word) if word == "complete" => Uploaded::read(&answer).map(Resume::Complete),
            Value::String(offset) => offset.parse().ok().filter(|offset| *offset > 0).map(Resume::From),
            Value::Number(offset) => offset.as_u64().filter(|offset| *offset > 0).map(Resume::From),
            _ => None,
        }
    }
}

enum Resume {
    Complete(Uploaded),
    From(u64),
}

/// What a host says of an uploaded file.
struct Uploaded {
    url: Option<String>,
    direct_path: Option<String>,
    handle: Option<String>,
}

impl Uploaded {
    async fn of(response: HttpResponse) -> Result<Self, MediaError> {
        match response.status {
            200 => {}
            status @ (429 | 500..=599) => return Err(MediaError::Unavailable { status }),
            status => return Err(MediaError::Refused { status }),
        }
        let answer = exchange::read_short(response.body, ANSWER_LIMIT).await.map_err(MediaError::Network)?;
        let answer = serde_json::from_slice(&answer).map_err(|_| MediaError::Malformed)?;
        Self::read(&answer).ok_or(MediaError::Malformed)
    }

    fn read(answer: &Value) -> Option<Self> {
        let text = |name| answer.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let direct_path = text("direct_path").filter(|path| path.starts_with('/'));
        direct_path.is_some().then(|| Self { url: text("url"), direct_path, handle: text("handle") })
    }
}

/// Tells how much of a body was taken.
struct Counted {
    body: HttpBody,
    done: u64,
    total: u64,
    settings: Settings,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.body).poll_read(cx, buffer))?;
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.done += count as u64;
            self.settings.tell(self.done, Some(self.total));
        }
        Poll::Ready(Ok(()))
    }
}

/// Percent-encoded, for a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
