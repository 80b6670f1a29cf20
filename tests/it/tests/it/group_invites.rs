//! Coming into a group by its link, or by an invitation.

use wa_core::GroupError;
use wa_core::error::{GroupRefusal, MemberRefusal};
use wa_core::event::{GroupChange, GroupSetting};
use wa_core::stanza::iq::groups::{GroupInvite, Joined};
use wa_core::store::WhoMay;
use wa_core::wire::Node;
use wa_types::Jid;

use crate::groups::{Three, changed};

fn reason(error: &GroupError) -> GroupRefusal {
    match error {
        GroupError::Refused { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_link_leads_into_a_group_until_it_is_reset() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let (alice, bob, carol) =
        (three.alice.client.groups(), three.bob.client.groups(), three.carol.client.groups());
    assert_eq!(reason(&bob.invite_link(&crew).await.unwrap_err()), GroupRefusal::NotAdmin);
    assert_eq!(reason(&carol.invite_link(&crew).await.unwrap_err()), GroupRefusal::NotPermitted);
    let old = alice.invite_link(&crew).await.unwrap();
    assert_eq!(alice.invite_link(&crew).await.unwrap(), old, "it stays");
    alice.set(&crew, GroupSetting::Link(WhoMay::Members)).await.unwrap();
    assert_eq!(bob.invite_link(&crew).await.unwrap(), old);
    changed(&mut three.bob).await;

    let link = alice.reset_invite_link(&crew).await.unwrap();
    assert_ne!(link, old);
    let heard = changed(&mut three.bob).await.change;
    assert!(matches!(&heard, GroupChange::LinkReset { code } if link.ends_with(code.as_str())), "{heard:?}");
    for error in
        [carol.look_behind_link(&old).await.unwrap_err(), carol.join_by_link(&old).await.unwrap_err()]
    {
        assert_eq!(reason(&error), GroupRefusal::LinkReset);
    }
    assert_eq!(reason(&carol.join_by_link("nowhere").await.unwrap_err()), GroupRefusal::NotAcceptable);

    let seen = carol.look_behind_link(&link).await.unwrap();
    assert_eq!((seen.jid, seen.subject.as_str(), seen.size), (crew.clone(), "Crew", 2));
    assert_eq!(carol.join_by_link(&link).await.unwrap(), Joined::Member(crew.clone()));
    assert!(
        matches!(changed(&mut three.carol).await.change, GroupChange::Created(group) if group.jid == crew)
    );
    let GroupChange::Added { members, reason: how } = changed(&mut three.bob).await.change else {
        panic!("another change")
    };
    assert!(members[0].is_user(three.phones[2].pn()));
    assert_eq!(how.as_deref(), Some("invite"));
    let again = three.carol.client.groups().join_by_link(&link).await.unwrap_err();
    assert_eq!(reason(&again), GroupRefusal::AlreadyMember);

    // Who was removed does not come back by link.
    let removed = [three.phones[2].pn().clone()];
    three.alice.client.groups().remove(&crew, &removed).await.unwrap();
    let denied = three.carol.client.groups().join_by_link(&link).await.unwrap_err();
    assert_eq!(reason(&denied), GroupRefusal::NotPermitted);
}

/// Lets nobody add Carol; returns what Alice, who tries, can send her instead.
async fn invited(three: &Three, crew: &Jid) -> GroupInvite {
    let category = Node::new("category").attr("name", "groupadd").attr("value", "none");
    let privacy = Node::new("iq")
        .attr("xmlns", "privacy")
        .attr("type", "set")
        .child(Node::new("privacy").child(category));
    three.carol.client.raw().iq(privacy).await.unwrap();
    let carol = three.phones[2].pn().clone();
    let outcomes = three.alice.client.groups().add(crew, &[carol]).await.unwrap();
    let Err(MemberRefusal::Privacy { invitation: Some(invitation) }) = &outcomes[0].result else {
        panic!("{outcomes:?}")
    };
    GroupInvite {
        group: crew.clone(),
        admin: three.phones[0].pn().clone(),
        code: invitation.code.clone(),
        expires: invitation.expires,
    }
}

#[tokio::test]
async fn an_invitation_leads_into_a_group_until_it_is_revoked() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let carol = three.phones[2].pn().clone();
    let invite = invited(&three, &crew).await;
    let groups = three.carol.client.groups();
    assert_eq!(groups.look_behind_invite(&invite).await.unwrap().subject, "Crew");
    let wrong = GroupInvite { code: "x".to_owned(), ..invite.clone() };
    assert_eq!(reason(&groups.accept_invite(&wrong).await.unwrap_err()), GroupRefusal::NotAcceptable);
    // It is for one account.
    assert_eq!(
        reason(&three.bob.client.groups().look_behind_invite(&invite).await.unwrap_err()),
        GroupRefusal::NotFound
    );
    let revoked =
        three.alice.client.groups().revoke_invites(&crew, std::slice::from_ref(&carol)).await.unwrap();
    assert_eq!(revoked[0].result, Ok(()));
    let heard = changed(&mut three.alice).await.change;
    assert!(matches!(&heard, GroupChange::InvitesRevoked { users } if users[0].is_user(&carol)), "{heard:?}");
    assert_eq!(reason(&groups.accept_invite(&invite).await.unwrap_err()), GroupRefusal::NotFound);
    let nothing =
        three.alice.client.groups().revoke_invites(&crew, std::slice::from_ref(&carol)).await.unwrap();
    assert_eq!(nothing[0].result, Err(MemberRefusal::NotFound));

    let invite = invited(&three, &crew).await;
    let groups = three.carol.client.groups();
    assert_eq!(groups.accept_invite(&invite).await.unwrap(), Joined::Member(crew.clone()));
    assert!(
        matches!(changed(&mut three.carol).await.change, GroupChange::Created(group) if group.jid == crew)
    );
    let again = three.carol.client.groups().accept_invite(&invite).await.unwrap_err();
    assert_eq!(reason(&again), GroupRefusal::AlreadyMember);
    assert!(matches!(changed(&mut three.bob).await.change, GroupChange::Added { .. }));
}
