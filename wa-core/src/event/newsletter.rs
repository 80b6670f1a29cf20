//! What happens in channels beside posts, which come as [`Event::Message`](super::Event::Message).

use wa_types::{Jid, MessageId, UnixSeconds};

use crate::message::Message;
use crate::stanza::newsletter::PostStanza;
pub use crate::stanza::newsletter::metadata::{
    Newsletter, NewsletterPicture, NewsletterRole, NewsletterState, ReactionPolicy,
};
use crate::stanza::notification::newsletters::NewsletterChange;

/// Something that happened to a channel. Told once.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NewsletterEvent {
    /// Reactions to posts, and views of them; only while [`crate::client::Newsletters::subscribe`] lasts.
    Posts {
        /// The channel.
        newsletter: Jid,
        /// The posts, with their counts and mostly without what they say.
        posts: Vec<NewsletterPost>,
    },
    /// Our account follows it now.
    Joined(Box<Newsletter>),
    /// Our account does not follow it any more.
    Left {
        /// The channel.
        newsletter: Jid,
    },
    /// Our account wants to be told of other things in it.
    Muted(Box<Newsletter>),
    /// Something else about it changed: [`crate::client::Newsletters::fetch`] says what it is now.
    Changed {
        /// The channel, where the server says which.
        newsletter: Option<Jid>,
        /// The server's word for what, such as `NotificationNewsletterUpdate`.
        operation: String,
    },
}

/// A post of a channel, and what became of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NewsletterPost {
    /// Its number in the channel.
    pub number: u64,
    /// Its message id, where it is told.
    pub id: Option<MessageId>,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// Our own account posted it.
    pub from_me: bool,
    /// What it says; none where that is not told, or the post was deleted.
    pub message: Option<Message>,
    /// How often each emoji was chosen.
    pub reactions: Vec<(String, u64)>,
    /// How many saw it.
    pub views: Option<u64>,
    /// How often it was forwarded.
    pub forwards: Option<u64>,
    /// How many answers it has.
    pub responses: Option<u64>,
    /// How often each option of a poll was chosen, by the option's hash.
    pub votes: Vec<(Vec<u8>, u64)>,
    /// When it was edited last.
    pub edited: Option<UnixSeconds>,
}

impl From<PostStanza> for NewsletterPost {
    fn from(post: PostStanza) -> Self {
        let bytes = post.plaintext.filter(|bytes| !bytes.is_empty());
        Self {
            number: post.number,
            id: post.id,
            timestamp: post.timestamp,
            from_me: post.from_me,
            message: bytes.and_then(|bytes| Message::from_encoded(bytes).ok()),
            reactions: post.reactions,
            views: post.views,
            forwards: post.forwards,
            responses: post.responses,
            votes: post.votes,
            edited: post.edited,
        }
    }
}

impl From<NewsletterChange> for NewsletterEvent {
    fn from(change: NewsletterChange) -> Self {
        match change {
            NewsletterChange::Posts { newsletter, posts } => {
                Self::Posts { newsletter, posts: posts.into_iter().map(NewsletterPost::from).collect() }
            }
            NewsletterChange::Joined(joined) => Self::Joined(joined),
            NewsletterChange::Left { newsletter } => Self::Left { newsletter },
            NewsletterChange::Muted(muted) => Self::Muted(muted),
            NewsletterChange::Changed { newsletter, operation } => Self::Changed { newsletter, operation },
        }
    }
}
