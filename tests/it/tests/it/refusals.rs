//! The server refuses: every call about people says so, with the server's code.

use std::future::Future;
use std::pin::Pin;

use wa_core::client::{
    BusinessEdit, DefaultTimer, PictureError, PictureQuery, PictureSize, ProductDraft, RawCallError,
    SpamFlow, TextStatus,
};
use wa_core::connection::RequestError;
use wa_core::event::{PrivacyCategory, PrivacyValue};
use wa_core::types::PhoneNumber;
use wa_core::wire::Node;
use wa_core::{CallError, Client, Jid};
use wa_it::Companion;
use wa_test_server::TestServer;

type Answer<'c> = Pin<Box<dyn Future<Output = Result<(), CallError>> + Send + 'c>>;
type Ask = for<'c> fn(&'c Client, &'c Jid) -> Answer<'c>;

/// A call, without what it returns.
macro_rules! ask {
    (|$client:ident, $user:ident| $call:expr) => {
        |$client, $user| Box::pin(async move { $call.await.map(drop).map_err(CallError::from) })
    };
}

const EMAIL: &str = "urn:xmpp:whatsapp:account";

/// Each call, and the namespace of what it asks.
const CALLS: &[(&str, &str, Ask)] = &[
    ("lookup", "usync", ask!(|client, _user| client.users().lookup(&[number()]))),
    ("by_username", "usync", ask!(|client, _user| client.users().by_username("ana", None))),
    ("info", "usync", ask!(|client, user| client.users().info(std::slice::from_ref(user)))),
    ("about", "usync", ask!(|client, user| client.users().about(user))),
    ("bots", "bot", ask!(|client, _user| client.users().bots())),
    (
        "set_text_status",
        "w:mex",
        ask!(|client, _user| client.profile().set_text_status(&TextStatus::default())),
    ),
    ("set_about", "w:mex", ask!(|client, _user| client.profile().set_about("x"))),
    ("own picture", "w:profile:picture", ask!(|client, _user| client.profile().picture(PictureSize::Full))),
    (
        "set_picture",
        "w:profile:picture",
        ask!(|client, _user| client.profile().set_picture(vec![0xFF, 0xD8])),
    ),
    ("remove_picture", "w:profile:picture", ask!(|client, _user| client.profile().remove_picture())),
    ("username", "w:mex", ask!(|client, _user| client.profile().username())),
    ("check_username", "w:mex", ask!(|client, _user| client.profile().check_username("ana"))),
    ("set_username", "w:mex", ask!(|client, _user| client.profile().set_username("ana"))),
    ("set_username_key", "w:mex", ask!(|client, _user| client.profile().set_username_key(None))),
    ("settings", "privacy", ask!(|client, _user| client.privacy().settings())),
    (
        "set",
        "privacy",
        ask!(|client, _user| client.privacy().set(PrivacyCategory::Calls, PrivacyValue::Known)),
    ),
    (
        "list",
        "privacy",
        ask!(|client, _user| client.privacy().list(PrivacyCategory::About, PrivacyValue::ContactsExcept)),
    ),
    (
        "change_list",
        "privacy",
        ask!(|client, user| client.privacy().change_list(
            PrivacyCategory::About,
            PrivacyValue::ContactsExcept,
            std::slice::from_ref(user),
            &[],
        )),
    ),
    (
        "set_default_timer",
        "disappearing_mode",
        ask!(|client, _user| client.privacy().set_default_timer(DefaultTimer::Day)),
    ),
    ("blocklist", "blocklist", ask!(|client, _user| client.blocklist().refresh())),
    ("list of the blocked", "blocklist", ask!(|client, _user| client.blocklist().list())),
    ("is_blocked", "blocklist", ask!(|client, user| client.blocklist().is_blocked(user))),
    ("block", "blocklist", ask!(|client, user| client.blocklist().block(user))),
    ("unblock", "blocklist", ask!(|client, user| client.blocklist().unblock(user))),
    ("report", "spam", ask!(|client, user| client.blocklist().report(SpamFlow::Contact, user, Vec::new()))),
    ("profile", "w:biz", ask!(|client, user| client.business().profile(user))),
    ("verified_name", "w:biz", ask!(|client, user| client.business().verified_name(user))),
    ("edit_profile", "w:biz", ask!(|client, _user| client.business().edit_profile(BusinessEdit::default()))),
    ("set_cover_photo", "w:biz", ask!(|client, _user| client.business().set_cover_photo("1", "2", "3"))),
    ("remove_cover_photo", "w:biz", ask!(|client, _user| client.business().remove_cover_photo("1"))),
    ("products", "w:biz:catalog", ask!(|client, user| client.business().products(user, 1, None))),
    ("collections", "w:biz:catalog", ask!(|client, user| client.business().collections(user, 1, 1))),
    (
        "add_product",
        "w:biz:catalog",
        ask!(|client, _user| client.business().add_product(ProductDraft::new("x"))),
    ),
    (
        "edit_product",
        "w:biz:catalog",
        ask!(|client, _user| client.business().edit_product("1", ProductDraft::new("x"))),
    ),
    ("delete_products", "w:biz:catalog", ask!(|client, _user| client.business().delete_products(&["1"]))),
    ("order", "fb:thrift_iq", ask!(|client, _user| client.business().order("1", "x"))),
    ("resolve_link", "w:qr", ask!(|client, _user| client.business().resolve_link("x"))),
    ("contact_code", "w:qr", ask!(|client, _user| client.business().contact_code())),
    ("revoke_contact_code", "w:qr", ask!(|client, _user| client.business().revoke_contact_code())),
    ("reachout_timelock", "w:mex", ask!(|client, _user| client.account().reachout_timelock())),
    ("notices", "tos", ask!(|client, _user| client.account().notices(&["1"]))),
    ("accept_notice", "tos", ask!(|client, _user| client.account().accept_notice("1", 5))),
    ("email", EMAIL, ask!(|client, _user| client.account().email())),
    ("set_email", EMAIL, ask!(|client, _user| client.account().set_email("a@example.com"))),
    ("send_email_code", EMAIL, ask!(|client, _user| client.account().send_email_code("en", "US"))),
    ("verify_email", EMAIL, ask!(|client, _user| client.account().verify_email("1"))),
    ("confirm_email", EMAIL, ask!(|client, _user| client.account().confirm_email())),
    ("new_chat_quota", "w:mex", ask!(|client, _user| client.account().new_chat_quota())),
    (
        "raw iq",
        "abt",
        ask!(|client, _user| client
            .raw()
            .iq(Node::new("iq").attr("type", "get").attr("xmlns", "abt").child(Node::new("props")))),
    ),
];

