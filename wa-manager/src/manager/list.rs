//! Accounts, some at a time. Requirements: manager.md, R072, 4.6.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ClientManager, ManagerError};
use crate::account::{AccountName, AccountRecord, AccountSnapshot, AccountStatus};
use crate::ids::TenantId;

/// Which accounts are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct ListFilter {
    /// Those of one tenant.
    pub tenant: Option<TenantId>,
    /// Those of these names; all if there are none.
    pub names: BTreeSet<AccountName>,
    /// Those that stand so; [`AccountStatus::from_wire`] reads `connected` as `ready`.
    pub status: Option<AccountStatus>,
    /// Those whose name, display name, owner or phone number has this in it, in capitals or not.
    pub q: Option<String>,
    /// Those after this place: [`Page::next`] of the page before.
    pub cursor: Option<String>,
    /// So many at most: 100 unless set, and never more than 500.
    pub limit: Option<usize>,
}

/// Some of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The number of the last event before the list was read: events with a higher number tell what changed since.
    pub seq: u64,
    /// The items.
    pub items: Vec<T>,
    /// The place from which to go on; null at the end.
    pub next: Option<String>,
}

const USUAL: usize = 100;
const MOST: usize = 500;

/// The place of an account in the list: it stays.
fn place(row: &AccountRecord) -> (u64, &str) {
    (row.created_at.0, row.id.as_str())
}

fn read_cursor(cursor: &str) -> Result<(u64, &str), ManagerError> {
    let (at, id) = cursor.split_once('.').ok_or(ManagerError::InvalidCursor)?;
    Ok((at.parse().map_err(|_| ManagerError::InvalidCursor)?, id))
}

fn is_named(row: &AccountRecord, text: &str) -> bool {
    let has = |part: &str| part.to_lowercase().contains(text);
    has(row.name.as_str())
        || has(&row.display_name)
        || row.owner.as_deref().is_some_and(has)
        || row.phone.as_ref().is_some_and(|phone| has(phone.as_str()))
}

impl ClientManager {
    /// Accounts in the order in which they were made, as the store has them. An account that is made or deleted between
    /// two pages moves none of the others.
    ///
    /// # Errors
    /// [`ManagerError::InvalidCursor`], [`ManagerError::Store`].
    pub async fn list(&self, filter: ListFilter) -> Result<Page<AccountSnapshot>, ManagerError> {
        let after = filter.cursor.as_deref().map(read_cursor).transpose()?;
        let store = &self.inner.shared.store;
        // In this order: what is committed in between is in the rows, and comes as events, too.
        let seq = store.last_seq().await?;
        let text = filter.q.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
        let is_wanted = |row: &AccountRecord| {
            filter.tenant.as_ref().is_none_or(|tenant| row.tenant == *tenant)
                && (filter.names.is_empty() || filter.names.contains(&row.name))
                && filter.status.is_none_or(|status| row.status == status)
                && text.as_ref().is_none_or(|text| is_named(row, text))
                && after.is_none_or(|after| place(row) > after)
        };
        let mut rows = store.accounts().await?;
        rows.retain(is_wanted);
        rows.sort_by(|one, other| place(one).cmp(&place(other)));
        let limit = filter.limit.unwrap_or(USUAL).clamp(1, MOST);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more).map(place);
        let next = last.map(|(at, id)| format!("{at}.{id}"));
        let items = rows.iter().map(|row| self.inner.show(row)).collect();
        Ok(Page { seq, items, next })
    }
}
