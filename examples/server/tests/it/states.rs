//! The program is killed in each state of an account.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use wa_types::Jid;

use crate::agreement::all_agree;
use crate::server::{Server, TestServer};

const SHOP: &str = "/whatsapp/session/shop";

/// Where an account stands when the program is killed, and where it stands some time after the next start.
const STATES: [(&str, &str); 8] = [
    ("idle", "idle"),
    ("loading", "ready"),
    ("qr", "idle"),
    ("pairing", "idle"),
    ("authenticated", "ready"),
    ("ready", "ready"),
    ("disconnected", "ready"),
    ("error", "error"),
];

/// Brings an account there.
async fn bring(test_server: &TestServer, server: &Server, status: &str) {
    let faults = test_server.server.faults();
    let device = async || -> Jid {
        let account = server.get(SHOP).await.expect(200);
        account["device"]["deviceId"].as_str().unwrap().parse().unwrap()
    };
    match status {
        "idle" => drop(server.create("shop").await),
        "qr" => {
            drop(server.post("/whatsapp/session", json!({ "name": "shop", "mode": "qr" })).await.expect(201))
        }
        "pairing" => {
            let number = test_server.server.phone("anna").pn().user().to_owned();
            let body = json!({ "name": "shop", "mode": "pairing", "phoneNumber": number });
            server.post("/whatsapp/session", body).await.expect(201);
        }
        "authenticated" => {
            server.post("/whatsapp/session", json!({ "name": "shop", "mode": "qr" })).await.expect(201);
            let qr = server.qr("shop").await;
            faults.refuse_login(503, 1_000_000);
            test_server.server.phone("anna").scan(&qr).await.unwrap();
        }
        _ => test_server.linked(server, "shop", "anna").await,
    }
    match status {
        "loading" => {
            server.post(&format!("{SHOP}/stop"), Value::Null).await.expect(200);
            faults.refuse_connections(1_000_000);
            server.post(&format!("{SHOP}/start"), Value::Null).await.expect(200);
        }
        "disconnected" => {
            faults.refuse_connections(1_000_000);
            test_server.server.disconnect(&device().await);
        }
        "error" => {
            faults.ban(101, Duration::from_secs(3600), 1);
            test_server.server.disconnect(&device().await);
        }
        _ => {}
    }
    server.status("shop", status).await;
}

/// Acceptance: Kill -9 during each state, restart: account returns to desired state or a typed error within 60 s; status
/// row = event log tail.
#[tokio::test]
async fn whichever_state_it_is_killed_in_it_goes_on_from_there() {
    for (status, after) in STATES {
        let test_server = TestServer::start().await;
        let mut server = test_server.server().await;
        bring(&test_server, &server, status).await;
        server.kill().await;
        test_server.server.faults().clear();
        server.start_again().await;
        let account = server.status("shop", after).await;
        let reason = account["reason"]["kind"].as_str();
        assert_eq!(reason, (after == "error").then_some("temporary_ban"), "{status}: {account}");
        all_agree(&server).await;
        server.call(Method::DELETE, &format!("{SHOP}?force=true"), Value::Null).await.expect(204);
    }
}
