//! From a message to its file: from where it is kept, or from the service's hosts.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use wa_core::media::Attachment;
use wa_core::message::Content;
use wa_core::{Client, MediaError, Message};
use wa_types::UnixMillis;

use super::{MediaHome, MediaKey, MediaStores, StoredMedia, blocking, gone};
use crate::account::{AccountStatus, StorageMode};
use crate::inbound::InboundMessage;
use crate::manager::ManagerError;

/// How long the phone has to upload a file again that the hosts dropped.
const REUPLOAD: Duration = Duration::from_secs(60);

/// What the names of files begin with that are being fetched.
const UNFINISHED: &str = ".fetch-";

/// One that is so old is not being fetched any more: its process ended before it.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// The file of a message: what [`Account::download_media`](crate::Account::download_media) gives. It is read as it is
/// needed; it is whole, and proven to be what was sent.
#[non_exhaustive]
pub struct MediaFile {
    /// Its name where it is kept: letters and digits.
    pub name: String,
    /// How many bytes it has.
    pub length: u64,
    /// What it is, as the sender says; empty where they do not.
    pub mimetype: String,
    /// How the sender calls it. Not fit for paths.
    pub file_name: Option<String>,
    /// Whether it is kept.
    pub is_stored: bool,
    reader: Box<dyn AsyncRead + Send + Unpin>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The message has no file, or is none; or what it said was not kept, as it was too large.
    #[error("the message has no file")]
    NoFile,
    /// The file is not kept, and the account is not connected: try again when it is ready.
    #[error("the account is not ready: {}", status.wire())]
    NotReady {
        /// Where it stands.
        status: AccountStatus,
    },
    /// The account's settings want an object store, and the manager was given none.
    #[error("the manager has no object store for media")]
    NoObjectStore,
    /// The account was never linked: it has no place for files.
    #[error("the account has no place for files")]
    NoPlace,
    /// It could not be fetched; [`MediaError::remedy`] says what to do.
    #[error("the file could not be fetched")]
    Media(#[from] MediaError),
    /// It could not be kept, or what is kept could not be read.
    #[error("the file could not be kept")]
    Store(#[source] io::Error),
    /// The account is gone, damaged, or another owner's; or the manager ended.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

impl DownloadError {
    /// A name that does not change, for other languages and for HTTP.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoFile => "no_file",
            Self::NotReady { .. } => "not_ready",
            Self::NoObjectStore => "no_object_store",
            Self::NoPlace => "no_place",
            Self::Media(MediaError::Gone { .. } | MediaError::Reupload(_)) => "media_gone",
            Self::Media(_) => "media",
            Self::Store(_) => "media_store",
            Self::Manager(error) => error.code(),
        }
    }
}

/// A file as a message tells of it.
struct Told {
    file: Attachment,
    mimetype: String,
    file_name: Option<String>,
}

/// The file that a message is about.
fn attachment(message: &Message) -> Option<Told> {
    let (file, mimetype, file_name) = match message.content() {
        Content::Image(image) => (image.file, image.mimetype, None),
        Content::Video(video) => (video.file, video.mimetype, None),
        Content::Audio(audio) => (audio.file, audio.mimetype, None),
        Content::Document(document) => (document.file, document.mimetype, document.file_name),
        Content::Sticker(sticker) => (sticker.file, sticker.mimetype, None),
        Content::StickerPack(pack) => (pack.file, "application/zip".to_owned(), None),
        _ => return None,
    };
    Some(Told { file, mimetype, file_name })
}

/// Gives the file of a message, from where it is kept or from the hosts; then it is kept as `mode` says.
pub(crate) async fn fetch(
    stores: &MediaStores,
    home: MediaHome,
    mode: StorageMode,
    client: Result<Client, AccountStatus>,
    of: &InboundMessage,
) -> Result<MediaFile, DownloadError> {
    let message = of.message().map_err(|_| DownloadError::NoFile)?.ok_or(DownloadError::NoFile)?;
    let told = attachment(&message).ok_or(DownloadError::NoFile)?;
    let store = stores.of(mode)?;
    let key = MediaKey::new(home, name_of(&told.file));
    if let Some(store) = store
        && let Some(stored) = store.get(&key).await.map_err(DownloadError::Store)?
    {
        return Ok(told.read(key.name, stored, true));
    }
    let client = client.map_err(|status| DownloadError::NotReady { status })?;
    let directory = key.home.directory.clone();
    let temporary = blocking(move || {
        create_private_directory(&directory)?;
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)
    });
    let temporary = temporary.await.map_err(DownloadError::Store)?;
    download(&client, of, &told.file, temporary.path()).await?;
    if let Some(store) = store {
        store.put(&key, temporary.path()).await.map_err(DownloadError::Store)?;
        let stored = store.get(&key).await.map_err(DownloadError::Store)?;
        let lost = || DownloadError::Store(io::ErrorKind::NotFound.into());
        return Ok(told.read(key.name, stored.ok_or_else(lost)?, true));
    }
    // Open, it can be read after its name is gone.
    let file = tokio::fs::File::open(temporary.path()).await.map_err(DownloadError::Store)?;
    let length = file.metadata().await.map_err(DownloadError::Store)?.len();
    let stored = StoredMedia::new(length, Box::new(file));
    Ok(told.read(key.name, stored, false))
}

