//! A linked companion for tests: the client under test, with everything that it needs to meet the in-process server.

mod faulty_store;
mod recorder;

use std::sync::Arc;
use std::time::Duration;

use wa_core::event::{MessageReceived, Receipt};
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::{Client, ClientBuilder, Event, Events, Message, Sent};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Phone, TestServer};
use wa_types::{Jid, MessageId};

pub use faulty_store::{CommitHook, FaultyStore};
pub use recorder::{Beginning, Recorder};

/// An event that has not come by then never comes.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of a test, with its events.
#[derive(Debug)]
pub struct Companion {
    /// The client.
    pub client: Client,
    /// Its events.
    pub events: Events,
    /// Its store.
    pub store: Arc<dyn Store>,
    /// Its own device, once linked.
    pub jid: Jid,
}

/// A builder for a client of this server.
pub fn builder(server: &TestServer, store: Arc<dyn Store>) -> ClientBuilder {
    Client::builder(store)
        .connector(server.connector())
        .http_client(server.media().http_client())
        .trust_root(server.trust_root())
}

impl Companion {
    /// Links a new companion with a store in memory.
    ///
    /// # Panics
    /// When it does not get linked.
    pub async fn link(server: &TestServer, phone: &Phone) -> Self {
        Self::link_with(server, phone, Arc::new(MemoryStore::new())).await
    }

    /// Links a new companion with this store, and waits until it is logged in.
    ///
    /// # Panics
    /// When it does not get linked.
    pub async fn link_with(server: &TestServer, phone: &Phone, store: Arc<dyn Store>) -> Self {
        Self::link_built(builder(server, Arc::clone(&store)), phone, store).await
    }

    /// Links a new companion of this builder, whose store is the second one.
    ///
    /// # Panics
    /// When it does not get linked.
    pub async fn link_built(builder: ClientBuilder, phone: &Phone, store: Arc<dyn Store>) -> Self {
        let (client, mut events) = builder.connect().await.expect("the store opens");
        let qr = next_qr(&mut events).await;
        let jid = phone.scan(&qr).await.expect("the phone accepts the code");
        let mut companion = Self { client, events, store, jid };
        companion.wait(|event| matches!(event, Event::Connected)).await;
        companion
    }

    /// Starts a client on a store that was linked before, and waits until it is logged in.
    ///
    /// # Panics
    /// When it does not log in.
    pub async fn start(server: &TestServer, store: Arc<dyn Store>) -> Self {
        let jid = store.account().await.expect("the store reads").and_then(|account| account.jid);
        let (client, events) = builder(server, Arc::clone(&store)).connect().await.expect("the store opens");
        let jid = jid.expect("the store is of a linked device");
        assert!(client.ready().await, "{jid:?} does not log in");
        Self { client, events, store, jid }
    }

    /// Ends the client, and gives back its store.
    pub async fn stop(self) -> Arc<dyn Store> {
        self.client.shutdown().await;
        self.store
    }

    /// The next texts, in order; other events before them are dropped.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            texts.push(self.message().await.message.as_text().unwrap_or("no text").to_owned());
        }
        texts
    }

    /// The next event.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&mut self) -> Event {
        next(&mut self.events).await
    }

    /// The next event of this kind; those before it are dropped.
    ///
    /// # Panics
    /// When none comes.
    pub async fn wait(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    /// The next message; other events before it are dropped.
    ///
    /// # Panics
    /// When none comes.
    pub async fn message(&mut self) -> MessageReceived {
        match self.wait(|event| matches!(event, Event::Message(_))).await {
            Event::Message(message) => *message,
            other => unreachable!("{other:?} is no message"),
        }
    }

    /// The receipt of this kind for this message; other events before it are dropped.
    ///
    /// # Panics
    /// When none comes.
    pub async fn receipt(&mut self, id: &MessageId, kind: ReceiptKind) -> Receipt {
        let wanted = |event: &Event| matches!(event, Event::Receipt(receipt) if receipt.kind == kind && receipt.ids.contains(id));
        match self.wait(wanted).await {
            Event::Receipt(receipt) => *receipt,
            other => unreachable!("{other:?} is no receipt"),
        }
    }

    /// Sends a text.
    ///
    /// # Panics
    /// When the server does not take it.
    pub async fn send_text(&self, chat: &Jid, text: &str) -> Sent {
        self.client.send(chat, Message::text(text)).await.expect("the server takes the message")
    }
}

/// The text of the next event, which is a QR code.
///
/// # Panics
/// When it is another one.
pub async fn next_qr(events: &mut Events) -> String {
    match next(events).await {
        Event::PairingQr(qr) => qr.text,
        other => panic!("no QR code, but {other:?}"),
    }
}

/// The next event.
///
/// # Panics
/// When none comes.
pub async fn next(events: &mut Events) -> Event {
    next_within(events, LIMIT).await
}

/// The next event, where it may take longer by the test's clock.
///
/// # Panics
/// When none comes.
pub async fn next_within(events: &mut Events, limit: Duration) -> Event {
    tokio::time::timeout(limit, events.next())
        .await
        .expect("an event comes in time")
        .expect("the client still lives")
}

/// The time, in seconds.
pub fn now_seconds() -> u64 {
    wa_types::UnixMillis::from_system_time(std::time::SystemTime::now()).to_seconds().0
}
