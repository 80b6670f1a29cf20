//! Polls and their results.

use wa_proto::e2e;
use wa_proto::e2e::PollType;
use wa_proto::e2e::poll_creation_message::Option as WireOption;
use wa_types::UnixSeconds;

use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// A poll: votes come as messages of their own.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The answers to choose from, 2 to 12.
    pub options: Vec<String>,
    /// How many of them may be chosen; 0 for any number.
    pub selectable: u32,
    /// The right answer of a quiz.
    pub answer: Option<String>,
    /// It is a quiz.
    pub is_quiz: bool,
    /// Until when votes count.
    pub ends: Option<UnixSeconds>,
    /// Members see how many voted, and not who.
    pub hides_voters: bool,
    /// Others may add options.
    pub allows_adding: bool,
}

/// What came of a poll, told by somebody.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollResult {
    /// The question.
    pub question: String,
    /// The answers, each with the number of its votes.
    pub votes: Vec<(String, u64)>,
}

opaque_debug!(Poll, PollResult);

impl Poll {
    /// A poll of which one answer may be chosen.
    #[must_use]
    pub fn new(question: impl Into<String>, options: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            question: question.into(),
            options: options.into_iter().map(Into::into).collect(),
            selectable: 1,
            ..Self::default()
        }
    }

    /// How many answers may be chosen; 0 for any number.
    #[must_use]
    pub const fn selectable(mut self, number: u32) -> Self {
        self.selectable = number;
        self
    }

    /// As a quiz with this right answer, one of the options. Only channels have quizzes.
    #[must_use]
    pub fn quiz(mut self, answer: impl Into<String>) -> Self {
        self.answer = Some(answer.into());
        self.is_quiz = true;
        self.selectable = 1;
        self
    }

    pub(super) fn read(poll: &e2e::PollCreationMessage) -> Self {
        let name = |option: &WireOption| option.option_name.clone().unwrap_or_default();
        Self {
            question: poll.name.clone().unwrap_or_default(),
            options: poll.options.iter().map(name).collect(),
            selectable: poll.selectable_options_count(),
            answer: poll.correct_answer.as_ref().map(name),
            is_quiz: poll.poll_type() == PollType::Quiz,
            ends: read::seconds(poll.end_time),
            hides_voters: poll.hide_participant_name(),
            allows_adding: poll.allow_add_option(),
        }
    }
}

impl From<Poll> for Message {
    fn from(content: Poll) -> Self {
        let option = |name: String| WireOption { option_name: Some(name), ..Default::default() };
        let poll = Some(Box::new(e2e::PollCreationMessage {
            name: Some(content.question),
            options: content.options.into_iter().map(option).collect(),
            selectable_options_count: Some(content.selectable),
            poll_type: content.is_quiz.then_some(PollType::Quiz as i32),
            correct_answer: content.answer.map(option),
            end_time: content.ends.map(read::seconds_to_wire),
            hide_participant_name: content.hides_voters.then_some(true),
            allow_add_option: content.allows_adding.then_some(true),
            ..Default::default()
        }));
        Self::from_proto(if content.is_quiz {
            e2e::Message { poll_creation_message_v5: poll, ..Default::default() }
        } else if content.selectable == 1 {
            e2e::Message { poll_creation_message_v3: poll, ..Default::default() }
        } else {
            e2e::Message { poll_creation_message: poll, ..Default::default() }
        })
    }
}

impl PollResult {
    pub(super) fn read(result: &e2e::PollResultSnapshotMessage) -> Self {
        let votes = result.poll_votes.iter().map(|vote| {
            let count = u64::try_from(vote.option_vote_count()).unwrap_or_default();
            (vote.option_name.clone().unwrap_or_default(), count)
        });
        Self { question: result.name.clone().unwrap_or_default(), votes: votes.collect() }
    }
}
