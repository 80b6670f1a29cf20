//! What a media host answers. Sockets and the client in memory both come here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::faults::MediaFault;
use super::store::{Found, handle_of, token_of};
use crate::hub::Hub;

/// The longest upload.
const MAX_UPLOAD: u64 = 512 << 20;

/// A request, as far as the hosts care.
pub(super) struct Asked {
    pub(super) method: String,
    /// The host that it was sent to.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) range: Option<String>,
    pub(super) length: Option<u64>,
    pub(super) body: Box<dyn AsyncRead + Send + Unpin>,
}

pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
    /// What the head says of the body's length.
    pub(super) length: u64,
}

/// The answer; an error breaks the connection.
pub(super) async fn answer(hub: &Arc<Hub>, asked: Asked) -> io::Result<Answered> {
    let is_upload = asked.method == "POST";
    let fault = {
        let mut state = hub.state();
        let media = &mut state.media;
        if media.requests.len() < 10_000 {
            media.requests.push(format!("{} {}{}", asked.method, asked.host, asked.path));
        }
        let host = media.hosts.iter().position(|host| *host == asked.host);
        media.faults.take(host, is_upload)
    };
    match &fault {
        Some(MediaFault::Status(status)) => return Ok(Answered::status(*status)),
        Some(MediaFault::Busy(status, wait)) => {
            let mut answered = Answered::status(*status);
            answered.headers.push(("retry-after", wait.to_string()));
            return Ok(answered);
        }
        Some(MediaFault::Down) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(MediaFault::Redirect(authority)) => {
            let mut answered = Answered::status(307);
            let location = format!("https://{authority}{}?{}", asked.path, asked.query);
            answered.headers.push(("location", location));
            return Ok(answered);
        }
        Some(MediaFault::Nonsense) => return Ok(Answered::bytes(200, b"<html>".to_vec())),
        _ => {}
    }
    match asked.method.as_str() {
        "POST" => upload(hub, asked, fault).await,
        "GET" => Ok(download(hub, &asked, fault)),
        "DELETE" => Ok(delete(hub, &asked)),
        _ => Ok(Answered::status(405)),
    }
}

fn download(hub: &Hub, asked: &Asked, fault: Option<MediaFault>) -> Answered {
    let mut bytes = match hub.state().media.get(&asked.path, &asked.query) {
        Found::File(bytes) => bytes.to_vec(),
        Found::Forbidden => return Answered::status(403),
        Found::Missing => return Answered::status(404),
        Found::Expired => return Answered::status(410),
    };
    match fault {
        Some(MediaFault::WrongBody) => {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Some(MediaFault::Truncated(length)) => bytes.truncate(length),
        Some(MediaFault::Longer(more)) => bytes.resize(bytes.len() + more, 0),
        _ => {}
    }
    let total = bytes.len();
    let mut answered = match asked.range.as_deref().map(|range| range_of(range, total)) {
        None => Answered::bytes(200, bytes),
        Some(None) => return Answered::status(416),
        Some(Some((start, end))) => {
            let part = bytes.get(start..end).unwrap_or_default().to_vec();
            let mut answered = Answered::bytes(206, part);
            answered.headers.push(("content-range", format!("bytes {start}-{}/{total}", end - 1)));
            answered
        }
    };
    answered.headers.push(("accept-ranges", "bytes".to_owned()));
    match fault {
        Some(MediaFault::BreakOff(after)) => answered.body.breaks_after = Some(after),
        Some(MediaFault::Slow(pause)) => answered.body.pause = Some(pause),
        Some(MediaFault::Stall) => answered.body.is_stalled = true,
        _ => {}
    }
    answered
}

/// `bytes=a-b` or `bytes=a-`, as a half-open range.
fn range_of(range: &str, total: usize) -> Option<(usize, usize)> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = start.parse().ok()?;
    let end = if end.is_empty() { total } else { end.parse::<usize>().ok()?.checked_add(1)?.min(total) };
    (start < end).then_some((start, end))
}

