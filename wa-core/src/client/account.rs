//! The account itself: what it may do.

use serde_json::json;

use super::Client;
use crate::connection::RequestError;
use crate::error::CallError;
use crate::stanza::StanzaError;
use crate::stanza::iq::mex::documents;
pub use crate::stanza::iq::mex::limits::{NewChatQuota, ReachoutTimelock};

/// The account as a whole; [`Client::account`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct AccountHandle<'c> {
    client: &'c Client,
}

impl Client {
    /// The account as a whole: its limits and devices.
    #[must_use]
    pub const fn account(&self) -> AccountHandle<'_> {
        AccountHandle { client: self }
    }
}

impl AccountHandle<'_> {
    /// Whether the account may write to people who never wrote to it, as the server sees it now.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn reachout_timelock(&self) -> Result<ReachoutTimelock, CallError> {
        let data = self.client.mex(documents::FETCH_REACHOUT_TIMELOCK, json!({})).await?;
        let found = data.get("xwa2_fetch_account_reachout_timelock").and_then(ReachoutTimelock::read);
        found.ok_or_else(|| malformed("xwa2_fetch_account_reachout_timelock"))
    }

    /// How many chats the account may still begin, as the server sees it now.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn new_chat_quota(&self) -> Result<NewChatQuota, CallError> {
        let operation = documents::FETCH_NEW_CHAT_MESSAGE_CAPPING_INFO;
        let data = self.client.mex(operation, NewChatQuota::variables()).await?;
        let found = data.get("xwa2_message_capping_info").and_then(NewChatQuota::read);
        found.ok_or_else(|| malformed("xwa2_message_capping_info"))
    }
}

/// A GraphQL answer without what was asked for.
pub(super) fn malformed(part: &'static str) -> CallError {
    RequestError::Malformed(StanzaError::Missing { tag: "data".into(), part }).into()
}
