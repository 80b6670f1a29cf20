//! `wa-server`, as its clients see it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use wa_benches::Fallible;

/// Nothing that is waited for takes this long.
const LIMIT: Duration = Duration::from_secs(60);

/// The program, and a connection to it that stays open.
pub(crate) struct Program {
    process: Child,
    address: String,
    key: String,
    requests: SendRequest<Full<Bytes>>,
}

impl Program {
    /// Starts it on these files. It is ended when this is dropped.
    pub(crate) async fn start(data: &Path, test_server: &str) -> Fallible<Self> {
        let program = std::env::current_exe()?.with_file_name("wa-server");
        let mut process = Command::new(program)
            .args(["--listen", "127.0.0.1:0", "--rate", "60000", "--test-server", test_server, "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no pipe")?).lines();
        let (mut key, mut address) = (None, None);
        while address.is_none() {
            let line = timeout(LIMIT, lines.next_line()).await??.ok_or("wa-server ended early")?;
            if let Some(text) = line.strip_prefix("admin key: ") {
                key = Some(text.to_owned());
            } else if let Some(url) = line.strip_prefix("listening on http://") {
                address = url.split('/').next().map(str::to_owned);
            }
        }
        let (address, key) = (address.ok_or("no address")?, key.ok_or("no key was shown")?);
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { process, address, key, requests })
    }

    /// What it answers; an error unless that is a success.
    pub(crate) async fn call(&mut self, method: Method, path: &str, body: Value) -> Fallible<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.into()))?;
        self.requests.ready().await?;
        let (parts, body) = timeout(LIMIT, self.requests.send_request(request)).await??.into_parts();
        let body = body.collect().await?.to_bytes();
        if !parts.status.is_success() {
            return Err(format!("{path}: {} {}", parts.status, String::from_utf8_lossy(&body)).into());
        }
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Fallible<Value> {
        self.call(Method::POST, path, body).await
    }

    /// Opens a socket that hears everything.
    pub(crate) async fn socket(&mut self) -> Fallible<Socket> {
        let ticket = self.post("/ws/ticket", Value::Null).await?;
        let ticket = ticket.get("ticket").and_then(Value::as_str).ok_or("no ticket")?;
        let stream = TcpStream::connect(&self.address).await?;
        let url = format!("ws://{}/ws?ticket={ticket}", self.address);
        let (mut socket, _) = client_async(url, stream).await?;
        let (frames, received) = mpsc::unbounded_channel();
        // Frames are dated when they come, not when somebody asks for them.
        tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let (at, wall) = (Instant::now(), SystemTime::now());
                if let Message::Text(text) = message
                    && let Ok(body) = serde_json::from_str(&text)
                    && frames.send(Frame { at, wall, body }).is_err()
                {
                    return;
                }
            }
        });
        let mut socket = Socket { frames: received };
        // How everything stands comes first; what changes before that is no frame of its own.
        socket.next().await?;
        Ok(socket)
    }

    /// Waits until so many accounts are connected.
    pub(crate) async fn connected(&mut self, count: usize) -> Fallible<()> {
        let mut socket = self.socket().await?;
        loop {
            let health = self.call(Method::GET, "/health", Value::Null).await?;
            if health.get("connected").and_then(Value::as_u64) == Some(count as u64) {
                return Ok(());
            }
            socket.next().await?;
        }
    }

    /// When each event after this one happened, in milliseconds since 1970: those of this type.
    pub(crate) async fn happened(&mut self, mut after: u64, kind: &str) -> Fallible<Vec<(u64, u64)>> {
        let mut all = Vec::new();
        loop {
            let path = format!("/whatsapp/events?since={after}&limit=1000");
            let page = self.call(Method::GET, &path, json!(null)).await?;
            let events = page.get("events").and_then(Value::as_array).ok_or("no events")?;
            if events.is_empty() {
                return Ok(all);
            }
            for event in events.iter().filter(|event| event.get("type").is_some_and(|of| of == kind)) {
                let number = |field: &str| event.get(field).and_then(Value::as_u64).ok_or("no number");
                all.push((number("seq")?, number("timestamp")?));
            }
            after = page.get("next").and_then(Value::as_u64).ok_or("no number")?;
        }
    }

    /// Its memory in KiB; 0 where there is no `/proc`.
    pub(crate) fn resident_kib(&self) -> u64 {
        let id = self.process.id().unwrap_or(0);
        wa_benches::usage::resident_kib_of(&id.to_string())
    }
}

/// What the program tells as it happens.
pub(crate) struct Socket {
    frames: mpsc::UnboundedReceiver<Frame>,
}

/// A frame, and when it came.
pub(crate) struct Frame {
    pub(crate) at: Instant,
    wall: SystemTime,
    body: Value,
}

impl Socket {
    pub(crate) async fn next(&mut self) -> Fallible<Frame> {
        Ok(timeout(LIMIT, self.frames.recv()).await?.ok_or("the socket was closed")?)
    }

    /// The next status of an account that is as wanted.
    pub(crate) async fn status(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Fallible<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.body.get("event").is_some_and(|event| event == "whatsapp-status") && is_wanted(&frame) {
                return Ok(frame);
            }
        }
    }
}

impl Frame {
    /// The number of the event that it tells.
    pub(crate) fn seq(&self) -> u64 {
        self.body.get("seq").and_then(Value::as_u64).unwrap_or(0)
    }

    /// The name of the account.
    pub(crate) fn account(&self) -> String {
        let name = self.body.get("data").and_then(|data| data.get("name"));
        name.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What it says of the account.
    pub(crate) fn says(&self, field: &str, value: &str) -> bool {
        self.body.get("data").and_then(|data| data.get(field)).is_some_and(|is| is == value)
    }

    /// How long after this moment it came, in milliseconds since 1970: that is up to one millisecond too much.
    pub(crate) fn after(&self, happened_ms: u64) -> Duration {
        let wall = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        wall.saturating_sub(Duration::from_millis(happened_ms))
    }
}
