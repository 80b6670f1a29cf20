//! Calls of the host's own code. They come from threads of the library, and must not outlive the host: after a shutdown
//! none is made any more, and the shutdown waits for those under way.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static STATE: Mutex<State> = Mutex::new(State { under_way: 0, process: 0, is_closed: false });
static ENDED: Condvar = Condvar::new();

thread_local! {
    /// This thread is in the host's code: a shutdown from there does not wait for itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

struct State {
    under_way: u32,
    /// Which process they are of: a child that was forked has none of its parent's threads.
    process: u32,
    is_closed: bool,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct UnderWay;

impl Drop for UnderWay {
    fn drop(&mut self) {
        INSIDE.set(false);
        state().under_way -= 1;
        ENDED.notify_all();
    }
}

/// Makes the call, unless the library was shut down.
pub(crate) fn call<T>(work: impl FnOnce() -> T) -> Option<T> {
    let mut state = state();
    if state.is_closed {
        return None;
    }
    state.under_way += 1;
    state.process = process::id();
    drop(state);
    INSIDE.set(true);
    let _under_way = UnderWay;
    Some(work())
}

/// Lets go of an object of the host, which is a call of the host's code, too: nobody does after a shutdown.
pub(crate) fn let_go<T>(object: T) {
    let object = ManuallyDrop::new(object);
    call(move || drop(ManuallyDrop::into_inner(object)));
}

/// No more calls. Waits for those under way, for as long as `timeout` at most.
pub(crate) fn close(timeout: Duration) {
    let mut state = state();
    state.is_closed = true;
    if state.process != process::id() {
        return;
    }
    let own = u32::from(INSIDE.get());
    // What the guard gives back says nothing more.
    drop(ENDED.wait_timeout_while(state, timeout, |state| state.under_way > own));
}
