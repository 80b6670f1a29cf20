//! Who is on WhatsApp, and what people tell of themselves.

use wa_core::client::{
    FoundUser, PictureError, PictureQuery, PictureSize, PictureState, TextStatus, UserRefusal,
};
use wa_core::event::{AccountChange, ProfileChange};
use wa_core::types::PhoneNumber;
use wa_core::wire::Node;
use wa_core::{Event, Jid, MediaError};
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3];

fn number(jid: &Jid) -> PhoneNumber {
    PhoneNumber::new(jid.user()).unwrap()
}

#[tokio::test]
async fn numbers_are_looked_up_and_their_addresses_kept() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    bob.make_business("Corner Shop");
    let alice = Companion::link(&server, &alice_phone).await;
    let stranger = PhoneNumber::new("19995550000").unwrap();
    let asked = [number(bob.pn()), stranger.clone()];
    let found = alice.client.users().lookup(&asked).await.unwrap();
    assert_eq!(found.iter().map(|one| &one.number).collect::<Vec<_>>(), [&asked[0], &asked[1]]);
    let user: &FoundUser = found[0].result.as_ref().unwrap().as_ref().unwrap();
    assert_eq!((user.pn.as_ref(), user.lid.as_ref()), (Some(bob.pn()), Some(bob.lid())));
    assert_eq!(user.business.as_ref().map(|name| name.name.as_str()), Some("Corner Shop"));
    assert_eq!(found[1].result, Ok(None));
    let kept = alice.store.lids_of(std::slice::from_ref(bob.pn())).await.unwrap();
    assert_eq!(kept[0].as_ref().map(|pair| &pair.lid), Some(bob.lid()));
}

#[tokio::test]
async fn many_numbers_are_asked_for_in_batches() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let numbers: Vec<PhoneNumber> =
        (0..600).map(|at| PhoneNumber::new((19_995_550_000_u64 + at).to_string()).unwrap()).collect();
    let found = alice.client.users().lookup(&numbers).await.unwrap();
    assert!(found.iter().all(|one| one.result == Ok(None)));
    let questions =
        |node: &Node| node.tag == "iq" && node.get("xmlns").is_some_and(|xmlns| xmlns.to_text() == "usync");
    let sent = server.nodes_of(&alice.jid);
    let sizes: Vec<usize> = sent
        .iter()
        .filter(|(direction, node)| *direction == Direction::FromClient && questions(node))
        .filter_map(|(_, node)| node.find("usync")?.find("list"))
        .map(|list| list.nodes().len())
        .filter(|size| *size > 80)
        .collect();
    assert_eq!(sizes, [256, 256, 88]);

    server.faults_of(&alice.jid).refuse_request("usync", 429);
    let error = alice.client.users().lookup(&numbers).await.unwrap_err();
    assert!(error.to_string().contains("429"), "nothing was answered: {error}");
}

#[tokio::test]
async fn a_user_is_found_by_name_and_by_key_where_one_is_set() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let bob_phone = server.phone("bob");
    let bob = Companion::link(&server, &bob_phone).await;
    let (users, profile) = (alice.client.users(), bob.client.profile());
    assert_eq!(profile.check_username("bobby").await.unwrap().result, "AVAILABLE");
    assert_eq!(profile.set_username("bobby").await.unwrap(), "SUCCESS");
    assert_eq!(profile.username().await.unwrap().name.as_deref(), Some("bobby"));
    let found = users.by_username("@bobby", None).await.unwrap().unwrap().unwrap();
    assert_eq!(found.lid.as_ref(), Some(bob_phone.lid()));
    assert_eq!(profile.set_username_key(Some("1234")).await.unwrap(), "SUCCESS");
    assert_eq!(users.by_username("bobby", None).await.unwrap(), Ok(None));
    assert!(users.by_username("bobby", Some("1234")).await.unwrap().unwrap().is_some());
    assert_eq!(users.by_username("nobody", None).await.unwrap(), Ok(None));
    assert_eq!(alice.client.profile().set_username("bobby").await.unwrap(), "TAKEN");
}

