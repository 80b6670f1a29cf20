//! Our HTTP client: HTTP/1.1 over TLS, or plain for servers on this machine; through a proxy if there is one. A
//! connection per request.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};

use super::TransportFuture;
use super::http::{HttpBody, HttpClient, HttpRequest, HttpResponse};
use super::proxy::Proxy;
use super::tls::{Tls, TlsRoots};

/// How many headers an answer may have.
const MAX_HEADERS: usize = 100;

/// How many bytes are read and written at once; the head of an answer fits in as well.
const BUFFER: usize = 256 << 10;

/// Sends requests with hyper.
#[derive(Clone)]
pub struct HttpsClient {
    tls: Tls,
    proxy: Option<Arc<Proxy>>,
    /// Which addresses may be connected to; all, if there is none.
    is_allowed: Option<fn(IpAddr) -> bool>,
}

/// How many addresses of a host are tried, where they are looked up here.
const MAX_ADDRESSES: usize = 3;

impl HttpsClient {
    /// A client that trusts these roots.
    #[must_use]
    pub fn new(roots: &TlsRoots) -> Self {
        Self { tls: roots.connector(), proxy: None, is_allowed: None }
    }

    /// Sends all requests through this proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(Arc::new(proxy));
        self
    }

    /// Connects to allowed addresses only, such as those that [`is_public`](super::is_public). The name of a host is looked
    /// up here, and the very address that was checked is connected to. A request to a host that has no such address fails
    /// with [`io::ErrorKind::PermissionDenied`].
    #[must_use]
    pub fn only_to(mut self, is_allowed: fn(IpAddr) -> bool) -> Self {
        self.is_allowed = Some(is_allowed);
        self
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        match &self.proxy {
            Some(proxy) => proxy.connect(host, port).await,
            None => TcpStream::connect((host, port)).await,
        }
    }

    async fn connect_to_allowed(
        &self,
        target: &Target,
        is_allowed: fn(IpAddr) -> bool,
    ) -> io::Result<TcpStream> {
        let mut failure = io::ErrorKind::PermissionDenied.into();
        let found = lookup_host((target.host.as_str(), target.port)).await?;
        for address in
            found.map(|found: SocketAddr| found.ip()).filter(|ip| is_allowed(*ip)).take(MAX_ADDRESSES)
        {
            match self.connect(&address.to_string(), target.port).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn exchange(&self, request: HttpRequest) -> io::Result<HttpResponse> {
        let target = Target::of(&request.url)?;
        let tcp = match self.is_allowed {
            Some(is_allowed) => self.connect_to_allowed(&target, is_allowed).await?,
            None => self.connect(&target.host, target.port).await?,
        };
        self.exchange_over(tcp, request, &target).await
    }

    /// Sends a request over a connection that the caller opened to its host.
    #[cfg(feature = "link-preview")]
    pub(crate) async fn send_over(&self, tcp: TcpStream, request: HttpRequest) -> io::Result<HttpResponse> {
        let target = Target::of(&request.url)?;
        self.exchange_over(tcp, request, &target).await
    }

    async fn exchange_over(
        &self,
        tcp: TcpStream,
        request: HttpRequest,
        target: &Target,
    ) -> io::Result<HttpResponse> {
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> =
            if target.is_tls { Box::new(self.tls.connect(&target.host, tcp).await?) } else { Box::new(tcp) };
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let answer = sender.send_request(to_hyper(request, &target.uri)?);
        let mut connection: Connection = Box::pin(connection);
        tokio::pin!(answer);
        let response = poll_fn(|cx| {
            let mut answered = answer.as_mut().poll(cx);
            if answered.is_pending() && connection.as_mut().poll(cx).is_ready() {
                // The connection may end with the last byte of the answer: that is still read.
                answered = answer.as_mut().poll(cx);
            }
            answered
        });
        let response = response.await.map_err(io::Error::other)?;
        Ok(from_hyper(response, Some(connection)))
    }
}

impl HttpClient for HttpsClient {
    fn send(&self, request: HttpRequest) -> TransportFuture<'_, HttpResponse> {
        Box::pin(self.exchange(request))
    }
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsClient").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

/// Where a request goes.
struct Target {
    uri: Uri,
    /// A name, or an address without brackets.
    host: String,
    port: u16,
    is_tls: bool,
}

impl Target {
    fn of(url: &str) -> io::Result<Self> {
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?.trim_matches(['[', ']']).to_owned();
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { uri, host, port, is_tls })
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

fn to_hyper(request: HttpRequest, uri: &Uri) -> io::Result<Request<Outgoing>> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    // A user name in the URL would end up in the header.
    let host = host.rsplit('@').next().unwrap_or_default();
    let mut built = Request::builder().method(request.method.as_str()).uri(path).header(HOST, host);
    for (name, value) in request.headers {
        built = built.header(name.as_ref(), HeaderValue::try_from(value).map_err(io::Error::other)?);
    }
    let body = match request.body {
        Some((body, left)) => {
            built = built.header(CONTENT_LENGTH, left);
            Outgoing { body: Some(body), left }
        }
        None => {
            if request.method == super::http::HttpMethod::Post {
                built = built.header(CONTENT_LENGTH, 0);
            }
            Outgoing { body: None, left: 0 }
        }
    };
    built.body(body).map_err(io::Error::other)
}

fn from_hyper(response: Response<Incoming>, connection: Option<Connection>) -> HttpResponse {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().filter_map(|(name, value)| {
        value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned()))
    });
    let body = Answer { body, connection, piece: Bytes::new() };
    HttpResponse::new(head.status.as_u16(), headers.collect(), Box::new(body))
}

