//! What became of what came in: processed, skipped or failed, one of them for each item. Requirements: manager.md, R075.

use metrics::counter;

use super::error::Stage;

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It is told as an event, with its contact and its chat where it has such.
    Processed,
    /// It is told to nobody, on purpose.
    Skipped(Skip),
    /// Something failed. What could be read of it is told as an event all the same.
    Failed(Stage),
}

/// Why something is told to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Skip {
    /// A status post, which the account's settings ignore.
    Status,
    /// A message of a broadcast list, which the account's settings ignore.
    Broadcast,
    /// A message of a group, which the account's settings ignore.
    Group,
    /// A channel's post, which the account's settings ignore.
    Newsletter,
    /// A matter between the account's own devices.
    OwnDevice,
    /// It could not be read, and held nothing but keys.
    OnlyKeys,
}

impl Skip {
    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Broadcast => "broadcast",
            Self::Group => "group",
            Self::Newsletter => "newsletter",
            Self::OwnDevice => "own_device",
            Self::OnlyKeys => "only_keys",
        }
    }
}

/// Something came in. Always: received = processed + skipped + failed.
pub(super) fn count_received() {
    counter!("wa_inbound_received_total").increment(1);
}

/// This became of it.
pub(super) fn count(outcome: Outcome) {
    let (name, reason) = match outcome {
        Outcome::Processed => ("processed", ""),
        Outcome::Skipped(skip) => ("skipped", skip.as_str()),
        Outcome::Failed(stage) => ("failed", stage.as_str()),
    };
    counter!("wa_inbound_total", "outcome" => name, "reason" => reason).increment(1);
}
