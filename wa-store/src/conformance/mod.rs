//! The tests that every store passes, ours and yours.
//!
//! [`run`] opens new stores with your [`Factory`] and checks every reader, every change and every promise of
//! [`Store`]; it stops at the first that is broken and says how. One line in a test of yours:
//!
//! ```
//! # use std::sync::Arc;
//! # use wa_store::{MemoryStore as MyStore, Store, StoreError};
//! # struct Stores;
//! # impl wa_store::conformance::Factory for Stores {
//! #     fn open(&self, _number: u32) -> wa_store::StoreFuture<'_, Arc<dyn Store>> {
//! #         Box::pin(async { Ok(Arc::new(MyStore::new()) as Arc<dyn Store>) })
//! #     }
//! #     fn keeps(&self) -> bool { false }
//! # }
//! # async fn my_test() {
//! wa_store::conformance::run(&Stores).await.unwrap();
//! # }
//! ```
//!
//! It needs no runtime of its own; the checks of concurrency poll many calls in the task that runs it.
//!
//! | File | Checks |
//! |---|---|
//! | `records.rs` | each record: read, replaced, deleted, in slices with misses and repeats |
//! | `inbox.rs` | order, numbers, confirmations, seen messages |
//! | `app_state.rs` | the shared state: entries, pages, changes |
//! | `outbox.rs` | pending ones in order, ids and keys, states, trimming |
//! | `message_secrets.rs` | secrets by id, what waits for them, trimming |
//! | `repairs.rs` | open repairs, held users, old pre-keys |
//! | `commits.rs` | all or nothing, order, wipe, many at once, dropped futures, a full disk |
//! | `kept.rs` | what a reopened store still knows |
//! | `sample.rs`, `snapshot.rs` | invented values; all that a store says about them |

mod app_state;
mod commits;
mod inbox;
mod kept;
mod message_secrets;
mod outbox;
mod records;
mod repairs;
mod sample;
mod snapshot;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::changes::Changes;
use crate::error::StoreError;
use crate::store::{Store, StoreFuture};

/// Opens the stores that are checked.
///
/// Any `Fn(u32) -> impl Future<Output = Result<Arc<dyn Store>, StoreError>>` is one.
pub trait Factory: Sync {
    /// Opens the store of this number: an empty one the first time. A number comes again only after its store was
    /// closed with [`Store::close`] and dropped; then the store must know what it knew.
    fn open(&self, number: u32) -> StoreFuture<'_, Arc<dyn Store>>;

    /// Whether the stores keep their content when closed. False skips the checks of that.
    fn keeps(&self) -> bool {
        true
    }

    /// Opens a new, empty store that has room for 100 KiB and not for 10 MiB, so that a commit fails half way.
    /// `None`, as unless implemented, skips that check. The number is in the same series as those of
    /// [`Self::open`].
    fn open_small(&self, number: u32) -> Option<StoreFuture<'_, Arc<dyn Store>>> {
        let _ = number;
        None
    }
}

impl<F, O> Factory for F
where
    F: Fn(u32) -> O + Sync,
    O: Future<Output = Result<Arc<dyn Store>, StoreError>> + Send + 'static,
{
    fn open(&self, number: u32) -> StoreFuture<'_, Arc<dyn Store>> {
        Box::pin(self(number))
    }
}

/// Runs every check, in a fixed order, each on new stores; about a thousand commits in all.
///
/// # Errors
/// [`Failure`] for the first check that does not hold.
pub async fn run(factory: &dyn Factory) -> Result<Report, Failure> {
    let bench = Bench { factory, used: AtomicU32::new(0) };
    let mut report = Report::default();
    let all = [
        records::CHECKS,
        repairs::CHECKS,
        inbox::CHECKS,
        outbox::CHECKS,
        message_secrets::CHECKS,
        app_state::CHECKS,
        commits::CHECKS,
        kept::CHECKS,
    ];
    for Check { name, run } in all.into_iter().flatten() {
        match run(&bench).await {
            Ok(()) => report.passed.push(name),
            Err(Unfit::Skipped) => report.skipped.push(name),
            Err(Unfit::Broken(detail)) => return Err(Failure { check: name, detail }),
        }
    }
    Ok(report)
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The checks that hold.
    pub passed: Vec<&'static str>,
    /// The checks that the factory cannot run: see [`Factory::keeps`] and [`Factory::open_small`].
    pub skipped: Vec<&'static str>,
}

/// A check that does not hold.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("a store must satisfy: {check}; {detail}")]
#[non_exhaustive]
pub struct Failure {
    /// The check, as a sentence.
    pub check: &'static str,
    /// What was expected and what came.
    pub detail: String,
}

impl fmt::Debug for Failure {
    /// As a sentence: it is read in the output of `unwrap`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One check: its sentence, and the code.
struct Check {
    name: &'static str,
    run: for<'a> fn(&'a Bench<'a>) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>,
}

type Outcome = Result<(), Unfit>;

/// Why a check did not pass.
enum Unfit {
    Skipped,
    Broken(String),
}

/// Lists checks: `"sentence" => function`.
macro_rules! checks {
    ($($name:literal => $run:path,)*) => {
        pub(super) const CHECKS: &[super::Check] =
            &[$(super::Check { name: $name, run: |bench| Box::pin($run(bench)) }),*];
    };
}
use checks;

/// Where checks get their stores.
struct Bench<'a> {
    factory: &'a dyn Factory,
    used: AtomicU32,
}

impl Bench<'_> {
    /// A new, empty store.
    async fn open(&self) -> Result<Arc<dyn Store>, Unfit> {
        Ok(self.open_numbered().await?.1)
    }

    /// A new, empty store and its number.
    async fn open_numbered(&self) -> Result<(u32, Arc<dyn Store>), Unfit> {
        let number = self.next();
        Ok((number, ok("opening a new store", self.factory.open(number).await)?))
    }

    /// A new, empty store with little room.
    async fn open_small(&self) -> Result<Arc<dyn Store>, Unfit> {
        let opening = self.factory.open_small(self.next()).ok_or(Unfit::Skipped)?;
        ok("opening a new, small store", opening.await)
    }

    /// Closes a store and opens it again.
    async fn reopen(&self, number: u32, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, Unfit> {
        if !self.factory.keeps() {
            return Err(Unfit::Skipped);
        }
        ok("closing", store.close().await)?;
        drop(store);
        ok("opening a closed store again", self.factory.open(number).await)
    }

    fn next(&self) -> u32 {
        self.used.fetch_add(1, Ordering::Relaxed)
    }
}

/// Commits what `fill` adds, which must succeed.
async fn commit(store: &dyn Store, fill: impl FnOnce(&mut Changes)) -> Outcome {
    let mut changes = Changes::new();
    fill(&mut changes);
    ok("a commit", store.commit(changes).await)
}

/// What a call returned, which must be no error.
fn ok<T>(what: &str, result: Result<T, StoreError>) -> Result<T, Unfit> {
    result.map_err(|error| {
        let mut text = format!("{what} failed: {error}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Unfit::Broken(text)
    })
}

/// Compares.
fn same<T: PartialEq + fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(Unfit::Broken(format!("{what}: expected {expected:?}, found {found:?}")))
}

/// Reads and compares.
async fn reads<T: PartialEq + fmt::Debug>(what: &str, read: StoreFuture<'_, T>, expected: T) -> Outcome {
    same(what, &ok(what, read.await)?, &expected)
}
