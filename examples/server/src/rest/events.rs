//! What happened, from a number on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use wa_manager::AccountKey;
use wa_manager::event::EventRecord;
use wa_manager::hub::EventFilter;
use wa_manager::store::EventQuery;

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
    let after = since.unwrap_or(0).min(app.manager.last_event());
    let (after, limit) = (after, limit.unwrap_or(100).clamp(1, 1000));
    let wait = Duration::from_secs(wait.unwrap_or(0)).min(LONGEST / 2);
    let mut events = page(&app, &caller, after, limit).await?;
    if events.is_empty() && !wait.is_zero() {
        let filter = EventFilter { tenant: Some(caller.key.tenant.clone()), ..EventFilter::default() };
        let mut stream = app.manager.subscribe(filter, Some(after));
        let heard = async {
            while let Ok(event) = stream.next().await {
                if reaches(&app, &caller, &event) {
                    break;
                }
            }
        };
        let _nothing_came = timeout(wait, heard).await;
        // The key may be another one by now.
        let caller = caller.again(&app)?;
        caller.may(Scope::Read)?;
        events = page(&app, &caller, after, limit).await?;
    }
    let next = events.last().map_or(after, |event| event.seq);
    // After the page: whatever was forgotten before it was read is before this.
    let first = app.manager.first_event().await?;
    Ok(Answer(json!({ "events": events, "next": next, "first": first })))
}

/// Whether a key may hear of an event of its tenant.
fn reaches(app: &App, caller: &Caller, event: &EventRecord) -> bool {
    let account = || app.manager.get(&AccountKey::Id(event.account.clone()?));
    caller.key.accounts.is_empty() || account().is_some_and(|account| caller.key.reaches(account.name()))
}

/// A key that is bound to accounts reads the events of those of them that are there: events name accounts by their ids, and
/// nobody knows which names the others had.
async fn page(app: &App, caller: &Caller, after: u64, limit: usize) -> Result<Vec<EventRecord>, Problem> {
    let Key { tenant, accounts, .. } = &*caller.key;
    let query = EventQuery { after, tenant: Some(tenant.clone()), limit, ..EventQuery::default() };
    if accounts.is_empty() {
        return Ok(app.manager.events_since(query).await?);
    }
    // What is stored while one account after the other is asked comes with the next page, in its order.
    let last = app.manager.last_event();
    let mut events = Vec::new();
    for name in accounts {
        let key = AccountKey::Name(tenant.clone(), name.clone());
        let Some(account) = app.manager.get(&key) else { continue };
        let query = EventQuery { account: Some(account.id().clone()), ..query.clone() };
        events.extend(app.manager.events_since(query).await?);
        events.retain(|event: &EventRecord| event.seq <= last);
        events.sort_unstable_by_key(|event| event.seq);
        events.truncate(limit);
    }
    Ok(events)
}