async fn upload(hub: &Hub, asked: Asked, fault: Option<MediaFault>) -> io::Result<Answered> {
    let Asked { path, query, length, mut body, .. } = asked;
    let Some((class, token)) = path.rsplit_once('/') else { return Ok(Answered::status(404)) };
    let token = token.trim_end_matches('=').to_owned();
    let is_known =
        ["/mms/", "/newsletter/", "/product/", "/pps/"].iter().any(|known| class.starts_with(known));
    if !is_known {
        return Ok(Answered::status(404));
    }
    if value(&query, "auth").as_deref() != Some(hub.state().media.auth.as_str()) {
        return Ok(Answered::status(401));
    }
    if value(&query, "token").is_none_or(|other| other.trim_end_matches('=') != token) {
        return Ok(Answered::status(400));
    }
    if value(&query, "resume").is_some() {
        let state = hub.state();
        return Ok(match state.media.path_of(&token) {
            Some(direct_path) => stored(&asked.host, &direct_path, json!("complete")),
            None => Answered::json(&json!({ "resume": state.media.partial(&token).to_string() })),
        });
    }
    let Some(length) = length else { return Ok(Answered::status(411)) };
    if length > MAX_UPLOAD {
        return Ok(Answered::status(413));
    }
    let offset = value(&query, "file_offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
    let Some(mut bytes) = hub.state().media.take_partial(&token, offset) else {
        return Ok(Answered::status(400));
    };
    let wanted = match fault {
        Some(MediaFault::BreakUpload(after)) => after as u64,
        _ => length,
    };
    let read = (&mut body).take(wanted).read_to_end(&mut bytes).await;
    if read.is_err() || wanted < length || (bytes.len() - offset) as u64 != length {
        hub.state().media.keep_partial(&token, bytes);
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    if token_of(&bytes) != token {
        return Ok(Answered::status(400));
    }
    let direct_path = hub.state().media.put(bytes);
    Ok(stored(&asked.host, &direct_path, Value::Null))
}

/// The answer to an upload.
fn stored(host: &str, direct_path: &str, resume: Value) -> Answered {
    let mut answer = json!({
        "url": format!("https://{host}{direct_path}"),
        "direct_path": direct_path,
        "handle": handle_of(direct_path),
    });
    if let Some(object) = answer.as_object_mut().filter(|_| !resume.is_null()) {
        object.insert("resume".to_owned(), resume);
    }
    Answered::json(&answer)
}

fn delete(hub: &Hub, asked: &Asked) -> Answered {
    let token = asked.path.rsplit('/').next().unwrap_or_default().trim_end_matches('=').to_owned();
    let mut state = hub.state();
    if value(&asked.query, "auth").as_deref() != Some(state.media.auth.as_str()) {
        return Answered::status(401);
    }
    let is_gone = state.media.delete(&token);
    state.ring();
    Answered::status(if is_gone { 200 } else { 404 })
}

fn value(query: &str, name: &str) -> Option<String> {
    crate::admin::query_value(query, name)
}

impl Answered {
    fn status(status: u16) -> Self {
        Self::bytes(status, Vec::new())
    }

    fn bytes(status: u16, bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        let body =
            Body { bytes, position: 0, breaks_after: None, pause: None, wait: None, is_stalled: false };
        Self { status, headers: Vec::new(), body, length }
    }

    fn json(value: &Value) -> Self {
        let mut answered = Self::bytes(200, value.to_string().into_bytes());
        answered.headers.push(("content-type", "application/json".to_owned()));
        answered
    }
}

/// The bytes of an answer, with what is wrong about them.
pub(super) struct Body {
    bytes: Vec<u8>,
    position: usize,
    breaks_after: Option<usize>,
    pause: Option<Duration>,
    wait: Option<Pin<Box<Sleep>>>,
    is_stalled: bool,
}

/// No more is given at once.
const PIECE: usize = 64 << 10;

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_stalled {
            return Poll::Pending;
        }
        if self.breaks_after.is_some_and(|after| self.position >= after) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Some(pause) = self.pause
            && self.position < self.bytes.len()
        {
            let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(wait.as_mut().poll(cx));
            wait.as_mut().reset(Instant::now() + pause);
        }
        let end = self.breaks_after.unwrap_or(usize::MAX).min(self.bytes.len());
        let count = (end - self.position.min(end)).min(PIECE).min(buffer.remaining());
        let position = self.position;
        buffer.put_slice(self.bytes.get(position..position + count).unwrap_or_default());
        self.position += count;
        Poll::Ready(Ok(()))
    }
}
