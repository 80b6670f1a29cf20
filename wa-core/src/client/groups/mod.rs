//! Groups: asked about, and changed. Protocol: groups and communities.
//!
//! | File | Subject |
//! |---|---|
//! | `create` | making groups |
//! | `invites` | coming into one: links, invitations, approval |

mod create;
mod invites;

use std::sync::Arc;

use serde_json::json;
use tokio::sync::oneshot;
use wa_store::Group;
use wa_types::Jid;

pub use create::{CreatedGroup, NewGroup};

use super::Client;
use crate::driver::command::{GroupJob, Job};
use crate::error::{CallError, GroupError, GroupRefusal, MemberRefusal};
use crate::stanza::group_setting::GroupSetting;
use crate::stanza::iq::IqRequest;
use crate::stanza::iq::groups::{
    AcknowledgeGroup, FetchGroupPictures, FetchGroups, GROUPS_LIMIT, GroupEntry, MemberAction, MemberAnswer,
    PICTURES_LIMIT,
};
use crate::stanza::iq::mex::documents;
use crate::stanza::iq::picture::{PictureSize, PictureState, SetPicture};

/// The groups of an account; [`Client::groups`] gives it. To send to a group, and to receive, is as with any chat.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'c> {
    client: &'c Client,
}

/// What became of one of several members. The others' change is not undone when one is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberOutcome {
    /// The member, as the server addresses it: perhaps by the other address than the one that was asked with.
    pub member: Jid,
    /// The member's phone number, where the server told it.
    pub phone_number: Option<Jid>,
    /// Done, or why not.
    pub result: Result<(), MemberRefusal>,
}

/// What the server says about one of many groups.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupLookup {
    /// The group.
    Found(Box<Group>),
    /// It is too large for an answer about many: [`Groups::refresh`] asks about it alone.
    TooLarge {
        /// How many members it has.
        size: u32,
    },
    /// The server does not tell.
    Refused(GroupRefusal),
}

impl Client {
    /// The account's groups.
    #[must_use]
    pub const fn groups(&self) -> Groups<'_> {
        Groups { client: self }
    }
}