fn number() -> PhoneNumber {
    PhoneNumber::new("15550001111").unwrap()
}

fn code(error: &CallError) -> Option<u16> {
    match error {
        CallError::Request(RequestError::Refused(refusal)) => Some(refusal.code),
        _ => None,
    }
}

#[tokio::test]
async fn every_call_about_people_tells_the_code_with_which_it_was_refused() {
    let server = TestServer::start().await;
    let bob = server.phone("bob");
    let alice = Companion::link(&server, &server.phone("alice")).await;
    for (name, namespace, ask) in CALLS {
        server.faults_of(&alice.jid).refuse_request(namespace, 429);
        let answer = ask(&alice.client, bob.lid()).await;
        let error = answer.expect_err(name);
        assert_eq!(code(&error), Some(429), "{name}: {error:?}");
    }
    // Those with errors of their own.
    server.faults_of(&alice.jid).refuse_request("w:profile:picture", 429);
    let error = alice.client.users().picture(bob.lid(), PictureQuery::default()).await.unwrap_err();
    assert!(matches!(&error, PictureError::Call(error) if code(error) == Some(429)), "{error:?}");
    server.faults_of(&alice.jid).refuse_request("w:mex", 429);
    let error = alice.client.raw().graphql("1", "{}").await.unwrap_err();
    assert!(matches!(&error, RawCallError::Call(error) if code(error) == Some(429)), "{error:?}");
}

#[tokio::test]
async fn without_a_connection_every_call_about_people_fails_at_once() {
    let server = TestServer::start().await;
    let bob = server.phone("bob");
    let alice = Companion::link(&server, &server.phone("alice")).await;
    alice.client.disconnect().await;
    for (name, _, ask) in CALLS {
        let error = ask(&alice.client, bob.lid()).await.expect_err(name);
        assert!(matches!(error, CallError::Request(RequestError::NotConnected)), "{name}: {error:?}");
    }
}
