//! Uploads and downloads. Protocol: media.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::AsyncWrite;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Client;
use crate::driver::command::{Job, ReuploadJob};
use crate::driver::media::{Fetcher, Settings, Sink};
use crate::error::MediaError;
use crate::media::{Attachment, MediaKey, MediaKind};
use crate::message::MessageKey;
use crate::stanza::iq::picture::Picture;
use crate::transport::HttpClient;

pub use crate::driver::media::{MediaSource, Progress};

impl Client {
    /// Uploads and downloads media files.
    #[must_use]
    pub fn media(&self) -> Media {
        Media { client: self.clone(), transfer: Transfer::new(self.inner.fetcher.clone()) }
    }
}

/// Uploads and downloads of one account. All calls stream, in constant memory; dropping their futures ends them.
#[derive(Debug, Clone)]
pub struct Media {
    client: Client,
    transfer: Transfer,
}

impl Media {
    /// Tells how far a transfer is, with every piece of it. The callback must return at once.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.transfer.settings.progress = Some(Arc::new(progress));
        self
    }

    /// How many bytes a downloaded file may have; 4 GiB unless set.
    #[must_use]
    pub const fn max_length(mut self, bytes: u64) -> Self {
        self.transfer.settings.max_length = bytes;
        self
    }

    /// Encrypts a file with a new key and uploads it: what comes back is for a message.
    ///
    /// The source is read once. Up to 1 MiB is kept in memory, more in a temporary file, encrypted; so other hosts can
    /// be tried, and from 5 MiB on a broken upload goes on where it was.
    ///
    /// # Errors
    /// [`MediaError`]; its remedy says what to do.
    pub async fn upload(
        &self,
        source: impl Into<MediaSource>,
        kind: MediaKind,
    ) -> Result<Attachment, MediaError> {
        self.transfer.fetcher.upload(source.into(), kind, &self.transfer.settings).await
    }

    /// [`Self::upload`] with the key of another file: thumbnails have that of what they show.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn upload_with_key(
        &self,
        source: impl Into<MediaSource>,
        kind: MediaKind,
        key: &MediaKey,
    ) -> Result<Attachment, MediaError> {
        let Transfer { fetcher, settings } = &self.transfer;
        fetcher.upload_with_key(source.into(), kind, key.clone(), settings).await
    }

    /// Uploads a file for a newsletter, not encrypted. The attachment has a `handle`, which the post needs.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn upload_for_newsletter(
        &self,
        source: impl Into<MediaSource>,
        kind: MediaKind,
    ) -> Result<Attachment, MediaError> {
        self.transfer.fetcher.upload_plain(source.into(), kind, &self.transfer.settings).await
    }

    /// Downloads a file and writes the decrypted bytes to `sink`. The file is proven at the end only: discard what the
    /// sink received if this returns an error.
    ///
    /// # Errors
    /// - [`MediaError::Gone`]: the hosts dropped the file; [`Self::request_reupload`] asks the phone for it.
    /// - [`MediaError::Tampered`]: hash or MAC differ.
    /// - Others as [`MediaError`] says.
    ///
    /// Cancel safe: dropping the future closes the request. Protocol: media, "Download".
    pub async fn download(
        &self,
        file: &Attachment,
        sink: &mut (impl AsyncWrite + Send + Unpin),
    ) -> Result<(), MediaError> {
        self.transfer.download(file, sink).await
    }

    /// Downloads a file into memory, if it has no more than `limit` bytes.
    ///
    /// # Errors
    /// [`MediaError::TooLarge`], and those of [`Self::download`].
    pub async fn download_bytes(&self, file: &Attachment, limit: u64) -> Result<Vec<u8>, MediaError> {
        self.transfer.download_bytes(file, limit).await
    }

    /// Downloads the picture of a user or a group into memory, if it has no more than `limit` bytes. It is not encrypted,
    /// and nothing proves it: whoever reads it should expect anything.
    ///
    /// # Errors
    /// [`MediaError`]; [`MediaError::Gone`] when its address is some hours old: ask for it
    /// [again](crate::client::Users::picture).
    pub async fn download_picture(&self, picture: &Picture, limit: u64) -> Result<Vec<u8>, MediaError> {
        self.transfer.download_picture(picture, limit).await
    }

    /// Asks our phone to upload the file of a message again, when the hosts dropped it ([`MediaError::Gone`]) or have
    /// something else, and waits for its answer for so long. What comes back is where the file is now; key and hashes
    /// are the same.
    ///
    /// The phone may be offline: what it answers later, while this client runs, comes as
    /// [`MediaEvent::Reuploaded`](crate::event::MediaEvent::Reuploaded). The phone is asked once per message, however
    /// many wait.
    ///
    /// # Errors
    /// - [`MediaError::Reupload`]: the phone has it no more, or failed. Not worth a second try.
    /// - [`MediaError::PhoneSilent`]: no answer in time.
    /// - [`MediaError::NoKey`]: the attachment has no key.
    /// - [`MediaError::Call`]: not connected, or the client was shut down.
    ///
    /// Protocol: media, "Media retry".
    pub async fn request_reupload(
        &self,
        message: impl Into<MessageKey>,
        file: &Attachment,
        limit: Duration,
    ) -> Result<Attachment, MediaError> {
        let key = file.key.clone().ok_or(MediaError::NoKey)?;
        let message = message.into();
        let asked = self.client.call(|reply| Job::Reupload(Box::new(ReuploadJob { message, key, reply })));
        let answer = timeout(limit, asked).await.map_err(|_| MediaError::PhoneSilent)?;
        let direct_path = answer??.map_err(MediaError::Reupload)?;
        Ok(Attachment { direct_path: Some(direct_path), url: None, ..file.clone() })
    }

    /// Downloads a file to this path. It is there when it is whole and proven, and in place of what was there before;
    /// until then it is a temporary file in the same directory, which is gone after any failure.
    ///
    /// # Errors
    /// [`MediaError::Sink`], and those of [`Self::download`].
    pub async fn download_to_path(
        &self,
        file: &Attachment,
        path: impl AsRef<Path>,
    ) -> Result<(), MediaError> {
        self.transfer.download_to_path(file, path.as_ref()).await
    }
}

