//! What the child processes do: the server, and the accounts of one side.

mod group;
mod media;
pub(crate) mod past;
mod tap;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use wa_core::client::HistoryUse;
use wa_core::event::MessageReceived;
use wa_core::noise::TrustRoot;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::transport::{Connector, HttpClient};
use wa_core::{Client, Event, Events, Message};
use wa_store::{SqliteStore, Store};
use wa_test_server::{Config, TestServer};
use wa_types::{Jid, PublicKey};

use self::group::Chats;
use self::media::Http;
use self::tap::{Tap, Written};
use wa_benches::phones::scan;
use wa_benches::usage::Mark;
use wa_benches::{Fallible, say};

/// Nothing that a flow waits for takes this long.
const LIMIT: Duration = Duration::from_secs(60);

/// After the last message: receipts, confirmations and their commits count too.
const STRAGGLERS: Duration = Duration::from_millis(700);

/// How many accounts pair or log in side by side.
const SIDE_BY_SIDE: usize = 8;

/// The server, on a loopback port: tells where. Then it makes crowds, and tells what it used since it was last asked.
pub(crate) fn server() -> Fallible<()> {
    let runtime = Runtime::new()?;
    let config = Config { journal: 0, ref_lists: 10, ..Config::default() };
    let server = runtime.block_on(TestServer::with(config));
    let endpoint = runtime.block_on(server.listen_with_admin("127.0.0.1:0", false))?;
    let root = hex::encode(endpoint.root.public_key.as_bytes());
    let media = runtime.block_on(server.media().listen("127.0.0.1"))?;
    let certificate = hex::encode(&media.tls_certificate);
    let serial = endpoint.root.serial;
    say(&format!("{} {} {root} {serial} {certificate}", endpoint.url, endpoint.address))?;
    let mut mark = Mark::now();
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["usage"] => {
                say(&mark.used(mark.wall()).to_string())?;
                mark = Mark::now();
            }
            ["crowd", accounts, devices] => {
                let crowd = server.add_crowd(accounts.parse()?, devices.parse()?);
                say(&crowd.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))?;
            }
            ["past", phone, messages] => {
                let history = wa_benches::past::whole(messages.parse()?);
                // The phone asks for nothing but the number of the device.
                let companion = Jid::lid("1").with_device(1);
                let _guard = runtime.enter();
                server.phone(phone).send_history(&companion, &history)?;
                say("sent")?;
            }
            _ => return Err(format!("unknown command {line}").into()),
        }
    }
    Ok(())
}

/// Some accounts, each with a store of its own in `directory`.
pub(crate) fn accounts(server: &str, directory: &str) -> Fallible<()> {
    let runtime = Runtime::new()?;
    let accounts = Accounts::new(server, directory)?;
    let mut open = Vec::new();
    let (mut file, mut collected) = (None, Vec::new());
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["pair", count] => runtime.block_on(accounts.pair_all(count.parse()?)),
            ["login", count] => runtime.block_on(accounts.login(count.parse()?)),
            ["reconnect", count] => {
                let (_, client, _) = open.first().ok_or("no account is open")?;
                runtime.block_on(reconnect(client, count.parse()?))
            }
            ["open", count] => runtime.block_on(accounts.open_up_to(count.parse()?, &mut open)),
            ["send", to, count, window] => {
                let (_, client, events) = open.first_mut().ok_or("no account is open")?;
                runtime.block_on(send(client, events, &to.parse()?, count.parse()?, window.parse()?))
            }
            ["receive", count] => {
                let (_, _, events) = open.first_mut().ok_or("no account is open")?;
                runtime.block_on(receive(events, count.parse()?))
            }
            ["drain", count] => runtime.block_on(accounts.drain(count.parse()?)),
            ["collect", count] => {
                let (_, _, events) = open.first_mut().ok_or("no account is open")?;
                collected = runtime.block_on(collect(events, count.parse()?))?;
                Ok("collected".to_owned())
            }
            ["read"] => {
                let (_, client, _) = open.first().ok_or("no account is open")?;
                runtime.block_on(read(client, &collected))
            }
            ["await-read", count] => {
                let (_, _, events) = open.first_mut().ok_or("no account is open")?;
                runtime.block_on(await_read(events, count.parse()?))
            }
            ["upload", length, place] => {
                let (_, client, _) = open.first().ok_or("no account is open")?;
                let is_local = place == "local";
                let (uploaded, used) =
                    runtime.block_on(media::upload(client, &accounts.http, length.parse()?, is_local))?;
                file = Some(uploaded);
                Ok(used)
            }
            ["download"] => {
                let (_, client, _) = open.first().ok_or("no account is open")?;
                runtime.block_on(media::download(client, file.as_ref().ok_or("nothing was uploaded")?))
            }
            ["past", messages] => {
                let (_, client, _) = open.first().ok_or("no account is open")?;
                let mut reader = client.history().reader().ok_or("somebody reads")?;
                runtime.block_on(past::take(&mut reader, messages.parse()?))
            }
            ["create", members] => {
                let (_, client, _) = open.first().ok_or("no account is open")?;
                runtime.block_on(group::create(client, members))
            }
            ["compare", group, other, rounds] => {
                let mut chats = accounts.chats(&mut open, group, other)?;
                runtime.block_on(chats.compare(rounds.parse()?))
            }
            ["overtake", group, other] => {
                let mut chats = accounts.chats(&mut open, group, other)?;
                runtime.block_on(chats.overtake())
            }
            _ => Err(format!("unknown command {line}").into()),
        };
        say(&answer?)?;
    }
    for (_, client, _) in open {
        runtime.block_on(client.shutdown());
    }
    Ok(())
}

