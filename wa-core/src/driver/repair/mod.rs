//! Messages that could not be read: asked for again at their sender and at our phone, until they are recovered or
//! given up. Every one ends in exactly one event, also across restarts. Protocol: receiving, "Retry requests".
//!
//! ```text
//!                      ┌─ the sender, up to four requests ─┐    ┌─ recovered: Event::Message
//! unreadable ── open ──┤                                   ├────┤
//!                      └─ our phone, once, a little later ─┘    └─ given up: Event::MessageLost
//! ```
//!
//! What is open is in the store, and all of it in memory: there is a limit to how much may be open.
//!
//! | File | Subject |
//! |---|---|
//! | `stored` | an open repair as bytes |
//! | `sender` | asking senders, and what it may cost |
//! | `phone` | asking our phone, and its answers |

mod phone;
mod sender;
mod stored;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use wa_store::{MessageKey, RepairRecord, StoreError};
use wa_types::{Jid, MessageId, PreKeyId, UnixMillis};

use super::inbox::stored::StoredEvent;
use super::{Actor, Status, Step, clock};
use crate::crypto::kdf::sha256;
use crate::e2e::DecryptError;
use crate::e2e::addressing::Place;
use crate::e2e::retry::{self, Buckets};
use crate::event::{Event, LostReason, MessageLost, Undecryptable};
use crate::stanza::ack::{self, nack};
use crate::stanza::message::{InboundMessage, Unavailable};
use crate::stanza::retry::Origin;

/// How many messages may be under repair. Beyond it the oldest is given up.
const OPEN_LIMIT: usize = 1024;

/// Each pause before a sender is asked again is so many times longer.
const LONGER: u32 = 15;

/// A status is gone after this.
const STATUS_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the repair of a message that could not be read goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairTimes {
    /// Our phone is asked this long after a message could first not be read; 5 seconds.
    pub phone_after: Duration,
    /// The phone may take this long to answer: it may be off; a day.
    pub phone_limit: Duration,
    /// A sender is asked again when its answer does not come for this long; a minute, and each time
    /// fifteen times longer.
    pub ask_again_after: Duration,
    /// Whatever is still open then is given up; 14 days, which is how long the phone keeps what it may be asked for.
    pub deadline: Duration,
}

impl Default for RepairTimes {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            phone_after: Duration::from_secs(5),
            phone_limit: DAY,
            ask_again_after: Duration::from_secs(60),
            deadline: DAY.saturating_mul(14),
        }
    }
}

/// All open repairs.
#[derive(Default)]
pub(super) struct Repairs {
    open: HashMap<MessageKey, Repair>,
    /// Whose sender is to be asked, in order.
    due: VecDeque<MessageKey>,
    /// Senders are asked again then, when there were too many to ask.
    ask_at: Option<Instant>,
    /// Requests to our phone that the server did not acknowledge yet.
    unacknowledged: HashSet<MessageId>,
    requests: Buckets<Jid>,
    gifts: Buckets<Jid>,
}

/// A message that could not be read, and what was done about it.
struct Repair {
    origin: Origin,
    chat: Jid,
    sender: Jid,
    sender_alt: Option<Jid>,
    from_me: bool,
    push_name: Option<String>,
    is_backlog: bool,
    /// It was never meant for this device: only the phone has it.
    is_placeholder: bool,
    /// When it could first not be read, by both clocks.
    since: UnixMillis,
    opened: Instant,
    /// How often its sender was asked, a request that is still due included.
    count: u8,
    asking: Asking,
    /// When it was asked last, or this was read from the store.
    asked: Instant,
    /// Why it could not be read, as requests say it.
    code: Option<u8>,
    /// Which copy could not be read last; see [`fingerprint`].
    copy: u64,
    /// The one-time pre-key that its sender was given.
    spare: Option<PreKeyId>,
    phone: Phone,
}

/// How far the sender was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// A request is to be sent.
    Due,
    /// It was sent; perhaps it was lost with its connection.
    Sent,
    /// The server has it; its answer is waited for.
    Waiting,
    /// Often enough.
    Done,
}

/// How far our phone was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phone {
    /// It is not asked for this message.
    Never,
    /// It is to be asked, after this many requests that it could not read.
    Due { tries: u8 },
    /// With this message, the last time then.
    Asked { request: MessageId, tries: u8, asked: UnixMillis, at: Instant },
    /// It does not have the message.
    Failed,
}

impl Repair {
    /// Why it is to be given up, if it is.
    fn verdict(&self, times: &RepairTimes, now: Instant) -> Option<LostReason> {
        if now >= self.opened + times.deadline {
            return Some(LostReason::NotAnswered);
        }
        let phone_is_done = match &self.phone {
            Phone::Never | Phone::Failed => true,
            Phone::Asked { at, .. } => now >= *at + times.phone_limit,
            Phone::Due { .. } => false,
        };
        (phone_is_done && self.asking == Asking::Done).then_some(if self.is_placeholder {
            LostReason::NotForThisDevice
        } else {
            LostReason::Unreadable
        })
    }

