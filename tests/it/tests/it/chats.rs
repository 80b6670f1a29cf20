//! What all devices of an account know of its chats: set by one, seen by another, and by the phone.

use wa_core::CallError;
use wa_core::app_state::Collection;
use wa_core::app_state::action::{Action, ChatAction, MessageAction, MessageRange, RangeMessage};
use wa_core::client::{ChatSettings, MessageRef, Mute};
use wa_it::Companion;
use wa_test_server::TestServer;
use wa_types::{Jid, MessageId, Server, UnixSeconds};

fn group() -> Jid {
    Jid::new("120363000000000001", Server::Group)
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_archived_pinned_locked_and_marked_and_each_undoes_what_it_should() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let alice = Companion::link(&server, &phone).await;
    let chats = alice.client.chats();
    let chat = Jid::pn("15550001111");
    assert_eq!(chats.settings(&chat).await.unwrap(), ChatSettings::default());
    let message =
        RangeMessage::new(chat.clone(), MessageId::new("3A01"), false, None, UnixSeconds(1_700_000_000));
    let range = MessageRange::up_to(vec![message]);
    chats.pin(&chat).await.unwrap();
    chats.archive(&chat, range.clone()).await.unwrap();
    let settings = chats.settings(&chat).await.unwrap();
    assert!(settings.is_archived && !settings.is_pinned);
    chats.pin(&chat).await.unwrap();
    let settings = chats.settings(&chat).await.unwrap();
    assert!(!settings.is_archived && settings.is_pinned);
    chats.lock(&chat).await.unwrap();
    let settings = chats.settings(&chat).await.unwrap();
    assert!(settings.is_locked && !settings.is_pinned);
    chats.unlock(&chat).await.unwrap();
    chats.mark_unread(&chat, range.clone()).await.unwrap();
    assert!(chats.settings(&chat).await.unwrap().is_marked_unread);
    chats.mark_read(&chat, range.clone()).await.unwrap();
    chats.mute(&chat, Mute::Forever).await.unwrap();
    chats.unmute(&chat).await.unwrap();
    assert_eq!(chats.settings(&chat).await.unwrap(), ChatSettings::default());
    chats.clear(&chat, range.clone(), false, true).await.unwrap();
    chats.delete(&chat, range.clone(), true).await.unwrap();
    // The phone reads them as they were meant.
    phone.wait_app_state(Collection::RegularHigh, 1).await;
    phone.wait_app_state(Collection::RegularLow, 1).await;
    let clear = ChatAction::Clear {
        chat: chat.clone(),
        delete_starred: false,
        delete_media: true,
        range: range.clone(),
    };
    let delete = ChatAction::Delete { chat, delete_media: true, range };
    for expected in [clear, delete] {
        phone.wait_app_state_action(&Action::Chat(expected)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stars_and_deletions_name_the_author_in_groups_only() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let alice = Companion::link(&server, &phone).await;
    let chats = alice.client.chats();
    let (author, id) = (Jid::pn("15550002222").with_device(3), MessageId::new("3EB0AA"));
    let in_group = MessageRef::in_group(&group(), &author, &id);
    let own = MessageRef::own(&group(), &id);
    chats.star(&in_group).await.unwrap();
    chats.star(&own).await.unwrap();
    chats.unstar(&own).await.unwrap();
    assert_eq!(chats.starred().await.unwrap(), std::slice::from_ref(&in_group));
    let mut nameless = in_group.clone();
    nameless.participant = None;
    assert!(matches!(chats.star(&nameless).await, Err(CallError::AuthorMissing)));
    chats.delete_for_me(&in_group, UnixSeconds(1_700_000_000), true).await.unwrap();
    let star = MessageAction::Star {
        chat: group(),
        id,
        from_me: false,
        participant: Some(author.to_user()),
        starred: true,
    };
    phone.wait_app_state_action(&Action::Message(star)).await;
}
