//! Channels: made, followed, read, changed. Protocol: IQ catalogue, "Channels".
//!
//! | File | Subject |
//! |---|---|
//! | `posts` | what was posted, and what becomes of it |
//! | `admins` | who posts |

mod admins;
mod posts;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wa_types::Jid;

pub use posts::Page;

pub use admins::{NewsletterAdminInvite, NewsletterFollower};

use super::Client;
use crate::connection::RequestError;
use crate::error::CallError;
use crate::event::{Newsletter, ReactionPolicy};
use crate::stanza::StanzaError;
use crate::stanza::iq::mex::{Operation, documents};
use crate::stanza::iq::tos::AcceptNotice;

/// The channels of an account; [`Client::newsletters`] gives it. What is posted in one that we follow comes as
/// [`Event::Message`](crate::Event::Message), all else as [`Event::Newsletter`](crate::Event::Newsletter). To post,
/// send to its address.
///
/// A refusal of the server is [`RequestError::Refused`], with its code: 403 for who may not, 404 where there is no such
/// channel or user, 405 for what cannot be done, such as the owner leaving, 406 for a name that is too long, 409 for
/// what is so already, 429 for too many requests.
#[derive(Debug, Clone, Copy)]
pub struct Newsletters<'c> {
    client: &'c Client,
}

/// What of a channel an account does not want to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NewsletterMute {
    /// Posts.
    Posts,
    /// As an admin, what followers do.
    Followers,
}

impl NewsletterMute {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Posts => "MUTE_ADMIN_ACTIVITY",
            Self::Followers => "MUTE_FOLLOWER_ACTIVITY",
        }
    }
}

/// Terms that the server wants accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewsletterTerms {
    /// Before one makes a channel.
    Create,
    /// Before one follows one.
    Follow,
    /// Others, by the number that the server's settings give them.
    Other {
        /// The number.
        notice: String,
        /// Which step of them.
        stage: u32,
    },
}

impl NewsletterTerms {
    fn request(self) -> AcceptNotice {
        let (id, stage) = match self {
            Self::Create => ("20601218".to_owned(), 5),
            Self::Follow => ("20601216".to_owned(), 5),
            Self::Other { notice, stage } => (notice, stage),
        };
        AcceptNotice { id, stage }
    }
}

/// A page of channels, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewsletterPage {
    /// The channels.
    pub newsletters: Vec<Newsletter>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
}

impl Client {
    /// The account's channels.
    #[must_use]
    pub const fn newsletters(&self) -> Newsletters<'_> {
        Newsletters { client: self }
    }
}

