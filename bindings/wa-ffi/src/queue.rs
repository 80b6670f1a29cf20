//! Things that wait for a host. They are pulled in two steps, [`Queue::ready`] and [`Queue::drain`]: a host may drop a
//! future that is finished already, and whatever that future had taken would be lost.

use std::collections::VecDeque;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many events wait before whoever tells them has to wait.
pub(crate) const CAPACITY: usize = 1000;

#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    capacity: usize,
    filled: Notify,
    emptied: Notify,
    /// The process that it was made in. What fills it stays there when a host forks.
    process: u32,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: VecDeque<T>,
    /// Nothing more comes in.
    is_ended: bool,
    /// Nobody wants anything more.
    is_stopped: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), is_ended: false, is_stopped: false };
        Self {
            inner: Mutex::new(inner),
            capacity,
            filled: Notify::new(),
            emptied: Notify::new(),
            process: process::id(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room. False when nobody wants anything more. Consumes nothing: cancel safe.
    pub(crate) async fn room(&self) -> bool {
        loop {
            let emptied = self.emptied.notified();
            {
                let inner = self.inner();
                if inner.is_stopped || inner.waiting.len() < self.capacity {
                    return !inner.is_stopped;
                }
            }
            emptied.await;
        }
    }

    /// Puts it in, also where there is no room.
    pub(crate) fn put(&self, one: T) {
        let mut inner = self.inner();
        if !inner.is_stopped {
            inner.waiting.push_back(one);
        }
        drop(inner);
        self.filled.notify_waiters();
    }

    pub(crate) fn length(&self) -> usize {
        self.inner().waiting.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.length() >= self.capacity
    }

    /// Whether this process was forked since, so that nothing comes.
    pub(crate) fn is_of_the_parent(&self) -> bool {
        self.process != process::id()
    }

    /// True as soon as something waits; false when nothing does and nothing will, as in a process that was forked.
    pub(crate) async fn ready(&self) -> bool {
        if self.is_of_the_parent() {
            return false;
        }
        loop {
            let filled = self.filled.notified();
            {
                let inner = self.inner();
                if inner.is_stopped || !inner.waiting.is_empty() || inner.is_ended {
                    return !inner.is_stopped && !inner.waiting.is_empty();
                }
            }
            filled.await;
        }
    }

    /// Takes what waits, up to `max`.
    pub(crate) fn drain(&self, max: u32) -> Vec<T> {
        let mut inner = self.inner();
        if inner.is_stopped {
            return Vec::new();
        }
        let count = inner.waiting.len().min(usize::try_from(max).unwrap_or(usize::MAX));
        let taken = inner.waiting.drain(..count).collect();
        drop(inner);
        self.emptied.notify_waiters();
        taken
    }

    /// Nothing more comes in; what waits can still be taken.
    pub(crate) fn end(&self) {
        self.inner().is_ended = true;
        self.filled.notify_waiters();
    }

    /// Nobody wants anything more.
    pub(crate) fn stop(&self) {
        let mut inner = self.inner();
        inner.is_stopped = true;
        let dropped = std::mem::take(&mut inner.waiting);
        drop(inner);
        drop(dropped);
        self.filled.notify_waiters();
        self.emptied.notify_waiters();
    }
}

/// For whoever fills a queue: whatever ends that, who waits hears of the end.
#[derive(Debug)]
pub(crate) struct Filling<T>(pub(crate) Arc<Queue<T>>);

impl<T> std::ops::Deref for Filling<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.0
    }
}

impl<T> Drop for Filling<T> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_in_comes_out_in_order() {
        let queue = Queue::new(CAPACITY);
        for number in 0..3 {
            queue.put(number);
        }
        assert!(queue.ready().await);
        assert_eq!(queue.drain(2), [0, 1]);
        queue.end();
        assert!(queue.ready().await);
        assert_eq!(queue.drain(9), [2]);
        assert!(!queue.ready().await);
    }

    #[tokio::test]
    async fn a_full_queue_has_room_once_somebody_took_something() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.room().await);
        queue.put(0);
        let more = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!more.is_finished());
        assert_eq!(queue.drain(1), [0]);
        assert!(more.await.unwrap());
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_the_end() {
        let queue = Arc::new(Queue::<u8>::new(1));
        let waits = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.ready().await }
        });
        tokio::task::yield_now().await;
        queue.stop();
        assert!(!waits.await.unwrap());
        queue.put(1);
        assert!(queue.drain(1).is_empty());
        assert!(!queue.room().await);
    }
}
