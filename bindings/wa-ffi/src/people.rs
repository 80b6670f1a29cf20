//! Other people, and what our own account shows of itself.

use std::time::SystemTime;

use wa_core::client::{Contact as CoreContact, PictureQuery, PictureState};
use wa_core::event::Typing;
use wa_core::types::PhoneNumber;

use crate::client::Client;
use crate::error::WaError;
use crate::event::{Call, TypingState};
use crate::types;

/// Whether a phone number has an account.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NumberStatus {
    /// The number: digits with the country code.
    pub number: String,
    /// Whether it has one; nothing when the service did not say.
    pub is_registered: Option<bool>,
    /// The account's address.
    pub address: Option<String>,
    /// Its LID, where the service told it.
    pub lid: Option<String>,
    /// Whether it is a verified business.
    pub is_business: bool,
}

/// What a user shows of itself. What is hidden, or was not told, is missing.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct UserInfo {
    /// The user.
    pub address: String,
    /// The LID, where it is known.
    pub lid: Option<String>,
    /// The about text.
    pub about: Option<String>,
    /// The id of the picture.
    pub picture_id: Option<String>,
    /// The verified name of a business.
    pub business_name: Option<String>,
    /// The user name.
    pub username: Option<String>,
}

/// An entry of the account's address book, which all its devices share.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Contact {
    /// The address that the entry has.
    pub address: String,
    /// The LID beside a phone number.
    #[uniffi(default = None)]
    pub lid: Option<String>,
    /// The whole name.
    pub full_name: Option<String>,
    /// The first name.
    #[uniffi(default = None)]
    pub first_name: Option<String>,
    /// The user's name of the service.
    #[uniffi(default = None)]
    pub username: Option<String>,
    /// Whether the phone's own address book has it, too, or is to have it.
    #[uniffi(default = false)]
    pub is_on_phone: bool,
}

impl Contact {
    fn of(contact: CoreContact) -> Self {
        Self {
            address: contact.jid.to_string(),
            lid: types::text(contact.lid.as_ref()),
            full_name: contact.full_name,
            first_name: contact.first_name,
            username: contact.username,
            is_on_phone: contact.is_on_phone,
        }
    }
}

impl TypingState {
    pub(crate) fn to_core(self) -> Result<Typing, WaError> {
        Ok(match self {
            Self::Composing => Typing::Composing,
            Self::Recording => Typing::Recording,
            Self::Paused => Typing::Paused,
            Self::Unknown => return Err(WaError::invalid("invalid_typing", "say what is to be shown")),
        })
    }
}

#[uniffi::export]
impl Client {
    /// Our own addresses: by phone number, and by LID where it is known.
    pub async fn own_addresses(&self) -> Result<Vec<String>, WaError> {
        let (number, lid) = self.call(|core| async move { core.own_addresses().await }).await?;
        Ok([Some(number), lid].into_iter().flatten().map(|jid| jid.to_string()).collect())
    }

    /// Shows whether we are there. Others see us as online only after it was said.
    pub async fn set_available(&self, is_available: bool) -> Result<(), WaError> {
        self.call(|core| async move { core.set_available(is_available).await }).await
    }

    /// Shows in a chat that we write or record, or stopped. It lapses after 25 seconds.
    pub async fn set_typing(&self, chat: String, state: TypingState) -> Result<(), WaError> {
        let (chat, state) = (types::jid(&chat)?, state.to_core()?);
        self.call(|core| async move { core.presence().typing(&chat, state).await }).await
    }

    /// Asks to be told whether a user is there: the event `Presence`, until `unwatch_presence`: it is
    /// asked anew at each connection.
    pub async fn watch_presence(&self, user: String) -> Result<(), WaError> {
        let user = types::jid(&user)?;
        self.call(|core| async move { core.presence().subscribe(&user).await }).await
    }

    /// Ends that.
    pub async fn unwatch_presence(&self, user: String) -> Result<(), WaError> {
        let user = types::jid(&user)?;
        self.call(|core| async move { core.presence().unsubscribe(&user).await }).await
    }

    /// Which of these phone numbers have an account: digits with the country code.
    pub async fn check_numbers(&self, numbers: Vec<String>) -> Result<Vec<NumberStatus>, WaError> {
        let numbers: Vec<PhoneNumber> =
            numbers.iter().map(|number| types::phone_number(number)).collect::<Result<_, _>>()?;
        let answers = self.call(|core| async move { core.users().lookup(&numbers).await }).await?;
        let of = |answer: wa_core::client::NumberLookup| {
            let is_registered = answer.result.as_ref().ok().map(Option::is_some);
            let found = answer.result.ok().flatten();
            NumberStatus {
                number: answer.number.as_str().to_owned(),
                is_registered,
                address: found.as_ref().map(|found| found.user.to_string()),
                lid: types::text(found.as_ref().and_then(|found| found.lid.as_ref())),
                is_business: found.is_some_and(|found| found.business.is_some()),
            }
        };
        Ok(answers.into_iter().map(of).collect())
    }

