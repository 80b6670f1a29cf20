//! One account: its phone and its linked client, each writing and reading.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use wa_core::error::SendRemedy;
use wa_core::{Client, Event, Events, Message, SendError, SendOptions};
use wa_it::Companion;
use wa_store::SqliteStore;
use wa_test_server::{Phone, TestServer};
use wa_types::Jid;

use crate::Fallible;
use crate::tally::{Device, Tally};

/// A phone and a client that is linked to it.
pub(crate) struct Account {
    index: usize,
    pub(crate) phone: Phone,
    companion: Companion,
}

/// One side of the account while it lives.
#[derive(Clone)]
struct Side {
    device: Device,
    tally: Arc<Tally>,
    addresses: Vec<Jid>,
    pause: Duration,
}

impl Account {
    pub(crate) async fn link(server: &TestServer, index: usize, directory: &Path) -> Fallible<Self> {
        let phone = server.phone(&format!("account {index}"));
        let store = Arc::new(SqliteStore::open(directory.join(format!("{index}.db"))).await?);
        let companion = Companion::link_with(server, &phone, store).await;
        Ok(Self { index, phone, companion })
    }

    /// Writes and reads until told to stop.
    pub(crate) fn live(
        self,
        tally: &Arc<Tally>,
        addresses: &[Jid],
        pause: Duration,
        stop_writing: &CancellationToken,
        stop: &CancellationToken,
    ) -> Vec<JoinHandle<()>> {
        let side = |is_phone| Side {
            device: Device { account: self.index, is_phone },
            tally: Arc::clone(tally),
            addresses: addresses.to_vec(),
            pause,
        };
        let Companion { client, events, .. } = self.companion;
        let until = |token: &CancellationToken, work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let token = token.clone();
            tokio::spawn(async move {
                token.run_until_cancelled(work).await;
            })
        };
        let (phone, reader) = (self.phone.clone(), self.phone);
        let mut tasks = vec![
            until(stop_writing, Box::pin(side(true).write_by_phone(phone))),
            until(stop, Box::pin(side(true).read_by_phone(reader))),
            // A message that is being sent is sent to its end: it counts.
            tokio::spawn(side(false).write_by_client(client.clone(), stop_writing.clone())),
        ];
        let (stop, side) = (stop.clone(), side(false));
        tasks.push(tokio::spawn(async move {
            stop.run_until_cancelled(side.read_by_client(client.clone(), events)).await;
            client.shutdown().await;
        }));
        tasks
    }
}

impl Side {
    /// The others in turn, for ever.
    fn targets(&self) -> impl Iterator<Item = (usize, &Jid)> {
        let own = self.device.account;
        self.addresses.iter().enumerate().filter(move |(index, _)| *index != own).cycle()
    }

    async fn write_by_phone(self, phone: Phone) {
        for (to, address) in self.targets() {
            let text = self.tally.next_text(self.device, to);
            // What a phone hands in is with the server at once; only the ack is waited for.
            if let Err(error) = phone.send_text(address, &text).await {
                self.tally.fail(format!("{} cannot send: {error}", self.device));
            }
            sleep(self.pause).await;
        }
    }

    async fn write_by_client(self, client: Client, stop: CancellationToken) {
        for (to, address) in self.targets() {
            if stop.is_cancelled() {
                return;
            }
            let text = self.tally.next_text(self.device, to);
            let options = SendOptions::new().id(client.new_message_id());
            while let Err(error) = client.send_with(address, Message::text(&text), options.clone()).await {
                // It was read everywhere, or the run had ended; only its ack is missing.
                if matches!(error, SendError::Shutdown) {
                    return;
                }
                if error.remedy() == SendRemedy::GiveUp {
                    return self.tally.fail(format!("{} cannot send: {error}", self.device));
                }
                sleep(AGAIN).await;
            }
            stop.run_until_cancelled(sleep(self.pause)).await;
        }
    }

    async fn read_by_phone(self, phone: Phone) {
        loop {
            let message = phone.message().await;
            self.tally.note(self.device, message.text().unwrap_or_default());
        }
    }

    async fn read_by_client(self, client: Client, mut events: Events) {
        while let Some(event) = events.next().await {
            match event {
                Event::Message(message) => {
                    self.tally.note(self.device, message.message.as_text().unwrap_or_default());
                }
                // Its pauses grow while connections end one after the other; here they always do.
                Event::Disconnected { .. } => {
                    sleep(AGAIN).await;
                    let _connected_meanwhile = client.reconnect().await;
                }
                Event::Closed { reason } | Event::LoggedOut { reason } => {
                    self.tally.fail(format!("{} stays away: {reason:?}", self.device));
                }
                Event::MessageLost(lost) => {
                    self.tally.fail(format!("{} gave up {}: {:?}", self.device, lost.id, lost.why));
                }
                Event::Undecodable(undecodable) => {
                    self.tally.fail(format!("{} cannot read {}", self.device, undecodable.id));
                }
                Event::StoreFailed { error } => self.tally.fail(format!("{}: {error}", self.device)),
                _ => {}
            }
        }
    }
}

/// How long after a failure something is tried again.
const AGAIN: Duration = Duration::from_millis(100);
