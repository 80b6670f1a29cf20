//! The groups of an account: what is known of them, asked for once however many wait for it, and kept true by what the
//! server tells. Protocol: groups and communities.
//!
//! An answer and a notification may overtake each other on their way to the actor. So what a notification says about
//! members while the same group is being asked about makes the answer outdated, and the question is asked again; and
//! after a change of ours, the group is asked about again before it is used.

mod answer;
mod notification;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;
use wa_store::{Changes, Group, GroupDescription, Store, StoreError};
use wa_types::{Jid, UnixSeconds};

pub(super) use self::answer::GroupAnswer;
use super::requester::Requester;
use super::upkeep::Fetched;
use super::{Actor, Status, clock};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::crypto::Random as _;
use crate::e2e::group::OwnKeys;
use crate::error::CallError;
use crate::stanza::group_setting::GroupSetting;
use crate::stanza::iq::IqRequest;
use crate::stanza::iq::groups::{
    ChangeMembers, CreateGroup, FetchGroup, FetchParticipating, GroupPlace, LeaveGroups, MemberAction,
    MemberAnswer, NewMember, SetDescription, SetGroup, SetSubject,
};
use crate::stanza::notification::groups::GroupChange;

/// How many members the groups in memory may have together, and how many groups there may be.
const MEMBERS_KEPT: usize = 16 * 1024;
const GROUPS_KEPT: usize = 256;

/// Who waits for an answer.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, CallError>>;

/// What a handle may ask about groups.
pub(crate) enum GroupJob {
    /// Make one.
    Create { new: NewGroup, reply: Reply<(Arc<Group>, Vec<MemberAnswer>)> },
    /// What is known of one; asked for when nothing is, or when it must be fresh.
    Info { group: Jid, is_fresh: bool, reply: Reply<Arc<Group>> },
    /// All that we are in.
    All { reply: Reply<Vec<Arc<Group>>> },
    /// Do something to members.
    Members {
        group: Jid,
        action: MemberAction,
        members: Vec<Jid>,
        with_subgroups: bool,
        reply: Reply<Vec<MemberAnswer>>,
    },
    /// End our membership. Answers each group with the code of a refusal.
    Leave { groups: Vec<Jid>, are_communities: bool, reply: Reply<Vec<(Jid, Option<u16>)>> },
    /// Another name.
    SetSubject { group: Jid, subject: String, reply: Reply<()> },
    /// Another description, or none.
    SetDescription { group: Jid, text: Option<String>, reply: Reply<()> },
    /// Another setting.
    Set { group: Jid, setting: GroupSetting, reply: Reply<()> },
}

/// A group to be made.
pub(crate) struct NewGroup {
    pub(crate) subject: String,
    pub(crate) members: Vec<Jid>,
    pub(crate) description: Option<String>,
    pub(crate) settings: Vec<GroupSetting>,
    pub(crate) place: GroupPlace,
}

impl GroupJob {
    /// Answers a request that came too late, or failed before it was asked.
    pub(crate) fn refuse(self, error: CallError) {
        match self {
            Self::Create { reply, .. } => drop(reply.send(Err(error))),
            Self::Info { reply, .. } => drop(reply.send(Err(error))),
            Self::All { reply } => drop(reply.send(Err(error))),
            Self::Members { reply, .. } => drop(reply.send(Err(error))),
            Self::Leave { reply, .. } => drop(reply.send(Err(error))),
            Self::SetSubject { reply, .. } | Self::SetDescription { reply, .. } | Self::Set { reply, .. } => {
                drop(reply.send(Err(error)))
            }
        }
    }
}

/// What memory holds of the groups.
#[derive(Default)]
pub(super) struct Groups {
    /// Our own keys of them.
    pub(super) keys: OwnKeys,
    known: HashMap<Jid, Known>,
    uses: u64,
    asked: HashMap<Jid, Asked>,
    /// How many questions about all groups are under way, and which groups changed meanwhile.
    all_asked: usize,
    changed: HashSet<Jid>,
}

struct Known {
    /// None when the store has none either, or will have none with the next commit.
    group: Option<Arc<Group>>,
    used: u64,
}

impl Known {
    fn members(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.members.len())
    }
}

