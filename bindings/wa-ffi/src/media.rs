//! Media files: by path, in pieces, as bytes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use wa_core::client::MediaSource;
use wa_core::media as core;

use crate::account::Account;
use crate::client::Client;
use crate::error::WaError;
use crate::inbound::InboundMessage;
use crate::message::MessageKey;
use crate::queue::Queue;
use crate::runtime::{self, Task};
use crate::types::Secret;

/// How large the pieces are that a file is moved in, in bytes.
const PIECE: usize = 64 * 1024;

/// How many of them wait.
const PIECES: usize = 8;

/// What a file is for. Upload and message must mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MediaKind {
    /// A picture, mostly JPEG.
    Image,
    /// A film, mostly MP4.
    Video,
    /// A film without sound that repeats.
    Gif,
    /// A round film.
    RoundVideo,
    /// Music or another recording.
    Audio,
    /// A voice note: Opus in Ogg.
    VoiceNote,
    /// Any file.
    Document,
    /// A sticker, WebP.
    Sticker,
    /// A ZIP of stickers.
    StickerPack,
    /// A thumbnail, or another file that is received only.
    Other,
}

impl MediaKind {
    const fn of(kind: core::MediaKind) -> Self {
        match kind {
            core::MediaKind::Image => Self::Image,
            core::MediaKind::Video => Self::Video,
            core::MediaKind::Gif => Self::Gif,
            core::MediaKind::RoundVideo => Self::RoundVideo,
            core::MediaKind::Audio => Self::Audio,
            core::MediaKind::VoiceNote => Self::VoiceNote,
            core::MediaKind::Document => Self::Document,
            core::MediaKind::Sticker => Self::Sticker,
            core::MediaKind::StickerPack => Self::StickerPack,
            _ => Self::Other,
        }
    }

    fn to_core(self) -> Result<core::MediaKind, WaError> {
        Ok(match self {
            Self::Image => core::MediaKind::Image,
            Self::Video => core::MediaKind::Video,
            Self::Gif => core::MediaKind::Gif,
            Self::RoundVideo => core::MediaKind::RoundVideo,
            Self::Audio => core::MediaKind::Audio,
            Self::VoiceNote => core::MediaKind::VoiceNote,
            Self::Document => core::MediaKind::Document,
            Self::Sticker => core::MediaKind::Sticker,
            Self::StickerPack => core::MediaKind::StickerPack,
            Self::Other => {
                return Err(WaError::invalid("media_kind", "files of this kind are only received"));
            }
        })
    }
}

/// A file on the media hosts: where it is, and its key. Made by an upload, or found in a received message. The hosts keep
/// it for some weeks.
#[derive(Debug, uniffi::Object)]
pub struct Attachment(pub(crate) core::Attachment);

impl Attachment {
    pub(crate) fn new(file: core::Attachment) -> Arc<Self> {
        Arc::new(Self(file))
    }
}

#[uniffi::export]
impl Attachment {
    /// What it is for.
    pub fn kind(&self) -> MediaKind {
        MediaKind::of(self.0.kind)
    }

    /// How many bytes it has, as the sender says.
    pub fn length(&self) -> Option<u64> {
        self.0.file_length
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> Option<Vec<u8>> {
        self.0.file_sha256.map(Vec::from)
    }

    /// The same file as another kind: a picture that is sent as a document, say. Its upload must have been of that kind.
    pub fn with_kind(&self, kind: MediaKind) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(self.0.clone().with_kind(kind.to_core()?)))
    }

    /// The same file at its new place, as `Event.Reuploaded` tells it.
    pub fn moved(&self, place: Secret) -> Arc<Self> {
        let mut file = self.0.clone();
        (file.direct_path, file.url) = (Some(place.0), None);
        Self::new(file)
    }
}

