//! Accounts, one at a time.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::document::document;
use crate::server::{Server, TestServer};

/// R028, R058, R078, R093, R095, R096, R110, R129, R143-R146, R149, R165, R166, R172: what is made is there with the defaults that were asked for, and is not
/// started unless that was asked for.
#[tokio::test]
async fn an_account_is_made_listed_and_shown() {
    let server = Server::sandbox().await;
    let made = server
        .post(
            "/whatsapp/session",
            json!({ "name": "shop", "displayName": "The shop", "metadata": { "bot": "on" } }),
        )
        .await;
    let made = made.expect(201);
    assert_eq!(made["metadata"]["bot"], "on");
    assert_eq!((made["name"].as_str(), made["status"].as_str()), (Some("shop"), Some("idle")));
    assert_eq!(made["settings"]["syncLimit"], 50);
    assert_eq!(made["settings"]["autoStart"], false);
    assert_eq!(made["settings"]["storageMode"], "filesystem");
    assert_eq!((&made["trust"]["trustLevel"], &made["trust"]["dailyLimit"]), (&json!(1), &json!(50)));
    assert_eq!(made["trust"]["messagesSentToday"], 0);
    assert_eq!((&made["isLoggedIn"], &made["phoneNumber"]), (&json!(false), &Value::Null));
    assert_eq!((&made["lastActiveAt"], &made["battery"]), (&Value::Null, &Value::Null));
    assert!(made["createdAt"].is_u64() && made["updatedAt"].is_u64() && made["id"].is_string());

    let other = json!({ "name": "desk", "settings": { "syncLimit": 500, "autoStart": true } });
    assert_eq!(server.post("/whatsapp/session", other).await.expect(201)["settings"]["syncLimit"], 500);
    server.post("/whatsapp/session", json!({ "name": "shop" })).await.problem(409, "already_exists");

    let all = server.get("/whatsapp/sessions").await.expect(200);
    assert_eq!(all["accounts"].as_array().unwrap().len(), 2);
    assert!(all["seq"].as_u64().unwrap() >= 2);
    assert_eq!(server.get("/whatsapp/session/shop").await.expect(200)["id"], made["id"]);

    // With the number of the phone, where there is one.
    server.linked("till", "anna").await;
    let phones = server.get("/sandbox").await.expect(200)["phones"].take();
    let anna = phones.as_array().unwrap().iter().find(|phone| phone["name"] == "anna").unwrap();
    assert!(anna["number"].is_string());
    let all = server.get("/whatsapp/sessions").await.expect(200)["accounts"].take();
    for (name, status, number) in
        [("shop", "idle", &Value::Null), ("desk", "idle", &Value::Null), ("till", "ready", &anna["number"])]
    {
        let listed = all.as_array().unwrap().iter().find(|account| account["name"] == name).unwrap();
        let shown = server.get(&format!("/whatsapp/session/{name}")).await.expect(200);
        for account in [listed, &shown] {
            assert_eq!((&account["status"], &account["phoneNumber"]), (&json!(status), number), "{account}");
        }
    }
    server.get("/whatsapp/session/nobody").await.problem(404, "not_found");
}

/// 4.6: an account is started where a mode says how it is linked, unless that is not wanted; without one it cannot be.
#[tokio::test]
async fn an_account_begins_to_be_linked_where_a_mode_is_given_unless_that_is_not_wanted() {
    let server = Server::sandbox().await;
    let make = async |body: Value| server.post("/whatsapp/session", body).await;
    make(json!({ "name": "none", "start": true })).await.problem(400, "mode_missing");
    server.get("/whatsapp/session/none").await.problem(404, "not_found");
    let later = [
        json!({ "name": "a", "start": false }),
        json!({ "name": "b", "mode": "qr", "start": false }),
        json!({ "name": "c", "mode": "pairing", "phoneNumber": "628123456789", "start": false }),
        json!({ "name": "d", "mode": "pairing", "start": false }),
    ];
    for body in later {
        let made = make(body).await.expect(201);
        assert_eq!((&made["status"], &made["pairing"]), (&json!("idle"), &Value::Null), "{made}");
        let path = format!("/whatsapp/session/{}/pairing", made["name"].as_str().unwrap());
        server.get(&path).await.problem(410, "gone");
    }
    let events = server.get("/whatsapp/events?limit=1000").await.expect(200);
    let mut events = events["events"].as_array().unwrap().iter();
    assert!(!events.any(|event| event["type"].as_str().unwrap().starts_with("pairing.")), "nothing began");
    let now = make(json!({ "name": "e", "mode": "qr", "start": true })).await.expect(201);
    assert_eq!(now["pairing"]["method"], "qr");
}

