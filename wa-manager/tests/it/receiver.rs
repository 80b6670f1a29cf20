//! Somebody who receives webhooks: an HTTP server on this machine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or_else(|| panic!("no {name} in {self:?}"), |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The number that the test gave the event.
    pub(crate) fn number(&self) -> u64 {
        self.json()["data"]["number"].as_u64().unwrap()
    }
}

/// What to answer: a status, and a header; nothing at all for status 0.
pub(crate) type Answer = (u16, Option<(&'static str, String)>);

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    news: Arc<Notify>,
    task: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (received, news): (Arc<Mutex<Vec<Received>>>, _) = (Arc::default(), Arc::new(Notify::new()));
        let script: Arc<Script> = Arc::new(script);
        let mut task = JoinSet::new();
        let (kept, told) = (Arc::clone(&received), Arc::clone(&news));
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (kept, told, script) = (Arc::clone(&kept), Arc::clone(&told), Arc::clone(&script));
                connections.spawn(async move {
                    let service = service_fn(|request| {
                        let (kept, told, script) =
                            (Arc::clone(&kept), Arc::clone(&told), Arc::clone(&script));
                        async move { answer(request, &kept, &told, &*script).await }
                    });
                    let _closed = http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
                });
            }
        });
        Self { address, received, news, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?token=t", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        while self.received.lock().unwrap().len() < count {
            self.news.notified().await;
        }
        self.received()
    }

    /// Waits until what came is enough.
    pub(crate) async fn wait_until(&self, is_enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        loop {
            let received = self.received();
            if is_enough(&received) {
                return received;
            }
            self.news.notified().await;
        }
    }

    /// Waits until the event of this number came.
    pub(crate) async fn wait_for_number(&self, number: u64) -> Vec<Received> {
        self.wait_until(|received| received.iter().any(|one| one.number() == number)).await
    }

    /// Ends, with all connections; returns all that came.
    pub(crate) async fn end(mut self) -> Vec<Received> {
        self.task.shutdown().await;
        self.received()
    }
}

async fn answer(
    request: Request<Incoming>,
    kept: &Mutex<Vec<Received>>,
    told: &Notify,
    script: &Script,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let headers = request.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let body = request.into_body().collect().await.unwrap().to_bytes().to_vec();
    let received = Received { headers, body };
    let (status, header) = script(&received);
    kept.lock().unwrap().push(received);
    told.notify_one();
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    Ok(response.body(Empty::new()).unwrap())
}
