//! The one tokio runtime. Hosts poll exported futures on threads of their own, where tokio knows no timers and sockets:
//! whatever needs them runs here.

use std::future::Future;
use std::pin::Pin;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

use crate::callbacks;
use crate::error::WaError;

static STATE: Mutex<State> = Mutex::new(State::Unused { threads: None });
static CALLS: AtomicU64 = AtomicU64::new(0);
static CANCELLED: AtomicU64 = AtomicU64::new(0);

enum State {
    Unused { threads: Option<usize> },
    Running { runtime: Runtime, process: u32 },
    Closed,
}

fn state() -> MutexGuard<'static, State> {
    // Nothing below panics while it holds the lock.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how many threads the library may use for itself. Two unless it is called, and of no effect once anything else
/// was: false is returned then.
#[uniffi::export]
pub fn configure(threads: u32) -> bool {
    match &mut *state() {
        State::Unused { threads: wanted } => {
            *wanted = usize::try_from(threads).ok().filter(|threads| *threads > 0);
            true
        }
        _ => false,
    }
}

/// Ends everything that the library does in this process: streams end, connections close, and every later call says
/// `Closed`. It waits for what is under way, listeners and log sinks included, for as long as `timeout` at most; after it
/// no code of the host is called any more. Calling it again does nothing.
#[uniffi::export]
pub fn shutdown(timeout: Duration) {
    let began = Instant::now();
    callbacks::close(timeout);
    let timeout = timeout.saturating_sub(began.elapsed());
    let ended = std::mem::replace(&mut *state(), State::Closed);
    if let State::Running { runtime, process } = ended {
        if process == process::id() {
            runtime.shutdown_timeout(timeout);
        } else {
            // Its threads stayed in the parent.
            std::mem::forget(runtime);
        }
    }
}

/// What the library has under way in this process: for whoever looks for a leak.
#[derive(Debug, uniffi::Record)]
pub struct RuntimeUsage {
    /// Calls that did not return yet, and streams that somebody holds.
    pub calls: u64,
    /// Everything that runs: the calls, the connections of accounts, the test server.
    pub tasks: u64,
    /// How many calls the host gave up before they ended, since the start.
    pub cancelled_calls: u64,
}

/// What the library has under way now. All is zero before the first call. After `shutdown` there are no tasks; streams that are
/// still held count as calls.
#[uniffi::export]
pub fn runtime_usage() -> RuntimeUsage {
    let tasks = match &*state() {
        State::Running { runtime, .. } => runtime.metrics().num_alive_tasks() as u64,
        _ => 0,
    };
    RuntimeUsage {
        calls: CALLS.load(Ordering::Relaxed),
        tasks,
        cancelled_calls: CANCELLED.load(Ordering::Relaxed),
    }
}

/// The runtime, made at the first call.
pub(crate) fn handle() -> Result<Handle, WaError> {
    let mut state = state();
    if let State::Unused { threads } = *state {
        let built = Builder::new_multi_thread()
            .worker_threads(threads.unwrap_or(2))
            .thread_name("wa")
            .enable_all()
            .build();
        let runtime = built.map_err(|error| WaError::other("no_threads", error))?;
        *state = State::Running { runtime, process: process::id() };
    }
    match &*state {
        State::Running { runtime, process } if *process == process::id() => Ok(runtime.handle().clone()),
        State::Running { .. } => Err(WaError::forked()),
        _ => Err(WaError::shut_down()),
    }
}

/// Runs `work` on the runtime. Dropping what it returns aborts it.
pub(crate) fn run<T: Send + 'static>(
    work: impl Future<Output = Result<T, WaError>> + Send + 'static,
) -> Running<T> {
    let answer = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&answer);
    Running::of(answer, Box::pin(async move { keep(&kept, work.await) }))
}

/// A call that is under way. There are more than a hundred kinds of them: by hand, and with a task that knows no type, what
/// the compiler makes for each of them is little.
#[derive(Debug)]
#[must_use = "it runs only as long as it is held"]
pub(crate) struct Running<T> {
    task: Option<Task<()>>,
    answer: Arc<Mutex<Option<Result<T, WaError>>>>,
}

impl<T> Running<T> {
    fn of(
        answer: Arc<Mutex<Option<Result<T, WaError>>>>,
        work: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Self {
        match Task::spawn(work) {
            Ok(task) => Self { task: Some(task), answer },
            Err(error) => Self::failed(error),
        }
    }

    /// One that does not even begin.
    pub(crate) fn failed(error: WaError) -> Self {
        Self { task: None, answer: Arc::new(Mutex::new(Some(Err(error)))) }
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, WaError>;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(task) = &mut self.task
            && let Err(ended) = ready!(Pin::new(task).poll(context))
        {
            return Poll::Ready(Err(unfinished(ended)));
        }
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        Poll::Ready(answer.unwrap_or_else(|| Err(WaError::shut_down())))
    }
}

/// Why a task did not come to its end: the runtime ended. Panics as the task did, if it did.
pub(crate) fn unfinished(ended: JoinError) -> WaError {
    if ended.is_panic() {
        std::panic::resume_unwind(ended.into_panic());
    }
    WaError::shut_down()
}

#[inline(never)]
fn keep<T>(answer: &Mutex<Option<T>>, done: T) {
    *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
}

/// A task that ends with whoever waits for it.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    pub(crate) fn spawn(work: impl Future<Output = T> + Send + 'static) -> Result<Self, WaError> {
        let handle = handle()?.spawn(work);
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(Self(handle))
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::Relaxed);
        if !self.0.is_finished() {
            CANCELLED.fetch_add(1, Ordering::Relaxed);
            self.0.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_its_callers() {
        let ended = tokio::spawn(run::<()>(async { panic!("a bug") })).await.unwrap_err();
        assert_eq!(ended.into_panic().downcast_ref(), Some(&"a bug"));
    }
}
