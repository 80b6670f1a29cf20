//! The e-mail address behind an account, and the terms that its user accepts.

use wa_core::CallError;
use wa_core::connection::RequestError;
use wa_it::Companion;
use wa_test_server::TestServer;

fn code(error: &CallError) -> Option<u16> {
    match error {
        CallError::Request(RequestError::Refused(refusal)) => Some(refusal.code),
        _ => None,
    }
}

#[tokio::test]
async fn an_address_counts_once_its_code_was_given() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let account = alice.client.account();
    assert_eq!(account.email().await.unwrap(), None);
    assert_eq!(code(&account.set_email("nowhere").await.unwrap_err()), Some(403));
    account.set_email("ana@example.com").await.unwrap();
    let email = account.email().await.unwrap().unwrap();
    assert_eq!((email.address.as_str(), email.is_verified), ("ana@example.com", false));
    account.send_email_code("en", "US").await.unwrap();
    assert_eq!(code(&account.verify_email("000000").await.unwrap_err()), Some(536));
    account.verify_email(&phone.email_code().unwrap()).await.unwrap();
    assert!(account.email().await.unwrap().unwrap().is_verified);
    account.confirm_email().await.unwrap();
}

#[tokio::test]
async fn terms_are_accepted() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let account = alice.client.account();
    let asked = ["20601217", "20601218"];
    account.accept_notice(asked[1], 5).await.unwrap();
    let found = account.notices(&asked).await.unwrap();
    assert_eq!(found, [(asked[0].to_owned(), false), (asked[1].to_owned(), true)]);
}