/// Whoever changes some of the settings keeps what others change at the same time.
#[tokio::test]
async fn settings_that_are_changed_at_once_all_hold() {
    let server = Server::sandbox().await;
    server.create("shop").await;
    for round in 0..20_u32 {
        let zone = if round % 2 == 0 { "Asia/Jakarta" } else { "Europe/Berlin" };
        let given = [
            json!({ "autoStart": round % 2 == 0 }),
            json!({ "syncLimit": round }),
            json!({ "strictDailyLimit": round % 2 == 0 }),
            json!({ "timeZone": zone }),
        ];
        let change = async |settings: &Value| {
            let body = json!({ "settings": settings });
            server.call(Method::PUT, "/whatsapp/session/shop", body).await.expect(200);
        };
        join_all(given.iter().map(change)).await;
        let stored = server.get("/whatsapp/session/shop").await.expect(200)["settings"].take();
        for (name, value) in given.iter().flat_map(|given| given.as_object().unwrap()) {
            assert_eq!(stored[name], *value, "{name} in round {round}");
        }
    }
}

/// R165: what is not said of an account's settings is as the one who runs the server says, and stays when others change.
#[tokio::test]
async fn settings_that_are_not_given_are_the_hosts_and_then_the_accounts() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let defaults = json!({ "syncLimit": 200, "storageMode": "none", "ignore": { "newsletters": false } });
    std::fs::write(file.path(), defaults.to_string()).unwrap();
    let server = Server::start(&["--sandbox", "--defaults", file.path().to_str().unwrap()]).await;
    let plain = server.create("plain").await;
    assert_eq!(
        (&plain["settings"]["syncLimit"], &plain["settings"]["storageMode"]),
        (&json!(200), &json!("none"))
    );
    let ignore = &plain["settings"]["ignore"];
    assert_eq!((&ignore["newsletters"], &ignore["status"]), (&json!(false), &json!(true)));

    let given = json!({ "autoStart": true, "ignore": { "groups": true } });
    let made =
        server.post("/whatsapp/session", json!({ "name": "some", "settings": given })).await.expect(201);
    let mut expected = plain["settings"].clone();
    expected["autoStart"] = json!(true);
    expected["ignore"]["groups"] = json!(true);
    assert_eq!(made["settings"], expected);
    let path = "/whatsapp/session/some";
    let change =
        async |settings: Value| server.call(Method::PUT, path, json!({ "settings": settings })).await;
    expected["syncLimit"] = json!(7);
    expected["timeZone"] = json!("Asia/Jakarta");
    let given = json!({ "syncLimit": 7, "timeZone": "Asia/Jakarta" });
    assert_eq!(change(given).await.expect(200)["settings"], expected, "the rest stays");
    expected["timeZone"] = Value::Null;
    assert_eq!(change(json!({ "timeZone": null })).await.expect(200)["settings"], expected);
    for wrong in [json!({ "sync_limit": 1 }), json!({ "ignore": { "all": true } }), json!({ "ignore": null })]
    {
        change(wrong).await.problem(400, "bad_request");
    }
    assert_eq!(server.get(path).await.expect(200)["settings"], expected);
}

