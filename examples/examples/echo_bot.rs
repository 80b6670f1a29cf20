//! A bot that answers what people write to it, on the manager: answers are within the limits of any account, and are
//! counted by themselves. On the embedded test server, where a phone writes to it.
//!
//! ```sh
//! cargo run --example echo_bot
//! ```

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use wa_core::Message;
use wa_manager::event::EventKind;
use wa_manager::hub::{EventFilter, EventStream};
use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::sending::SendRequest;
use wa_manager::store::MemoryManagerStore;
use wa_manager::{Account, AccountSpec, AccountStatus, ClientManager, PathTemplate};
use wa_test_server::TestServer;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Outcome<()> {
    let (server, directory) = (TestServer::start().await, tempfile::tempdir()?);
    let (connector, root, http) = (server.connector(), server.trust_root(), server.media().http_client());
    let places = Arc::new(PathTemplate::new(directory.path(), "{name}.db")?);
    let manager = ClientManager::builder(Arc::new(MemoryManagerStore::new()), places)
        // On the live service it is `.version_source(fetch_current)` instead.
        .client(move |client, _| {
            client.connector(Arc::clone(&connector)).trust_root(root).http_client(Arc::clone(&http))
        })
        .build()
        .await?;
    let account = manager.create(AccountSpec::default()).await?;
    let kinds = vec![EventKind::MessageReceived];
    let filter = EventFilter { account: Some(account.id().clone()), kinds, ..EventFilter::default() };
    let events = manager.subscribe(filter, None);
    link(&account, &server).await?;
    let bot = tokio::spawn(run(account, events));

    let (anna, address) = (server.phone("anna"), server.phone("bot").pn().clone());
    for text in ["hello", "is anybody there?"] {
        anna.send_text(&address, text).await?;
        let answer = timeout(PATIENCE, anna.message()).await?;
        writeln!(std::io::stdout(), "anna: {text}\nbot: {}", answer.text().unwrap_or_default())?;
    }
    bot.abort();
    manager.shutdown(PATIENCE).await;
    Ok(())
}

/// The bot: one loop.
async fn run(account: Account, mut events: EventStream) -> Outcome<()> {
    loop {
        let event = events.next().await?;
        let field = |name: &str| event.data.get(name).and_then(|value| value.as_str());
        let (Some(chat), Some(text)) = (field("chat"), field("text")) else { continue };
        // In a broadcast list or a channel, an answer would be a post of our own.
        if !matches!(field("chatKind"), Some("direct" | "group")) {
            continue;
        }
        if event.data.get("fromMe").and_then(|value| value.as_bool()) == Some(false) {
            let answer = Message::text(format!("you said: {text}"));
            // The event's id as a key: an event that comes again is answered once.
            let request = SendRequest::new(chat.parse()?, answer).idempotency_key(event.id.as_str());
            // Beyond the account's limits, or while it is not connected: what came later is answered all the same.
            if let Err(error) = account.send(request).await {
                writeln!(std::io::stderr(), "not answered: {error}")?;
            }
        }
    }
}

async fn link(account: &Account, server: &TestServer) -> Outcome<()> {
    let mut ticket = account.pair(PairRequest::qr()).await?;
    while let Some(update) = timeout(PATIENCE, ticket.next()).await? {
        match update {
            PairingUpdate::Qr(qr) => {
                server.phone("bot").scan(qr.text.expose()).await?;
            }
            PairingUpdate::Linked(_) => break,
            PairingUpdate::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    let reached = account.reached(|snapshot| snapshot.status == AccountStatus::Ready);
    timeout(PATIENCE, reached).await?.ok_or("the account is gone")?;
    Ok(())
}