#[tokio::test]
async fn what_a_user_hides_is_refused_part_by_part() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    bob.set_about("busy").unwrap();
    bob.set_picture(Some(JPEG)).unwrap();
    let stranger = Jid::lid("42");
    let asked = [bob.lid().clone(), stranger];
    let info = alice.client.users().info(&asked).await.unwrap();
    let shown = info[0].result.clone().unwrap();
    assert_eq!(shown.about.unwrap().unwrap().text, "busy");
    assert!(shown.picture_id.unwrap().is_some());
    assert_eq!(shown.devices.unwrap().unwrap().len(), 1);
    assert_eq!(shown.pn.as_ref(), Some(bob.pn()));
    let unknown = info[1].result.clone();
    assert!(
        matches!(&unknown, Ok(info) if info.devices == Ok(None)) || unknown == Err(UserRefusal::NoAnswer)
    );
    bob.set_privacy("status", "none").unwrap();
    bob.set_privacy("profile", "none").unwrap();
    let info = alice.client.users().info(&asked[..1]).await.unwrap().remove(0).result.unwrap();
    assert_eq!(info.about.unwrap_err().code, 401);
    assert_eq!(info.picture_id.unwrap_err().code, 401);
    assert!(info.devices.is_ok());
    assert!(alice.client.users().about(bob.lid()).await.is_err());
}

