//! Which messages were sent, and where they were read. Memory does not grow with the run: each device reads the messages
//! of a stream from the first to the last, give or take the few that are on their way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A device of an account: its phone or its linked client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Device {
    pub(crate) account: usize,
    pub(crate) is_phone: bool,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_phone { "phone" } else { "client" }, self.account)
    }
}

/// Where a message goes: to the account or the group of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Chat {
    Account(usize),
    Group(usize),
}

impl Chat {
    /// Whether this device reads what another writes there.
    fn reaches(self, from: Device, reader: Device) -> bool {
        reader != from
            && match self {
                Self::Account(account) => reader.account == account || reader.account == from.account,
                Self::Group(_) => true,
            }
    }
}

impl fmt::Display for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "account {account}"),
            Self::Group(group) => write!(f, "group {group}"),
        }
    }
}

/// The messages of one device to one chat, numbered from 0.
type Stream = (Device, Chat);

/// All messages of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    accounts: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sent: BTreeMap<Stream, u64>,
    read: BTreeMap<(Stream, Device), Reading>,
    copies: u64,
    problem: Option<String>,
}

/// What a device read of a stream: everything below `next`, and some beyond it.
#[derive(Debug, Default)]
struct Reading {
    next: u64,
    ahead: BTreeSet<u64>,
}

impl Tally {
    pub(crate) fn new(accounts: usize) -> Self {
        Self { accounts, inner: Mutex::default() }
    }

    /// The text of the next message of a device to a chat; no other is the same. It counts as sent from now on.
    pub(crate) fn next_text(&self, from: Device, to: Chat) -> String {
        let mut inner = self.lock();
        let count = inner.sent.entry((from, to)).or_default();
        let number = *count;
        *count += 1;
        let kind = if from.is_phone { "phone" } else { "client" };
        // Some are long.
        let filler = if number.is_multiple_of(17) { "long ".repeat(400) } else { String::new() };
        format!("{kind} {} to {to}: {number} {filler}", from.account)
    }

    /// A device read a text, in a group or not.
    pub(crate) fn note(&self, reader: Device, in_group: bool, text: &str) {
        let Some((stream, number)) = parse(text) else {
            return self.fail(format!("{reader} read what nobody wrote: {text:.60}"));
        };
        let (from, to) = stream;
        if !to.reaches(from, reader) || matches!(to, Chat::Group(_)) != in_group {
            return self.fail(format!("{reader} read message {number} of {from} to {to} in another chat"));
        }
        let mut inner = self.lock();
        inner.copies += 1;
        let reading = inner.read.entry((stream, reader)).or_default();
        let is_new = number >= reading.next && reading.ahead.insert(number);
        while reading.ahead.remove(&reading.next) {
            reading.next += 1;
        }
        drop(inner);
        if !is_new {
            self.fail(format!("{reader} read message {number} of {from} to {to} twice"));
        }
    }

    /// Something that must not happen; the first is kept, and ends the run.
    pub(crate) fn fail(&self, problem: String) {
        self.lock().problem.get_or_insert(problem);
    }

    pub(crate) fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// How many messages were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.lock().sent.values().sum()
    }

    /// How many copies were read.
    pub(crate) fn read(&self) -> u64 {
        self.lock().copies
    }

    /// The devices that lack messages, and which.
    pub(crate) fn missing(&self) -> Vec<String> {
        let inner = self.lock();
        let mut missing = Vec::new();
        for (&(from, to), &sent) in &inner.sent {
            let devices = (0..self.accounts)
                .flat_map(|account| [true, false].map(|is_phone| Device { account, is_phone }));
            for reader in devices.filter(|device| to.reaches(from, *device)) {
                let (next, ahead) = match inner.read.get(&((from, to), reader)) {
                    Some(reading) => (reading.next, reading.ahead.len()),
                    None => (0, 0),
                };
                if next < sent {
                    missing.push(format!(
                        "{reader} lacks messages of {from} to {to}: from {next} on, of {sent}, but for {ahead} later ones"
                    ));
                }
            }
        }
        missing
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`Tally::next_text`] wrote.
fn parse(text: &str) -> Option<(Stream, u64)> {
    let mut words = text.split(' ');
    let is_phone = match words.next()? {
        "phone" => true,
        "client" => false,
        _ => return None,
    };
    let account = words.next()?.parse().ok()?;
    let (_to, kind) = (words.next()?, words.next()?);
    let to = words.next()?.strip_suffix(':')?.parse().ok()?;
    let to = match kind {
        "account" => Chat::Account(to),
        "group" => Chat::Group(to),
        _ => return None,
    };
    Some(((Device { account, is_phone }, to), words.next()?.parse().ok()?))
}