/// Fetches the file; one that the hosts dropped is asked of the phone, once.
async fn download(
    client: &Client,
    of: &InboundMessage,
    file: &Attachment,
    path: &Path,
) -> Result<(), MediaError> {
    let media = client.media();
    match media.download_to_path(file, path).await {
        Err(MediaError::Gone { .. }) => {
            let again = media.request_reupload(of.key(), file, REUPLOAD).await?;
            media.download_to_path(&again, path).await
        }
        done => done,
    }
}

/// Removes what processes left that ended while they fetched files of this account. It blocks.
pub(crate) fn remove_abandoned(home: &MediaHome, now: UnixMillis) -> io::Result<()> {
    let entries = match std::fs::read_dir(&home.directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        let metadata = match entry.metadata() {
            // It was finished just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        if Duration::from_millis(now.0).saturating_sub(changed) > ABANDONED {
            gone(std::fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// The same for equal files.
fn name_of(file: &Attachment) -> String {
    match (file.file_sha256, file.direct_path.as_ref().or(file.url.as_ref()).or(file.static_url.as_ref())) {
        (Some(hash), _) => hex::encode(hash),
        (None, place) => hex::encode(Sha256::digest(place.map_or("", String::as_str))),
    }
}

fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

impl Told {
    fn read(self, name: String, stored: StoredMedia, is_stored: bool) -> MediaFile {
        let StoredMedia { length, reader } = stored;
        let Self { mimetype, file_name, .. } = self;
        MediaFile { name, length, mimetype, file_name, is_stored, reader }
    }
}

impl MediaFile {
    /// All its bytes, if there are no more than `limit`; `None` if there are.
    ///
    /// # Errors
    /// [`DownloadError::Store`]: they could not be read.
    pub async fn bytes(self, limit: u64) -> Result<Option<Vec<u8>>, DownloadError> {
        if self.length > limit {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.reader.take(limit).read_to_end(&mut bytes).await.map_err(DownloadError::Store)?;
        Ok(Some(bytes))
    }
}

impl AsyncRead for MediaFile {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().reader).poll_read(cx, to)
    }
}

impl fmt::Debug for MediaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaFile")
            .field("name", &self.name)
            .field("length", &self.length)
            .field("mimetype", &self.mimetype)
            .field("is_stored", &self.is_stored)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;

    #[test]
    fn what_a_process_left_half_fetched_goes_after_a_day() {
        let directory = tempfile::tempdir().unwrap();
        let home = MediaHome { account: AccountId::of([1; 16]), directory: directory.path().join("media") };
        remove_abandoned(&home, UnixMillis(0)).unwrap();
        std::fs::create_dir(&home.directory).unwrap();
        let day = ABANDONED.as_secs();
        for (name, at) in [(".fetch-old", day), (".fetch-new", 2 * day), ("kept", day)] {
            let file = std::fs::File::create(home.directory.join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(at)).unwrap();
        }
        remove_abandoned(&home, UnixMillis((2 * day + 1) * 1000)).unwrap();
        let left = std::fs::read_dir(&home.directory).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, [".fetch-new", "kept"]);
    }
}
