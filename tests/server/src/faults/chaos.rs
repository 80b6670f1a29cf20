//! Random faults from a seed. What happens to a stanza is decided by the seed and by which stanza it is: the n-th of its
//! kind, this way, of this device. Neither the clock nor what other devices do has a say, so that the same traffic
//! meets the same faults again.
//!
//! A correct client recovers from everything that [`FaultPlan::new`] does:
//!
//! * A delivery that is dropped, or cut short, waits in the device's queue until it is acknowledged, and comes with the
//!   next login. After a drop the connection is cut before long, so that there is one.
//! * A dropped ack, or a message that never reached the server, is made good by sending it again with the same id, which
//!   the server delivers once. Here too a cut follows.
//! * A dropped acknowledgement of a delivery means that the delivery comes again, and is to be confirmed again: the
//!   receipt reaches the sender after all. A dropped read receipt is lost, as it is with the real server when the client
//!   does not repeat it.
//! * A receipt on its way to the sender is a delivery like any other.
//! * Requests are never lost alone: they go with their connection.
//! * A spoiled ciphertext, or one that a phone says it cannot read, is asked for again by a retry receipt.
//! * Refusals of messages are final. They are off until a [rate](FaultPlan::rate) turns them on.
//!
//! Phones speak without a socket and repeat nothing: theirs are only delays, duplicates, other orders and what cannot be
//! read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_core::wire::Node;
use wa_types::Jid;

use super::script::{Act, StreamEnd, is_delivery};
use crate::account::DeviceKey;
use crate::hub::Hub;
use crate::journal::Direction;
use crate::stanza::Read;
use crate::state::State;

/// What may happen at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// A delivery to the client is lost, and the connection is cut before long.
    DropDelivery,
    /// A delivery comes up to a quarter of a second later.
    DelayDelivery,
    /// A delivery comes twice.
    DuplicateDelivery,
    /// A delivery comes after one to three others, a quarter of a second later if there are none.
    ReorderDelivery,
    /// The ciphertexts of a message are spoiled.
    GarbleDelivery,
    /// The ack of a message is lost, and the connection is cut before long.
    DropAck,
    /// The ack of a message comes up to a quarter of a second later.
    DelayAck,
    /// The ack of a message comes after other answers.
    ReorderAck,
    /// The ack of a message tells of another list of devices.
    WrongPhash,
    /// The connection breaks in the middle of a frame to the client.
    CutMidFrame,
    /// The stream ends with 503, 515 or in good order.
    EndStream,
    /// The connection goes half open.
    HalfOpen,
    /// A message, receipt or acknowledgement from the client is lost, and the connection is cut before long.
    DropSent,
    /// A message, receipt or acknowledgement from the client is handled twice.
    DuplicateSent,
    /// The connection breaks before a stanza of the client is read.
    CutBefore,
    /// The connection breaks after a stanza of the client was handled: its answer is lost.
    CutAfter,
    /// A message is refused with 503.
    Nack,
    /// A login is refused with 503.
    RefuseLogin,
    /// A bundle comes without a one-time pre-key.
    NoPreKey,
    /// A phone says that it cannot read a message.
    RefuseDecrypt,
}

/// What is to happen at random, how often, and to whom.
#[derive(Debug, Clone)]
#[must_use]
pub struct FaultPlan {
    seed: u64,
    rates: BTreeMap<Fault, u32>,
    accounts: Option<Vec<Jid>>,
}

impl FaultPlan {
    /// Everything that a client recovers from, at rates that leave most of the traffic alone.
    pub fn new(seed: u64) -> Self {
        Self { rates: USUAL.into(), ..Self::quiet(seed) }
    }

    /// Nothing happens but what [`Self::rate`] turns on.
    pub fn quiet(seed: u64) -> Self {
        Self { seed, rates: BTreeMap::new(), accounts: None }
    }

    /// How often something happens: to so many of ten thousand stanzas that it can happen to.
    pub fn rate(mut self, fault: Fault, of_ten_thousand: u32) -> Self {
        self.rates.insert(fault, of_ten_thousand);
        self
    }

    /// Multiplies every rate.
    pub fn times(mut self, factor: u32) -> Self {
        self.rates.values_mut().for_each(|rate| *rate = rate.saturating_mul(factor));
        self
    }

    /// Only to the devices of these accounts; without this, to all.
    pub fn accounts<'a>(mut self, users: impl IntoIterator<Item = &'a Jid>) -> Self {
        self.accounts = Some(users.into_iter().cloned().collect());
        self
    }
}

/// Random faults that go on until this is dropped. A test that fails meanwhile prints the seed.
#[must_use]
pub struct Chaos {
    hub: Arc<Hub>,
    seed: u64,
}

