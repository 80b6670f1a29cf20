//! One linked device, spoken to in lines of JSON: our side of the interop suites. `../baileys/README.md` has the
//! protocol.
#![allow(clippy::print_stdout)]

mod content;
mod social;

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use wa_core::client::{CreatedGroup, HistoryReader, HistoryUse, MemberOutcome, PairCodeOptions};
use wa_core::connection::CloseReason;
use wa_core::event::RecoveredBy;
use wa_core::history::HistoryItem;
use wa_core::noise::TrustRoot;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::transport::https::HttpsClient;
use wa_core::transport::tls::TlsRoots;
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::{Client, Event, GroupError, Message, MessageReceived, RepairTimes, Sent};
use wa_store::{MemoryStore, Store};
use wa_types::{Jid, JidError, PublicKey};

use self::content::{Known, Sending};
use self::social::Act;

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Command {
    Pair,
    PairCode { number: String, code: Option<String> },
    Connect,
    Disconnect,
    Send { to: Address, content: Sending },
    Read { ids: Vec<String> },
    CreateGroup { subject: String, members: Vec<Address> },
    Add { group: Address, members: Vec<Address> },
    Remove { group: Address, members: Vec<Address> },
    Do { what: Act },
}

/// A JID in a command.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Address(Jid);

impl TryFrom<String> for Address {
    type Error = JidError;

    fn try_from(text: String) -> std::result::Result<Self, JidError> {
        text.parse().map(Self)
    }
}

/// The users that a command names, without device numbers.
fn users(addresses: Vec<Address>) -> Vec<Jid> {
    addresses.into_iter().map(|Address(jid)| jid.to_user()).collect()
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::new("wa_core=trace"))
        .init();
    let mut options = HashMap::new();
    let mut args = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        options.insert(name, value);
    }
    let option = |name: &str| options.get(name).cloned().ok_or_else(|| format!("{name} is missing"));
    let root_key = PublicKey::from_raw(&hex::decode(option("--root-key")?)?)?;
    let certificate = hex::decode(option("--media-certificate")?)?;
    let http = HttpsClient::new(&TlsRoots::none().with_certificate(&certificate)?);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Some(first) = lines.next_line().await? else { return Ok(()) };
    let first = serde_json::from_str(&first)?;
    // Longer than any test: what is recovered comes from its sender.
    let mut repair = RepairTimes::default();
    repair.phone_after = Duration::from_secs(3600);
    let (client, events) = Client::builder(Arc::clone(&store))
        .connector(Arc::new(WebSocketConnector::new(&option("--url")?)?))
        .http_client(Arc::new(http))
        .trust_root(TrustRoot::new(root_key, 0))
        .push_name(option("--push-name")?)
        .repair_times(repair)
        .history_use(HistoryUse::Deliver)
        .connect()
        .await?;
    let known = Arc::new(Known::default());
    let listening = listen(client.clone(), events, store, Arc::clone(&known));
    let past = client.history().reader().ok_or("no reader of the past")?;
    let history = tokio::spawn(read_past(past));
    let listener = tokio::spawn(async move {
        if let Err(error) = listening.await {
            write(&json!({ "event": "error", "message": error.to_string() }));
        }
    });
    match first {
        Command::Pair => {}
        Command::PairCode { number, code } => {
            let mut options = PairCodeOptions::new();
            if let Some(code) = code {
                options = options.code(code.parse()?);
            }
            if let Err(error) = client.pair_with_code(&number.parse()?, options).await {
                failed("pair_code", error);
            }
        }
        _ => return Err("the first command is pair or pair_code".into()),
    }
    while let Some(line) = lines.next_line().await? {
        carry_out(&client, serde_json::from_str(&line)?, &known).await;
    }
    client.shutdown().await;
    listener.await?;
    history.await?;
    Ok(())
}

/// Tells the texts of the past, as they come.
async fn read_past(mut past: HistoryReader) {
    while let Some(part) = past.next().await {
        for item in part.batch.items {
            let HistoryItem::Message(message) = item else { continue };
            let said = message.message();
            let text = said.as_ref().and_then(Message::as_text);
            write(
                &json!({ "event": "past", "id": message.id.as_str(), "chat": message.chat.to_string(), "text": text }),
            );
        }
    }
}

async fn carry_out(client: &Client, command: Command, known: &Known) {
    match command {
        Command::Pair => failed("pair", "only as the first command"),
        Command::PairCode { .. } => failed("pair_code", "only as the first command"),
        Command::Connect => {
            if let Err(error) = client.reconnect().await {
                failed("connect", error);
            }
        }
        Command::Disconnect => {
            client.disconnect().await;
            write(&json!({ "event": "disconnected" }));
        }
        Command::Send { to, content } => match send(client, &to.0, content, known).await {
            Ok(sent) => write(&json!({ "event": "sent", "id": sent.id.as_str(), "t": sent.timestamp.0 })),
            Err(error) => failed("send", error),
        },
        Command::Read { ids } => {
            let Some(messages) = known.all_received(&ids) else {
                return failed("read", "a message that did not come");
            };
            let messages: Vec<&MessageReceived> = messages.iter().map(Arc::as_ref).collect();
            if let Err(error) = client.mark_read(&messages).await {
                failed("read", error);
            }
        }
        Command::CreateGroup { subject, members } => {
            match client.groups().create(&subject, &users(members)).await {
                Ok(created) if created.refused.is_empty() => {
                    let CreatedGroup { group, .. } = created;
                    write(&json!({
                        "event": "done",
                        "cmd": "create_group",
                        "group": group.jid.to_string(),
                        "addressing": group.addressing.as_str(),
                    }));
                }
                Ok(created) => failed("create_group", format_args!("refused: {:?}", created.refused)),
                Err(error) => failed("create_group", error),
            }
        }
        Command::Add { group, members } => {
            changed("add", client.groups().add(&group.0, &users(members)).await)
        }
        Command::Remove { group, members } => {
            changed("remove", client.groups().remove(&group.0, &users(members)).await)
        }
        Command::Do { what } => match social::act(client, what).await {
            Ok(result) => write(&json!({ "event": "done", "cmd": "do", "result": result })),
            Err(error) => failed("do", error),
        },
    }
}

