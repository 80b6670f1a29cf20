//! Channels: what is posted in one, and what one is. Protocol: IQ catalogue, "Channels".

pub mod metadata;

use wa_types::{Jid, MessageId, UnixSeconds};

use super::{Reader, StanzaError};

/// A post, or what became of one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostStanza {
    /// Its number in the channel.
    pub number: u64,
    /// Its message id, where it is told.
    pub id: Option<MessageId>,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// Our own account posted it.
    pub from_me: bool,
    /// The message's protobuf, where it is told; empty once the post was deleted.
    pub plaintext: Option<Vec<u8>>,
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

impl PostStanza {
    /// Reads a `<message>` of an answer or a notification.
    ///
    /// # Errors
    /// [`StanzaError`] when its number is missing.
    pub fn read(message: Reader<'_>) -> Result<Self, StanzaError> {
        let count = |tag| message.child_opt(tag).and_then(|child| child.number_opt("count").ok().flatten());
        let list =
            |tag| message.child_opt(tag).into_iter().flat_map(|list| list.children()).take(COUNTS_LIMIT);
        let counted = |child: &Reader<'_>| child.number_opt("count").ok().flatten().unwrap_or(0);
        let reactions = list("reactions");
        let edited = message.child_opt("meta").and_then(|meta| meta.number_opt::<u64>("msg_edit_t").ok()?);
        Ok(Self {
            number: message.number("server_id")?,
            id: message.text_opt("id").map(MessageId::new),
            timestamp: message.time_opt("t").unwrap_or_default(),
            from_me: message.attr_is("is_sender", "true"),
            plaintext: message.child_opt("plaintext").map(|plain| plain.content().into_owned()),
            reactions: reactions
                .filter_map(|one| Some((one.text_opt("code")?.into_owned(), counted(&one))))
                .collect(),
            views: count("views_count"),
            forwards: count("forwards_count"),
            responses: count("responses_count"),
            votes: list("votes").map(|vote| (vote.content().into_owned(), counted(&vote))).collect(),
            edited: edited.map(seconds),
        })
    }

    /// Reads the posts of a `<messages>`; one that cannot be read is left out.
    #[must_use]
    pub fn read_all(messages: Reader<'_>) -> Vec<Self> {
        messages.children_of("message").filter_map(|message| Self::read(message).ok()).collect()
    }
}

impl std::fmt::Debug for PostStanza {
    /// The text by its length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostStanza")
            .field("number", &self.number)
            .field("id", &self.id)
            .field("bytes", &self.plaintext.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// A time that the server counts in seconds here and in milliseconds there.
fn seconds(time: u64) -> UnixSeconds {
    UnixSeconds(if time > LAST_SECOND { time / 1000 } else { time })
}

/// The channel that a node is about.
pub(super) fn channel(node: Reader<'_>, name: &'static str) -> Result<Jid, StanzaError> {
    let jid = node.jid(name)?;
    if jid.is_newsletter() { Ok(jid) } else { Err(node.invalid(name)) }
}

/// A time above it is in milliseconds: it is far in the future in seconds.
const LAST_SECOND: u64 = 100_000_000_000;
/// How many reactions, or options, of one post we look at.
const COUNTS_LIMIT: usize = 1024;
