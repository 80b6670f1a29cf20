//! The account itself: what it may do, and the e-mail address behind it.

use serde_json::json;

use super::Client;
use crate::connection::RequestError;
use crate::error::CallError;
use crate::stanza::StanzaError;
pub use crate::stanza::iq::email::Email;
use crate::stanza::iq::email::{ChangeEmail, FetchEmail};
use crate::stanza::iq::mex::documents;
pub use crate::stanza::iq::mex::limits::{NewChatQuota, ReachoutTimelock};
use crate::stanza::iq::tos::{AcceptNotice, FetchNotices};

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

    /// Which of these terms of the service, by number, the user accepted. What the server does not know is left out.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn notices(&self, ids: &[&str]) -> Result<Vec<(String, bool)>, CallError> {
        self.client.ask(FetchNotices(ids.iter().map(|&id| id.to_owned()).collect())).await
    }

    /// Accepts terms of the service, as the user wants: a step of them.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn accept_notice(&self, id: &str, stage: u32) -> Result<(), CallError> {
        self.client.ask(AcceptNotice { id: id.to_owned(), stage }).await
    }

    /// The e-mail address with which the account is recovered; `None` when it has none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn email(&self) -> Result<Option<Email>, CallError> {
        self.client.ask(FetchEmail).await
    }

    /// Takes another e-mail address; it counts once it is [verified](Self::verify_email).
    ///
    /// # Errors
    /// [`CallError`]; refused with 403 when the server does not take it.
    pub async fn set_email(&self, address: &str) -> Result<(), CallError> {
        self.client.ask(ChangeEmail::Set(address.to_owned())).await
    }

    /// Has a code sent to the e-mail address, in a mail of this language (`en`) and country (`US`).
    ///
    /// # Errors
    /// [`CallError`]; refused with 534 or 537 after too many.
    pub async fn send_email_code(&self, language: &str, country: &str) -> Result<(), CallError> {
        self.client.ask(ChangeEmail::SendCode(language.to_owned(), country.to_owned())).await
    }

    /// Proves the e-mail address with the code that was sent there.
    ///
    /// # Errors
    /// [`CallError`]; refused with 535 when the code is too old, 536 when it is another one, 534 or 537 after too many.
    pub async fn verify_email(&self, code: &str) -> Result<(), CallError> {
        self.client.ask(ChangeEmail::Verify(code.to_owned())).await
    }

    /// Says that the e-mail address is still right, when the service asks.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn confirm_email(&self) -> Result<(), CallError> {
        self.client.ask(ChangeEmail::Confirm).await
    }
}

/// A GraphQL answer without what was asked for.
pub(super) fn malformed(part: &'static str) -> CallError {
    RequestError::Malformed(StanzaError::Missing { tag: "data".into(), part }).into()
}
