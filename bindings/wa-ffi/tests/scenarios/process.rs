//! What concerns the whole process, each in one of its own: this program again, for one test.

use std::future::poll_fn;
use std::pin::Pin;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use wa_ffi::client::Client;
use wa_ffi::error::WaError;
use wa_ffi::event::Event;
use wa_ffi::listener::{CallbackError, EventListener};
use wa_ffi::runtime::{RuntimeUsage, runtime_usage, shutdown};
use wa_ffi::store::Store;
use wa_ffi::testing::TestServer;

use crate::support::{link, on, patiently, phone, qr, text};

/// Set for the process that a test starts, in which it does its work.
const CHILD: &str = "WA_SCENARIO";

/// Runs the test in a process of its own. `None` in that process.
fn process(test: &str) -> Option<Output> {
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let test = format!("process::{test}");
    Some(again.args(["--exact", &test, "--nocapture"]).env(CHILD, "1").output().unwrap())
}

fn passed(done: &Output) {
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && told.contains("1 passed"), "{}: {told}", done.status);
}

#[tokio::test]
async fn shutdown_ends_everything() {
    if let Some(done) = process("shutdown_ends_everything") {
        return passed(&done);
    }
    let server = TestServer::start().await.unwrap();
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let events = client.events();
    let waits = tokio::spawn(async move {
        while events.ready().await {
            events.drain(10);
        }
    });
    qr(&client).await;
    let mut login = Box::pin(client.ready());
    assert!(is_pending(login.as_mut()).await);
    tokio::task::spawn_blocking(|| shutdown(Duration::from_secs(5))).await.unwrap();
    patiently(waits).await.unwrap();
    // Who waits already, and who comes later.
    for ended in [patiently(login).await, client.ready().await] {
        let closed = ended.unwrap_err();
        assert!(matches!(&closed, WaError::Closed { code, .. } if code == "shutdown"), "{closed:?}");
    }
    assert_eq!(runtime_usage().tasks, 0);
}

#[tokio::test]
async fn a_process_that_ends_with_streams_open() {
    if let Some(done) = process("a_process_that_ends_with_streams_open") {
        return passed(&done);
    }
    let server = TestServer::start().await.unwrap();
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let events = client.events();
    assert!(events.ready().await);
    // Nobody waits for this thread, and the objects are never dropped.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            while events.ready().await {
                events.drain(1);
            }
        });
    });
    std::mem::forget((server, client));
}

/// A listener that is at its first event until it is released, and tells when it is let go.
struct Busy {
    begun: mpsc::Sender<()>,
    released: Mutex<mpsc::Receiver<()>>,
    let_go: Arc<AtomicBool>,
}

impl EventListener for Busy {
    fn on_event(&self, _: Event) -> Result<(), CallbackError> {
        self.begun.send(()).unwrap();
        self.released.lock().unwrap().recv().unwrap();
        Ok(())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.let_go.store(true, Ordering::SeqCst);
    }
}

