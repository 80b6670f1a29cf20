//! What is sealed with the secret of another message. Protocol: messages, "messageSecret and secret-encrypted content".

use prost::Message as _;
use wa_proto::e2e;
use wa_proto::e2e::event_response_message::EventResponseType;
use wa_types::UnixMillis;

use super::{Comment, Content, Edit, Reaction};
use crate::message::poll::OptionHash;
use crate::message::read::{self, opaque_debug};
use crate::message::secret::{Part, SealedKind};
use crate::message::{Message, MessageKey};

/// Something about another message, sealed with its secret: a vote, an answer, a reaction, a comment or an edit. Here it
/// is not opened: the secret is not known, or it was sealed with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// The message; told from the side of who wrote this one.
    pub target: MessageKey,
}

/// A vote in a poll. It takes the place of the same user's earlier ones: [`Tally`](crate::message::Tally) counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollVote {
    /// The poll; told from the side of who votes.
    pub poll: MessageKey,
    /// What is chosen; nothing when the vote is taken back.
    pub selected: Vec<OptionHash>,
    /// When, by the voter's clock; set when it is sent.
    pub at: Option<UnixMillis>,
}

/// An answer to the invitation to an event. It takes the place of the same user's earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OccasionAnswer {
    /// The event; told from the side of who answers.
    pub occasion: MessageKey,
    /// Whether they come.
    pub answer: Attendance,
    /// How many they bring along.
    pub guests: u32,
    /// When, by the sender's clock; set when it is sent.
    pub at: Option<UnixMillis>,
}

/// Whether somebody comes to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attendance {
    /// They come.
    Going,
    /// They do not.
    NotGoing,
    /// They do not know yet.
    Maybe,
    /// A kind of answer that this version does not know.
    Unknown,
}

/// One more option for a poll that allows that.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollOption {
    /// The poll; told from the side of who adds it.
    pub poll: MessageKey,
    /// Its text.
    pub name: String,
}

opaque_debug!(PollOption);

impl Sealed {
    pub(super) fn read(m: &e2e::Message) -> Option<Self> {
        let key = None
            .or_else(|| m.poll_update_message.as_ref()?.poll_creation_message_key.as_ref())
            .or_else(|| m.enc_event_response_message.as_ref()?.event_creation_message_key.as_ref())
            .or_else(|| m.enc_reaction_message.as_ref()?.target_message_key.as_ref())
            .or_else(|| m.enc_comment_message.as_ref()?.target_message_key.as_ref())
            .or_else(|| m.secret_encrypted_message.as_ref()?.target_message_key.as_ref());
        Some(Self { target: read::key(key)? })
    }
}

/// What an opened part says; `None` when that is malformed.
pub(super) fn opened(m: &e2e::Message, part: &Part<'_>, plain: &[u8]) -> Option<Content> {
    let target = read::key(Some(part.target))?;
    let message = || Message::decode(plain.to_vec()).ok();
    Some(match part.kind {
        SealedKind::PollVote => {
            let vote = e2e::PollVoteMessage::decode(plain).ok()?;
            let hash = |hash: &Vec<u8>| hash.as_slice().try_into().ok().map(OptionHash);
            let at = m.poll_update_message.as_ref().and_then(|update| update.sender_timestamp_ms);
            let selected = vote.selected_options.iter().filter_map(hash).collect();
            Content::PollVote(PollVote { poll: target, selected, at: read::millis(at) })
        }
        SealedKind::EventResponse => {
            let answer = e2e::EventResponseMessage::decode(plain).ok()?;
            Content::OccasionAnswer(OccasionAnswer {
                occasion: target,
                answer: match answer.response() {
                    EventResponseType::Going => Attendance::Going,
                    EventResponseType::NotGoing => Attendance::NotGoing,
                    EventResponseType::Maybe => Attendance::Maybe,
                    EventResponseType::Unknown => Attendance::Unknown,
                },
                guests: u32::try_from(answer.extra_guest_count()).unwrap_or_default(),
                at: read::millis(answer.timestamp_ms),
            })
        }
        SealedKind::Reaction => {
            let reaction = e2e::ReactionMessage::decode(plain).ok()?;
            let (emoji, at) =
                (read::text(reaction.text.as_ref()), read::millis(reaction.sender_timestamp_ms));
            Content::Reaction(Reaction { target, emoji, at })
        }
        SealedKind::Comment => Content::Comment(Comment { target, message: message()? }),
        SealedKind::MessageEdit | SealedKind::EventEdit | SealedKind::PollEdit => {
            let message = message()?;
            // Only that it is of the message's author was checked: which message, the key outside says.
            match message.content() {
                Content::Edit(edit) => Content::Edit(Edit { target, ..edit }),
                _ => Content::Edit(Edit { target, message, at: None }),
            }
        }
        SealedKind::PollAddOption => {
            let message = message()?;
            let added = message.proto().poll_add_option_message.as_ref()?.add_option.as_ref()?;
            Content::PollOption(PollOption { poll: target, name: added.option_name().to_owned() })
        }
    })
}

impl PollVote {
    /// For these options, by their texts; for none of them the vote is taken back.
    #[must_use]
    pub fn new(poll: impl Into<MessageKey>, options: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let selected = options.into_iter().map(|option| OptionHash::of(option.as_ref())).collect();
        Self { poll: poll.into(), selected, at: None }
    }
}

impl From<PollVote> for Message {
    fn from(vote: PollVote) -> Self {
        let selected_options = vote.selected.iter().map(|hash| hash.0.to_vec()).collect();
        let plain = e2e::PollVoteMessage { selected_options }.encode_to_vec();
        Self::to_be_sealed(SealedKind::PollVote, vote.poll.to_proto(), plain)
    }
}

