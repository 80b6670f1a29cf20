//! What we show of ourselves. Protocol: IQ catalogue, "Own profile".

use serde_json::{Value, json};
use wa_types::Jid;

use super::account::malformed;
use super::{Client, TextStatus};
use crate::connection::RequestError;
use crate::crypto::{Random as _, SystemRandom};
use crate::driver::command::PeopleJob;
use crate::error::CallError;
use crate::stanza::iq::about::SetAbout;
use crate::stanza::iq::mex::documents;
use crate::stanza::iq::picture::{FetchPicture, PictureSize, PictureState, SetPicture};

/// Our own profile; [`Client::profile`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct Profile<'c> {
    client: &'c Client,
}

impl Client {
    /// Our own profile.
    #[must_use]
    pub const fn profile(&self) -> Profile<'_> {
        Profile { client: self }
    }
}

/// Our own user name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Username {
    /// The name; `None` when we have none.
    pub name: Option<String>,
    /// The server's word for how it stands: `ACTIVE`, `RESERVED`, …
    pub state: Option<String>,
}

/// Whether a user name is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsernameCheck {
    /// The server's word: `AVAILABLE` when it is.
    pub result: String,
    /// Others that are.
    pub suggestions: Vec<String>,
}

impl Profile<'_> {
    /// Takes another about text.
    ///
    /// # Errors
    /// [`CallError`]; refused with 406 when it is too long.
    pub async fn set_about(&self, text: &str) -> Result<(), CallError> {
        let variables = json!({ "input": { "text": text } });
        match self.client.mex(documents::UPDATE_TEXT_STATUS, variables).await {
            // Not every account has the newer way yet.
            Err(CallError::Request(RequestError::Refused(refusal)))
                if matches!(refusal.code, 400 | 404 | 405 | 500 | 501) =>
            {
                self.client.ask(SetAbout(text.to_owned())).await
            }
            answer => answer.map(drop),
        }
    }

    /// Takes another status: a text with an emoji, for some time. What is absent is taken away.
    ///
    /// # Errors
    /// [`CallError`]; refused with 406 when the text is too long.
    pub async fn set_text_status(&self, status: &TextStatus) -> Result<(), CallError> {
        let mut input = serde_json::Map::new();
        input.insert("text".to_owned(), json!(status.text.as_deref().unwrap_or_default()));
        input.extend(status.emoji.iter().map(|emoji| ("emoji".to_owned(), json!({ "content": emoji }))));
        let seconds = status.lasts_s.iter();
        input.extend(seconds.map(|seconds| ("ephemeral_duration_sec".to_owned(), json!(seconds))));
        self.client.mex(documents::UPDATE_TEXT_STATUS, json!({ "input": input })).await.map(drop)
    }

    /// Takes another name: [`Settings::set_push_name`](super::Settings::set_push_name).
    ///
    /// # Errors
    /// As there.
    pub async fn set_push_name(&self, name: &str) -> Result<(), CallError> {
        self.client.settings().set_push_name(name).await
    }

    /// Where our own picture is.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn picture(&self, size: PictureSize) -> Result<PictureState, CallError> {
        let own = self.own().await?;
        let request =
            FetchPicture { of: own, size, known: None, invite: None, common_group: None, token: None };
        match self.client.ask(request).await {
            Err(CallError::Request(RequestError::Refused(refusal))) if refusal.code == 404 => {
                Ok(PictureState::NotSet)
            }
            answer => answer,
        }
    }

    /// Takes another picture: a square JPEG, 640 by 640 usually. Returns its id.
    ///
    /// # Errors
    /// [`CallError`]; refused with 406 when the server does not like the picture.
    pub async fn set_picture(&self, jpeg: Vec<u8>) -> Result<Option<String>, CallError> {
        self.client.ask(SetPicture { of: None, jpeg: Some(jpeg) }).await
    }

    /// Removes our picture.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remove_picture(&self) -> Result<(), CallError> {
        self.client.ask(SetPicture { of: None, jpeg: None }).await.map(drop)
    }

    /// Our user name.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn username(&self) -> Result<Username, CallError> {
        let data = self.client.mex(documents::GET_USERNAME, json!({})).await?;
        let found = data.get("xwa2_username_get").ok_or_else(|| malformed("xwa2_username_get"))?;
        // The fields stand in the answer itself, or one level deeper.
        let info = found.get("username_info").unwrap_or(found);
        let text = |name: &str| info.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Username { name: text("username").filter(|name| !name.is_empty()), state: text("state") })
    }

    /// Whether a user name is to be had.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_username(&self, name: &str) -> Result<UsernameCheck, CallError> {
        let variables = json!({ "input": name, "session_id": session(), "source": "SETTINGS" });
        let data = self.client.mex(documents::USERNAME_AVAILABILITY, variables).await?;
        let found = data.get("xwa2_username_check").ok_or_else(|| malformed("xwa2_username_check"))?;
        let suggestions = found.get("suggestions").and_then(Value::as_array).into_iter().flatten();
        Ok(UsernameCheck {
            result: result_of(found, "xwa2_username_check")?,
            suggestions: suggestions.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        })
    }

    /// Takes a user name. Returns the server's word for what came of it: `SUCCESS` when it is ours.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_username(&self, name: &str) -> Result<String, CallError> {
        let variables =
            json!({ "input": name, "reserved": false, "session_id": session(), "source": "SETTINGS" });
        let data = self.client.mex(documents::SET_USERNAME, variables).await?;
        let found = data.get("xwa2_username_set").ok_or_else(|| malformed("xwa2_username_set"))?;
        result_of(found, "xwa2_username_set")
    }

    /// Sets the key that others need to find us by our user name; `None` lifts it. Returns the server's word for what came
    /// of it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_username_key(&self, key: Option<&str>) -> Result<String, CallError> {
        let data = self.client.mex(documents::SET_USERNAME_KEY, json!({ "pin": key })).await?;
        let found = data.get("xwa2_username_pin_set").ok_or_else(|| malformed("xwa2_username_pin_set"))?;
        result_of(found, "xwa2_username_pin_set")
    }

    async fn own(&self) -> Result<Jid, CallError> {
        let users = Vec::new();
        let addresses = self.client.people(|reply| PeopleJob::Addresses { users, reply }).await?;
        Ok(addresses.own.to_user())
    }
}

fn result_of(found: &Value, part: &'static str) -> Result<String, CallError> {
    let result = found.get("result").and_then(Value::as_str).map(str::to_owned);
    result.ok_or_else(|| malformed(part))
}

/// A number for one visit to the settings.
fn session() -> String {
    let bytes: [u8; 16] = SystemRandom.array();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
