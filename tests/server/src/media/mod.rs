//! Media hosts: files in memory, served over HTTP. Protocol: media, "Test-server duties".
//!
//! | File | Subject |
//! |---|---|
//! | `store` | what lies on the hosts |
//! | `sealed` | files that are encrypted and decrypted here |
//! | `answer` | what a host answers to a request |
//! | `faults` | what goes wrong on purpose |
//! | `listen`, `memory` | real sockets, and a client in this process |

mod answer;
mod faults;
mod listen;
mod memory;
pub(crate) mod sealed;
mod store;

use std::fmt;
use std::io;
use std::sync::Arc;

use wa_core::transport::HttpClient;

pub use faults::MediaFault;
pub use listen::MediaEndpoint;

pub(crate) use store::MediaStore;

use self::faults::FaultList;
use crate::hub::Hub;

/// The media hosts of a server, as a test sees them; there are two. Made by [`TestServer::media`](crate::TestServer::media).
#[derive(Clone)]
pub struct MediaHosts {
    hub: Arc<Hub>,
}

impl MediaHosts {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Reaches the hosts without a socket.
    #[must_use]
    pub fn http_client(&self) -> Arc<dyn HttpClient> {
        Arc::new(memory::MemoryHttp::new(Arc::clone(&self.hub)))
    }

    /// Listens on real sockets with TLS, one port of this address per host. From now on clients are told these hosts.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn listen(&self, address: &str) -> io::Result<MediaEndpoint> {
        listen::listen(Arc::clone(&self.hub), address).await
    }

    /// The names of the hosts, primary first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.hub.state().media.hosts.clone()
    }

    /// The next `count` requests that it fits, to whichever host, meet this fault.
    pub fn fail(&self, fault: MediaFault, count: u32) {
        self.hub.state().media.faults.add(None, fault, count);
    }

    /// The next `count` requests to the host of this index (0 is the primary one) meet this fault.
    pub fn fail_on(&self, host: usize, fault: MediaFault, count: u32) {
        self.hub.state().media.faults.add(Some(host), fault, count);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.hub.state().media.faults = FaultList::default();
    }

    /// The hosts give this file no more: 410. `false` when there is none.
    pub fn expire(&self, direct_path: &str) -> bool {
        self.hub.state().media.expire(direct_path)
    }

    /// The token for uploads is good no more; who asks for the hosts again gets another one.
    pub fn expire_auth(&self) {
        self.hub.state().media.expire_auth();
    }

    /// How long the answer to who asks for the hosts is good, seconds.
    pub fn set_ttl(&self, seconds: u32) {
        self.hub.state().media.ttl = seconds;
    }

    /// How often the hosts were asked for.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.hub.state().media.asked
    }

    /// What was asked of the hosts, oldest first: method, host and path, such as `GET mmg.test/v/…`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.hub.state().media.requests.clone()
    }

    /// What the hosts have under this path: encrypted, unless it is of a newsletter.
    #[must_use]
    pub fn file(&self, direct_path: &str) -> Option<Vec<u8>> {
        self.hub.state().media.read(direct_path)
    }

    /// Waits until so many requests of this method were answered.
    pub async fn wait_for(&self, method: &str, count: usize) {
        let is_it = |request: &&String| request.split(' ').next() == Some(method);
        self.hub
            .wait(|state| (state.media.requests.iter().filter(is_it).count() >= count).then_some(()))
            .await;
    }

    /// Puts any file onto the hosts; answers its path.
    #[must_use]
    pub fn put(&self, bytes: Vec<u8>) -> String {
        self.hub.state().media.put(bytes)
    }
}

impl fmt::Debug for MediaHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaHosts")
    }
}
