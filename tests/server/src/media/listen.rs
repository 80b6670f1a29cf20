//! The media hosts on real sockets, with TLS: one port per host.

use std::io;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, RANGE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::io::{ReaderStream, StreamReader};

use super::answer::{Answered, Asked, answer};
use crate::hub::Hub;
use crate::listen::self_signed;

/// Where the media hosts listen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MediaEndpoint {
    /// The hosts as `media_conn` names them, primary first: address and port.
    pub hosts: Vec<String>,
    /// The TLS certificate of all of them, self-signed.
    pub tls_certificate: Vec<u8>,
}

/// How many hosts there are.
const HOSTS: usize = 2;

/// Binds, and serves until the server is shut down. From now on `media_conn` names these hosts.
pub(crate) async fn listen(hub: Arc<Hub>, address: &str) -> io::Result<MediaEndpoint> {
    let mut listeners = Vec::new();
    for _ in 0..HOSTS {
        listeners.push(TcpListener::bind((address, 0)).await?);
    }
    let first = listeners.first().ok_or(io::ErrorKind::AddrNotAvailable)?.local_addr()?;
    let (acceptor, certificate) = self_signed(first)?;
    let mut hosts = Vec::new();
    for listener in listeners {
        hosts.push(listener.local_addr()?.to_string());
        tokio::spawn(accept_all(Arc::clone(&hub), listener, acceptor.clone()));
    }
    hub.state().media.hosts.clone_from(&hosts);
    Ok(MediaEndpoint { hosts, tls_certificate: certificate })
}

async fn accept_all(hub: Arc<Hub>, listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let stream = tokio::select! {
            () = hub.shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => return tracing::warn!(%error, "accept"),
            },
        };
        let (hub, acceptor) = (Arc::clone(&hub), acceptor.clone());
        tokio::spawn(async move {
            match acceptor.accept(stream).await {
                Ok(stream) => serve(hub, stream).await,
                Err(error) => tracing::debug!(%error, "no TLS"),
            }
        });
    }
}

async fn serve(hub: Arc<Hub>, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let shutdown = hub.shutdown.clone();
    let service = service_fn(move |request| respond(Arc::clone(&hub), request));
    tokio::select! {
        () = shutdown.cancelled() => {}
        served = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {
            if let Err(error) = served {
                tracing::debug!(%error, "HTTP");
            }
        }
    }
}

async fn respond(
    hub: Arc<Hub>,
    request: Request<Incoming>,
) -> io::Result<Response<http_body_util::combinators::UnsyncBoxBody<hyper::body::Bytes, io::Error>>> {
    let header = |name: HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let asked = Asked {
        method: request.method().to_string(),
        host: header(HOST).unwrap_or_default(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        range: header(RANGE),
        length: header(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        body: Box::new(StreamReader::new(request.into_body().into_data_stream().map_err(io::Error::other))),
    };
    let Answered { status, headers, body, length } = answer(&hub, asked).await?;
    let mut response = Response::builder().status(status).header(CONTENT_LENGTH, length);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = StreamBody::new(ReaderStream::with_capacity(body, 64 << 10).map_ok(Frame::data));
    response.body(BodyExt::boxed_unsync(body)).map_err(io::Error::other)
}
