//! Phones that link companions by code or with a passkey, moved over HTTP.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wa_core::client::{
    AuthenticatorError, HookFuture, PairCodeOptions, PasskeyAssertion, PasskeyAuthenticator,
};
use wa_core::store::MemoryStore;
use wa_core::{Client, ClientBuilder, Event};
use wa_test_server::{Endpoint, TestServer};
use wa_types::PhoneNumber;

use crate::admin::call;

fn builder(server: &TestServer) -> ClientBuilder {
    let builder = Client::builder(Arc::new(MemoryStore::new()));
    builder.connector(server.connector()).trust_root(server.trust_root())
}

#[tokio::test]
async fn a_code_is_typed_over_http() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let (_, phone) = call(&endpoint, "POST", "/admin/mock-phone", &json!({ "phone": "Ada" })).await;
    let number = phone["number"].as_str().expect("a number");
    let enter = async |code: &str| {
        let body = json!({ "number": number, "code": code });
        call(&endpoint, "POST", "/admin/mock-phone/enter-code", &body).await
    };
    assert_eq!(enter("garbage").await.0, "400");
    assert_eq!(enter("ABCD-1234").await.0, "404", "nobody shows a code");

    let (client, mut events) = builder(&server).connect().await.expect("starts");
    let asked: PhoneNumber = number.parse().expect("digits");
    let options = || PairCodeOptions::new().code("WXYZ-1234".parse().expect("a code"));
    client.pair_with_code(&asked, options()).await.expect("a code");
    assert_eq!(enter("WXYZ-1235").await.0, "422");
    let by_user = json!({ "phone": "Ada", "by_user": true });
    let (_, refreshed) = call(&endpoint, "POST", "/admin/mock-phone/refresh-code", &by_user).await;
    assert_eq!(refreshed, json!({ "was_live": true }));

    while !matches!(events.next().await, Some(Event::PairingCodeVoid { .. })) {}
    let code = client.pair_with_code(&asked, PairCodeOptions::new()).await.expect("a code").code;
    let (status, linked) = enter(code.as_str()).await;
    assert_eq!(status, "200", "{linked}");
    assert!(client.ready().await);
    assert_eq!(linked["device"], json!(server.phone("Ada").linked_devices()[0].to_string()));
    assert_eq!(
        call(&endpoint, "POST", "/admin/mock-phone/enter-code", &json!({ "number": "1" })).await.0,
        "404"
    );
}

/// Signs over HTTP.
#[derive(Debug)]
struct Remote(Endpoint);

impl PasskeyAuthenticator for Remote {
    fn assert<'a>(
        &'a self,
        options: &'a str,
    ) -> HookFuture<'a, Result<PasskeyAssertion, AuthenticatorError>> {
        Box::pin(async move {
            let body = json!({ "phone": "Ada", "options": options });
            let (_, signed) = call(&self.0, "POST", "/admin/mock-phone/sign", &body).await;
            let text = |name: &str| signed.get(name).and_then(Value::as_str).unwrap_or_default();
            let id = URL_SAFE_NO_PAD.decode(text("credential_id"));
            let id = id.map_err(|error| AuthenticatorError::Failed(error.to_string()))?;
            Ok(PasskeyAssertion::new(id, text("assertion")))
        })
    }
}

#[tokio::test]
async fn a_passkey_is_wanted_and_given_over_http() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let remote = Arc::new(Remote(endpoint.clone()));
    let (client, mut events) =
        builder(&server).passkey_authenticator(remote).connect().await.expect("starts");
    let Some(Event::PairingQr(qr)) = events.next().await else { panic!("no QR code") };
    let body = json!({ "phone": "Ada", "qr": qr.text, "inline": false });
    let (status, linked) = call(&endpoint, "POST", "/admin/mock-phone/passkey", &body).await;
    assert_eq!(status, "200", "{linked}");
    assert_eq!(linked["code"].as_str().map(str::len), Some(9), "{linked}");
    assert!(client.ready().await);
    let gone = json!({ "phone": "Ada", "qr": qr.text });
    assert_eq!(call(&endpoint, "POST", "/admin/mock-phone/passkey", &gone).await.0, "404");
}
