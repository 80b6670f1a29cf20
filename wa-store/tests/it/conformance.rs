//! Our stores pass the suite, and stores with a fault do not.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use wa_store::conformance::{self, Factory};
use wa_store::{
    Account, AccountReader, AppStateChange, AppStateEntry, AppStateReader, Change, Changes, ChatKey,
    ChatKeyReader, DeviceList, DeviceListReader, Group, GroupReader, HeldReader, IdentityReader, InboxEntry,
    InboxReader, LidMapReader, LidMapping, MemoryStore, MessageKey, MessageSecret, MessageSecretReader,
    OutboxEntry, OutboxReader, OutboxState, PreKeyReader, PreKeyRecord, PrivacyToken, PrivacyTokenReader,
    RepairReader, RepairRecord, SealedMessage, SenderKeyName, SenderKeyReader, SessionReader,
    SignedPreKeyRecord, Store, StoreError, StoreFuture,
};
use wa_types::{Jid, MessageId, PreKeyId, PublicKey, SignalAddress};

struct Memory;

impl Factory for Memory {
    fn open(&self, _number: u32) -> StoreFuture<'_, Arc<dyn Store>> {
        Box::pin(async { Ok(Arc::new(MemoryStore::new()) as Arc<dyn Store>) })
    }

    fn keeps(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn the_memory_store_passes() {
    let report = conformance::run(&Memory).await.unwrap();
    assert_eq!(report.skipped.len(), 5, "{report:?}");
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::*;
    use wa_store::{Durability, SqliteStore};

    struct Files {
        directory: tempfile::TempDir,
        durability: Durability,
    }

    impl Files {
        fn new(durability: Durability) -> Self {
            Self { directory: tempfile::tempdir().unwrap(), durability }
        }

        fn builder(&self, number: u32) -> wa_store::SqliteStoreBuilder {
            let path = self.directory.path().join(format!("{number}.db"));
            SqliteStore::builder(path).durability(self.durability)
        }
    }

    impl Factory for Files {
        fn open(&self, number: u32) -> StoreFuture<'_, Arc<dyn Store>> {
            Box::pin(async move { Ok(Arc::new(self.builder(number).open().await?) as Arc<dyn Store>) })
        }

        fn open_small(&self, number: u32) -> Option<StoreFuture<'_, Arc<dyn Store>>> {
            let builder = self.builder(number).max_size_bytes(400_000);
            Some(Box::pin(async move { Ok(Arc::new(builder.open().await?) as Arc<dyn Store>) }))
        }
    }

    #[tokio::test]
    async fn the_sqlite_store_passes() {
        for durability in [Durability::PowerLoss, Durability::ProcessEnd] {
            let report = conformance::run(&Files::new(durability)).await.unwrap();
            assert_eq!(report.skipped.len(), 0, "{report:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_sqlite_store_passes_among_others() {
        let mut runs = tokio::task::JoinSet::new();
        for _ in 0..4 {
            runs.spawn(async {
                conformance::run(&Files::new(Durability::ProcessEnd)).await.unwrap();
            });
        }
        while let Some(run) = runs.join_next().await {
            run.unwrap();
        }
    }

    #[tokio::test]
    async fn a_closure_is_a_factory() {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let open = move |number: u32| {
            let directory = Arc::clone(&directory);
            async move {
                let store = SqliteStore::open(directory.path().join(format!("{number}.db"))).await?;
                Ok(Arc::new(store) as Arc<dyn Store>)
            }
        };
        let report = conformance::run(&open).await.unwrap();
        assert_eq!(report.skipped.len(), 1, "{report:?}");
    }
}

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    LosesDeletions,
    LosesMixedCommits,
    NotAtomic,
    AnswersInKeyOrder,
    DropsMisses,
    ForgetsSeenWhenConfirmed,
    NeverSeen,
    ReusesNumbers,
    TakesAnyNumber,
    AppliesBackwards,
    IgnoresWipe,
    WipesTheAccountOnly,
    LosesTheFlag,
    UnorderedUploads,
    OldestLid,
    FirstPn,
    YieldsInCommits,
    StartsEarly,
    LateCommits,
    EmptyWhenReopened,
    LosesNumbersWhenReopened,
    StatesGoBack,
    LosesReceipts,
    NeverTrims,
    TrimsPending,
    UnorderedOutbox,
    KeepsAllChanges,
    NeverClears,
    PagesWithoutPrefix,
}

