//! Media files: up to the hosts and down again, or up to nowhere and down from memory.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use wa_core::Client;
use wa_core::client::MediaSource;
use wa_core::media::{Attachment, MediaKind};
use wa_core::transport::https::HttpsClient;
use wa_core::transport::{HttpClient, HttpMethod, HttpRequest, HttpResponse, TlsRoots, TransportFuture};

use super::STRAGGLERS;
use wa_benches::Fallible;
use wa_benches::usage::Mark;

/// The real client, or a host in this process: then what is measured is the library alone.
pub(super) struct Http {
    real: HttpsClient,
    local: Mutex<Option<Local>>,
}

/// A host without a network.
#[derive(Default)]
struct Local {
    /// What was uploaded last.
    file: Arc<Vec<u8>>,
    /// When its upload began: it was encrypted then.
    asked: Option<Instant>,
}

impl Http {
    /// Trusts this certificate (DER).
    pub(super) fn new(certificate: &[u8]) -> Fallible<Self> {
        let roots = TlsRoots::none().with_certificate(certificate)?;
        Ok(Self { real: HttpsClient::new(&roots), local: Mutex::default() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Local>> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: HttpRequest) -> io::Result<HttpResponse> {
        if self.lock().is_none() {
            return self.real.send(request).await;
        }
        let Some((mut body, length)) = request.body.filter(|_| request.method == HttpMethod::Post) else {
            let file = self.lock().as_ref().map(|local| Arc::clone(&local.file)).unwrap_or_default();
            let is_get = request.method == HttpMethod::Get;
            let body: Box<dyn AsyncRead + Send + Unpin> =
                if is_get { Box::new(Bytes { file, position: 0 }) } else { Box::new(&b"{}"[..]) };
            return Ok(HttpResponse::new(200, Vec::new(), body));
        };
        let asked = Instant::now();
        let mut file = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        body.read_to_end(&mut file).await?;
        *self.lock() = Some(Local { file: Arc::new(file), asked: Some(asked) });
        Ok(HttpResponse::new(200, Vec::new(), Box::new(&br#"{"direct_path":"/v/file"}"#[..])))
    }
}

impl HttpClient for Http {
    fn send(&self, request: HttpRequest) -> TransportFuture<'_, HttpResponse> {
        Box::pin(self.answer(request))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// Yields a file from memory.
struct Bytes {
    file: Arc<Vec<u8>>,
    position: usize,
}

impl AsyncRead for Bytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.file.get(self.position..).unwrap_or_default();
        let piece = left.get(..buffer.remaining().min(left.len())).unwrap_or_default();
        buffer.put_slice(piece);
        let taken = piece.len();
        self.position += taken;
        Poll::Ready(Ok(()))
    }
}

/// Uploads so many bytes; tells what that used, and after how many microseconds it was encrypted.
pub(super) async fn upload(
    client: &Client,
    http: &Http,
    length: u64,
    is_local: bool,
) -> Fallible<(Attachment, String)> {
    *http.lock() = is_local.then(Local::default);
    let mark = Mark::now();
    let start = Instant::now();
    let source = MediaSource::reader(tokio::io::repeat(5).take(length));
    let file = client.media().upload(source, MediaKind::Document).await?;
    let used = mark.used(mark.wall());
    let asked = http.lock().as_ref().and_then(|local| local.asked);
    let encrypted = asked.map_or(Duration::ZERO, |asked| asked.duration_since(start));
    Ok((file, format!("{};{used}", encrypted.as_micros())))
}

/// Downloads what was uploaded last, from where it is, to nowhere.
pub(super) async fn download(client: &Client, file: &Attachment) -> Fallible<String> {
    tokio::time::sleep(STRAGGLERS).await;
    let mark = Mark::now();
    client.media().download(file, &mut tokio::io::sink()).await?;
    Ok(mark.used(mark.wall()).to_string())
}