#[uniffi::export]
impl Client {
    /// Encrypts a file and uploads it: what comes back is for a message. It is read in pieces, and never held whole.
    pub async fn upload_file(&self, path: String, kind: MediaKind) -> Result<Arc<Attachment>, WaError> {
        let (media, kind) = (self.core()?.media(), kind.to_core()?);
        let path = std::path::PathBuf::from(path);
        runtime::run(async move { Ok(Attachment::new(media.upload(path.as_path(), kind).await?)) }).await
    }

    /// Encrypts bytes and uploads them. For small files: large ones are better uploaded by path or in pieces.
    pub async fn upload_bytes(&self, bytes: Vec<u8>, kind: MediaKind) -> Result<Arc<Attachment>, WaError> {
        let (media, kind) = (self.core()?.media(), kind.to_core()?);
        runtime::run(async move { Ok(Attachment::new(media.upload(bytes, kind).await?)) }).await
    }

    /// Begins an upload that is fed in pieces.
    pub fn upload(&self, kind: MediaKind) -> Result<Arc<MediaWriter>, WaError> {
        let (media, kind) = (self.core()?.media(), kind.to_core()?);
        MediaWriter::new(|source| async move { Ok(media.upload(source, kind).await?) })
    }

    /// Downloads a file to this path. It is there when it is whole and proven, in place of what was there before; until
    /// then it is a temporary file beside it, which is gone after any failure.
    pub async fn download_file(&self, file: Arc<Attachment>, path: String) -> Result<(), WaError> {
        let media = self.core()?.media();
        runtime::run(async move { Ok(media.download_to_path(&file.0, path).await?) }).await
    }

    /// Downloads a file of at most `limit` bytes. For small files: large ones are better downloaded by path or in pieces.
    pub async fn download_bytes(&self, file: Arc<Attachment>, limit: u64) -> Result<Vec<u8>, WaError> {
        let media = self.core()?.media();
        runtime::run(async move { Ok(media.download_bytes(&file.0, limit).await?) }).await
    }

    /// Begins a download that is taken in pieces. That it is whole is proven by its end only: what was taken before an
    /// error is worth nothing.
    pub fn download(&self, file: Arc<Attachment>) -> Result<Arc<MediaReader>, WaError> {
        let media = self.core()?.media();
        MediaReader::new(|mut sink| async move { Ok(media.download(&file.0, &mut sink).await?) })
    }

    /// Asks our phone to upload the file of a message again, when the hosts have it no more. What comes back is where it
    /// is now.
    pub async fn request_reupload(
        &self,
        message: MessageKey,
        file: Arc<Attachment>,
        within: Duration,
    ) -> Result<Arc<Attachment>, WaError> {
        let (media, message) = (self.core()?.media(), message.to_core()?);
        runtime::run(
            async move { Ok(Attachment::new(media.request_reupload(message, &file.0, within).await?)) },
        )
        .await
    }
}

/// Files of a manager's account. What is received is named by its message: its file is taken from where the account's
/// settings keep files, or else is fetched and kept there.
#[uniffi::export]
impl Account {
    /// Encrypts a file and uploads it: what comes back is for a message. It is read in pieces, and never held whole.
    /// `Unavailable` while the account is not ready.
    pub async fn upload_file(&self, path: String, kind: MediaKind) -> Result<Arc<Attachment>, WaError> {
        let (account, kind) = (self.core(), kind.to_core()?);
        let path = std::path::PathBuf::from(path);
        runtime::run(async move {
            Ok(Attachment::new(account.media().await?.upload(path.as_path(), kind).await?))
        })
        .await
    }

    /// Encrypts bytes and uploads them. For small files: large ones are better uploaded by path or in pieces.
    pub async fn upload_bytes(&self, bytes: Vec<u8>, kind: MediaKind) -> Result<Arc<Attachment>, WaError> {
        let (account, kind) = (self.core(), kind.to_core()?);
        runtime::run(async move { Ok(Attachment::new(account.media().await?.upload(bytes, kind).await?)) })
            .await
    }

    /// Begins an upload that is fed in pieces. Its `finish` says when the account is not ready.
    pub fn upload(&self, kind: MediaKind) -> Result<Arc<MediaWriter>, WaError> {
        let (account, kind) = (self.core(), kind.to_core()?);
        MediaWriter::new(|source| async move { Ok(account.media().await?.upload(source, kind).await?) })
    }

