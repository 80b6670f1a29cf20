//! The child: an application on our client. It tells its parent what it has, a line each, before it goes on:
//!
//! | Line | Meaning |
//! |---|---|
//! | `qr TEXT` | a code to scan |
//! | `ready` | logged in |
//! | `got ID TEXT` | a message was delivered to the application |
//! | `pushed SEQ ID` | the store holds an inbox entry |
//! | `confirmed SEQ` | the store holds that an inbox entry was confirmed |
//! | `acked NUMBER` | the server has the message of this number |
//! | `failed NUMBER ERROR` | a send failed for good |

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wa_core::noise::TrustRoot;
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::{Client, Event, Message, SendError, SendOptions};
use wa_it::FaultyStore;
use wa_store::SqliteStore;
use wa_types::{Jid, PublicKey};

use crate::Fallible;
use crate::deadly::{DeadlyCommits, DeadlyConnector, Death};

/// Arguments: the server's URL, its root key and the key's serial, the store's path, and when to die. Orders come by
/// stdin: `send NUMBER CHAT`, and `stop`.
pub(crate) fn main(arguments: &[String]) -> Fallible<()> {
    let [url, root, serial, path, death] = arguments else { return Err("child: five arguments".into()) };
    let death: Death = death.parse()?;
    let root = TrustRoot::new(PublicKey::from_raw(&hex::decode(root)?)?, serial.parse()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let file = Arc::new(SqliteStore::open(path).await?);
        let store = Arc::new(FaultyStore::with_hook(file, Arc::new(DeadlyCommits::new(death))));
        let connector = Arc::new(DeadlyConnector::new(WebSocketConnector::new(url)?, death));
        let (client, mut events) =
            Client::builder(store).connector(connector).trust_root(root).connect().await?;
        let mut orders = read_orders();
        let mut sending = JoinSet::new();
        loop {
            tokio::select! {
                event = events.next() => match event.ok_or("the client ended")? {
                    Event::PairingQr(qr) => say(&format!("qr {}", qr.text)),
                    Event::Connected => say("ready"),
                    Event::Message(message) => {
                        say(&format!("got {} {}", message.id, message.message.as_text().unwrap_or("?")));
                    }
                    _ => {}
                },
                order = orders.recv() => match order {
                    Some(Order::Send { number, chat }) => {
                        sending.spawn(send(client.clone(), number, chat));
                    }
                    Some(Order::Stop) | None => break,
                },
                Some(_) = sending.join_next() => {}
            }
        }
        sending.shutdown().await;
        client.shutdown().await;
        Ok(())
    })
}

/// Sends until the server has it. A commit that failed took nothing: then the same again, under the same key.
async fn send(client: Client, number: u64, chat: Jid) {
    for _ in 0..TRIES {
        let options = SendOptions::new().idempotency_key(format!("out-{number}"));
        match client.send_with(&chat, Message::text(format!("out-{number}")), options).await {
            Ok(_) => return say(&format!("acked {number}")),
            Err(SendError::Store(_)) => {}
            Err(error) => return say(&format!("failed {number} {error}")),
        }
    }
    say(&format!("failed {number} the store fails on"));
}

/// One commit of a life fails, and all that wait for it fail with it.
const TRIES: usize = 3;

enum Order {
    Send { number: u64, chat: Jid },
    Stop,
}

/// Reads orders on a thread of its own; a read of stdin cannot be cancelled.
fn read_orders() -> mpsc::Receiver<Order> {
    let (orders, received) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let order = match line.split(' ').collect::<Vec<_>>()[..] {
                ["send", number, chat] => match (number.parse(), chat.parse()) {
                    (Ok(number), Ok(chat)) => Order::Send { number, chat },
                    _ => break,
                },
                _ => Order::Stop,
            };
            if orders.blocking_send(order).is_err() {
                break;
            }
        }
    });
    received
}

/// Tells the parent. A whole line at a time, so that a killed process leaves no half of one.
pub(crate) fn say(line: &str) {
    let mut line = line.to_owned();
    line.push('\n');
    let mut out = std::io::stdout().lock();
    // The parent that does not read any more is at its end.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
