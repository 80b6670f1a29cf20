//! Linking an account to its phone, by QR code or by a code that the phone's user types. Requirements: manager.md,
//! R001-R055, 3.6, 4.4. No limit makes an unofficial client safe.
//!
//! ```text
//!   caller                    account's actor                              client of new keys
//! PairingTicket <─ updates ── TicketSide      ┌─────────┐ <── on_event ─── Event
//!       └─ refresh, cancel ─>                 │ Attempt │ ──── Step ─────> pair_with_code, reconnect
//!                             ViewPublisher <─┤  (pure) │ ──── Step ─────> row, events: one commit
//!                                  │          └─────────┘ <──> PairLimiter ─> ManagerStore
//! another process <─ PairingStore ─┘
//! ```
//!
//! # What the actor does
//!
//! 1. [`PairLimiter::begin`]: may an attempt begin? The [`PairingSlot`] is kept until the attempt is over; it takes the
//!    account and the phone.
//! 2. [`Attempt::new`], [`PairingTicket::new`]: the ticket goes to the caller, the [`TicketSide`] stays. The steps of the
//!    attempt are done, then the client connects, with a store of its own at its final place and with
//!    [`TicketSide::authenticator`].
//! 3. Until [`Attempt::is_over`]: every event of the client goes to [`Attempt::on_event`], too; [`Attempt::on_time`] at
//!    [`Attempt::deadline`]; [`TicketSide::next_command`] to [`Attempt::refresh`] and [`Attempt::cancel`], whose steps
//!    are done before the answer is given. All steps are done in their order:
//!
//! | [`Step`] | What to do |
//! |---|---|
//! | `AskCode` | `limiter.make_code(&subject, client.pair_with_code(..))` beside the loop; its answer to [`Attempt::on_code`] |
//! | `Reconnect` | if `shows_qr`, `limiter.round(&subject)`: on an error [`Attempt::on_limited`]; else end the connection and connect anew |
//! | `Tell` | [`TicketSide::tell`] |
//! | `Show` | [`ViewPublisher::publish`] with [`Attempt::view`] |
//! | `Status`, `Event`, `Linked` | into the row and the log; those of one call are one commit |
//! | `Accepted` | [`PairSubject::phone`] is [`LinkedDevice::phone`] from here on |
//! | `Note` | [`PairLimiter::note`] |
//! | `AskUnstable` | [`PairLimiter::unstable`]; its answer to [`Attempt::on_unstable`] |
//! | `Done` | the attempt is dropped, and side and slot with it; after an error the client, unless the device is linked |
//!
//! The publisher's future runs beside the actor all its life; [`ViewPublisher::health_changed`] becomes
//! [`EventKind::PairingDegraded`](crate::event::EventKind::PairingDegraded). During the probation the account works as
//! any other; its attempt only waits. After a restart [`Attempt::resume`] goes on with a link that was not confirmed.
//! To stop while a phone may still link is [`Attempt::cancel`].
//!
//! | File | Subject |
//! |---|---|
//! | `policy` | what is asked for; how long things take, and how often they may be tried |
//! | `attempt` | one attempt, from the request to the end of the probation; pure |
//! | `update` | what the ticket's holder hears, and what the actor is to do |
//! | `ticket` | the handle of an attempt, and the actor's side of it |
//! | `passkey` | passkeys are signed by the ticket's holder |
//! | `limiter` | how often linking is tried |
//! | `view` | what there is to show at one moment |
//! | `store` | where that is kept for other processes |
//! | `error` | why there is no link |
//! | `hints` | what people are told about it, in two languages |

mod attempt;
mod error;
mod hints;
mod limiter;
mod passkey;
mod policy;
mod store;
#[cfg(test)]
mod test_clock;
mod ticket;
mod update;
mod view;

pub use self::attempt::{Attempt, CodeFailure, MadeCode};
pub use self::error::{LimitedBy, PairError};
pub use self::hints::Lang;
pub use self::limiter::{PairLimiter, PairSubject, PairingSlot};
pub use self::policy::{Cap, PairRequest, PairingCaps, PairingMethod, PairingPolicy};
#[cfg(feature = "redis")]
pub use self::store::RedisPairingStore;
pub use self::store::{MemoryPairingStore, PairingStore, SqlitePairingStore, StoreHealth, ViewPublisher};
pub use self::ticket::{PairingTicket, TicketCommand, TicketSide};
pub use self::update::{LimitNote, LinkedDevice, PairingUpdate, Step};
pub use self::view::{PairingView, SecretText, Shown};
