//! A manager whose time is the test's: everything is in memory, and hours pass at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use wa_manager::ManagerBuilder;
use wa_manager::clock::Clock;
use wa_manager::keys::{KeyStoreFuture, KeyStores};
use wa_manager::store::{ManagerStore, MemoryManagerStore};
use wa_store::{MemoryStore, Store};
use wa_test_server::TestServer;
use wa_types::UnixMillis;

use crate::scene::{Scene, builder_on};

/// The runtime's time.
#[derive(Debug)]
pub(crate) struct RuntimeClock {
    start: Instant,
    wall: UnixMillis,
}

impl RuntimeClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), wall: wa_manager::clock::SystemClock::new().wall() }
    }
}

impl Clock for RuntimeClock {
    fn wall(&self) -> UnixMillis {
        self.wall.after(self.boot())
    }

    fn boot(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Keys that end with the test.
#[derive(Debug, Default)]
pub(crate) struct MemoryKeys {
    stores: Mutex<HashMap<PathBuf, Arc<MemoryStore>>>,
}

impl MemoryKeys {
    /// The store of the only account.
    pub(crate) fn only(&self) -> Arc<MemoryStore> {
        self.stores.lock().unwrap().values().next().map(Arc::clone).unwrap()
    }
}

impl KeyStores for MemoryKeys {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn Store>> {
        let mut stores = self.stores.lock().unwrap();
        let store = Arc::clone(stores.entry(path.to_path_buf()).or_default());
        Box::pin(std::future::ready(Ok(store as Arc<dyn Store>)))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        self.stores.lock().unwrap().remove(path);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A scene in paused time, with what is kept between two lives of its manager.
pub(crate) struct Paused {
    pub(crate) scene: Scene,
    pub(crate) store: Arc<MemoryManagerStore>,
    pub(crate) keys: Arc<MemoryKeys>,
    pub(crate) clock: Arc<RuntimeClock>,
}

impl Paused {
    pub(crate) async fn new() -> Self {
        Self::with(|builder, _| builder).await
    }

    pub(crate) async fn with(set: impl FnOnce(ManagerBuilder, &TestServer) -> ManagerBuilder) -> Self {
        let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
        let (store, keys, clock) = (Arc::default(), Arc::default(), Arc::new(RuntimeClock::new()));
        let builder = set(builder(&store, &keys, &clock, &server, &directory), &server);
        let manager = builder.build().await.unwrap();
        Self { scene: Scene { server, directory, manager }, store, keys, clock }
    }

    /// Another manager on what this one left.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|builder| builder).await
    }

    pub(crate) async fn restart_with(self, set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Self {
        let Self { scene: Scene { server, directory, manager }, store, keys, clock } = self;
        manager.shutdown(Duration::from_secs(30)).await;
        drop(manager);
        let builder = builder(&store, &keys, &clock, &server, &directory);
        let manager = set(builder).build().await.unwrap();
        Self { scene: Scene { server, directory, manager }, store, keys, clock }
    }

    /// The same after a life whose store failed to its end.
    pub(crate) async fn restart_failing(self) -> Self {
        self.scene.manager.shutdown(Duration::from_secs(30)).await;
        self.store.fail_next(0);
        self.restart().await
    }

    /// How often somebody logged in.
    pub(crate) fn logins(&self) -> u64 {
        self.scene.server.metrics().logins
    }
}

fn builder(
    store: &Arc<MemoryManagerStore>,
    keys: &Arc<MemoryKeys>,
    clock: &Arc<RuntimeClock>,
    server: &TestServer,
    directory: &TempDir,
) -> ManagerBuilder {
    let (keys, clock) = (Arc::clone(keys) as Arc<dyn KeyStores>, Arc::clone(clock) as Arc<dyn Clock>);
    let store = Arc::clone(store) as Arc<dyn ManagerStore>;
    builder_on(store, server, directory).key_stores(keys).clock(clock)
}