/// The body of a request.
struct Outgoing {
    body: Option<HttpBody>,
    left: u64,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Self::Data>>>> {
        let left = self.left;
        let Some(body) = self.body.as_mut().filter(|_| left > 0) else { return Poll::Ready(None) };
        let mut piece = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER)];
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(body).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        if count == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        piece.truncate(count);
        self.left -= count as u64;
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The body of an answer. Reading it drives the connection that it comes from.
struct Answer {
    body: Incoming,
    connection: Option<Connection>,
    /// Taken from the connection, not yet read.
    piece: Bytes,
}

impl AsyncRead for Answer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.piece.is_empty() {
                let count = self.piece.len().min(buffer.remaining());
                buffer.put_slice(&self.piece.split_to(count));
                return Poll::Ready(Ok(()));
            }
            let mut frame = Pin::new(&mut self.body).poll_frame(cx);
            if frame.is_pending()
                && let Some(connection) = &mut self.connection
            {
                if connection.as_mut().poll(cx).is_ready() {
                    self.connection = None;
                }
                // It may have put something into the body.
                frame = Pin::new(&mut self.body).poll_frame(cx);
            }
            match ready!(frame) {
                None => return Poll::Ready(Ok(())),
                Some(frame) => {
                    if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                        self.piece = data;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::{HttpMethod, is_public};

    #[tokio::test]
    async fn only_allowed_addresses_are_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = HttpsClient::new(&TlsRoots::none());
        for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"] {
            let request = || HttpRequest::new(HttpMethod::Get, format!("http://{host}:{port}/"));
            let refused = client.clone().only_to(is_public).send(request()).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{host}");
        }
        let request = HttpRequest::new(HttpMethod::Get, format!("http://localhost:{port}/"));
        let answered = async {
            // The first that comes: those before were not connected to.
            let mut tcp = listener.accept().await.unwrap().0;
            let mut head = vec![0; 14];
            tcp.read_exact(&mut head).await.unwrap();
            tcp.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            head
        };
        let client = client.only_to(|address| address.is_loopback());
        let (head, answer) = tokio::join!(answered, client.send(request));
        assert_eq!(head, b"GET / HTTP/1.1");
        assert_eq!(answer.unwrap().status, 204);
    }
}
