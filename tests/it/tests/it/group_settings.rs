//! How groups are set, and who may; what is refused.

use std::pin::Pin;

use wa_core::client::NewGroup;
use wa_core::error::GroupRefusal;
use wa_core::event::{GroupChange, GroupSetting};
use wa_core::stanza::iq::groups::GroupInvite;
use wa_core::store::{GroupFlag, GroupRole, WhoMay};
use wa_core::{Client, GroupError};
use wa_types::{Jid, UnixSeconds};

use crate::groups::{Three, changed};

#[tokio::test]
async fn every_setting_is_set_heard_and_known() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let groups = three.alice.client.groups();
    for setting in [
        GroupSetting::Announcement(true),
        GroupSetting::Announcement(false),
        GroupSetting::Locked(true),
        GroupSetting::expiration(86_400),
        GroupSetting::expiration(0),
        GroupSetting::JoinApproval(true),
        GroupSetting::Adding(WhoMay::Admins),
        GroupSetting::Link(WhoMay::Members),
        GroupSetting::ShareHistory(WhoMay::Members),
        GroupSetting::History(true),
        GroupSetting::NoFrequentForwards(true),
        GroupSetting::AdminReports(true),
    ] {
        groups.set(&crew, setting).await.unwrap();
        assert_eq!(changed(&mut three.bob).await.change, GroupChange::Setting(setting));
        // What we set ourselves is known without being told, and is what the server has.
        let (mine, theirs) =
            (groups.info(&crew).await.unwrap(), three.bob.client.groups().info(&crew).await.unwrap());
        let fresh = three.server_has(&crew).await;
        for known in [&*mine, &*theirs] {
            assert_eq!(
                (known.is_announcement, known.is_locked, known.expiration_s, known.flags),
                (fresh.is_announcement, fresh.is_locked, fresh.expiration_s, fresh.flags),
                "{setting:?}"
            );
        }
    }
    let known = three.bob.client.groups().info(&crew).await.unwrap();
    assert!(known.is_locked && !known.is_announcement);
    assert_eq!((known.adding, known.link), (Some(WhoMay::Admins), Some(WhoMay::Members)));
    assert_eq!(known.history, Some(WhoMay::Members));
    for flag in
        [GroupFlag::JoinApproval, GroupFlag::History, GroupFlag::NoFrequentForwards, GroupFlag::AdminReports]
    {
        assert!(known.has(flag), "{flag:?}");
    }
    let wrong = groups.set(&crew, GroupSetting::expiration(5)).await.unwrap_err();
    assert!(matches!(wrong, GroupError::Refused { reason: GroupRefusal::Malformed, .. }), "{wrong:?}");
    let denied = three.bob.client.groups().set(&crew, GroupSetting::Locked(false)).await.unwrap_err();
    assert!(matches!(denied, GroupError::Refused { reason: GroupRefusal::NotAdmin, .. }), "{denied:?}");
}

impl Three {
    /// The group as the server describes it now.
    async fn server_has(&self, group: &Jid) -> wa_core::store::Group {
        (*self.alice.client.groups().refresh(group).await.unwrap()).clone()
    }
}

#[tokio::test]
async fn sharing_is_limited_and_members_learn_it() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let groups = three.alice.client.groups();
    groups.limit_sharing(&crew, true).await.unwrap();
    assert!(groups.info(&crew).await.unwrap().has(GroupFlag::LimitedSharing));
    let heard = changed(&mut three.bob).await.change;
    assert_eq!(heard, GroupChange::Flag { flag: GroupFlag::LimitedSharing, is_on: true });
    assert!(three.bob.client.groups().info(&crew).await.unwrap().has(GroupFlag::LimitedSharing));
    groups.limit_sharing(&crew, false).await.unwrap();
    assert!(!groups.info(&crew).await.unwrap().has(GroupFlag::LimitedSharing));
    let denied = three.bob.client.groups().limit_sharing(&crew, true).await.unwrap_err();
    assert!(matches!(denied, GroupError::Refused { reason: GroupRefusal::NotAdmin, .. }), "{denied:?}");
}

