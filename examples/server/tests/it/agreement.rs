//! Whether everybody who is asked says the same: rows, the end of the log, API and socket.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::Value;

use crate::server::{Server, soon};
use crate::socket::Socket;

/// What the database says of an account.
#[derive(Debug)]
struct Row {
    status: String,
    seq: u64,
    /// The last status that was told.
    last: Option<String>,
}

/// Waits until all agree; what differs is shown when they do not.
pub(crate) async fn all_agree(server: &Server) {
    soon("that all agree", async {
        while let Err(why) = differences(server).await {
            eprintln!("not yet: {why}");
            // Something is being written: the next event tells it.
            server.get("/whatsapp/events?since=9007199254740991&wait=1").await.expect(200);
        }
    })
    .await;
}

async fn differences(server: &Server) -> Result<(), String> {
    let mut socket = Socket::open(server, &server.key).await;
    let shown = socket.event("whatsapp-all-statuses").await["data"]["accounts"].take();
    let told = server.get("/whatsapp/sessions").await.expect(200)["accounts"].take();
    let stored = stored(server).map_err(|error| error.to_string())?;
    let (shown, told) = (shown.as_array().unwrap(), told.as_array().unwrap());
    if (shown.len(), told.len()) != (stored.len(), stored.len()) {
        return Err(format!("{} shown, {} told, {} stored", shown.len(), told.len(), stored.len()));
    }
    for told in told {
        let find = |shown: &&Value| shown["accountId"] == told["id"];
        let (shown, row) = (shown.iter().find(find), stored.get(told["id"].as_str().unwrap()));
        let (Some(shown), Some(row)) = (shown, row) else { return Err(format!("{told} is not everywhere")) };
        let status = told["status"].as_str().unwrap();
        let path = format!("/whatsapp/session/{}", told["name"].as_str().unwrap());
        let actor = server.get(&path).await.json();
        let agree = shown["status"] == status
            && [&shown["lastActiveAt"], &actor["lastActiveAt"]] == [&told["lastActiveAt"]; 2]
            && shown["accountSeq"] == told["seq"]
            && told["seq"] == row.seq
            && (row.status.as_str(), row.last.as_deref().unwrap_or("idle")) == (status, status);
        if !agree {
            return Err(format!("shown {shown}, told {told}, stored {row:?}"));
        }
    }
    Ok(())
}

/// The rows, and the last status of each in the log. The server keeps its file to itself: a copy is read, which may be
/// torn while it writes.
fn stored(server: &Server) -> rusqlite::Result<BTreeMap<String, Row>> {
    let copy = tempfile::TempDir::new().unwrap();
    for name in ["manager.db", "manager.db-wal"] {
        let from = server.directory().join(name);
        if from.exists() {
            std::fs::copy(from, copy.path().join(name)).unwrap();
        }
    }
    let database = Connection::open(copy.path().join("manager.db"))?;
    let sql = "SELECT id, status, seq, (SELECT json_extract(data, '$.status') FROM event
               WHERE event.account = account.id AND kind = 'account.status' ORDER BY event.seq DESC LIMIT 1) FROM account";
    let mut statement = database.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let seq = row.get::<_, i64>(2)?.cast_unsigned();
        Ok((row.get(0)?, Row { status: row.get(1)?, seq, last: row.get(3)? }))
    })?;
    rows.collect()
}
