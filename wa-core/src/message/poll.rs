//! How votes name options, and what came of a poll. Protocol: messages, "messageSecret and secret-encrypted
//! content", "Content types".

use std::collections::HashMap;

use wa_proto::e2e;
use wa_types::{Jid, MessageId, UnixMillis};

use super::Message;
use crate::crypto::kdf::sha256;

/// How a vote names an option: the hash of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OptionHash(pub [u8; 32]);

impl OptionHash {
    /// The hash of an option's text.
    #[must_use]
    pub fn of(option: &str) -> Self {
        Self(sha256(&[option.as_bytes()]))
    }
}

/// The poll that a message creates, whatever its version.
pub(crate) fn creation(message: &e2e::Message) -> Option<&e2e::PollCreationMessage> {
    message
        .poll_creation_message
        .as_deref()
        .or(message.poll_creation_message_v2.as_deref())
        .or(message.poll_creation_message_v3.as_deref())
        .or(message.poll_creation_message_v5.as_deref())
        .or(message.poll_creation_message_v6.as_deref())
}

/// The standing of a poll: made of the poll, and fed with the votes as they come, in any order.
///
/// Of each voter the vote with the latest time counts, under whichever address it came; an empty one takes the votes
/// back. What names no option of the poll is ignored, and so is more than the poll lets one choose.
///
/// ```no_run
/// # fn example(poll: &wa_core::MessageReceived, votes: &[wa_core::MessageReceived]) -> Option<()> {
/// let mut tally = wa_core::message::Tally::new(poll.id.clone(), &poll.message)?;
/// for vote in votes {
///     tally.add(vote);
/// }
/// for option in tally.options() {
///     println!("{}: {}", option.name, option.voters.len());
/// }
/// # Some(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Tally {
    id: MessageId,
    options: Vec<String>,
    /// How many options one may choose; 0 for any number.
    limit: usize,
    votes: Vec<Vote>,
    /// Whose vote is where, by each known address.
    voters: HashMap<Jid, usize>,
}

#[derive(Debug, Clone)]
struct Vote {
    voter: Jid,
    at: UnixMillis,
    selected: Vec<OptionHash>,
}

/// One option, and who chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionVotes<'t> {
    /// Its text.
    pub name: &'t str,
    /// Who chose it, without a device: by LID where the vote told it.
    pub voters: Vec<&'t Jid>,
}

impl Tally {
    /// A poll without votes, of this id; `None` when the message creates none.
    #[must_use]
    pub fn new(id: MessageId, poll: &Message) -> Option<Self> {
        let poll = creation(poll.unwrapped())?;
        let options = poll.options.iter().map(|option| option.option_name().to_owned()).collect();
        let limit = usize::try_from(poll.selectable_options_count()).unwrap_or_default();
        Some(Self { id, options, limit, votes: Vec::new(), voters: HashMap::new() })
    }

    /// The poll's id.
    #[must_use]
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// Adds a vote: `other` is the voter's other address, where it is known. One's own vote is added so when it is sent.
    pub fn cast(&mut self, voter: &Jid, other: Option<&Jid>, at: UnixMillis, selected: Vec<OptionHash>) {
        let mut names = vec![voter.to_chat()];
        names.extend(other.map(Jid::to_chat));
        names.sort_by_key(|name| !name.is_lid());
        let Some(first) = names.first().cloned() else { return };
        let mut places: Vec<usize> = names.iter().filter_map(|name| self.voters.get(name).copied()).collect();
        places.dedup();
        let vote = Vote { voter: first, at, selected };
        let place = match *places.as_slice() {
            [] => {
                self.votes.push(vote);
                self.votes.len() - 1
            }
            [place, ..] => {
                // Two that turn out to be one: the later counts.
                let other = places.get(1).and_then(|other| self.votes.get(*other)).cloned();
                if let Some(known) = self.votes.get_mut(place) {
                    let name = vote.voter.clone();
                    for later in other.into_iter().chain([vote]) {
                        if later.at >= known.at {
                            *known = later;
                        }
                    }
                    known.voter = name;
                }
                if let Some(gone) = places.get(1).and_then(|other| self.votes.get_mut(*other)) {
                    gone.selected.clear();
                }
                place
            }
        };
        for name in names {
            self.voters.insert(name, place);
        }
    }

