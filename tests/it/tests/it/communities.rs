//! Communities: made, filled with groups, left and ended.

use wa_core::Event;
use wa_core::GroupError;
use wa_core::client::{NewCommunity, NewGroup, PictureSize, PictureState};
use wa_core::error::GroupRefusal;
use wa_core::event::{GroupChange, GroupChanged, GroupSetting, LinkKind};
use wa_core::store::{GroupFlag, GroupRole};
use wa_it::Companion;
use wa_types::Jid;

use crate::groups::{Three, changed};

fn reason(error: &GroupError) -> GroupRefusal {
    match error {
        GroupError::Refused { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

/// The next change of this kind; others are dropped.
async fn heard(companion: &mut Companion, wanted: impl Fn(&GroupChanged) -> bool) -> GroupChanged {
    let is_wanted = |event: &Event| matches!(event, Event::GroupChanged(changed) if wanted(changed));
    match companion.wait(is_wanted).await {
        Event::GroupChanged(changed) => *changed,
        other => unreachable!("{other:?} is no change"),
    }
}

impl Three {
    /// A community of Alice's.
    async fn village(&mut self) -> (Jid, Jid) {
        let made = self.alice.client.communities().create(NewCommunity::new("Village")).await.unwrap();
        changed(&mut self.alice).await;
        changed(&mut self.alice).await;
        let village = made.group.jid.clone();
        let news = self.alice.client.communities().announcement_group(&village).await.unwrap();
        (village, news)
    }
}

#[tokio::test]
async fn a_community_has_an_announcement_group_and_those_it_is_made_with() {
    let mut three = Three::linked().await;
    let new = NewCommunity::new("Village").description("all of us").closed().with_general_chat();
    let made = three.alice.client.communities().create(new).await.unwrap().group;
    assert!(made.is_community && made.has(GroupFlag::ClosedCommunity));
    assert_eq!(made.description.as_ref().map(|description| description.text.as_str()), Some("all of us"));
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let GroupChange::Created(group) = changed(&mut three.alice).await.change else {
            panic!("another change")
        };
        kinds.push((group.is_community, group.is_default_subgroup, group.has(GroupFlag::GeneralChat)));
        assert_eq!(group.parent.as_ref(), (!group.is_community).then_some(&made.jid));
        assert_eq!(group.is_announcement, group.is_default_subgroup);
    }
    assert_eq!(kinds, [(true, false, false), (false, true, false), (false, false, true)]);
    let groups = three.alice.client.communities().groups(&made.jid).await.unwrap();
    assert_eq!(groups.len(), 2);
    assert!(groups.iter().any(|group| group.is_default) && groups.iter().any(|group| group.is_general_chat));
    let denied = three.bob.client.communities().groups(&made.jid).await.unwrap_err();
    assert_eq!(reason(&denied), GroupRefusal::NotPermitted);
    // Who comes by link waits: it is closed.
    let link = three.alice.client.groups().invite_link(&made.jid).await.unwrap();
    let joined = three.bob.client.groups().join_by_link(&link).await.unwrap();
    assert_eq!(joined, wa_core::stanza::iq::groups::Joined::Waiting(made.jid.clone()));
}

#[tokio::test]
async fn members_of_linked_groups_are_members_of_the_community() {
    let mut three = Three::linked().await;
    let crew = three.crew().await;
    let (village, news) = three.village().await;
    let communities = three.alice.client.communities();
    let outcomes = communities.link(&village, &[crew.clone(), village.clone()]).await.unwrap();
    assert_eq!(outcomes, [(crew.clone(), Ok(())), (village.clone(), Err(GroupRefusal::NotAcceptable))]);

    // Seen from the community, and from the group.
    let above = heard(&mut three.alice, |changed| changed.group == village).await.change;
    assert!(
        matches!(&above, GroupChange::Linked { kind: LinkKind::Subgroup, groups } if groups[0].jid == crew)
    );
    let below = heard(&mut three.bob, |changed| changed.group == crew).await.change;
    assert!(
        matches!(&below, GroupChange::Linked { kind: LinkKind::Community, groups } if groups[0].jid == village)
    );
    assert_eq!(three.bob.client.groups().info(&crew).await.unwrap().parent, Some(village.clone()));
    // Bob is in the community, and in its announcement group.
    for place in [&village, &news] {
        let created = heard(&mut three.bob, |changed| changed.group == *place).await.change;
        assert!(matches!(created, GroupChange::Created(_)));
        let known = three.bob.client.groups().info(place).await.unwrap();
        assert_eq!(known.member(three.phones[1].pn()).map(|bob| bob.role), Some(GroupRole::Member));
    }
    assert_eq!(three.bob.client.communities().members(&village).await.unwrap().len(), 2);

    // A group that Carol does not know she joins by way of the community.
    let carol = [three.phones[2].pn().clone()];
    three.alice.client.groups().add(&village, &carol).await.unwrap();
    heard(&mut three.carol, |changed| changed.group == news).await;
    let communities = three.carol.client.communities();
    assert_eq!(communities.group(&village, &crew).await.unwrap().subject, "Crew");
    assert_eq!(communities.join_group(&village, &crew).await.unwrap().members.len(), 3);
    let again = communities.join_group(&village, &crew).await.unwrap_err();
    assert_eq!(reason(&again), GroupRefusal::AlreadyMember);
    assert_eq!(communities.groups(&village).await.unwrap().len(), 2);

    // Who is removed with all groups is in none of them.
    three.alice.client.communities().remove(&village, &carol).await.unwrap();
    for group in [&village, &news, &crew] {
        let known = three.alice.client.groups().refresh(group).await.unwrap();
        assert!(known.member(&carol[0]).is_none(), "{group}");
    }
}

#[tokio::test]
async fn a_group_is_made_inside_and_taken_out_again() {
    let mut three = Three::linked().await;
    let (village, news) = three.village().await;
    let bob = three.phones[1].pn().clone();
    let new = NewGroup::new("Runners").members(std::slice::from_ref(&bob)).within(&village);
    let runners = three.alice.client.groups().create_with(new).await.unwrap().group;
    assert_eq!(runners.parent, Some(village.clone()));
    heard(&mut three.bob, |changed| changed.group == news).await;
    // Members make groups only where they may.
    let denied = three.bob.client.groups().create_with(NewGroup::new("Cyclists").within(&village)).await;
    assert_eq!(reason(&denied.unwrap_err()), GroupRefusal::NotAdmin);
    three.alice.client.groups().set(&village, GroupSetting::MembersCreateGroups(true)).await.unwrap();
    let cyclists = three.bob.client.groups().create_with(NewGroup::new("Cyclists").within(&village)).await;
    let cyclists = cyclists.unwrap().group.jid.clone();

    let outcomes = three
        .alice
        .client
        .communities()
        .unlink(&village, &[runners.jid.clone(), cyclists.clone(), news.clone()], true)
        .await
        .unwrap();
    let results: Vec<_> = outcomes.into_iter().map(|(_, result)| result).collect();
    assert_eq!(results, [Ok(()), Ok(()), Err(GroupRefusal::NotPermitted)], "the announcement group stays");
    let out = heard(&mut three.bob, |changed| {
        changed.group == runners.jid && matches!(changed.change, GroupChange::Unlinked { .. })
    })
    .await
    .change;
    let GroupChange::Unlinked { kind, reason: why, .. } = out else { panic!("another change") };
    assert_eq!((kind, why.as_deref()), (LinkKind::Community, Some("unlink_group")));
    assert_eq!(three.bob.client.groups().info(&runners.jid).await.unwrap().parent, None);
    // Bob was in no other group: he is out of the community.
    heard(&mut three.bob, |changed| {
        changed.group == village && matches!(changed.change, GroupChange::Removed { .. })
    })
    .await;
    assert!(three.alice.client.groups().refresh(&village).await.unwrap().member(&bob).is_none());
}

#[tokio::test]
async fn a_community_is_left_handed_over_and_ended() {
    let mut three = Three::linked().await;
    let (village, news) = three.village().await;
    let both = [three.phones[1].pn().clone(), three.phones[2].pn().clone()];
    three.alice.client.groups().add(&village, &both).await.unwrap();
    let runners = NewGroup::new("Runners").members(&both).within(&village);
    let runners = three.alice.client.groups().create_with(runners).await.unwrap().group.jid.clone();
    heard(&mut three.carol, |changed| changed.group == runners).await;

    three.carol.client.communities().leave(&village).await.unwrap();
    assert!(three.carol.client.groups().participating().await.unwrap().is_empty(), "all is left");
    let again = three.carol.client.communities().leave(&village).await.unwrap_err();
    assert_eq!(reason(&again), GroupRefusal::NotPermitted);

    let denied = three.bob.client.communities().deactivate(&village).await.unwrap_err();
    assert_eq!(reason(&denied), GroupRefusal::NotAdmin);
    three.alice.client.communities().transfer(&village, &both[0]).await.unwrap();
    let known = three.alice.client.groups().refresh(&village).await.unwrap();
    assert_eq!(known.member(&both[0]).map(|bob| bob.role), Some(GroupRole::SuperAdmin));
    assert!(three.bob.client.communities().suggestions(&village).await.unwrap().is_empty());
    let denied = three.alice.client.communities().transfer(&village, &both[0]).await.unwrap_err();
    assert_eq!(reason(&denied), GroupRefusal::NotAdmin, "it is Bob's now");

    three.bob.client.communities().deactivate(&village).await.unwrap();
    heard(&mut three.alice, |changed| {
        changed.group == news && matches!(changed.change, GroupChange::Deleted { .. })
    })
    .await;
    let left = three.alice.client.groups().participating().await.unwrap();
    assert_eq!(left.iter().map(|group| (&group.jid, &group.parent)).collect::<Vec<_>>(), [(&runners, &None)]);
    let gone = three.bob.client.communities().groups(&village).await.unwrap_err();
    assert_eq!(reason(&gone), GroupRefusal::NotFound);
}

#[tokio::test]
async fn a_community_has_a_picture() {
    let mut three = Three::linked().await;
    let (village, _) = three.village().await;
    let client = &three.alice.client;
    let communities = client.communities();
    assert_eq!(communities.picture(&village, PictureSize::Full).await.unwrap(), PictureState::NotSet);
    let id = client.groups().set_picture(&village, vec![0xff, 0xd8, 0xff]).await.unwrap();
    let PictureState::Set(found) = communities.picture(&village, PictureSize::Full).await.unwrap() else {
        panic!("it is set")
    };
    assert_eq!(Some(found.id), id);
}
