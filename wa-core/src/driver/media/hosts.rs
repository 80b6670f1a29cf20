//! Which hosts serve media, asked for when first needed and kept while it is good. Protocol: media, "media_conn".

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::driver::clock;
use crate::driver::requester::Asker;
use crate::error::{CallError, MediaError};
use crate::stanza::iq::media_conn::{MediaHost, MediaHosts, MediaHostsQuery};

/// Serve downloads when the server was not asked. Protocol: media, "media_conn".
pub(crate) const DEFAULT_HOSTS: [&str; 2] = ["mmg.whatsapp.net", "mmg-fallback.whatsapp.net"];

/// An answer is kept no shorter and no longer than this, whatever it says.
const TTL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(24 * 60 * 60));

/// The hosts, and how to learn of them.
#[derive(Debug)]
pub(super) struct Hosts {
    asker: Option<Asker>,
    /// Held while the server is asked: whoever wants to know meanwhile waits for the same answer.
    known: Mutex<Option<Known>>,
    fixed: Vec<String>,
}

#[derive(Debug)]
struct Known {
    hosts: Arc<MediaHosts>,
    until: Instant,
}

impl Hosts {
    pub(super) fn asking(asker: Asker) -> Self {
        Self { asker: Some(asker), known: Mutex::new(None), fixed: DEFAULT_HOSTS.map(str::to_owned).to_vec() }
    }

    pub(super) fn fixed(hosts: Vec<String>) -> Self {
        Self { asker: None, known: Mutex::new(None), fixed: hosts }
    }

    /// What serves uploads. `refused` is what no longer does: then the server is asked again.
    pub(super) async fn for_upload(
        &self,
        refused: Option<&Arc<MediaHosts>>,
    ) -> Result<Arc<MediaHosts>, MediaError> {
        self.load(refused).await.map_err(MediaError::Hosts)
    }

    /// The names of those that serve downloads, and what the server said, if it did. Without its word the hosts that are
    /// always there serve.
    pub(super) async fn for_download(
        &self,
        refused: Option<&Arc<MediaHosts>>,
    ) -> (Vec<String>, Option<Arc<MediaHosts>>) {
        match self.load(refused).await {
            Ok(hosts) => (hosts.hosts.iter().map(|host| host.name.clone()).collect(), Some(hosts)),
            Err(error) => {
                if self.asker.is_some() {
                    tracing::debug!(%error, "the server names no media hosts; the usual ones serve");
                }
                (self.fixed.clone(), None)
            }
        }
    }

    async fn load(&self, refused: Option<&Arc<MediaHosts>>) -> Result<Arc<MediaHosts>, CallError> {
        let Some(asker) = &self.asker else { return Err(CallError::Shutdown) };
        let mut known = self.known.lock().await;
        if let Some(known) = &*known
            && known.until > clock::now()
            && refused.is_none_or(|refused| !Arc::ptr_eq(refused, &known.hosts))
        {
            return Ok(Arc::clone(&known.hosts));
        }
        let hosts = Arc::new(asker.ask(MediaHostsQuery).await?);
        let until = clock::now() + hosts.ttl.clamp(TTL.0, TTL.1);
        *known = Some(Known { hosts: Arc::clone(&hosts), until });
        Ok(hosts)
    }
}

/// The names of the hosts that take uploads, best first.
pub(super) fn upload_names(hosts: &MediaHosts) -> impl Iterator<Item = &str> {
    hosts.hosts.iter().filter(|host: &&MediaHost| host.takes_uploads).map(|host| host.name.as_str())
}