    /// When something about it changes by itself.
    fn next_at(&self, times: &RepairTimes, is_ready: bool) -> Instant {
        let deadline = self.opened + times.deadline;
        let phone = match &self.phone {
            Phone::Due { .. } if is_ready => Some(self.opened + times.phone_after),
            Phone::Asked { at, .. } if self.asking == Asking::Done => Some(*at + times.phone_limit),
            _ => None,
        };
        let again = self.ask_again_at(times).filter(|_| is_ready);
        phone.into_iter().chain(again).fold(deadline, Instant::min)
    }

    /// When its sender is asked once more, as an answer or a request can be lost on many ways. The last request waits
    /// for its answer as long as the repair goes on.
    fn ask_again_at(&self, times: &RepairTimes) -> Option<Instant> {
        let is_due = match self.asking {
            Asking::Sent => true,
            Asking::Waiting => retry::next_count(Some(self.count), 0).is_some(),
            Asking::Due | Asking::Done => false,
        };
        let pause = LONGER.saturating_pow(u32::from(self.count.saturating_sub(1)));
        is_due.then(|| self.asked + times.ask_again_after.saturating_mul(pause))
    }
}

impl Repairs {
    /// When [`Actor::mend`] has something to do; `None` while nothing is open.
    pub(super) fn next_at(
        &self,
        times: &RepairTimes,
        is_ready: bool,
        line: Option<Instant>,
    ) -> Option<Instant> {
        let each = self.open.values().map(|repair| {
            let at = repair.next_at(times, is_ready);
            // The phone cannot be reached before that.
            if matches!(repair.phone, Phone::Due { .. }) && is_ready {
                line.map_or(at, |line| at.max(line))
            } else {
                at
            }
        });
        each.chain(self.ask_at.filter(|_| is_ready)).min()
    }

    fn clear(&mut self) {
        self.open.clear();
        self.due.clear();
        self.unacknowledged.clear();
        self.ask_at = None;
    }
}

impl Actor {
    /// Reads what is open, at the start and after a failure of the store.
    pub(super) async fn load_repairs(&mut self) -> Result<(), StoreError> {
        let records = self.store.repairs(OPEN_LIMIT).await?;
        self.repairs.clear();
        let (now, time) = (clock::now(), clock::unix_millis());
        for record in records {
            match Repair::read(&record, now, time) {
                Some(repair) => {
                    if let Phone::Asked { request, .. } = &repair.phone {
                        self.repairs.unacknowledged.insert(request.clone());
                    }
                    if repair.asking == Asking::Due {
                        self.repairs.due.push_back(record.message.clone());
                    }
                    self.repairs.open.insert(record.message, repair);
                }
                None => tracing::error!(id = %record.message.id, "a stored repair is damaged"),
            }
        }
        Ok(())
    }

    /// Takes in a message that cannot be read: its repair begins or goes on where that helps, else it is refused and
    /// given up. `key` is what it is known by when it comes again.
    pub(super) fn handle_unreadable(
        &mut self,
        message: &InboundMessage,
        key: MessageKey,
        place: Place,
        error: DecryptError,
        step: &mut Step,
    ) {
        let time = clock::unix_millis();
        let age = Duration::from_secs(time.to_seconds().0.saturating_sub(message.timestamp.0));
        let (refusal, lost) = match &error {
            _ if message.from.is_status() && age > STATUS_LIFE => {
                return step.reply(ack::for_message(message, None));
            }
            DecryptError::MissingSecret => (Some(nack::MISSING_SECRET), Some(LostReason::MissingSecret)),
            DecryptError::NoContent => (Some(nack::UNRECOGNIZED_TYPE), Some(LostReason::NoContent)),
            DecryptError::ForeignCopy => (None, Some(LostReason::ForeignCopy)),
            DecryptError::Unavailable(Unavailable::Plain) => (None, None),
            DecryptError::Unavailable(_) => (None, Some(LostReason::NotForThisDevice)),
            DecryptError::Signal(_) | DecryptError::DeviceIdentity(_) => (None, None),
        };
        tracing::warn!(%error, id = %message.id, is_lost = lost.is_some(), "a message could not be read");
        // Before the request: behind it, it might acknowledge the answer, which has the same id.
        step.reply(ack::for_message(message, refusal));
        let open = self.repairs.open.remove(&key);
        let is_new = open.is_none();
        let mut repair = open.unwrap_or_else(|| Repair {
            origin: Origin::of(message),
            chat: place.chat,
            sender: place.sender,
            sender_alt: message.sender_alt.clone(),
            from_me: place.from_me,
            push_name: message.push_name.clone(),
            is_backlog: message.offline.is_some(),
            is_placeholder: false,
            since: time,
            opened: clock::now(),
            count: 0,
            asking: Asking::Done,
            asked: clock::now(),
            code: None,
            copy: 0,
            spare: None,
            phone: if retry::is_for_phone(&Origin::of(message), age) {
                Phone::Due { tries: 0 }
            } else {
                Phone::Never
            },
        });
        if let Some(why) = lost {
            return self.lose(key, &repair, why, step);
        }
        repair.is_placeholder = matches!(error, DecryptError::Unavailable(_));
        let resend = message.encs.iter().map(|enc| enc.count).max().unwrap_or(0);
        let asked = (!is_new).then_some(repair.count);
        // Neither the same copy once more, as after a lost connection, nor one that came before our request has left is
        // an answer to it.
        let copy = fingerprint(message);
        let is_known = std::mem::replace(&mut repair.copy, copy) == copy && !is_new;
        if !is_known && repair.asking != Asking::Due {
            let next = error.retry_code().zip(retry::next_count(asked, resend));
            repair.asking = if next.is_some() { Asking::Due } else { Asking::Done };
            if let Some((code, count)) = next {
                // 0 is "unknown", and left out.
                (repair.count, repair.code) = (count, Some(code).filter(|code| *code != 0));
                self.repairs.due.push_back(key.clone());
            }
        }
        if is_new {
            step.events.push(Event::Undecryptable(Box::new(Undecryptable {
                chat: repair.chat.clone(),
                sender: repair.sender.clone(),
                id: message.id.clone(),
                timestamp: message.timestamp,
                error,
                is_retried: repair.asking == Asking::Due,
            })));
        }
        self.make_room(step);
        step.changes.put_repair(repair.record(key.clone()));
        self.repairs.open.insert(key, repair);
    }

