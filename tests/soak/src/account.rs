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
use crate::tally::{Chat, Device, Tally};

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
    /// Where it writes to, in turn.
    chats: Vec<(Chat, Jid)>,
    pause: Duration,
}

impl Account {
    pub(crate) async fn link(server: &TestServer, index: usize, directory: &Path) -> Fallible<Self> {
        let phone = server.phone(&format!("account {index}"));
        let store = Arc::new(SqliteStore::open(directory.join(format!("{index}.db"))).await?);
        let companion = Companion::link_with(server, &phone, store).await;
        Ok(Self { index, phone, companion })
    }

    pub(crate) fn client_jid(&self) -> &Jid {
        &self.companion.jid
    }

    /// Writes to these chats, but for its own, and reads, until told to stop.
    pub(crate) fn live(
        self,
        tally: &Arc<Tally>,
        chats: &[(Chat, Jid)],
        pause: Duration,
        stop_writing: &CancellationToken,
        stop: &CancellationToken,
    ) -> Vec<JoinHandle<()>> {
        let own = Chat::Account(self.index);
        let chats: Vec<_> = chats.iter().filter(|(chat, _)| *chat != own).cloned().collect();
        let side = |is_phone| Side {
            device: Device { account: self.index, is_phone },
            tally: Arc::clone(tally),
            chats: chats.clone(),
            pause,
        };
        let Companion { client, events, .. } = self.companion;
        let phone = self.phone;
        let mut tasks = vec![
            until(stop_writing, side(true).write_by_phone(phone.clone())),
            until(stop, side(true).read_by_phone(phone)),
        ];
        // No chat waits for another. A message that is being sent is sent to its end: it counts.
        for (chat, address) in chats.clone() {
            let write = side(false).write_by_client(chat, address, client.clone(), stop_writing.clone());
            tasks.push(tokio::spawn(write));
        }
        let (stop, side) = (stop.clone(), side(false));
        tasks.push(tokio::spawn(async move {
            stop.run_until_cancelled(side.read_by_client(client.clone(), events)).await;
            client.shutdown().await;
        }));
        tasks
    }
}

/// Works until told to stop.
fn until(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let stop = stop.clone();
    tokio::spawn(async move {
        stop.run_until_cancelled(work).await;
    })
}

impl Side {
    async fn write_by_phone(self, phone: Phone) {
        for (chat, address) in self.chats.iter().cycle() {
            let text = self.tally.next_text(self.device, *chat);
            // What a phone hands in is with the server at once; only the ack is waited for.
            match phone.send_text(address, &text).await {
                Ok(sent) => tracing::debug!(from = %self.device, id = %sent.id, "wrote {text:.40}"),
                Err(error) => self.tally.fail(format!("{} cannot send: {error}", self.device)),
            }
            sleep(self.pause).await;
        }
    }

    /// Writes to one chat; its turn comes when all chats had theirs.
    async fn write_by_client(self, chat: Chat, address: Jid, client: Client, stop: CancellationToken) {
        let pause = self.pause * u32::try_from(self.chats.len()).unwrap_or(u32::MAX);
        while stop.run_until_cancelled(sleep(pause)).await.is_some() {
            let text = self.tally.next_text(self.device, chat);
            // Whatever happens to the connection, the outbox sees to it. An error is one of the server's, or no
            // answer in minutes.
            let id = client.new_message_id();
            tracing::debug!(from = %self.device, %id, "writes {text:.40}");
            let options = SendOptions::new().id(id);
            while let Err(error) = client.send_with(&address, Message::text(&text), options.clone()).await {
                // It was read everywhere, or the run had ended; only its ack is missing.
                if matches!(error, SendError::Shutdown) {
                    return;
                }
                if error.remedy() == SendRemedy::GiveUp {
                    return self.tally.fail(format!("{} cannot send: {error}", self.device));
                }
                sleep(AGAIN).await;
            }
        }
    }

    async fn read_by_phone(self, phone: Phone) {
        loop {
            let message = phone.message().await;
            self.tally.note(self.device, message.chat.is_group(), message.text().unwrap_or_default());
        }
    }

    async fn read_by_client(self, client: Client, mut events: Events) {
        while let Some(event) = events.next().await {
            match event {
                Event::Message(received) => {
                    let text = received.message.as_text().unwrap_or_default();
                    self.tally.note(self.device, received.chat.is_group(), text);
                }
                // Its pauses are made for people and their networks: they grow while connections end one after the
                // other, and here they always do.
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
