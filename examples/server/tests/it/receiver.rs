//! Whoever gets the deliveries of a webhook: a server over a real socket, which checks their signatures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use wa_manager::clock::{Clock as _, SystemClock};
use wa_manager::webhook::{WebhookSecret, verify};

/// What deliveries are signed with.
pub(crate) const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// What a webhook was sent: of each account the numbers of its events, as they came.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    got: Arc<Mutex<BTreeMap<String, Vec<u64>>>>,
    /// How many deliveries came.
    pub(crate) count: watch::Sender<usize>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self { url, got: Arc::default(), count: watch::Sender::new(0) };
        let router = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub(crate) fn of(&self, account: &str) -> Vec<u64> {
        self.got.lock().unwrap().get(account).cloned().unwrap_or_default()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let secret = [WebhookSecret::parse(SECRET).unwrap()];
    verify(pairs, &body, &secret, SystemClock::new().wall(), Duration::from_secs(300)).unwrap();
    let event: Value = serde_json::from_slice(&body).unwrap();
    let account = event["account"]["id"].as_str().unwrap().to_owned();
    receiver.got.lock().unwrap().entry(account).or_default().push(event["accountSeq"].as_u64().unwrap());
    receiver.count.send_modify(|count| *count += 1);
    StatusCode::NO_CONTENT
}
