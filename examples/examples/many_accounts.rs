//! Ten accounts in one process, on the embedded test server: two are linked at once, the others one after the other, all
//! are ready at the same time, one crashes on purpose and comes back, and a restart of the manager brings them all back.
//!
//! ```sh
//! cargo run --example many_accounts
//! ```

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::store::SqliteManagerStore;
use wa_manager::{
    Account, AccountKey, AccountName, AccountSpec, AccountStatus, ClientManager, PathTemplate, TenantId,
};
use wa_test_server::TestServer;

type Outcome<T> = Result<T, Box<dyn Error>>;

const COUNT: usize = 10;

#[tokio::main]
async fn main() -> Outcome<()> {
    let (server, directory) = (TestServer::start().await, tempfile::tempdir()?);
    let manager = open(&server, directory.path()).await?;

    // Two at once: each with a client, a store and a connection of its own.
    let (first, second) = tokio::join!(link(&manager, &server, 0), link(&manager, &server, 1));
    say(&format!("linked at once: {} and {}", first?.name(), second?.name()))?;
    for number in 2..COUNT {
        link(&manager, &server, number).await?;
    }
    say(&format!("{} of {COUNT} accounts are ready", all_of(manager.health().connected, COUNT)?))?;

    // What happens to one account happens to that one alone.
    CRASHES.store(true, Ordering::SeqCst);
    let crashing = manager.account(&key(3)?)?;
    let Err(error) = crashing.restart().await else { return Err("it did not crash".into()) };
    let mut others = 0;
    for number in (0..COUNT).filter(|number| *number != 3) {
        others += usize::from(manager.account(&key(number)?)?.status() == AccountStatus::Ready);
    }
    say(&format!("account-3: {error}; {} others are ready", all_of(others, COUNT - 1)?))?;
    ready(&crashing).await?;
    say("account-3 is back by itself")?;

    // After a restart of the process what ran runs again.
    manager.shutdown(Duration::from_secs(10)).await;
    drop(manager);
    let manager = open(&server, directory.path()).await?;
    let report = manager.restore().await;
    for number in 0..COUNT {
        ready(&manager.account(&key(number)?)?).await?;
    }
    say(&format!("after a restart {} accounts are ready again", all_of(report.started.len(), COUNT)?))?;
    manager.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// The third account crashes once when this is set.
static CRASHES: AtomicBool = AtomicBool::new(false);

async fn open(server: &TestServer, directory: &std::path::Path) -> Outcome<ClientManager> {
    let store = Arc::new(SqliteManagerStore::open(directory.join("manager.db"))?);
    let places = Arc::new(PathTemplate::new(directory, "{tenant}/{name}.db")?);
    // On the live service it is `.version_source(fetch_current)` instead.
    let (connector, root, http) = (server.connector(), server.trust_root(), server.media().http_client());
    let builder = ClientManager::builder(store, places).client(move |client, account| {
        assert!(
            account.name.as_str() != "account-3" || !CRASHES.swap(false, Ordering::SeqCst),
            "this account crashes on purpose"
        );
        client.connector(Arc::clone(&connector)).trust_root(root).http_client(Arc::clone(&http))
    });
    Ok(builder.build().await?)
}

fn key(number: usize) -> Outcome<AccountKey> {
    Ok(AccountKey::Name(TenantId::default(), AccountName::new(format!("account-{number}"))?))
}

async fn link(manager: &ClientManager, server: &TestServer, number: usize) -> Outcome<Account> {
    let AccountKey::Name(_, name) = key(number)? else { return Err("a key by name".into()) };
    let account = manager.create(AccountSpec { name: Some(name), ..AccountSpec::default() }).await?;
    let mut ticket = account.pair(PairRequest::qr()).await?;
    while let Some(update) = ticket.next().await {
        match update {
            // In life somebody holds a phone in front of this.
            PairingUpdate::Qr(qr) => {
                server.phone(&format!("phone {number}")).scan(qr.text.expose()).await?;
            }
            PairingUpdate::Linked(_) => break,
            PairingUpdate::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    ready(&account).await?;
    Ok(account)
}

async fn ready(account: &Account) -> Outcome<()> {
    let reached = account.reached(|snapshot| snapshot.status == AccountStatus::Ready);
    tokio::time::timeout(Duration::from_secs(30), reached).await?.ok_or("the account is gone")?;
    Ok(())
}

/// So many, if that is all of them.
fn all_of(count: usize, all: usize) -> Outcome<usize> {
    if count == all { Ok(count) } else { Err(format!("{count} instead of {all} accounts").into()) }
}

fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}
