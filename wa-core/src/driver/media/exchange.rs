//! One request to a media host, bounded in time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::place::redirected;
use crate::driver::clock;
use crate::transport::{HttpBody, HttpClient, HttpMethod, HttpRequest, HttpResponse};

/// How long connecting and the head of an answer may take.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How long a host may send nothing in the middle of a file.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// The web client's, which the hosts want to see.
const ORIGIN: &str = "https://web.whatsapp.com";

/// A request as the hosts want it.
pub(super) fn request(method: HttpMethod, url: &str) -> HttpRequest {
    HttpRequest::new(method, url).header("origin", ORIGIN).header("referer", "https://web.whatsapp.com/")
}

/// Fetches, and follows redirects.
pub(super) async fn get(
    http: &dyn HttpClient,
    url: &str,
    from: u64,
    hosts: &[String],
) -> io::Result<HttpResponse> {
    let mut url = url.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        let mut request = request(HttpMethod::Get, &url);
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let response = send(http, request).await?;
        match next(&url, &response, hosts) {
            Some(location) => url = location?,
            None => return Ok(response),
        }
    }
    Err(io::Error::other("too many redirects"))
}

/// Where a redirect leads; `None` when the answer is none.
pub(super) fn next(url: &str, response: &HttpResponse, hosts: &[String]) -> Option<io::Result<String>> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.header("location").and_then(|location| redirected(url, location, hosts));
    Some(location.ok_or_else(|| io::Error::other("a redirect to nowhere")))
}

/// Sends one request and waits for the head of its answer.
pub(super) async fn send(http: &dyn HttpClient, request: HttpRequest) -> io::Result<HttpResponse> {
    timeout(HEAD_LIMIT, http.send(request)).await?
}

/// Sends a request with a long body: as long as the host takes something of it, and the usual time after that.
pub(super) async fn upload(http: &dyn HttpClient, mut request: HttpRequest) -> io::Result<HttpResponse> {
    let moved = Arc::new(AtomicBool::new(false));
    if let Some((body, length)) = request.body.take() {
        request.body = Some((Box::new(Watched { body, moved: Arc::clone(&moved) }), length));
    }
    let silence = async {
        loop {
            sleep(IDLE_LIMIT).await;
            if !moved.swap(false, Ordering::Relaxed) {
                return;
            }
        }
    };
    tokio::select! {
        response = http.send(request) => response,
        () = silence => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Notes that something of a body was taken.
struct Watched {
    body: HttpBody,
    moved: Arc<AtomicBool>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.moved.store(true, Ordering::Relaxed);
        Pin::new(&mut self.body).poll_read(cx, buffer)
    }
}

/// A body that may not be silent for long.
pub(super) struct Idle {
    body: HttpBody,
    silence: Pin<Box<Sleep>>,
}

impl Idle {
    pub(super) fn new(body: HttpBody) -> Self {
        Self { body, silence: Box::pin(sleep(IDLE_LIMIT)) }
    }
}

impl AsyncRead for Idle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.body).poll_read(cx, buffer);
        if read.is_ready() {
            let until = Instant::from_std(clock::now()) + IDLE_LIMIT;
            self.silence.as_mut().reset(until);
            return read;
        }
        self.silence.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Reads a short body whole.
pub(super) async fn read_short(body: HttpBody, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    timeout(IDLE_LIMIT, body.take(limit).read_to_end(&mut bytes)).await??;
    Ok(bytes)
}
