//! What waits in memory, by chat and in order.

use std::collections::VecDeque;
use std::time::Instant;

use wa_store::{OutboxEntry, OutboxState};
use wa_types::{Jid, MessageId, SignalAddress, UnixMillis};

use super::Outbox;
use crate::driver::delivery::Delivery;
use crate::message::Message;

/// How many messages wait in memory; the rest waits in the store.
pub(super) const WINDOW: usize = 512;

/// How many bytes of messages wait in memory, give or take the last one.
pub(super) const WINDOW_BYTES: usize = 4 << 20;

/// A message that waits in memory.
pub(super) struct Pending {
    pub(super) seq: u64,
    /// The key of the chat.
    pub(super) chat: Jid,
    pub(super) id: MessageId,
    pub(super) idempotency_key: Option<String>,
    pub(super) created: UnixMillis,
    pub(super) deadline: Option<(UnixMillis, Instant)>,
    pub(super) message: Message,
    pub(super) delivery: Delivery,
    /// What the store says of it; `None` if that does not know it yet.
    pub(super) state: Option<OutboxState>,
    /// How often it was tried again on this connection.
    pub(super) retries: u8,
}

/// One chat's messages, lowest number first.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) pending: VecDeque<Pending>,
    pub(super) waits: Waits,
    /// How often a question for them failed.
    pub(super) failures: u8,
    /// Up to this number it was told that they are held.
    pub(super) held_to: u64,
}

/// What a chat waits for.
#[derive(Default)]
pub(super) enum Waits {
    #[default]
    Nothing,
    /// An answer of the server about these.
    Devices(Vec<Jid>),
    Bundles(Vec<SignalAddress>),
    Group,
    /// The ack of the message before.
    Ack,
    /// Its next turn: other chats' messages go between.
    Turn,
    /// A time.
    Until(Instant),
    /// These users' new identity keys to be trusted.
    Held(Vec<Jid>),
}

impl Outbox {
    pub(super) fn has_room(&self) -> bool {
        self.count < WINDOW && self.bytes < WINDOW_BYTES
    }

    /// Puts a message in its place.
    pub(super) fn insert(&mut self, pending: Pending) {
        self.count += 1;
        self.bytes += pending.size();
        if let Some((_, at)) = pending.deadline.filter(|_| pending.state != Some(OutboxState::Written)) {
            self.deadlines.insert((at, pending.seq), (pending.chat.clone(), pending.id.clone()));
        }
        let queue = self.chats.entry(pending.chat.clone()).or_default();
        let place = queue.pending.partition_point(|other| other.seq < pending.seq);
        queue.pending.insert(place, pending);
    }

    /// Two chats turned out to be one: what waits in the one that goes waits in the other, in its place.
    pub(in crate::driver) fn join_chats(&mut self, gone: &Jid, kept: &Jid) {
        for chat in self.fresh.iter_mut().map(|fresh| &mut fresh.chat) {
            if chat == gone {
                chat.clone_from(kept);
            }
        }
        for (chat, _) in self.deadlines.values_mut().filter(|(chat, _)| chat == gone) {
            chat.clone_from(kept);
        }
        for pending in self.chats.remove(gone).into_iter().flat_map(|queue| queue.pending) {
            self.count -= 1;
            self.bytes -= pending.size();
            self.insert(Pending { chat: kept.clone(), ..pending });
        }
    }

    pub(super) fn remove(&mut self, chat: &Jid, seq: u64) -> Option<Pending> {
        let queue = self.chats.get_mut(chat)?;
        let place = queue.pending.binary_search_by_key(&seq, |pending| pending.seq).ok()?;
        let pending = queue.pending.remove(place)?;
        self.removed(chat, &pending);
        Some(pending)
    }

    pub(super) fn pop(&mut self, chat: &Jid) -> Option<Pending> {
        let pending = self.chats.get_mut(chat)?.pending.pop_front()?;
        self.removed(chat, &pending);
        Some(pending)
    }

    fn removed(&mut self, chat: &Jid, pending: &Pending) {
        self.count -= 1;
        self.bytes -= pending.size();
        if let Some((_, at)) = pending.deadline {
            self.deadlines.remove(&(at, pending.seq));
        }
        if self.chats.get(chat).is_some_and(|queue| queue.pending.is_empty()) {
            self.chats.remove(chat);
        }
    }

    /// Answers came: whoever waited for any looks again.
    pub(super) fn wake(&mut self) {
        for queue in self.chats.values_mut() {
            if !matches!(queue.waits, Waits::Until(_) | Waits::Held(_)) {
                queue.waits = Waits::Nothing;
            }
        }
    }

    /// These users are trusted: whoever waited for one of them looks again.
    pub(in crate::driver) fn release(&mut self, users: &[Jid]) {
        for queue in self.chats.values_mut() {
            if matches!(&queue.waits, Waits::Held(held) if held.iter().any(|user| users.contains(user))) {
                (queue.waits, queue.held_to) = (Waits::Nothing, 0);
            }
        }
    }

    /// How the chat's next message goes.
    pub(super) fn next_delivery(&self, chat: &Jid) -> Option<&Delivery> {
        Some(&self.chats.get(chat)?.pending.front()?.delivery)
    }

    /// Who must be trusted before this chat's messages leave.
    pub(super) fn held_by(&self, chat: &Jid) -> Option<&[Jid]> {
        match &self.chats.get(chat)?.waits {
            Waits::Held(users) => Some(users),
            _ => None,
        }
    }
}

impl Pending {
    pub(super) fn size(&self) -> usize {
        self.message.encoded().len() + self.delivery.size()
    }

    pub(super) fn to_entry(&self, state: OutboxState, at: UnixMillis) -> OutboxEntry {
        OutboxEntry {
            seq: self.seq,
            chat: self.chat.clone(),
            id: self.id.clone(),
            idempotency_key: self.idempotency_key.clone(),
            created: self.created,
            deadline: self.deadline.map(|(at, _)| at),
            state,
            at,
            acked: None,
            payload: self.message.encoded().to_vec(),
            delivery: self.delivery.encode(),
        }
    }

    pub(super) fn into_entry(self, state: OutboxState, at: UnixMillis) -> OutboxEntry {
        OutboxEntry {
            seq: self.seq,
            chat: self.chat,
            id: self.id,
            idempotency_key: self.idempotency_key,
            created: self.created,
            deadline: self.deadline.map(|(at, _)| at),
            state,
            at,
            acked: None,
            payload: self.message.into_encoded(),
            delivery: self.delivery.encode(),
        }
    }
}
