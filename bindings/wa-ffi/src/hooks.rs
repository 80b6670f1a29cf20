//! What tests ask that look for leaks. Not in what is shipped.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

static CANCELLED: AtomicU64 = AtomicU64::new(0);
static TASKS: AtomicI64 = AtomicI64::new(0);

pub(crate) fn note_cancelled() {
    CANCELLED.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn note_tasks(change: i64) {
    TASKS.fetch_add(change, Ordering::Relaxed);
}

/// How many calls were cancelled by the host before they ended.
#[uniffi::export]
pub fn cancelled_calls() -> u64 {
    CANCELLED.load(Ordering::Relaxed)
}

/// How many tasks of this crate run: calls under way, streams that somebody holds.
#[uniffi::export]
pub fn live_tasks() -> i64 {
    TASKS.load(Ordering::Relaxed)
}

/// How many tasks the runtime has, those of accounts and of the test server included.
#[uniffi::export]
pub fn runtime_tasks() -> u64 {
    crate::runtime::handle().map_or(0, |handle| handle.metrics().num_alive_tasks() as u64)
}
