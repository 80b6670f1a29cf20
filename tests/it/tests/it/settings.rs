//! Settings that all devices of an account share.

use wa_core::Event;
use wa_core::app_state::action::{Action, SettingAction};
use wa_core::event::AppStateEvent;
use wa_it::Companion;
use wa_store::NctSalt;
use wa_test_server::{Phone, TestServer};
use wa_types::Jid;

async fn scene() -> (TestServer, Phone, Companion) {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let alice = Companion::link(&server, &phone).await;
    (server, phone, alice)
}

async fn changed(alice: &mut Companion) {
    let is_change = |event: &Event| matches!(event, Event::AppState(event) if matches!(**event, AppStateEvent::Changed(_)));
    alice.wait(is_change).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_sets_is_read() {
    let (_server, phone, mut alice) = scene().await;
    let settings = alice.client.settings();
    assert_eq!((settings.push_name().await.unwrap(), settings.locale().await.unwrap()), (None, None));
    let set = [
        SettingAction::PushName { name: "Alice".to_owned() },
        SettingAction::Locale { locale: "pt_BR".to_owned() },
        SettingAction::Unarchive { returns: true },
        SettingAction::NoLinkPreviews { disabled: true },
        SettingAction::RelayCalls { enabled: true },
        SettingAction::Favorites { chats: vec![Jid::pn("15550001111")] },
    ];
    phone.set_app_state(&set.map(Action::Setting));
    for _ in 0..6 {
        changed(&mut alice).await;
    }
    let settings = alice.client.settings();
    assert_eq!(settings.push_name().await.unwrap().as_deref(), Some("Alice"));
    assert_eq!(settings.locale().await.unwrap().as_deref(), Some("pt_BR"));
    assert!(settings.unarchives().await.unwrap());
    assert!(settings.disables_link_previews().await.unwrap());
    assert!(settings.relays_calls().await.unwrap());
    assert_eq!(alice.client.chats().favorites().await.unwrap(), [Jid::pn("15550001111")]);
}

#[tokio::test(start_paused = true)]
async fn what_a_companion_sets_the_phone_reads() {
    let (_server, phone, alice) = scene().await;
    let (settings, chats) = (alice.client.settings(), alice.client.chats());
    settings.set_push_name("Alice A.").await.unwrap();
    settings.set_unarchives(true).await.unwrap();
    settings.set_disables_link_previews(true).await.unwrap();
    settings.set_relays_calls(true).await.unwrap();
    chats.set_favorites(&[Jid::pn("15550002222"), Jid::pn("15550001111")]).await.unwrap();
    chats.mute_status(&Jid::pn("15550003333"), true).await.unwrap();
    assert!(chats.is_status_muted(&Jid::pn("15550003333")).await.unwrap());
    let expected = [
        SettingAction::PushName { name: "Alice A.".to_owned() },
        SettingAction::Unarchive { returns: true },
        SettingAction::NoLinkPreviews { disabled: true },
        SettingAction::RelayCalls { enabled: true },
        SettingAction::Favorites { chats: vec![Jid::pn("15550002222"), Jid::pn("15550001111")] },
    ];
    for action in expected.map(Action::Setting) {
        phone.wait_app_state_action(&action).await;
    }
    let account = alice.store.account().await.unwrap().unwrap();
    assert_eq!(account.push_name.as_deref(), Some("Alice A."));
}

#[tokio::test(start_paused = true)]
async fn the_salt_of_tokens_is_kept_until_it_is_taken_away() {
    let (_server, phone, mut alice) = scene().await;
    let salt = Action::Setting(SettingAction::TokenSalt { salt: Some(vec![7; 32]) });
    phone.set_app_state(std::slice::from_ref(&salt));
    changed(&mut alice).await;
    let kept = alice.store.account().await.unwrap().unwrap().nct_salt;
    assert_eq!(kept, Some(NctSalt::new(vec![7; 32])));
    phone.remove_app_state(&[salt]);
    changed(&mut alice).await;
    assert_eq!(alice.store.account().await.unwrap().unwrap().nct_salt, None);
}
