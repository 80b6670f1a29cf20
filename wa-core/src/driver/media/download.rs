//! Downloads, verifies and decrypts. Protocol: media, "Download".
//!
//! ```text
//! for each host: GET from where the last one broke off ──> pieces ──> prove ──> decrypt ──> sink
//!                └ other host: 429, 5xx, network      └ other host, from the start: another hash
//!                └ the end: 401, 403 (after asking the server for its hosts again), 404, 410, other refusals
//! ```

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::sleep;

use super::exchange::{self, Idle};
use super::piece::{PIECE, off_thread, read_piece};
use super::place::Place;
use super::{Fetcher, Settings, Sink};
use crate::error::MediaError;
use crate::media::Attachment;
use crate::media::cipher::{
    CipherError, Decryptor, FileHashes, OpenedFile, Opening, Proving, encrypted_length,
};
use crate::media::plain::PlainHash;
use crate::transport::HttpResponse;

/// How often all hosts are tried.
const ROUNDS: u32 = 3;

/// How long to wait before the next round, unless a host says so.
const BACKOFF: Duration = Duration::from_secs(1);

/// No host makes us wait for longer.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

impl Fetcher {
    /// Downloads a file into the sink. What the sink got is worth nothing unless this returns `Ok`.
    ///
    /// Streams: memory does not grow with the file. Cancel safe: dropping the future ends the request.
    ///
    /// # Errors
    /// [`MediaError`].
    pub(crate) async fn download(
        &self,
        file: &Attachment,
        sink: &mut Sink<'_>,
        settings: &Settings,
    ) -> Result<OpenedFile, MediaError> {
        let place = Place::of(file).ok_or(MediaError::NoPlace)?;
        let mut reading = Reading::new(file, settings)?;
        let (mut hosts, mut said) = self.hosts.for_download(None).await;
        let mut asked_again = false;
        let mut last = MediaError::Network(io::ErrorKind::NotConnected.into());
        let mut restarts = 0;
        let mut round = 0;
        'rounds: while round < ROUNDS {
            round += 1;
            let mut pause = BACKOFF * round;
            for host in &hosts.clone() {
                let got = exchange::get(&*self.http, &place.on(host), reading.received, &hosts).await;
                let failed = match got {
                    Ok(response) => match status(&response) {
                        Status::Good => match reading.take(response, sink).await {
                            Ok(opened) => {
                                sink.finish().await.map_err(MediaError::Sink)?;
                                return Ok(opened);
                            }
                            Err(failed) => failed,
                        },
                        Status::Refused(status) if !asked_again && said.is_some() => {
                            asked_again = true;
                            (hosts, said) = self.hosts.for_download(said.as_ref()).await;
                            if said.is_some() {
                                round -= 1;
                                last = MediaError::Gone { status };
                                continue 'rounds;
                            }
                            Failed::Final(MediaError::Gone { status })
                        }
                        Status::Refused(status) | Status::Gone(status) => {
                            Failed::Final(MediaError::Gone { status })
                        }
                        Status::Busy { status, wait } => {
                            pause = wait.unwrap_or(pause).min(MAX_BACKOFF);
                            Failed::Host(MediaError::Unavailable { status })
                        }
                        // What was read so far is of another file, or longer than this one.
                        Status::NoRange => Failed::Content(reading.truncated()),
                        Status::Other(status) => Failed::Final(MediaError::Refused { status }),
                    },
                    Err(error) => Failed::Host(MediaError::Network(error)),
                };
                match failed {
                    Failed::Host(error) => {
                        tracing::debug!(%error, "a media host failed");
                        last = error;
                    }
                    Failed::Content(error) => {
                        tracing::warn!(%error, "a media host gave something else");
                        restarts += 1;
                        if restarts > 1 || !sink.restart().await.map_err(MediaError::Sink)? {
                            return Err(error);
                        }
                        reading = Reading::new(file, settings)?;
                        last = error;
                    }
                    Failed::Final(error) => return Err(error),
                }
            }
            if round < ROUNDS {
                sleep(pause).await;
            }
        }
        Err(last)
    }
}

/// What becomes of a failure.
enum Failed {
    /// Another host may do, from where this one broke off.
    Host(MediaError),
    /// Another host may have the right file.
    Content(MediaError),
    /// No host will do.
    Final(MediaError),
}

enum Status {
    Good,
    /// 401, 403: perhaps not by hosts that the server names now.
    Refused(u16),
    Gone(u16),
    Busy {
        status: u16,
        wait: Option<Duration>,
    },
    NoRange,
    Other(u16),
}

