//! Links by QR and by code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use serde_json::{Value, json};

use crate::server::{Server, TestServer, soon};

const ANNA: &str = "/whatsapp/session/anna";

async fn number(server: &Server, phone: &str) -> String {
    let phones = server.get("/sandbox").await.expect(200);
    let found = phones["phones"].as_array().unwrap().iter().find(|one| one["name"] == phone).unwrap();
    found["number"].as_str().unwrap().to_owned()
}

/// R027, R048, R081, R086, R093: a QR code in each form, with the time until which it is good, and gone when it is used.
#[tokio::test]
async fn a_qr_code_is_shown_in_each_form_until_it_is_used() {
    let server = Server::sandbox().await;
    let made = server.post("/whatsapp/session", json!({ "name": "anna", "mode": "qr" })).await.expect(201);
    assert_eq!(made["pairing"]["method"], "qr");
    server.status("anna", "qr").await;
    let bearer = format!("Bearer {}", server.key);
    for (accept, kind, begin) in [
        ("image/png", "image/png", &b"\x89PNG"[..]),
        ("image/svg+xml", "image/svg+xml", b"<svg"),
        ("text/plain", "text/plain; charset=utf-8", b""),
        ("application/json", "application/json", b"{"),
    ] {
        let headers = [("authorization", bearer.as_str()), ("accept", accept)];
        let answer = server.send(Method::GET, &format!("{ANNA}/qr"), &headers, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.body.starts_with(begin) && !answer.body.is_empty());
    }
    let shown = server.get(&format!("{ANNA}/pairing")).await.expect(200);
    assert!(shown["qrExpiresAt"].is_u64() && shown["qrCode"].is_string());
    server.scan("anna", "anna").await;
    server.status("anna", "ready").await;
    server.get(&format!("{ANNA}/qr")).await.problem(410, "gone");
    let (_, expected) = (server.get(ANNA).await, number(&server, "anna").await);
    assert_eq!(server.get(ANNA).await.expect(200)["phoneNumber"], expected.as_str());
}

/// R043, R047, R049, R050, R052, R094, R140, R142: a code of eight characters, typed on the phone; nothing but text is needed.
#[tokio::test]
async fn a_code_of_eight_characters_links() {
    let server = Server::sandbox().await;
    let phone = number(&server, "anna").await;
    let body = json!({ "name": "anna", "mode": "pairing", "phoneNumber": phone });
    server.post("/whatsapp/session", body).await.expect(201);
    server.status("anna", "pairing").await;
    let shown = server.get(&format!("{ANNA}/pairing")).await.expect(200);
    let code = shown["pairingCode"].as_str().unwrap();
    assert_eq!((code.len(), &code[4..5]), (9, "-"), "shown as XXXX-XXXX");
    assert!(shown["codeExpiresAt"].is_u64() && shown["expiresAt"].is_u64());
    server.post("/sandbox/type-code", json!({ "name": "anna", "phone": "anna" })).await.expect(204);
    server.status("anna", "ready").await;
}

/// R042, R179: what is shown is renewed on wish, and taken back; an abandoned attempt leaves an account that can be linked.
#[tokio::test]
async fn a_pairing_is_refreshed_and_cancelled() {
    let server = Server::sandbox().await;
    server.create("anna").await;
    server.post(&format!("{ANNA}/pairing/refresh"), Value::Null).await.problem(409, "not_pairing");
    server.post(&format!("{ANNA}/pairing"), json!({ "method": "qr" })).await.expect(201);
    server.status("anna", "qr").await;
    server.post(&format!("{ANNA}/pairing"), json!({ "method": "qr" })).await.problem(409, "already_pairing");
    server.post(&format!("{ANNA}/pairing/refresh"), Value::Null).await.expect(202);
    server.post(&format!("{ANNA}/pairing/cancel"), Value::Null).await.expect(204);
    server.until(ANNA, async |account| account["status"] != "qr").await;
    server.post(&format!("{ANNA}/pairing/cancel"), Value::Null).await.expect(204);
    server.get(&format!("{ANNA}/pairing")).await.problem(410, "gone");
    server.post(&format!("{ANNA}/pairing"), json!({ "method": "qr" })).await.expect(201);
    server.scan("anna", "anna").await;
    server.status("anna", "ready").await;
}