impl Chaos {
    pub(crate) fn begin(hub: &Arc<Hub>, plan: FaultPlan) -> Self {
        let seed = plan.seed;
        if let Err(jid) = hub.state().unleash(plan) {
            panic!("no account of this server has the address {jid}");
        }
        Self { hub: Arc::clone(hub), seed }
    }

    /// The seed that repeats it.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Nothing happens from here on; the log stays.
    pub fn calm(&self) {
        self.hub.state().calm();
    }

    /// What was done, by account, device, direction and kind of stanza: the last thousand of each.
    #[must_use]
    pub fn log(&self) -> Vec<Stroke> {
        self.hub.state().chaos.as_ref().map(ChaosState::log).unwrap_or_default()
    }

    /// How often each thing was done.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Fault, u64> {
        self.hub.state().chaos.as_ref().map(|chaos| chaos.counts.clone()).unwrap_or_default()
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed under the faults of seed {}, which were {:?}", self.seed, self.counts());
        }
        self.hub.state().chaos = None;
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stroke {
    /// The name of the account.
    pub account: String,
    /// The number of the device, 0 for the phone.
    pub device: u16,
    /// Which way the stanza went.
    pub direction: Direction,
    /// What it was: `message`, `receipt`, `notification`, `ack`, `iq`, `login`, `bundle` or `decrypt`.
    pub kind: &'static str,
    /// Which of them it was, from 0.
    pub number: u64,
    /// What happened.
    pub fault: Fault,
}

impl fmt::Display for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.direction {
            Direction::FromClient => "→",
            Direction::ToClient => "←",
        };
        let Self { account, device, kind, number, fault, .. } = self;
        write!(f, "{account}/{device} {arrow} {kind} {number}: {fault:?}")
    }
}

/// What stanzas are counted by: account, device, direction, kind.
type Stream = (String, u16, bool, &'static str);

/// Chaos as the server keeps it.
#[derive(Debug)]
pub(crate) struct ChaosState {
    pub(crate) seed: u64,
    rates: BTreeMap<Fault, u32>,
    accounts: Option<BTreeSet<usize>>,
    streams: BTreeMap<Stream, Counted>,
    pub(crate) counts: BTreeMap<Fault, u64>,
    is_calm: bool,
}

#[derive(Debug, Default)]
struct Counted {
    next: u64,
    struck: VecDeque<(u64, Fault)>,
}

/// What a stanza's turn came to: an act, and after how many more stanzas the connection is cut.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) act: Act,
    pub(super) doom: Option<u32>,
}

impl State {
    /// Begins with random faults, in place of those that were.
    ///
    /// # Errors
    /// The address of the plan that no account has.
    pub(crate) fn unleash(&mut self, plan: FaultPlan) -> Result<(), Jid> {
        let account = |jid: Jid| self.account_of(&jid).ok_or(jid);
        let accounts =
            plan.accounts.map(|jids| jids.into_iter().map(account).collect::<Result<_, _>>()).transpose()?;
        self.chaos = Some(ChaosState {
            seed: plan.seed,
            rates: plan.rates,
            accounts,
            streams: BTreeMap::new(),
            counts: BTreeMap::new(),
            is_calm: false,
        });
        Ok(())
    }

    pub(crate) fn calm(&mut self) {
        if let Some(chaos) = &mut self.chaos {
            chaos.is_calm = true;
        }
    }

    /// What happens to a stanza at random.
    pub(super) fn turn_of(&mut self, key: DeviceKey, direction: Direction, node: &Node) -> Option<Turn> {
        let kind = kind_of(direction, node)?;
        let (fault, mut draw) = self.draw(key, direction, kind, &possible(key, direction, kind))?;
        let quarter = |draw: &mut Draw| Duration::from_millis(1 + draw.below(250));
        let act = match fault {
            Fault::DropDelivery | Fault::DropAck | Fault::DropSent => Act::Drop,
            Fault::DelayDelivery | Fault::DelayAck => Act::Delay(quarter(&mut draw)),
            Fault::DuplicateDelivery | Fault::DuplicateSent => Act::Duplicate,
            Fault::ReorderDelivery | Fault::ReorderAck => {
                Act::After(u32::try_from(1 + draw.below(3)).unwrap_or(1))
            }
            Fault::GarbleDelivery => Act::Garble,
            Fault::WrongPhash => Act::WrongPhash,
            Fault::CutMidFrame | Fault::CutBefore => Act::Cut,
            Fault::CutAfter => Act::CutAfter,
            Fault::HalfOpen => Act::HalfOpen,
            Fault::Nack => Act::Nack(503),
            Fault::EndStream => Act::End(match draw.below(3) {
                0 => StreamEnd::Code(503),
                1 => StreamEnd::Code(515),
                _ => StreamEnd::Orderly,
            }),
            Fault::RefuseLogin | Fault::NoPreKey | Fault::RefuseDecrypt => return None,
        };
        let doom = (act == Act::Drop).then(|| u32::try_from(1 + draw.below(6)).unwrap_or(1));
        Some(Turn { act, doom })
    }

