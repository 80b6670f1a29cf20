//! What happened, from a number on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use wa_manager::event::EventRecord;
use wa_manager::hub::{EventFilter, StreamError};
use wa_manager::store::EventQuery;
use wa_manager::{AccountId, AccountKey, AccountName};

use crate::app::{App, LONGEST};
use crate::auth::Caller;
use crate::keys::{Key, Scope};
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Since {
    since: Option<u64>,
    limit: Option<usize>,
    /// Seconds to wait for an event, if there is none.
    wait: Option<u64>,
}

/// `GET /whatsapp/events`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: Result<Query<Since>, QueryRejection>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Read)?;
    let Query(Since { since, limit, wait }) =
        query.map_err(|error| Problem::bad_request(error.body_text()))?;
    // A client may remember the numbers of another database.
    let after = since.unwrap_or(0).min(app.manager.newest_event().await?);
    let (after, limit) = (after, limit.unwrap_or(100).clamp(1, 1000));
    let wait = Duration::from_secs(wait.unwrap_or(0)).min(LONGEST / 2);
    let mut page = read(&app, &caller, after, limit).await?;
    if page.events.is_empty() && !wait.is_zero() {
        let filter = EventFilter { tenant: Some(caller.key.tenant.clone()), ..EventFilter::default() };
        let mut stream = app.manager.subscribe(filter, Some(page.next));
        let heard = async {
            loop {
                match stream.next().await {
                    Ok(event) if reaches(&app, &caller, &event).await => break,
                    // What is gone by now is told by `first`.
                    Ok(_) | Err(StreamError::Lagged { .. }) => {}
                    Err(_) => break,
                }
            }
        };
        let _nothing_came = timeout(wait, heard).await;
        // The key may be another one by now.
        let caller = caller.again(&app)?;
        caller.may(Scope::Read)?;
        page = read(&app, &caller, after, limit).await?;
    }
    // After the page: whatever was forgotten before it was read is before this.
    let first = app.manager.first_event().await?;
    Ok(Answer(json!({ "events": page.events, "next": page.next, "first": first })))
}

/// Whether a key may hear of an event of its tenant.
async fn reaches(app: &App, caller: &Caller, event: &EventRecord) -> bool {
    if caller.key.accounts.is_empty() {
        return true;
    }
    let account = app.manager.account_after(event).await;
    account.is_ok_and(|account| account.is_some_and(|account| caller.key.reaches(&account.name)))
}

/// Some events.
struct Page {
    events: Vec<EventRecord>,
    /// The number from which to go on: all before it was read, or is none of the key's business.
    next: u64,
}

/// A key that is bound to accounts reads the events of those of them that are there: events name accounts by their ids, and
/// nobody knows which names the others had.
async fn read(app: &App, caller: &Caller, after: u64, limit: usize) -> Result<Page, Problem> {
    let Key { tenant, accounts, .. } = &*caller.key;
    let query = EventQuery { after, tenant: Some(tenant.clone()), limit, ..EventQuery::default() };
    // What is stored while one account after the other is asked comes with the next page, in its order.
    let last = app.manager.newest_event().await?;
    let mut events = Vec::new();
    if accounts.is_empty() {
        events = app.manager.events_since(query).await?;
    } else {
        for account in bound(app, &caller.key).await? {
            let query = EventQuery { account: Some(account), ..query.clone() };
            events.extend(app.manager.events_since(query).await?);
            events.retain(|event: &EventRecord| event.seq <= last);
            events.sort_unstable_by_key(|event| event.seq);
            events.truncate(limit);
        }
    }
    let is_all = events.len() < limit;
    let end = events.last().map_or(after, |event| event.seq);
    Ok(Page { events, next: if is_all { end.max(last) } else { end } })
}

