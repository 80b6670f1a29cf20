//! One account: its name, its settings, where it stands.
//!
//! | File | Subject |
//! |---|---|
//! | `name` | what it is called in addresses and paths |
//! | `settings` | what can be set, with defaults |
//! | `status` | where it stands, and why |
//! | `reconnect` | when it comes back after a connection ended |
//! | `record` | the row in the store, and what others see of it |
//! | `actor` | the task that runs it |
//! | `handle` | what a host holds of it |
//! | `errands` | what it does besides sending |
//! | `limits` | its limits and its outbox, as a host sees and sets them |

pub(crate) mod actor;
mod errands;
mod handle;
mod limits;
mod name;
mod reconnect;
mod record;
mod settings;
mod status;

pub use actor::{
    AccountPatch, CheckError, CommandOutcome, ConnectionPolicy, HistoryError, HistoryJob, HistoryRequest,
    NumberStatus, SendOutcome, SessionError, Unlink,
};
pub(crate) use errands::Errand;
pub use errands::ErrandError;
pub use handle::Account;
pub use limits::{OutboxHandle, TrustHandle, TrustView};
pub use name::{AccountName, NameError};
pub use reconnect::ReconnectPolicy;
pub use record::{AcceptedLink, AccountRecord, AccountSnapshot, DeviceSnapshot, TrustSnapshot};
pub use settings::{
    AccountSettings, IdentityPolicy, IgnoreRules, StorageMode, SyncLimit, SyncLimitTooHigh, ZoneName,
};
pub use status::{AccountStatus, DesiredState, Reason, ReasonKind, UserAction};
