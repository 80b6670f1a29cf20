//! Making groups.

use std::sync::Arc;

use wa_store::Group;
use wa_types::Jid;

use super::{Groups, MemberOutcome};
use crate::driver::command::{self, GroupJob};
use crate::error::{GroupError, MemberRefusal};
use crate::stanza::group_setting::GroupSetting;
use crate::stanza::iq::groups::GroupPlace;

/// A group to be made; we are in it by ourselves, as its owner.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewGroup {
    subject: String,
    members: Vec<Jid>,
    description: Option<String>,
    settings: Vec<GroupSetting>,
    community: Option<Jid>,
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

impl NewGroup {
    /// A group of this name, without other members.
    pub fn new(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            members: Vec::new(),
            description: None,
            settings: Vec::new(),
            community: None,
        }
    }

    /// These users are in it, too; named by phone number or LID.
    pub fn members(mut self, users: &[Jid]) -> Self {
        self.members.extend_from_slice(users);
        self
    }

    /// What it says about itself.
    pub fn description(mut self, text: &str) -> Self {
        self.description = Some(text.to_owned());
        self
    }

    /// It begins with this setting.
    pub fn setting(mut self, setting: GroupSetting) -> Self {
        self.settings.push(setting);
        self
    }

    /// It belongs to this community from the beginning; we must be allowed to make groups in it.
    pub fn within(mut self, community: &Jid) -> Self {
        self.community = Some(community.clone());
        self
    }
}

impl Groups<'_> {
    /// Makes a group with these users; we are in it by ourselves, as its owner. Users are named by phone number or LID.
    ///
    /// # Errors
    /// As [`Self::create_with`].
    pub async fn create(&self, subject: &str, members: &[Jid]) -> Result<CreatedGroup, GroupError> {
        self.create_with(NewGroup::new(subject).members(members)).await
    }

    /// Makes a group.
    ///
    /// # Errors
    /// [`GroupError`]; after a lost connection it may have been made all the same.
    /// [`NotAcceptable`](crate::error::GroupRefusal::NotAcceptable): its name is empty or too long.
    pub async fn create_with(&self, group: NewGroup) -> Result<CreatedGroup, GroupError> {
        let new = command::NewGroup {
            subject: group.subject,
            members: group.members,
            description: group.description,
            settings: group.settings,
            place: group.community.map_or(GroupPlace::Alone, GroupPlace::In),
        };
        self.create_job(new).await
    }

    pub(in crate::client) async fn create_job(
        &self,
        new: command::NewGroup,
    ) -> Result<CreatedGroup, GroupError> {
        let (group, answers) = self.job(|reply| GroupJob::Create { new, reply }).await?;
        let refused = answers.into_iter().map(MemberOutcome::from);
        let refused = refused.filter_map(|outcome| Some((outcome.member, outcome.result.err()?))).collect();
        Ok(CreatedGroup { group, refused })
    }
}
