//! Labels and quick replies: made, given, taken, deleted.

use wa_core::app_state::action::{Action, LabelAction};
use wa_core::client::{Label, QuickReply};
use wa_it::Companion;
use wa_test_server::TestServer;
use wa_types::{Jid, MessageId};

#[tokio::test(start_paused = true)]
async fn labels_are_made_given_taken_and_deleted() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let alice = Companion::link(&server, &phone).await;
    let labels = alice.client.labels();
    let (label, chat, id) = (Label::new("7", "New").color(3), Jid::pn("15550001111"), MessageId::new("3A77"));
    labels.put(&label).await.unwrap();
    labels.label_chat("7", &chat, true).await.unwrap();
    labels.label_message("7", &chat, &id, true).await.unwrap();
    assert_eq!(labels.all().await.unwrap(), std::slice::from_ref(&label));
    assert_eq!(labels.chats("7").await.unwrap(), std::slice::from_ref(&chat));
    assert_eq!(labels.messages("7").await.unwrap(), [(chat.clone(), id)]);
    let given = LabelAction::Chat { id: "7".to_owned(), chat: chat.clone(), labeled: true, model_data: None };
    phone.wait_app_state_action(&Action::Label(given)).await;
    labels.label_chat("7", &chat, false).await.unwrap();
    assert!(labels.chats("7").await.unwrap().is_empty());
    labels.delete(&label).await.unwrap();
    assert!(labels.all().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn quick_replies_are_made_changed_and_deleted() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let alice = Companion::link(&server, &phone).await;
    let labels = alice.client.labels();
    labels.put_quick_reply(&QuickReply::new("1700000000", "hi", "Hello!")).await.unwrap();
    let reply = QuickReply::new("1700000000", "hi", "Hello, and welcome!");
    labels.put_quick_reply(&reply).await.unwrap();
    assert_eq!(labels.quick_replies().await.unwrap(), std::slice::from_ref(&reply));
    labels.delete_quick_reply(&reply).await.unwrap();
    assert!(labels.quick_replies().await.unwrap().is_empty());
}