/// R044: digits with the country's code, and nothing else.
#[tokio::test]
async fn a_number_is_digits_only() {
    let server = Server::sandbox().await;
    server.create("anna").await;
    for text in ["+628123456789", "62 812 3456 789", "62-812-3456-789", "0", "abc", ""] {
        let body = json!({ "method": "pairing", "phoneNumber": text });
        let problem = server.post(&format!("{ANNA}/pairing"), body).await.problem(400, "invalid_phone");
        assert!(problem["detail"].as_str().unwrap().starts_with("Invalid phone"), "{problem}");
    }
    let body = json!({ "method": "pairing" });
    server.post(&format!("{ANNA}/pairing"), body).await.problem(400, "phone_missing");
}

/// R041, R017: how often codes may be asked for is limited, and the answer says when to come back.
#[tokio::test]
async fn codes_are_limited_and_the_answer_says_when() {
    let server = Server::sandbox().await;
    let phone = number(&server, "anna").await;
    server.create("anna").await;
    let mut limited = None;
    for _ in 0..8 {
        let body = json!({ "method": "pairing", "phoneNumber": phone });
        let answer = server.post(&format!("{ANNA}/pairing"), body).await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
        answer.expect(201);
        server
            .until(ANNA, async |account| account["status"] == "pairing" || account["status"] == "error")
            .await;
        server.post(&format!("{ANNA}/pairing/cancel"), Value::Null).await.expect(204);
        server.until(ANNA, async |account| account["status"] != "pairing").await;
    }
    let limited = limited.expect("nothing limits codes");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 0);
    assert_eq!(limited.problem(429, "rate_limited")["retryAfter"], wait);
}

/// 4.4, 4.6: a phone that wants a passkey gets its signature over HTTP; then both screens show a code.
#[tokio::test]
async fn a_passkey_is_signed_elsewhere() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    server.create("anna").await;
    let body = json!({ "method": "qr", "passkey": true });
    server.post(&format!("{ANNA}/pairing"), body).await.expect(201);
    link_with_passkey(&test_server, &server, "anna").await;
    // And where the account is made and linked in one.
    let body = json!({ "name": "boris", "mode": "qr", "passkey": true });
    server.post("/whatsapp/session", body).await.expect(201);
    link_with_passkey(&test_server, &server, "boris").await;
}

async fn link_with_passkey(test_server: &TestServer, server: &Server, name: &str) {
    let passkey = format!("/whatsapp/session/{name}/passkey");
    server.get(&passkey).await.problem(410, "gone");
    let qr = server.qr(name).await;
    let phone = test_server.server.phone(name);
    let mut link = phone.ask_passkey(&qr, true).unwrap();
    let wanted = server.until(&passkey, async |wanted| !wanted["challenge"].is_null()).await;
    let (id, assertion) = phone.sign_with_passkey(&wanted["challenge"].to_string()).unwrap();
    let assertion: Value = serde_json::from_str(&assertion).unwrap();
    let half = json!({ "assertion": assertion });
    server.post(&passkey, half).await.problem(400, "bad_request");
    let signed = json!({ "credentialId": URL_SAFE_NO_PAD.encode(id), "assertion": assertion });
    server.post(&passkey, signed).await.expect(204);
    let on_phone = soon("the phone's code", link.code()).await.unwrap();
    let wanted = server.until(&passkey, async |wanted| !wanted["code"].is_null()).await;
    assert_eq!(wanted["code"], on_phone.to_string());
    soon("the question", async {
        while server.post(&format!("{passkey}/confirm"), json!({ "same": true })).await.status != 204 {}
    })
    .await;
    soon("the link", link.confirm()).await.unwrap();
    server.status(name, "ready").await;
    server.post(&format!("{passkey}/confirm"), json!({ "same": true })).await.problem(409, "not_pairing");
}

/// R015, R026: a number that is linked here is not linked again, unless that is wished.
#[tokio::test]
async fn a_number_is_linked_once() {
    let server = Server::sandbox().await;
    server.linked("anna", "anna").await;
    let phone = number(&server, "anna").await;
    let body = json!({ "name": "again", "mode": "pairing", "phoneNumber": phone });
    server.post("/whatsapp/session", body).await.problem(409, "already_linked");
    server.get("/whatsapp/session/again").await.problem(404, "not_found");
    server.create("again").await;
    let mut body = json!({ "method": "pairing", "phoneNumber": phone });
    let path = "/whatsapp/session/again/pairing";
    server.post(path, body.clone()).await.problem(409, "already_linked");
    body["allowRelink"] = json!(false);
    server.post(path, body.clone()).await.problem(409, "already_linked");
    body["allowRelink"] = json!(true);
    assert_eq!(server.post(path, body).await.expect(201)["method"], "code");
    server.status("again", "pairing").await;
}
