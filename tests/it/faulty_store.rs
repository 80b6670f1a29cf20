//! A store that fails on demand.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use wa_store::{
    Account, AccountReader, AppStateChange, AppStateEntry, AppStateReader, Changes, ChatKey, ChatKeyReader,
    DeviceList, DeviceListReader, Group, GroupReader, HeldReader, IdentityReader, InboxEntry, InboxReader,
    LidMapReader, LidMapping, MessageKey, MessageSecret, MessageSecretReader, OutboxEntry, OutboxReader,
    PreKeyReader, PreKeyRecord, PrivacyToken, PrivacyTokenReader, RepairReader, RepairRecord, SealedMessage,
    SenderKeyName, SenderKeyReader, SessionReader, SignedPreKeyRecord, Store, StoreError, StoreFuture,
};
use wa_types::{Jid, MessageId, PreKeyId, PublicKey, SignalAddress};

/// Sees every commit of a [`FaultyStore`].
pub trait CommitHook: std::fmt::Debug + Send + Sync {
    /// Before the commit. An error is what the commit fails with; then nothing of it is stored.
    ///
    /// # Errors
    /// Whatever the test wants.
    fn before(&self, changes: &Changes) -> Result<(), StoreError>;

    /// After a commit that succeeded.
    fn after(&self, _changes: &Changes) {}
}

/// A store whose commits fail for want of room while it [is full](Self::set_full), or as a hook says.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    is_full: AtomicBool,
    /// So many reads of the inbox still succeed.
    readable: AtomicU64,
    hook: Option<Arc<dyn CommitHook>>,
    /// Who holds the next read of the shared state.
    hold: Mutex<Option<Hold>>,
}

#[derive(Debug)]
struct Hold {
    after: usize,
    is_held: oneshot::Sender<()>,
    release: oneshot::Receiver<()>,
}

impl FaultyStore {
    /// A store on top of this one; it works until told otherwise.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            is_full: AtomicBool::new(false),
            readable: AtomicU64::new(u64::MAX),
            hook: None,
            hold: Mutex::default(),
        }
    }

    /// A store on top of this one, whose commits the hook sees.
    pub fn with_hook(inner: Arc<dyn Store>, hook: Arc<dyn CommitHook>) -> Self {
        Self { hook: Some(hook), ..Self::new(inner) }
    }

    /// Whether commits fail.
    pub fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    /// The inbox can be read so often from now on, and then not any more.
    pub fn set_readable(&self, times: u64) {
        self.readable.store(times, Ordering::SeqCst);
    }

    /// The read after so many others of what is said under an index, page by page, or of what waits to be uploaded has its
    /// answer and gives it only when the sender is gone; the receiver tells that it waits.
    pub fn hold_app_state(&self, after: usize) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (is_held, held) = oneshot::channel();
        let (sender, release) = oneshot::channel();
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some(Hold { after, is_held, release });
        (held, sender)
    }

    async fn wait_released(&self) {
        let hold = {
            let mut hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *hold {
                Some(Hold { after: 0, .. }) => hold.take(),
                Some(hold) => {
                    hold.after -= 1;
                    None
                }
                None => None,
            }
        };
        if let Some(Hold { is_held, release, .. }) = hold {
            let _ = is_held.send(());
            let _ = release.await;
        }
    }

    fn read(&self) -> Result<(), StoreError> {
        let left = self.readable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| StoreError::Full { source: None })
    }
}

impl Store for FaultyStore {
    fn commit(&self, changes: Changes) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if self.is_full.load(Ordering::SeqCst) {
                return Err(StoreError::Full { source: None });
            }
            let Some(hook) = &self.hook else { return self.inner.commit(changes).await };
            hook.before(&changes)?;
            self.inner.commit(changes.clone()).await?;
            hook.after(&changes);
            Ok(())
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.inner.close()
    }
}

impl AccountReader for FaultyStore {
    fn account(&self) -> StoreFuture<'_, Option<Account>> {
        self.inner.account()
    }
}

impl SessionReader for FaultyStore {
    fn sessions(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.inner.sessions(addresses)
    }

    fn known_devices(&self, users: &[SignalAddress]) -> StoreFuture<'_, Vec<Vec<u16>>> {
        self.inner.known_devices(users)
    }
}

impl IdentityReader for FaultyStore {
    fn identities(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<PublicKey>>> {
        self.inner.identities(addresses)
    }
}

impl PreKeyReader for FaultyStore {
    fn pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<PreKeyRecord>>> {
        self.inner.pre_keys(ids)
    }

    fn unuploaded_pre_keys(&self, limit: usize) -> StoreFuture<'_, Vec<PreKeyRecord>> {
        self.inner.unuploaded_pre_keys(limit)
    }