#[tokio::test]
async fn a_group_is_made_as_it_shall_be() {
    let mut three = Three::linked().await;
    let bob = three.phones[1].pn().clone();
    let new = NewGroup::new("Crew")
        .members(&[bob])
        .description("since ever")
        .setting(GroupSetting::Locked(true))
        .setting(GroupSetting::expiration(604_800))
        .setting(GroupSetting::Adding(WhoMay::Admins))
        .setting(GroupSetting::JoinApproval(true));
    let made = three.alice.client.groups().create_with(new).await.unwrap().group;
    let GroupChange::Created(heard) = changed(&mut three.bob).await.change else { panic!("another change") };
    for group in [&*made, &*heard] {
        assert_eq!(
            group.description.as_ref().map(|description| description.text.as_str()),
            Some("since ever")
        );
        assert!(group.is_locked && group.has(GroupFlag::JoinApproval));
        assert_eq!((group.expiration_s, group.adding), (604_800, Some(WhoMay::Admins)));
        assert_eq!(group.subject_by.as_ref(), Some(three.phones[0].lid()));
        assert_eq!(group.creator_pn.as_ref(), Some(three.phones[0].pn()));
        assert!(group.members.iter().all(|member| member.joined > UnixSeconds(0)));
    }
}

#[tokio::test]
async fn many_groups_are_looked_up_and_left_at_once() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let other = three.alice.client.groups().create("Other", &[]).await.unwrap().group.jid.clone();
    changed(&mut three.alice).await;
    let groups = three.bob.client.groups();
    let found = groups.lookup(&[crew.clone(), other.clone()]).await.unwrap();
    assert!(
        matches!(&found[0], (jid, wa_core::client::GroupLookup::Found(group)) if *jid == crew && group.subject == "Crew")
    );
    assert_eq!(found[1], (other.clone(), wa_core::client::GroupLookup::Refused(GroupRefusal::NotPermitted)));
    let left = groups.leave_many(&[other.clone(), crew.clone()]).await.unwrap();
    assert_eq!(left, [(other, Err(GroupRefusal::NotPermitted)), (crew.clone(), Ok(()))]);
    assert_eq!(three.bob.store.groups(std::slice::from_ref(&crew)).await.unwrap(), [None]);
    let heard = changed(&mut three.alice).await.change;
    assert!(matches!(heard, GroupChange::Removed { .. }), "{heard:?}");
    let known = three.alice.client.groups().refresh(&crew).await.unwrap();
    assert_eq!(known.members.iter().map(|member| member.role).collect::<Vec<_>>(), [GroupRole::SuperAdmin]);
}

#[tokio::test]
async fn a_group_has_a_picture_and_none() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let groups = three.alice.client.groups();
    let jpeg = vec![0xff, 0xd8, 0xff, 0xe0, 1, 2, 3];
    assert!(groups.set_picture(&crew, jpeg).await.unwrap().is_some());
    groups.remove_picture(&crew).await.unwrap();
    groups.set(&crew, GroupSetting::Locked(true)).await.unwrap();
    let denied = three.bob.client.groups().remove_picture(&crew).await.unwrap_err();
    assert!(matches!(denied, GroupError::Refused { reason: GroupRefusal::NotAdmin, .. }), "{denied:?}");
    three.bob.client.groups().acknowledge(&crew).await.unwrap();
}

type Call = for<'c> fn(&'c Client, Jid) -> Pin<Box<dyn Future<Output = Result<(), GroupError>> + Send + 'c>>;

macro_rules! calls {
    ($($client:ident, $group:pat => $call:expr;)*) => {
        [$((stringify!($call), (|$client, $group| Box::pin(async move { $call.await.map(drop) })) as Call)),*]
    };
}