/// Every fault, and a part of the check that must find it.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::LosesDeletions, "sessions are read in the order asked"),
    (Fault::LosesMixedCommits, "sessions are read"),
    (Fault::NotAtomic, "refused"),
    (Fault::AnswersInKeyOrder, "sessions are read in the order asked"),
    (Fault::DropsMisses, "a new store is empty"),
    (Fault::ForgetsSeenWhenConfirmed, "seen messages outlive"),
    (Fault::NeverSeen, "a message is seen once"),
    (Fault::ReusesNumbers, "a used inbox number stays used"),
    (Fault::TakesAnyNumber, "does not follow is refused"),
    (Fault::AppliesBackwards, "inbox entries"),
    (Fault::IgnoresWipe, "a wipe leaves nothing"),
    (Fault::WipesTheAccountOnly, "a wipe leaves nothing"),
    (Fault::LosesTheFlag, "pre-keys are read"),
    (Fault::UnorderedUploads, "listed by id"),
    (Fault::OldestLid, "newest LID"),
    (Fault::FirstPn, "written last"),
    (Fault::YieldsInCommits, "half a commit"),
    (Fault::StartsEarly, "order of their first poll"),
    (Fault::LateCommits, "order of their first poll"),
    (Fault::EmptyWhenReopened, "a reopened store knows"),
    (Fault::LosesNumbersWhenReopened, "when a store is reopened"),
    (Fault::StatesGoBack, "never goes back"),
    (Fault::LosesReceipts, "raises an outbox entry by its id"),
    (Fault::NeverTrims, "are trimmed"),
    (Fault::TrimsPending, "are trimmed"),
    (Fault::UnorderedOutbox, "pending outbox entries"),
    (Fault::KeepsAllChanges, "a later change of the same index"),
    (Fault::NeverClears, "entries of the shared state"),
    (Fault::PagesWithoutPrefix, "pages of the shared state"),
];

#[tokio::test]
async fn a_sound_wrapper_passes_and_every_fault_is_found() {
    conformance::run(&Broken::new(Fault::None)).await.unwrap();
    for (fault, check) in FAULTS {
        let failure = conformance::run(&Broken::new(*fault)).await.expect_err(&format!("{fault:?} passes"));
        assert!(failure.check.contains(check), "{fault:?} was found as: {failure}");
        assert!(failure.to_string().starts_with("a store must satisfy: "));
    }
}

/// Keeps its stores alive, so that they can be reopened.
struct Broken {
    fault: Fault,
    stores: Mutex<HashMap<u32, Arc<MemoryStore>>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self { fault, stores: Mutex::default() }
    }
}

impl Factory for Broken {
    fn open(&self, number: u32) -> StoreFuture<'_, Arc<dyn Store>> {
        let mut stores = self.stores.lock().unwrap();
        let reopened = stores.contains_key(&number);
        if self.fault == Fault::EmptyWhenReopened {
            stores.remove(&number);
        }
        let inner = Arc::clone(stores.entry(number).or_default());
        let forget = reopened && self.fault == Fault::LosesNumbersWhenReopened;
        let store = Faulty { inner, fault: self.fault, forget, late: Mutex::default() };
        Box::pin(async { Ok(Arc::new(store) as Arc<dyn Store>) })
    }
}

#[derive(Debug)]
struct Faulty {
    inner: Arc<MemoryStore>,
    fault: Fault,
    forget: bool,
    late: Mutex<Changes>,
}