fn status(response: &HttpResponse) -> Status {
    match response.status {
        200 | 206 => Status::Good,
        status @ (401 | 403) => Status::Refused(status),
        status @ (404 | 410) => Status::Gone(status),
        416 => Status::NoRange,
        status @ (429 | 500..=599) => {
            let wait = response.header("retry-after").and_then(|wait| wait.parse().ok());
            Status::Busy { status, wait: wait.map(Duration::from_secs) }
        }
        status => Status::Other(status),
    }
}

/// A file on its way: how much of it came, and what is to be done with it.
struct Reading<'a> {
    file: &'a Attachment,
    settings: &'a Settings,
    /// How many bytes of the encrypted file came so far.
    received: u64,
    /// How many there may be.
    limit: u64,
    work: Work,
    /// Came, and is not proven yet.
    buffer: Vec<u8>,
}

impl<'a> Reading<'a> {
    fn new(file: &'a Attachment, settings: &'a Settings) -> Result<Self, MediaError> {
        let hashes = FileHashes { file_sha256: file.file_sha256, file_enc_sha256: file.file_enc_sha256 };
        let (stages, length): (_, fn(u64) -> Option<u64>) = match (&file.key, file.file_sha256) {
            (Some(key), _) => {
                let Decryptor { proving, opening } = Decryptor::new(key, file.kind);
                (Stages::Encrypted(Box::new(proving), Box::new(opening), hashes), encrypted_length)
            }
            // Encrypted, and its key is lost or malformed.
            (None, _) if file.file_enc_sha256.is_some() => return Err(MediaError::NoKey),
            (None, None) if !settings.is_unproven => return Err(MediaError::NoKey),
            (None, hash) => (Stages::Plain(PlainHash::default(), hash), Some),
        };
        let work = Work { stages: Some(stages), proven: Vec::new(), spare: Vec::new() };
        let longest = file.file_length.unwrap_or(u64::MAX).min(settings.max_length);
        let limit = length(longest).unwrap_or(u64::MAX);
        Ok(Self { file, settings, received: 0, limit, work, buffer: Vec::new() })
    }

    /// How long the encrypted file is, if it says so.
    fn expected(&self) -> Option<u64> {
        let length = self.file.file_length?;
        if self.file.key.is_some() { encrypted_length(length) } else { Some(length) }
    }

    fn is_short(&self) -> bool {
        self.expected().is_some_and(|expected| self.received < expected)
    }

    fn truncated(&self) -> MediaError {
        MediaError::Truncated { received: self.received }
    }

    /// Reads an answer to its end, and proves the file.
    async fn take(&mut self, response: HttpResponse, sink: &mut Sink<'_>) -> Result<OpenedFile, Failed> {
        let mut skip = self.skip(&response)?;
        let total = response.content_length().map(|length| length + self.received - skip);
        if total.is_some_and(|total| total > self.limit) {
            return Err(Failed::Final(MediaError::TooLarge { limit: self.limit }));
        }
        let mut body = Idle::new(response.body);
        let broken = |error| Failed::Host(MediaError::Network(error));
        while skip > 0 {
            let wanted = usize::try_from(skip).unwrap_or(PIECE).min(PIECE);
            let mut again = vec![0; wanted];
            body.read_exact(&mut again).await.map_err(broken)?;
            skip -= wanted as u64;
        }
        let mut is_over = false;
        while !is_over {
            let piece = self.split();
            let begin = self.buffer.len();
            // Three pieces at once: one is read, one proven, one decrypted and written.
            let (came, worked) =
                tokio::join!(read_piece(&mut body, &mut self.buffer), self.work.push(piece, sink));
            worked?;
            self.received += (self.buffer.len() - begin) as u64;
            if self.received > self.limit {
                return Err(Failed::Final(MediaError::TooLarge { limit: self.limit }));
            }
            self.settings.tell(self.received, total.or_else(|| self.expected()));
            match came {
                Ok(more) => is_over = !more,
                // The connection broke after the last byte.
                Err(_) if total == Some(self.received) => is_over = true,
                Err(error) => return Err(broken(error)),
            }
        }
        if total.is_none() && self.is_short() {
            return Err(Failed::Host(self.truncated()));
        }
        self.finish(sink).await
    }

    /// How many bytes at the beginning of the answer are known already.
    fn skip(&self, response: &HttpResponse) -> Result<u64, Failed> {
        if response.status == 200 {
            return Ok(self.received);
        }
        let range = response.header("content-range").and_then(|range| range.strip_prefix("bytes "));
        let start = range.and_then(|range| range.split('-').next()?.parse::<u64>().ok());
        if start == Some(self.received) { Ok(0) } else { Err(Failed::Host(MediaError::Malformed)) }
    }

