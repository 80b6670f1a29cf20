//! Coming into a group: by its link, by an invitation, and let in by an admin. Protocol: groups and communities, "Joining".

use wa_store::Group;
use wa_types::Jid;

use super::{Groups, MemberOutcome};
use crate::error::{CallError, GroupError};
use crate::stanza::iq::groups::{
    AcceptInvite, DecideJoinRequests, Decision, FetchInviteLink, FetchJoinRequests, GroupInvite, JoinByLink,
    JoinRequest, Joined, LookBehindInvite, LookBehindLink, ResetInviteLink, RevokeInvites,
    WithdrawJoinRequest,
};

/// What a link to a group begins with; its code follows.
const LINK: &str = "https://chat.whatsapp.com/";

impl Groups<'_> {
    /// The link with which anybody can come into a group: `https://chat.whatsapp.com/CODE`.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](crate::error::GroupRefusal::NotAdmin) where only admins see it.
    pub async fn invite_link(&self, group: &Jid) -> Result<String, GroupError> {
        let code = self.ask(FetchInviteLink { group: group.clone() }).await?;
        Ok(format!("{LINK}{code}"))
    }

    /// Makes another link, and returns it; the one before leads nowhere.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](crate::error::GroupRefusal::NotAdmin).
    pub async fn reset_invite_link(&self, group: &Jid) -> Result<String, GroupError> {
        let code = self.ask(ResetInviteLink { group: group.clone() }).await?;
        Ok(format!("{LINK}{code}"))
    }

    /// What a link leads to, without going there; a bare code will do, too. Some or none of the members are told.
    ///
    /// # Errors
    /// [`GroupError`]; [`LinkReset`](crate::error::GroupRefusal::LinkReset) and
    /// [`NotAcceptable`](crate::error::GroupRefusal::NotAcceptable) for a link that leads nowhere.
    pub async fn look_behind_link(&self, link: &str) -> Result<Group, GroupError> {
        self.ask(LookBehindLink { code: code_of(link) }).await
    }

    /// Comes into the group that a link leads to; a bare code will do, too. [`Joined::Waiting`] where an admin must let
    /// us in first; either way [`GroupChange::Created`](crate::event::GroupChange::Created) tells that we are in.
    ///
    /// # Errors
    /// [`GroupError`]; [`AlreadyMember`](crate::error::GroupRefusal::AlreadyMember),
    /// [`NotPermitted`](crate::error::GroupRefusal::NotPermitted) for one whom an admin removed,
    /// [`Full`](crate::error::GroupRefusal::Full), and as [`Self::look_behind_link`].
    pub async fn join_by_link(&self, link: &str) -> Result<Joined, GroupError> {
        joined(self.client.ask(JoinByLink { code: code_of(link) }).await)
    }

    /// What an invitation leads to, without accepting it.
    ///
    /// # Errors
    /// [`GroupError`]; [`LinkReset`](crate::error::GroupRefusal::LinkReset) for one that ran out,
    /// [`NotFound`](crate::error::GroupRefusal::NotFound) for one that was revoked.
    pub async fn look_behind_invite(&self, invite: &GroupInvite) -> Result<Group, GroupError> {
        self.ask(LookBehindInvite { invite: invite.clone() }).await
    }

    /// Comes into the group of an invitation that an admin sent us in a message. As [`Self::join_by_link`].
    ///
    /// # Errors
    /// As [`Self::look_behind_invite`] and [`Self::join_by_link`].
    pub async fn accept_invite(&self, invite: &GroupInvite) -> Result<Joined, GroupError> {
        joined(self.client.ask(AcceptInvite { invite: invite.clone() }).await)
    }

    /// Takes back the invitations that these users got.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all.
    pub async fn revoke_invites(&self, group: &Jid, users: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        let request = RevokeInvites { group: group.clone(), users: users.to_vec() };
        Ok(outcomes(self.ask(request).await?))
    }

    /// Who waits to be let in.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotAdmin`](crate::error::GroupRefusal::NotAdmin).
    pub async fn join_requests(&self, group: &Jid) -> Result<Vec<JoinRequest>, GroupError> {
        self.ask(FetchJoinRequests { group: group.clone() }).await
    }

    /// Lets users in who wait.
    ///
    /// # Errors
    /// [`GroupError`] when nothing was done at all; [`NotAdmin`](crate::error::GroupRefusal::NotAdmin).
    pub async fn approve(&self, group: &Jid, users: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.decide(group, users, Decision::Approve).await
    }

    /// Does not let users in who wait.
    ///
    /// # Errors
    /// As [`Self::approve`].
    pub async fn reject(&self, group: &Jid, users: &[Jid]) -> Result<Vec<MemberOutcome>, GroupError> {
        self.decide(group, users, Decision::Reject).await
    }

    /// Does not wait any more to be let in.
    ///
    /// # Errors
    /// [`GroupError`]; [`NotFound`](crate::error::GroupRefusal::NotFound) for one who does not wait.
    pub async fn withdraw_join_request(&self, group: &Jid) -> Result<(), GroupError> {
        let (user, _) = self.client.own_addresses().await?;
        let answers = self.ask(WithdrawJoinRequest { group: group.clone(), user }).await?;
        match answers.into_iter().find_map(|answer| answer.error) {
            Some(code) => Err(GroupError::of_part(code)),
            None => Ok(()),
        }
    }

    async fn decide(
        &self,
        group: &Jid,
        users: &[Jid],
        decision: Decision,
    ) -> Result<Vec<MemberOutcome>, GroupError> {
        let request = DecideJoinRequests { group: group.clone(), decision, users: users.to_vec() };
        Ok(outcomes(self.ask(request).await?))
    }
}

fn outcomes(answers: Vec<crate::stanza::iq::groups::MemberAnswer>) -> Vec<MemberOutcome> {
    answers.into_iter().map(MemberOutcome::from).collect()
}

/// A refusal to let us in has meanings of its own.
fn joined(answer: Result<Joined, CallError>) -> Result<Joined, GroupError> {
    answer.map_err(GroupError::of_join)
}

/// The code of a link: what stands behind its last slash.
fn code_of(link: &str) -> String {
    let path = link.trim().split(['?', '#']).next().unwrap_or_default();
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_and_its_code_are_the_same() {
        let links = [
            "AbC-1_2",
            "https://chat.whatsapp.com/AbC-1_2",
            " http://chat.whatsapp.com/invite/AbC-1_2?mode=x\n",
        ];
        for link in links {
            assert_eq!(code_of(link), "AbC-1_2");
        }
        assert_eq!(code_of(""), "");
    }
}
