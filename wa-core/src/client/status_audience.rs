//! Who sees status posts.

use std::sync::Arc;

use wa_types::Jid;

use super::Client;
use crate::connection::RequestError;
use crate::driver::delivery::{self, Delivery, Setting};
use crate::error::{CallError, SendError};
use crate::message::{Content, Message};
use crate::stanza::iq::status_audience::FetchStatusAudience;
pub use crate::stanza::iq::status_audience::{AudienceKind, AudienceList};

/// Who is to get a status post, or a message to a broadcast list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Audience {
    /// All contacts of the account's [address book](Client::contacts).
    Contacts,
    /// All contacts but these.
    Except(Vec<Jid>),
    /// These users only.
    Only(Vec<Jid>),
}

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

    /// How a message to the status feed or to a list goes. What only the account's task can say is left to it.
    pub(super) async fn delivery_to(
        &self,
        chat: &Jid,
        message: &Message,
        audience: Option<Audience>,
    ) -> Result<Delivery, SendError> {
        let content = message.content();
        let audience = match audience {
            Some(audience) => audience,
            None if !chat.is_status() || matches!(content, Content::Revoke(_) | Content::Reaction(_)) => {
                return Ok(Delivery::Plain);
            }
            None => {
                let AudienceList { kind, users, .. } = self.status_audience().await.map_err(of_call)?;
                match kind {
                    AudienceKind::Contacts => Audience::Contacts,
                    AudienceKind::Only => Audience::Only(users),
                    AudienceKind::Except => Audience::Except(users),
                    AudienceKind::Unknown(_) => return Err(SendError::NoAudience(chat.clone())),
                }
            }
        };
        let setting = match &audience {
            Audience::Contacts => Setting::Contacts,
            Audience::Except(_) => Setting::Except,
            Audience::Only(_) => Setting::Only,
        };
        let (users, except) = match audience {
            Audience::Only(users) => (users, Vec::new()),
            Audience::Contacts => (self.all_contacts().await?, Vec::new()),
            Audience::Except(users) => (self.all_contacts().await?, users),
        };
        let setting = Some(setting).filter(|_| chat.is_status() && !matches!(content, Content::Revoke(_)));
        let audience = delivery::Audience { setting, users: chats(&users), except: chats(&except) };
        Ok(Delivery::Audience(Arc::new(audience)))
    }

    async fn all_contacts(&self) -> Result<Vec<Jid>, SendError> {
        let contacts = self.contacts().all().await.map_err(of_call)?;
        Ok(contacts.into_iter().map(|contact| contact.jid).collect())
    }
}

fn chats(users: &[Jid]) -> Vec<Jid> {
    users.iter().filter(|user| user.is_user()).map(Jid::to_chat).collect()
}

fn of_call(error: CallError) -> SendError {
    match error {
        CallError::Store(error) => SendError::Store(error),
        CallError::Shutdown => SendError::Shutdown,
        _ => SendError::Lookup,
    }
}
