//! A test server in another process, instead of the real service: it stays while this one is started again, and its phones are
//! told over its own admin calls what to do.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use wa_core::client::ClientBuilder;
use wa_core::noise::TrustRoot;
use wa_core::transport::TlsRoots;
use wa_core::transport::https::HttpsClient;
use wa_core::transport::websocket::WebSocketConnector;
use wa_manager::account::AccountRecord;
use wa_types::PublicKey;

use crate::Outcome;

/// What `wa-test-server --json` says of itself.
#[derive(Debug, Deserialize)]
struct Description {
    url: String,
    root_key: String,
    media_certificate: String,
}

/// Sends clients to the test server that this file describes.
pub(crate) fn client(
    file: &Path,
) -> Outcome<impl Fn(ClientBuilder, &AccountRecord) -> ClientBuilder + Send + Sync + 'static + use<>> {
    let server: Description = serde_json::from_slice(&std::fs::read(file)?)?;
    let connector = Arc::new(WebSocketConnector::new(&server.url)?);
    let root = TrustRoot::new(PublicKey::from_raw(&hex::decode(&server.root_key)?)?, 0);
    let certificate: String =
        server.media_certificate.lines().filter(|line| !line.starts_with("-----")).collect();
    let roots = TlsRoots::none().with_certificate(&STANDARD.decode(certificate)?)?;
    let http = Arc::new(HttpsClient::new(&roots));
    Ok(move |builder: ClientBuilder, _: &AccountRecord| {
        builder.connector(Arc::clone(&connector) as _).trust_root(root).http_client(Arc::clone(&http) as _)
    })
}