impl Faulty {
    /// Answers of a slice read, made wrong.
    fn answers<'a, K: Ord + Clone, T: Send + 'a>(
        &'a self,
        keys: &[K],
        read: impl FnOnce(&'a MemoryStore, &[K]) -> StoreFuture<'a, Vec<Option<T>>>,
    ) -> StoreFuture<'a, Vec<Option<T>>> {
        let mut keys = keys.to_vec();
        if self.fault == Fault::AnswersInKeyOrder {
            keys.sort();
        }
        let answers = read(&self.inner, &keys);
        Box::pin(async move {
            let mut answers = answers.await?;
            if self.fault == Fault::DropsMisses {
                answers.retain(Option::is_some);
            }
            Ok(answers)
        })
    }

    async fn make_up(&self) -> Result<(), StoreError> {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        self.inner.commit(late).await
    }

    fn spoil(&self, changes: Changes) -> Changes {
        let mixed = changes.iter().any(|change| matches!(change, Change::DeleteSession(_)));
        let mut list: Vec<Change> = changes.into_iter().collect();
        match self.fault {
            Fault::LosesDeletions => list.retain(|change| !matches!(change, Change::DeleteSession(_))),
            Fault::LosesMixedCommits if mixed => {
                list.retain(|change| !matches!(change, Change::PutSession { .. }));
            }
            Fault::NeverSeen => list.retain(|change| !matches!(change, Change::MarkSeen { .. })),
            Fault::AppliesBackwards => list.reverse(),
            Fault::IgnoresWipe => list.retain(|change| !matches!(change, Change::Wipe)),
            Fault::LosesReceipts => list.retain(|change| !matches!(change, Change::SetOutboxStateOf { .. })),
            Fault::NeverTrims => list.retain(|change| !matches!(change, Change::TrimOutbox { .. })),
            Fault::KeepsAllChanges => list.iter_mut().for_each(|change| {
                if let Change::PutAppStateChange(change) = change {
                    change.collection = format!("{} {}", change.collection, change.seq);
                }
            }),
            Fault::NeverClears => list.retain(|change| !matches!(change, Change::ClearAppState(_))),
            Fault::LosesTheFlag => list.iter_mut().for_each(|change| {
                if let Change::PutPreKey(record) = change {
                    record.uploaded = false;
                }
            }),
            _ => {}
        }
        list.into_iter().collect()
    }
}

impl Store for Faulty {
    fn commit(&self, changes: Changes) -> StoreFuture<'_, ()> {
        let changes = self.spoil(changes);
        match self.fault {
            Fault::NotAtomic => Box::pin(async move {
                for change in changes {
                    self.inner.commit([change].into_iter().collect()).await?;
                }
                Ok(())
            }),
            Fault::YieldsInCommits => Box::pin(async move {
                // Whole to who looks at failures, in pieces to who looks at the same time.
                let probe = MemoryStore::new();
                let mut number = Changes::new();
                let last = self.inner.last_inbox_seq().await?;
                if last > 0 {
                    number.push_inbox(InboxEntry {
                        seq: last,
                        message: MessageKey { chat: Jid::STATUS, sender: Jid::STATUS, id: "x".into() },
                        received: wa_types::UnixMillis(0),
                        payload: vec![],
                    });
                }
                probe.commit(number).await?;
                probe.commit(changes.clone()).await?;
                for change in changes {
                    self.inner.commit([change].into_iter().collect()).await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }),
            Fault::StatesGoBack if changes.iter().any(sets_state) => Box::pin(async move {
                for change in changes {
                    let again = match &change {
                        Change::SetOutboxState { seq, state, at } => {
                            let found = self.inner.outbox_pending(seq.saturating_sub(1), 1).await?.pop();
                            found.filter(|entry| entry.seq == *seq).map(|entry| OutboxEntry {
                                state: *state,
                                at: *at,
                                ..entry
                            })
                        }
                        _ => None,
                    };
                    self.inner.commit([change].into_iter().collect()).await?;
                    let mut changes = Changes::new();
                    again.into_iter().for_each(|entry| {
                        changes.put_outbox(entry);
                    });
                    self.inner.commit(changes).await?;
                }
                Ok(())
            }),
            Fault::TrimsPending
                if changes.iter().any(|change| matches!(change, Change::TrimOutbox { .. })) =>
            {
                Box::pin(async move {
                    let mut finish = Changes::new();
                    for entry in self.inner.outbox_pending(0, usize::MAX).await? {
                        finish.set_outbox_state(entry.seq, OutboxState::Failed(1), entry.at);
                    }
                    self.inner.commit(finish).await?;
                    self.inner.commit(changes).await
                })
            }
            Fault::TakesAnyNumber => Box::pin(async move {
                match self.inner.commit(changes).await {
                    Err(StoreError::InboxOrder { .. }) => Ok(()),
                    other => other,
                }
            }),
            Fault::StartsEarly => {
                let mut call = self.inner.commit(changes);
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                let std::task::Poll::Ready(result) = call.as_mut().poll(&mut context) else {
                    panic!("the memory store is always ready")
                };
                Box::pin(std::future::ready(result))
            }
            Fault::LateCommits => Box::pin(async move {
                tokio::task::yield_now().await;
                self.inner.commit(changes).await
            }),
            Fault::WipesTheAccountOnly if changes.iter().any(|change| matches!(change, Change::Wipe)) => {
                Box::pin(async move {
                    // Everything but what was seen.
                    let kept = self.inner.seen(&wa_messages()).await?;
                    self.inner.commit(changes).await?;
                    let mut again = Changes::new();
                    for (key, kept) in wa_messages().into_iter().zip(kept) {
                        if kept {
                            again.mark_seen(key, wa_types::UnixMillis(1));
                        }
                    }
                    self.inner.commit(again).await
                })
            }
            Fault::ForgetsSeenWhenConfirmed => Box::pin(async move {
                let confirms = changes.iter().any(|change| matches!(change, Change::ConfirmInbox { .. }));
                self.inner.commit(changes).await?;
                let mut forget = Changes::new();
                if confirms {
                    forget.forget_seen_before(wa_types::UnixMillis(u64::MAX));
                }
                self.inner.commit(forget).await
            }),
            _ => Box::pin(async move {
                self.make_up().await?;
                self.inner.commit(changes).await
            }),
        }
    }
}

