//! How bytes reach the server: a [`Connector`] opens a [`Socket`], and an [`HttpClient`] moves media. All are the user's
//! to implement (another runtime, a proxy of one's own); ours are a WebSocket over TLS, an in-memory pipe for tests, and
//! HTTPS, with roots of trust and proxies as one likes.
//!
//! Message boundaries of a socket carry no meaning: a message may hold several frames, a frame may span several.
//! Protocol: transport, "Connecting".

#[cfg(feature = "http")]
mod address;
pub mod http;
#[cfg(feature = "http")]
pub mod https;
pub mod memory;
#[cfg(any(feature = "http", feature = "websocket"))]
mod network;
#[cfg(any(feature = "http", feature = "websocket"))]
pub mod proxy;
#[cfg(any(feature = "http", feature = "websocket"))]
pub mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

#[cfg(feature = "http")]
pub use address::is_public;
pub use http::{HttpBody, HttpClient, HttpMethod, HttpRequest, HttpResponse};
#[cfg(any(feature = "http", feature = "websocket"))]
pub(crate) use network::Network;
#[cfg(any(feature = "http", feature = "websocket"))]
pub use proxy::Proxy;
#[cfg(any(feature = "http", feature = "websocket"))]
pub use tls::TlsRoots;

/// What the calls of a transport return.
pub type TransportFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Opens connections to the server. One is shared by all connections of an account, or of many.
pub trait Connector: fmt::Debug + Send + Sync {
    /// Opens one connection.
    ///
    /// `routing_info` is what the server gave us to come back to the same edge: it goes into the URL as
    /// `?ED=<base64url, no padding>`, where the transport has a URL.
    ///
    /// # Errors
    /// Any I/O error; the caller decides when to try again.
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>>;
}

/// One connection: binary messages in both directions, in order.
pub trait Socket: fmt::Debug + Send {
    /// Sends one message; returns when the transport took it.
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()>;

    /// The next message; `None` when the peer closed in good order.
    ///
    /// Cancel safe: a message is never lost by dropping the future.
    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>>;

    /// Says goodbye and closes. Dropping a socket closes it as well, without the goodbye.
    fn close(&mut self) -> TransportFuture<'_, ()>;
}

/// Without a transport of ours there is nothing to say.
#[cfg(not(any(feature = "http", feature = "websocket")))]
#[derive(Debug, Default)]
pub(crate) struct Network {}

/// Stands where a transport should be: every attempt fails with [`io::ErrorKind::Unsupported`].
#[cfg(not(feature = "websocket"))]
#[derive(Debug)]
pub(crate) struct NoConnector;

#[cfg(not(feature = "websocket"))]
impl Connector for NoConnector {
    fn connect<'a>(&'a self, _: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
    }
}

/// Whether somebody has to give a proxy other credentials before this can work.
#[cfg(any(feature = "http", feature = "websocket"))]
pub(crate) fn is_refused_by_proxy(error: &std::io::Error) -> bool {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<proxy::ProxyRefusal>());
    matches!(refusal, Some(proxy::ProxyRefusal::Credentials))
}

/// Without proxies nothing is refused by one.
#[cfg(not(any(feature = "http", feature = "websocket")))]
pub(crate) const fn is_refused_by_proxy(_: &std::io::Error) -> bool {
    false
}