/// Whether a thread of this name is there.
fn has_thread(name: &str) -> bool {
    let mut threads = std::fs::read_dir("/proc/self/task").unwrap();
    threads.any(|thread| {
        let comm = std::fs::read_to_string(thread.unwrap().path().join("comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    })
}

/// A host whose process ends has no code any more that could be called, also not to let go of what was the host's.
#[tokio::test]
async fn nothing_of_the_host_is_called_after_a_shutdown() {
    if let Some(done) = process("nothing_of_the_host_is_called_after_a_shutdown") {
        return passed(&done);
    }
    let (begun, begins) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let let_go = Arc::new(AtomicBool::new(false));
    let listener = Busy { begun, released: Mutex::new(released), let_go: Arc::clone(&let_go) };
    let server = TestServer::start().await.unwrap();
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let subscription = client.listen(Arc::new(listener)).unwrap();
    tokio::task::spawn_blocking(move || {
        begins.recv_timeout(Duration::from_secs(60)).unwrap();
        // Longer than the shutdown waits.
        shutdown(Duration::from_millis(10));
        release.send(()).unwrap();
        while has_thread("wa-listener") {
            std::thread::sleep(Duration::from_millis(5));
        }
    })
    .await
    .unwrap();
    assert!(!let_go.load(Ordering::SeqCst));
    drop((subscription, client, server));
}

/// How many sockets are open.
fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let named = open.filter_map(|one| std::fs::read_link(one.unwrap().path()).ok());
    named.filter(|name| name.to_string_lossy().starts_with("socket:")).count()
}

async fn sockets_return_to(before: usize) {
    patiently(async {
        while sockets() > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// What a process has open and holds.
#[derive(Debug, Clone, Copy)]
struct Footprint {
    usage: (u64, u64),
    descriptors: usize,
    threads: usize,
    /// Resident memory, KiB.
    memory: u64,
}

impl Footprint {
    fn take() -> Self {
        let RuntimeUsage { calls, tasks, .. } = runtime_usage();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            usage: (calls, tasks),
            descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            threads: std::fs::read_dir("/proc/self/task").unwrap().count(),
            memory: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        }
    }

    /// Waits until nothing more is open or runs than before; memory may be more by 16 MiB, which is little for ten
    /// thousand of anything.
    async fn returns_to(before: Self) {
        let mut now = Self::take();
        let back = patiently(async {
            while now.usage.0 > before.usage.0
                || now.usage.1 > before.usage.1
                || now.descriptors > before.descriptors
                || now.threads > before.threads
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
                now = Self::take();
            }
        });
        back.await;
        assert!(now.memory < before.memory + (16 << 10), "{before:?} {now:?}");
    }
}

#[tokio::test]
async fn created_and_dropped_10000_times() {
    if let Some(done) = process("created_and_dropped_10000_times") {
        return passed(&done);
    }
    let (server, over_tls) =
        (TestServer::start().await.unwrap(), TestServer::start_on_sockets().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.db").display().to_string();
    // Says how many sockets were open at a time.
    let cycle = async |count: u32| {
        let mut most = 0;
        for number in 0..count {
            // Some have a socket, some a file.
            let (server, store) = match number % 20 {
                0 => (&over_tls, Store::memory()),
                10 => (&server, Store::sqlite(file.clone()).await.unwrap()),
                _ => (&server, Store::memory()),
            };
            let client = Client::connect(store, on(server)).await.unwrap();
            // Some are dropped while they connect, some once they are connected.
            if number % 10 == 0 {
                qr(&client).await;
                most = most.max(sockets());
            }
            if number % 20 == 10 {
                // A file is one client's at a time: this one ends in order.
                client.shutdown().await.unwrap();
            }
        }
        most
    };
    let idle = sockets();
    // What is kept once is there by then.
    cycle(500).await;
    let before = Footprint::take();
    assert!(cycle(10_000).await > idle, "nobody had a socket");
    Footprint::returns_to(before).await;
    sockets_return_to(idle).await;
}

/// Begins a call, and says whether it waits now.
async fn is_pending<T>(mut call: Pin<&mut impl Future<Output = T>>) -> bool {
    poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn cancelled_10000_times() {
    if let Some(done) = process("cancelled_10000_times") {
        return passed(&done);
    }
    let server = TestServer::start_on_sockets().await.unwrap();
    let (client, bob) = (link(&server, "anna").await, phone(&server, "bob"));
    let unlinked = Client::connect(Store::memory(), on(&server)).await.unwrap();
    // So many wait for what never comes: a login, and a message. As many beside them wait for the service, which may have
    // answered before they are given up.
    let cancel = async |count: u32| {
        for _ in 0..count / 100 {
            let mut asked: Vec<_> =
                (0..100).map(|_| Box::pin(client.check_numbers(vec![bob.number()]))).collect();
            let mut logins: Vec<_> = (0..50).map(|_| Box::pin(unlinked.ready())).collect();
            let mut messages: Vec<_> = (0..50).map(|_| Box::pin(Arc::clone(&bob).next_message())).collect();
            for call in &mut logins {
                assert!(is_pending(call.as_mut()).await);
            }
            for call in &mut messages {
                assert!(is_pending(call.as_mut()).await);
            }
            for call in &mut asked {
                let _ = is_pending(call.as_mut()).await;
            }
        }
    };
    cancel(1000).await;
    let cancelled = runtime_usage().cancelled_calls;
    let (before, open) = (Footprint::take(), sockets());
    assert!(open > 0);
    cancel(10_000).await;
    assert!(runtime_usage().cancelled_calls >= cancelled + 10_000);
    Footprint::returns_to(before).await;
    sockets_return_to(open).await;
    client.send(bob.address(), text("still here"), None).await.unwrap();
    assert_eq!(Arc::clone(&bob).next_message().await.unwrap().text.as_deref(), Some("still here"));
}
