//! What a channel is, as GraphQL answers and notifications tell it. Protocol: IQ catalogue, "Mex".

use serde_json::Value;
use wa_types::{Jid, UnixSeconds};

use crate::stanza::iq::mex::number;

/// A channel, as the server described it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Newsletter {
    /// Its address.
    pub jid: Jid,
    /// Whether it can be read and written.
    pub state: NewsletterState,
    /// Its name.
    pub name: String,
    /// What it says about itself.
    pub description: String,
    /// The name that it can be found by.
    pub handle: Option<String>,
    /// The code of its link, `https://whatsapp.com/channel/CODE`.
    pub invite: Option<String>,
    /// Its picture.
    pub picture: Option<NewsletterPicture>,
    /// Its picture, small.
    pub preview: Option<NewsletterPicture>,
    /// How many follow it.
    pub subscribers: Option<u64>,
    /// The server says that it is whose name it has.
    pub is_verified: bool,
    /// When it was made.
    pub created: Option<UnixSeconds>,
    /// Which reactions it takes.
    pub reactions: Option<ReactionPolicy>,
    /// What we are to it, where the server says so.
    pub role: Option<NewsletterRole>,
    /// We are not told of its posts.
    pub mutes_posts: bool,
    /// As an admin, we are not told of followers.
    pub mutes_followers: bool,
}

/// Whether a channel can be read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewsletterState {
    /// It can.
    Active,
    /// The server suspended it.
    Suspended,
    /// The server suspended it in this country.
    GeoSuspended,
    /// It was deleted.
    Deleted,
    /// There is none.
    NonExisting,
    /// A word that this version does not know.
    Unknown(String),
}

/// What an account is to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewsletterRole {
    /// Nothing.
    Guest,
    /// It follows.
    Subscriber,
    /// It posts.
    Admin,
    /// It posts, and says who else does.
    Owner,
    /// A word that this version does not know.
    Unknown(String),
}

/// Which reactions a channel takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReactionPolicy {
    /// Any.
    All,
    /// A few.
    Basic,
    /// None.
    None,
    /// Any but some.
    Blocklist,
}

impl ReactionPolicy {
    /// The server's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Basic => "BASIC",
            Self::None => "NONE",
            Self::Blocklist => "BLOCKLIST",
        }
    }

    fn read(word: &str) -> Option<Self> {
        [Self::All, Self::Basic, Self::None, Self::Blocklist]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }
}

/// A picture of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewsletterPicture {
    /// Its id: another picture has another one.
    pub id: String,
    /// Where on the media hosts it is; it is not encrypted.
    pub direct_path: String,
}

impl Newsletter {
    /// Reads the object of an answer or a notification. `None` when it has no channel's address.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let text = |place: &str| value.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let picture = |place: &str| {
            let picture = value.pointer(place)?;
            let field = |name: &str| picture.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            picture
                .is_object()
                .then(|| NewsletterPicture { id: field("id"), direct_path: field("direct_path") })
        };
        let mutes = |kind: &str| {
            let settings = value.pointer("/viewer_metadata/settings").and_then(Value::as_array);
            let word =
                |setting: &Value, name: &str| setting.get(name).and_then(Value::as_str).map(str::to_owned);
            settings.into_iter().flatten().any(|setting| {
                word(setting, "type").as_deref() == Some(kind)
                    && word(setting, "value").as_deref() == Some("ON")
            })
        };
        let count = |place: &str| value.pointer(place).and_then(number);
        Some(Self {
            jid: jid(value)?,
            state: NewsletterState::read(value),
            name: text("/thread_metadata/name/text").unwrap_or_default(),
            description: text("/thread_metadata/description/text").unwrap_or_default(),
            handle: text("/thread_metadata/handle"),
            invite: text("/thread_metadata/invite"),
            picture: picture("/thread_metadata/picture"),
            preview: picture("/thread_metadata/preview"),
            subscribers: count("/thread_metadata/subscribers_count"),
            is_verified: text("/thread_metadata/verification").as_deref() == Some("VERIFIED"),
            created: count("/thread_metadata/creation_time").map(UnixSeconds),
            reactions: text("/thread_metadata/settings/reaction_codes/value")
                .and_then(|word| ReactionPolicy::read(&word)),
            role: text("/viewer_metadata/role").map(NewsletterRole::read),
            mutes_posts: mutes("MUTE_ADMIN_ACTIVITY"),
            mutes_followers: mutes("MUTE_FOLLOWER_ACTIVITY"),
        })
    }
}

impl NewsletterState {
    fn read(value: &Value) -> Self {
        match value.pointer("/state/type").and_then(Value::as_str) {
            None | Some("ACTIVE") => Self::Active,
            Some("SUSPENDED") => Self::Suspended,
            Some("GEOSUSPENDED") => Self::GeoSuspended,
            Some("DELETED") => Self::Deleted,
            Some("NON_EXISTING") => Self::NonExisting,
            Some(other) => Self::Unknown(other.to_owned()),
        }
    }
}

impl NewsletterRole {
    /// Reads the server's word.
    #[must_use]
    pub fn read(word: String) -> Self {
        match word.as_str() {
            "GUEST" => Self::Guest,
            "SUBSCRIBER" => Self::Subscriber,
            "ADMIN" => Self::Admin,
            "OWNER" => Self::Owner,
            _ => Self::Unknown(word),
        }
    }
}

/// The channel that an object is about.
pub(in crate::stanza) fn jid(value: &Value) -> Option<Jid> {
    value.get("id")?.as_str()?.parse::<Jid>().ok().filter(Jid::is_newsletter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_channel_is_read_whatever_is_missing() {
        let bare = Newsletter::read(&json!({ "id": "123@newsletter" })).expect("a channel");
        assert_eq!((bare.state, bare.name.as_str(), bare.role), (NewsletterState::Active, "", None));
        assert!(Newsletter::read(&json!({ "id": "123@g.us" })).is_none());
        assert!(Newsletter::read(&json!({})).is_none() && Newsletter::read(&Value::Null).is_none());
        let full = Newsletter::read(&json!({
            "id": "123@newsletter",
            "state": { "type": "SUSPENDED" },
            "thread_metadata": {
                "creation_time": "1760000000",
                "name": { "text": "News" }, "description": { "text": "of today" },
                "handle": null, "invite": "AbC", "picture": null,
                "preview": { "id": "7", "direct_path": "/v/7" },
                "subscribers_count": 12, "verification": "VERIFIED",
                "settings": { "reaction_codes": { "value": "BASIC" } },
            },
            "viewer_metadata": {
                "role": "ADMIN",
                "settings": [{ "type": "MUTE_ADMIN_ACTIVITY", "value": "ON" }, { "type": 1 }],
            },
        }));
        let full = full.expect("a channel");
        assert_eq!((full.state, full.name.as_str()), (NewsletterState::Suspended, "News"));
        assert_eq!((full.created, full.subscribers), (Some(UnixSeconds(1_760_000_000)), Some(12)));
        assert_eq!((full.handle, full.invite.as_deref(), full.picture), (None, Some("AbC"), None));
        assert_eq!(full.preview.map(|preview| preview.direct_path).as_deref(), Some("/v/7"));
        assert_eq!((full.reactions, full.role), (Some(ReactionPolicy::Basic), Some(NewsletterRole::Admin)));
        assert!(full.is_verified && full.mutes_posts && !full.mutes_followers);
    }
}
