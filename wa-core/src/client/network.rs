//! How a client reaches the network, where it brings no transport of its own.

use super::ClientBuilder;
use crate::transport::{Proxy, TlsRoots};

impl ClientBuilder {
    /// Connects through this proxy: the account's connection, and media unless [`Self::media_proxy`] says otherwise.
    ///
    /// It is for our own transports: a [connector](Self::connector) or an [HTTP client](Self::http_client) of one's own
    /// takes care of proxies by itself.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.network.proxy = Some(proxy);
        self
    }

    /// Moves media through this proxy, or through none at all, whatever [`Self::proxy`] says.
    pub fn media_proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.network.media_proxy = Some(proxy);
        self
    }

    /// Trusts these root certificates for TLS, where it uses our own transports; Mozilla's by default. The server has to
    /// prove itself once more inside, see [`Self::trust_root`].
    pub fn tls_roots(mut self, roots: TlsRoots) -> Self {
        self.network.roots = roots;
        self
    }
}
