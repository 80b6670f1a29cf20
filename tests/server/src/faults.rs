//! What goes wrong on purpose.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::account::DeviceKey;
use crate::hub::Hub;

/// Switches for everything that can go wrong, for all devices or for one. The one-shot kinds count down as they
/// happen; the lasting ones stay until [`Faults::clear`].
#[derive(Clone)]
pub struct Faults {
    hub: Arc<Hub>,
    scope: Option<DeviceKey>,
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
    pub(crate) fn new(hub: Arc<Hub>, scope: Option<DeviceKey>) -> Self {
        Self { hub, scope }
    }

    /// The next `count` messages are delivered, but their sender hears nothing.
    pub fn drop_ack(&self, count: u32) {
        self.change(|plan| plan.drop_acks = count);
    }

    /// Message acks come this much later; `None` ends it.
    pub fn delay_acks(&self, delay: Option<Duration>) {
        self.change(|plan| plan.ack_delay = delay);
    }

    /// The next message is refused with this code.
    pub fn nack_next(&self, code: u16) {
        self.change(|plan| plan.nacks.push(code));
    }

    /// The next `count` deliveries come twice. With a scope: deliveries to that device.
    pub fn duplicate_next(&self, count: u32) {
        self.change(|plan| plan.duplicates = count);
    }

    /// The next `count` deliveries each come after the one that follows them.
    pub fn reorder_next(&self, count: u32) {
        self.change(|plan| plan.reorders = count);
    }

    /// The next `count` deliveries carry bytes that no session opens.
    pub fn garble_next(&self, count: u32) {
        self.change(|plan| plan.garbles = count);
    }

    /// The next `count` deliveries carry `size` bytes of ciphertext.
    pub fn inflate_next(&self, count: u32, size: usize) {
        self.change(|plan| {
            plan.inflates = count;
            plan.inflated_size = size;
        });
    }

    /// The next `count` logins are refused with this reason.
    pub fn refuse_login(&self, reason: u16, count: u32) {
        self.change(|plan| plan.refusals = (reason, count));
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

    /// Pings stay unanswered, and so does everything else: a dead socket.
    pub fn dead_socket(&self, on: bool) {
        self.change(|plan| plan.dead = on);
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

    /// Ends every fault of this scope.
    pub fn clear(&self) {
        if self.scope.is_none() {
            self.hub.state().faults = FaultBook::default();
        } else {
            self.change(|plan| *plan = Plan::default());
        }
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        let mut state = self.hub.state();
        let plan = match self.scope {
            None => &mut state.faults.everyone,
            Some(device) => state.faults.devices.entry(device).or_default(),
        };
        change(plan);
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// All faults that are set.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    everyone: Plan,
    devices: HashMap<DeviceKey, Plan>,
    certificate: Option<(CertificateFault, u32)>,
    pub(crate) refuse_resume: bool,
    refuse_connections: u32,
}

#[derive(Debug, Default)]
struct Plan {
    drop_acks: u32,
    ack_delay: Option<Duration>,
    nacks: Vec<u16>,
    duplicates: u32,
    reorders: u32,
    garbles: u32,
    inflates: u32,
    inflated_size: usize,
    refusals: (u16, u32),
    login_error: Option<u16>,
    dead: bool,
    swallow_pings: bool,
    swallowed: Option<String>,
    refused: Vec<(String, u16)>,
    compress: bool,
    split: bool,
}

/// How the writer of a connection writes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writing {
    pub(crate) compress: bool,
    pub(crate) split: bool,
    pub(crate) dead: bool,
}

impl FaultBook {
    pub(crate) fn take_drop_ack(&mut self, device: DeviceKey) -> bool {
        self.take(device, |plan| count_down(&mut plan.drop_acks))
    }

    pub(crate) fn ack_delay(&self, device: DeviceKey) -> Option<Duration> {
        self.devices.get(&device).and_then(|plan| plan.ack_delay).or(self.everyone.ack_delay)
    }

    pub(crate) fn take_nack(&mut self, device: DeviceKey) -> Option<u16> {
        self.take(device, |plan| take_first(&mut plan.nacks))
    }

    pub(crate) fn take_duplicate(&mut self, device: DeviceKey) -> bool {
        self.take(device, |plan| count_down(&mut plan.duplicates))
    }

    pub(crate) fn take_reorder(&mut self, device: DeviceKey) -> bool {
        self.take(device, |plan| count_down(&mut plan.reorders))
    }

    pub(crate) fn take_garble(&mut self, device: DeviceKey) -> bool {
        self.take(device, |plan| count_down(&mut plan.garbles))
    }

    pub(crate) fn take_inflate(&mut self, device: DeviceKey) -> Option<usize> {
        self.take(device, |plan| count_down(&mut plan.inflates).then_some(plan.inflated_size))
    }

    pub(crate) fn take_refusal(&mut self, device: DeviceKey) -> Option<u16> {
        self.take(device, |plan| {
            let (reason, count) = &mut plan.refusals;
            count_down(count).then_some(*reason)
        })
    }

    pub(crate) fn take_login_error(&mut self, device: DeviceKey) -> Option<u16> {
        self.take(device, |plan| plan.login_error.take())
    }

    pub(crate) fn take_certificate(&mut self) -> Option<CertificateFault> {
        let (fault, count) = self.certificate.as_mut()?;
        count_down(count).then_some(*fault)
    }

    pub(crate) fn take_refused_connection(&mut self) -> bool {
        count_down(&mut self.refuse_connections)
    }

    pub(crate) fn swallows(&self, device: DeviceKey, namespace: &str, is_ping: bool) -> bool {
        self.plans(device).any(|plan| {
            plan.dead || (plan.swallow_pings && is_ping) || plan.swallowed.as_deref() == Some(namespace)
        })
    }

    pub(crate) fn take_request_refusal(&mut self, device: DeviceKey, namespace: &str) -> Option<u16> {
        self.take(device, |plan| {
            let place = plan.refused.iter().position(|(refused, _)| refused == namespace)?;
            Some(plan.refused.remove(place).1)
        })
    }

    pub(crate) fn writing(&self, device: Option<DeviceKey>) -> Writing {
        let own = device.and_then(|device| self.devices.get(&device));
        let any = |of: fn(&Plan) -> bool| of(&self.everyone) || own.is_some_and(of);
        Writing {
            compress: any(|plan| plan.compress),
            split: any(|plan| plan.split),
            dead: any(|plan| plan.dead),
        }
    }

    fn plans(&self, device: DeviceKey) -> impl Iterator<Item = &Plan> {
        self.devices.get(&device).into_iter().chain([&self.everyone])
    }

    /// Asks the device's own plan first, then everyone's.
    fn take<T: Taken>(&mut self, device: DeviceKey, ask: impl Fn(&mut Plan) -> T) -> T {
        if let Some(plan) = self.devices.get_mut(&device) {
            let taken = ask(plan);
            if taken.is_taken() {
                return taken;
            }
        }
        ask(&mut self.everyone)
    }
}

/// Whether a question to a plan was answered.
trait Taken {
    fn is_taken(&self) -> bool;
}

impl Taken for bool {
    fn is_taken(&self) -> bool {
        *self
    }
}

impl<T> Taken for Option<T> {
    fn is_taken(&self) -> bool {
        self.is_some()
    }
}

fn count_down(count: &mut u32) -> bool {
    let happens = *count > 0;
    *count = count.saturating_sub(1);
    happens
}

fn take_first(codes: &mut Vec<u16>) -> Option<u16> {
    if codes.is_empty() { None } else { Some(codes.remove(0)) }
}