    /// Whether this login is refused.
    pub(crate) fn chaos_refuses_login(&mut self, key: DeviceKey) -> bool {
        self.draw(key, Direction::FromClient, "login", &[Fault::RefuseLogin]).is_some()
    }

    /// Whether this device's bundle has no one-time pre-key.
    pub(crate) fn chaos_takes_pre_key(&mut self, key: DeviceKey) -> bool {
        self.draw(key, Direction::FromClient, "bundle", &[Fault::NoPreKey]).is_some()
    }

    /// Whether this phone cannot read a message.
    pub(crate) fn chaos_blinds(&mut self, phone: DeviceKey) -> bool {
        self.draw(phone, Direction::ToClient, "decrypt", &[Fault::RefuseDecrypt]).is_some()
    }

    fn draw(
        &mut self,
        key: DeviceKey,
        direction: Direction,
        kind: &'static str,
        possible: &[Fault],
    ) -> Option<(Fault, Draw)> {
        let name = &self.accounts.get(key.account)?.name;
        let chaos = self.chaos.as_mut()?;
        if chaos.is_calm || chaos.accounts.as_ref().is_some_and(|accounts| !accounts.contains(&key.account)) {
            return None;
        }
        chaos.draw(name, key.number, direction, kind, possible)
    }
}

impl ChaosState {
    fn draw(
        &mut self,
        account: &str,
        device: u16,
        direction: Direction,
        kind: &'static str,
        possible: &[Fault],
    ) -> Option<(Fault, Draw)> {
        let to_client = direction == Direction::ToClient;
        let counted = self.streams.entry((account.to_owned(), device, to_client, kind)).or_default();
        let number = counted.next;
        counted.next += 1;
        let mut draw = Draw::new(self.seed);
        draw.mix(account.as_bytes());
        draw.mix(kind.as_bytes());
        draw.mix(&[u8::from(to_client)]);
        draw.mix(&device.to_be_bytes());
        draw.mix(&number.to_be_bytes());
        let mut point = draw.below(10_000);
        for fault in possible {
            let rate = u64::from(self.rates.get(fault).copied().unwrap_or(0));
            if point >= rate {
                point -= rate;
                continue;
            }
            if counted.struck.len() >= LOGGED {
                counted.struck.pop_front();
            }
            counted.struck.push_back((number, *fault));
            *self.counts.entry(*fault).or_default() += 1;
            tracing::debug!(account, device, kind, number, ?fault, "chaos");
            return Some((*fault, draw));
        }
        None
    }

    pub(crate) fn log(&self) -> Vec<Stroke> {
        let strokes = |((account, device, to_client, kind), counted): (&Stream, &Counted)| {
            let direction = if *to_client { Direction::ToClient } else { Direction::FromClient };
            let stroke = |&(number, fault): &(u64, Fault)| Stroke {
                account: account.clone(),
                device: *device,
                direction,
                kind,
                number,
                fault,
            };
            counted.struck.iter().map(stroke).collect::<Vec<_>>()
        };
        self.streams.iter().flat_map(strokes).collect()
    }
}

/// As what a stanza is counted. `None` for what has a time of its own (pings, presence) or begins a connection.
fn kind_of(direction: Direction, node: &Node) -> Option<&'static str> {
    match node.tag.as_ref() {
        "message" => Some("message"),
        "receipt" => Some("receipt"),
        "notification" | "call" if is_delivery(node) && direction == Direction::ToClient => {
            Some("notification")
        }
        // The server's acks of receipts tell nothing that a client waits for.
        "ack" if direction == Direction::ToClient => {
            (node.attr_text("class").as_deref() == Some("message")).then_some("ack")
        }
        "ack" => Some("ack"),
        "iq" if direction == Direction::FromClient => {
            (node.attr_text("xmlns").as_deref() != Some("w:p")).then_some("iq")
        }
        _ => None,
    }
}

