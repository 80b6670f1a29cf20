//! Every operation of the OpenAPI document, as a door: which keys open it, and which do not. The document itself is the table.

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::document::document;
use crate::receiver::SECRET;
use crate::server::{Answer, Server};

/// An operation of the document.
struct Door {
    id: String,
    method: Method,
    /// With the places of names and ids in it.
    path: String,
    /// None for those that anybody may ask.
    scope: Option<String>,
    /// Whether a ticket opens it, not a key.
    wants_ticket: bool,
    /// The smallest body that is understood.
    body: Value,
}

impl Door {
    /// What it is asked with, of these things.
    fn path(&self, name: &str, id: &str) -> String {
        self.path.replace("{name}", name).replace("{id}", id)
    }
}

/// All of them. What is wrong with the document fails here: an operation that does not say who may ask for it, above all.
fn doors(document: &Value) -> Vec<Door> {
    let mut doors = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let scope = (operation["security"] != json!([])).then(|| {
                let said = operation["description"].as_str().and_then(|text| text.strip_prefix("Scope: "));
                let said = said.unwrap_or_else(|| panic!("{id} does not say its scope"));
                said.split(|letter: char| !letter.is_ascii_lowercase()).next().unwrap().to_owned()
            });
            doors.push(Door {
                id,
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                scope,
                wants_ticket: operation["security"] == json!([{ "ticket": [] }]),
                body: if schema.is_null() { Value::Null } else { smallest(document, schema) },
            });
        }
    }
    doors
}

/// The smallest value that a schema allows.
fn smallest(document: &Value, schema: &Value) -> Value {
    if let Some(place) = schema["$ref"].as_str() {
        return smallest(document, document.pointer(&place[1..]).unwrap());
    }
    for known in [&schema["examples"][0], &schema["const"], &schema["enum"][0]] {
        if !known.is_null() {
            return known.clone();
        }
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = [&schema["required"], &schema["oneOf"][0]["required"]];
            let names = required.into_iter().filter_map(Value::as_array).flatten();
            let field = |name: &Value| {
                let name = name.as_str().unwrap();
                (name.to_owned(), smallest(document, &schema["properties"][name]))
            };
            Value::Object(names.map(field).collect::<Map<_, _>>())
        }
        Some("array") => {
            let count = schema["minItems"].as_u64().unwrap_or(0);
            (0..count).map(|_| smallest(document, &schema["items"])).collect()
        }
        Some("integer") => schema["minimum"].clone(),
        Some("boolean") => json!(false),
        _ => json!("x"),
    }
}

/// All scopes that there are.
fn scopes(document: &Value) -> Vec<&str> {
    let scopes = document["components"]["schemas"]["Scope"]["enum"].as_array().unwrap();
    scopes.iter().map(|scope| scope.as_str().unwrap()).collect()
}

/// What is there to be asked for: an account, a webhook, a key.
struct Things {
    account: Value,
    webhook: Value,
    key: Value,
}

impl Things {
    /// Those of the tenant `default`.
    async fn make(server: &Server) -> Self {
        let webhook = json!({ "url": "https://hooks.invalid/x", "secret": SECRET });
        Self {
            account: server.settled("ours").await,
            webhook: server.post("/whatsapp/webhooks", webhook).await.expect(201),
            key: server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201),
        }
    }

    /// The path of a door to one of them.
    fn path(&self, door: &Door) -> String {
        let thing = if door.path.starts_with("/keys") { &self.key } else { &self.webhook };
        door.path("ours", thing["id"].as_str().unwrap())
    }
}

async fn ask(server: &Server, key: &str, door: &Door, path: &str) -> Answer {
    server.call_with(key, door.method.clone(), path, door.body.clone()).await
}

/// Asks for a WebSocket with this ticket.
async fn open(server: &Server, ticket: &str) -> Answer {
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    server.send(Method::GET, &format!("/ws?ticket={ticket}"), &upgrade, "").await
}

