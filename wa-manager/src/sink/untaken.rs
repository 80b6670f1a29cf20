//! Events that are about to be forgotten, and that an endpoint has not taken: they become dead letters before. Nothing that
//! was not delivered vanishes, however long an endpoint was away, or the process.

use wa_types::UnixMillis;

use super::lanes::Progress;
use crate::event::EventRecord;
use crate::hub::EventFilter;
use crate::store::{
    Change, Changes, DeadLetterQuery, DeadLetterRecord, EventQuery, ManagerStore, ManagerStoreError,
};

/// So many events are read from the store at once.
const PAGE: usize = 64;

/// Whom events are delivered to.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Under which name the store keeps how far it is.
    pub(crate) name: String,
    /// Which events it takes.
    pub(crate) filter: EventFilter,
    /// It takes events after this one, if the store does not know how far it is.
    pub(crate) since: u64,
    /// How many dead letters it may have.
    pub(crate) dead_letters: usize,
}

impl Endpoint {
    /// Makes dead letters of those of the events up to this one that it has not taken.
    pub(crate) async fn keep_untaken(
        &self,
        store: &dyn ManagerStore,
        up_to: u64,
        at: UnixMillis,
    ) -> Result<(), ManagerStoreError> {
        let Self { name, filter, since, dead_letters } = self;
        let Progress { all: mut after, further } = Progress::of(store.cursors(name).await?, *since);
        while after < up_to {
            let (tenant, account) = (filter.tenant.clone(), filter.account.clone());
            let page = store.events(EventQuery { after, tenant, account, limit: PAGE }).await?;
            let Some(last) = page.last().map(|event| event.seq) else { break };
            // No more letters than events lie between. Those that are there stay as they are.
            let query = DeadLetterQuery { after, is_replayed: None, limit: PAGE };
            let letters = store.dead_letters(name, query).await?;
            let is_done = |event: &EventRecord| {
                let is_taken = |(of, seq): &(_, u64)| event.account.as_ref() == Some(of) && event.seq <= *seq;
                further.iter().any(is_taken) || letters.iter().any(|letter| letter.event.seq == event.seq)
            };
            let mut changes = Changes::new();
            for event in page {
                if event.seq <= up_to && filter.matches(&event) && !is_done(&event) {
                    changes.push(Change::PutDeadLetter(Box::new(DeadLetterRecord {
                        endpoint: name.clone(),
                        event,
                        tries: 0,
                        reason: "it was not taken before it was to be forgotten".to_owned(),
                        at,
                        is_replayed: false,
                    })));
                }
            }
            if !changes.is_empty() {
                changes.push(Change::TrimDeadLetters { endpoint: name.clone(), keep: *dead_letters });
                store.commit(changes).await?;
            }
            after = last;
        }
        Ok(())
    }
}
