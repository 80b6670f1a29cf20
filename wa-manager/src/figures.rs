//! Figures about the manager, by the `metrics` facade: for whichever recorder the application installs. Requirements:
//! manager.md, 4.10. Accounts are never named by them.
//!
//! | Name | Figure |
//! |---|---|
//! | `wa_accounts{status}` | how many accounts stand where |
//! | `wa_transition_seconds{from,to}` | how long accounts stood somewhere before they went elsewhere |
//! | `wa_status_publish_seconds` | from the moment of a status event to its delivery in this process |
//! | `wa_reconnects_total{reason}` | connections that were lost and come back by themselves |
//! | `wa_pair_total{method,result}` | links that were tried: `linked`, or the code of the error |
//! | `wa_send_total{lane,result}` | what became of what was counted |
//! | `wa_limit_denied_total{lane,scope}` | what a limit stood against |
//! | `wa_restriction_active{kind}` | how many accounts the server restricts |
//! | `wa_inbound_received_total`, `wa_inbound_total{outcome,reason}` | what came in, and what became of it |
//! | `wa_outbox_lag_seconds` | how long messages waited in the outbox |
//! | `wa_webhook_attempts_total{result}` | deliveries to webhooks |
//! | `wa_lease_renew_seconds` | how long the manager took to make the accounts its own, at its start |
//! | `wa_fence_lost_total` | accounts that another owner took over |
//! | `wa_dead_letters_lost_total` | events that were given up for a webhook, and not kept: it had too many |
//! | `wa_socket_frame_age_seconds` | how long a connection was silent before the next bytes came |
//!
//! And those of each account's client, `wa_core`: `wa_logins_total`, `wa_connections_ended_total{reason}`,
//! `wa_message_steps_total{step}`, `wa_send_ack_seconds`, `wa_commit_seconds`, `wa_commits_failed_total`.

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::account::{AccountStatus, ReasonKind};

/// Tells the recorder of the process what the figures mean, and their units. Call it once, after the recorder was
/// installed; without it the figures have names only.
pub fn describe() {
    let seconds = Unit::Seconds;
    describe_gauge!("wa_accounts", "How many accounts stand where");
    describe_histogram!("wa_transition_seconds", seconds, "How long accounts stood somewhere");
    describe_histogram!(
        "wa_status_publish_seconds",
        seconds,
        "From a status to its delivery in this process"
    );
    describe_counter!("wa_reconnects_total", "Connections that were lost and come back by themselves");
    describe_counter!("wa_pair_total", "Links that were tried");
    describe_counter!("wa_send_total", "What became of what was sent");
    describe_counter!("wa_limit_denied_total", "What a limit stood against");
    describe_gauge!("wa_restriction_active", "How many accounts the server restricts");
    describe_counter!("wa_inbound_received_total", "What came in");
    describe_counter!("wa_inbound_total", "What became of what came in");
    describe_histogram!("wa_outbox_lag_seconds", seconds, "How long messages waited in the outbox");
    describe_counter!("wa_webhook_attempts_total", "Deliveries to webhooks");
    describe_histogram!("wa_lease_renew_seconds", seconds, "How long it took to own the accounts");
    describe_counter!("wa_fence_lost_total", "Accounts that another owner took over");
    describe_counter!(
        "wa_dead_letters_lost_total",
        "Events given up for a webhook and not kept: it has too many"
    );
    describe_histogram!("wa_socket_frame_age_seconds", seconds, "How long a connection was silent");
    describe_counter!("wa_logins_total", "Logins that went through");
    describe_counter!("wa_connections_ended_total", "Connections that ended");
    describe_counter!("wa_message_steps_total", "Steps of messages through the client");
    describe_histogram!(
        "wa_send_ack_seconds",
        seconds,
        "From a message on its way to the server's word that it has it"
    );
    describe_histogram!("wa_commit_seconds", seconds, "How long an account's store took to write");
    describe_counter!("wa_commits_failed_total", "What an account's store did not write");
    // What never happened is 0, and not missing: alarms compare it.
    counter!("wa_fence_lost_total").increment(0);
    counter!("wa_dead_letters_lost_total").increment(0);
}

/// Where one account stands, for the count of all; it stands nowhere once this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tally(Option<(AccountStatus, Duration)>);

impl Tally {
    /// It stands so now, by the clock that does not jump.
    pub(crate) fn stands(&mut self, status: AccountStatus, now: Duration) {
        match self.0 {
            Some((before, _)) if before == status => return,
            Some((before, since)) => {
                let took = now.saturating_sub(since).as_secs_f64();
                histogram!("wa_transition_seconds", "from" => before.wire(), "to" => status.wire())
                    .record(took);
                gauge!("wa_accounts", "status" => before.wire()).decrement(1.0);
            }
            None => {}
        }
        gauge!("wa_accounts", "status" => status.wire()).increment(1.0);
        self.0 = Some((status, now));
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some((status, _)) = self.0 {
            gauge!("wa_accounts", "status" => status.wire()).decrement(1.0);
        }
    }
}

/// What the server restricts one account by, for the count of all; nothing once this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Restricted(BTreeSet<&'static str>);

impl Restricted {
    /// By these it is restricted now.
    pub(crate) fn by(&mut self, kinds: impl IntoIterator<Item = &'static str>) {
        let now: BTreeSet<_> = kinds.into_iter().collect();
        let before = std::mem::replace(&mut self.0, now);
        for kind in self.0.difference(&before) {
            gauge!("wa_restriction_active", "kind" => *kind).increment(1.0);
        }
        for kind in before.difference(&self.0) {
            gauge!("wa_restriction_active", "kind" => *kind).decrement(1.0);
        }
    }
}

impl Drop for Restricted {
    fn drop(&mut self) {
        self.by([]);
    }
}

/// A connection was lost, and comes back by itself.
pub(crate) fn reconnects(reason: ReasonKind) {
    let name = serde_json::to_value(reason).ok();
    let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown").to_owned();
    counter!("wa_reconnects_total", "reason" => name).increment(1);
}

/// A link came about, or failed with this code.
pub(crate) fn paired(method: crate::pairing::PairingMethod, result: &'static str) {
    use crate::pairing::PairingMethod;
    let method = match method {
        PairingMethod::Qr => "qr",
        PairingMethod::Code => "code",
        PairingMethod::Both => "both",
    };
    counter!("wa_pair_total", "method" => method, "result" => result).increment(1);
}

/// Another owner took an account over.
pub(crate) fn fence_lost() {
    counter!("wa_fence_lost_total").increment(1);
}

/// The manager made all accounts its own.
pub(crate) fn claimed(took: Duration) {
    histogram!("wa_lease_renew_seconds").record(took.as_secs_f64());
}

/// A status event was delivered in this process, so long after it happened.
pub(crate) fn status_published(took: Duration) {
    histogram!("wa_status_publish_seconds").record(took.as_secs_f64());
}
