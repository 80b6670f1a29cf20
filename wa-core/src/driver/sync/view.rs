//! The shared state as the store has it, with what is still to be uploaded on top.

use std::collections::BTreeMap;

use wa_store::{AppStateChange, AppStateEntry, Store, StoreError};
use wa_types::UnixMillis;

use crate::app_state::action::{Action, time_of};
use crate::app_state::{Collection, KeyId};

/// How many changes may wait to be uploaded.
pub(crate) const CHANGES: usize = 100_000;

/// What an index says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) collection: Collection,
    pub(crate) index: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) version: i32,
}

impl Said {
    pub(crate) fn action(&self) -> Action {
        Action::read(self.collection, &self.index, &self.value, self.version)
    }

    pub(crate) fn time(&self) -> Option<UnixMillis> {
        time_of(&self.value)
    }

    fn of(entry: &AppStateEntry) -> Option<Self> {
        Some(Self {
            collection: Collection::from_name(&entry.collection)?,
            index: entry.index.clone(),
            value: entry.value.clone(),
            version: entry.version,
        })
    }
}

/// What the entries of one index say together: the one that was written last.
pub(crate) fn effective<'e>(entries: impl Iterator<Item = &'e AppStateEntry>) -> Option<Said> {
    let newest = entries.max_by_key(|entry| (time_of(&entry.value), KeyId::from_bytes(&entry.key_id)));
    newest.and_then(Said::of)
}

/// What is said under each of these indexes.
pub(crate) async fn read(store: &dyn Store, indexes: &[Vec<u8>]) -> Result<Vec<Option<Said>>, StoreError> {
    // In this order: what is uploaded between the two reads waits in the first, or is in the second.
    let waiting = waiting(store).await?;
    let stored = store.app_state_by_index(indexes).await?;
    let said = indexes.iter().zip(stored).map(|(index, entries)| match waiting.get(index) {
        Some(change) => on_top(change),
        None => effective(entries.iter()),
    });
    Ok(said.collect())
}

/// Up to `limit` of what is said under indexes with this prefix, behind `after`, by index.
pub(crate) async fn page(
    store: &dyn Store,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Said>, StoreError> {
    let waiting = waiting(store).await?;
    let is_behind = |index: &[u8]| after.is_none_or(|after| index > after);
    let changes = waiting.iter().filter(|(index, _)| index.starts_with(prefix) && is_behind(index));
    let mut found: BTreeMap<Vec<u8>, Option<Said>> =
        changes.map(|(index, change)| (index.clone(), on_top(change))).collect();
    // Behind all places of that index.
    let mut last = after.map(|after| AppStateEntry {
        collection: "\u{10FFFF}".to_owned(),
        index_mac: [0xFF; 32],
        value_mac: [0; 32],
        key_id: Vec::new(),
        index: after.to_vec(),
        value: Vec::new(),
        version: 0,
    });
    let mut entries: BTreeMap<Vec<u8>, Vec<AppStateEntry>> = BTreeMap::new();
    let mut is_complete = false;
    // One more than wanted: the entries of the last one are complete then.
    while !is_complete && entries.len() <= limit.saturating_add(waiting.len()) {
        let more = store.app_state_page(prefix, last.as_ref(), limit.clamp(1, PAGE)).await?;
        is_complete = more.is_empty();
        last = more.last().cloned().or(last);
        for entry in more {
            entries.entry(entry.index.clone()).or_default().push(entry);
        }
    }
    if !is_complete {
        entries.pop_last();
    }
    let end = if is_complete { None } else { entries.keys().next_back().cloned() };
    for (index, entries) in entries {
        found.entry(index).or_insert_with(|| effective(entries.iter()));
    }
    let within = found.into_iter().filter(|(index, _)| end.as_ref().is_none_or(|end| index <= end));
    Ok(within.filter_map(|(_, said)| said).take(limit).collect())
}

const PAGE: usize = 1000;

async fn waiting(store: &dyn Store) -> Result<BTreeMap<Vec<u8>, AppStateChange>, StoreError> {
    let changes = store.app_state_changes(0, CHANGES).await?;
    Ok(changes.into_iter().map(|change| (change.index.clone(), change)).collect())
}

/// What a change says; `None` for a removal.
fn on_top(change: &AppStateChange) -> Option<Said> {
    if change.is_removal {
        return None;
    }
    Some(Said {
        collection: Collection::from_name(&change.collection)?,
        index: change.index.clone(),
        value: change.value.clone(),
        version: change.version,
    })
}
