//! Whoever gets the deliveries of a webhook: a server over a real socket, which checks their signatures.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;
use wa_manager::clock::{Clock as _, SystemClock};
use wa_manager::webhook::{WebhookSecret, verify};

/// What deliveries are signed with.
pub(crate) const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// What they may be signed with, too.
pub(crate) const NEXT_SECRET: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

/// Whether a delivery is signed with this secret, just now.
pub(crate) fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let secret = [WebhookSecret::parse(secret).unwrap()];
    verify(pairs, body, &secret, SystemClock::new().wall(), Duration::from_secs(300)).is_ok()
}

/// What a webhook was sent, as it came.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    /// What is answered.
    status: Arc<Mutex<StatusCode>>,
    /// How many deliveries came.
    pub(crate) count: watch::Sender<usize>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self::at("http", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, receiver.router()).into_future());
        receiver
    }

    /// Over TLS, with a certificate (PEM) that it issued to itself. Tells of connections that were refused because of it.
    pub(crate) async fn start_with_tls() -> (Self, String, watch::Receiver<usize>) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(&certificate)
        );
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self::at("https", tcp.local_addr().unwrap());
        let refused = watch::Sender::new(0);
        let listener =
            TlsListener { tcp, acceptor: TlsAcceptor::from(Arc::new(config)), refused: refused.clone() };
        tokio::spawn(axum::serve(listener, receiver.router()).into_future());
        (receiver, pem, refused.subscribe())
    }

    fn at(scheme: &str, address: SocketAddr) -> Self {
        let url = format!("{scheme}://{address}/hook");
        let status = Arc::new(Mutex::new(StatusCode::NO_CONTENT));
        Self { url, got: Arc::default(), status, count: watch::Sender::new(0) }
    }

    fn router(&self) -> Router {
        Router::new().route("/hook", post(receive)).with_state(self.clone())
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, status: StatusCode) {
        *self.status.lock().unwrap() = status;
    }

    /// All that came, as it came.
    pub(crate) fn all(&self) -> Vec<(HeaderMap, Bytes)> {
        self.got.lock().unwrap().clone()
    }

    /// What came for an account, as it came.
    pub(crate) fn bodies(&self, account: &str) -> Vec<Value> {
        let bodies = self.all().into_iter().map(|(_, body)| serde_json::from_slice::<Value>(&body).unwrap());
        bodies.filter(|event| event["account"]["id"] == account).collect()
    }

    /// The numbers of the events of an account, as they came.
    pub(crate) fn of(&self, account: &str) -> Vec<u64> {
        self.bodies(account).iter().map(|event| event["accountSeq"].as_u64().unwrap()).collect()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert!([SECRET, NEXT_SECRET].iter().any(|secret| is_signed(&headers, &body, secret)), "{headers:?}");
    receiver.got.lock().unwrap().push((headers, body));
    receiver.count.send_modify(|count| *count += 1);
    *receiver.status.lock().unwrap()
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    refused: watch::Sender<usize>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            match self.acceptor.accept(stream).await {
                Ok(stream) => return (stream, address),
                Err(_) => self.refused.send_modify(|count| *count += 1),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
