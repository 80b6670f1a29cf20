//! Businesses: what they tell and sell.

use wa_core::client::{BusinessEdit, BusinessHours, DayHours, OpenHours, ProductDraft, Weekday};
use wa_it::Companion;
use wa_test_server::TestServer;

#[tokio::test]
async fn a_profile_is_edited_and_read() {
    let server = TestServer::start().await;
    let (alice_phone, shop_phone) = (server.phone("alice"), server.phone("shop"));
    let alice = Companion::link(&server, &alice_phone).await;
    let shop = Companion::link(&server, &shop_phone).await;
    let business = alice.client.business();
    assert!(business.profile(shop_phone.pn()).await.unwrap().is_none());
    assert!(business.verified_name(shop_phone.pn()).await.unwrap().is_none());
    let mut edit = BusinessEdit::default();
    edit.address = Some("Main Street 1".to_owned());
    assert!(shop.client.business().edit_profile(edit.clone()).await.is_err(), "not a business yet");
    shop_phone.make_business("Corner Shop");
    let monday = DayHours { day: Weekday::Monday, open: OpenHours::Between(540, 1080) };
    edit.hours = Some(BusinessHours::new(Some("Europe/Berlin".to_owned()), vec![monday]));
    edit.websites = Some(vec!["https://shop.example".to_owned()]);
    shop.client.business().edit_profile(edit.clone()).await.unwrap();
    shop.client.business().set_cover_photo("7", "1700000000", "token").await.unwrap();
    shop.client.business().remove_cover_photo("7").await.unwrap();
    let read = business.profile(shop_phone.pn()).await.unwrap().unwrap();
    assert_eq!((read.address, read.hours, read.websites), (edit.address, edit.hours, edit.websites.unwrap()));
    let name = business.verified_name(shop_phone.pn()).await.unwrap().unwrap();
    assert_eq!((name.name.as_str(), name.level.as_deref()), ("Corner Shop", Some("low")));
}

#[tokio::test]
async fn a_catalogue_is_changed_and_read_page_by_page() {
    let server = TestServer::start().await;
    let shop_phone = server.phone("shop");
    shop_phone.make_business("Corner Shop");
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let shop = Companion::link(&server, &shop_phone).await;
    let (own, theirs) = (shop.client.business(), alice.client.business());
    let mut ids = Vec::new();
    for name in ["Bread", "Milk", "Tea"] {
        let mut draft = ProductDraft::new(name);
        draft.price = Some(2500);
        ids.push(own.add_product(draft).await.unwrap().unwrap().id);
    }
    let first = theirs.products(shop_phone.pn(), 2, None).await.unwrap();
    assert_eq!(first.products.len(), 2);
    let rest = theirs.products(shop_phone.pn(), 2, first.next.as_deref()).await.unwrap();
    assert_eq!((rest.products.len(), rest.next), (1, None));
    let edited = own.edit_product(&ids[0], ProductDraft::new("Cake")).await.unwrap().unwrap();
    assert_eq!((edited.name.as_str(), &edited.id), ("Cake", &ids[0]));
    own.delete_products(&[&ids[1]]).await.unwrap();
    let collections = theirs.collections(shop_phone.pn(), 10, 10).await.unwrap();
    let names: Vec<&str> = collections[0].products.iter().map(|product| product.name.as_str()).collect();
    assert_eq!((names.len(), names.contains(&"Cake")), (2, true));
    let order = theirs.order("1", "shop").await.unwrap();
    assert_eq!(order.products.len(), 1);
    assert!(theirs.order("1", "nobody").await.is_err());
    assert!(own.edit_product("none", ProductDraft::new("X")).await.is_err());
}

#[tokio::test]
async fn a_contact_link_leads_to_us_until_it_is_revoked() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let bob = Companion::link(&server, &server.phone("bob")).await;
    let code = alice.client.business().contact_code().await.unwrap();
    assert_eq!(alice.client.business().contact_code().await.unwrap(), code);
    let found = bob.client.business().resolve_link(&format!("https://wa.me/qr/{code}")).await.unwrap();
    assert_eq!((&found.user, found.is_contact), (phone.pn(), true));
    assert_ne!(alice.client.business().revoke_contact_code().await.unwrap(), code);
    assert!(bob.client.business().resolve_link(&code).await.is_err());
}
