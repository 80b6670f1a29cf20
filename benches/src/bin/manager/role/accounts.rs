//! A manager with accounts, on the files that the reference server would use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use wa_benches::phones::scan;
use wa_benches::times::Times;
use wa_benches::usage::{Mark, Usage};
use wa_benches::{Fallible, say};
use wa_core::client::ClientBuilder;
use wa_core::noise::TrustRoot;
use wa_core::transport::TlsRoots;
use wa_core::transport::https::HttpsClient;
use wa_core::transport::websocket::WebSocketConnector;
use wa_manager::account::AccountRecord;
use wa_manager::event::EventKind;
use wa_manager::hub::EventFilter;
use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::store::SqliteManagerStore;
use wa_manager::{
    Account, AccountKey, AccountName, AccountSpec, AccountStatus, ClientManager, PathTemplate, TenantId,
};
use wa_types::PublicKey;

use super::STRAGGLERS;
use crate::{name, phone};

/// Nothing that is waited for takes this long.
const LIMIT: Duration = Duration::from_secs(300);

/// How many accounts start side by side.
const SIDE_BY_SIDE: usize = 16;

/// A manager on a directory, with accounts at the test server that a file describes. Its phones scan at `admin`. Tells what
/// the process used before it has the manager, and then with it; then it does what it is told.
pub(crate) fn accounts(file: &str, admin: &str, directory: &str) -> Fallible<()> {
    let runtime = Runtime::new()?;
    // What the process has without a manager, and with one whose accounts do not run.
    let mark = Mark::now();
    say(&mark.used(mark.wall()).to_string())?;
    let manager = runtime.block_on(manager(Path::new(file), directory.into()))?;
    say(&mark.used(mark.wall()).to_string())?;
    let scene = Scene { manager: manager.clone(), admin: admin.to_owned() };
    for line in std::io::stdin().lines() {
        let line = line?;
        let answer = match line.split(' ').collect::<Vec<_>>()[..] {
            ["link", count, at_once] => runtime.block_on(scene.link(count.parse()?, at_once.parse()?)),
            ["start", count] => runtime.block_on(scene.start(count.parse()?)),
            ["restore", count] => runtime.block_on(scene.restore(count.parse()?)),
            ["receive", count] => runtime.block_on(scene.receive(count.parse()?)),
            ["stop"] => runtime.block_on(scene.stop()),
            ["connected"] => Ok(manager.health().connected.to_string()),
            ["files"] => open_files(),
            ["end"] => {
                runtime.block_on(manager.shutdown(LIMIT));
                Ok("ended".to_owned())
            }
            _ => Err(format!("unknown command {line}").into()),
        };
        say(&answer?)?;
    }
    Ok(())
}

/// How many files and sockets this process has open; 0 where there is no `/proc`.
fn open_files() -> Fallible<String> {
    Ok(std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count).to_string())
}

/// On the files that `wa-server --data` has.
async fn manager(file: &Path, directory: PathBuf) -> Fallible<ClientManager> {
    let store = Arc::new(SqliteManagerStore::open(directory.join("manager.db"))?);
    let places = Arc::new(PathTemplate::new(directory.join("accounts"), "{tenant}/{name}.db")?);
    Ok(ClientManager::builder(store, places).client(client(file)?).build().await?)
}

/// Sends clients to the test server that this file describes.
fn client(
    file: &Path,
) -> Fallible<impl Fn(ClientBuilder, &AccountRecord) -> ClientBuilder + Send + Sync + 'static + use<>> {
    let server: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let text = |field: &str| server.get(field).and_then(Value::as_str).ok_or("no server");
    let connector = Arc::new(WebSocketConnector::new(text("url")?)?);
    let root = TrustRoot::new(PublicKey::from_raw(&hex::decode(text("root_key")?)?)?, 0);
    let roots = TlsRoots::none().with_certificate(&STANDARD.decode(text("media_certificate")?)?)?;
    let http = Arc::new(HttpsClient::new(&roots));
    Ok(move |builder: ClientBuilder, _: &AccountRecord| {
        builder.connector(Arc::clone(&connector) as _).trust_root(root).http_client(Arc::clone(&http) as _)
    })
}