    /// Writes the file of a message to this path, in place of what was there before; until it is whole it is a temporary
    /// file beside it, which is gone after any failure. A file that the hosts dropped is asked of the phone, which may
    /// take a minute.
    pub async fn download_file(&self, message: InboundMessage, path: String) -> Result<(), WaError> {
        let (account, message) = (self.core(), message.to_core()?);
        runtime::run(async move {
            let mut file = account.download_media(&message).await?;
            let path = std::path::PathBuf::from(path);
            let folder = path.parent().map(std::path::Path::to_owned).unwrap_or_default();
            let folder = if folder.as_os_str().is_empty() { ".".into() } else { folder };
            let local = |error: &dyn std::fmt::Display| WaError::store("local_file", error);
            let made = tokio::task::spawn_blocking(|| tempfile::NamedTempFile::new_in(folder)).await;
            let made = made.map_err(|_| WaError::shut_down())?.map_err(|error| local(&error))?;
            let (opened, unfinished) = made.into_parts();
            let mut opened = tokio::fs::File::from_std(opened);
            tokio::io::copy(&mut file, &mut opened).await.map_err(|error| local(&error))?;
            opened.sync_all().await.map_err(|error| local(&error))?;
            let kept = tokio::task::spawn_blocking(|| unfinished.persist(path)).await;
            kept.map_err(|_| WaError::shut_down())?.map_err(|error| local(&error))
        })
        .await
    }

    /// The file of a message, of at most `limit` bytes. For small files: large ones are better taken by path or in pieces.
    pub async fn download_bytes(&self, message: InboundMessage, limit: u64) -> Result<Vec<u8>, WaError> {
        let (account, message) = (self.core(), message.to_core()?);
        runtime::run(async move {
            let file = account.download_media(&message).await?;
            let length = file.length;
            let bytes = file.bytes(limit).await?;
            bytes.ok_or_else(|| WaError::invalid("too_large", format!("the file has {length} bytes")))
        })
        .await
    }

    /// Begins to take the file of a message in pieces. It is whole and proven before the first piece comes.
    pub fn download(&self, message: InboundMessage) -> Result<Arc<MediaReader>, WaError> {
        let (account, message) = (self.core(), message.to_core()?);
        MediaReader::new(|mut sink| async move {
            let mut file = account.download_media(&message).await?;
            let copied = tokio::io::copy(&mut file, &mut sink).await;
            copied.map(drop).map_err(|error| WaError::store("local_file", error))
        })
    }
}

/// An upload that is fed in pieces: `write` what there is, and while it takes nothing wait for `ready`; then `finish`. An
/// upload that fails before that takes nothing more, and `ready` says why.
#[derive(uniffi::Object)]
pub struct MediaWriter(Mutex<Writing>);

struct Writing {
    /// First, so that who lets go of it ends the upload, and not the file.
    upload: Option<Task<Result<core::Attachment, WaError>>>,
    pieces: Option<mpsc::Sender<Vec<u8>>>,
    is_whole: Arc<AtomicBool>,
    /// Why it ended before the file did.
    failed: Option<WaError>,
}

impl Writing {
    fn ended(&self) -> WaError {
        let ended = || WaError::closed("ended", "this upload was finished or cancelled");
        self.failed.clone().unwrap_or_else(ended)
    }

    /// Waits for the error of an upload that takes nothing more.
    fn poll_failure(&mut self, context: &mut Context<'_>) -> Poll<WaError> {
        if let Some(upload) = &mut self.upload {
            let ended = std::task::ready!(Pin::new(upload).poll(context));
            // It cannot be done before the file is.
            self.failed = Some(ended.ok().and_then(Result::err).unwrap_or_else(WaError::shut_down));
            (self.upload, self.pieces) = (None, None);
        }
        Poll::Ready(self.ended())
    }
}

