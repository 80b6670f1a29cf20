//! Who posts in a channel, and who follows it.

use serde_json::{Value, json};
use wa_types::{Jid, UnixSeconds};

use super::{Newsletters, field};
use crate::error::CallError;
use crate::event::NewsletterRole;
use crate::stanza::iq::mex::{Operation, documents, number};

/// An invitation to be an admin of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewsletterAdminInvite {
    /// Until when it is good, where the server says so.
    pub expires: Option<UnixSeconds>,
}

/// Somebody who follows a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewsletterFollower {
    /// Who.
    pub user: Jid,
    /// The phone number, where the server tells it.
    pub phone_number: Option<Jid>,
    /// The name that is shown.
    pub display_name: Option<String>,
    /// What they are to the channel.
    pub role: Option<NewsletterRole>,
    /// Since when.
    pub since: Option<UnixSeconds>,
}

impl Newsletters<'_> {
    /// Asks a user to be an admin. The user accepts with [`Self::accept_admin_invite`]; tell them in a message. Only
    /// the owner may.
    ///
    /// # Errors
    /// [`CallError`]; 403, 404 for no such user, 409 for an admin.
    pub async fn invite_admin(
        &self,
        newsletter: &Jid,
        user: &Jid,
    ) -> Result<NewsletterAdminInvite, CallError> {
        let operation = documents::CREATE_NEWSLETTER_ADMIN_INVITE;
        let data = self.call(operation, about(newsletter, user)).await?;
        let invite = field(&data, "xwa2_newsletter_admin_invite_create")?;
        let expires = invite.get("invite_expiration_time").and_then(number).map(UnixSeconds);
        Ok(NewsletterAdminInvite { expires })
    }

    /// Takes such an invitation back.
    ///
    /// # Errors
    /// [`CallError`]; 403, 404 for who was not asked.
    pub async fn revoke_admin_invite(&self, newsletter: &Jid, user: &Jid) -> Result<(), CallError> {
        self.change_user(documents::REVOKE_NEWSLETTER_ADMIN_INVITE, newsletter, user).await
    }

    /// Becomes an admin, as the owner asked us to.
    ///
    /// # Errors
    /// [`CallError`]; 404 for who was not asked, 410 when it is too late.
    pub async fn accept_admin_invite(&self, newsletter: &Jid) -> Result<(), CallError> {
        self.change(documents::ACCEPT_NEWSLETTER_ADMIN_INVITE, newsletter).await
    }

    /// Makes an admin a follower: the owner any, an admin itself.
    ///
    /// # Errors
    /// [`CallError`]; 403, 404 for who is no admin.
    pub async fn demote_admin(&self, newsletter: &Jid, admin: &Jid) -> Result<(), CallError> {
        self.change_user(documents::DEMOTE_NEWSLETTER_ADMIN, newsletter, admin).await
    }

    /// Makes an admin the owner; we are an admin then. Only the owner may.
    ///
    /// # Errors
    /// [`CallError`]; 403, 406 for who is no admin.
    pub async fn transfer(&self, newsletter: &Jid, admin: &Jid) -> Result<(), CallError> {
        self.change_user(documents::CHANGE_NEWSLETTER_OWNER, newsletter, admin).await
    }

    /// How many admins a channel has, its owner among them. Only admins may ask.
    ///
    /// # Errors
    /// [`CallError`]; 403.
    pub async fn admin_count(&self, newsletter: &Jid) -> Result<u64, CallError> {
        let variables = json!({ "newsletter_id": newsletter.to_string() });
        let data = self.call(documents::FETCH_NEWSLETTER_ADMIN_INFO, variables).await?;
        let count = field(&data, "xwa2_newsletter_admin")?.get("admin_count").and_then(number);
        Ok(count.unwrap_or_default())
    }

    /// Who was asked to be an admin, and did not answer. Only the owner may ask.
    ///
    /// # Errors
    /// [`CallError`]; 403.
    pub async fn pending_admins(&self, newsletter: &Jid) -> Result<Vec<Jid>, CallError> {
        let variables = json!({ "newsletter_id": newsletter.to_string() });
        let data = self.call(documents::FETCH_NEWSLETTER_PENDING_INVITES, variables).await?;
        let all = field(&data, "xwa2_newsletter_admin")?.get("pending_admin_invites");
        let all = all.and_then(Value::as_array).into_iter().flatten();
        Ok(all.filter_map(|invite| user(invite.pointer("/user/id"))).collect())
    }

    /// Who follows a channel, its admins among them; at most so many. Only admins may ask.
    ///
    /// # Errors
    /// [`CallError`]; 403.
    pub async fn followers(
        &self,
        newsletter: &Jid,
        count: u32,
    ) -> Result<Vec<NewsletterFollower>, CallError> {
        let input = json!({ "newsletter_id": newsletter.to_string(), "count": count });
        let data = self.call(documents::FETCH_NEWSLETTER_FOLLOWERS, json!({ "input": input })).await?;
        let edges = field(&data, "xwa2_newsletter_followers")?.pointer("/followers/edges");
        let edges = edges.and_then(Value::as_array).into_iter().flatten();
        Ok(edges.filter_map(read_follower).collect())
    }

    async fn change_user(&self, operation: Operation, newsletter: &Jid, user: &Jid) -> Result<(), CallError> {
        self.call(operation, about(newsletter, user)).await.map(drop)
    }
}

fn about(newsletter: &Jid, user: &Jid) -> Value {
    json!({ "newsletter_id": newsletter.to_string(), "user_id": user.to_chat().to_string() })
}

fn read_follower(edge: &Value) -> Option<NewsletterFollower> {
    let text = |place: &str| edge.pointer(place).and_then(Value::as_str).map(str::to_owned);
    Some(NewsletterFollower {
        user: user(edge.pointer("/node/id"))?,
        phone_number: user(edge.pointer("/node/pn")).filter(Jid::is_pn),
        display_name: text("/node/display_name"),
        role: text("/role").map(NewsletterRole::read),
        since: edge.get("follow_time").and_then(number).map(UnixSeconds),
    })
}

fn user(value: Option<&Value>) -> Option<Jid> {
    value?.as_str()?.parse::<Jid>().ok().filter(Jid::is_user)
}
