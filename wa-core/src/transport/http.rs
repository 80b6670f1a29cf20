//! HTTP as the media hosts want it: one request, one answer, both streamed. [`HttpClient`] is the user's to implement;
//! ours is [`HttpsClient`](super::https::HttpsClient).

use std::borrow::Cow;
use std::fmt;

use tokio::io::AsyncRead;

use super::TransportFuture;

/// Sends requests over HTTPS. One is shared by all transfers of an account, or of many accounts.
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Sends one request and returns when the head of its answer is there; redirects are not followed. Dropping the
    /// future, or the body of the answer, ends the exchange.
    ///
    /// The caller bounds the time, and how much of a body it reads. The implementation bounds the head of the answer.
    ///
    /// # Errors
    /// Any I/O error. An answer with a bad status is no error.
    fn send(&self, request: HttpRequest) -> TransportFuture<'_, HttpResponse>;
}

/// The bytes of a request or of an answer.
pub type HttpBody = Box<dyn AsyncRead + Send + Unpin>;

/// A request.
#[non_exhaustive]
pub struct HttpRequest {
    /// What to do.
    pub method: HttpMethod,
    /// Scheme, host, path and query.
    pub url: String,
    /// Further headers; those that belong to the connection and the body are the client's.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body and its length in bytes. What it yields has exactly this length.
    pub body: Option<(HttpBody, u64)>,
}

impl HttpRequest {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: HttpMethod, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body, and its length in bytes.
    #[must_use]
    pub fn body(mut self, body: HttpBody, length: u64) -> Self {
        self.body = Some((body, length));
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query carries signatures and tokens.
        let place = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &place)
            .finish_non_exhaustive()
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpMethod {
    /// Fetches.
    Get,
    /// Uploads.
    Post,
    /// Deletes.
    Delete,
}

impl HttpMethod {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// An answer whose body is still to be read.
#[non_exhaustive]
pub struct HttpResponse {
    /// The status, such as 200.
    pub status: u16,
    /// Names, in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer encoding.
    pub body: HttpBody,
}

impl HttpResponse {
    /// An answer.
    #[must_use]
    pub fn new(status: u16, headers: Vec<(String, String)>, body: HttpBody) -> Self {
        Self { status, headers, body }
    }

    /// A header's value; the name is in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// How long the body says it is.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Stands where an HTTP client should be: every request fails with [`std::io::ErrorKind::Unsupported`].
#[cfg(not(feature = "http"))]
#[derive(Debug)]
pub(crate) struct NoHttpClient;

#[cfg(not(feature = "http"))]
impl HttpClient for NoHttpClient {
    fn send(&self, _: HttpRequest) -> TransportFuture<'_, HttpResponse> {
        Box::pin(std::future::ready(Err(std::io::ErrorKind::Unsupported.into())))
    }
}