impl std::fmt::Debug for MediaWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaWriter").finish_non_exhaustive()
    }
}

impl MediaWriter {
    fn new<F>(upload: impl FnOnce(MediaSource) -> F) -> Result<Arc<Self>, WaError>
    where
        F: Future<Output = Result<core::Attachment, WaError>> + Send + 'static,
    {
        let (pieces, source) = mpsc::channel(PIECES);
        let is_whole = Arc::new(AtomicBool::new(false));
        let source = Source { pieces: source, piece: Vec::new(), at: 0, is_whole: Arc::clone(&is_whole) };
        let upload = Task::spawn(upload(MediaSource::reader(source)))?;
        let state = Writing { upload: Some(upload), pieces: Some(pieces), is_whole, failed: None };
        Ok(Arc::new(Self(Mutex::new(state))))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Writing) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[uniffi::export]
impl MediaWriter {
    /// Takes as much of it as there is room for, and says how many bytes that were; 0 when there is no room now.
    pub fn write(&self, bytes: &[u8]) -> Result<u64, WaError> {
        self.with(|writing| {
            let pieces = writing.pieces.as_ref().ok_or_else(|| writing.ended())?;
            let mut taken = 0;
            for piece in bytes.chunks(PIECE) {
                match pieces.try_send(piece.to_vec()) {
                    Ok(()) => taken += piece.len() as u64,
                    // No room, or the upload failed: `ready` says which.
                    Err(_) => break,
                }
            }
            Ok(taken)
        })
    }

    /// Waits until there is room. The error of the upload when it failed.
    pub async fn ready(&self) -> Result<(), WaError> {
        runtime::handle()?;
        let pieces = self.with(|writing| writing.pieces.clone().ok_or_else(|| writing.ended()))?;
        match pieces.reserve().await {
            Ok(_) => Ok(()),
            Err(_) => Err(poll_fn(|context| self.with(|writing| writing.poll_failure(context))).await),
        }
    }

    /// Says that this was all of it, and waits for the end of the upload.
    pub async fn finish(&self) -> Result<Arc<Attachment>, WaError> {
        runtime::handle()?;
        let upload = self.with(|writing| {
            writing.is_whole.store(true, Ordering::Release);
            writing.pieces = None;
            writing.upload.take().ok_or_else(|| writing.ended())
        });
        match upload?.await {
            Ok(uploaded) => Ok(Attachment::new(uploaded?)),
            Err(ended) => Err(runtime::unfinished(ended)),
        }
    }

    /// Calls the upload off.
    pub fn cancel(&self) {
        self.with(|writing| {
            writing.upload = None;
            writing.pieces = None;
        });
    }
}

/// The pieces as one file.
struct Source {
    pieces: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    /// The end of the pieces is the end of the file; else nobody wants it any more.
    is_whole: Arc<AtomicBool>,
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.at == self.piece.len() {
            match std::task::ready!(self.pieces.poll_recv(context)) {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None if self.is_whole.load(Ordering::Acquire) => return Poll::Ready(Ok(())),
                None => return Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into())),
            }
        }
        let left = self.piece.get(self.at..).unwrap_or_default();
        let length = left.len().min(buffer.remaining());
        buffer.put_slice(left.get(..length).unwrap_or_default());
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

/// A download that is taken in pieces: while `ready`, `take` what there is.
#[derive(uniffi::Object)]
pub struct MediaReader {
    inner: Arc<Reading>,
    /// Ends with the reader.
    task: Mutex<Option<Task<()>>>,
}

struct Reading {
    pieces: Queue<Vec<u8>>,
    outcome: Mutex<Option<Result<(), WaError>>>,
}

impl Reading {
    fn tell(&self, outcome: Result<(), WaError>) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(outcome);
    }
}

/// Whatever ends the download, who waits for it hears of it.
struct EndOnDrop(Arc<Reading>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.tell(Err(WaError::shut_down()));
        self.0.pieces.end();
    }
}

impl std::fmt::Debug for MediaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaReader").finish_non_exhaustive()
    }
}

