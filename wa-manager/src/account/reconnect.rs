//! When accounts come back after a connection ended, and when they give up. Requirements: manager.md, 4.2.

use std::time::Duration;

use wa_core::client::ReconnectPolicy as ClientPolicy;

/// When accounts come back after a connection ended, and when they give up.
///
/// | The connection ended because of | It comes back |
/// |---|---|
/// | the network, the server's trouble, the end of the stream | after 1, 2, 3, 5, 8 … seconds |
/// | the server's wish for a new one (515) | at once |
/// | the server's wish for fewer (429) | after a minute, two, four … |
/// | silence | at once, then as for the network |
/// | another connection with the same keys | once, after half a minute |
/// | a ban for a while (402) | ten minutes after its end |
/// | a lock (403) | never by itself; nobody may start it for 5, then 15, then 60 minutes |
/// | an end for good (401, 406), or a release that is not served (405) | never; of the last, one account tries now and then |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct ReconnectPolicy {
    /// The first two pauses between tries; each later one is as long as the two before it.
    pub first_pauses: [Duration; 2],
    /// The longest of them, give or take what chance adds.
    pub longest_pause: Duration,
    /// By how many percent chance makes pauses shorter or longer, so that not all accounts come back at once.
    pub jitter_percent: u8,
    /// The pause after a server that falls silent, once until the next stable time.
    pub after_silence: Duration,
    /// The shortest pause after the server asked for fewer connections; it doubles each time.
    pub slow_pause: Duration,
    /// The longest of these.
    pub longest_slow_pause: Duration,
    /// How long to wait after somebody else took over, before the one try that follows.
    pub after_replaced: Duration,
    /// Taken over again within this, the account leaves it to the other one.
    pub conflict_within: Duration,
    /// How much longer than the server says a ban is believed.
    pub ban_margin: Duration,
    /// How often it tries before somebody has to act; a stable time in between counts it anew.
    pub tries: u32,
    /// How long it tries before somebody has to act.
    pub span: Duration,
    /// What counts as stable.
    pub stable: Duration,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            first_pauses: [SECOND, SECOND.saturating_mul(2)],
            longest_pause: MINUTE * 5,
            jitter_percent: 20,
            after_silence: Duration::ZERO,
            slow_pause: MINUTE,
            longest_slow_pause: MINUTE * 30,
            after_replaced: MINUTE / 2,
            conflict_within: MINUTE * 10,
            ban_margin: MINUTE * 10,
            tries: 50,
            span: MINUTE * 60 * 24,
            stable: MINUTE * 5,
        }
    }
}

impl ReconnectPolicy {
    /// What of it is the client's to do.
    pub(crate) fn of_client(&self) -> ClientPolicy {
        let mut policy = ClientPolicy::default();
        policy.first_pauses = self.first_pauses;
        (policy.longest_pause, policy.jitter_percent) = (self.longest_pause, self.jitter_percent);
        policy.after_silence = Some(self.after_silence);
        (policy.slow_pause, policy.longest_slow_pause) = (self.slow_pause, self.longest_slow_pause);
        policy.stable_after = self.stable;
        (policy.after_replaced, policy.conflict_within) = (self.after_replaced, self.conflict_within);
        policy
    }
}
