//! An HTTP client whose hosts are in this process.

use std::fmt;
use std::io;
use std::sync::Arc;

use wa_core::transport::{HttpBody, HttpClient, HttpRequest, HttpResponse, TransportFuture};

use super::answer::{Asked, answer};
use crate::hub::Hub;

/// Reaches the media hosts without a socket.
pub(crate) struct MemoryHttp {
    hub: Arc<Hub>,
}

impl MemoryHttp {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

impl HttpClient for MemoryHttp {
    fn send(&self, request: HttpRequest) -> TransportFuture<'_, HttpResponse> {
        Box::pin(async move {
            let rest = request.url.strip_prefix("https://").ok_or(io::ErrorKind::InvalidInput)?;
            let (host, path) = rest.split_once('/').ok_or(io::ErrorKind::InvalidInput)?;
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let range = request.headers.iter().find(|(name, _)| *name == "range");
            let nothing: HttpBody = Box::new(tokio::io::empty());
            let (body, length) = request.body.unwrap_or((nothing, 0));
            let asked = Asked {
                method: request.method.as_str().to_owned(),
                host: host.to_owned(),
                path: format!("/{path}"),
                query: query.to_owned(),
                range: range.map(|(_, value)| value.clone()),
                length: Some(length),
                body,
            };
            let answered = answer(&self.hub, asked).await?;
            let mut headers: Vec<_> =
                answered.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            headers.push(("content-length".to_owned(), answered.length.to_string()));
            Ok(HttpResponse::new(answered.status, headers, Box::new(answered.body)))
        })
    }
}

impl fmt::Debug for MemoryHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryHttp")
    }
}
