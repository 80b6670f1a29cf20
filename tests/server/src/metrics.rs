//! What the server counts.

use wa_types::Jid;

use crate::account::DeviceKey;
use crate::state::State;

/// What the server did since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Stanzas of logged-in devices that arrived.
    pub received: u64,
    /// Stanzas that went out to them.
    pub sent: u64,
    /// Stanzas that were put into a device's queue, each copy counted.
    pub routed: u64,
    /// Stanzas of a queue that went out to a device again, because it did not acknowledge them before it logged in anew.
    pub redelivered: u64,
    /// Messages that came with an id which the same device had used before: acknowledged again, delivered once.
    pub deduped: u64,
    /// Logins.
    pub logins: u64,
    /// Stanzas that wait for an acknowledgement.
    pub queued: usize,
    /// One-time pre-keys that are left of each device.
    pub pre_keys: Vec<(Jid, usize)>,
}

impl State {
    pub(crate) fn measure(&self) -> Metrics {
        let mut metrics = self.metrics.clone();
        for (index, account) in self.accounts.iter().enumerate() {
            for (&number, device) in &account.devices {
                metrics.deduped += device.recent.repeated;
                metrics.queued += device.queue.len();
                let jid = self.jid_of(DeviceKey { account: index, number }, &Jid::SERVER);
                metrics.pre_keys.push((jid, device.keys.one_time.len()));
            }
        }
        metrics
    }
}
