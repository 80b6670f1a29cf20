//! A WebSocket, over TLS or plain. Protocol: transport, "Connecting".

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::proxy::Proxy;
use super::tls::{Tls, TlsRoots};
use super::{Connector, Socket, TransportFuture};
use crate::noise::RoutingInfo;

/// The live service.
pub const LIVE_URL: &str = "wss://web.whatsapp.com/ws/chat";

const ORIGIN: &str = "https://web.whatsapp.com";

/// The longest message taken: a frame of the protocol, and room for more than one in a message.
const MAX_MESSAGE: usize = 32 << 20;

/// Opens WebSockets to one URL.
#[derive(Clone)]
pub struct WebSocketConnector {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<Tls>,
    proxy: Option<Arc<Proxy>>,
}

impl WebSocketConnector {
    /// To the live service, with Mozilla's root certificates.
    #[must_use]
    pub fn live() -> Self {
        Self::new(LIVE_URL).expect("the live URL is a good one")
    }

    /// To a URL with scheme `ws` or `wss`; `wss` is verified with Mozilla's root certificates.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Self::with_roots(url, &TlsRoots::mozilla())
    }

    /// To a `wss` URL whose certificate must be this one, or be issued by it (DER). For test servers.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn with_root_certificate(url: &str, certificate: &[u8]) -> Result<Self, UrlError> {
        let roots = TlsRoots::none().with_certificate(certificate).map_err(|_| UrlError::Certificate)?;
        Self::with_roots(url, &roots)
    }

    /// To a URL with scheme `ws` or `wss`; `wss` is verified with these root certificates.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn with_roots(url: &str, roots: &TlsRoots) -> Result<Self, UrlError> {
        let uri: Uri = url.parse().map_err(|_| UrlError::Malformed)?;
        let host = uri.host().ok_or(UrlError::Malformed)?.trim_matches(['[', ']']).to_owned();
        let (tls, default_port) = match uri.scheme_str() {
            Some("ws") => (None, 80),
            Some("wss") => (Some(roots.connector()), 443),
            _ => return Err(UrlError::Scheme),
        };
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self { uri, host, port, tls, proxy: None })
    }

    /// Connects through this proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(Arc::new(proxy));
        self
    }

    async fn open(&self, routing_info: Option<&[u8]>) -> io::Result<Box<dyn Socket>> {
        let tcp = match &self.proxy {
            Some(proxy) => proxy.connect(&self.host, self.port).await?,
            None => TcpStream::connect((self.host.as_str(), self.port)).await?,
        };
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => self.upgrade(tcp, routing_info).await,
            Some(tls) => self.upgrade(tls.connect(&self.host, tcp).await?, routing_info).await,
        }
    }

    async fn upgrade<S>(&self, stream: S, routing_info: Option<&[u8]>) -> io::Result<Box<dyn Socket>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routing = routing_info.and_then(|bytes| RoutingInfo::new(bytes).ok());
        let uri = match &routing {
            None => self.uri.clone(),
            Some(routing) => {
                let separator = if self.uri.query().is_some() { '&' } else { '?' };
                format!("{}{separator}ED={}", self.uri, routing.to_query())
                    .parse()
                    .map_err(io::Error::other)?
            }
        };
        let mut request = uri.into_client_request().map_err(into_io)?;
        request.headers_mut().insert(header::ORIGIN, HeaderValue::from_static(ORIGIN));
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let (stream, _) = client_async_with_config(request, stream, Some(config)).await.map_err(into_io)?;
        Ok(Box::new(WebSocket { stream }))
    }
}

impl Connector for WebSocketConnector {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(self.open(routing_info))
    }
}

impl fmt::Debug for WebSocketConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketConnector").field("uri", &self.uri).field("proxy", &self.proxy).finish()
    }
}

/// Why a URL cannot be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Not a URL, or without a host.
    #[error("the URL is malformed")]
    Malformed,
    /// Neither `ws` nor `wss`.
    #[error("the URL's scheme is neither ws nor wss")]
    Scheme,
    /// The root certificate is none.
    #[error("the root certificate is malformed")]
    Certificate,
}

struct WebSocket<S> {
    stream: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for WebSocket<S> {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        Box::pin(async move { self.stream.send(Message::Binary(bytes.into())).await.map_err(into_io) })
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes.into())),
                    Some(Ok(Message::Close(_))) | None => return Ok(None),
                    // Text is not of this protocol; pings are answered by the library.
                    Some(Ok(_)) => {}
                    Some(Err(tungstenite::Error::ConnectionClosed)) => return Ok(None),
                    Some(Err(error)) => return Err(into_io(error)),
                }
            }
        })
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        Box::pin(async move { self.stream.close(None).await.map_err(into_io) })
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSocket")
    }
}

fn into_io(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
