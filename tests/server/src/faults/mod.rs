//! What goes wrong on purpose.
//!
//! | File | Subject |
//! |---|---|
//! | `script` | single faults: which stanza, and what happens to it |
//! | `book` | all that is set to go wrong, by device, account, and for everyone |
//! | `chaos` | random faults from a seed |
//! | `edge` | where it happens: each stanza on its way in or out |

mod book;
mod chaos;
mod edge;
mod script;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::book::Plan;
use crate::account::DeviceKey;
use crate::hub::Hub;
use crate::login::Refusal;

pub(crate) use self::book::FaultBook;
pub(crate) use self::chaos::ChaosState;
pub use self::chaos::{Chaos, Fault, FaultPlan, Stroke};
pub(crate) use self::edge::Held;
pub use self::script::{Act, Filter, StreamEnd};

/// Switches for everything that can go wrong, for all devices, for those of one account, or for one. The one-shot kinds
/// count down as they happen; the lasting ones stay until [`Faults::clear`]. Where several scopes say something, the
/// device's own comes first, then the account's.
#[derive(Clone)]
pub struct Faults {
    hub: Arc<Hub>,
    scope: Scope,
}

/// For whom a fault is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Everyone,
    Account(usize),
    Device(DeviceKey),
}

/// What is wrong with the certificate chain of the next connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// Signed by a root that nobody knows.
    WrongRoot,
    /// One bit of the leaf's signature is flipped.
    BrokenSignature,
    /// The leaf is for another key than the server's.
    OtherKey,
    /// Not valid any more.
    Expired,
}

impl Faults {
    /// The count of a [script](Self::script) that does not end.
    pub const ALWAYS: u32 = u32::MAX;

    pub(crate) fn new(hub: Arc<Hub>, scope: Scope) -> Self {
        Self { hub, scope }
    }

    /// This happens to the next `count` stanzas that match. Scripts are asked in the order in which they were set; a
    /// stanza may be changed or doubled by several, and its way ends with the first that drops, holds or breaks.
    pub fn script(&self, filter: Filter, act: Act, count: u32) {
        self.change(|plan| plan.script(filter, act, count));
    }

    /// The next `count` messages are delivered, but their sender hears nothing.
    pub fn drop_ack(&self, count: u32) {
        self.script(Filter::message_acks(), Act::Drop, count);
    }

    /// Message acks come this much later; `None` ends it.
    pub fn delay_acks(&self, delay: Option<Duration>) {
        self.change(|plan| {
            plan.unscript(&Filter::message_acks(), |act| matches!(act, Act::Delay(_)));
            if let Some(delay) = delay {
                plan.script(Filter::message_acks(), Act::Delay(delay), Self::ALWAYS);
            }
        });
    }

    /// The next message is refused with this code.
    pub fn nack_next(&self, code: u16) {
        self.script(Filter::from_client().tag("message"), Act::Nack(code), 1);
    }

    /// The next `count` deliveries come twice. With a scope: deliveries to that device.
    pub fn duplicate_next(&self, count: u32) {
        self.script(Filter::deliveries(), Act::Duplicate, count);
    }

    /// The next `count` deliveries each come after the one that follows them.
    pub fn reorder_next(&self, count: u32) {
        self.script(Filter::deliveries(), Act::After(1), count);
    }

    /// The next `count` deliveries carry bytes that no session opens.
    pub fn garble_next(&self, count: u32) {
        self.script(Filter::deliveries(), Act::Garble, count);
    }

    /// The next `count` deliveries carry `size` bytes of ciphertext.
    pub fn inflate_next(&self, count: u32, size: usize) {
        self.script(Filter::deliveries(), Act::Inflate(size), count);
    }

    /// The phone cannot decrypt the next `count` messages, however good they are: it asks for each of them again. The
    /// scope says whose phone.
    pub fn refuse_decrypt(&self, count: u32) {
        self.change(|plan| plan.undecryptable = count);
    }

    /// The next `count` bundles of this device carry no one-time pre-key, as if all were used up.
    pub fn exhaust_pre_keys(&self, count: u32) {
        self.change(|plan| plan.without_one_time = count);
    }

    /// The next `count` logins are refused with this reason. 402 is a ban for an hour; see [`Self::ban`].
    pub fn refuse_login(&self, reason: u16, count: u32) {
        self.change(|plan| plan.refusals = (Refusal::new(reason), count));
    }

    /// The next `count` logins are refused with 402: banned with this code for this long (in whole seconds).
    pub fn ban(&self, code: u16, expire: Duration, count: u32) {
        self.change(|plan| plan.refusals = (Refusal::ban(code, expire), count));
    }

    /// The next login ends with this `stream:error` code right after `success`.
    pub fn stream_error_at_login(&self, code: u16) {
        self.change(|plan| plan.login_error = Some(code));
    }

    /// The next `count` connections see a broken certificate chain.
    pub fn certificate(&self, fault: CertificateFault, count: u32) {
        self.hub.state().faults.certificate = Some((fault, count));
    }

    /// IK hellos are answered as if the server's key had changed: the fallback handshake runs.
    pub fn refuse_resume(&self, on: bool) {
        self.hub.state().faults.refuse_resume = on;
    }

    /// The next `count` in-memory or real connections are closed before the handshake.
    pub fn refuse_connections(&self, count: u32) {
        self.hub.state().faults.refuse_connections = count;
    }

    /// Nothing is answered and nothing is sent, on every connection until this ends. One connection alone goes dead with
    /// [`TestServer::half_open`](crate::TestServer::half_open).
    pub fn dead_socket(&self, on: bool) {
        self.change(|plan| plan.dead = on);
    }

    /// The server waits this long before it reads on, each time that something came: what the client writes piles up.
    /// `None` ends it.
    pub fn slow_reader(&self, pause: Option<Duration>) {
        self.change(|plan| plan.read_pause = pause);
    }

    /// The server's clock is this many seconds ahead (or behind) in what it tells the client: every `t`. `None` ends it.
    pub fn shift_clock(&self, seconds: Option<i64>) {
        self.change(|plan| plan.clock_shift = seconds);
    }

    /// What arrives during the delivery of a backlog is sent among it, not after it.
    pub fn interleave_backlog(&self, on: bool) {
        self.change(|plan| plan.interleave = on);
    }

    /// Pings stay unanswered.
    pub fn swallow_pings(&self, on: bool) {
        self.change(|plan| plan.swallow_pings = on);
    }

    /// Requests of this namespace stay unanswered; `None` ends it.
    pub fn swallow_requests(&self, namespace: Option<&str>) {
        self.change(|plan| plan.swallowed = namespace.map(str::to_owned));
    }

    /// The next request of this namespace is refused with this code.
    pub fn refuse_request(&self, namespace: &str, code: u16) {
        self.change(|plan| plan.refused.push((namespace.to_owned(), code)));
    }

    /// Stanzas to the client are compressed.
    pub fn compress(&self, on: bool) {
        self.change(|plan| plan.compress = on);
    }

    /// Frames to the client come in messages of one byte.
    pub fn split_frames(&self, on: bool) {
        self.change(|plan| plan.split = on);
    }

    /// Ends every fault of this scope; for everyone, also refusals of pairing codes. Media hosts have their own.
    pub fn clear(&self) {
        let mut state = self.hub.state();
        state.faults.clear(self.scope);
        if self.scope == Scope::Everyone {
            state.pairings.refusals.clear();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        change(self.hub.state().faults.plan(self.scope));
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("scope", &self.scope).finish_non_exhaustive()
    }
}
