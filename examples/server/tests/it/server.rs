//! The program, and how it is asked.

use std::future::Future;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Whoever waits longer waits for something that does not come. A link that a kill left open is given up after a minute.
const LIMIT: Duration = Duration::from_secs(150);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// A server that runs, on a directory of its own.
pub(crate) struct Server {
    child: Child,
    directory: TempDir,
    arguments: Vec<String>,
    /// `host:port`
    pub(crate) address: String,
    /// The first key.
    pub(crate) key: String,
}

impl Server {
    /// With simulated phones, and patient with whoever asks often.
    pub(crate) async fn sandbox() -> Self {
        Self::start(&["--sandbox", "--rate", "60000", "--private-webhooks"]).await
    }

    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (child, address, key) = run(directory.path(), "127.0.0.1:0", &arguments).await;
        Self { child, directory, arguments, address, key: key.unwrap() }
    }

    /// Ends it in good order.
    #[cfg(unix)]
    pub(crate) async fn stop(&mut self) {
        let id = self.child.id().unwrap().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(told.success());
        self.ended().await;
    }

    /// Waits until it ended in good order.
    pub(crate) async fn ended(&mut self) {
        assert!(soon("the end of the server", self.child.wait()).await.unwrap().success());
    }

    /// Ends it without a warning.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again on the same files, at the same address.
    pub(crate) async fn start_again(&mut self) {
        let (child, address, key) = run(self.directory.path(), &self.address, &self.arguments).await;
        assert_eq!((&address, key), (&self.address, None), "a key is shown once");
        self.child = child;
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Asks with the first key.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.call_with(&self.key, method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn call_with(&self, key: &str, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[(AUTHORIZATION.as_str(), &format!("Bearer {key}"))], body).await
    }

    /// Asks a program that may be killed: `None` when there is no answer.
    pub(crate) async fn try_send(
        &self,
        key: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.address);
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask(&self.address, request.body(Full::new(body.into())).unwrap()).await.ok()
    }

    /// Asks with exactly these headers, and a body of this text.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.address);
        request = request.header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        soon("an answer", ask(&self.address, request)).await.unwrap()
    }

    /// Makes a key for a tenant.
    pub(crate) async fn new_key(&self, tenant: &str, scopes: &[&str]) -> String {
        let body = json!({ "tenant": tenant, "scopes": scopes });
        self.post("/keys", body).await.expect(201)["key"].as_str().unwrap().to_owned()
    }

    /// Makes an account that nobody linked.
    pub(crate) async fn create(&self, name: &str) -> Value {
        self.post("/whatsapp/session", json!({ "name": name })).await.expect(201)
    }

    /// The same, and waits until its level was told: nothing more happens by itself.
    pub(crate) async fn settled(&self, name: &str) -> Value {
        self.create(name).await;
        self.until(&format!("/whatsapp/session/{name}"), async |account| account["seq"] == 2).await
    }

    /// Links an account to a phone of the sandbox, and waits until it is ready.
    pub(crate) async fn linked(&self, name: &str, phone: &str) -> Value {
        self.post("/whatsapp/session", json!({ "name": name, "mode": "qr" })).await.expect(201);
        self.scan(name, phone).await;
        self.status(name, "ready").await
    }

    /// A phone of the sandbox scans what is shown, as soon as something is.
    pub(crate) async fn scan(&self, name: &str, phone: &str) {
        self.status(name, "qr").await;
        self.post("/sandbox/scan", json!({ "name": name, "phone": phone })).await.expect(204);
    }

    /// The text of the QR code of an account, as soon as there is one.
    pub(crate) async fn qr(&self, name: &str) -> String {
        self.status(name, "qr").await;
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", bearer.as_str()), ("accept", "text/plain")];
        let qr = self.send(Method::GET, &format!("/whatsapp/session/{name}/qr"), &headers, "").await;
        String::from_utf8(qr.body.to_vec()).unwrap()
    }

    /// Waits until an account stands so.
    pub(crate) async fn status(&self, name: &str, status: &str) -> Value {
        let is_so = async |account: &Value| account["status"] == status;
        self.until(&format!("/whatsapp/session/{name}"), is_so).await
    }

    /// Asks, and again after each event, until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, is_so: impl AsyncFn(&Value) -> bool) -> Value {
        soon(path, async {
            let mut after = 0;
            loop {
                let answer = self.get(path).await;
                let body = answer.json();
                if answer.status == 200 && is_so(&body).await {
                    return body;
                }
                let path = format!("/whatsapp/events?since={after}&wait=5&limit=1000");
                after = self.get(&path).await.expect(200)["next"].as_u64().unwrap();
            }
        })
        .await
    }
}

/// A test server that outlives the programs that use it.
pub(crate) struct TestServer {
    pub(crate) server: wa_test_server::TestServer,
    description: NamedTempFile,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let server = wa_test_server::TestServer::start().await;
        let endpoint = server.listen("127.0.0.1:0", false).await.unwrap();
        let media = server.media().listen("127.0.0.1").await.unwrap();
        let description = NamedTempFile::new().unwrap();
        let json = json!({
            "url": endpoint.url,
            "root_key": hex::encode(endpoint.root.public_key.as_bytes()),
            "media_certificate": STANDARD.encode(&media.tls_certificate),
        });
        std::fs::write(description.path(), json.to_string()).unwrap();
        Self { server, description }
    }

    /// A server whose accounts connect here.
    pub(crate) async fn server(&self) -> Server {
        let file = self.description.path().to_str().unwrap();
        Server::start(&["--test-server", file, "--rate", "60000", "--private-webhooks"]).await
    }

    /// Links an account to a phone, and waits until it is ready.
    pub(crate) async fn linked(&self, server: &Server, name: &str, phone: &str) {
        server.post("/whatsapp/session", json!({ "name": name, "mode": "qr" })).await.expect(201);
        self.server.phone(phone).scan(&server.qr(name).await).await.unwrap();
        server.status(name, "ready").await;
    }
}

/// Starts the program; gives back where it listens, and the key if it shows one.
async fn run(directory: &Path, listen: &str, arguments: &[String]) -> (Child, String, Option<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wa-server"))
        .args(["--listen", listen, "--data"])
        .arg(directory)
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut address, mut key) = (None, None);
    soon("the start of the server", async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(text) = line.strip_prefix("admin key: ") {
                key = Some(text.to_owned());
            } else if let Some(url) = line.strip_prefix("listening on http://") {
                address = url.split('/').next().map(str::to_owned);
                return;
            }
        }
        panic!("the server ended: {:?}", child.try_wait());
    })
    .await;
    (child, address.unwrap(), key)
}

async fn ask(
    address: &str,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&self.body).unwrap_or_default()
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// An error with this status and code, as all of them are told.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.expect(status);
        assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(u64::from(status)), Some(code)));
        assert!(
            body["title"].is_string() && body["detail"].is_string() && body["type"].is_string(),
            "{body}"
        );
        body
    }
}
