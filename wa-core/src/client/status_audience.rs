//! Who sees status posts.

use super::Client;
use crate::connection::RequestError;
use crate::error::CallError;
use crate::stanza::iq::status_audience::FetchStatusAudience;
pub use crate::stanza::iq::status_audience::{AudienceKind, AudienceList};

impl Client {
    /// Who sees the account's status posts: the list that counts, of those that the server keeps. An account that never
    /// chose shows them to its contacts. It is changed as a setting that all devices share.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn status_audience(&self) -> Result<AudienceList, CallError> {
        let contacts = AudienceList { kind: AudienceKind::Contacts, is_default: true, users: Vec::new() };
        match self.ask(FetchStatusAudience).await {
            Ok(lists) => Ok(lists.into_iter().find(|list| list.is_default).unwrap_or(contacts)),
            Err(CallError::Request(RequestError::Refused(refusal))) if refusal.code == 404 => Ok(contacts),
            Err(error) => Err(error),
        }
    }
}
