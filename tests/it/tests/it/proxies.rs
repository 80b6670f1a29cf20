//! Connections through proxies, real ones on this machine.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wa_core::Client;
use wa_core::client::Downloader;
use wa_core::media::MediaKind;
use wa_core::transport::https::HttpsClient;
use wa_core::transport::proxy::ProxyRefusal;
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::transport::{Connector as _, Proxy, TlsRoots};
use wa_it::next_qr;
use wa_store::MemoryStore;
use wa_test_server::TestServer;

/// The name and password that the proxies want.
const USER: &str = "us:er@x";
const PASSWORD: &str = "p@ss:word";

/// A proxy for both protocols, told apart by the first byte, that wants a password.
struct TinyProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl TinyProxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move { serve(stream, &noted).await });
            }
        });
        Self { address, asked, task }
    }

    fn url(&self, scheme: &str) -> Proxy {
        let url = format!("{scheme}://us%3Aer%40x:p%40ss%3Aword@{}", self.address);
        // The colon of a name is for SOCKS only.
        let url = if scheme == "http" { url.replace("us%3Aer", "user") } else { url };
        url.parse().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for TinyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let target = if first[0] == 5 { socks5(&mut stream).await? } else { connect(&mut stream).await? };
    let Some(target) = target else { return Ok(()) };
    asked.lock().unwrap().push(target.clone());
    // Nothing leaves this machine.
    let is_here = target.starts_with("localhost:") || target.starts_with("127.0.0.1:");
    let reached =
        if is_here { TcpStream::connect(&target).await } else { Err(io::ErrorKind::NotFound.into()) };
    let answer: &[u8] = match (first[0] == 5, reached.is_ok()) {
        (true, true) => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        (true, false) => &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0],
        (false, true) => b"HTTP/1.1 200 Connection established\r\nvia: tiny\r\n\r\n",
        (false, false) => b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    };
    stream.write_all(answer).await?;
    copy_bidirectional(&mut stream, &mut reached?).await?;
    Ok(())
}

/// Where the client wants to go; `None` when it was refused.
async fn connect(stream: &mut TcpStream) -> io::Result<Option<String>> {
    use base64::Engine as _;

    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("user@x:{PASSWORD}"));
    if !head.contains(&format!("Proxy-Authorization: Basic {pair}\r\n")) {
        stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await?;
        return Ok(None);
    }
    Ok(head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned))
}

async fn socks5(stream: &mut TcpStream) -> io::Result<Option<String>> {
    stream.read_u8().await?;
    let mut methods = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut methods).await?;
    if !methods.contains(&2) {
        stream.write_all(&[5, 0xff]).await?;
        return Ok(None);
    }
    stream.write_all(&[5, 2]).await?;
    stream.read_u8().await?;
    let mut user = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut user).await?;
    let mut password = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut password).await?;
    let is_known = user == USER.as_bytes() && password == PASSWORD.as_bytes();
    stream.write_all(&[1, u8::from(!is_known)]).await?;
    if !is_known {
        return Ok(None);
    }
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    assert_eq!(head[..3], [5, 1, 0]);
    let host = match head[3] {
        1 => std::net::Ipv4Addr::from(stream.read_u32().await?).to_string(),
        3 => {
            let mut name = vec![0; stream.read_u8().await?.into()];
            stream.read_exact(&mut name).await?;
            String::from_utf8(name).unwrap()
        }
        other => panic!("address of kind {other}"),
    };
    let port = stream.read_u16().await?;
    Ok(Some(format!("{host}:{port}")))
}

#[tokio::test]
async fn an_account_lives_behind_either_proxy() {
    for scheme in ["http", "socks5"] {
        let server = TestServer::start().await;
        let endpoint = server.listen("127.0.0.1:0", true).await.unwrap();
        let proxy = TinyProxy::start().await;
        let roots = TlsRoots::none().with_certificate(endpoint.tls_certificate.as_deref().unwrap()).unwrap();
        // By name: the proxy looks it up.
        let url = format!("wss://localhost:{}/ws/chat", endpoint.address.port());
        let connector = WebSocketConnector::with_roots(&url, &roots).unwrap().with_proxy(proxy.url(scheme));
        let builder = Client::builder(Arc::new(MemoryStore::new()))
            .connector(Arc::new(connector))
            .trust_root(server.trust_root());
        let (client, mut events) = builder.connect().await.unwrap();
        let alice = server.phone("alice");
        alice.scan(&next_qr(&mut events).await).await.unwrap();
        assert!(client.ready().await);
        let expected = format!("localhost:{}", endpoint.address.port());
        assert!(
            !proxy.asked().is_empty() && proxy.asked().iter().all(|asked| *asked == expected),
            "{scheme}"
        );
    }
}

