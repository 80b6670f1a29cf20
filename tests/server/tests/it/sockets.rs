//! Real sockets: a WebSocket over TLS, and the admin call that makes a phone scan.

use std::io;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use wa_core::transport::{Socket, TransportFuture};
use wa_test_server::{Endpoint, TestServer};

use crate::companion::{Companion, attr};
use prost::Message as _;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[derive(Debug)]
struct Web(WebSocketStream<Box<dyn StreamDebug>>);

trait StreamDebug: Stream + std::fmt::Debug {}
impl<T: Stream + std::fmt::Debug> StreamDebug for T {}

impl Socket for Web {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        Box::pin(async move { self.0.send(Message::Binary(bytes.into())).await.map_err(io::Error::other) })
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes.into())),
                    Some(Ok(Message::Close(_))) | None => return Ok(None),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(io::Error::other(error)),
                }
            }
        })
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        Box::pin(async move { self.0.close(None).await.map_err(io::Error::other) })
    }
}

async fn open(endpoint: &Endpoint) -> Box<dyn StreamDebug> {
    let stream = TcpStream::connect(endpoint.address).await.expect("connects");
    let Some(certificate) = endpoint.tls_certificate.clone() else { return Box::new(stream) };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate)).expect("a certificate");
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS"))
}

pub(crate) async fn socket(endpoint: &Endpoint) -> Box<dyn Socket> {
    let stream = open(endpoint).await;
    let (web, response) = client_async(&endpoint.url, stream).await.expect("upgrades");
    assert!(response.headers().get("sec-websocket-extensions").is_none());
    Box::new(Web(web))
}

pub(crate) async fn http(endpoint: &Endpoint, request: String) -> String {
    let mut stream = open(endpoint).await;
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_companion_pairs_over_sockets_by_the_admin_call() {
    for tls in [false, true] {
        let server = TestServer::start().await;
        let endpoint = server.listen_with_admin("127.0.0.1:0", tls).await.expect("listens");
        let mut names = Vec::new();
        for _ in 0..2 {
            let mut companion = Companion::named("Ada Test");
            let payload = companion.payload().encode_to_vec();
            let mut wire = companion
                .shake_hands(socket(&endpoint).await, &endpoint.root, &payload)
                .await
                .expect("shakes hands");
            let qr = companion.show_qr(&mut wire).await;
            let (answer, ()) = tokio::join!(
                http(&endpoint, post("/admin/mock-phone/scan-qr", &qr)),
                companion.confirm(&mut wire)
            );
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains(&companion.jid().to_string()), "{answer}");

            let payload = companion.payload().encode_to_vec();
            let mut wire = companion
                .shake_hands(socket(&endpoint).await, &endpoint.root, &payload)
                .await
                .expect("shakes hands");
            let success = wire.expect("success").await;
            assert_eq!(attr(&success, "display_name"), "Ada Test");
            names.push(companion.jid());
        }
        assert!(names[0].is_same_user(&names[1]), "the same push name is the same phone");
        assert_ne!(names[0], names[1]);
        assert_eq!(server.phone("Ada Test").linked_devices(), names);
    }
}

#[tokio::test]
async fn http_calls_that_make_no_sense_are_refused() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let unknown = Companion::new().qr("2@nobody");
    let cases = [
        (get("/health"), "200"),
        (get("/nothing"), "404"),
        (get("/ws/chat"), "426"),
        (get("/admin/mock-phone/scan-qr"), "405"),
        (post("/admin/mock-phone/scan-qr", "garbage"), "400"),
        (post("/admin/mock-phone/scan-qr", &unknown), "404"),
        (post("/admin/mock-phone/scan-qr", &"x".repeat(100_000)), "413"),
    ];
    for (request, status) in cases {
        let answer = http(&endpoint, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }
    // Where nobody asked for the admin calls, there are none.
    let endpoint = server.listen("127.0.0.1:0", false).await.expect("listens");
    let answer = http(&endpoint, post("/admin/mock-phone/scan-qr", &unknown)).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert_eq!(endpoint.admin_url, None);
}

#[tokio::test]
async fn bytes_that_are_no_client_are_hung_up_on() {
    let server = TestServer::start().await;
    let endpoint = server.listen("127.0.0.1:0", false).await.expect("listens");
    for bytes in [
        &b"GET / HTTP/1.1"[..],
        b"WA\x05\x03\x00\x00\x01\x00",
        b"WA\x06\x03\xff\xff\xff",
        b"WA\x06\x03\x00\x00\x02ab",
    ] {
        let mut socket = socket(&endpoint).await;
        socket.send(bytes.to_vec()).await.expect("sends");
        assert!(!matches!(socket.recv().await, Ok(Some(_))));
    }
}