const fn sets_state(change: &Change) -> bool {
    matches!(change, Change::SetOutboxState { .. })
}

/// The messages of the suite's samples.
fn wa_messages() -> Vec<MessageKey> {
    (0..6_u32)
        .map(|number| MessageKey {
            chat: Jid::new(format!("12036300000{:04}", number % 3), wa_types::Server::Group),
            sender: Jid::pn(format!("1555000{:04}", number % 5)).with_device(3),
            id: format!("3EB0{number:016X}").as_str().into(),
        })
        .collect()
}

impl AccountReader for Faulty {
    fn account(&self) -> StoreFuture<'_, Option<Account>> {
        self.inner.account()
    }
}

impl SessionReader for Faulty {
    fn sessions(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.answers(addresses, |inner, keys| inner.sessions(keys))
    }

    fn known_devices(&self, users: &[SignalAddress]) -> StoreFuture<'_, Vec<Vec<u16>>> {
        self.inner.known_devices(users)
    }
}

impl IdentityReader for Faulty {
    fn identities(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<PublicKey>>> {
        self.answers(addresses, |inner, keys| inner.identities(keys))
    }
}

impl PreKeyReader for Faulty {
    fn pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<PreKeyRecord>>> {
        self.answers(ids, |inner, keys| inner.pre_keys(keys))
    }

    fn unuploaded_pre_keys(&self, limit: usize) -> StoreFuture<'_, Vec<PreKeyRecord>> {
        let read = self.inner.unuploaded_pre_keys(limit);
        Box::pin(async move {
            let mut records = read.await?;
            if self.fault == Fault::UnorderedUploads {
                records.sort_by_key(|record| record.id.to_string());
            }
            Ok(records)
        })
    }

    fn pre_key_count(&self) -> StoreFuture<'_, usize> {
        self.inner.pre_key_count()
    }

    fn signed_pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<SignedPreKeyRecord>>> {
        self.answers(ids, |inner, keys| inner.signed_pre_keys(keys))
    }
}

