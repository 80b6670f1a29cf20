//! Links a device to the real service and keeps it in an SQLite file, then prints what arrives. Run it again with the
//! same file, and it logs in without a code.
//!
//! ```sh
//! cargo run -p wa-examples --example pair -- account.db
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;

use wa_core::store::sqlite::SqliteStore;
use wa_core::{Client, Event};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: pair FILE")?;
    let store = Arc::new(SqliteStore::open(&path).await?);
    // A release that is too old is refused; without an answer the one that we were built with may still do.
    let version = wa_core::client::version::fetch_current().await.unwrap_or_default();
    let (_client, mut events) = Client::builder(store).version(version).device_name("wa").connect().await?;
    while let Some(event) = events.next().await {
        match event {
            Event::PairingQr(qr) => {
                println!("Scan within {:?}:\n{}", qr.expires_in, wa_examples::qr_blocks(&qr.text)?);
            }
            Event::Paired(paired) => println!("Linked as {}.", paired.jid),
            Event::Message(message) => {
                let text = message.message.as_text().unwrap_or("(no text)");
                println!("{} {} {}: {text}", message.timestamp.0, message.chat, message.sender);
            }
            Event::Closed { reason } | Event::LoggedOut { reason } => return Err(reason.into()),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
