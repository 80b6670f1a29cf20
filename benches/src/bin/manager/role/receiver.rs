//! Somebody who receives webhooks: an HTTP server that takes everything.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use wa_benches::usage::Mark;
use wa_benches::{Fallible, say};

#[derive(Debug, Default)]
struct Received {
    count: AtomicUsize,
    news: Notify,
}

/// Tells where it listens; then, each time that so many more events came, what it used for them.
pub(crate) fn receiver() -> Fallible<()> {
    let runtime = Runtime::new()?;
    let received = Arc::new(Received::default());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    say(&listener.local_addr()?.to_string())?;
    runtime.spawn(serve(listener, Arc::clone(&received)));
    let mut wanted = 0;
    for line in std::io::stdin().lines() {
        let line = line?;
        let ["await", count] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("unknown command {line}").into());
        };
        wanted += count.parse::<usize>()?;
        let mark = Mark::now();
        runtime.block_on(async {
            while received.count.load(Ordering::SeqCst) < wanted {
                received.news.notified().await;
            }
        });
        say(&mark.used(mark.wall()).to_string())?;
    }
    Ok(())
}

async fn serve(listener: TcpListener, received: Arc<Received>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let received = Arc::clone(&received);
        tokio::spawn(async move {
            let service = service_fn(|request| take(request, &received));
            let _closed = http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
        });
    }
}

async fn take(request: Request<Incoming>, received: &Received) -> Result<Response<Empty<Bytes>>, Infallible> {
    if request.into_body().collect().await.is_ok() {
        received.count.fetch_add(1, Ordering::SeqCst);
        received.news.notify_one();
    }
    Ok(Response::new(Empty::new()))
}
