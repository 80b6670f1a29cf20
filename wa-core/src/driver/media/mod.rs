//! Moves media files between the hosts and files, readers and buffers. No actor is needed: a [`Fetcher`] is cheap to
//! clone, and everything happens in the caller's future, which may be dropped at any time.
//! Protocol: media.

mod delete;
mod download;
mod exchange;
mod hosts;
mod piece;
mod place;
mod sink;
mod spool;
mod upload;

use std::fmt;
use std::sync::Arc;

pub(crate) use hosts::DEFAULT_HOSTS;
pub(crate) use sink::Sink;
pub use spool::MediaSource;

use self::hosts::Hosts;
use super::requester::Asker;
use crate::error::MediaError;
use crate::media::Attachment;
use crate::transport::HttpClient;

/// How large a downloaded file may be unless the caller says otherwise: more than the service takes.
const MAX_LENGTH: u64 = 4 << 30;

/// Downloads and uploads; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    http: Arc<dyn HttpClient>,
    hosts: Arc<Hosts>,
}

impl Fetcher {
    /// With the hosts that the server names.
    pub(crate) fn new(http: Arc<dyn HttpClient>, asker: Asker) -> Self {
        Self { http, hosts: Arc::new(Hosts::asking(asker)) }
    }

    /// With these hosts only, without a connection to the server: downloads only.
    pub(crate) fn with_hosts(http: Arc<dyn HttpClient>, hosts: Vec<String>) -> Self {
        Self { http, hosts: Arc::new(Hosts::fixed(hosts)) }
    }

    /// Downloads, verifies and decrypts a file into memory; the settings say how long it may be.
    ///
    /// Cancel safe: dropping the future ends the request.
    ///
    /// # Errors
    /// [`MediaError`].
    pub(crate) async fn bytes(&self, file: &Attachment, settings: &Settings) -> Result<Vec<u8>, MediaError> {
        let mut bytes = Vec::new();
        self.download(file, &mut Sink::Bytes(&mut bytes), settings).await?;
        Ok(bytes)
    }
}

/// How a transfer is done.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    /// How long a file may be, decrypted.
    pub(crate) max_length: u64,
    /// A file that is not encrypted may be anything: nothing says what it should be.
    pub(crate) is_unproven: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { progress: None, max_length: MAX_LENGTH, is_unproven: false }
    }
}

impl Settings {
    fn tell(&self, done: u64, total: Option<u64>) {
        if let Some(progress) = &self.progress {
            progress(Progress { done, total });
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("max_length", &self.max_length).finish_non_exhaustive()
    }
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many bytes were moved over the network, encrypted. Goes back when a transfer begins anew.
    pub done: u64,
    /// How many there are, as far as it is known.
    pub total: Option<u64>,
}
