//! Sending to a group while another chat goes on.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wa_core::{Client, Event, Events, Jid, Message, SendOptions, SendState};

use super::tap::{LARGE, Written};
use super::{LIMIT, STRAGGLERS, next};
use wa_benches::Fallible;
use wa_benches::times::Times;
use wa_benches::usage::Mark;

/// Makes a group of these users; tells its address.
pub(super) async fn create(client: &Client, members: &str) -> Fallible<String> {
    let members = members.split(',').map(str::parse).collect::<Result<Vec<Jid>, _>>()?;
    let created = client.groups().create("Everybody", &members).await?;
    if !created.refused.is_empty() {
        return Err(format!("{} members were refused", created.refused.len()).into());
    }
    Ok(created.group.jid.to_string())
}

/// How far one message to a group was, and when.
struct Steps {
    ready: Duration,
    on_wire: Duration,
    acked: Duration,
}

/// The two chats of a comparison.
pub(super) struct Chats<'c> {
    pub(super) client: &'c Client,
    pub(super) events: &'c mut Events,
    pub(super) written: &'c Written,
    pub(super) group: Jid,
    pub(super) other: Jid,
}

impl Chats<'_> {
    /// Sends to each chat alone, and to both at once, so often. Tells of the group alone when a message was ready, on
    /// the wire and acknowledged; of the other chat the time to the ack, alone and beside the group; and what was used
    /// while only the group was written to.
    pub(super) async fn compare(&mut self, rounds: usize) -> Fallible<String> {
        let mut alone = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            alone.push(say_hello(self.client, &self.other).await?);
        }
        sleep(STRAGGLERS).await;
        let mark = Mark::now();
        let (mut ready, mut on_wire, mut acked) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let steps = self.send_to_group().await?;
            ready.push(steps.ready);
            on_wire.push(steps.on_wire);
            acked.push(steps.acked);
        }
        let wall = mark.wall();
        sleep(STRAGGLERS).await;
        let used = mark.used(wall);
        let mut beside = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let (client, other) = (self.client, self.other.clone());
            let (time, _) = tokio::try_join!(say_hello(client, &other), self.send_to_group())?;
            beside.push(time);
        }
        let times = [ready, on_wire, acked, alone, beside].map(|times| Times::of(times).to_string());
        Ok(format!("{};{used}", times.join(";")))
    }

    /// Sends one message to the group, and one after the other to the other chat until the group's is acknowledged.
    /// Tells the group's times, those of the other chat, and what was used.
    pub(super) async fn overtake(&mut self) -> Fallible<String> {
        let mark = Mark::now();
        let (client, other) = (self.client, self.other.clone());
        let (done, is_done) = tokio::sync::watch::channel(false);
        let hellos = async {
            let mut times = Vec::new();
            while !*is_done.borrow() {
                times.push(say_hello(client, &other).await?);
            }
            Fallible::Ok(times)
        };
        let group = async {
            let steps = self.send_to_group().await;
            done.send_replace(true);
            steps
        };
        let (beside, steps) = tokio::try_join!(hellos, group)?;
        let wall = mark.wall();
        sleep(STRAGGLERS).await;
        let used = mark.used(wall);
        let count = beside.len();
        let steps = [steps.ready, steps.on_wire, steps.acked].map(|time| Times::of(vec![time]).to_string());
        Ok(format!("{};{};{count};{used}", steps.join(";"), Times::of(beside)))
    }

    /// A text that is large enough to be told apart on the wire.
    async fn send_to_group(&mut self) -> Fallible<Steps> {
        let _earlier = self.written.take();
        let id = self.client.new_message_id();
        let (text, options) = (Message::text("x".repeat(LARGE)), SendOptions::new().id(id.clone()));
        let start = Instant::now();
        let acked = async {
            self.client.send_with(&self.group, text, options).await?;
            Fallible::Ok(start.elapsed())
        };
        let ready = async {
            loop {
                if let Event::Send(update) = next(self.events).await?
                    && update.id == id
                    && update.state == SendState::Written
                {
                    return Fallible::Ok(start.elapsed());
                }
            }
        };
        let (acked, ready) = tokio::try_join!(acked, ready)?;
        let on_wire = self.written.take().ok_or("nothing large was written")?.duration_since(start);
        Ok(Steps { ready, on_wire, acked })
    }
}

/// Sends a short text; how long until its ack.
async fn say_hello(client: &Client, other: &Jid) -> Fallible<Duration> {
    let start = Instant::now();
    tokio::time::timeout(LIMIT, client.send(other, Message::text("hello"))).await??;
    Ok(start.elapsed())
}
