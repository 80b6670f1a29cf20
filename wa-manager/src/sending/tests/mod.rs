//! What an account may send, on both stores and a virtual clock.

mod budgets;
mod control;
mod limits;
mod outbox;
pub(crate) mod scene;
pub(crate) mod stubborn;