/// The accounts that a key is bound to.
async fn bound(app: &App, key: &Key) -> Result<Vec<AccountId>, Problem> {
    let id = |name: &AccountName| {
        let account = app.manager.get(&AccountKey::Name(key.tenant.clone(), name.clone()))?;
        Some(account.id().clone())
    };
    let ids: Option<Vec<_>> = key.accounts.iter().map(id).collect();
    if let Some(ids) = ids {
        return Ok(ids);
    }
    // One that is made just now is in the store a moment before the manager has it, and so are its events.
    let mut rows = app.manager.all_statuses(Some(&key.tenant)).await?.accounts;
    rows.retain(|account| key.reaches(&account.name));
    Ok(rows.into_iter().map(|account| account.id).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use wa_manager::event::{EventKind, NewEvent};
    use wa_manager::hub::Hub;
    use wa_manager::pairing::MemoryPairingStore;
    use wa_manager::store::{Change, Changes, ManagerStore as _, MemoryManagerStore};
    use wa_manager::{AccountSpec, EventId, TenantId};
    use wa_types::UnixMillis;

    use super::*;
    use crate::ws::tests::{app_on, key};

    fn spec(tenant: &str, name: &str) -> AccountSpec {
        let (tenant, name) = (TenantId::new(tenant), Some(name.parse().unwrap()));
        AccountSpec { tenant, name, ..AccountSpec::default() }
    }

    /// Makes an account, and waits until everybody was told.
    async fn told(app: &App, spec: AccountSpec) {
        let mut events = app.manager.subscribe(EventFilter::default(), None);
        let account = app.manager.create(spec).await.unwrap();
        while events.next().await.unwrap().account.as_ref() != Some(account.id()) {}
    }

    /// What is told from this number on.
    async fn ask_since(app: &Arc<App>, key: Key, since: u64, wait: u64) -> Value {
        let caller = Caller { key: Arc::new(key), from: [127, 0, 0, 1].into() };
        let since = Since { since: Some(since), limit: None, wait: Some(wait) };
        list(State(Arc::clone(app)), caller, Ok(Query(since))).await.unwrap().0
    }

    /// What is told from the beginning on.
    async fn ask(app: &Arc<App>, key: Key, wait: u64) -> Value {
        ask_since(app, key, 0, wait).await
    }

    fn event(number: u64, tenant: &str, account: Option<AccountId>) -> NewEvent {
        NewEvent {
            id: EventId::of(u128::from(number).to_be_bytes()),
            tenant: TenantId::new(tenant),
            account,
            kind: EventKind::AccountUpdated,
            at: UnixMillis(0),
            data: json!({}),
        }
    }

    #[tokio::test]
    async fn a_bound_key_hears_of_an_account_that_the_manager_is_about_to_have() {
        let store = Arc::new(MemoryManagerStore::new());
        let (app, _directory) = app_on(store.clone(), Arc::new(MemoryPairingStore::new())).await;
        told(&app, spec("default", "one")).await;
        // All that the manager did until it has the account.
        let mut row = store.accounts().await.unwrap().remove(0);
        (row.id, row.name) = (AccountId::of([7; 16]), "shop".parse().unwrap());
        let mut changes = Changes::new();
        changes.put_account(row.clone());
        changes.push_event(event(7, "default", Some(row.id)));
        store.commit(changes).await.unwrap();
        // Meanwhile another one is made, and with it both are told.
        told(&app, spec("default", "two")).await;
        let bound = Key { accounts: BTreeSet::from(["shop".parse().unwrap()]), ..key() };
        let answer = ask(&app, bound, 0).await;
        assert_eq!(answer["events"].as_array().unwrap().len(), 1, "{answer}");
        assert_eq!(answer["events"][0]["accountId"], json!(AccountId::of([7; 16])));
    }

    #[tokio::test]
    async fn events_of_others_that_are_forgotten_end_nobodys_wait() {
        let store = Arc::new(MemoryManagerStore::new());
        let (app, _directory) = app_on(store.clone(), Arc::new(MemoryPairingStore::new())).await;
        told(&app, spec("other", "one")).await;
        let mut changes = Changes::new();
        changes.push(Change::TrimEvents { seq: app.manager.last_event() });
        store.commit(changes).await.unwrap();
        let (answer, made) = tokio::join!(ask(&app, key(), 30), app.manager.create(spec("default", "two")));
        made.unwrap();
        assert_eq!(answer["events"][0]["type"], "account.created", "{answer}");
    }

    /// What is stored is told to the manager's subscribers a moment later. Who reads it in between goes on after it.
    #[tokio::test]
    async fn an_event_that_was_read_as_soon_as_it_was_stored_is_not_read_again() {
        let store = Arc::new(MemoryManagerStore::new());
        let (app, _directory) = app_on(store.clone(), Arc::new(MemoryPairingStore::new())).await;
        let mut events = app.manager.subscribe(EventFilter::default(), None);
        let account = app.manager.create(spec("default", "shop")).await.unwrap().id().clone();
        // After its level nothing more happens by itself.
        while events.next().await.unwrap().account_seq < 2 {}
        let last = app.manager.last_event();
        let mut changes = Changes::new();
        changes.push_event(event(7, "default", Some(account)));
        store.commit(changes).await.unwrap();
        assert_eq!(app.manager.last_event(), last, "nobody was told");
        let bound = Key { accounts: BTreeSet::from(["shop".parse().unwrap()]), ..key() };
        for key in [key(), bound] {
            // A wait ends with the event, not before it.
            let answer = ask_since(&app, key.clone(), last, 30).await;
            assert_eq!(answer["events"].as_array().unwrap().len(), 1, "{answer}");
            let next = answer["next"].as_u64().unwrap();
            assert!(next > last, "{answer}");
            let again = ask_since(&app, key, next, 0).await;
            assert_eq!((&again["events"], &again["next"]), (&json!([]), &json!(next)));
        }
        // Numbers that nothing has yet are of another database.
        for unknown in [last + 2, u64::MAX] {
            assert_eq!(ask_since(&app, key(), unknown, 0).await["next"], json!(last + 1));
        }
    }

    /// So much happens for others at once that the wait has to read it, and it is forgotten by then.
    #[tokio::test]
    async fn who_waits_goes_on_after_what_was_forgotten_before_it_was_read() {
        let store = Arc::new(MemoryManagerStore::new());
        let (app, _directory) = app_on(store.clone(), Arc::new(MemoryPairingStore::new())).await;
        let mut answer = pin!(ask(&app, key(), 30));
        assert_eq!(answer.as_mut().now_or_never(), None, "it waits");
        let mut changes = Changes::new();
        for number in 0..u64::try_from(Hub::CAPACITY * 2).unwrap() {
            changes.push_event(event(number, "other", None));
        }
        store.commit(changes).await.unwrap();
        told(&app, spec("other", "one")).await;
        let mut changes = Changes::new();
        changes.push(Change::TrimEvents { seq: app.manager.last_event() });
        store.commit(changes).await.unwrap();
        assert_eq!(answer.as_mut().now_or_never(), None, "it waits on");
        told(&app, spec("default", "two")).await;
        let answer = answer.await;
        assert_eq!(answer["events"][0]["type"], "account.created", "{answer}");
    }
}