    /// Takes what can be worked on; what is not to be decided yet stays in the buffer, before what comes next.
    fn split(&mut self) -> Vec<u8> {
        let count = self.work.whole(self.buffer.len());
        let mut rest = std::mem::take(&mut self.work.spare);
        rest.clear();
        rest.extend_from_slice(self.buffer.get(count..).unwrap_or_default());
        let mut piece = std::mem::replace(&mut self.buffer, rest);
        piece.truncate(count);
        piece
    }

    async fn finish(&mut self, sink: &mut Sink<'_>) -> Result<OpenedFile, Failed> {
        let piece = self.split();
        self.work.push(piece, sink).await?;
        self.work.push(Vec::new(), sink).await?;
        let stages = self.work.stages.take().ok_or(Failed::Final(MediaError::Malformed))?;
        let mut rest = std::mem::take(&mut self.buffer);
        let opened = stages.finish(&mut rest).map_err(|error| {
            Failed::Content(if self.is_short() { self.truncated() } else { MediaError::Tampered(error) })
        })?;
        write(sink, &rest).await?;
        Ok(opened)
    }
}

/// What is done with the bytes of a file, a piece behind the other: one is proven while the one before it is decrypted.
struct Work {
    /// There, but for the time of the work.
    stages: Option<Stages>,
    /// Proven, and not decrypted yet.
    proven: Vec<u8>,
    /// A buffer that was written, for the next piece.
    spare: Vec<u8>,
}

enum Stages {
    Encrypted(Box<Proving>, Box<Opening>, FileHashes),
    Plain(PlainHash, Option<[u8; 32]>),
}

impl Work {
    /// How much of so many bytes can be worked on while more may come.
    const fn whole(&self, length: usize) -> usize {
        match self.stages {
            Some(Stages::Plain(..)) => length,
            _ => Decryptor::whole(length),
        }
    }

    /// Takes the next piece in, and writes the one before it.
    async fn push(&mut self, piece: Vec<u8>, sink: &mut Sink<'_>) -> Result<(), Failed> {
        let before = std::mem::take(&mut self.proven);
        let stages = self.stages.take().ok_or(Failed::Final(MediaError::Malformed))?;
        let (stages, piece, written) = match stages {
            Stages::Encrypted(mut proving, opening, hashes) => {
                let proven = off_thread(piece.len(), move || {
                    proving.update(&piece);
                    (proving, piece)
                });
                let (proven, opened) = tokio::join!(proven, open(opening, before, sink));
                let ((proving, piece), (opening, written)) = (proven.map_err(Failed::Final)?, opened?);
                (Stages::Encrypted(proving, opening, hashes), piece, written)
            }
            Stages::Plain(mut hash, expected) => {
                let hashed = off_thread(piece.len(), move || {
                    hash.update(&piece);
                    (hash, piece)
                });
                let (hashed, written) = tokio::join!(hashed, write(sink, &before));
                written?;
                let (hash, piece) = hashed.map_err(Failed::Final)?;
                (Stages::Plain(hash, expected), piece, before)
            }
        };
        (self.stages, self.proven, self.spare) = (Some(stages), piece, written);
        Ok(())
    }
}

/// Decrypts a piece and writes it.
async fn open(
    mut opening: Box<Opening>,
    mut piece: Vec<u8>,
    sink: &mut Sink<'_>,
) -> Result<(Box<Opening>, Vec<u8>), Failed> {
    let opened = off_thread(piece.len(), move || {
        opening.update(&mut piece);
        (opening, piece)
    });
    let (opening, piece) = opened.await.map_err(Failed::Final)?;
    write(sink, &piece).await?;
    Ok((opening, piece))
}

async fn write(sink: &mut Sink<'_>, bytes: &[u8]) -> Result<(), Failed> {
    sink.write(bytes).await.map_err(|error| Failed::Final(MediaError::Sink(error)))
}

impl Stages {
    fn finish(self, rest: &mut Vec<u8>) -> Result<OpenedFile, CipherError> {
        match self {
            Self::Encrypted(proving, opening, hashes) => {
                Decryptor { proving: *proving, opening: *opening }.finish(rest, &hashes)
            }
            Self::Plain(hash, Some(expected)) => hash.check(&expected),
            Self::Plain(hash, None) => Ok(hash.finish()),
        }
    }
}