/// Downloads files without an account or a connection, from attachments that were kept.
#[derive(Debug, Clone)]
pub struct Downloader {
    transfer: Transfer,
}

impl Downloader {
    /// Downloads from the service's hosts that are always there.
    #[must_use]
    pub fn new(http: Arc<dyn HttpClient>) -> Self {
        Self::with_hosts(http, crate::driver::media::DEFAULT_HOSTS.map(str::to_owned).to_vec())
    }

    /// Downloads from these hosts, best first. A name may have a port.
    #[must_use]
    pub fn with_hosts(http: Arc<dyn HttpClient>, hosts: Vec<String>) -> Self {
        Self { transfer: Transfer::new(Fetcher::with_hosts(http, hosts)) }
    }

    /// As [`Media::on_progress`].
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.transfer.settings.progress = Some(Arc::new(progress));
        self
    }

    /// As [`Media::max_length`].
    #[must_use]
    pub const fn max_length(mut self, bytes: u64) -> Self {
        self.transfer.settings.max_length = bytes;
        self
    }

    /// As [`Media::download`].
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn download(
        &self,
        file: &Attachment,
        sink: &mut (impl AsyncWrite + Send + Unpin),
    ) -> Result<(), MediaError> {
        self.transfer.download(file, sink).await
    }

    /// As [`Media::download_bytes`].
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn download_bytes(&self, file: &Attachment, limit: u64) -> Result<Vec<u8>, MediaError> {
        self.transfer.download_bytes(file, limit).await
    }

    /// As [`Media::download_picture`].
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn download_picture(&self, picture: &Picture, limit: u64) -> Result<Vec<u8>, MediaError> {
        self.transfer.download_picture(picture, limit).await
    }

    /// As [`Media::download_to_path`].
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn download_to_path(
        &self,
        file: &Attachment,
        path: impl AsRef<Path>,
    ) -> Result<(), MediaError> {
        self.transfer.download_to_path(file, path.as_ref()).await
    }
}

#[derive(Clone)]
struct Transfer {
    fetcher: Fetcher,
    settings: Settings,
}

impl Transfer {
    fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, settings: Settings::default() }
    }

    async fn download(
        &self,
        file: &Attachment,
        sink: &mut (impl AsyncWrite + Send + Unpin),
    ) -> Result<(), MediaError> {
        let mut sink = Sink::Writer { writer: sink, is_begun: false };
        self.fetcher.download(file, &mut sink, &self.settings).await.map(drop)
    }

    async fn download_bytes(&self, file: &Attachment, limit: u64) -> Result<Vec<u8>, MediaError> {
        let settings = Settings { max_length: limit.min(self.settings.max_length), ..self.settings.clone() };
        self.fetcher.bytes(file, &settings).await
    }

    async fn download_picture(&self, picture: &Picture, limit: u64) -> Result<Vec<u8>, MediaError> {
        let max_length = limit.min(self.settings.max_length);
        let settings = Settings { max_length, is_unproven: true, ..self.settings.clone() };
        let file = Attachment {
            static_url: Some(picture.url.clone()),
            direct_path: picture.direct_path.clone(),
            ..Attachment::new(MediaKind::Image)
        };
        self.fetcher.bytes(&file, &settings).await
    }

    async fn download_to_path(&self, file: &Attachment, path: &Path) -> Result<(), MediaError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => Path::new(".").to_path_buf(),
        };
        let temporary = on_disk(move || NamedTempFile::new_in(directory)).await?;
        let writer = temporary.reopen().map_err(MediaError::Sink)?;
        let mut writer = File::from_std(writer);
        self.fetcher.download(file, &mut Sink::File(&mut writer), &self.settings).await?;
        writer.sync_all().await.map_err(MediaError::Sink)?;
        let path = path.to_path_buf();
        on_disk(move || temporary.persist(path).map_err(|error| error.error)).await.map(drop)
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, MediaError> {
    let done = spawn_blocking(work).await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(MediaError::Sink)
}
