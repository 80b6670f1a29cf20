//! Events that are delivered once more.

use std::ops::RangeInclusive;

use super::record::WebhookRecord;
use super::registry::Shared;
use super::spec::WebhookError;
use crate::event::EventRecord;
use crate::store::{Change, Changes, DeadLetterQuery, DeadLetterRecord, EventQuery};

/// So many dead letters are listed at once, and so many events marked in one commit.
pub const DEAD_LETTERS_AT_ONCE: usize = 100;

/// So many events are delivered once more in one go, and a few: those of the last page.
const MAX_REPLAYED: usize = 10_000;

/// What is delivered once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// How many events.
    pub events: usize,
    /// Those up to this one were looked at.
    pub up_to: u64,
}

impl Shared {
    /// Marks events to be delivered once more.
    pub(super) async fn mark(
        &self,
        record: &WebhookRecord,
        events: &RangeInclusive<u64>,
    ) -> Result<Replayed, WebhookError> {
        let (filter, last) = (record.filter(), *events.end());
        let mut count = 0;
        // Some of these may not be kept any more elsewhere.
        let mut after = events.start().saturating_sub(1);
        loop {
            let query = DeadLetterQuery { after, is_replayed: Some(false), limit: DEAD_LETTERS_AT_ONCE };
            let letters = self.store.dead_letters(record.id.as_str(), query).await?;
            let Some(end) = letters.last().map(|letter| letter.event.seq) else { break };
            let mut changes = Changes::new();
            for letter in letters.into_iter().filter(|letter| letter.event.seq <= last) {
                changes
                    .push(Change::PutDeadLetter(Box::new(DeadLetterRecord { is_replayed: true, ..letter })));
                count += 1;
            }
            self.store.commit(changes).await?;
            if end >= last {
                break;
            }
            after = end;
        }
        let mut after = events.start().saturating_sub(1);
        while after < last && count < MAX_REPLAYED {
            let (tenant, account) = (filter.tenant.clone(), filter.account.clone());
            let query = EventQuery { after, tenant, account, limit: DEAD_LETTERS_AT_ONCE };
            let page = self.store.events(query).await?;
            let Some(end) = page.last().map(|event| event.seq) else {
                after = last;
                break;
            };
            // No more letters than events lie between.
            let query = DeadLetterQuery { after, is_replayed: Some(true), limit: DEAD_LETTERS_AT_ONCE };
            let marked = self.store.dead_letters(record.id.as_str(), query).await?;
            let is_marked = |event: &EventRecord| marked.iter().any(|letter| letter.event.seq == event.seq);
            let mut changes = Changes::new();
            for event in page.into_iter().filter(|event| event.seq <= last && filter.matches(event)) {
                if !is_marked(&event) {
                    changes.push(Change::PutDeadLetter(Box::new(DeadLetterRecord {
                        endpoint: record.id.to_string(),
                        event,
                        tries: 0,
                        reason: String::new(),
                        at: self.clock.wall(),
                        is_replayed: true,
                    })));
                    count += 1;
                }
            }
            self.store.commit(changes).await?;
            after = end;
        }
        Ok(Replayed { events: count, up_to: after.min(last) })
    }
}
