//! Many accounts over REST and WebSocket, with a page: the reference server of `wa-manager`.
//!
//! ```sh
//! cargo run -p wa-server -- --sandbox
//! ```
//!
//! | File | Subject |
//! |---|---|
//! | `options` | the command line |
//! | `app` | what all requests share, and where they go |
//! | `auth`, `keys`, `rates` | who calls, what they may, how often |
//! | `body`, `problem` | what comes in, and errors as answers |
//! | `rest` | what can be asked and told |
//! | `ws` | what happens, as it happens |
//! | `passkeys` | tickets that wait for a passkey |
//! | `qr`, `page` | pictures, and the page |
//! | `idempotency` | the same request twice |
//! | `sandbox`, `test_server` | a test server instead of the real service, in this process or in another |
#![allow(clippy::print_stdout, reason = "a program says where it listens")]

mod app;
mod auth;
mod body;
mod idempotency;
mod keys;
mod options;
mod page;
mod passkeys;
mod problem;
mod qr;
mod rates;
mod rest;
mod sandbox;
mod test_server;
mod ws;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;
use wa_core::client::version::fetch_current;
use wa_core::transport::TlsRoots;
use wa_manager::account::AccountSettings;
use wa_manager::clock::{Clock, SystemClock};
use wa_manager::pairing::SqlitePairingStore;
use wa_manager::store::SqliteManagerStore;
use wa_manager::webhook::Reach;
use wa_manager::{ClientManager, PathTemplate, TenantId};

use crate::app::App;
use crate::idempotency::Idempotency;
use crate::keys::{Key, KeyStore, Scope};
use crate::options::{Backend, Options, USAGE};
use crate::passkeys::Passkeys;
use crate::rest::health::Answered;
use crate::rest::nodes::Node;
use crate::sandbox::Sandbox;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How long the accounts have to end.
const GRACE: Duration = Duration::from_secs(15);
/// How long clients have to hear their answers and goodbyes after that.
const LINGER: Duration = Duration::from_secs(3);
/// Into which times are sorted, in seconds: from a commit to the probation of a link.
const BUCKETS: [f64; 14] =
    [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0];
/// How often figures are put together.
const UPKEEP: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("wa-server: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wa-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Outcome<()> {
    let defaults = match &options.defaults {
        Some(file) => settings(file).map_err(|error| format!("--defaults {}: {error}", file.display()))?,
        None => AccountSettings::default(),
    };
    make_private(&options.data)?;
    // Before anything is made: a second server on this port is told so now.
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        format!("cannot listen on {}: {error}; --listen takes another address", options.listen)
    })?;
    let metrics = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    wa_manager::figures::describe();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let sandbox = if options.backend == Backend::Sandbox { Some(Sandbox::start().await) } else { None };

    let store = Arc::new(SqliteManagerStore::open(options.data.join("manager.db"))?);
    let places = Arc::new(PathTemplate::new(options.data.join("accounts"), "{tenant}/{name}.db")?);
    let pairing = Arc::new(SqlitePairingStore::open(options.data.join("pairing.db"))?);
    let mut builder = ClientManager::builder(store, places).clock(Arc::clone(&clock)).pairing_store(pairing);
    builder = builder.defaults(defaults.clone());
    builder = match (&sandbox, &options.backend) {
        (Some(sandbox), _) => builder.client(sandbox.client()),
        (None, Backend::TestServer(file)) => {
            let client = test_server::client(file);
            builder.client(client.map_err(|error| format!("--test-server {}: {error}", file.display()))?)
        }
        (None, _) => builder.version_source(fetch_current),
    };
    let reach = Reach { private: options.allows_private_webhooks, ..Reach::default() };
    let roots = match &options.certificates {
        Some(file) => trusted(file).map_err(|error| format!("--ca {}: {error}", file.display()))?,
        None => TlsRoots::mozilla(),
    };
    builder = builder.webhooks(move |webhooks| webhooks.reach(reach).roots(roots));
    let manager = builder.build().await?;

    let keys = KeyStore::open(&options.data.join("keys.db"))?;
    let idempotency = Idempotency::open(&options.data.join("answers.db"))?;
    first_key(&keys, clock.wall().0).await?;
    let node = Node::new(clock.wall().0);
    let drain = node.drain.clone();
    let app = Arc::new(App {
        base: options.base.clone(),
        manager: manager.clone(),
        defaults,
        keys,
        clock,
        rates: rates::Rates::new(options.per_minute, options.intake_per_minute),
        idempotency,
        tickets: ws::Tickets::default(),
        sockets: TaskTracker::new(),
        passkeys: Passkeys::default(),
        metrics: metrics.clone(),
        node,
        answered: Answered::default(),
        sandbox,
    });
    let address = listener.local_addr()?;
    // A frame that follows another waits for nobody: without this, 40 ms for an acknowledgement that clients delay.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "frames to a client may wait for each other");
        }
    });
    println!("listening on http://{address}{}", options.base);
    let restoring = tokio::spawn({
        let manager = manager.clone();
        async move {
            let report = manager.restore().await;
            for (account, error) in &report.failed {
                tracing::warn!(%account, %error, "an account was not restored");
            }
        }
    });
    let upkeep = tokio::spawn(async move {
        let mut often = tokio::time::interval(UPKEEP);
        loop {
            often.tick().await;
            metrics.run_upkeep();
        }
    });
    let service = app.router().into_make_service_with_connect_info::<SocketAddr>();
    let over = CancellationToken::new();
    let served =
        axum::serve(listener, service).with_graceful_shutdown(stopped(manager.clone(), drain, over.clone()));
    let served = ended(served, &app.sockets, &over).await;
    restoring.abort();
    upkeep.abort();
    served?;
    Ok(())
}

/// Waits until all was answered, and every socket was told goodbye. Whoever holds a connection open does not hold the server for
/// long after it is over.
async fn ended(
    served: impl IntoFuture<Output = io::Result<()>>,
    sockets: &TaskTracker,
    over: &CancellationToken,
) -> io::Result<()> {
    let all = async {
        let served = served.await;
        // To the framework they are no connections any more.
        sockets.close();
        sockets.wait().await;
        served
    };
    let too_long = async {
        over.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        served = all => served,
        () = too_long => Ok(()),
    }
}

/// What browsers trust, and the certificates in this file.
fn trusted(file: &Path) -> Outcome<TlsRoots> {
    Ok(TlsRoots::mozilla().with_pem(&std::fs::read(file)?)?)
}

/// The settings in this file.
fn settings(file: &Path) -> Outcome<AccountSettings> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// A directory that nobody else reads.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// The key with which everything begins; it is shown once.
async fn first_key(keys: &KeyStore, now: u64) -> Outcome<()> {
    if !keys.is_empty() {
        return Ok(());
    }
    let text = keys::generate();
    let key = Key {
        id: rest::key_id(),
        label: "the first one".to_owned(),
        tenant: TenantId::default(),
        accounts: BTreeSet::new(),
        scopes: BTreeSet::from([Scope::Admin]),
        addresses: BTreeSet::new(),
        expires_at: None,
        created_at: now,
    };
    // Shown first: one that was stored and never shown would be the only one, and nobody had it.
    println!("admin key: {}", text.as_str());
    keys.add(&text, key).await?;
    Ok(())
}

/// Waits for the wish to end, and ends the accounts: sockets end with them, so that the server can end.
async fn stopped(manager: ClientManager, drain: CancellationToken, over: CancellationToken) {
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
        () = drain.cancelled() => {}
    }
    manager.shutdown(GRACE).await;
    over.cancel();
}
