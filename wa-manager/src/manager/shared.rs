//! What all accounts of a manager share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use wa_core::client::ClientBuilder;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::noise::client_payload::ClientVersion;

use super::{ClockOffset, ManagerError, Numbers, Places, Quotas, Release, Versions};
use crate::account::actor::ConnectionPolicy;
use crate::account::{AccountRecord, AccountSettings, ReconnectPolicy};
use crate::clock::Clock;
use crate::event::{EventKind, NewEvent};
use crate::hub::Hub;
use crate::ids::{EventId, TenantId};
use crate::inbound::{ContactProvisioner, ProviderSelector};
use crate::keys::KeyStores;
use crate::location::{LocationError, StoreKey, StoreKind, StoreLocator};
use crate::media::{MediaHome, MediaStores};
use crate::pairing::{PairLimiter, PairingPolicy, PairingStore};
use crate::store::{Change, Changes, LeftoverRecord, ManagerStore};
use crate::trust::{TrustTable, Zone};

/// Sets up the client of an account, each time that one is made.
pub(super) type Configure = dyn Fn(ClientBuilder, &AccountRecord) -> ClientBuilder + Send + Sync;

/// Tells the time zone of a tenant.
pub(super) type TenantZone = dyn Fn(&TenantId) -> Option<Zone> + Send + Sync;

/// Tells by which way an account goes out to the network.
pub(super) type Egress = dyn Fn(&AccountRecord) -> Option<String> + Send + Sync;

/// What all accounts of a manager share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ManagerStore>,
    pub(crate) keys: Arc<dyn KeyStores>,
    pub(crate) locator: Arc<dyn StoreLocator>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) configure: Box<Configure>,
    pub(crate) hub: Hub,
    pub(crate) connection: ConnectionPolicy,
    pub(crate) reconnect: ReconnectPolicy,
    pub(crate) pairing: PairingPolicy,
    pub(crate) pairing_store: Arc<dyn PairingStore>,
    pub(crate) limiter: Arc<PairLimiter>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) places: Places,
    /// Held while what is left is removed: by a sweep alone, by accounts together.
    pub(super) clearing: tokio::sync::RwLock<()>,
    pub(crate) selector: Arc<dyn ProviderSelector>,
    pub(crate) provisioner: Option<Arc<dyn ContactProvisioner>>,
    /// Sessions may be handed out.
    pub(crate) exports: bool,
    pub(crate) media: MediaStores,
    /// Whether the server serves this release.
    pub(crate) release: Release,
    pub(crate) versions: Versions,
    pub(crate) quotas: Quotas,
    pub(crate) table: TrustTable,
    /// The zone of accounts that name none, of tenants that have none.
    pub(super) zone: Zone,
    pub(super) tenant_zone: Box<TenantZone>,
    pub(super) egress: Box<Egress>,
    /// What is set for accounts that are made without settings.
    pub(super) defaults: AccountSettings,
    pub(crate) clock_offset: ClockOffset,
}

impl Shared {
    /// Changes that are written only as long as the account is ours.
    pub(crate) fn fenced(&self, record: &AccountRecord) -> Changes {
        let mut changes = Changes::new();
        changes.push(Change::Fence { account: record.id.clone(), epoch: record.epoch });
        changes
    }

    /// Something that happened to an account, now.
    pub(crate) fn event(&self, record: &AccountRecord, kind: EventKind, data: Value) -> NewEvent {
        NewEvent {
            id: EventId::of(SystemRandom.array()),
            tenant: record.tenant.clone(),
            account: Some(record.id.clone()),
            kind,
            at: self.clock.wall(),
            data,
        }
    }

    /// Where a store of an account is.
    pub(crate) fn locate(&self, record: &AccountRecord, kind: StoreKind) -> Result<PathBuf, ManagerError> {
        let key = StoreKey {
            kind,
            account: &record.id,
            tenant: &record.tenant,
            name: &record.name,
            owner: record.owner.as_deref(),
            phone: record.phone.as_ref(),
        };
        Ok(self.locator.resolve(&key)?)
    }

    /// What an account presents as that connects now; nothing for the release that this library was built with.
    pub(crate) async fn version(&self) -> Option<ClientVersion> {
        self.versions.current(self.clock.boot(), self.release.is_refused()).await
    }

    /// Settles where the account's keys are, if all is known that this takes.
    pub(crate) fn settle_location(&self, record: &mut AccountRecord) -> Result<(), ManagerError> {
        if record.location.is_some() {
            return Ok(());
        }
        let path = match self.locate(record, StoreKind::Protocol) {
            Err(ManagerError::Location(LocationError::Missing { name: "phone" })) => return Ok(()),
            path => path?,
        };
        let path = path.into_os_string().into_string();
        let path = path.map_err(|_| LocationError::Unfit { name: "directory" })?;
        if !self.places.take(&path, &record.id) {
            return Err(LocationError::Taken.into());
        }
        record.location = Some(path);
        Ok(())
    }

    /// Where an account's files are: beside its keys.
    pub(crate) fn media_home(&self, record: &AccountRecord) -> Option<MediaHome> {
        let location = record.location.clone()?;
        Some(Self::media_home_of(&LeftoverRecord { account: record.id.clone(), location }))
    }

    /// Where the files are, or were, of an account with its keys here.
    pub(super) fn media_home_of(of: &LeftoverRecord) -> MediaHome {
        let mut directory = OsString::from(&of.location);
        directory.push(".media");
        MediaHome { account: of.account.clone(), directory: directory.into() }
    }

    /// What an account would leave now; none where its keys are another account's, or nowhere.
    pub(crate) fn leftover(&self, record: &AccountRecord) -> Option<LeftoverRecord> {
        let location = record.location.clone().filter(|place| self.places.is_of(place, &record.id))?;
        Some(LeftoverRecord { account: record.id.clone(), location })
    }

    /// The zone of an account.
    pub(crate) fn zone(&self, record: &AccountRecord) -> Zone {
        let own = record.settings.time_zone.as_ref().map(|name| name.zone().clone());
        own.or_else(|| (self.tenant_zone)(&record.tenant)).unwrap_or_else(|| self.zone.clone())
    }

    /// By which way an account goes out to the network, where that has a name.
    pub(crate) fn egress(&self, record: &AccountRecord) -> Option<String> {
        (self.egress)(record)
    }
}