/// A question about one group that is under way.
#[derive(Default)]
struct Asked {
    waiting: Vec<Reply<Arc<Group>>>,
    /// Its members changed since it was asked.
    is_outdated: bool,
}

impl Groups {
    /// What is known of a group, from the store if need be.
    pub(super) async fn load(
        &mut self,
        store: &dyn Store,
        group: &Jid,
    ) -> Result<Option<Arc<Group>>, StoreError> {
        self.uses += 1;
        if let Some(known) = self.known.get_mut(group) {
            known.used = self.uses;
            return Ok(known.group.clone());
        }
        let stored = store.groups(std::slice::from_ref(group)).await?.into_iter().next().flatten();
        let stored = stored.map(Arc::new);
        self.known.insert(group.clone(), Known { group: stored.clone(), used: self.uses });
        Ok(stored)
    }

    fn put(&mut self, group: Group, changes: &mut Changes) -> Arc<Group> {
        changes.put_group(group.clone());
        let group = Arc::new(group);
        self.uses += 1;
        let known = Known { group: Some(Arc::clone(&group)), used: self.uses };
        self.known.insert(group.jid.clone(), known);
        group
    }

    /// Forgets a group: it is asked about before it is used again.
    pub(super) fn forget(&mut self, group: &Jid, changes: &mut Changes) {
        self.uses += 1;
        self.known.insert(group.clone(), Known { group: None, used: self.uses });
        changes.delete_group(group.clone());
    }

    /// The members of this group changed: answers that are under way say nothing about it.
    fn outdate_answers(&mut self, group: &Jid) {
        if let Some(asked) = self.asked.get_mut(group) {
            asked.is_outdated = true;
        }
        if self.all_asked > 0 {
            self.changed.insert(group.clone());
        }
    }

    /// Lets go of what memory should not hold: of the groups that were not used the longest.
    pub(super) fn trim(&mut self) {
        let mut members: usize = self.known.values().map(Known::members).sum();
        while self.known.len() > GROUPS_KEPT || (members > MEMBERS_KEPT && self.known.len() > 1) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used).map(|(jid, _)| jid.clone());
            let Some(gone) = oldest.and_then(|oldest| self.known.remove(&oldest)) else { return };
            members -= gone.members();
        }
    }

    /// Forgets all: it is read from the store again.
    pub(super) fn forget_all(&mut self) {
        self.known.clear();
        self.keys.forget_all();
    }
}

impl Actor {
    pub(super) async fn handle_group_job(&mut self, job: GroupJob) {
        let known = match self.load_for_group_job(&job).await {
            Ok(known) => known,
            Err(error) => return job.refuse(error.into()),
        };
        let job = match (job, &known) {
            (GroupJob::Info { is_fresh: false, reply, .. }, Some(known)) => {
                let _ = reply.send(Ok(Arc::clone(known)));
                return;
            }
            (job, _) => job,
        };
        if *self.status.borrow() != Status::Ready {
            return job.refuse(RequestError::NotConnected.into());
        }
        match job {
            GroupJob::Info { group, reply, .. } => self.fetch_group(&group, Some(reply)),
            GroupJob::All { reply } => {
                self.groups.all_asked += 1;
                self.ask_about_groups(FetchParticipating, move |result| GroupAnswer::All { result, reply });
            }
            GroupJob::Create { new, reply } => {
                let request = CreateGroup {
                    members: self.invited(&new.members),
                    subject: new.subject,
                    description: new.description.map(|text| (self.new_description_id(), text)),
                    settings: new.settings,
                    place: new.place,
                };
                self.ask_about_groups(request, move |result| GroupAnswer::Created { result, reply });
            }
            GroupJob::Members { group, action, members, with_subgroups, reply } => {
                let members = self.invited(&members);
                let request = ChangeMembers { group: group.clone(), action, members, with_subgroups };
                self.ask_about_groups(request, move |result| GroupAnswer::Members { group, result, reply });
            }
            GroupJob::Leave { groups, are_communities, reply } => {
                let request = LeaveGroups { groups: groups.clone(), are_communities };
                self.ask_about_groups(request, move |result| {
                    // Of which the server says nothing it let us go.
                    let result = result.map(|answers| {
                        let code = |group: &Jid| answers.iter().find(|(left, _)| left == group)?.1;
                        groups
                            .into_iter()
                            .map(|group| (code(&group), group))
                            .map(|(code, group)| (group, code))
                            .collect()
                    });
                    GroupAnswer::Left { result, reply }
                });
            }
            GroupJob::Set { group, setting, reply } => {
                let request = SetGroup { group: group.clone(), setting };
                self.ask_to_set(request, group, GroupChange::Setting(setting), reply);
            }
            GroupJob::SetSubject { group, subject, reply } => {
                let request = SetSubject { group: group.clone(), subject: subject.clone() };
                let (by, at) = (self.account.jid.as_ref().map(Jid::to_chat), now_seconds());
                self.ask_to_set(request, group, GroupChange::Subject { subject, by, at }, reply);
            }
            GroupJob::SetDescription { group, text, reply } => {
                let previous = known
                    .as_ref()
                    .and_then(|known| known.description.as_ref())
                    .map(|description| description.id.clone());
                let id = self.new_description_id();
                let description = text.clone().map(|text| GroupDescription {
                    id: id.clone(),
                    text,
                    by: self.account.jid.as_ref().map(Jid::to_chat),
                    at: now_seconds(),
                });
                let request = SetDescription { group: group.clone(), id, previous, text };
                self.ask_to_set(request, group, GroupChange::Description { description }, reply);
            }
        }
    }