impl MessageSecretReader for Faulty {
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

impl RepairReader for Faulty {
    fn repairs(&self, limit: usize) -> StoreFuture<'_, Vec<RepairRecord>> {
        self.inner.repairs(limit)
    }
}

impl PrivacyTokenReader for Faulty {
    fn privacy_tokens(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<PrivacyToken>>> {
        self.inner.privacy_tokens(users)
    }
}

impl HeldReader for Faulty {
    fn held(&self, users: &[Jid]) -> StoreFuture<'_, Vec<bool>> {
        self.inner.held(users)
    }
}

impl SenderKeyReader for Faulty {
    fn sender_keys(&self, names: &[SenderKeyName]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.answers(names, |inner, keys| inner.sender_keys(keys))
    }
}

impl DeviceListReader for Faulty {
    fn device_lists(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<DeviceList>>> {
        self.answers(users, |inner, keys| inner.device_lists(keys))
    }

    fn listed_users(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.inner.listed_users()
    }
}

impl GroupReader for Faulty {
    fn groups(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Group>>> {
        self.answers(groups, |inner, keys| inner.groups(keys))
    }

    fn known_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.inner.known_groups()
    }

    fn key_holders(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.answers(groups, |inner, keys| inner.key_holders(keys))
    }

    fn key_holder_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.inner.key_holder_groups()
    }
}

impl LidMapReader for Faulty {
    fn lids_of(&self, pns: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        let read = self.answers(pns, |inner, keys| inner.lids_of(keys));
        Box::pin(async move {
            let mut found = read.await?;
            if self.fault == Fault::OldestLid {
                // Whatever was learned: LID 1, if it still has this phone number.
                let first = self.inner.pns_of(&[Jid::lid("98765000001")]).await?.pop().flatten();
                for answer in found.iter_mut().flatten() {
                    if let Some(first) = first.as_ref().filter(|first| first.pn == answer.pn) {
                        *answer = first.clone();
                    }
                }
            }
            Ok(found)
        })
    }

    fn pns_of(&self, lids: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        let read = self.answers(lids, |inner, keys| inner.pns_of(keys));
        Box::pin(async move {
            let mut found = read.await?;
            if self.fault == Fault::FirstPn {
                found.iter_mut().flatten().for_each(|mapping| mapping.pn = Jid::pn("15550000001"));
            }
            Ok(found)
        })
    }
}

impl ChatKeyReader for Faulty {
    fn chat_keys(&self, addresses: &[Jid]) -> StoreFuture<'_, Vec<Option<ChatKey>>> {
        self.answers(addresses, |inner, keys| inner.chat_keys(keys))
    }
}

impl InboxReader for Faulty {
    fn inbox(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<InboxEntry>> {
        self.inner.inbox(after, limit)
    }

    fn last_inbox_seq(&self) -> StoreFuture<'_, u64> {
        let from_entries = self.fault == Fault::ReusesNumbers || self.forget;
        Box::pin(async move {
            if from_entries {
                return Ok(self.inner.inbox(0, usize::MAX).await?.last().map_or(0, |entry| entry.seq));
            }
            self.inner.last_inbox_seq().await
        })
    }

    fn seen(&self, keys: &[MessageKey]) -> StoreFuture<'_, Vec<bool>> {
        self.inner.seen(keys)
    }
}

impl OutboxReader for Faulty {
    fn outbox_pending(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<OutboxEntry>> {
        let read = self.inner.outbox_pending(after, limit);
        Box::pin(async move {
            let mut entries = read.await?;
            if self.fault == Fault::UnorderedOutbox {
                entries.sort_by_key(|entry| entry.seq.to_string());
            }
            Ok(entries)
        })
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

impl AppStateReader for Faulty {
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
        self.inner.app_state_by_index(indexes)
    }

    fn app_state_page(
        &self,
        prefix: &[u8],
        after: Option<&AppStateEntry>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<AppStateEntry>> {
        let prefix = if self.fault == Fault::PagesWithoutPrefix { b"[" } else { prefix };
        self.inner.app_state_page(prefix, after, limit)
    }

    fn app_state_changes(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<AppStateChange>> {
        self.inner.app_state_changes(after, limit)
    }
}
