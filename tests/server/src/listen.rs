//! Real sockets: HTTP, plain or TLS, with the WebSocket on a port, and the admin calls for who wants them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use wa_core::noise::TrustRoot;

use crate::connection;
use crate::hub::Hub;
use crate::socket::{Reader, Writer};

/// Where a server listens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// The address of the WebSocket: `ws://…/ws/chat` or `wss://…/ws/chat`.
    pub url: String,
    /// The address of the admin calls, without a path; `None` where there are none.
    pub admin_url: Option<String>,
    /// What clients must trust.
    pub root: TrustRoot,
    /// The TLS certificate, self-signed for `localhost` and the address; `None` without TLS.
    pub tls_certificate: Option<Vec<u8>>,
    /// The bound address.
    pub address: SocketAddr,
}

/// Answers the admin calls: of the hub, by method, path, query and body. Programs that have none of them have none of its code.
pub(crate) type Admin = for<'a> fn(&'a Arc<Hub>, &'a Method, &'a str, &'a str, &'a [u8]) -> AdminFuture<'a>;
pub(crate) type AdminFuture<'a> =
    Pin<Box<dyn Future<Output = Option<(StatusCode, serde_json::Value)>> + Send + 'a>>;

/// Binds and serves until the server is shut down.
pub(crate) async fn listen(
    hub: Arc<Hub>,
    address: &str,
    tls: bool,
    admin: Option<Admin>,
) -> io::Result<Endpoint> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (acceptor, certificate) = if tls {
        let (acceptor, certificate) = self_signed(address)?;
        (Some(acceptor), Some(certificate))
    } else {
        (None, None)
    };
    let (ws, http) = if tls { ("wss", "https") } else { ("ws", "http") };
    let endpoint = Endpoint {
        url: format!("{ws}://{address}/ws/chat"),
        admin_url: admin.map(|_| format!("{http}://{address}")),
        root: hub.authority.trust_root(),
        tls_certificate: certificate,
        address,
    };
    tokio::spawn(accept_all(hub, listener, acceptor, admin));
    Ok(endpoint)
}

async fn accept_all(
    hub: Arc<Hub>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    admin: Option<Admin>,
) {
    loop {
        let stream = tokio::select! {
            () = hub.shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    // Out of file descriptors, mostly: soon there may be some.
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            },
        };
        let _only_slower = stream.set_nodelay(true);
        let (hub, acceptor) = (Arc::clone(&hub), acceptor.clone());
        tokio::spawn(async move {
            match acceptor {
                None => serve_http(hub, stream, admin).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => serve_http(hub, stream, admin).await,
                    Err(error) => tracing::debug!(%error, "no TLS"),
                },
            }
        });
    }
}

async fn serve_http(
    hub: Arc<Hub>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    admin: Option<Admin>,
) {
    let shutdown = hub.shutdown.clone();
    let service = service_fn(move |request| {
        let hub = Arc::clone(&hub);
        async move { Ok::<_, Infallible>(answer(hub, request, admin).await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        () = shutdown.cancelled() => {}
        served = serving => if let Err(error) = served {
            tracing::debug!(%error, "HTTP");
        },
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(hub: Arc<Hub>, mut request: Request<Incoming>, admin: Option<Admin>) -> Answer {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/ws/chat") => upgrade(hub, &mut request),
        (&Method::GET, "/health" | "/admin/health") => text(StatusCode::OK, "ok"),
        (_, "/ws/chat" | "/health" | "/admin/health") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        }
        (_, path) if path.starts_with("/admin/") => {
            let Some(admin) = admin else { return text(StatusCode::NOT_FOUND, "not found") };
            let (method, query) = (request.method().clone(), request.uri().query().map(str::to_owned));
            let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "body too large");
            };
            let query = query.unwrap_or_default();
            match admin(&hub, &method, path, &query, &body.to_bytes()).await {
                Some((status, body)) => json(status, body),
                None => text(StatusCode::NOT_FOUND, "not found"),
            }
        }
        _ => text(StatusCode::NOT_FOUND, "not found"),
    }
}

/// Answers a WebSocket handshake; no extension is taken up.
fn upgrade(hub: Arc<Hub>, request: &mut Request<Incoming>) -> Answer {
    let wants = request
        .headers()
        .get(UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY).filter(|_| wants) else {
        return text(StatusCode::UPGRADE_REQUIRED, "a WebSocket is wanted here");
    };
    let accept = derive_accept_key(key.as_bytes());
    if hub.state().faults.take_refused_connection() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "refused on purpose");
    }
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let upgraded = match upgraded.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "upgrade"),
        };
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
        let (sink, stream) = socket.split();
        connection::serve(hub, Reader::Web(stream), Writer::Web(sink)).await;
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "Upgrade")
        .header(SEC_WEBSOCKET_ACCEPT, accept)
        .body(Full::default());
    response.unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, "upgrade"))
}

fn text(status: StatusCode, body: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, body: serde_json::Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}

/// A certificate made now, and what serves with it.
pub(crate) fn self_signed(address: SocketAddr) -> io::Result<(TlsAcceptor, Vec<u8>)> {
    let names = vec!["localhost".to_owned(), address.ip().to_string()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .map_err(io::Error::other)?;
    Ok((TlsAcceptor::from(Arc::new(config)), certificate.to_vec()))
}

const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Far more than a QR text.
const MAX_BODY: usize = 64 * 1024;
