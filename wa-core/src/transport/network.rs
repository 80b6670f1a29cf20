//! How our own transports reach the network: through which proxies, trusting whom.

use super::{Proxy, TlsRoots};

/// What the builder was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    pub(crate) roots: TlsRoots,
    pub(crate) proxy: Option<Proxy>,
    /// Another one for media, or none for them; without it they go where everything goes.
    pub(crate) media_proxy: Option<Option<Proxy>>,
}

impl Network {
    /// A WebSocket to the live service.
    #[cfg(feature = "websocket")]
    pub(crate) fn connector(&self) -> super::websocket::WebSocketConnector {
        use super::websocket::{LIVE_URL, WebSocketConnector};

        let connector =
            WebSocketConnector::with_roots(LIVE_URL, &self.roots).expect("the live URL is a good one");
        match &self.proxy {
            Some(proxy) => connector.with_proxy(proxy.clone()),
            None => connector,
        }
    }

    /// HTTP for media.
    #[cfg(feature = "http")]
    pub(crate) fn http_client(&self) -> super::https::HttpsClient {
        let client = super::https::HttpsClient::new(&self.roots);
        match self.media_proxy.as_ref().unwrap_or(&self.proxy) {
            Some(proxy) => client.with_proxy(proxy.clone()),
            None => client,
        }
    }
}