    /// Whether the message of this key could not be read, and is being asked for.
    pub(super) fn is_under_repair(&self, key: &MessageKey) -> bool {
        self.repairs.open.contains_key(key)
    }

    /// Ends the repair of a message that was read after all; tells whether there was one.
    pub(super) fn settle_repair(&mut self, key: &MessageKey, step: &mut Step) -> bool {
        let was_open = self.repairs.open.remove(key).is_some();
        if was_open {
            step.changes.delete_repair(key.clone());
        }
        was_open
    }

    /// A message with an open repair held nothing but keys: there is nothing to wait for.
    pub(super) fn settle_silent(&mut self, key: &MessageKey, step: &mut Step) {
        if let Some(repair) = self.repairs.open.remove(key) {
            self.lose(key.clone(), &repair, LostReason::OnlyKeys, step);
        }
    }

    /// Does what is due about the open repairs.
    pub(super) async fn mend(&mut self, step: &mut Step) -> Result<(), StoreError> {
        self.mend_history(step).await?;
        if self.repairs.open.is_empty() {
            self.repairs.clear();
            return Ok(());
        }
        let now = clock::now();
        let times = self.config.repair;
        let overdue = self.repairs.open.iter().filter_map(|(key, repair)| {
            repair.verdict(&times, now).map(|why| (repair.since, key.clone(), why))
        });
        let mut overdue: Vec<_> = overdue.collect();
        overdue.sort_unstable();
        for (_, key, why) in overdue {
            if let Some(repair) = self.repairs.open.remove(&key) {
                self.lose(key, &repair, why, step);
            }
        }
        if *self.status.borrow() == Status::Ready {
            self.repeat_requests(now);
            self.ask_senders(now, step).await?;
            self.ask_phone(now, step).await?;
        }
        Ok(())
    }

    /// Gives the oldest up when there are too many.
    fn make_room(&mut self, step: &mut Step) {
        while self.repairs.open.len() >= OPEN_LIMIT {
            let oldest = self.repairs.open.iter().min_by_key(|(key, repair)| (repair.since, *key));
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            if let Some(repair) = self.repairs.open.remove(&key) {
                self.lose(key, &repair, LostReason::TooMany, step);
            }
        }
    }

    /// The last word on a message. It is kept like a message until the application has it.
    fn lose(&mut self, key: MessageKey, repair: &Repair, why: LostReason, step: &mut Step) {
        step.changes.delete_repair(key.clone());
        let lost = MessageLost {
            number: self.next_number(),
            chat: repair.chat.clone(),
            sender: repair.sender.clone(),
            from_me: repair.from_me,
            id: repair.origin.id.clone(),
            timestamp: repair.origin.timestamp,
            why,
        };
        self.push_inbox(key, StoredEvent::Lost(Box::new(lost)), step);
    }
}

/// What tells one copy of a message from another.
fn fingerprint(message: &InboundMessage) -> u64 {
    let parts = message.encs.iter().flat_map(|enc| [std::slice::from_ref(&enc.count), &*enc.bytes]);
    let parts: Vec<&[u8]> = parts.collect();
    let [a, b, c, d, e, f, g, h, ..] = sha256(&parts);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Repair {
    fn record(&self, key: MessageKey) -> RepairRecord {
        RepairRecord { message: key, since: self.since, state: self.encode() }
    }
}
