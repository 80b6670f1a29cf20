//! The address book: added, changed, found by either address, read in pages, removed.

use wa_core::app_state::action::{Action, ContactAction};
use wa_core::client::Contact;
use wa_it::Companion;
use wa_test_server::TestServer;
use wa_types::Jid;

#[tokio::test(start_paused = true)]
async fn contacts_are_added_changed_found_paged_and_removed() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    phone.start_app_state();
    let alice = Companion::link(&server, &phone).await;
    let contacts = alice.client.contacts();
    for number in 0..5 {
        let jid = Jid::pn(format!("1555000000{number}"));
        contacts.put(&Contact::new(&jid, format!("Contact {number}")).on_phone()).await.unwrap();
    }
    let by_lid = Contact::new(&Jid::lid("98765000001"), "No number");
    contacts.put(&by_lid).await.unwrap();
    let changed = Contact::new(&Jid::pn("15550000002"), "Another name").first_name("Another");
    contacts.put(&changed).await.unwrap();
    assert_eq!(contacts.find(&changed.jid).await.unwrap(), Some(changed.clone()));
    assert_eq!(contacts.find(&by_lid.jid).await.unwrap(), Some(by_lid.clone()));
    assert_eq!(contacts.find(&Jid::pn("15559999999")).await.unwrap(), None);
    let all = contacts.all().await.unwrap();
    assert_eq!(all.len(), 6);
    let mut paged: Vec<Contact> = Vec::new();
    loop {
        let page = contacts.page(paged.last().map(|contact| &contact.jid), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    contacts.remove(&changed.jid).await.unwrap();
    assert_eq!(contacts.find(&changed.jid).await.unwrap(), None);
    assert_eq!(contacts.all().await.unwrap().len(), 5);
    let expected = ContactAction::LidContact {
        lid: by_lid.jid.clone(),
        full_name: Some("No number".to_owned()),
        first_name: None,
        username: None,
    };
    phone.wait_app_state_action(&Action::Contact(expected)).await;
}