/// What may happen to a stanza of this kind.
fn possible(key: DeviceKey, direction: Direction, kind: &str) -> Vec<Fault> {
    use Fault::{
        CutAfter, CutBefore, CutMidFrame, DelayAck, DelayDelivery, DropAck, DropDelivery, DropSent,
        DuplicateDelivery, DuplicateSent, EndStream, GarbleDelivery, HalfOpen, Nack, ReorderAck,
        ReorderDelivery, WrongPhash,
    };
    let is_phone = key.number == 0;
    let mut faults = match (direction, kind) {
        (Direction::ToClient, "ack") if is_phone => vec![DelayAck, ReorderAck],
        (Direction::ToClient, "ack") => vec![DropAck, DelayAck, ReorderAck, WrongPhash],
        (Direction::ToClient, kind) => {
            let mut faults = vec![DelayDelivery, DuplicateDelivery, ReorderDelivery];
            faults.extend((kind == "message").then_some(GarbleDelivery));
            faults.extend((!is_phone).then_some(DropDelivery));
            faults
        }
        (Direction::FromClient, "message") if !is_phone => vec![DropSent, DuplicateSent, Nack],
        (Direction::FromClient, "receipt" | "ack") if !is_phone => vec![DropSent, DuplicateSent],
        (Direction::FromClient, _) => vec![],
    };
    match direction {
        _ if is_phone => {}
        Direction::ToClient => faults.extend([CutMidFrame, EndStream, HalfOpen]),
        Direction::FromClient => faults.extend([CutBefore, CutAfter]),
    }
    faults
}

/// A stream of numbers that its seed and what was mixed in decide.
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u64::from(*byte);
            self.next();
        }
        self.0 ^= bytes.len() as u64;
        self.next();
    }

    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        self.0 = z;
        z
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// How long a stanza is held back when no other passes it.
pub(super) const HOLD: Duration = Duration::from_millis(250);
/// How long a connection lives on after a stanza of it was dropped, when few others follow.
pub(super) const DOOM: Duration = Duration::from_secs(1);
/// How many strokes of each kind are remembered.
const LOGGED: usize = 1000;

/// Of ten thousand.
const USUAL: [(Fault, u32); 19] = [
    (Fault::DropDelivery, 30),
    (Fault::DelayDelivery, 200),
    (Fault::DuplicateDelivery, 100),
    (Fault::ReorderDelivery, 100),
    (Fault::GarbleDelivery, 30),
    (Fault::DropAck, 50),
    (Fault::DelayAck, 200),
    (Fault::ReorderAck, 50),
    (Fault::WrongPhash, 20),
    (Fault::CutMidFrame, 10),
    (Fault::EndStream, 5),
    (Fault::HalfOpen, 2),
    (Fault::DropSent, 30),
    (Fault::DuplicateSent, 50),
    (Fault::CutBefore, 10),
    (Fault::CutAfter, 20),
    (Fault::RefuseLogin, 500),
    (Fault::NoPreKey, 1000),
    (Fault::RefuseDecrypt, 50),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn state(seed: u64) -> ChaosState {
        ChaosState {
            seed,
            rates: [(Fault::DropAck, 1000), (Fault::DelayAck, 2000)].into(),
            accounts: None,
            streams: BTreeMap::new(),
            counts: BTreeMap::new(),
            is_calm: false,
        }
    }

    fn draw(chaos: &mut ChaosState, account: &str) -> Option<Fault> {
        let faults = [Fault::DropAck, Fault::DelayAck];
        chaos.draw(account, 1, Direction::ToClient, "ack", &faults).map(|(fault, _)| fault)
    }

    #[test]
    fn what_happens_to_one_account_depends_on_nothing_else() {
        let mut alone = state(7);
        let alices: Vec<_> = (0..500).map(|_| draw(&mut alone, "alice")).collect();
        let mut mixed = state(7);
        let mut again = Vec::new();
        for number in 0..500 {
            for _ in 0..number % 3 {
                draw(&mut mixed, "bob");
            }
            again.push(draw(&mut mixed, "alice"));
        }
        assert_eq!(alices, again);
        let mut other = state(8);
        let others: Vec<_> = (0..500).map(|_| draw(&mut other, "alice")).collect();
        assert_ne!(alices, others);
    }

    #[test]
    fn rates_are_kept() {
        let mut chaos = state(1);
        for _ in 0..10_000 {
            draw(&mut chaos, "alice");
        }
        let count = |fault: Fault| chaos.counts.get(&fault).copied().unwrap_or(0);
        assert!((800..1200).contains(&count(Fault::DropAck)), "{:?}", chaos.counts);
        assert!((1800..2200).contains(&count(Fault::DelayAck)), "{:?}", chaos.counts);
        let log = chaos.log();
        assert_eq!(log.len(), LOGGED, "the last ones only");
        assert!(log.iter().is_sorted_by_key(|stroke| stroke.number));
    }
}