/// R182: each scope opens its own doors, and no others.
#[tokio::test]
async fn each_scope_opens_its_own_doors() {
    let (server, document) = (Server::sandbox().await, document());
    let things = Things::make(&server).await;
    let (doors, scopes) = (doors(&document), scopes(&document));
    assert!(doors.len() > 50 && scopes.contains(&"admin"), "the document is not understood any more");
    for scope in &scopes {
        let key = server.new_key("default", &[scope]).await;
        for door in doors.iter().filter(|door| !door.wants_ticket) {
            let Some(wanted) = &door.scope else { continue };
            if wanted != scope && *scope != "admin" {
                let answer = ask(&server, &key, door, &things.path(door)).await;
                assert_eq!(answer.status, 403, "{} with {scope}: {answer:?}", door.id);
                answer.problem(403, "forbidden");
            }
        }
    }
    let after = server.get("/whatsapp/session/ours").await.expect(200);
    assert_eq!(after, things.account, "nothing was done");
    // And with the right one: whatever comes of it, it is not the key. What deletes is last.
    let is_deletion = |door: &&Door| door.scope.as_deref() == Some("delete") || door.method == Method::DELETE;
    let (last, first): (Vec<_>, Vec<_>) = doors.iter().partition(is_deletion);
    for door in first.into_iter().chain(last).filter(|door| !door.wants_ticket) {
        let Some(scope) = &door.scope else { continue };
        let key = server.new_key("default", &[scope]).await;
        let answer = ask(&server, &key, door, &things.path(door)).await;
        assert!(![401, 403, 405].contains(&answer.status), "{} with {scope}: {answer:?}", door.id);
    }
}

/// R182: a ticket is as good as its key is when it is used, which may no longer read by then.
#[tokio::test]
async fn a_ticket_opens_nothing_for_a_key_that_no_longer_reads() {
    let (server, document) = (Server::sandbox().await, document());
    for scope in scopes(&document).into_iter().filter(|scope| !["read", "admin"].contains(scope)) {
        let key = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
        let text = key["key"].as_str().unwrap();
        let ticket = server.call_with(text, Method::POST, "/ws/ticket", Value::Null).await.expect(200);
        let path = format!("/keys/{}", key["id"].as_str().unwrap());
        server.call(Method::PUT, &path, json!({ "scopes": [scope] })).await.expect(200);
        open(&server, ticket["ticket"].as_str().unwrap()).await.problem(403, "forbidden");
    }
}

/// R182: without a key that is good no door opens but those that are for anybody.
#[tokio::test]
async fn without_a_key_no_door_opens() {
    let (server, document) = (Server::sandbox().await, document());
    let things = Things::make(&server).await;
    for door in doors(&document) {
        let path = things.path(&door);
        if door.wants_ticket {
            open(&server, "").await.problem(401, "unauthorized");
            open(&server, "made-up").await.problem(401, "unauthorized");
            continue;
        }
        let body = if door.body.is_null() { String::new() } else { door.body.to_string() };
        let nobody = server.send(door.method.clone(), &path, &[], body).await;
        if door.scope.is_none() {
            assert_eq!(nobody.status, 200, "{}: {nobody:?}", door.id);
            continue;
        }
        assert_eq!(nobody.status, 401, "{}: {nobody:?}", door.id);
        nobody.problem(401, "unauthorized");
        ask(&server, "wa_made-up", &door, &path).await.problem(401, "unauthorized");
    }
    assert_eq!(server.get("/whatsapp/session/ours").await.expect(200), things.account, "nothing was done");
}

/// R182: what another tenant has is not there, whatever is tried with it, and no list shows it.
#[tokio::test]
async fn another_tenants_account_is_not_there() {
    let (server, document) = (Server::sandbox().await, document());
    let things = Things::make(&server).await;
    let theirs = server.new_key("other", &["admin"]).await;
    for door in doors(&document).iter().filter(|door| door.scope.is_some() && !door.wants_ticket) {
        let answer = ask(&server, &theirs, door, &things.path(door)).await;
        let (status, id) = (answer.status, &door.id);
        match id.as_str() {
            // Gone is what it shall be.
            "deleteSession" => assert_eq!(status, 204, "{id}: {answer:?}"),
            // Processes are no tenant's.
            "listNodes" | "drainNode" => assert_eq!(status, 403, "{id}: {answer:?}"),
            _ if door.path.contains('{') => {
                assert_eq!(status, 404, "{id}: {answer:?}");
                answer.problem(404, "not_found");
            }
            _ => {
                let text = String::from_utf8_lossy(&answer.body);
                for thing in [&things.account, &things.webhook, &things.key] {
                    assert!(!text.contains(thing["id"].as_str().unwrap()), "{id}: {text}");
                }
            }
        }
    }
    assert_eq!(server.get("/whatsapp/session/ours").await.expect(200), things.account, "nothing was done");
    let kept = |thing: &Value, path: &str| format!("{path}/{}", thing["id"].as_str().unwrap());
    server.get(&kept(&things.webhook, "/whatsapp/webhooks")).await.expect(200);
    server.get(&kept(&things.key, "/keys")).await.expect(200);
    // The name is free for them.
    server.call_with(&theirs, Method::POST, "/whatsapp/session", json!({ "name": "ours" })).await.expect(201);
}
