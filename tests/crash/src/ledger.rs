//! What was sent, delivered, confirmed and acknowledged, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::run::PEERS;

/// The books of one run. What is found to be wrong on the way is kept for the verdict.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Inbound texts, and how often each was delivered to the application.
    inbound: BTreeMap<String, u32>,
    /// The text of each delivered message, by id.
    texts: HashMap<String, String>,
    /// Inbox entries as they were found in the store, by number.
    entries: HashMap<u64, String>,
    /// Messages that were confirmed, by id.
    confirmed: BTreeSet<String>,
    /// Outbound texts with each of their recipients, and how often they got there.
    outbound: BTreeMap<(String, &'static str), u32>,
    acked: BTreeSet<u64>,
    /// Delivered again although nobody had confirmed it: allowed, and counted.
    pub(crate) redelivered: u32,
    wrongs: Vec<String>,
}

impl Ledger {
    pub(crate) fn will_receive(&mut self, text: String) {
        self.inbound.insert(text, 0);
    }

    pub(crate) fn will_send(&mut self, number: u64, readers: &[&'static str]) {
        self.outbound.extend(readers.iter().map(|reader| ((format!("out-{number}"), *reader), 0)));
    }

    /// An unconfirmed entry, as it is in the store between two lives.
    pub(crate) fn found(&mut self, seq: u64, id: String) {
        if self.confirmed.contains(&id) {
            self.wrongs.push(format!("{id} was confirmed and is in the inbox again"));
        }
        self.entries.insert(seq, id);
    }

    /// The application got a message.
    pub(crate) fn got(&mut self, id: &str, text: &str) {
        if self.confirmed.contains(id) {
            self.wrongs.push(format!("{id} ({text}) was delivered after it was confirmed"));
        }
        match self.texts.insert(id.to_owned(), text.to_owned()) {
            Some(before) if before != text => {
                self.wrongs.push(format!("{id} was {before} and then {text}"));
            }
            _ => {}
        }
        match self.inbound.get_mut(text) {
            Some(count) => {
                *count += 1;
                self.redelivered += u32::from(*count > 1);
            }
            None => self.wrongs.push(format!("{text} was never sent")),
        }
    }

    /// The store holds that this message was confirmed.
    pub(crate) fn confirmed(&mut self, seq: u64) {
        let Some(id) = self.entries.remove(&seq) else { return };
        if !self.confirmed.insert(id.clone()) {
            self.wrongs.push(format!("{id} was confirmed twice"));
        }
    }

    /// An entry of this number was made in this life.
    pub(crate) fn pushed(&mut self, seq: u64, id: &str) {
        self.found(seq, id.to_owned());
    }

    pub(crate) fn acked(&mut self, number: u64) {
        self.acked.insert(number);
    }

    pub(crate) fn wrong(&mut self, what: String) {
        self.wrongs.push(what);
    }

    /// A peer received this text.
    pub(crate) fn arrived(&mut self, text: &str, reader: &str) {
        let reader = PEERS.into_iter().find(|name| *name == reader).unwrap_or_default();
        let copy = self.outbound.get_mut(&(text.to_owned(), reader));
        match copy {
            Some(count) => *count += 1,
            None => self.wrongs.push(format!("{reader} got {text}, which was never sent there")),
        }
    }

    /// Numbers whose ack the application has not seen.
    pub(crate) fn unacked(&self, upto: u64) -> Vec<u64> {
        (0..upto).filter(|number| !self.acked.contains(number)).collect()
    }

    pub(crate) fn undelivered(&self) -> usize {
        self.inbound.values().filter(|count| **count == 0).count()
    }

    pub(crate) fn unarrived(&self) -> usize {
        self.outbound.values().filter(|count| **count == 0).count()
    }

    /// What is still to come, in words.
    pub(crate) fn missing(&self, upto: u64) -> String {
        let undelivered =
            self.inbound.iter().filter(|(_, count)| **count == 0).map(|(text, _)| text.as_str());
        let undelivered: Vec<&str> = undelivered.take(20).collect();
        format!("still to be delivered: {undelivered:?}, to be acknowledged: {:?}", self.unacked(upto))
    }

    /// All that is wrong at the end; empty is good.
    pub(crate) fn verdict(mut self) -> Vec<String> {
        for (text, count) in &self.inbound {
            if *count == 0 {
                self.wrongs.push(format!("{text} was lost on its way in"));
            }
        }
        for ((text, reader), count) in &self.outbound {
            match count {
                0 => self.wrongs.push(format!("{text} to {reader} was lost")),
                1 => {}
                more => self.wrongs.push(format!("{text} reached {reader} {more} times")),
            }
        }
        self.wrongs
    }
}