#[tokio::test]
async fn media_go_through_their_own_proxy() {
    let server = TestServer::start().await;
    let endpoint = server.media().listen("127.0.0.1").await.unwrap();
    let roots = TlsRoots::none().with_certificate(&endpoint.tls_certificate).unwrap();
    let file = server.phone("alice").upload(MediaKind::Image, b"a picture");
    for scheme in ["http", "socks5"] {
        let proxy = TinyProxy::start().await;
        let http = HttpsClient::new(&roots).with_proxy(proxy.url(scheme));
        let downloader = Downloader::with_hosts(Arc::new(http), endpoint.hosts.clone());
        assert_eq!(downloader.download_bytes(&file, 100).await.unwrap(), b"a picture");
        assert_eq!(proxy.asked(), endpoint.hosts[..1], "{scheme}");
    }
}

#[tokio::test]
async fn the_builder_tells_the_proxies_apart() {
    let (chat, media) = (TinyProxy::start().await, TinyProxy::start().await);
    let server = TestServer::start().await;
    let store = Arc::new(MemoryStore::new());
    // Our own transports, to the live service: the proxies reach nothing, and note who wants to go where.
    let builder = Client::builder(store)
        .proxy(chat.url("socks5"))
        .media_proxy(Some(media.url("http")))
        .tls_roots(TlsRoots::mozilla());
    let file = server.phone("alice").upload(MediaKind::Image, b"a picture");
    let (client, _events) = builder.connect().await.unwrap();
    assert!(client.media().download_bytes(&file, 100).await.is_err());
    assert!(media.asked().iter().all(|asked| asked.starts_with("mmg")), "{:?}", media.asked());
    assert!(!media.asked().is_empty());
    assert!(chat.asked().iter().all(|asked| asked == "web.whatsapp.com:443"), "{:?}", chat.asked());
}

#[tokio::test]
async fn a_proxy_that_refuses_says_why() {
    let proxy = TinyProxy::start().await;
    let refusal = |error: io::Error| *error.get_ref().unwrap().downcast_ref::<ProxyRefusal>().unwrap();
    for scheme in ["http", "socks5"] {
        let stranger = format!("{scheme}://nobody:wrong@{}", proxy.address).parse().unwrap();
        let connector = WebSocketConnector::new("ws://localhost:1/").unwrap().with_proxy(stranger);
        assert_eq!(
            refusal(connector.connect(None).await.unwrap_err()),
            ProxyRefusal::Credentials,
            "{scheme}"
        );
        let nameless = format!("{scheme}://{}", proxy.address).parse().unwrap();
        let connector = WebSocketConnector::new("ws://localhost:1/").unwrap().with_proxy(nameless);
        assert_eq!(
            refusal(connector.connect(None).await.unwrap_err()),
            ProxyRefusal::Credentials,
            "{scheme}"
        );
        let connector = WebSocketConnector::new("ws://127.0.0.1:1/").unwrap().with_proxy(proxy.url(scheme));
        let expected = if scheme == "http" { 502 } else { 5 };
        assert_eq!(refusal(connector.connect(None).await.unwrap_err()), ProxyRefusal::Status(expected));
    }
}

#[tokio::test]
async fn what_is_no_proxy_is_noticed() {
    for (scheme, answer) in [("http", &b"SSH-2.0-nothing\r\n\r\n"[..]), ("socks5", &b"HTTP/1.1 400\r\n"[..])]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(answer).await?;
            stream.read_to_end(&mut Vec::new()).await
        });
        let http =
            HttpsClient::new(&TlsRoots::none()).with_proxy(format!("{scheme}://{address}").parse().unwrap());
        let request =
            wa_core::transport::HttpRequest::new(wa_core::transport::HttpMethod::Get, "https://localhost/");
        let error = wa_core::transport::HttpClient::send(&http, request).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{scheme}");
        let _however_it_ended = serving.await.unwrap();
    }
}
