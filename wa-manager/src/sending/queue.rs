//! What waits, and in which order it leaves: the messages of a chat in their order, answers before known people before
//! the rest, and among equals the chat that had its turn longest ago. Requirements: manager.md, 3.7.

use std::collections::{BTreeMap, HashMap, HashSet};

use wa_types::{Jid, MessageId, UnixMillis};

use crate::store::SendRecord;
use crate::trust::Lane;

/// The messages of an account that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: BTreeMap<u64, SendRecord>,
    /// Those that were given out and are not done with: the rest of their chats waits for them.
    flying: HashSet<MessageId>,
    /// When a chat had its turn last.
    turns: HashMap<Jid, u64>,
    turn: u64,
}

impl Queue {
    /// How many messages of an account may wait.
    pub(super) const MOST: usize = 1_000;

    pub(super) fn of(records: Vec<SendRecord>) -> Self {
        let mut queue = Self::default();
        queue.replace(records);
        queue
    }

    /// Takes over what is stored. Who had a turn, and what was given out, stays known.
    pub(super) fn replace(&mut self, records: Vec<SendRecord>) {
        self.items = records.into_iter().map(|record| (record.number, record)).collect();
        let Self { items, flying, .. } = self;
        flying.retain(|id| items.values().any(|record| record.id == *id));
        self.forget_turns();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The place of the next message.
    pub(super) fn next_number(&self) -> u64 {
        self.items.last_key_value().map_or(1, |(number, _)| number + 1)
    }

    pub(super) fn find(&self, id: &MessageId) -> Option<&SendRecord> {
        self.items.values().find(|record| record.id == *id)
    }

    /// How many wait before this one.
    pub(super) fn position(&self, number: u64) -> usize {
        self.items.range(..number).count()
    }

    pub(super) fn push(&mut self, record: SendRecord) {
        self.items.insert(record.number, record);
    }

    /// It is done with, or taken back.
    pub(super) fn remove(&mut self, id: &MessageId) {
        self.items.retain(|_, record| record.id != *id);
        self.flying.remove(id);
        self.forget_turns();
    }

    /// It is given out: its chat had its turn.
    pub(super) fn give_out(&mut self, id: &MessageId) {
        let Some(chat) = self.find(id).map(|record| record.to.clone()) else { return };
        self.turn += 1;
        self.turns.insert(chat, self.turn);
        self.flying.insert(id.clone());
    }

    pub(super) fn is_given_out(&self, id: &MessageId) -> bool {
        self.flying.contains(id)
    }

    /// The account's client is another one: what was given out is to be given out again.
    pub(super) fn take_back(&mut self) {
        self.flying.clear();
    }

    /// In their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SendRecord> {
        self.items.values()
    }

    /// Those that are worth sending no more.
    pub(super) fn expired(&self, now: UnixMillis) -> Vec<SendRecord> {
        let is_over = |record: &&SendRecord| record.deadline <= now && !self.flying.contains(&record.id);
        self.items.values().filter(is_over).cloned().collect()
    }

    /// When the next one is worth sending no more.
    pub(super) fn next_deadline(&self) -> Option<UnixMillis> {
        let waiting = self.items.values().filter(|record| !self.flying.contains(&record.id));
        waiting.map(|record| record.deadline).min()
    }

    /// The first of each chat, unless it is given out, in the order in which they get their turns.
    pub(super) fn heads(&self) -> Vec<SendRecord> {
        let mut chats = HashSet::new();
        let firsts = self.items.values().filter(|record| chats.insert(&record.to));
        let mut heads: Vec<&SendRecord> = firsts.filter(|record| !self.flying.contains(&record.id)).collect();
        let turn = |chat: &Jid| self.turns.get(chat).copied().unwrap_or(0);
        heads.sort_unstable_by_key(|record| (rank(record.lane), turn(&record.to), record.number));
        heads.into_iter().cloned().collect()
    }

    fn forget_turns(&mut self) {
        let Self { items, turns, .. } = self;
        turns.retain(|chat, _| items.values().any(|record| record.to == *chat));
    }
}

/// Answers first, then those who wrote at some time, then all others.
pub(super) const fn rank(lane: Lane) -> u8 {
    match lane {
        Lane::Light | Lane::Reply => 0,
        Lane::Known => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;

    fn record(number: u64, chat: &str, lane: Lane) -> SendRecord {
        SendRecord {
            account: AccountId::of([0; 16]),
            id: MessageId::new(number.to_string()),
            number,
            to: Jid::pn(chat),
            payload: Vec::new(),
            lane,
            at: UnixMillis(0),
            deadline: UnixMillis(100 + number),
        }
    }

    /// Gives out all, one after another; each is done with before the next.
    fn order(mut queue: Queue) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(head) = queue.heads().into_iter().next() {
            order.push(head.number);
            queue.give_out(&head.id);
            queue.remove(&head.id);
        }
        order
    }

    #[test]
    fn chats_take_turns_and_each_keeps_its_order() {
        let chats = ["1", "1", "1", "2", "2", "3"];
        let records = (1..).zip(chats).map(|(number, chat)| record(number, chat, Lane::Known));
        assert_eq!(order(Queue::of(records.collect())), [1, 4, 6, 2, 5, 3]);
    }

    #[test]
    fn answers_go_before_known_people_and_these_before_strangers() {
        let lanes = [Lane::FirstContact, Lane::Group, Lane::Known, Lane::Reply];
        let records = (1..).zip(lanes).map(|(number, lane)| record(number, &number.to_string(), lane));
        assert_eq!(order(Queue::of(records.collect())), [4, 3, 1, 2]);
    }

    #[test]
    fn a_chat_waits_for_its_first_message() {
        let mut queue = Queue::of(vec![
            record(1, "1", Lane::FirstContact),
            record(2, "1", Lane::Reply),
            record(3, "2", Lane::Known),
        ]);
        queue.give_out(&MessageId::new("1"));
        let heads: Vec<u64> = queue.heads().iter().map(|head| head.number).collect();
        assert_eq!(heads, [3]);
        queue.remove(&MessageId::new("1"));
        let heads: Vec<u64> = queue.heads().iter().map(|head| head.number).collect();
        assert_eq!(heads, [2, 3]);
    }

    #[test]
    fn what_is_worth_nothing_more_is_found_unless_it_is_on_its_way() {
        let mut queue = Queue::of(vec![record(1, "1", Lane::Known), record(2, "2", Lane::Known)]);
        assert_eq!(queue.next_deadline(), Some(UnixMillis(101)));
        assert_eq!(queue.expired(UnixMillis(102)).len(), 2);
        queue.give_out(&MessageId::new("1"));
        assert_eq!(queue.expired(UnixMillis(102)).len(), 1);
        assert_eq!(queue.next_deadline(), Some(UnixMillis(102)));
    }
}