#[tokio::test]
async fn a_picture_is_found_known_hidden_or_not_there() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;
    alice.send_text(bob.pn(), "hello").await;
    let users = alice.client.users();
    assert_eq!(users.picture(bob.pn(), PictureQuery::default()).await.unwrap(), PictureState::NotSet);
    bob.set_picture(Some(JPEG)).unwrap();
    let PictureState::Set(picture) = users.picture(bob.pn(), PictureQuery::default()).await.unwrap() else {
        panic!("it is set")
    };
    assert!(picture.url.starts_with("https://") && picture.direct_path.is_some());
    let mut known = PictureQuery::default();
    known.known = Some(picture.id.clone());
    assert_eq!(users.picture(bob.pn(), known).await.unwrap(), PictureState::Unchanged);
    bob.set_privacy("profile", "none").unwrap();
    let hidden = users.picture(bob.pn(), PictureQuery::default()).await.unwrap_err();
    assert!(matches!(hidden, PictureError::Hidden), "{hidden:?}");

    match alice.wait(|event| matches!(event, Event::Profile(_))).await {
        Event::Profile(changed) => {
            assert_eq!(changed.of.as_ref(), Some(bob.pn()));
            assert!(matches!(&changed.change, ProfileChange::Picture { id, .. } if *id == Some(picture.id)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pictures_are_downloaded_in_either_size_of_users_and_groups() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    bob.set_picture(Some(JPEG)).unwrap();
    let made = alice.client.groups().create("Crew", &[bob.pn().clone()]).await.unwrap();
    alice.client.groups().set_picture(&made.group.jid, JPEG.to_vec()).await.unwrap();
    for of in [bob.lid(), &made.group.jid] {
        for (size, kind) in [(PictureSize::Preview, "preview"), (PictureSize::Full, "image")] {
            let mark = server.mark();
            let mut query = PictureQuery::default();
            query.size = size;
            let PictureState::Set(picture) = alice.client.users().picture(of, query).await.unwrap() else {
                panic!("it is set")
            };
            let asked =
                |node: &Node| node.find("picture").is_some_and(|picture| picture.get("query").is_some());
            let asked = server.wait_for_after(mark, &alice.jid, Direction::FromClient, asked).await;
            assert_eq!(asked.find("picture").unwrap().get("type").unwrap().to_text(), kind);
            assert_eq!(alice.client.media().download_picture(&picture, 1 << 20).await.unwrap(), JPEG);
            let small = alice.client.media().download_picture(&picture, 3).await.unwrap_err();
            assert!(matches!(small, MediaError::TooLarge { .. }), "{small:?}");
        }
    }
    let other = alice.client.groups().create("Other", &[]).await.unwrap().group.jid.clone();
    let stranger: Jid = "120363000000000009@g.us".parse().unwrap();
    let asked = [made.group.jid.clone(), other.clone(), stranger.clone()];
    let found = alice.client.groups().pictures(&asked, PictureSize::Preview).await.unwrap();
    let [(crew, Ok(PictureState::Set(picture))), second, third] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(crew, &made.group.jid);
    assert_eq!(alice.client.media().download_picture(picture, 1 << 20).await.unwrap(), JPEG);
    assert_eq!(second, &(other, Ok(PictureState::NotSet)));
    assert_eq!(third, &(stranger, Ok(PictureState::NotSet)), "there is no such group");
    alice.client.groups().remove_picture(&made.group.jid).await.unwrap();
    let none = alice.client.users().picture(&made.group.jid, PictureQuery::default()).await.unwrap();
    assert_eq!(none, PictureState::NotSet);
}

#[tokio::test]
async fn a_status_and_a_user_name_are_set_told_and_asked_for() {
    let server = TestServer::start().await;
    let bob_phone = server.phone("bob");
    let mut alice = Companion::link(&server, &server.phone("alice")).await;
    let bob = Companion::link(&server, &bob_phone).await;
    alice.send_text(bob_phone.pn(), "hello").await;
    let mut status = TextStatus::default();
    (status.text, status.emoji, status.lasts_s) = (Some("away".to_owned()), Some("🏖".to_owned()), Some(3600));
    bob.client.profile().set_text_status(&status).await.unwrap();
    let told = |event: &Event| {
        matches!(event, Event::Profile(changed) if matches!(&changed.change,
            ProfileChange::Status { text, emoji, ephemeral_s }
                if text.as_deref() == Some("away") && emoji.as_deref() == Some("🏖") && *ephemeral_s == Some(3600)))
    };
    alice.wait(told).await;
    let info = alice.client.users().info(std::slice::from_ref(bob_phone.lid())).await.unwrap().remove(0);
    let found = info.result.unwrap().text_status.unwrap().unwrap();
    assert_eq!((&found.text, &found.emoji, found.lasts_s), (&status.text, &status.emoji, status.lasts_s));
    assert!(found.set.is_some());
    bob.client.profile().set_username("bobby").await.unwrap();
    let named = |event: &Event| {
        matches!(event, Event::Profile(changed) if changed.of.as_ref() == Some(bob_phone.lid())
            && matches!(&changed.change, ProfileChange::Username { name } if name.as_deref() == Some("bobby")))
    };
    alice.wait(named).await;
}

#[tokio::test]
async fn bots_are_listed() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let bots = alice.client.users().bots().await.unwrap();
    assert!(bots.len() == 1 && bots[0].jid.is_bot(), "{bots:?}");
    assert_eq!((bots[0].section.as_deref(), bots[0].persona.is_some()), (Some("all"), true));
}

#[tokio::test]
async fn changes_of_contacts_are_told() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;
    alice.send_text(bob.pn(), "hello").await;
    bob.set_about("busy").unwrap();
    let about = |event: &Event| matches!(event, Event::Profile(changed) if matches!(&changed.change, ProfileChange::About { text } if text.as_deref() == Some("busy")));
    alice.wait(about).await;
    bob.make_business("Corner Shop");
    let verified = |event: &Event| matches!(event, Event::Profile(changed) if matches!(changed.change, ProfileChange::Business { is_verified_name: true, .. }));
    alice.wait(verified).await;
    alice_phone.set_about("mine").unwrap();
    alice
        .wait(|event| matches!(event, Event::Account(change) if matches!(**change, AccountChange::About)))
        .await;
}