    /// Adds an option that somebody proposed.
    pub fn add_option(&mut self, name: impl Into<String>) {
        let name = name.into();
        if !self.options.contains(&name) {
            self.options.push(name);
        }
    }

    /// The options in the poll's order, each with its voters, first come first.
    #[must_use]
    pub fn options(&self) -> Vec<OptionVotes<'_>> {
        let hashes: Vec<OptionHash> = self.options.iter().map(|option| OptionHash::of(option)).collect();
        let mut options: Vec<OptionVotes<'_>> =
            self.options.iter().map(|name| OptionVotes { name, voters: Vec::new() }).collect();
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        for vote in &self.votes {
            let mut chosen = Vec::new();
            for hash in &vote.selected {
                if let Some(place) = hashes.iter().position(|known| known == hash)
                    && !chosen.contains(&place)
                    && chosen.len() < limit
                {
                    chosen.push(place);
                }
            }
            for place in chosen {
                if let Some(option) = options.get_mut(place) {
                    option.voters.push(&vote.voter);
                }
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(options: &[&str], limit: u32) -> Tally {
        let option = |name: &&str| e2e::poll_creation_message::Option {
            option_name: Some((*name).to_owned()),
            ..Default::default()
        };
        let poll = e2e::PollCreationMessage {
            options: options.iter().map(option).collect(),
            selectable_options_count: Some(limit),
            ..Default::default()
        };
        let message = e2e::Message { poll_creation_message_v3: Some(Box::new(poll)), ..Default::default() };
        Tally::new("X".into(), &Message::from_proto(message)).unwrap()
    }

    fn cast(tally: &mut Tally, voter: &Jid, other: Option<&Jid>, at: u64, options: &[&str]) {
        let selected = options.iter().map(|option| OptionHash::of(option)).collect();
        tally.cast(voter, other, UnixMillis(at), selected);
    }

    fn counts(tally: &Tally) -> Vec<usize> {
        tally.options().iter().map(|option| option.voters.len()).collect()
    }

    #[test]
    fn the_latest_vote_of_each_voter_counts_in_any_order() {
        let mut tally = poll(&["A", "B"], 0);
        let (ana, rui) = (Jid::lid("11"), Jid::lid("22"));
        cast(&mut tally, &ana.clone().with_device(3), None, 5, &["A", "B"]);
        cast(&mut tally, &rui, None, 5, &["A"]);
        assert_eq!(counts(&tally), [2, 1]);
        cast(&mut tally, &ana, None, 7, &[]);
        cast(&mut tally, &ana, None, 6, &["B"]);
        assert_eq!(counts(&tally), [1, 0]);
        assert_eq!(tally.options()[0].voters, [&rui]);
        cast(&mut tally, &rui, None, 8, &["C", "B", "B"]);
        assert_eq!(counts(&tally), [0, 1]);
        tally.add_option("C");
        tally.add_option("C");
        assert_eq!(counts(&tally), [0, 1, 1]);
    }

    #[test]
    fn both_addresses_of_a_voter_are_one() {
        let mut tally = poll(&["A", "B"], 1);
        let (lid, pn) = (Jid::lid("11"), Jid::pn("15551230001"));
        cast(&mut tally, &pn, None, 9, &["A"]);
        cast(&mut tally, &lid, None, 5, &["B"]);
        assert_eq!(counts(&tally), [1, 1]);
        cast(&mut tally, &lid, Some(&pn), 6, &["B", "A"]);
        assert_eq!(counts(&tally), [1, 0]);
        cast(&mut tally, &pn, None, 10, &["B", "A"]);
        assert_eq!(counts(&tally), [0, 1]);
        assert_eq!(tally.options()[1].voters, [&pn]);
    }

    #[test]
    fn only_a_poll_has_a_tally() {
        assert!(Tally::new("X".into(), &Message::text("A or B?")).is_none());
    }
}
