//! What the child processes do.
//!
//! | File | Subject |
//! |---|---|
//! | `server` | the test server, with its phones |
//! | `accounts` | a manager with accounts |
//! | `receiver` | somebody who receives webhooks |

mod accounts;
mod receiver;
mod server;

use std::time::Duration;

pub(crate) use accounts::accounts;
pub(crate) use receiver::receiver;
pub(crate) use server::server;

/// After the last event: what follows it counts too.
const STRAGGLERS: Duration = Duration::from_millis(700);
