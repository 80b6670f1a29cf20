//! What happened in a group, as the server tells it.

use std::sync::Arc;

use wa_store::{GroupMember, StoreError};

use crate::driver::{Actor, Step, clock};
use crate::e2e::addressing::AddressPair;
use crate::e2e::group::membership::Standing;
use crate::event::{Event, GroupChanged};
use crate::stanza::notification::groups::{GroupChange, GroupNotification};

impl Actor {
    pub(in crate::driver) async fn handle_group_notification(
        &mut self,
        notification: GroupNotification,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let GroupNotification { group, actor, actor_alt, timestamp, addressing, changes } = notification;
        let Some(own) = self.own() else { return Ok(()) };
        let pair =
            actor.as_ref().zip(actor_alt.as_ref()).and_then(|(one, other)| AddressPair::new(one, other));
        let members = changes.iter().flat_map(|versioned| members_of(&versioned.change));
        let pairs = members.filter_map(|member| AddressPair::new(member.pn.as_ref()?, member.lid.as_ref()?));
        self.learn_all(pairs.chain(pair).collect(), step).await?;
        for versioned in changes {
            if versioned.is_about_members() {
                self.groups.outdate_answers(&group);
            }
            let store = Arc::clone(&self.store);
            let known = match &versioned.change {
                GroupChange::Created(new) if new.jid == group => Some(Arc::new((**new).clone())),
                _ => self.groups.load(&*store, &group).await?,
            };
            let standing = match known {
                Some(known) => {
                    let mut known = (*known).clone();
                    let is_moved = addressing.is_some_and(|addressing| addressing != known.addressing);
                    match versioned.apply(&mut known, actor.as_ref(), &own) {
                        Standing::Known if known.jid == group && !is_moved => {
                            known.fetched = clock::unix_millis();
                            self.drop_route(&group);
                            self.groups.put(known, &mut step.changes);
                            Standing::Known
                        }
                        Standing::Known => Standing::Stale,
                        standing => standing,
                    }
                }
                None if versioned.ends_membership(&own) => Standing::Ended,
                None => Standing::Known,
            };
            match standing {
                Standing::Known => {}
                Standing::Stale => self.forget_group(&group, step),
                Standing::Ended => self.end_membership(&group, step),
            }
            step.events.push(Event::GroupChanged(Box::new(GroupChanged {
                group: group.clone(),
                actor: actor.clone(),
                timestamp,
                change: versioned.change,
            })));
        }
        Ok(())
    }
}

fn members_of(change: &GroupChange) -> &[GroupMember] {
    match change {
        GroupChange::Created(group) => &group.members,
        GroupChange::Added { members, .. }
        | GroupChange::Removed { members, .. }
        | GroupChange::Promoted { members }
        | GroupChange::Demoted { members } => members,
        GroupChange::InvitesRevoked { users }
        | GroupChange::JoinRequested { users, .. }
        | GroupChange::JoinRequestsGone { users } => users,
        GroupChange::NumberChanged { member } => std::slice::from_ref(member),
        _ => &[],
    }
}