impl Groups<'_> {
    /// What is known of a group: members, name, settings. It is kept, and kept true by what the server tells; only
    /// what is not known is asked for.
    ///
    /// # Errors
    /// [`GroupError`]; not a member, most often.
    pub async fn info(&self, group: &Jid) -> Result<Arc<Group>, GroupError> {
        self.job(|reply| GroupJob::Info { group: group.clone(), is_fresh: false, reply }).await
    }

    /// Asks the server about a group, whatever is known.
    ///
    /// # Errors
    /// As [`Self::info`].
    pub async fn refresh(&self, group: &Jid) -> Result<Arc<Group>, GroupError> {
        self.job(|reply| GroupJob::Info { group: group.clone(), is_fresh: true, reply }).await
    }

    /// Asks the server for all groups that we are in. What is known of others is forgotten.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn participating(&self) -> Result<Vec<Arc<Group>>, GroupError> {
        self.job(|reply| GroupJob::All { reply }).await
    }

    /// Asks the server about many groups at once; nothing of it is kept. Of a group that is too large for that only the
    /// number of members is told.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was told at all.
    pub async fn lookup(&self, groups: &[Jid]) -> Result<Vec<(Jid, GroupLookup)>, GroupError> {
        let mut found = Vec::with_capacity(groups.len());
        for groups in groups.chunks(GROUPS_LIMIT) {
            let answers = self.ask(FetchGroups { groups: groups.to_vec() }).await?;
            found.extend(answers.into_iter().map(|(group, entry)| (group, entry.into())));
        }
        Ok(found)
    }

    /// Adds users. One whose privacy forbids it is refused with an invitation to send to them.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all.
    pub async fn add(&self, group: &Jid, users: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Add, users, false).await
    }

    /// Removes members. They read nothing that is sent after it.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn remove(&self, group: &Jid, members: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Remove, members, false).await
    }

    /// Makes members admins.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn promote(&self, group: &Jid, members: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Promote, members, false).await
    }

    /// Makes admins members.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn demote(&self, group: &Jid, admins: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Demote, admins, false).await
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotPermitted`](GroupRefusal::NotPermitted) for one that we are not in.
    pub async fn leave(&self, group: &Jid) -> Result<(), GroupError> {
        let left = self.leave_job(vec![group.clone()], false).await?;
        match left.into_iter().find_map(|(_, code)| code) {
            Some(code) => Err(GroupError::of_part(code)),
            None => Ok(()),
        }
    }

    /// Leaves groups. That one is refused does not keep us in the others.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all.
    pub async fn leave_many(
        &self,
        groups: &[Jid],
    ) -> Result<Vec<(Jid, Result<(), GroupRefusal>)>, GroupError> {
        let left = self.leave_job(groups.to_vec(), false).await?;
        let result = |code: Option<u16>| code.map_or(Ok(()), |code| Err(GroupRefusal::from_code(code)));
        Ok(left.into_iter().map(|(group, code)| (group, result(code))).collect())
    }

    pub(super) async fn leave_job(
        &self,
        groups: Vec<Jid>,
        are_communities: bool,
    ) -> Result<Vec<(Jid, Option<u16>)>, GroupError> {
        self.job(|reply| GroupJob::Leave { groups, are_communities, reply }).await
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn set_subject(&self, group: &Jid, subject: &str) -> Result<(), GroupError> {
        let subject = subject.to_owned();
        self.job(|reply| GroupJob::SetSubject { group: group.clone(), subject, reply }).await
    }

    /// Gives a group another description, or takes it away. It replaces the one that is known: refused as a conflict,
    /// [refresh](Self::refresh) and look at it first.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn set_description(&self, group: &Jid, text: Option<&str>) -> Result<(), GroupError> {
        let text = text.map(str::to_owned);
        self.job(|reply| GroupJob::SetDescription { group: group.clone(), text, reply }).await
    }

    /// Sets a group otherwise.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn set(&self, group: &Jid, setting: GroupSetting) -> Result<(), GroupError> {
        self.job(|reply| GroupJob::Set { group: group.clone(), setting, reply }).await
    }

    /// Keeps what is said in a group from being exported, or lets it be. The group is asked about afterwards.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn limit_sharing(&self, group: &Jid, is_limited: bool) -> Result<(), GroupError> {
        let limit = json!({ "limit_sharing_enabled": is_limited, "limit_sharing_trigger": "CHAT_SETTING" });
        let variables = json!({ "group_id": group.to_string(), "update": { "limit_sharing": limit } });
        let done = self.client.mex(documents::UPDATE_GROUP_PROPERTY, variables).await;
        done.map_err(GroupError::of)?;
        self.refresh(group).await.map(drop)
    }

    /// Gives a group another picture, a square JPEG of 640 by 640, and returns the picture's id.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAcceptable`](GroupRefusal::NotAcceptable) for what is no such picture,
    /// [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn set_picture(&self, group: &Jid, jpeg: Vec<u8>) -> Result<Option<String>, GroupError> {
        self.ask(SetPicture { of: Some(group.clone()), jpeg: Some(jpeg) }).await
    }

    /// Where the pictures of many groups are; [`Users::picture`](crate::client::Users::picture) tells it of one, and whether
    /// it changed. What the server says nothing of is left out.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was told at all.
    pub async fn pictures(
        &self,
        groups: &[Jid],
        size: PictureSize,
    ) -> Result<Vec<(Jid, Result<PictureState, GroupRefusal>)>, GroupError> {
        let mut found = Vec::with_capacity(groups.len());
        for groups in groups.chunks(PICTURES_LIMIT) {
            let answers = self.ask(FetchGroupPictures { groups: groups.to_vec(), size }).await?;
            let answers = answers.into_iter();
            found.extend(answers.map(|(group, state)| (group, state.map_err(GroupRefusal::from_code))));
        }
        Ok(found)
    }

    /// Takes a group's picture away.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn remove_picture(&self, group: &Jid) -> Result<(), GroupError> {
        self.ask(SetPicture { of: Some(group.clone()), jpeg: None }).await.map(drop)
    }

    /// Tells the server that the user saw a group that others added them to.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn acknowledge(&self, group: &Jid) -> Result<(), GroupError> {
        self.ask(AcknowledgeGroup { group: group.clone() }).await
    }

    pub(super) async fn change(
        &self,
        group: &Jid,
        action: MemberAction,
        members: &[Jid],
        with_subgroups: bool,
    ) -> Result<Vec<MemberOutcome>, GroupError> {
        let (group, members) = (group.clone(), members.to_vec());
        let answers =
            self.job(|reply| GroupJob::Members { group, action, members, with_subgroups, reply }).await?;
        Ok(answers.into_iter().map(MemberOutcome::from).collect())
    }

    async fn job<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, CallError>>) -> GroupJob,
    ) -> Result<T, GroupError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Group(Box::new(job(reply)));
        self.client.inner.jobs.send(job).await.map_err(|_| CallError::Shutdown)?;
        answer.await.map_err(|_| CallError::Shutdown)?.map_err(GroupError::of)
    }

    /// Asks what needs nothing of what is known here.
    async fn ask<R: IqRequest + Send + Sync + 'static>(&self, request: R) -> Result<R::Reply, GroupError> {
        self.client.ask(request).await.map_err(GroupError::of)
    }
}

impl From<MemberAnswer> for MemberOutcome {
    fn from(answer: MemberAnswer) -> Self {
        let result = match answer.error {
            None => Ok(()),
            Some(code) => Err(MemberRefusal::new(code, answer.invitation)),
        };
        Self { member: answer.jid, phone_number: answer.pn, result }
    }
}

impl From<GroupEntry> for GroupLookup {
    fn from(entry: GroupEntry) -> Self {
        match entry {
            GroupEntry::Group(group) => Self::Found(group),
            GroupEntry::Truncated { size } => Self::TooLarge { size },
            GroupEntry::Refused(code) => Self::Refused(GroupRefusal::from_code(code)),
        }
    }
}
