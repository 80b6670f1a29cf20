//! Direct messages between companions and phones.

use wa_core::stanza::receipt::ReceiptKind;
use wa_it::Companion;
use wa_test_server::TestServer;

#[tokio::test]
async fn two_companions_exchange_messages_and_all_devices_see_them() {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .try_init();
    let server = TestServer::start().await;
    let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;
    let mut bob = Companion::link(&server, &bob_phone).await;

    let sent = alice.send_text(bob_phone.pn(), "hello bob").await;
    let received = bob.message().await;
    assert_eq!((&received.id, received.message.as_text()), (&sent.id, Some("hello bob")));
    assert_eq!(bob_phone.next_message().await.text(), Some("hello bob"));
    assert_eq!(alice_phone.next_message().await.text(), Some("hello bob"));
    alice.receipt(&sent.id, ReceiptKind::Delivered).await;

    bob.client.mark_read(&[&received]).await.unwrap();
    alice.receipt(&sent.id, ReceiptKind::Read).await;

    let reply = bob.send_text(&received.chat, "hello alice").await;
    let received = alice.message().await;
    assert_eq!((received.id, received.message.as_text()), (reply.id, Some("hello alice")));
}
