//! The same over real sockets: WebSocket, plain and TLS, and a file for a store.

use std::sync::Arc;

use wa_core::store::sqlite::SqliteStore;
use wa_core::transport::Connector;
use wa_core::transport::websocket::WebSocketConnector;
use wa_core::{Client, Event, Events, Message};
use wa_test_server::{Endpoint, Phone, TestServer};

async fn link(
    server: &TestServer,
    connector: Arc<dyn Connector>,
    phone: &Phone,
    file: &str,
) -> (Client, Events) {
    let store = Arc::new(SqliteStore::open(file).await.expect("a new file opens"));
    let builder = Client::builder(store).connector(connector).trust_root(server.trust_root());
    let (client, mut events) = builder.connect().await.expect("the store opens");
    loop {
        match events.next().await.expect("the client lives") {
            Event::PairingQr(qr) => {
                phone.scan(&qr.text).await.expect("the phone accepts the code");
            }
            Event::Connected => return (client, events),
            Event::Closed { reason } => panic!("closed: {reason}"),
            _ => {}
        }
    }
}

async fn exchange_over(server: &TestServer, connector: Arc<dyn Connector>) {
    let folder = tempfile::tempdir().expect("a folder for the stores");
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (ana, rui) = (server.phone("ana"), server.phone("rui"));
    let (sender, _events) = link(server, Arc::clone(&connector), &ana, &file("ana.db")).await;
    let (_receiver, mut events) = link(server, connector, &rui, &file("rui.db")).await;
    let sent = sender.send(rui.pn(), Message::text("over the wire")).await.expect("the server takes it");
    let received = loop {
        if let Event::Message(message) = events.next().await.expect("the client lives") {
            break message;
        }
    };
    assert_eq!((&received.id, received.message.as_text()), (&sent.id, Some("over the wire")));
}

async fn listen(server: &TestServer, tls: bool) -> Endpoint {
    server.listen("127.0.0.1:0", tls).await.expect("a port is free")
}

#[tokio::test]
async fn messages_cross_a_plain_websocket() {
    let server = TestServer::start().await;
    let endpoint = listen(&server, false).await;
    let connector = WebSocketConnector::new(&endpoint.url).expect("the server's own URL");
    exchange_over(&server, Arc::new(connector)).await;
}

#[tokio::test]
async fn messages_cross_a_websocket_over_tls() {
    let server = TestServer::start().await;
    let endpoint = listen(&server, true).await;
    let certificate = endpoint.tls_certificate.as_deref().expect("TLS has a certificate");
    let connector =
        WebSocketConnector::with_root_certificate(&endpoint.url, certificate).expect("its own URL");
    exchange_over(&server, Arc::new(connector)).await;
}

#[tokio::test]
async fn an_unknown_certificate_is_a_network_error_and_not_trusted() {
    let server = TestServer::start().await;
    let endpoint = listen(&server, true).await;
    let connector = WebSocketConnector::new(&endpoint.url).expect("the server's own URL");
    let error = connector.connect(None).await.expect_err("Mozilla does not know the test server");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