async fn send(client: &Client, to: &Jid, content: Sending, known: &Known) -> Result<Sent> {
    let message = content.into_message(client, known).await?;
    let sent = client.send(&to.to_chat(), message.clone()).await?;
    known.sent(&sent, message);
    Ok(sent)
}

/// Answers a command that changed who is in a group: done, or failed if it was for a single one.
fn changed(cmd: &str, outcomes: std::result::Result<Vec<MemberOutcome>, GroupError>) {
    match outcomes {
        Ok(outcomes) => match outcomes.into_iter().find_map(|outcome| outcome.result.err()) {
            None => write(&json!({ "event": "done", "cmd": cmd })),
            Some(refusal) => failed(cmd, format_args!("refused: {refusal:?}")),
        },
        Err(error) => failed(cmd, error),
    }
}

async fn listen(
    client: Client,
    mut events: wa_core::Events,
    store: Arc<dyn Store>,
    known: Arc<Known>,
) -> Result<()> {
    // Logged in, and the backlog complete: these come in either order.
    let (mut is_connected, mut has_backlog) = (false, false);
    while let Some(event) = events.next().await {
        match &event {
            Event::Connected => is_connected = true,
            Event::BacklogDone { .. } => has_backlog = true,
            Event::Disconnected { .. } | Event::Closed { .. } => (is_connected, has_backlog) = (false, false),
            _ => {}
        }
        match event {
            Event::PairingQr(qr) => write(&json!({ "event": "qr", "text": qr.text })),
            Event::PairingCode(shown) => write(&json!({ "event": "code", "text": shown.code.to_string() })),
            Event::Connected | Event::BacklogDone { .. } if is_connected && has_backlog => {
                client.set_available(true).await?;
                let account = store.account().await?.ok_or("no account")?;
                let (jid, lid) =
                    (account.jid.map(|jid| jid.to_string()), account.lid.map(|lid| lid.to_string()));
                write(&json!({ "event": "ready", "jid": jid, "lid": lid }));
            }
            Event::Message(message) => {
                // Before it is told: a command may name it at once.
                let message = known.received(*message);
                write(&json!({
                    "event": "message",
                    "id": message.id.as_str(),
                    "chat": message.chat.to_string(),
                    "sender": message.sender.to_string(),
                    "from_me": message.from_me,
                    "content": content::describe(&message.message, &client, &known).await,
                    "post": message.post,
                    "t": message.timestamp.0,
                    "recovered": message.recovered.map(|by| match by {
                        RecoveredBy::Sender => "sender",
                        _ => "phone",
                    }),
                }));
            }
            Event::Undecryptable(message) => {
                let (id, reason) = (message.id.as_str(), message.error.to_string());
                write(&json!({ "event": "undecryptable", "id": id, "reason": reason }));
            }
            Event::MessageLost(lost) => {
                let (id, why) = (lost.id.as_str(), format!("{:?}", lost.why));
                write(&json!({ "event": "lost", "id": id, "why": why }));
            }
            Event::GroupChanged(change) => {
                if let Some(told) = social::group(&change) {
                    write(&told);
                }
            }
            Event::AppState(event) => {
                if let Some(told) = social::state(&event) {
                    write(&told);
                }
            }
            Event::Presence(change) => write(&social::presence(&change)),
            Event::ChatState(change) => write(&social::typing(&change)),
            Event::Newsletter(event) => social::channel(&event).iter().for_each(write),
            Event::Receipt(receipt) => {
                let kind = match receipt.kind {
                    ReceiptKind::Delivered => "delivered",
                    ReceiptKind::Read => "read",
                    _ => continue,
                };
                let ids: Vec<&str> = receipt.ids.iter().map(wa_types::MessageId::as_str).collect();
                write(
                    &json!({ "event": "receipt", "ids": ids, "kind": kind, "from": receipt.from.to_string() }),
                );
            }
            Event::Closed { reason: CloseReason::Requested } => {}
            Event::Closed { reason } | Event::LoggedOut { reason } => {
                write(&json!({ "event": "error", "message": reason.to_string() }));
            }
            _ => {}
        }
    }
    Ok(())
}

fn failed(cmd: &str, error: impl std::fmt::Display) {
    write(&json!({ "event": "error", "cmd": cmd, "message": error.to_string() }));
}

fn write(event: &Value) {
    println!("{event}");
}