/// R072: by status (also by the other name of `ready`), by words, page by page.
#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let server = Server::sandbox().await;
    server.linked("ready-one", "anna").await;
    for number in 0..5 {
        server.create(&format!("idle-{number}")).await;
    }
    let names = async |query: &str| {
        let list = server.get(&format!("/whatsapp/sessions?{query}")).await.expect(200);
        let accounts = list["accounts"].as_array().unwrap();
        accounts.iter().map(|account| account["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("status=ready").await, ["ready-one"]);
    assert_eq!(names("status=connected").await, ["ready-one"]);
    assert_eq!(names("status=idle").await.len(), 5);
    assert_eq!(names("q=IDLE-3").await, ["idle-3"]);
    server.get("/whatsapp/sessions?status=asleep").await.problem(400, "bad_request");

    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let query = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = server.get(&format!("/whatsapp/sessions?limit=2{query}")).await.expect(200);
        for account in page["accounts"].as_array().unwrap() {
            seen.push(account["name"].as_str().unwrap().to_owned());
        }
        cursor = match &page["cursor"] {
            Value::Null => break,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
    }
    seen.sort();
    assert_eq!(seen, ["idle-0", "idle-1", "idle-2", "idle-3", "idle-4", "ready-one"]);
}

/// R089, R097, R130-R133, R153: names and settings change; whoever saw an older version is told.
#[tokio::test]
async fn names_and_settings_change_by_version() {
    let server = Server::sandbox().await;
    let made = server.create("shop").await;
    let path = "/whatsapp/session/shop";
    let settings = json!({ "autoStart": true, "syncLimit": 100, "storageMode": "none" });
    let body = json!({ "displayName": "New name", "settings": settings });
    let bearer = format!("Bearer {}", server.key);
    let version = made["version"].to_string();
    let headers = [("authorization", bearer.as_str()), ("if-match", version.as_str())];
    let changed = server.send(Method::PUT, path, &headers, body.to_string()).await.expect(200);
    assert_eq!((&changed["displayName"], &changed["name"]), (&json!("New name"), &json!("shop")));
    assert_eq!(changed["settings"]["syncLimit"], 100);
    assert!(changed["version"].as_u64() > made["version"].as_u64());
    server.send(Method::PUT, path, &headers, body.to_string()).await.problem(412, "version_conflict");
    let too_high = json!({ "settings": { "syncLimit": 501 } });
    server.call(Method::PUT, path, too_high).await.problem(400, "bad_request");
}

/// R080, R088, R099-R101, R090, R091, R098, R151, R152: stopped is not logged out, logged out is not deleted, and deleted is gone.
#[tokio::test]
async fn stop_keeps_the_link_logout_keeps_the_account_delete_keeps_nothing() {
    let server = Server::sandbox().await;
    server.linked("shop", "anna").await;
    let path = "/whatsapp/session/shop";
    let outcome = server.post(&format!("{path}/stop"), Value::Null).await.expect(200);
    assert_eq!(outcome["changed"], true);
    assert_eq!((&outcome["before"], &outcome["after"]), (&json!("ready"), &json!("idle")));
    assert_eq!(server.get(path).await.expect(200)["isLoggedIn"], true);
    assert_eq!(server.post(&format!("{path}/stop"), Value::Null).await.expect(200)["changed"], false);
    server.post(&format!("{path}/start"), Value::Null).await.expect(200);
    server.status("shop", "ready").await;
    server.post(&format!("{path}/restart"), Value::Null).await.expect(200);
    server.status("shop", "ready").await;

    server.post(&format!("{path}/logout"), Value::Null).await.expect(200);
    let out = server.status("shop", "idle").await;
    assert_eq!((&out["isLoggedIn"], &out["displayName"]), (&json!(false), &json!("shop")));
    server.post(&format!("{path}/start"), Value::Null).await.problem(409, "not_linked");

    server.call(Method::DELETE, path, Value::Null).await.expect(204);
    server.get(path).await.problem(404, "not_found");
    server.call(Method::DELETE, path, Value::Null).await.expect(204);
}

/// R056, R061, R062, R077, R106: what ran runs again, what was stopped stays so.
#[cfg(unix)]
#[tokio::test]
async fn a_restart_of_the_server_shows_the_truth_again() {
    let test_server = TestServer::start().await;
    let mut server = test_server.server().await;
    test_server.linked(&server, "runs", "anna").await;
    test_server.linked(&server, "rests", "budi").await;
    server.post("/whatsapp/session/rests/stop", Value::Null).await.expect(200);
    let health = server.get("/health").await.expect(200);
    assert_eq!((&health["connected"], &health["total"]), (&json!(1), &json!(2)));

    server.stop().await;
    server.start_again().await;
    server.status("runs", "ready").await;
    assert_eq!(server.get("/whatsapp/session/rests").await.expect(200)["status"], "idle");
    assert_eq!(server.get("/health").await.expect(200)["byStatus"], json!({ "ready": 1, "idle": 1 }));
}

/// Ruling 3: who cannot tell the service does nothing, unless that is forced.
#[tokio::test]
async fn an_account_is_not_unlinked_while_the_service_is_away_unless_that_is_forced() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    for (name, phone) in [("a", "anna"), ("b", "budi")] {
        test_server.linked(&server, name, phone).await;
        let account = server.get(&format!("/whatsapp/session/{name}")).await.expect(200);
        test_server.server.faults().refuse_connections(1_000_000);
        test_server.server.disconnect(&account["device"]["deviceId"].as_str().unwrap().parse().unwrap());
        server.status(name, "disconnected").await;
        server
            .post(&format!("/whatsapp/session/{name}/logout"), Value::Null)
            .await
            .problem(502, "not_unlinked");
        let path = format!("/whatsapp/session/{name}");
        server.call(Method::DELETE, &path, Value::Null).await.problem(502, "not_unlinked");
        assert_eq!(server.get(&path).await.expect(200)["isLoggedIn"], true, "nothing was done");
        test_server.server.faults().clear();
        server.status(name, "ready").await;
        test_server.server.faults().refuse_connections(1_000_000);
        test_server.server.disconnect(&account["device"]["deviceId"].as_str().unwrap().parse().unwrap());
        server.status(name, "disconnected").await;
        if name == "a" {
            server.post(&format!("{path}/logout?force=true"), Value::Null).await.expect(200);
            assert_eq!(server.get(&path).await.expect(200)["isLoggedIn"], false);
        } else {
            server.call(Method::DELETE, &format!("{path}?force=true"), Value::Null).await.expect(204);
            server.get(&path).await.problem(404, "not_found");
        }
        test_server.server.faults().clear();
    }
}

/// R038: whoever asks whether all is well is told what is not: an account that is left alone, a store that does not answer.
#[cfg(unix)]
#[tokio::test]
async fn what_is_not_well_is_told() {
    let mut server = Server::sandbox().await;
    server.create("shop").await;
    server.create("desk").await;
    let health = server.get("/health").await.expect(200);
    assert_eq!((&health["status"], &health["warnings"]), (&json!("ok"), &json!([])));

    server.stop().await;
    let manager = rusqlite::Connection::open(server.directory().join("manager.db")).unwrap();
    assert_eq!(manager.execute("UPDATE account SET settings = '{' WHERE name = 'shop'", []).unwrap(), 1);
    drop(manager);
    server.start_again().await;
    server.status("shop", "error").await;
    let is_degraded = async |health: &Value| health["status"] == "degraded";
    let health = server.until("/health", is_degraded).await;
    assert_eq!(health["warnings"], json!(["quarantined"]));
    assert_eq!(server.get("/readyz").await.status, 200, "the others are served");
    server.call(Method::DELETE, "/whatsapp/session/shop?force=true", Value::Null).await.expect(204);

    // The manager holds its own file for itself.
    let codes = rusqlite::Connection::open(server.directory().join("pairing.db")).unwrap();
    codes.execute_batch("DROP TABLE pairing").unwrap();
    server.until("/health", async |health| health["warnings"] == json!(["store"])).await;
    server.get("/readyz").await.problem(503, "pairing_store");
    let health = server.get("/health").await.expect(200);
    assert_eq!((&health["status"], &health["warnings"]), (&json!("degraded"), &json!(["store"])));
    assert_eq!(server.get("/livez").await.status, 200);
}

/// What is stored of an account is damaged: whoever asks something of it is told that trying again does not help, and what does.
#[cfg(unix)]
#[tokio::test]
async fn a_damaged_account_says_that_trying_again_does_not_help() {
    let mut server = Server::sandbox().await;
    server.linked("shop", "anna").await;
    server.stop().await;
    let manager = rusqlite::Connection::open(server.directory().join("manager.db")).unwrap();
    assert_eq!(manager.execute("UPDATE account SET settings = '{' WHERE name = 'shop'", []).unwrap(), 1);
    drop(manager);
    let keys = server.directory().join("accounts/default/shop.db");
    assert!(keys.exists());
    std::fs::write(&keys, "no database").unwrap();
    server.start_again().await;
    let path = "/whatsapp/session/shop";
    assert_eq!(server.status("shop", "error").await["reason"]["kind"], "store_corrupt");

    let number = "628123456789";
    for (method, what, body) in [
        (Method::POST, "/start", Value::Null),
        (Method::POST, "/stop", Value::Null),
        (Method::POST, "/restart", Value::Null),
        (Method::POST, "/logout", Value::Null),
        (Method::POST, "/pairing", json!({ "method": "qr" })),
        (Method::PUT, "", json!({ "displayName": "New name" })),
        (Method::GET, "/trust", Value::Null),
        (Method::PUT, "/trust", json!({ "dailyLimit": 7 })),
        (Method::POST, "/usage/reset", json!({ "reason": "wanted" })),
        (Method::POST, "/messages", json!({ "to": number, "content": { "text": "hello" } })),
        (Method::GET, "/outbox", Value::Null),
        (Method::POST, "/sync-history", json!({})),
        (Method::POST, "/numbers/check", json!({ "numbers": [number] })),
        (Method::POST, "/typing", json!({ "chat": format!("{number}@s.whatsapp.net"), "state": "paused" })),
        // The server cannot be told with keys that cannot be read.
        (Method::DELETE, "", Value::Null),
    ] {
        let answer = server.call(method.clone(), &format!("{path}{what}"), body).await;
        assert_eq!(answer.status, 409, "{method} {what}: {:?}", answer.json());
        assert_eq!(answer.header("retry-after"), None);
        let problem = answer.problem(409, "store_corrupt");
        assert!(problem["detail"].as_str().unwrap().contains("does not help"), "{problem}");
    }
    let code = &document()["components"]["schemas"]["Problem"]["properties"]["code"];
    assert!(code["description"].as_str().unwrap().contains("`store_corrupt` (409)"), "{code}");
    let started = server.post("/whatsapp/sessions/start", json!({ "names": ["shop"] })).await.expect(207);
    assert_eq!(started["items"][0]["error"]["code"], "store_corrupt");
    server.call(Method::DELETE, &format!("{path}?force=true"), Value::Null).await.expect(204);
    server.get(path).await.problem(404, "not_found");
}

/// Whoever keeps a connection half open, or a socket that reads nothing, does not keep the server.
#[cfg(unix)]
#[tokio::test]
async fn a_connection_that_is_left_open_does_not_keep_the_server() {
    let mut server = Server::sandbox().await;
    let mut half = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    half.write_all(b"POST /whatsapp/session HTTP/1.1\r\nHost: x\r\nContent-Le").await.unwrap();
    server.linked("shop", "anna").await;
    server.stop().await;
}

#[tokio::test]
async fn probes_need_no_key_and_figures_do() {
    let server = Server::sandbox().await;
    for path in ["/health", "/livez", "/readyz", "/openapi.json"] {
        assert_eq!(server.send(Method::GET, path, &[], "").await.status, 200, "{path}");
    }
    server.send(Method::GET, "/metrics", &[], "").await.problem(401, "unauthorized");
    server.linked("shop", "anna").await;
    let reader = server.new_key("default", &["read"]).await;
    server.call_with(&reader, Method::GET, "/metrics", Value::Null).await.problem(403, "forbidden");
    let scraper = server.new_key("default", &["metrics"]).await;
    let metrics = server.call_with(&scraper, Method::GET, "/metrics", Value::Null).await;
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(text.contains("wa_logins_total 1"), "{text}");
}
