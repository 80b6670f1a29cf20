//! Communities: a roof over groups, with an announcement group that all are in. Protocol: groups and communities,
//! "Communities".

use serde_json::json;
use wa_store::{Group, GroupMember};
use wa_types::Jid;

use super::Client;
use super::groups::{CreatedGroup, MemberOutcome};
use crate::driver::command;
use crate::error::{GroupError, GroupRefusal};
use crate::stanza::community::LinkedGroup;
use crate::stanza::iq::IqRequest;
use crate::stanza::iq::groups::{
    DeactivateCommunity, FetchCommunityMembers, FetchCommunityPicture, FetchLinkedGroup, FetchSubgroups,
    GroupPlace, JoinLinkedGroup, LinkAnswer, LinkGroups, MemberAction, UnlinkGroups,
};
use crate::stanza::iq::mex::documents;
use crate::stanza::iq::picture::{PictureSize, PictureState};

/// The communities of an account; [`Client::communities`] gives it. Name, description, picture, links and settings of a
/// community are a group's: [`Client::groups`] changes them. What happens in one comes as
/// [`Event::GroupChanged`](crate::Event::GroupChanged).
#[derive(Debug, Clone, Copy)]
pub struct Communities<'c> {
    client: &'c Client,
}

/// A community to be made; we are its owner.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewCommunity {
    subject: String,
    description: Option<String>,
    is_closed: bool,
    has_general_chat: bool,
}

impl NewCommunity {
    /// A community of this name.
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.to_owned(), description: None, is_closed: false, has_general_chat: false }
    }

    /// What it says about itself.
    pub fn description(mut self, text: &str) -> Self {
        self.description = Some(text.to_owned());
        self
    }

    /// Who joins must be let in by an admin.
    pub const fn closed(mut self) -> Self {
        self.is_closed = true;
        self
    }

    /// It has a general chat, beside the announcement group that every community has.
    pub const fn with_general_chat(mut self) -> Self {
        self.has_general_chat = true;
        self
    }
}

/// A group and what became of it; that one is refused does not undo the others.
pub type LinkOutcome = (Jid, Result<(), GroupRefusal>);

impl Client {
    /// The account's communities.
    #[must_use]
    pub const fn communities(&self) -> Communities<'_> {
        Communities { client: self }
    }
}

