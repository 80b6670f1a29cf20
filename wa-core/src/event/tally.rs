//! Votes as they are received.

use crate::event::MessageReceived;
use crate::message::{Content, Tally};

impl Tally {
    /// Adds what a message says about the poll: a vote, or one more option. Whether it does; others change nothing. Which
    /// messages are of the poll's chat is the caller's to tell.
    ///
    /// Our own votes do not come as messages on the device that sends them: add these with [`Self::cast`].
    pub fn add(&mut self, received: &MessageReceived) -> bool {
        match received.message.content() {
            Content::PollVote(vote) if vote.poll.id == *self.id() => {
                let at = vote.at.unwrap_or_else(|| received.timestamp.to_millis());
                self.cast(&received.sender, received.sender_alt.as_ref(), at, vote.selected);
                true
            }
            Content::PollOption(option) if option.poll.id == *self.id() => {
                self.add_option(option.name);
                true
            }
            _ => false,
        }
    }
}