struct Scene {
    manager: ClientManager,
    admin: String,
}

impl Scene {
    fn account(&self, number: usize) -> Fallible<Account> {
        Ok(self.manager.account(&AccountKey::Name(TenantId::default(), AccountName::new(name(number))?))?)
    }

    /// Makes so many accounts and links each to a phone of its own, until they are ready. Tells what was used, and how
    /// long each one took.
    async fn link(&self, count: usize, at_once: usize) -> Fallible<String> {
        let mark = Mark::now();
        let all = stream::iter((0..count).map(|number| self.link_one(number))).buffer_unordered(at_once);
        let times = all.collect::<Vec<_>>().await.into_iter().collect::<Fallible<Vec<_>>>()?;
        let wall = mark.wall();
        sleep(STRAGGLERS).await;
        Ok(format!("{};{}", mark.used(wall), Times::of(times)))
    }

    async fn link_one(&self, number: usize) -> Fallible<Duration> {
        let start = Instant::now();
        let spec = AccountSpec { name: Some(AccountName::new(name(number))?), ..AccountSpec::default() };
        let account = self.manager.create(spec).await?;
        let mut ticket = account.pair(PairRequest::qr()).await?;
        while let Some(update) = timeout(LIMIT, ticket.next()).await? {
            match update {
                PairingUpdate::Qr(shown) => {
                    let admin = self.admin.clone();
                    let text = shown.text.expose().to_owned();
                    let scanned = move || scan(&admin, Some(&phone(number)), &text);
                    tokio::task::spawn_blocking(scanned).await??;
                }
                PairingUpdate::Linked(_) => break,
                PairingUpdate::Failed(error) => return Err(error.into()),
                _ => {}
            }
        }
        ready(&account).await?;
        Ok(start.elapsed())
    }

    /// Starts the first so many accounts, some at a time, until all are ready.
    async fn start(&self, count: usize) -> Fallible<String> {
        let mark = Mark::now();
        let all = stream::iter((0..count).map(|number| async move {
            let account = self.account(number)?;
            account.start().await?;
            ready(&account).await
        }));
        let all = all.buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>().await;
        all.into_iter().collect::<Fallible<()>>()?;
        settled(mark).await
    }

    /// Starts what ran when the last process ended, until all so many are ready.
    async fn restore(&self, count: usize) -> Fallible<String> {
        let mark = Mark::now();
        let report = self.manager.restore().await;
        if let Some((account, error)) = report.failed.first() {
            return Err(format!("{account} was not restored: {error}").into());
        }
        for number in 0..count {
            ready(&self.account(number)?).await?;
        }
        settled(mark).await
    }

    /// Waits until so many messages were received, which is told after they are stored.
    async fn receive(&self, count: usize) -> Fallible<String> {
        let kinds = vec![EventKind::MessageReceived];
        let mut events = self.manager.subscribe(EventFilter { kinds, ..EventFilter::default() }, None);
        let mark = Mark::now();
        say("listening")?;
        for _ in 0..count {
            timeout(LIMIT, events.next()).await??;
        }
        settled(mark).await
    }

    /// Stops all accounts.
    async fn stop(&self) -> Fallible<String> {
        let mark = Mark::now();
        for result in self.manager.stop_all(&TenantId::default()).await {
            result.result?;
        }
        settled(mark).await
    }
}

async fn ready(account: &Account) -> Fallible<()> {
    let is_ready = account.reached(|snapshot| snapshot.status == AccountStatus::Ready);
    timeout(LIMIT, is_ready).await?.ok_or("the account is gone")?;
    Ok(())
}

/// What was used since; what follows the last event counts, but not its time.
async fn settled(mark: Mark) -> Fallible<String> {
    let wall = mark.wall();
    sleep(STRAGGLERS).await;
    let used: Usage = mark.used(wall);
    Ok(used.to_string())
}
