//! Which release of the web client accounts present as: the server refuses old ones (405).

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::timeout;
use wa_core::client::version::VersionError;
use wa_core::noise::client_payload::ClientVersion;

/// Learns which release the service is at.
pub(super) type Source = dyn Fn() -> BoxFuture<'static, Result<ClientVersion, VersionError>> + Send + Sync;

/// An answer is good for so long, unless the server refuses it.
const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// Without an answer it is asked for again after so long: accounts connect meanwhile with what they know.
const AGAIN: Duration = Duration::from_secs(60);

/// No account waits longer for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Which release accounts present as.
#[derive(Default)]
pub(crate) struct Versions {
    source: Option<Box<Source>>,
    /// Held while it is asked for: the others wait for the same answer.
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    version: Option<ClientVersion>,
    /// When to ask, by the clock that does not jump.
    ask_at: Duration,
}

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Versions").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Versions {
    pub(super) fn new(source: Option<Box<Source>>) -> Self {
        Self { source, known: Mutex::default() }
    }

    /// What an account presents as that connects now; nothing for the one that this library was built with. Once a release
    /// `is_refused`, the answer of before is worth nothing.
    ///
    /// Cancel safe: whoever waits next asks again.
    pub(crate) async fn current(&self, now: Duration, is_refused: bool) -> Option<ClientVersion> {
        let source = self.source.as_ref()?;
        let mut known = self.known.lock().await;
        if is_refused || known.ask_at <= now {
            known.ask_at = now + AGAIN;
            match timeout(LIMIT, source()).await.unwrap_or(Err(VersionError::Timeout)) {
                Ok(version) => *known = Known { version: Some(version), ask_at: now + LASTS },
                Err(error) => tracing::warn!(%error, "which release the service is at is not known"),
            }
        }
        known.version
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn an_answer_lasts_a_day_unless_it_is_refused() {
        let asked = Arc::new(AtomicU32::new(0));
        let source = {
            let asked = Arc::clone(&asked);
            move || -> BoxFuture<'static, _> {
                let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                let answer =
                    if number == 1 { Err(VersionError::NoVersion) } else { Ok(ClientVersion::web(number)) };
                Box::pin(std::future::ready(answer))
            }
        };
        let versions = Versions::new(Some(Box::new(source)));
        let current = async |seconds: u64, is_refused| {
            let version = versions.current(Duration::from_secs(seconds), is_refused).await;
            version.map(|version| version.tertiary)
        };
        assert_eq!((current(5, false).await, current(64, false).await), (None, None));
        assert_eq!(asked.load(Ordering::Relaxed), 1, "not by every account");
        assert_eq!((current(65, false).await, current(60_000, false).await), (Some(2), Some(2)));
        assert_eq!(current(60_000, true).await, Some(3));
        assert_eq!((current(60_001, false).await, current(147_000, false).await), (Some(3), Some(4)));
        assert_eq!(Versions::default().current(Duration::ZERO, true).await, None);
    }
}
