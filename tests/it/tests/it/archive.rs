//! The archive: what comes, what is sent and what was before are in it, once.

use std::sync::Arc;

use wa_core::Message;
use wa_core::client::InitialHistory;
use wa_it::{Companion, builder};
use wa_proto::common::MessageKey;
use wa_proto::e2e;
use wa_proto::history_sync::{Conversation, HistorySyncMsg};
use wa_proto::web::WebMessageInfo;
use wa_store::archive::{Archive, ArchiveLimits, MemoryArchive, Page};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Past, TestServer};

fn old(chat: &str, number: u64) -> HistorySyncMsg {
    let info = WebMessageInfo {
        key: MessageKey {
            remote_jid: Some(chat.to_owned()),
            from_me: Some(false),
            id: Some(format!("OLD{number}")),
            participant: None,
        },
        message: Some(Box::new(e2e::Message {
            conversation: Some(format!("old words {number}")),
            ..Default::default()
        })),
        message_timestamp: Some(1_600_000_000 + number),
        ..Default::default()
    };
    HistorySyncMsg { message: Some(info), msg_order_id: Some(number) }
}

#[tokio::test]
async fn messages_of_before_and_of_now_are_kept_once_and_found() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let lid = bob.lid().to_string();
    phone.set_past(Past::new(vec![Conversation {
        messages: (0..20).rev().map(|number| old(&lid, number)).collect(),
        id: lid,
        name: Some("Bob B.".to_owned()),
        ..Default::default()
    }]));
    let archive: Arc<dyn Archive> = Arc::new(MemoryArchive::new(ArchiveLimits::default()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).archive(Arc::clone(&archive));
    let mut alice = Companion::link_built(built, &phone, store).await;
    assert_eq!(alice.client.history().initial().await.unwrap(), InitialHistory::Complete);
    let chat = alice.client.peer(bob.lid()).await.unwrap().chat;
    // The phone sent some of them twice: with the list of chats, and with the recent messages.
    assert_eq!(archive.messages(&chat, Page::Newest, 99).await.unwrap().len(), 20);
    assert_eq!(archive.chats(None, 9).await.unwrap()[0].name.as_deref(), Some("Bob B."));

    let came = bob.send_text(phone.pn(), "live words").await.unwrap();
    assert_eq!(alice.message().await.id, came.id);
    let sent = alice.send_text(&chat, "sent words").await;
    let found = archive.search("words", Some(&chat), 2).await.unwrap();
    let mut ids: Vec<_> = found.iter().map(|message| message.key.id.clone()).collect();
    let mut expected = vec![came.id.clone(), sent.id];
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let kept = found.iter().find(|message| message.key.id == came.id).unwrap();
    assert_eq!(Message::from_encoded(kept.encoded.clone()).unwrap().as_text(), Some("live words"));
    let contact = archive.contacts(std::slice::from_ref(&kept.key.sender)).await.unwrap();
    assert_eq!(contact[0].as_ref().unwrap().push_name.as_deref(), Some("bob"));

    // It is deleted for everyone.
    let key = MessageKey {
        remote_jid: Some(phone.lid().to_string()),
        from_me: Some(true),
        id: Some(came.id.to_string()),
        participant: None,
    };
    let revoke = e2e::ProtocolMessage { key: Some(Box::new(key)), r#type: Some(0), ..Default::default() };
    bob.send(phone.pn(), e2e::Message { protocol_message: Some(Box::new(revoke)), ..Default::default() })
        .await
        .unwrap();
    alice.message().await;
    let kept = archive.message(&kept.key).await.unwrap().unwrap();
    assert!(kept.is_revoked && kept.encoded.is_empty(), "{kept:?}");
}
