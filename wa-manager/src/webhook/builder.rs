//! Builds [`Webhooks`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wa_core::transport::{Proxy, TlsRoots};

use super::reach::{Clients, Reach};
use super::registry::{Shared, Webhooks};
use super::task::WebhooksTask;
use crate::clock::Clock;
use crate::hub::Hub;
use crate::sink::DeliveryPolicy;
use crate::store::ManagerStore;

/// Builds [`Webhooks`].
#[must_use = "a builder does nothing until `build`"]
pub struct WebhooksBuilder {
    store: Arc<dyn ManagerStore>,
    hub: Hub,
    clock: Arc<dyn Clock>,
    reach: Reach,
    roots: TlsRoots,
    proxy: Option<Proxy>,
    policy: DeliveryPolicy,
    time_limit: Duration,
}

impl WebhooksBuilder {
    pub(super) fn new(store: Arc<dyn ManagerStore>, hub: Hub, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            hub,
            clock,
            reach: Reach::default(),
            roots: TlsRoots::mozilla(),
            proxy: None,
            policy: DeliveryPolicy::default(),
            time_limit: Duration::from_secs(10),
        }
    }

    /// What webhooks may reach besides public hosts over TLS.
    pub const fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Who is trusted to say which host is which. By default what Mozilla trusts.
    pub fn roots(mut self, roots: TlsRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Delivers through a proxy. Names are still looked up here.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How patient we are with endpoints.
    pub const fn policy(mut self, policy: DeliveryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How long an answer may take; 10 seconds unless set.
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The webhooks, which are delivered to once somebody runs the task.
    pub fn build(self) -> (Webhooks, WebhooksTask) {
        let Self { store, hub, clock, reach, roots, proxy, policy, time_limit } = self;
        let (commands, inbox) = mpsc::channel(64);
        let clients = Clients::new(reach, &roots, proxy.as_ref());
        let shared = Arc::new(Shared { store, hub, clock, clients, policy, time_limit });
        let task = WebhooksTask::new(Arc::clone(&shared), inbox);
        (Webhooks::new(shared, commands), task)
    }
}

impl fmt::Debug for WebhooksBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksBuilder").field("reach", &self.reach).finish_non_exhaustive()
    }
}
