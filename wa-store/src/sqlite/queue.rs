//! Calls in the order of their first poll, run on a blocking thread.
//!
//! ```text
//! Idle(file) ── a call ──► Working ── nothing left ──► Idle(file)
//!                             └────── close ─────────► Closed
//! ```
//!
//! A worker is started by the call that finds the store idle and ends when the queue is empty. Commits that wait
//! side by side become one transaction, so that they wait for the disk once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::commit;
use super::open::Opened;
use crate::changes::Changes;
use crate::error::StoreError;

pub(super) struct Queue {
    shared: Arc<Mutex<Shared>>,
}

impl Queue {
    pub(super) fn new(opened: Opened) -> Self {
        let shared = Shared { place: Place::Idle(Box::new(opened)), jobs: VecDeque::new() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Runs `read` after all that was queued before.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Read(Box::new(move |connection| {
            // Nobody waits any more if the future was dropped: then there is nothing to read.
            if reply.is_closed() {
                return Box::new(|| {});
            }
            let result = connection.and_then(read);
            Box::new(move || drop(reply.send(result)))
        }));
        self.push(job)?;
        answer.await.map_err(|_| StoreError::Interrupted)?
    }

    pub(super) async fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.push(Job::Commit(Commit { changes, reply }))?;
        answer.await.map_err(|_| StoreError::Interrupted)?
    }

    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        match self.push(Job::Close(reply)) {
            Err(StoreError::Closed) => return Ok(()),
            other => other?,
        }
        answer.await.map_err(|_| StoreError::Interrupted)?
    }

    fn push(&self, job: Job) -> Result<(), StoreError> {
        let runtime = Handle::try_current().map_err(StoreError::backend)?;
        let mut shared = lock(&self.shared);
        match std::mem::replace(&mut shared.place, Place::Working) {
            Place::Closed => {
                shared.place = Place::Closed;
                return Err(StoreError::Closed);
            }
            Place::Working => shared.jobs.push_back(job),
            Place::Idle(opened) => {
                shared.jobs.push_back(job);
                drop(shared);
                let worker = Worker { shared: Arc::clone(&self.shared), opened: Some(opened) };
                // The worker is awaited through the answers to its jobs. A runtime that is shutting down drops it
                // unstarted; its `Drop` puts the file back.
                drop(runtime.spawn_blocking(move || worker.run()));
            }
        }
        Ok(())
    }
}

struct Shared {
    place: Place,
    jobs: VecDeque<Job>,
}

/// Where the open file is.
enum Place {
    Idle(Box<Opened>),
    Working,
    Closed,
}

type Reply = oneshot::Sender<Result<(), StoreError>>;

/// Takes the connection, or why there is none.
type Read = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Answer + Send>;

/// Tells the callers of a step what came of it.
type Answer = Box<dyn FnOnce() + Send>;

enum Job {
    Read(Read),
    Commit(Commit),
    Close(Reply),
}

struct Commit {
    changes: Changes,
    reply: Reply,
}

/// What is done next: a job, or all commits that wait side by side.
enum Step {
    Read(Read),
    Commits(Vec<Commit>),
    Close(Reply),
}

impl Shared {
    fn next_step(&mut self) -> Option<Step> {
        let first = match self.jobs.pop_front()? {
            Job::Read(read) => return Some(Step::Read(read)),
            Job::Close(reply) => return Some(Step::Close(reply)),
            Job::Commit(commit) => commit,
        };
        let mut size = first.changes.len();
        let mut commits = vec![first];
        while size < GROUP_CHANGES && matches!(self.jobs.front(), Some(Job::Commit(_))) {
            if let Some(Job::Commit(commit)) = self.jobs.pop_front() {
                size += commit.changes.len();
                commits.push(commit);
            }
        }
        Some(Step::Commits(commits))
    }
}

struct Worker {
    shared: Arc<Mutex<Shared>>,
    /// Taken by a close only.
    opened: Option<Box<Opened>>,
}

impl Worker {
    fn run(mut self) {
        let mut answer: Answer = Box::new(|| {});
        while let Some(step) = self.next_step() {
            answer();
            answer = match step {
                Step::Read(read) => read(self.connection()),
                Step::Commits(commits) => run_commits(self.connection(), commits),
                Step::Close(reply) => self.close(reply),
            };
        }
        // The last answer comes when the file is back in its place, and nothing of the store is held here: who drops
        // the store after it can open the file again at once.
        drop(self);
        answer();
    }

    /// The next step; puts the file back in its place when there is none.
    fn next_step(&mut self) -> Option<Step> {
        let mut shared = lock(&self.shared);
        let step = shared.next_step();
        if step.is_none()
            && let Some(opened) = self.opened.take()
        {
            shared.place = Place::Idle(opened);
        }
        step
    }

    fn connection(&self) -> Result<&Connection, StoreError> {
        self.opened.as_ref().map(|opened| &opened.connection).ok_or(StoreError::Closed)
    }

    /// What is queued behind a close finds no connection.
    fn close(&mut self, reply: Reply) -> Answer {
        let result = self.opened.take().map_or(Ok(()), |opened| opened.close());
        lock(&self.shared).place = Place::Closed;
        Box::new(move || drop(reply.send(result)))
    }
}

impl Drop for Worker {
    /// Reached with the file still here only when the worker was cut off: by a panic, or by a runtime that ends.
    fn drop(&mut self) {
        let Some(opened) = self.opened.take() else { return };
        let cut_off = {
            let mut shared = lock(&self.shared);
            shared.place = Place::Idle(opened);
            std::mem::take(&mut shared.jobs)
        };
        drop(cut_off); // their callers see `Interrupted`
    }
}

fn run_commits(connection: Result<&Connection, StoreError>, commits: Vec<Commit>) -> Answer {
    let result = match connection {
        Ok(connection) => write(connection, commits),
        Err(_) => commits.into_iter().map(|commit| (commit.reply, Err(StoreError::Closed))).collect(),
    };
    Box::new(move || result.into_iter().for_each(|(reply, result)| drop(reply.send(result))))
}

fn write(connection: &Connection, commits: Vec<Commit>) -> Vec<(Reply, Result<(), StoreError>)> {
    if commits.len() > 1 {
        let all = commits.iter().flat_map(|commit| &commit.changes);
        if commit::write(connection, all).is_ok() {
            return commits.into_iter().map(|commit| (commit.reply, Ok(()))).collect();
        }
        // One of them fails: each for itself then, so that only that one does.
    }
    let one = |commit: Commit| (commit.reply, commit::write(connection, commit.changes.iter()));
    commits.into_iter().map(one).collect()
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Held for a few moves only, none of which can panic half way.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Commits are grouped up to about so many changes: a larger group would not be cheaper per change.
const GROUP_CHANGES: usize = 512;
