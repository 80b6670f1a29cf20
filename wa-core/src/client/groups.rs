//! Groups: made, asked about, and changed. Protocol: groups and communities.

use std::sync::Arc;

use tokio::sync::oneshot;
use wa_store::Group;
use wa_types::Jid;

use super::Client;
use crate::connection::RequestError;
use crate::driver::command::{GroupJob, Job};
use crate::error::{CallError, GroupError, MemberRefusal};
use crate::stanza::iq::groups::{MemberAction, MemberAnswer};

/// The groups of an account; [`Client::groups`] gives it. To send to a group, and to receive, is as with any chat.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'c> {
    client: &'c Client,
}

/// A group that was just made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CreatedGroup {
    /// The group, with those who are in it.
    pub group: Arc<Group>,
    /// Who is not in it though asked for, and why.
    pub refused: Vec<(Jid, MemberRefusal)>,
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

impl Client {
    /// The account's groups.
    #[must_use]
    pub const fn groups(&self) -> Groups<'_> {
        Groups { client: self }
    }
}

impl Groups<'_> {
    /// Makes a group with these users; we are in it by ourselves, as its owner. Users are named by phone number or LID.
    ///
    /// # Errors
    /// [`GroupError`]; after a lost connection it may have been made all the same.
    pub async fn create(&self, subject: &str, members: &[Jid]) -> Result<CreatedGroup, GroupError> {
        let (subject, members) = (subject.to_owned(), members.to_vec());
        let (group, answers) = self.ask(|reply| GroupJob::Create { subject, members, reply }).await?;
        let refused = answers.into_iter().map(MemberOutcome::from);
        let refused = refused.filter_map(|outcome| Some((outcome.member, outcome.result.err()?))).collect();
        Ok(CreatedGroup { group, refused })
    }

    /// What is known of a group: members, name, settings. It is kept, and kept true by what the server tells; only
    /// what is not known is asked for.
    ///
    /// # Errors
    /// [`GroupError`]; not a member, most often.
    pub async fn info(&self, group: &Jid) -> Result<Arc<Group>, GroupError> {
        self.ask(|reply| GroupJob::Info { group: group.clone(), is_fresh: false, reply }).await
    }

    /// Asks the server about a group, whatever is known.
    ///
    /// # Errors
    /// As [`Self::info`].
    pub async fn refresh(&self, group: &Jid) -> Result<Arc<Group>, GroupError> {
        self.ask(|reply| GroupJob::Info { group: group.clone(), is_fresh: true, reply }).await
    }

    /// Asks the server for all groups that we are in. What is known of others is forgotten.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn participating(&self) -> Result<Vec<Arc<Group>>, GroupError> {
        self.ask(|reply| GroupJob::All { reply }).await
    }

    /// Adds users. One whose privacy forbids it is refused with an invitation to send to them.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all.
    pub async fn add(&self, group: &Jid, users: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Add, users).await
    }

    /// Removes members. They read nothing that is sent after it.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn remove(&self, group: &Jid, members: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Remove, members).await
    }

    /// Makes members admins.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn promote(&self, group: &Jid, members: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Promote, members).await
    }

    /// Makes admins members.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn demote(&self, group: &Jid, admins: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.change(group, MemberAction::Demote, admins).await
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn leave(&self, group: &Jid) -> Result<(), GroupError> {
        self.ask(|reply| GroupJob::Leave { group: group.clone(), reply }).await
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn set_subject(&self, group: &Jid, subject: &str) -> Result<(), GroupError> {
        let subject = subject.to_owned();
        self.ask(|reply| GroupJob::SetSubject { group: group.clone(), subject, reply }).await
    }

    /// Gives a group another description, or takes it away. It replaces the one that is known: refused as a conflict,
    /// [refresh](Self::refresh) and look at it first.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn set_description(&self, group: &Jid, text: Option<&str>) -> Result<(), GroupError> {
        let text = text.map(str::to_owned);
        self.ask(|reply| GroupJob::SetDescription { group: group.clone(), text, reply }).await
    }

    async fn change(
        &self,
        group: &Jid,
        action: MemberAction,
        members: &[Jid],
    ) -> Result<Vec<MemberOutcome>, GroupError> {
        let (group, members) = (group.clone(), members.to_vec());
        let answers = self.ask(|reply| GroupJob::Members { group, action, members, reply }).await?;
        Ok(answers.into_iter().map(MemberOutcome::from).collect())
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, CallError>>) -> GroupJob,
    ) -> Result<T, GroupError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Group(Box::new(job(reply)));
        self.client.inner.jobs.send(job).await.map_err(|_| CallError::Shutdown)?;
        let answer = answer.await.map_err(|_| CallError::Shutdown)?;
        answer.map_err(|error| match error {
            CallError::Request(RequestError::Refused(refusal)) => GroupError::refused(&refusal),
            error => error.into(),
        })
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
