//! Waiting to be let into a group, and letting in.

use wa_core::GroupError;
use wa_core::error::{GroupRefusal, MemberRefusal};
use wa_core::event::{GroupChange, GroupSetting};
use wa_core::stanza::iq::groups::Joined;

use crate::groups::{Three, changed};

#[tokio::test]
async fn who_comes_by_link_waits_until_an_admin_decides() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let carol = three.phones[2].pn().clone();
    let groups = three.alice.client.groups();
    groups.set(&crew, GroupSetting::JoinApproval(true)).await.unwrap();
    let link = groups.invite_link(&crew).await.unwrap();
    assert!(groups.join_requests(&crew).await.unwrap().is_empty());
    let denied = three.bob.client.groups().join_requests(&crew).await.unwrap_err();
    assert!(matches!(denied, GroupError::Refused { reason: GroupRefusal::NotAdmin, .. }), "{denied:?}");

    // Withdrawn, rejected, let in.
    for round in 0..3 {
        let waiting = three.carol.client.groups().join_by_link(&link).await.unwrap();
        assert_eq!(waiting, Joined::Waiting(crew.clone()));
        let GroupChange::JoinRequested { users, method, .. } = changed(&mut three.alice).await.change else {
            panic!("another change")
        };
        assert!(users[0].is_user(&carol) && users[0].is_user(three.phones[2].lid()));
        assert_eq!(method.as_deref(), Some("invite_link"));
        let groups = three.alice.client.groups();
        let requests = groups.join_requests(&crew).await.unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(
            (&requests[0].user, requests[0].phone_number.as_ref()),
            (three.phones[2].lid(), Some(&carol))
        );
        assert_eq!(requests[0].method.as_deref(), Some("invite_link"));
        match round {
            0 => three.carol.client.groups().withdraw_join_request(&crew).await.unwrap(),
            1 => {
                let rejected = groups.reject(&crew, std::slice::from_ref(&carol)).await.unwrap();
                assert_eq!(rejected[0].result, Ok(()));
            }
            _ => {
                let bob = three.phones[1].pn().clone();
                let approved = groups.approve(&crew, &[carol.clone(), bob]).await.unwrap();
                let results: Vec<_> = approved.iter().map(|outcome| outcome.result.clone()).collect();
                assert_eq!(results, [Ok(()), Err(MemberRefusal::NotFound)], "Bob does not wait");
                break;
            }
        }
        let heard = changed(&mut three.alice).await.change;
        assert!(
            matches!(&heard, GroupChange::JoinRequestsGone { users } if users[0].is_user(&carol)),
            "{heard:?}"
        );
        assert!(three.alice.client.groups().join_requests(&crew).await.unwrap().is_empty());
    }
    assert!(
        matches!(changed(&mut three.carol).await.change, GroupChange::Created(group) if group.jid == crew)
    );
    let known = three.alice.client.groups().info(&crew).await.unwrap();
    assert!(known.member(&carol).is_some());
    let nothing = three.carol.client.groups().withdraw_join_request(&crew).await.unwrap_err();
    assert!(matches!(nothing, GroupError::Refused { reason: GroupRefusal::NotFound, .. }), "{nothing:?}");
}
