//! Links a device to the real service and keeps it in an SQLite file, then prints what arrives. Run it again with the
//! same file, and it logs in without a code.
//!
//! ```sh
//! cargo run -p wa-examples --example pair -- account.db
//! cargo run -p wa-examples --example pair -- account.db --code "+62 812 3456789"
//! ```
//!
//! With `--code` and the phone's number it shows a code to type as well (Settings, Linked devices, Link with phone number
//! instead).
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use wa_core::client::PairCodeOptions;
use wa_core::error::PairCodeError;
use wa_core::store::sqlite::SqliteStore;
use wa_core::types::PhoneNumber;
use wa_core::{Client, Event};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pair: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: pair FILE [--code NUMBER]")?;
    let phone = match (args.next().as_deref(), args.next()) {
        (Some("--code"), Some(number)) => Some(PhoneNumber::parse_lenient(&number)?),
        (None, None) => None,
        _ => return Err("usage: pair FILE [--code NUMBER]".into()),
    };
    let store = Arc::new(SqliteStore::open(&path).await?);
    // A release that is too old is refused; without an answer the one that we were built with may still do.
    let version = wa_core::client::version::fetch_current().await.unwrap_or_default();
    let (client, mut events) = Client::builder(store).version(version).device_name("wa").connect().await?;
    if let Some(phone) = phone {
        match client.pair_with_code(&phone, PairCodeOptions::new()).await {
            // The event shows it.
            Ok(_) | Err(PairCodeError::AlreadyPaired) => {}
            Err(error) => println!("No code: {error}."),
        }
    }
    while let Some(event) = events.next().await {
        match event {
            Event::PairingQr(qr) => {
                println!("Scan within {:?}:\n{}", qr.expires_in, wa_examples::qr_blocks(&qr.text)?);
            }
            Event::PairingCode(shown) => println!("Type within {:?}: {}", shown.expires_in, shown.code),
            Event::PairingCodeVoid { reason } => println!("The code is void: {reason}."),
            Event::Paired(paired) => println!("Linked as {}.", paired.jid),
            Event::Message(message) => {
                let text = message.message.as_text().unwrap_or("(no text)");
                println!("{} {} {}: {text}", message.timestamp.0, message.chat, message.sender);
            }
            Event::Disconnected { reason, retry_in, .. } => {
                println!("Not connected: {reason}. Again in {retry_in:?}.")
            }
            Event::Closed { reason } | Event::LoggedOut { reason } => return Err(reason.into()),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
