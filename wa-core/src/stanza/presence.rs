//! `<presence>` and `<chatstate>`, both directions. Nobody acknowledges them. Protocol: receiving, "Presence and chat
//! state"; IQ catalogue, "Presence and chat state".

use wa_types::{Jid, UnixSeconds};

use super::{Reader, StanzaError};
use crate::wire::Node;

/// Whether somebody is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundPresence {
    /// The user, or the group.
    pub from: Jid,
    /// What it says.
    pub state: PresenceState,
}

/// Whether a user is there, or how many of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceState {
    /// The user is there.
    Available,
    /// The user is not there.
    Unavailable(LastSeen),
    /// So many members of the group are there.
    MembersOnline(u32),
}

/// When a user was last there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LastSeen {
    /// Then.
    At(UnixSeconds),
    /// The user does not tell us.
    Hidden,
    /// The server does not say.
    Unknown,
}

impl InboundPresence {
    /// Reads a `<presence>`.
    ///
    /// # Errors
    /// [`StanzaError`] without a sender.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let from = stanza.jid("from")?.to_chat();
        let count = stanza.number_opt("count").ok().flatten();
        let state = match (count, stanza.text_opt("type").as_deref()) {
            (Some(count), _) if from.is_group() => PresenceState::MembersOnline(count),
            (_, Some("unavailable")) => {
                PresenceState::Unavailable(match stanza.text_opt("last").as_deref() {
                    Some("deny") => LastSeen::Hidden,
                    Some(time) => {
                        time.parse().ok().map_or(LastSeen::Unknown, |time| LastSeen::At(UnixSeconds(time)))
                    }
                    None => LastSeen::Unknown,
                })
            }
            _ => PresenceState::Available,
        };
        Ok(Self { from, state })
    }
}

/// What a user is doing in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Typing {
    /// Writes a text. It lapses after about 25 seconds without a repeat.
    Composing,
    /// Records a voice message. It lapses as writing does.
    Recording,
    /// Stopped.
    Paused,
}

impl Typing {
    fn to_node(self) -> Node {
        match self {
            Self::Composing => Node::new("composing"),
            Self::Recording => Node::new("composing").attr("media", "audio"),
            Self::Paused => Node::new("paused"),
        }
    }
}

/// Somebody writes, or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundChatState {
    /// The user in a direct chat, else the group.
    pub from: Jid,
    /// Who, in a group.
    pub participant: Option<Jid>,
    /// The chat, when the stanza is an echo of another device of ours.
    pub to: Option<Jid>,
    /// What they do.
    pub state: Typing,
}

impl InboundChatState {
    /// Reads a `<chatstate>`.
    ///
    /// # Errors
    /// [`StanzaError`] without a sender, or without a state that we know.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let state = stanza.children().find_map(|child| {
            if child.is("paused") {
                Some(Typing::Paused)
            } else if child.is("composing") {
                let is_audio = child.attr_is("media", "audio");
                Some(if is_audio { Typing::Recording } else { Typing::Composing })
            } else {
                None
            }
        });
        Ok(Self {
            from: stanza.jid("from")?.to_chat(),
            participant: stanza.jid_opt("participant")?.map(|user| user.to_user()),
            to: stanza.jid_opt("to")?,
            state: state.ok_or_else(|| stanza.missing("composing"))?,
        })
    }
}

/// Tells a chat what we are doing in it.
#[must_use]
pub fn chat_state(chat: &Jid, state: Typing) -> Node {
    Node::new("chatstate").attr("to", chat).child(state.to_node())
}

/// Asks to be told whether a user is there, until the connection ends.
#[must_use]
pub fn subscribe(user: &Jid, token: Option<Vec<u8>>) -> Node {
    let node = Node::new("presence").attr("type", "subscribe").attr("to", user);
    match token {
        Some(token) => node.child(Node::new("tctoken").bytes(token)),
        None => node,
    }
}

/// Asks to be told no longer.
#[must_use]
pub fn unsubscribe(user: &Jid) -> Node {
    Node::new("presence").attr("type", "unsubscribe").attr("to", user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn every_form_of_presence_is_read() {
        let user = Jid::lid("100");
        let group = Jid::new("1203", wa_types::Server::Group);
        let of = |from: &Jid| Node::new("presence").attr("from", from);
        let gone = |last: &str| of(&user).attr("type", "unavailable").attr("last", last);
        let cases = [
            (of(&user), PresenceState::Available),
            (of(&user).attr("type", "unavailable"), PresenceState::Unavailable(LastSeen::Unknown)),
            (gone("1700000000"), PresenceState::Unavailable(LastSeen::At(UnixSeconds(1_700_000_000)))),
            (gone("deny"), PresenceState::Unavailable(LastSeen::Hidden)),
            (gone("none"), PresenceState::Unavailable(LastSeen::Unknown)),
            (gone("error"), PresenceState::Unavailable(LastSeen::Unknown)),
            (of(&group).attr("type", "available").attr("count", 3_u32), PresenceState::MembersOnline(3)),
        ];
        for (node, expected) in cases {
            assert_eq!(read_node(&node, InboundPresence::read).unwrap().state, expected, "{node:?}");
        }
        assert!(read_node(&Node::new("presence"), InboundPresence::read).is_err());
    }

    #[test]
    fn what_is_told_is_read_the_same() {
        for state in [Typing::Composing, Typing::Recording, Typing::Paused] {
            let node = chat_state(&Jid::lid("100"), state).attr("from", Jid::lid("200").with_device(3));
            let read = read_node(&node, InboundChatState::read).unwrap();
            assert_eq!((read.state, read.from), (state, Jid::lid("200")));
        }
        let unknown = Node::new("chatstate").attr("from", Jid::lid("1")).child(Node::new("dancing"));
        assert!(read_node(&unknown, InboundChatState::read).is_err());
    }
}
