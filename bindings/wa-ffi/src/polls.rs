//! What came of a poll.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use wa_core::message::{Content, OptionHash, Tally};
use wa_types::UnixMillis;

use crate::error::WaError;
use crate::event::MessageReceived;
use crate::inbound::InboundMessage;
use crate::message::{Message, MessageKey};
use crate::types;

/// An option of a poll, and who chose it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OptionVotes {
    /// The option.
    pub name: String,
    /// Who chose it, first come first: by LID where the vote told it.
    pub voters: Vec<String>,
}

/// The standing of a poll: made of the poll, and given the messages of its chat as they come, in any order. Of each voter
/// the last vote counts, and an empty one takes the votes back.
#[derive(Debug, uniffi::Object)]
pub struct PollTally(Mutex<Tally>);

impl PollTally {
    fn with<T>(&self, look: impl FnOnce(&mut Tally) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(
        &self,
        message: &Message,
        voter: &str,
        alt: Option<&str>,
        at: SystemTime,
    ) -> Result<bool, WaError> {
        let (voter, alt) = (types::jid(voter)?, alt.map(types::jid).transpose()?);
        Ok(self.with(|tally| match message.0.content() {
            Content::PollVote(vote) if vote.poll.id == *tally.id() => {
                let at = vote.at.unwrap_or_else(|| UnixMillis::from_system_time(at));
                tally.cast(&voter, alt.as_ref(), at, vote.selected);
                true
            }
            Content::PollOption(option) if option.poll.id == *tally.id() => {
                tally.add_option(option.name);
                true
            }
            _ => false,
        }))
    }
}

#[uniffi::export]
impl PollTally {
    /// A poll without votes: its message, and what names it.
    #[uniffi::constructor]
    pub fn of(poll: Arc<Message>, key: MessageKey) -> Result<Arc<Self>, WaError> {
        let tally = Tally::new(types::message_id(&key.id)?, &poll.0);
        let tally = tally.ok_or_else(|| WaError::invalid("no_poll", "this message is no poll"))?;
        Ok(Arc::new(Self(Mutex::new(tally))))
    }

    /// Takes what a message says about the poll: a vote, or one more option. False when it says nothing about it.
    pub fn add(&self, received: MessageReceived) -> Result<bool, WaError> {
        self.take(&received.message, &received.sender, received.sender_alt.as_deref(), received.timestamp)
    }

    /// The same of a message that came to an account of a manager.
    pub fn add_inbound(&self, received: InboundMessage) -> Result<bool, WaError> {
        let Some(message) = &received.message else { return Ok(false) };
        self.take(message, &received.sender, received.sender_alt.as_deref(), received.timestamp)
    }

    /// Takes a vote of our own account, which does not come as a message on the device that sends it: who we are, when it
    /// was sent, and the options by their texts.
    pub fn cast(&self, voter: String, at: SystemTime, options: Vec<String>) -> Result<(), WaError> {
        let (voter, at) = (types::jid(&voter)?, UnixMillis::from_system_time(at));
        let selected = options.iter().map(|option| OptionHash::of(option)).collect();
        self.with(|tally| tally.cast(&voter, None, at, selected));
        Ok(())
    }

    /// The options in the poll's order, each with who chose it.
    pub fn options(&self) -> Vec<OptionVotes> {
        self.with(|tally| {
            let options = tally.options().into_iter();
            options
                .map(|option| OptionVotes {
                    name: option.name.to_owned(),
                    voters: option.voters.iter().map(ToString::to_string).collect(),
                })
                .collect()
        })
    }
}
