//! What becomes of the server's answers about groups.

use std::collections::HashSet;
use std::sync::Arc;

use wa_store::{Group, StoreError};
use wa_types::Jid;

use super::Reply;
use crate::connection::RequestError;
use crate::driver::directory::Evidence;
use crate::driver::{Actor, Step, clock};
use crate::e2e::addressing::AddressPair;
use crate::stanza::iq::groups::MemberAnswer;
use crate::stanza::notification::groups::{GroupChange, VersionedChange};

/// An answer, and who waits for it.
pub(in crate::driver) enum GroupAnswer {
    Info {
        group: Jid,
        result: Result<Group, RequestError>,
    },
    All {
        result: Result<Vec<Group>, RequestError>,
        reply: Reply<Vec<Arc<Group>>>,
    },
    Created {
        result: Result<(Group, Vec<MemberAnswer>), RequestError>,
        reply: Reply<(Arc<Group>, Vec<MemberAnswer>)>,
    },
    Members {
        group: Jid,
        result: Result<Vec<MemberAnswer>, RequestError>,
        reply: Reply<Vec<MemberAnswer>>,
    },
    Left {
        result: Result<Vec<(Jid, Option<u16>)>, RequestError>,
        reply: Reply<Vec<(Jid, Option<u16>)>>,
    },
    /// Name, description, or another setting.
    Set {
        group: Jid,
        change: GroupChange,
        result: Result<(), RequestError>,
        reply: Reply<()>,
    },
}

impl Actor {
    pub(in crate::driver) async fn handle_group_answer(
        &mut self,
        answer: GroupAnswer,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        match answer {
            GroupAnswer::Info { group, result } => self.handle_info(group, result, step).await?,
            GroupAnswer::All { result, reply } => {
                self.groups.all_asked = self.groups.all_asked.saturating_sub(1);
                let result = match result {
                    Ok(groups) => Ok(self.take_all(groups, step).await?),
                    Err(error) => Err(error.into()),
                };
                if self.groups.all_asked == 0 {
                    self.groups.changed.clear();
                }
                let _ = reply.send(result);
            }
            GroupAnswer::Created { result, reply } => {
                let result = match result {
                    Ok((group, answers)) => {
                        self.groups.outdate_answers(&group.jid);
                        Ok((self.take_group(group, step).await?, answers))
                    }
                    Err(error) => Err(error.into()),
                };
                let _ = reply.send(result);
            }
            GroupAnswer::Members { group, result, reply } => {
                if let Ok(answers) = &result {
                    let pairs = answers.iter().filter_map(|answer| {
                        answer.pn.as_ref().and_then(|pn| AddressPair::new(&answer.jid, pn))
                    });
                    self.learn_all(pairs.collect(), step).await?;
                }
                // Unless nothing was done: the answer may have crossed a notification, and has no version.
                if !matches!(result, Err(RequestError::Refused(_) | RequestError::NotConnected)) {
                    self.forget_group(&group, step);
                }
                let _ = reply.send(result.map_err(Into::into));
            }
            GroupAnswer::Left { result, reply } => {
                for (group, code) in result.iter().flatten() {
                    if code.is_none() {
                        self.end_membership(group, step);
                    }
                }
                let _ = reply.send(result.map_err(Into::into));
            }
            GroupAnswer::Set { group, change, result, reply } => {
                if result.is_ok()
                    && let Some(own) = self.own()
                {
                    let store = Arc::clone(&self.store);
                    if let Some(known) = self.groups.load(&*store, &group).await? {
                        let mut known = (*known).clone();
                        VersionedChange::new(change).apply(&mut known, None, &own);
                        self.groups.put(known, &mut step.changes);
                    }
                }
                let _ = reply.send(result.map_err(Into::into));
            }
        }
        Ok(())
    }

    async fn handle_info(
        &mut self,
        group: Jid,
        result: Result<Group, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let Some(asked) = self.groups.asked.remove(&group) else { return Ok(()) };
        if asked.is_outdated && result.is_ok() {
            self.fetch_group(&group, None);
            if let Some(again) = self.groups.asked.get_mut(&group) {
                again.waiting = asked.waiting;
            }
            return Ok(());
        }
        // An answer about another group than the one that was asked about is none.
        let result = match result {
            Ok(info) if info.jid == group => Ok(self.take_group(info, step).await?),
            Ok(_) => Err(RequestError::Malformed(crate::stanza::StanzaError::Invalid {
                tag: "group".into(),
                part: "id",
            })),
            Err(error) => Err(error),
        };
        self.wake_group(&group, result.as_ref().err(), step);
        // A lost connection is no answer: it is asked again on the next one.
        if !matches!(result, Err(RequestError::ConnectionLost | RequestError::NotConnected)) {
            self.answer_in_group(&group, result.is_ok(), step).await?;
        }
        for waiting in asked.waiting {
            let _ = waiting.send(result.clone().map_err(Into::into));
        }
        Ok(())
    }

    /// Takes in a group that the server described in full.
    pub(in crate::driver) async fn take_group(
        &mut self,
        mut group: Group,
        step: &mut Step,
    ) -> Result<Arc<Group>, StoreError> {
        group.fetched = clock::unix_millis();
        self.learn_all(pairs_of(&group), step).await?;
        self.drop_route(&group.jid);
        Ok(self.groups.put(group, &mut step.changes))
    }

    /// Takes in all groups that we are in: what is known of others is of the past.
    async fn take_all(&mut self, groups: Vec<Group>, step: &mut Step) -> Result<Vec<Arc<Group>>, StoreError> {
        let now = clock::unix_millis();
        let pairs = groups.iter().flat_map(pairs_of).collect();
        self.learn_all(pairs, step).await?;
        let is_listed: HashSet<&Jid> = groups.iter().map(|group| &group.jid).collect();
        for known in self.store.known_groups().await? {
            if !is_listed.contains(&known) && !self.groups.changed.contains(&known) {
                self.end_membership(&known, step);
            }
        }
        let mut all = Vec::with_capacity(groups.len());
        for group in groups {
            self.drop_route(&group.jid);
            let group = Group { fetched: now, ..group };
            if self.groups.changed.contains(&group.jid) {
                self.groups.forget(&group.jid, &mut step.changes);
                all.push(Arc::new(group));
            } else {
                all.push(self.groups.put(group, &mut step.changes));
            }
        }
        Ok(all)
    }

    pub(in crate::driver) async fn learn_all(
        &mut self,
        pairs: Vec<AddressPair>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.learn(pairs, Evidence::Seen, step).await
    }

    /// What is known of a group may be wrong: it is asked about before it is used again.
    pub(in crate::driver) fn forget_group(&mut self, group: &Jid, step: &mut Step) {
        self.drop_route(group);
        self.groups.forget(group, &mut step.changes);
    }

    /// We are in this group no more: nothing of it is kept, least of all our key.
    pub(in crate::driver) fn end_membership(&mut self, group: &Jid, step: &mut Step) {
        self.forget_group(group, step);
        self.rotate_group_key(group, step);
    }
}

/// Which two addresses the members of a group have.
fn pairs_of(group: &Group) -> Vec<AddressPair> {
    let both = group.members.iter().filter_map(|member| member.pn.as_ref().zip(member.lid.as_ref()));
    both.filter_map(|(pn, lid)| AddressPair::new(pn, lid)).collect()
}
