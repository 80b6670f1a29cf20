//! Limits that protect accounts and the people written to: what may be sent to whom, how much of it, and when it may
//! go on. Requirements: manager.md, section 3. No limit makes an unofficial client safe.
//!
//! Everything here is plain values: times and randomness are handed in, and what is decided is written by the caller
//! in one transaction, before anything leaves.
//!
//! ```text
//! Deed + Person ──Lane::of──► lane ──┐
//! TrustState, TrustTable ────────────┴─► TrustState::admit ─► Admission: may, or not before, or never, and why
//!                                              │ reserve
//! server's signals ──► TrustState::heed        ▼
//! a new day        ──► TrustState::roll    counted: settle or release when the answer comes
//! ```
//!
//! | File | Subject |
//! |---|---|
//! | `table` | levels and their limits |
//! | `lane` | what is being sent to whom |
//! | `window` | how much of something happened lately |
//! | `day` | which day it is, in the account's zone |
//! | `time` | one time that does not jump |
//! | `state` | all that is remembered of one account |
//! | `admission` | may this be sent now; reserve before sending |
//! | `signal` | what the server says, and what follows from it |
//! | `movement` | up and down between levels |

mod admission;
mod day;
mod lane;
mod movement;
mod signal;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod window;

pub use admission::{Admission, LimitInfo, LimitSource, OnLimit, Scope, Terms};
pub use day::{DayKey, UnknownZone, Zone};
pub use lane::{Deed, Lane, Person};
pub use movement::{Evidence, Moved};
pub use signal::{BanCode, Signal};
pub use state::{
    ClosedLane, Reservation, ReservationState, Restriction, RestrictionKind, TrustState, UnknownRestriction,
    Usage,
};
pub use table::{Level, TrustLevel, TrustPolicy, TrustTable};
pub use time::{ClockSkew, TrustClock};
