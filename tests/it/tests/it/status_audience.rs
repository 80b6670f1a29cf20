//! Who sees status posts.

use wa_core::CallError;
use wa_core::client::AudienceKind;
use wa_core::connection::RequestError;

use crate::groups::Three;

#[tokio::test]
async fn who_sees_status_posts_is_asked() {
    let three = Three::linked().await;
    let audience = three.alice.client.status_audience().await.unwrap();
    assert_eq!((audience.kind, audience.users), (AudienceKind::Contacts, Vec::new()));
    let faults = three.server.faults_of(&three.alice.jid);
    faults.refuse_request("status", 404);
    let audience = three.alice.client.status_audience().await.unwrap();
    assert_eq!(audience.kind, AudienceKind::Contacts, "never chosen");
    faults.refuse_request("status", 503);
    let refused = three.alice.client.status_audience().await.unwrap_err();
    assert!(
        matches!(&refused, CallError::Request(RequestError::Refused(refusal)) if refusal.code == 503),
        "{refused:?}"
    );
}
