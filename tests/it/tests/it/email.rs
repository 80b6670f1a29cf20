//! The e-mail address behind an account.

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