    /// An id that a description did not have before.
    fn new_description_id(&mut self) -> String {
        format!("{:08X}", u32::from_be_bytes(self.random.array()))
    }

    /// Sets something of a group that is known at once, and told to our other devices only.
    fn ask_to_set<R: IqRequest<Reply = ()> + Send + Sync + 'static>(
        &mut self,
        request: R,
        group: Jid,
        change: GroupChange,
        reply: Reply<()>,
    ) {
        self.ask_about_groups(request, move |result| GroupAnswer::Set { group, change, result, reply });
    }

    /// Loads what a job needs; answers what is known of its group.
    async fn load_for_group_job(&mut self, job: &GroupJob) -> Result<Option<Arc<Group>>, StoreError> {
        let store = Arc::clone(&self.store);
        match job {
            GroupJob::Info { group, .. } | GroupJob::SetDescription { group, .. } => {
                self.groups.load(&*store, group).await
            }
            GroupJob::Create { new: NewGroup { members, .. }, .. } | GroupJob::Members { members, .. } => {
                self.load_tokens(members).await.map(|()| None)
            }
            GroupJob::All { .. }
            | GroupJob::Leave { .. }
            | GroupJob::SetSubject { .. }
            | GroupJob::Set { .. } => Ok(None),
        }
    }

    /// Asks about a group, unless that is being asked already.
    pub(super) fn fetch_group(&mut self, group: &Jid, reply: Option<Reply<Arc<Group>>>) {
        let is_asked = self.groups.asked.contains_key(group);
        self.groups.asked.entry(group.clone()).or_default().waiting.extend(reply);
        if !is_asked {
            let group = group.clone();
            self.ask_about_groups(FetchGroup { group: group.clone() }, move |result| GroupAnswer::Info {
                group,
                result,
            });
        }
    }

    fn ask_about_groups<R: IqRequest + Send + Sync + 'static>(
        &mut self,
        request: R,
        answer: impl FnOnce(Result<R::Reply, RequestError>) -> GroupAnswer + Send + 'static,
    ) where
        R::Reply: Send,
    {
        let requester = self.requester().cloned();
        self.fetch(async move {
            let asked = async |requester: Requester| requester.ask(request, REQUEST_LIMIT).await;
            let result = match requester {
                Some(requester) => asked(requester).await,
                None => Err(RequestError::NotConnected),
            };
            Fetched::Group(Box::new(answer(result)))
        });
    }

    /// Each of these users with what makes the server let them in, as far as it is known. It must be loaded.
    fn invited(&self, users: &[Jid]) -> Vec<NewMember> {
        let users = users.iter().map(Jid::to_chat);
        users
            .map(|jid| NewMember {
                pn: self.directory.pn_of(&jid).cloned(),
                token: self.good_token(&jid),
                jid,
            })
            .collect()
    }
}

fn now_seconds() -> UnixSeconds {
    clock::unix_millis().to_seconds()
}
