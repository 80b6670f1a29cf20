//! Channels: plain messages from the server to whoever follows. Protocol: messages, "Newsletter".

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::{Jid, MessageId, Server};

use crate::account::DeviceKey;
use crate::state::State;

/// All channels, by the user part of their address.
#[derive(Debug, Default)]
pub(crate) struct Newsletters {
    by_id: HashMap<String, Newsletter>,
}

#[derive(Debug)]
struct Newsletter {
    followers: BTreeSet<usize>,
    last: u64,
}

/// A post of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Post {
    /// Its message id.
    pub id: MessageId,
    /// Its number in the channel.
    pub server_id: u64,
}

impl State {
    pub(crate) fn create_newsletter(&mut self) -> Jid {
        let id = (FIRST_ID + self.newsletters.by_id.len() as u64).to_string();
        let jid = Jid::new(&id, Server::Newsletter);
        self.newsletters.by_id.insert(id, Newsletter { followers: BTreeSet::new(), last: FIRST_POST });
        jid
    }

    /// Whether there is such a channel and such a user.
    pub(crate) fn follow(&mut self, newsletter: &Jid, user: &Jid) -> bool {
        let Some(account) = self.account_of(user) else { return false };
        let found = self.newsletters.by_id.get_mut(newsletter.user());
        found.map(|newsletter| newsletter.followers.insert(account)).is_some()
    }

    /// Sends the bytes of a message to all devices of all followers. `None` when there is no such channel.
    pub(crate) fn post(&mut self, newsletter: &Jid, plaintext: Vec<u8>) -> Option<Post> {
        let (now, number) = (self.now_seconds(), self.next_id());
        let found = self.newsletters.by_id.get_mut(newsletter.user())?;
        found.last += 1;
        let post = Post { id: MessageId::new(format!("3EB0{number:018X}")), server_id: found.last };
        let message = Node::new("message")
            .attr("from", newsletter)
            .attr("id", &post.id)
            .attr("server_id", post.server_id)
            .attr("t", now)
            .attr("type", "text")
            .child(Node::new("plaintext").bytes(plaintext));
        let message = Arc::new(message);
        let followers: Vec<usize> = found.followers.iter().copied().collect();
        let devices: Vec<DeviceKey> =
            followers.into_iter().flat_map(|account| self.devices_of(account)).collect();
        for device in devices {
            self.deliver(device, Arc::clone(&message));
        }
        Some(post)
    }
}

const FIRST_ID: u64 = 120_363_400_000_000_001;
/// The numbers of posts begin above it.
const FIRST_POST: u64 = 99;
