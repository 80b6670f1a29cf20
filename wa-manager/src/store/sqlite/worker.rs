//! One thread that owns the connection. Commits that wait together become one transaction, so that they wait for the
//! disk once; each is undone alone when it fails.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::changes::Changes;
use super::super::error::ManagerStoreError;
use super::{failed, write};
use crate::event::EventRecord;

/// Commits are grouped up to so many.
const GROUP: usize = 256;

type Reply = oneshot::Sender<Result<Vec<EventRecord>, ManagerStoreError>>;
type Read = Box<dyn FnOnce(&Connection) + Send>;

enum Job {
    Read(Read),
    Commit(Changes, Reply),
    Close(oneshot::Sender<Result<(), ManagerStoreError>>),
}

/// The thread's mailbox. The thread ends, and closes the file, when this is dropped.
pub(super) struct Worker {
    jobs: Sender<Job>,
    _thread: JoinHandle<()>,
}

impl Worker {
    pub(super) fn start(connection: Connection) -> Result<Self, ManagerStoreError> {
        let (jobs, inbox) = channel();
        let thread = std::thread::Builder::new().name("wa-manager-store".to_owned());
        let thread = thread.spawn(move || run(connection, &inbox)).map_err(ManagerStoreError::io)?;
        Ok(Self { jobs, _thread: thread })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ManagerStoreError> + Send + 'static,
    ) -> Result<T, ManagerStoreError> {
        let (reply, answer) = oneshot::channel();
        self.push(Job::Read(Box::new(move |connection| {
            // Nobody waits any more if the future was dropped.
            if !reply.is_closed() {
                let _nobody_waits = reply.send(read(connection));
            }
        })))?;
        answer.await.map_err(|_| ManagerStoreError::Closed)?
    }

    pub(super) async fn commit(&self, changes: Changes) -> Result<Vec<EventRecord>, ManagerStoreError> {
        let (reply, answer) = oneshot::channel();
        self.push(Job::Commit(changes, reply))?;
        answer.await.map_err(|_| ManagerStoreError::Closed)?
    }

    pub(super) async fn close(&self) -> Result<(), ManagerStoreError> {
        let (reply, answer) = oneshot::channel();
        match self.push(Job::Close(reply)) {
            Ok(()) => answer.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    fn push(&self, job: Job) -> Result<(), ManagerStoreError> {
        self.jobs.send(job).map_err(|_| ManagerStoreError::Closed)
    }
}

fn run(connection: Connection, inbox: &Receiver<Job>) {
    let mut next = None;
    while let Some(job) = next.take().or_else(|| inbox.recv().ok()) {
        match job {
            Job::Read(read) => read(&connection),
            Job::Commit(changes, reply) => {
                let mut group = vec![(changes, reply)];
                while group.len() < GROUP {
                    match inbox.try_recv() {
                        Ok(Job::Commit(changes, reply)) => group.push((changes, reply)),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                commit(&connection, group);
            }
            Job::Close(reply) => {
                let closed = connection.close().map_err(|(_, error)| failed(error));
                let _nobody_waits = reply.send(closed);
                return;
            }
        }
    }
}

fn commit(connection: &Connection, group: Vec<(Changes, Reply)>) {
    let (group, replies): (Vec<Changes>, Vec<Reply>) = group.into_iter().unzip();
    let together = connection.execute_batch("BEGIN IMMEDIATE").map_err(failed).and_then(|()| {
        let written =
            group.into_iter().map(|changes| one(connection, changes)).collect::<Result<Vec<_>, _>>()?;
        connection.execute_batch("COMMIT").map_err(failed)?;
        Ok(written)
    });
    match together {
        Ok(written) => {
            for (reply, written) in replies.into_iter().zip(written) {
                let _nobody_waits = reply.send(written);
            }
        }
        Err(error) => {
            if !connection.is_autocommit() {
                // What it would say was said.
                let _ = connection.execute_batch("ROLLBACK");
            }
            for reply in replies {
                let _nobody_waits = reply.send(Err(error.again()));
            }
        }
    }
}

/// One commit within the group: the outer error is of the whole group.
fn one(
    connection: &Connection,
    changes: Changes,
) -> Result<Result<Vec<EventRecord>, ManagerStoreError>, ManagerStoreError> {
    connection.execute_batch("SAVEPOINT one").map_err(failed)?;
    let written = write::apply(connection, changes);
    let end = if written.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    connection.execute_batch(end).map_err(failed)?;
    Ok(written)
}