impl Communities<'_> {
    /// Makes a community. The server makes its announcement group with it, which comes as
    /// [`GroupChange::Created`](crate::event::GroupChange::Created).
    ///
    /// # Errors
    /// [`GroupError`]; after a lost connection it may have been made all the same.
    pub async fn create(&self, community: NewCommunity) -> Result<CreatedGroup, GroupError> {
        let NewCommunity { subject, description, is_closed, has_general_chat } = community;
        let place = GroupPlace::Community { is_closed, has_general_chat };
        let new =
            command::NewGroup { subject, members: Vec::new(), description, settings: Vec::new(), place };
        self.client.groups().create_job(new).await
    }

    /// Which groups a community has.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotPermitted`](GroupRefusal::NotPermitted) for who is not in it.
    pub async fn groups(&self, community: &Jid) -> Result<Vec<LinkedGroup>, GroupError> {
        self.ask(FetchSubgroups { community: community.clone() }).await
    }

    /// Its announcement group: all its members are in it, and only admins write.
    ///
    /// # Errors
    /// As [`Self::groups`]; [`NotFound`](GroupRefusal::NotFound) for a community that was deactivated.
    pub async fn announcement_group(&self, community: &Jid) -> Result<Jid, GroupError> {
        let groups = self.groups(community).await?;
        let found = groups.into_iter().find(|group| group.is_default);
        found.map(|group| group.jid).ok_or(GroupError::of_part(404))
    }

    /// Who is in a community, each once: the members of all its groups.
    ///
    /// # Errors
    /// As [`Self::groups`].
    pub async fn members(&self, community: &Jid) -> Result<Vec<GroupMember>, GroupError> {
        self.ask(FetchCommunityMembers { community: community.clone() }).await
    }

    /// Where the picture of a community is, as a member of one of its groups sees it.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn picture(&self, community: &Jid, size: PictureSize) -> Result<PictureState, GroupError> {
        self.ask(FetchCommunityPicture { community: community.clone(), size }).await
    }

    /// Asks about one group of a community, also one that we are not in.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotFound`](GroupRefusal::NotFound) for a group that is not of this community.
    pub async fn group(&self, community: &Jid, group: &Jid) -> Result<Group, GroupError> {
        self.ask(FetchLinkedGroup { community: community.clone(), group: group.clone() }).await
    }

    /// Joins a group of a community that we are in.
    ///
    /// # Errors
    /// [`GroupError`]; as [`Groups::join_by_link`](super::Groups::join_by_link).
    pub async fn join_group(&self, community: &Jid, group: &Jid) -> Result<Group, GroupError> {
        let request = JoinLinkedGroup { community: community.clone(), group: group.clone() };
        self.client.ask(request).await.map_err(GroupError::of_join)
    }

    /// Makes groups part of a community; we are an admin of each. Their members become members of it, and of its
    /// announcement group.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all; [`NotAdmin`](GroupRefusal::NotAdmin),
    /// [`Full`](GroupRefusal::Full).
    pub async fn link(&self, community: &Jid, groups: &[Jid]) -> Result<Vec<LinkOutcome>, GroupError> {
        let (community, groups) = (community.clone(), groups.to_vec());
        Ok(outcomes(self.ask(LinkGroups { community, groups, are_hidden: false }).await?))
    }

    /// Takes groups out of a community. Whoever is in no other group of it leaves it, if told so.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all; [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn unlink(
        &self,
        community: &Jid,
        groups: &[Jid],
        removes_orphans: bool,
    ) -> Result<Vec<LinkOutcome>, GroupError> {
        let (community, groups) = (community.clone(), groups.to_vec());
        Ok(outcomes(self.ask(UnlinkGroups { community, groups, removes_orphans }).await?))
    }

    /// Removes members from a community and from all its groups.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all; [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn remove(&self, community: &Jid, members: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.client.groups().change(community, MemberAction::Remove, members, true).await
    }

    /// Leaves a community and all its groups.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotPermitted`](GroupRefusal::NotPermitted) for one that we are not in.
    pub async fn leave(&self, community: &Jid) -> Result<(), GroupError> {
        let left = self.client.groups().leave_job(vec![community.clone()], true).await?;
        match left.into_iter().find_map(|(_, code)| code) {
            Some(code) => Err(GroupError::of_part(code)),
            None => Ok(()),
        }
    }

    /// Ends a community: its groups stay, each by itself, and its announcement group goes. Only its owner may.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn deactivate(&self, community: &Jid) -> Result<(), GroupError> {
        self.ask(DeactivateCommunity { community: community.clone() }).await
    }

    /// Makes another member its owner. Only its owner may.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](GroupRefusal::NotAdmin), [`NotFound`](GroupRefusal::NotFound) for who is no member.
    pub async fn transfer(&self, community: &Jid, member: &Jid) -> Result<(), GroupError> {
        let new_owner = json!({ "user_id": member.to_chat().to_string(), "role": "SUPERADMIN" });
        let input = json!({ "group_id": community.to_string(), "users": [new_owner] });
        let variables = json!({ "input": input });
        let done = self.client.mex(documents::TRANSFER_COMMUNITY_OWNERSHIP, variables).await;
        done.map(drop).map_err(GroupError::of)
    }

    /// Which groups members suggest for a community, as [`GroupChange::Suggested`](crate::event::GroupChange::Suggested)
    /// told them: their addresses.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](GroupRefusal::NotAdmin).
    pub async fn suggestions(&self, community: &Jid) -> Result<Vec<Jid>, GroupError> {
        let variables = json!({ "group_id": community.to_string(), "query_context": "INTERACTIVE" });
        let data = self.client.mex(documents::FETCH_SUBGROUP_SUGGESTIONS, variables).await;
        let data = data.map_err(GroupError::of)?;
        let edges = data.pointer("/xwa2_group_query_by_id/sub_group_suggestions/edges");
        let edges = edges.and_then(serde_json::Value::as_array).into_iter().flatten();
        let group = |edge: &serde_json::Value| edge.pointer("/node/id")?.as_str()?.parse::<Jid>().ok();
        Ok(edges.filter_map(group).filter(Jid::is_group).collect())
    }

    async fn ask<R: IqRequest + Send + Sync + 'static>(&self, request: R) -> Result<R::Reply, GroupError> {
        self.client.ask(request).await.map_err(GroupError::of)
    }
}

fn outcomes(answers: Vec<LinkAnswer>) -> Vec<LinkOutcome> {
    let result = |code: Option<u16>| code.map_or(Ok(()), |code| Err(GroupRefusal::from_code(code)));
    answers.into_iter().map(|(group, code)| (group, result(code))).collect()
}
