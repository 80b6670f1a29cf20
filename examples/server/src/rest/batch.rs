//! Many accounts at once, with an answer for each.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wa_manager::manager::ItemResult;
use wa_manager::{AccountKey, Unlink};

use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;

/// More at once are refused.
const MOST: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Names {
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deletion {
    names: Vec<String>,
    confirm: bool,
    #[serde(default)]
    force: bool,
}

type Many = Result<(StatusCode, Answer<Value>), Problem>;

/// `POST /whatsapp/sessions/start`
pub(crate) async fn start(State(app): State<Arc<App>>, caller: Caller, Json(body): Json<Names>) -> Many {
    caller.may(Scope::Control)?;
    let (keys, refused) = keys(&caller, body.names)?;
    Ok(answer(app.manager.batch_start(&keys).await, refused))
}

/// `POST /whatsapp/sessions/stop`
pub(crate) async fn stop(State(app): State<Arc<App>>, caller: Caller, Json(body): Json<Names>) -> Many {
    caller.may(Scope::Control)?;
    let (keys, refused) = keys(&caller, body.names)?;
    Ok(answer(app.manager.batch_stop(&keys).await, refused))
}

/// `POST /whatsapp/sessions/stop-all`: of the caller's tenant, as far as the key reaches.
pub(crate) async fn stop_all(State(app): State<Arc<App>>, caller: Caller) -> Many {
    caller.may(Scope::Control)?;
    let board = app.manager.all_statuses(Some(&caller.key.tenant)).await?;
    let reached = board.accounts.into_iter().filter(|account| caller.key.reaches(&account.name));
    let keys: Vec<AccountKey> =
        reached.map(|account| AccountKey::Name(caller.key.tenant.clone(), account.name)).collect();
    Ok(answer(app.manager.batch_stop(&keys).await, Vec::new()))
}

/// `POST /whatsapp/sessions/delete`
pub(crate) async fn remove(State(app): State<Arc<App>>, caller: Caller, Json(body): Json<Deletion>) -> Many {
    caller.may(Scope::Delete)?;
    if !body.confirm {
        return Err(Problem::bad_request("confirm must be true: what is deleted does not come back"));
    }
    let (keys, refused) = keys(&caller, body.names)?;
    let how = if body.force { Unlink::IfReachable } else { Unlink::AtServer };
    Ok(answer(app.manager.batch_delete(&keys, how).await, refused))
}

/// The accounts of these names, and the answers for names that are none, or that the key does not reach.
fn keys(caller: &Caller, names: Vec<String>) -> Result<(Vec<AccountKey>, Vec<Value>), Problem> {
    if names.len() > MOST {
        return Err(Problem::bad_request(format!("at most {MOST} names at once")));
    }
    let (mut keys, mut refused) = (Vec::new(), Vec::new());
    for name in names {
        match caller.key_of(&name) {
            Ok(key) => keys.push(key),
            Err(problem) => refused.push(json!({ "name": name, "ok": false, "error": problem.to_json() })),
        }
    }
    Ok((keys, refused))
}

fn answer<T: Serialize>(results: Vec<ItemResult<T>>, refused: Vec<Value>) -> (StatusCode, Answer<Value>) {
    let items = results.into_iter().map(|item| {
        let name = match &item.key {
            AccountKey::Name(_, name) => name.as_str().to_owned(),
            _ => String::new(),
        };
        match item.result {
            Ok(outcome) => json!({ "name": name, "ok": true, "outcome": outcome }),
            Err(error) => json!({ "name": name, "ok": false, "error": Problem::from(error).to_json() }),
        }
    });
    let items: Vec<Value> = items.chain(refused).collect();
    (StatusCode::MULTI_STATUS, Answer(json!({ "items": items })))
}
