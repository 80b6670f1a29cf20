//! The sinks that a manager is built with.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DeliveryPolicy, Dispatcher, DispatcherParts, Endpoint, EventSink, Health};
use crate::clock::Clock;
use crate::hub::{EventFilter, Hub};
use crate::store::{Change, Changes, CursorRecord, ManagerStore, ManagerStoreError};

/// What a sink takes, and how patient the manager is with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct SinkOptions {
    /// Which events it takes; all unless set.
    pub filter: EventFilter,
    /// Whether the events of an account may overtake each other.
    pub is_parallel: bool,
    /// When deliveries are tried again, and given up.
    pub policy: DeliveryPolicy,
}

/// The sinks of a manager, by name.
#[derive(Default)]
pub(crate) struct Sinks(Vec<(String, Arc<dyn EventSink>, SinkOptions)>);

impl Sinks {
    pub(crate) fn add(&mut self, name: String, sink: Arc<dyn EventSink>, options: SinkOptions) {
        self.0.push((name, sink, options));
    }

    /// A name that two of them have: the store could not tell how far each one is.
    pub(crate) fn twice(&self) -> Option<&str> {
        let names = || self.0.iter().map(|(name, ..)| name.as_str());
        names().enumerate().find_map(|(place, name)| names().take(place).find(|before| *before == name))
    }

    /// What they are to the store.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |(name, _, options): &(String, _, SinkOptions)| Endpoint {
            name: endpoint_of(name),
            filter: options.filter.clone(),
            since: 0,
            dead_letters: options.policy.dead_letters,
        };
        self.0.iter().map(endpoint).collect()
    }

    /// Delivers to them until they are told to stop. A new one gets what happens from now on.
    pub(crate) async fn start(
        self,
        store: &Arc<dyn ManagerStore>,
        hub: &Hub,
        clock: &Arc<dyn Clock>,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Result<(), ManagerStoreError> {
        for (name, sink, SinkOptions { filter, is_parallel, policy }) in self.0 {
            let endpoint = endpoint_of(&name);
            if store.cursors(&endpoint).await?.is_empty() {
                let seq = store.last_seq().await?;
                let cursor = CursorRecord { endpoint: endpoint.clone(), account: None, seq };
                let mut changes = Changes::new();
                changes.push(Change::PutCursor(Box::new(cursor)));
                store.commit(changes).await?;
            }
            let dispatcher = Dispatcher::new(DispatcherParts {
                store: Arc::clone(store),
                hub: hub.clone(),
                clock: Arc::clone(clock),
                sink,
                endpoint,
                filter,
                is_parallel,
                since: 0,
                policy,
                health: Health::Good,
                on_health: Box::new(move |health| {
                    match health {
                        Health::Good => tracing::info!(sink = name, "the sink takes events again"),
                        Health::Bad => {
                            tracing::error!(sink = name, "the sink takes no events: it is tried now and then")
                        }
                        Health::Gone => tracing::error!(sink = name, "the sink wants no events any more"),
                    }
                    Changes::new()
                }),
            });
            tasks.spawn(dispatcher.run(stop.clone()));
        }
        Ok(())
    }
}

/// Under which name the store keeps how far a sink is: no webhook has such an id.
fn endpoint_of(name: &str) -> String {
    format!("sink:{name}")
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, ..)| name)).finish()
    }
}