    fn pre_key_count(&self) -> StoreFuture<'_, usize> {
        self.inner.pre_key_count()
    }

    fn signed_pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<SignedPreKeyRecord>>> {
        self.inner.signed_pre_keys(ids)
    }
}

impl MessageSecretReader for FaultyStore {
    fn message_secrets(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Vec<MessageSecret>>> {
        self.inner.message_secrets(ids)
    }

    fn sealed_for(&self, targets: &[MessageId], limit: usize) -> StoreFuture<'_, Vec<SealedMessage>> {
        self.inner.sealed_for(targets, limit)
    }

    fn sealed_targets(&self) -> StoreFuture<'_, Vec<MessageId>> {
        self.inner.sealed_targets()
    }
}

impl RepairReader for FaultyStore {
    fn repairs(&self, limit: usize) -> StoreFuture<'_, Vec<RepairRecord>> {
        self.inner.repairs(limit)
    }
}

impl HeldReader for FaultyStore {
    fn held(&self, users: &[Jid]) -> StoreFuture<'_, Vec<bool>> {
        self.inner.held(users)
    }
}

impl PrivacyTokenReader for FaultyStore {
    fn privacy_tokens(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<PrivacyToken>>> {
        self.inner.privacy_tokens(users)
    }
}

impl SenderKeyReader for FaultyStore {
    fn sender_keys(&self, names: &[SenderKeyName]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.inner.sender_keys(names)
    }
}

impl DeviceListReader for FaultyStore {
    fn device_lists(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<DeviceList>>> {
        self.inner.device_lists(users)
    }

    fn listed_users(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.inner.listed_users()
    }
}

impl GroupReader for FaultyStore {
    fn groups(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Group>>> {
        self.inner.groups(groups)
    }

    fn known_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.inner.known_groups()
    }

    fn key_holders(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.inner.key_holders(groups)
    }

    fn key_holder_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.inner.key_holder_groups()
    }
}

impl LidMapReader for FaultyStore {
    fn lids_of(&self, pns: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        self.inner.lids_of(pns)
    }

    fn pns_of(&self, lids: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        self.inner.pns_of(lids)
    }
}

impl ChatKeyReader for FaultyStore {
    fn chat_keys(&self, addresses: &[Jid]) -> StoreFuture<'_, Vec<Option<ChatKey>>> {
        self.inner.chat_keys(addresses)
    }
}

impl InboxReader for FaultyStore {
    fn inbox(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<InboxEntry>> {
        Box::pin(async move {
            self.read()?;
            self.inner.inbox(after, limit).await
        })
    }

    fn last_inbox_seq(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            self.read()?;
            self.inner.last_inbox_seq().await
        })
    }

    fn seen(&self, keys: &[MessageKey]) -> StoreFuture<'_, Vec<bool>> {
        self.inner.seen(keys)
    }
}

impl OutboxReader for FaultyStore {
    fn outbox_pending(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<OutboxEntry>> {
        self.inner.outbox_pending(after, limit)
    }

    fn outbox_by_ids(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Option<OutboxEntry>>> {
        self.inner.outbox_by_ids(ids)
    }

    fn outbox_by_key(&self, key: &str) -> StoreFuture<'_, Option<OutboxEntry>> {
        self.inner.outbox_by_key(key)
    }

    fn last_outbox_seq(&self) -> StoreFuture<'_, u64> {
        self.inner.last_outbox_seq()
    }
}

impl AppStateReader for FaultyStore {
    fn app_state_collections(&self, names: &[String]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.inner.app_state_collections(names)
    }

    fn app_state_keys(&self) -> StoreFuture<'_, Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner.app_state_keys()
    }

    fn app_state_entries(
        &self,
        collection: &str,
        index_macs: &[[u8; 32]],
    ) -> StoreFuture<'_, Vec<Option<AppStateEntry>>> {
        self.inner.app_state_entries(collection, index_macs)
    }

    fn app_state_by_index(&self, indexes: &[Vec<u8>]) -> StoreFuture<'_, Vec<Vec<AppStateEntry>>> {
        let indexes = indexes.to_vec();
        Box::pin(async move {
            let entries = self.inner.app_state_by_index(&indexes).await;
            self.wait_released().await;
            entries
        })
    }

    fn app_state_page(
        &self,
        prefix: &[u8],
        after: Option<&AppStateEntry>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<AppStateEntry>> {
        let (prefix, after) = (prefix.to_vec(), after.cloned());
        Box::pin(async move {
            let page = self.inner.app_state_page(&prefix, after.as_ref(), limit).await;
            self.wait_released().await;
            page
        })
    }

    fn app_state_changes(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<AppStateChange>> {
        Box::pin(async move {
            let changes = self.inner.app_state_changes(after, limit).await;
            self.wait_released().await;
            changes
        })
    }
}