type Open = (Jid, Client, Events);

struct Accounts {
    connector: Arc<dyn Connector>,
    http: Arc<Http>,
    written: Written,
    admin: String,
    root: TrustRoot,
    directory: PathBuf,
}

impl Accounts {
    fn new(server: &str, directory: &str) -> Fallible<Self> {
        let [url, admin, root, serial, certificate] = server.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("no server: {server}").into());
        };
        let written = Written::default();
        let inner = Arc::new(WebSocketConnector::new(url)?);
        Ok(Self {
            connector: Arc::new(Tap { inner, written: written.clone() }),
            http: Arc::new(Http::new(&hex::decode(certificate)?)?),
            written,
            admin: admin.to_owned(),
            root: TrustRoot::new(PublicKey::from_raw(&hex::decode(root)?)?, serial.parse()?),
            directory: directory.into(),
        })
    }

    /// Opens an account's store, SQLite with its default durability, and connects.
    async fn connect(&self, number: usize) -> Fallible<(Client, Events, Arc<dyn Store>)> {
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(self.directory.join(format!("{number}.db"))).await?);
        // The phone of this name scans the code. Sides in different directories are different people.
        let name = format!("{}-{number}", self.directory.display());
        let (client, events) = Client::builder(Arc::clone(&store))
            .connector(Arc::clone(&self.connector))
            .http_client(Arc::clone(&self.http) as Arc<dyn HttpClient>)
            .history_use(HistoryUse::Deliver)
            .trust_root(self.root)
            .push_name(name)
            .connect()
            .await?;
        Ok((client, events, store))
    }

    async fn pair_all(&self, count: usize) -> Fallible<String> {
        let all = stream::iter((0..count).map(|number| self.pair(number)));
        all.buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>().await.into_iter().collect::<Fallible<()>>()?;
        Ok("paired".to_owned())
    }

    /// Links a new account, and closes it once all its keys are with the server.
    async fn pair(&self, number: usize) -> Fallible<()> {
        let (client, mut events, _store) = self.connect(number).await?;
        let qr = loop {
            if let Event::PairingQr(qr) = next(&mut events).await? {
                break qr;
            }
        };
        let admin = self.admin.clone();
        tokio::task::spawn_blocking(move || scan(&admin, None, &qr.text)).await??;
        while !matches!(next(&mut events).await?, Event::Connected) {}
        // The upload of keys follows the login.
        sleep(Duration::from_millis(500)).await;
        client.shutdown().await;
        Ok(())
    }

    /// Logs an account in again and again.
    async fn login(&self, count: usize) -> Fallible<String> {
        let mark = Mark::now();
        let mut wall = Duration::ZERO;
        for _ in 0..count {
            let start = Instant::now();
            let (client, _events, _store) = self.connect(0).await?;
            if !client.ready().await {
                return Err("the login failed".into());
            }
            wall += start.elapsed();
            client.shutdown().await;
        }
        Ok(mark.used(wall).to_string())
    }

    /// Logs more accounts in, until so many are; tells the first one's address and what this process uses.
    async fn open_up_to(&self, count: usize, open: &mut Vec<Open>) -> Fallible<String> {
        let mark = Mark::now();
        let more = (open.len()..count).map(|number| async move {
            let (client, events, store) = self.connect(number).await?;
            if !client.ready().await {
                return Err("the login failed".into());
            }
            let jid = store.account().await?.and_then(|account| account.jid).ok_or("not paired")?;
            Fallible::Ok((jid, client, events))
        });
        let opened: Vec<_> = stream::iter(more).buffered(SIDE_BY_SIDE).collect().await;
        open.extend(opened.into_iter().collect::<Fallible<Vec<_>>>()?);
        let wall = mark.wall();
        sleep(STRAGGLERS).await;
        let jid = open.first().map(|(jid, ..)| jid.to_user().to_string()).unwrap_or_default();
        Ok(format!("{jid} {}", mark.used(wall)))
    }
}