impl Newsletters<'_> {
    /// Accepts terms of the server, as the user wants: without those for it nobody makes a channel.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn accept_terms(&self, terms: NewsletterTerms) -> Result<(), CallError> {
        self.client.ask(terms.request()).await
    }

    /// Makes a channel; we are its owner. The picture is a square JPEG.
    ///
    /// # Errors
    /// [`CallError`]; 406 for a name that is too long. After a lost connection it may have been made all the same.
    pub async fn create(
        &self,
        name: &str,
        description: Option<&str>,
        jpeg: Option<&[u8]>,
    ) -> Result<Newsletter, CallError> {
        let picture = jpeg.map(|jpeg| STANDARD.encode(jpeg));
        let input = json!({ "name": name, "description": description, "picture": picture });
        let data = self.call(documents::CREATE_NEWSLETTER, json!({ "input": input })).await?;
        read(&data, "xwa2_newsletter_create")
    }

    /// Asks about a channel.
    ///
    /// # Errors
    /// [`CallError`]; 404.
    pub async fn fetch(&self, newsletter: &Jid) -> Result<Newsletter, CallError> {
        self.fetch_by("JID", &newsletter.to_string()).await
    }

    /// Asks what a link leads to, `https://whatsapp.com/channel/CODE`; a bare code will do, too.
    ///
    /// # Errors
    /// [`CallError`]; 404.
    pub async fn look_behind_link(&self, link: &str) -> Result<Newsletter, CallError> {
        let code = link.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        self.fetch_by("INVITE", code).await
    }

    async fn fetch_by(&self, kind: &str, key: &str) -> Result<Newsletter, CallError> {
        let variables = json!({
            "input": { "key": key, "type": kind, "view_role": "GUEST" },
            "fetch_creation_time": true,
            "fetch_full_image": true,
            "fetch_pinned_messages": false,
            "fetch_status_metadata": false,
            "fetch_viewer_metadata": true,
            "fetch_wamo_sub": false,
        });
        let data = self.call(documents::FETCH_NEWSLETTER, variables).await?;
        read(&data, "xwa2_newsletter")
    }

    /// The channels that we follow, our own among them.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn subscribed(&self) -> Result<Vec<Newsletter>, CallError> {
        let variables = json!({ "fetch_status_metadata": false, "fetch_wamo_sub": false });
        let data = self.call(documents::FETCH_ALL_NEWSLETTERS_METADATA, variables).await?;
        let all = field(&data, "xwa2_newsletter_subscribed")?.as_array();
        Ok(all.into_iter().flatten().filter_map(Newsletter::read).collect())
    }

    /// Looks for channels by a text in their name; `after` is where the page before ended.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn search(
        &self,
        text: &str,
        limit: u32,
        after: Option<&str>,
    ) -> Result<NewsletterPage, CallError> {
        let input = json!({ "search_text": text, "limit": limit, "start_cursor": after, "categories": [] });
        let variables = json!({ "input": input, "fetch_status_metadata": false });
        let data = self.call(documents::FETCH_NEWSLETTER_DIRECTORY_SEARCH_RESULTS, variables).await?;
        read_page(field(&data, "xwa2_newsletters_directory_search")?)
    }

    /// The channels that the server recommends.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn recommended(&self, limit: u32) -> Result<NewsletterPage, CallError> {
        let variables =
            json!({ "input": { "limit": limit, "country_codes": [] }, "fetch_status_metadata": false });
        let data = self.call(documents::FETCH_RECOMMENDED_NEWSLETTERS, variables).await?;
        read_page(field(&data, "xwa2_newsletters_recommended")?)
    }

    /// Follows a channel.
    ///
    /// # Errors
    /// [`CallError`]; 404.
    pub async fn follow(&self, newsletter: &Jid) -> Result<(), CallError> {
        self.change(documents::JOIN_NEWSLETTER, newsletter).await
    }

    /// Follows a channel no more.
    ///
    /// # Errors
    /// [`CallError`]; 404 for one that we do not follow, 405 for our own.
    pub async fn unfollow(&self, newsletter: &Jid) -> Result<(), CallError> {
        self.change(documents::LEAVE_NEWSLETTER, newsletter).await
    }

    /// Wants not to be told of something any more, or wants to be again.
    ///
    /// # Errors
    /// [`CallError`]; 403 for a channel that we do not follow.
    pub async fn mute(
        &self,
        newsletter: &Jid,
        what: NewsletterMute,
        is_muted: bool,
    ) -> Result<(), CallError> {
        let value = if is_muted { "ON" } else { "OFF" };
        let input = json!({ "newsletter_id": newsletter.to_string(), "type": what.as_str(), "value": value });
        let operation = documents::UPDATE_NEWSLETTER_USER_SETTING;
        self.call(operation, json!({ "input": input })).await.map(drop)
    }

    /// Gives a channel another name.
    ///
    /// # Errors
    /// [`CallError`]; 403 for who is no admin, 406 for a name that is too long.
    pub async fn set_name(&self, newsletter: &Jid, name: &str) -> Result<(), CallError> {
        self.update(newsletter, json!({ "name": name })).await
    }

    /// Gives a channel another description.
    ///
    /// # Errors
    /// [`CallError`]; 403 for who is no admin.
    pub async fn set_description(&self, newsletter: &Jid, text: &str) -> Result<(), CallError> {
        self.update(newsletter, json!({ "description": text })).await
    }

    /// Gives a channel another picture, a square JPEG, or none.
    ///
    /// # Errors
    /// [`CallError`]; 403 for who is no admin.
    pub async fn set_picture(&self, newsletter: &Jid, jpeg: Option<&[u8]>) -> Result<(), CallError> {
        let picture = jpeg.map(|jpeg| STANDARD.encode(jpeg)).unwrap_or_default();
        self.update(newsletter, json!({ "picture": picture })).await
    }

    /// Says which reactions a channel takes.
    ///
    /// # Errors
    /// [`CallError`]; 403 for who is no admin.
    pub async fn set_reactions(&self, newsletter: &Jid, policy: ReactionPolicy) -> Result<(), CallError> {
        let reactions = json!({ "reaction_codes": { "value": policy.as_str() } });
        self.update(newsletter, json!({ "settings": reactions })).await
    }

    /// Deletes a channel. Only its owner may.
    ///
    /// # Errors
    /// [`CallError`]; 403.
    pub async fn delete(&self, newsletter: &Jid) -> Result<(), CallError> {
        self.change(documents::DELETE_NEWSLETTER, newsletter).await
    }

    async fn update(&self, newsletter: &Jid, updates: Value) -> Result<(), CallError> {
        let variables = json!({ "newsletter_id": newsletter.to_string(), "updates": updates });
        self.call(documents::UPDATE_NEWSLETTER, variables).await.map(drop)
    }

    /// Does what needs to be told the channel only.
    async fn change(&self, operation: Operation, newsletter: &Jid) -> Result<(), CallError> {
        self.call(operation, json!({ "newsletter_id": newsletter.to_string() })).await.map(drop)
    }

    async fn call(&self, operation: Operation, variables: Value) -> Result<Value, CallError> {
        self.client.mex(operation, variables).await
    }
}

/// A part of an answer that must be there.
fn field<'v>(data: &'v Value, name: &'static str) -> Result<&'v Value, CallError> {
    let part = data.get(name).filter(|part| !part.is_null());
    part.ok_or_else(|| {
        RequestError::Malformed(StanzaError::Missing { tag: "data".into(), part: name }).into()
    })
}

fn read(data: &Value, name: &'static str) -> Result<Newsletter, CallError> {
    let malformed = || RequestError::Malformed(StanzaError::Invalid { tag: "data".into(), part: name });
    Newsletter::read(field(data, name)?).ok_or_else(|| malformed().into())
}

fn read_page(page: &Value) -> Result<NewsletterPage, CallError> {
    let all = field(page, "result")?.as_array();
    let info = |name: &str| page.get("page_info").and_then(|info| info.get(name));
    let is_last = info("hasNextPage").and_then(Value::as_bool) != Some(true);
    let next = info("endCursor").and_then(Value::as_str).filter(|_| !is_last).map(str::to_owned);
    Ok(NewsletterPage { newsletters: all.into_iter().flatten().filter_map(Newsletter::read).collect(), next })
}