impl MediaReader {
    fn new<F>(fetch: impl FnOnce(DuplexStream) -> F) -> Result<Arc<Self>, WaError>
    where
        F: Future<Output = Result<(), WaError>> + Send + 'static,
    {
        let inner = Arc::new(Reading { pieces: Queue::new(PIECES), outcome: Mutex::new(None) });
        let reading = Arc::clone(&inner);
        let (mut out, sink) = tokio::io::duplex(PIECE);
        // Drops the sink at its end.
        let fetched = fetch(sink);
        let task = Task::spawn(async move {
            let end = EndOnDrop(reading);
            let hand_on = async {
                loop {
                    let mut piece = vec![0; PIECE];
                    let Ok(length) = out.read(&mut piece).await else { return };
                    piece.truncate(length);
                    if length == 0 || !end.0.pieces.room().await {
                        return;
                    }
                    end.0.pieces.put(piece);
                }
            };
            let (done, ()) = tokio::join!(fetched, hand_on);
            end.0.tell(done);
        })?;
        Ok(Arc::new(Self { inner, task: Mutex::new(Some(task)) }))
    }
}

#[uniffi::export]
impl MediaReader {
    /// Waits for more of the file. True when there is some, false when that was all and it is whole. Takes nothing.
    pub async fn ready(&self) -> Result<bool, WaError> {
        if self.inner.pieces.ready().await {
            return Ok(true);
        }
        // Some of it may wait still: it is not whole here, whatever became of it in the parent.
        if self.inner.pieces.is_of_the_parent() {
            return Err(WaError::forked());
        }
        let outcome = self.inner.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outcome.unwrap_or_else(|| Err(WaError::shut_down())).map(|()| false)
    }

    /// Takes the next piece of the file; empty when there is none now.
    pub fn take(&self) -> Vec<u8> {
        self.inner.pieces.drain(1).pop().unwrap_or_default()
    }

    /// Calls the download off.
    pub fn cancel(&self) {
        self.inner.tell(Err(WaError::cancelled("cancelled", "this download was cancelled")));
        self.inner.pieces.stop();
        // Its connection ends with it.
        self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever uploads what comes for ever hears of a failure all the same; and hears it again.
    #[tokio::test]
    async fn an_upload_that_failed_takes_no_more() {
        let upload = |_| async { Err(WaError::unavailable("media_hosts", "no host takes it")) };
        let writer = MediaWriter::new(upload).unwrap();
        let (bytes, mut taken) = (vec![7; PIECE], 0);
        let failed = loop {
            match writer.write(&bytes) {
                Ok(0) => match writer.ready().await {
                    Ok(()) => {}
                    Err(error) => break error,
                },
                Ok(count) => taken += count,
                Err(error) => break error,
            }
            assert!(taken <= (PIECE * PIECES) as u64, "it goes on");
        };
        let later = [
            writer.write(&bytes).unwrap_err(),
            writer.ready().await.unwrap_err(),
            writer.finish().await.unwrap_err(),
        ];
        for error in later.iter().chain([&failed]) {
            assert_eq!(error.code(), "media_hosts", "{error}");
        }
        writer.cancel();
    }

    /// Half a file is not uploaded as if it was all.
    #[tokio::test]
    async fn a_file_that_is_let_go_of_has_no_end() {
        for finishes in [true, false] {
            let (pieces, source) = mpsc::channel(PIECES);
            let is_whole = Arc::new(AtomicBool::new(false));
            let mut source =
                Source { pieces: source, piece: Vec::new(), at: 0, is_whole: Arc::clone(&is_whole) };
            pieces.send(vec![7]).await.unwrap();
            is_whole.store(finishes, Ordering::Release);
            drop(pieces);
            let mut file = Vec::new();
            let read = source.read_to_end(&mut file).await.map_err(|error| error.kind());
            assert_eq!(file, [7]);
            assert_eq!(read, if finishes { Ok(1) } else { Err(std::io::ErrorKind::UnexpectedEof) });
        }
    }
}
