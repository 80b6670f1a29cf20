//! Two linked devices pair by QR with simulated phones and exchange end-to-end encrypted messages, over the real
//! protocol, on a test server inside this process:
//!
//! ```sh
//! cargo run -p wa-examples --example quickstart
//! ```
//!
//! With `-- --live` it links to the real service instead (scan the code with your phone: Settings, Linked devices), and
//! answers every text with the same text until you stop it. Nothing is kept: unlink the device on your phone.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;

use wa_core::event::ChatKind;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::store::MemoryStore;
use wa_core::{Client, Event, Events, Message, MessageReceived};
use wa_test_server::{Phone, TestServer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => on_the_test_server().await,
        Some("--live") => live().await,
        Some(other) => Err(format!("unknown argument {other}; there is only --live").into()),
    }
}

async fn on_the_test_server() -> Result<()> {
    let server = TestServer::start().await;
    println!("A test server runs in this process. Its phones are simulated; everything else is real.\n");
    let (alice_phone, bob_phone) = (server.phone("Alice"), server.phone("Bob"));
    let (alice, mut alice_events) = link(&server, "Alice", &alice_phone).await?;
    let (bob, mut bob_events) = link(&server, "Bob", &bob_phone).await?;

    let sent =
        alice.send(bob_phone.pn(), Message::text("Hello Bob, this is end-to-end encrypted. 🔐")).await?;
    println!("Alice's device sent {}; the server has it since {}.", sent.id, sent.timestamp.0);
    let received = next_message(&mut bob_events).await?;
    show("Bob's device", &received);
    bob.mark_read(&[&received]).await?;
    show_receipts("Alice's device", &mut alice_events).await?;

    let sent = bob.send(&received.chat, Message::text("Hello Alice! I can read you.")).await?;
    println!("\nBob's device sent {}; the server has it since {}.", sent.id, sent.timestamp.0);
    let received = next_message(&mut alice_events).await?;
    show("Alice's device", &received);
    alice.mark_read(&[&received]).await?;
    show_receipts("Bob's device", &mut bob_events).await?;

    alice.shutdown().await;
    bob.shutdown().await;
    println!("\nBoth messages went over Noise, were encrypted with Signal sessions, and came through.");
    Ok(())
}

/// Links a new device: shows the code, and lets the phone scan it.
async fn link(server: &TestServer, name: &str, phone: &Phone) -> Result<(Client, Events)> {
    let (client, mut events) = Client::builder(Arc::new(MemoryStore::new()))
        .connector(server.connector())
        .trust_root(server.trust_root())
        .device_name(format!("{name}'s quick start"))
        .connect()
        .await?;
    loop {
        match events.next().await.ok_or("the client ended")? {
            Event::PairingQr(qr) => {
                println!("{name} links a device. The code, good for {:?}:", qr.expires_in);
                println!("{}", wa_examples::qr_blocks(&qr.text)?);
                phone.scan(&qr.text).await?;
                println!("{name}'s phone scanned it.");
            }
            Event::Paired(paired) => println!("{name}'s new device is {}.", paired.jid),
            Event::Connected => {
                println!("{name}'s device is logged in.\n");
                return Ok((client, events));
            }
            _ => {}
        }
    }
}

async fn next_message(events: &mut Events) -> Result<MessageReceived> {
    loop {
        if let Event::Message(message) = events.next().await.ok_or("the client ended")? {
            return Ok(*message);
        }
    }
}

fn show(who: &str, message: &MessageReceived) {
    println!(
        "{who} decrypted {} from {}, sent at {}: “{}”",
        message.id,
        message.sender,
        message.timestamp.0,
        message.message.as_text().unwrap_or("(no text)"),
    );
}

/// Shows receipts until the message is read.
async fn show_receipts(who: &str, events: &mut Events) -> Result<()> {
    loop {
        if let Event::Receipt(receipt) = events.next().await.ok_or("the client ended")? {
            println!("{who} got the receipt “{:?}” from {}.", receipt.kind, receipt.from);
            if receipt.kind == ReceiptKind::Read {
                return Ok(());
            }
        }
    }
}

async fn live() -> Result<()> {
    let version = wa_core::client::version::fetch_current().await.unwrap_or_default();
    let (client, mut events) = Client::builder(Arc::new(MemoryStore::new()))
        .version(version)
        .device_name("wa quick start")
        .connect()
        .await?;
    while let Some(event) = events.next().await {
        match event {
            Event::PairingQr(qr) => println!("{}", wa_examples::qr_blocks(&qr.text)?),
            Event::Connected => println!("Connected. Write to this account from another one."),
            Event::Message(message) => {
                show("This device", &message);
                // Not to the status feed: that would be a post of our own.
                let is_chat = matches!(message.kind(), ChatKind::Direct | ChatKind::Group);
                if is_chat
                    && !message.from_me
                    && let Some(text) = message.message.as_text()
                {
                    client.mark_read(&[&message]).await?;
                    client.send(&message.chat, Message::text(text)).await?;
                }
            }
            Event::Closed { reason } | Event::LoggedOut { reason } => return Err(reason.into()),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