fn invitation(group: Jid) -> GroupInvite {
    GroupInvite { admin: Jid::pn("15550009999"), code: "x".to_owned(), expires: UnixSeconds(1), group }
}

#[tokio::test]
async fn every_call_says_that_the_server_refused_it() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let client = three.alice.client.clone();
    let calls = calls! {
        c, _ => c.groups().create("x", &[]);
        c, g => c.groups().refresh(&g);
        c, _ => c.groups().participating();
        c, g => c.groups().lookup(&[g]);
        c, g => c.groups().add(&g, &[Jid::pn("1")]);
        c, g => c.groups().remove(&g, &[Jid::pn("1")]);
        c, g => c.groups().promote(&g, &[Jid::pn("1")]);
        c, g => c.groups().demote(&g, &[Jid::pn("1")]);
        c, g => c.groups().leave(&g);
        c, g => c.groups().leave_many(&[g]);
        c, g => c.groups().set_subject(&g, "x");
        c, g => c.groups().set_description(&g, Some("x"));
        c, g => c.groups().set(&g, GroupSetting::Locked(true));
        c, g => c.groups().acknowledge(&g);
        c, g => c.groups().invite_link(&g);
        c, g => c.groups().reset_invite_link(&g);
        c, _ => c.groups().look_behind_link("x");
        c, _ => c.groups().join_by_link("x");
        c, g => c.groups().look_behind_invite(&invitation(g));
        c, g => c.groups().accept_invite(&invitation(g));
        c, g => c.groups().revoke_invites(&g, &[Jid::pn("1")]);
        c, g => c.groups().join_requests(&g);
        c, g => c.groups().approve(&g, &[Jid::pn("1")]);
        c, g => c.groups().reject(&g, &[Jid::pn("1")]);
        c, g => c.groups().withdraw_join_request(&g);
        c, g => c.communities().groups(&g);
        c, g => c.communities().announcement_group(&g);
        c, g => c.communities().members(&g);
        c, g => c.communities().group(&g, &g);
        c, g => c.communities().join_group(&g, &g);
        c, g => c.groups().pictures(std::slice::from_ref(&g), Default::default());
        c, g => c.communities().picture(&g, Default::default());
        c, g => c.communities().link(&g, std::slice::from_ref(&g));
        c, g => c.communities().unlink(&g, std::slice::from_ref(&g), false);
        c, g => c.communities().remove(&g, &[Jid::pn("1")]);
        c, g => c.communities().leave(&g);
        c, g => c.communities().deactivate(&g);
        c, _ => c.communities().create(wa_core::client::NewCommunity::new("x"));
    };
    for (name, call) in calls {
        three.server.faults_of(&three.alice.jid).refuse_request("w:g2", 429);
        let refused = call(&client, crew.clone()).await.unwrap_err();
        assert!(
            matches!(refused, GroupError::Refused { reason: GroupRefusal::TooMany, code: 429, .. }),
            "{name}: {refused:?}"
        );
    }
    let pictures = calls! {
        c, g => c.groups().set_picture(&g, vec![1]);
        c, g => c.groups().remove_picture(&g);
    };
    let by_graphql = calls! {
        c, g => c.groups().limit_sharing(&g, true);
        c, g => c.communities().transfer(&g, &Jid::pn("1"));
        c, g => c.communities().suggestions(&g);
    };
    for (namespace, calls) in [("w:profile:picture", &pictures[..]), ("w:mex", &by_graphql[..])] {
        for (name, call) in calls {
            three.server.faults_of(&three.alice.jid).refuse_request(namespace, 401);
            let refused = call(&client, crew.clone()).await.unwrap_err();
            assert!(
                matches!(refused, GroupError::Refused { reason: GroupRefusal::NotAdmin, code: 401, .. }),
                "{name}: {refused:?}"
            );
        }
    }
    assert_eq!(client.groups().refresh(&crew).await.unwrap().members.len(), 2, "nothing was done");
}