impl Accounts {
    /// Logs an account in for which so many messages wait, from opening its store to the last of them.
    async fn drain(&self, count: usize) -> Fallible<String> {
        let mark = Mark::now();
        let (client, mut events, _store) = self.connect(0).await?;
        let used = receive_since(mark, &mut events, count).await;
        client.shutdown().await;
        used
    }

    fn chats<'o>(&'o self, open: &'o mut [Open], group: &str, other: &str) -> Fallible<Chats<'o>> {
        let (_, client, events) = open.first_mut().ok_or("no account is open")?;
        Ok(Chats { client, events, written: &self.written, group: group.parse()?, other: other.parse()? })
    }
}

/// Ends the connection and comes back, again and again.
async fn reconnect(client: &Client, count: usize) -> Fallible<String> {
    let mark = Mark::now();
    let mut wall = Duration::ZERO;
    for _ in 0..count {
        client.disconnect().await;
        let start = Instant::now();
        client.reconnect().await?;
        if !client.ready().await {
            return Err("the login failed".into());
        }
        wall += start.elapsed();
    }
    Ok(mark.used(wall).to_string())
}

/// Sends texts with so many on their way, and waits until all are acknowledged and delivered.
async fn send(
    client: &Client,
    events: &mut Events,
    to: &Jid,
    count: usize,
    window: usize,
) -> Fallible<String> {
    let mark = Mark::now();
    let sending = stream::iter(0..count)
        .map(|number| client.send(to, Message::text(format!("message {number} of this run"))))
        .buffered(window)
        .collect::<Vec<_>>();
    let delivered = async {
        let mut ids = HashSet::new();
        while ids.len() < count {
            if let Event::Receipt(receipt) = next(events).await? {
                ids.extend(receipt.ids);
            }
        }
        Fallible::Ok(())
    };
    // What was not sent is never delivered: the first failure ends both.
    let acknowledged = async {
        let sent = sending.await;
        let wall = mark.wall();
        sent.into_iter().collect::<Result<Vec<_>, _>>()?;
        Fallible::Ok(wall)
    };
    let (wall, ()) = tokio::try_join!(acknowledged, delivered)?;
    sleep(STRAGGLERS).await;
    Ok(mark.used(wall).to_string())
}

/// Receives so many messages.
async fn receive(events: &mut Events, count: usize) -> Fallible<String> {
    receive_since(Mark::now(), events, count).await
}

async fn receive_since(mark: Mark, events: &mut Events, count: usize) -> Fallible<String> {
    let mut left = count;
    while left > 0 {
        if matches!(next(events).await?, Event::Message(_)) {
            left -= 1;
        }
    }
    let wall = mark.wall();
    // Asking for the next event confirms the last message.
    let _nothing_more = timeout(STRAGGLERS, events.next()).await;
    Ok(mark.used(wall).to_string())
}

/// Receives so many messages, and keeps them.
async fn collect(events: &mut Events, count: usize) -> Fallible<Vec<Box<MessageReceived>>> {
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        if let Event::Message(message) = next(events).await? {
            messages.push(message);
        }
    }
    // Asking for the next event confirms the last message.
    let _nothing_more = timeout(STRAGGLERS, events.next()).await;
    Ok(messages)
}

/// Marks messages as read, one by one.
async fn read(client: &Client, messages: &[Box<MessageReceived>]) -> Fallible<String> {
    let mark = Mark::now();
    for message in messages {
        client.mark_read(&[message]).await?;
    }
    let wall = mark.wall();
    sleep(STRAGGLERS).await;
    Ok(mark.used(wall).to_string())
}

/// Waits until so many messages were read.
async fn await_read(events: &mut Events, count: usize) -> Fallible<String> {
    let mark = Mark::now();
    let mut ids = HashSet::new();
    while ids.len() < count {
        if let Event::Receipt(receipt) = next(events).await?
            && receipt.kind == ReceiptKind::Read
        {
            ids.extend(receipt.ids);
        }
    }
    let wall = mark.wall();
    sleep(STRAGGLERS).await;
    Ok(mark.used(wall).to_string())
}

async fn next(events: &mut Events) -> Fallible<Event> {
    Ok(timeout(LIMIT, events.next()).await?.ok_or("the client ended")?)
}
