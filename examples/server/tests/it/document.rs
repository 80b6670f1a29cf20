//! The OpenAPI document says what there is: no more, and no less.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::{Value, json};
use wa_manager::event::EventKind;

use crate::server::Server;

pub(crate) fn document() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// All that the document names is served, and wants a key where it says so.
#[tokio::test]
async fn all_that_is_documented_is_served() {
    let server = Server::sandbox().await;
    let document = document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{name}", "x").replace("{id}", "x");
            let answer = server.send(method.clone(), &path, &[], "").await;
            let expected = if operation["security"] == json!([]) { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{method} {path}");
        }
        let unnamed = [Method::GET, Method::POST, Method::PUT, Method::DELETE]
            .into_iter()
            .filter(|method| methods.get(method.as_str().to_lowercase()).is_none());
        for method in unnamed {
            let path = path.replace("{name}", "x").replace("{id}", "x");
            server.call(method, &path, Value::Null).await.problem(405, "method");
        }
    }
}

/// Each route of the source is documented.
#[test]
fn all_that_is_served_is_documented() {
    let sources = [include_str!("../../src/rest/mod.rs"), include_str!("../../src/ws.rs")];
    let routes: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.split(".route(").skip(1))
        .map(|rest| rest.trim_start().split('"').nth(1).unwrap())
        .map(|path| if path == "/" { String::new() } else { path.to_owned() })
        .collect();
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    for route in &routes {
        let nested = format!("/whatsapp/session/{{name}}{route}");
        assert!(paths.contains_key(route) || paths.contains_key(&nested), "{route} is not documented");
    }
    assert!(routes.len() > 30 && routes.contains("/ws"), "the routes are not found any more: {routes:?}");
}

/// The types of events of the document are those that there are.
#[test]
fn each_type_of_event_is_documented() {
    let documented = &document()["components"]["schemas"]["EventType"]["enum"];
    let all: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.wire()).collect();
    assert_eq!(*documented, json!(all));
}

/// Where all paths begin elsewhere, the document says so.
#[tokio::test]
async fn a_base_is_a_part_of_all_paths() {
    let server = Server::start(&["--sandbox", "--base", "/wa"]).await;
    assert_eq!(server.get("/wa/openapi.json").await.expect(200)["servers"][0]["url"], "/wa");
    server.get("/wa/whatsapp/sessions").await.expect(200);
    server.get("/whatsapp/sessions").await.problem(404, "not_found");
}