    /// What these users show of themselves. Users that the service does not tell of are missing.
    pub async fn user_info(&self, users: Vec<String>) -> Result<Vec<UserInfo>, WaError> {
        let users = types::jids(&users)?;
        let answers = self.call(|core| async move { core.users().info(&users).await }).await?;
        let of = |answer: wa_core::client::UserAnswer| {
            let info = answer.result.ok()?;
            Some(UserInfo {
                address: info.user.to_string(),
                lid: types::text(info.lid.as_ref()),
                about: info.about.ok().flatten().map(|about| about.text),
                picture_id: info.picture_id.ok().flatten(),
                business_name: info.business.ok().flatten().map(|business| business.name),
                username: info.username.ok().flatten(),
            })
        };
        Ok(answers.into_iter().filter_map(of).collect())
    }

    /// The picture of a user or a group, of at most `limit` bytes; nothing when there is none.
    pub async fn picture(&self, address: String, limit: u64) -> Result<Option<Vec<u8>>, WaError> {
        let of = types::jid(&address)?;
        let core = self.core()?;
        crate::runtime::run(async move {
            match core.users().picture(&of, PictureQuery::default()).await? {
                PictureState::Set(picture) => Ok(Some(core.media().download_picture(&picture, limit).await?)),
                _ => Ok(None),
            }
        })
        .await
    }

    /// Sets our about text.
    pub async fn set_about(&self, text: String) -> Result<(), WaError> {
        self.call(|core| async move { core.profile().set_about(&text).await }).await
    }

    /// Sets what our account calls itself to others.
    pub async fn set_push_name(&self, name: String) -> Result<(), WaError> {
        self.call(|core| async move { core.profile().set_push_name(&name).await }).await
    }

    /// Sets our picture, a JPEG; removes it without one.
    #[uniffi::method(default(jpeg = None))]
    pub async fn set_picture(&self, jpeg: Option<Vec<u8>>) -> Result<(), WaError> {
        self.call(|core| async move {
            match jpeg {
                Some(jpeg) => core.profile().set_picture(jpeg).await.map(drop),
                None => core.profile().remove_picture().await,
            }
        })
        .await
    }

    /// All contacts.
    pub async fn contacts(&self) -> Result<Vec<Contact>, WaError> {
        let contacts = self.call(|core| async move { core.contacts().all().await }).await?;
        Ok(contacts.into_iter().map(Contact::of).collect())
    }

    /// The contact of this address.
    pub async fn contact(&self, address: String) -> Result<Option<Contact>, WaError> {
        let address = types::jid(&address)?;
        let found = self.call(|core| async move { core.contacts().find(&address).await }).await?;
        Ok(found.map(Contact::of))
    }

    /// Makes or changes a contact, on all devices of the account.
    pub async fn put_contact(&self, contact: Contact) -> Result<(), WaError> {
        let name = contact.full_name.unwrap_or_default();
        let mut made = CoreContact::new(&types::jid(&contact.address)?, name);
        made.first_name = contact.first_name;
        made.username = contact.username;
        made.is_on_phone = contact.is_on_phone;
        made.lid = contact.lid.as_deref().map(types::jid).transpose()?;
        self.call(|core| async move { core.contacts().put(&made).await }).await
    }

    /// Removes a contact, on all devices of the account.
    pub async fn remove_contact(&self, address: String) -> Result<(), WaError> {
        let address = types::jid(&address)?;
        self.call(|core| async move { core.contacts().remove(&address).await }).await
    }

    /// Who is blocked.
    pub async fn blocked(&self) -> Result<Vec<String>, WaError> {
        let list = self.call(|core| async move { core.blocklist().list().await }).await?;
        Ok(list.users.iter().map(|blocked| blocked.user.to_string()).collect())
    }

    /// Blocks a user.
    pub async fn block(&self, user: String) -> Result<(), WaError> {
        let user = types::jid(&user)?;
        self.call(|core| async move { core.blocklist().block(&user).await }).await
    }

    /// Unblocks a user.
    pub async fn unblock(&self, user: String) -> Result<(), WaError> {
        let user = types::jid(&user)?;
        self.call(|core| async move { core.blocklist().unblock(&user).await }).await
    }

    /// Rejects a call.
    pub async fn reject_call(&self, call: std::sync::Arc<Call>) -> Result<(), WaError> {
        self.call(|core| async move { core.calls().reject(&call.0).await }).await
    }

    /// The time by the service's clock, once it told it.
    pub fn server_time(&self) -> Option<SystemTime> {
        self.core().ok()?.server_time().map(types::time)
    }
}
