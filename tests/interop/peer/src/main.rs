//! One linked device, spoken to in lines of JSON: our side of the interop suites. `../baileys/README.md` has the
//! protocol.
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use wa_core::connection::CloseReason;
use wa_core::noise::TrustRoot;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::{Client, Event, Message, MessageReceived};
use wa_store::{MemoryStore, Store};
use wa_types::{Jid, PublicKey};

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Command {
    Pair,
    Connect,
    Disconnect,
    Send { to: String, text: String },
    Read { ids: Vec<String> },
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
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Some(first) = lines.next_line().await? else { return Ok(()) };
    if !matches!(serde_json::from_str(&first)?, Command::Pair) {
        return Err("the first command is pair".into());
    }
    let (client, events) = Client::builder(Arc::clone(&store))
        .connector(Arc::new(WebSocketConnector::new(&option("--url")?)?))
        .trust_root(TrustRoot::new(root_key, 0))
        .push_name(option("--push-name")?)
        .connect()
        .await?;
    let (heard, mut hearing) = mpsc::channel(1);
    let listening = listen(client.clone(), events, store, heard);
    let listener = tokio::spawn(async move {
        if let Err(error) = listening.await {
            write(&json!({ "event": "error", "message": error.to_string() }));
        }
    });
    let mut received = HashMap::new();
    loop {
        tokio::select! {
            Some(message) = hearing.recv() => { remember(&mut received, message); }
            line = lines.next_line() => {
                let Some(line) = line? else { break };
                carry_out(&client, serde_json::from_str(&line)?, &received).await;
            }
        }
    }
    client.shutdown().await;
    listener.await?;
    Ok(())
}

fn remember(received: &mut HashMap<String, MessageReceived>, message: MessageReceived) {
    received.insert(message.id.to_string(), message);
}

async fn carry_out(client: &Client, command: Command, received: &HashMap<String, MessageReceived>) {
    match command {
        Command::Pair => failed("pair", "this device is paired"),
        Command::Connect => {
            if let Err(error) = client.reconnect().await {
                failed("connect", error);
            }
        }
        Command::Disconnect => {
            client.disconnect().await;
            write(&json!({ "event": "disconnected" }));
        }
        Command::Send { to, text } => {
            let to: Jid = match to.parse() {
                Ok(to) => to,
                Err(error) => return failed("send", error),
            };
            // The next command need not wait for this one's ack; the client keeps their order.
            match client.send(&to.to_user(), Message::text(text)).await {
                Ok(sent) => write(&json!({ "event": "sent", "id": sent.id.as_str(), "t": sent.timestamp.0 })),
                Err(error) => failed("send", error),
            }
        }
        Command::Read { ids } => {
            let messages: Vec<&MessageReceived> = ids.iter().filter_map(|id| received.get(id)).collect();
            if messages.len() != ids.len() {
                return failed("read", "a message that did not come");
            }
            if let Err(error) = client.mark_read(&messages).await {
                failed("read", error);
            }
        }
    }
}

async fn listen(
    client: Client,
    mut events: wa_core::Events,
    store: Arc<dyn Store>,
    heard: mpsc::Sender<MessageReceived>,
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
            Event::Connected | Event::BacklogDone { .. } if is_connected && has_backlog => {
                client.set_available(true).await?;
                let account = store.account().await?.ok_or("no account")?;
                let (jid, lid) =
                    (account.jid.map(|jid| jid.to_string()), account.lid.map(|lid| lid.to_string()));
                write(&json!({ "event": "ready", "jid": jid, "lid": lid }));
            }
            Event::Message(message) => {
                if let Some(text) = message.message.as_text() {
                    write(&json!({
                        "event": "message",
                        "id": message.id.as_str(),
                        "chat": message.chat.to_string(),
                        "sender": message.sender.to_string(),
                        "from_me": message.from_me,
                        "text": text,
                        "t": message.timestamp.0,
                    }));
                }
                heard.send(*message).await?;
            }
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