impl OccasionAnswer {
    /// This answer, without guests.
    #[must_use]
    pub fn new(occasion: impl Into<MessageKey>, answer: Attendance) -> Self {
        Self { occasion: occasion.into(), answer, guests: 0, at: None }
    }

    /// With so many guests.
    #[must_use]
    pub const fn guests(mut self, number: u32) -> Self {
        self.guests = number;
        self
    }
}

impl From<OccasionAnswer> for Message {
    fn from(content: OccasionAnswer) -> Self {
        let response = match content.answer {
            Attendance::Going => EventResponseType::Going,
            Attendance::NotGoing => EventResponseType::NotGoing,
            Attendance::Maybe => EventResponseType::Maybe,
            Attendance::Unknown => EventResponseType::Unknown,
        };
        let answer = e2e::EventResponseMessage {
            response: Some(response.into()),
            timestamp_ms: content.at.map(read::millis_to_wire),
            extra_guest_count: Some(i32::try_from(content.guests).unwrap_or(i32::MAX)),
        };
        Self::to_be_sealed(SealedKind::EventResponse, content.occasion.to_proto(), answer.encode_to_vec())
    }
}

impl Comment {
    /// This comment.
    #[must_use]
    pub fn new(target: impl Into<MessageKey>, message: Message) -> Self {
        Self { target: target.into(), message }
    }
}

impl From<Comment> for Message {
    fn from(comment: Comment) -> Self {
        Self::to_be_sealed(SealedKind::Comment, comment.target.to_proto(), comment.message.content_bytes())
    }
}

impl From<PollOption> for Message {
    fn from(option: PollOption) -> Self {
        let added = e2e::PollAddOptionMessage {
            poll_creation_message_key: Some(option.poll.to_proto()),
            add_option: Some(e2e::poll_creation_message::Option {
                option_name: Some(option.name),
                ..Default::default()
            }),
            ..Default::default()
        };
        let plain = e2e::Message { poll_add_option_message: Some(added.into()), ..Default::default() };
        Self::to_be_sealed(SealedKind::PollAddOption, option.poll.to_proto(), plain.encode_to_vec())
    }
}

impl Message {
    /// A vote in a poll, for these options by their texts; for none of them the vote is taken back. It is sealed when it
    /// is sent, and so are the others here: the message that it belongs to must have come or been sent on this device,
    /// or be part of the history.
    #[must_use]
    pub fn poll_vote(
        poll: impl Into<MessageKey>,
        options: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        PollVote::new(poll, options).into()
    }

    /// One more option for a poll that [allows that](super::Poll::allows_adding).
    #[must_use]
    pub fn poll_option(poll: impl Into<MessageKey>, name: impl Into<String>) -> Self {
        PollOption { poll: poll.into(), name: name.into() }.into()
    }

    /// An answer to the invitation to an event.
    #[must_use]
    pub fn occasion_answer(occasion: impl Into<MessageKey>, answer: Attendance) -> Self {
        OccasionAnswer::new(occasion, answer).into()
    }

    /// A comment on a message of an announcement group.
    #[must_use]
    pub fn comment(target: impl Into<MessageKey>, message: Self) -> Self {
        Comment { target: target.into(), message }.into()
    }

    /// New content for a message of ours, sealed: for an event and for a poll this is the only way. [`Self::edit`] is the
    /// common one for texts and captions.
    #[must_use]
    pub fn sealed_edit(target: impl Into<MessageKey>, message: Self) -> Self {
        let target = target.into();
        let (kind, plain) = match message.content() {
            Content::Occasion(_) => (SealedKind::EventEdit, message.content_bytes()),
            Content::Poll(_) => (SealedKind::PollEdit, message.content_bytes()),
            _ => (SealedKind::MessageEdit, Self::edit(target.clone(), message).content_bytes()),
        };
        Self::to_be_sealed(kind, target.to_proto(), plain)
    }
}

#[cfg(test)]
mod tests {
    use wa_types::Jid;

    use super::*;

    fn key() -> MessageKey {
        MessageKey::by(&Jid::lid("11"), &"33@g.us".parse().unwrap(), "X".into())
    }

    #[test]
    fn what_is_to_be_sealed_reads_as_what_it_says() {
        let vote = PollVote::new(key(), ["A", "B"]);
        assert_eq!(Message::from(vote.clone()).content(), Content::PollVote(vote));
        let answer = OccasionAnswer::new(key(), Attendance::Going).guests(2);
        assert_eq!(Message::from(answer.clone()).content(), Content::OccasionAnswer(answer));
        let comment = Comment { target: key(), message: Message::text("yes") };
        assert_eq!(Message::from(comment.clone()).content(), Content::Comment(comment));
        let option = PollOption { poll: key(), name: "C".into() };
        assert_eq!(Message::from(option.clone()).content(), Content::PollOption(option));
        let Content::Edit(edit) = Message::sealed_edit(key(), Message::text("new")).content() else {
            panic!()
        };
        assert_eq!((edit.target, edit.message.as_text()), (key(), Some("new")));
    }

    #[test]
    fn what_is_not_opened_is_told_sealed() {
        let mut vote = Message::poll_vote(key(), ["A"]);
        vote.opened = None;
        assert_eq!(vote.content(), Content::Sealed(Sealed { target: key() }));
        vote.set_opened(vec![0xFF]);
        assert_eq!(vote.content(), Content::Sealed(Sealed { target: key() }), "malformed inside");
    }
}
