//! Faults of single stanzas: which stanza, and what happens to it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use wa_core::wire::{Content, Node, Value};
use wa_types::MessageId;

use crate::journal::Direction;
use crate::stanza::{Read, conflict, not_well_formed, stream_error};

/// Which stanzas a fault is about. What is not said matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    direction: Option<Direction>,
    tag: Option<Cow<'static, str>>,
    kind: Option<Cow<'static, str>>,
    id: Option<String>,
    deliveries: bool,
    chats: bool,
}

impl Filter {
    /// Stanzas from the server to the client.
    #[must_use]
    pub fn to_client() -> Self {
        Self { direction: Some(Direction::ToClient), ..Self::default() }
    }

    /// Stanzas from the client to the server.
    #[must_use]
    pub fn from_client() -> Self {
        Self { direction: Some(Direction::FromClient), ..Self::default() }
    }

    /// Stanzas to the client that it must acknowledge: messages, receipts, notifications, calls.
    #[must_use]
    pub fn deliveries() -> Self {
        Self { deliveries: true, ..Self::to_client() }
    }

    /// The server's acks of messages.
    #[must_use]
    pub fn message_acks() -> Self {
        Self::to_client().tag("ack").kind("message")
    }

    /// Only stanzas of this tag.
    #[must_use]
    pub fn tag(self, tag: impl Into<Cow<'static, str>>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// Only acks of this class, and other stanzas of this type.
    #[must_use]
    pub fn kind(self, kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// None of those between an account's own devices, about keys and the past.
    #[must_use]
    pub fn of_chats(self) -> Self {
        Self { chats: true, ..self }
    }

    /// Only stanzas of this id.
    #[must_use]
    pub fn id(self, id: &MessageId) -> Self {
        Self { id: Some(id.to_string()), ..self }
    }

    fn matches(&self, direction: Direction, node: &Node) -> bool {
        let kind = || node.attr_text(if node.tag == "ack" { "class" } else { "type" });
        self.direction.is_none_or(|wanted| wanted == direction)
            && self.tag.as_deref().is_none_or(|wanted| wanted == node.tag)
            && self.kind.as_deref().is_none_or(|wanted| kind().as_deref() == Some(wanted))
            && self.id.as_deref().is_none_or(|wanted| node.attr_text("id").as_deref() == Some(wanted))
            && (!self.deliveries || is_delivery(node))
            && (!self.chats || node.attr_text("category").as_deref() != Some("peer"))
    }
}

/// What happens to a stanza. Phones have no socket: what breaks or ends a connection does nothing to theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// It never arrives. A delivery still waits for its acknowledgement, so that it comes with the next login.
    Drop,
    /// It arrives after this many others of its direction and sort (deliveries are one sort, answers the other).
    After(u32),
    /// It arrives this much later; what comes behind it is not held up.
    Delay(Duration),
    /// It arrives twice.
    Duplicate,
    /// The ends of its ciphertexts are spoiled; their public headers stay as they were.
    Garble,
    /// Each of its ciphertexts has this many bytes, which no session opens.
    Inflate(usize),
    /// The connection breaks: on the way to the client in the middle of its frame, from the client before it is read.
    Cut,
    /// It arrives, and the connection breaks before anything else does: its answer is lost.
    CutAfter,
    /// It does not arrive, and from here on the server neither reads nor writes; the connection stays open until the
    /// device logs in anew.
    HalfOpen,
    /// It does not arrive: the server ends the stream.
    End(StreamEnd),
    /// A message ack tells of a participant hash that is not the sender's, as if the list of devices were another one.
    WrongPhash,
    /// A message from the client is refused with this code; it is not delivered.
    Nack(u16),
}

/// How the server ends a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// `<stream:error code/>`.
    Code(u16),
    /// `<stream:error><conflict type/></stream:error>`, for instance `replaced`.
    Conflict(String),
    /// `<stream:error><xml-not-well-formed/></stream:error>`.
    NotWellFormed,
    /// `<xmlstreamend/>`: in good order.
    Orderly,
}

impl StreamEnd {
    pub(crate) fn node(&self) -> Node {
        match self {
            Self::Code(code) => stream_error(*code),
            Self::Conflict(kind) => conflict(None, kind),
            Self::NotWellFormed => not_well_formed(),
            Self::Orderly => Node::new("xmlstreamend"),
        }
    }
}

/// A fault that waits for its stanzas.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) filter: Filter,
    pub(super) act: Act,
    pub(super) left: u32,
}

/// What becomes of one stanza on its way.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) twice: bool,
    pub(super) fate: Option<Fate>,
}

/// What becomes of a stanza that does not just arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Drop,
    After(u32),
    Delay(Duration),
    Cut,
    CutAfter,
    HalfOpen,
    End(StreamEnd),
    Nack(u16),
}

impl Verdict {
    /// Lets one act happen to a stanza.
    pub(super) fn apply(&mut self, act: &Act, node: &mut Arc<Node>) {
        let fate = match act {
            Act::Duplicate => {
                self.twice = true;
                return;
            }
            Act::Garble => return each_ciphertext(Arc::make_mut(node), &mut |bytes| garble(bytes)),
            Act::Inflate(size) => {
                return each_ciphertext(Arc::make_mut(node), &mut |bytes| bytes.resize(*size, FILLER));
            }
            Act::WrongPhash => {
                set(Arc::make_mut(node), "phash", WRONG_PHASH);
                return;
            }
            Act::Drop => Fate::Drop,
            Act::After(count) => Fate::After(*count),
            Act::Delay(delay) => Fate::Delay(*delay),
            Act::Cut => Fate::Cut,
            Act::CutAfter => Fate::CutAfter,
            Act::HalfOpen => Fate::HalfOpen,
            Act::End(end) => Fate::End(end.clone()),
            Act::Nack(code) => Fate::Nack(*code),
        };
        self.fate = Some(fate);
    }
}

/// Whether an act makes sense for a stanza, so that a script is not used up on others.
fn fits(act: &Act, direction: Direction, node: &Node) -> bool {
    match act {
        Act::Garble | Act::Inflate(_) => node.tag == "message",
        Act::WrongPhash => direction == Direction::ToClient && node.tag == "ack",
        Act::Nack(_) => direction == Direction::FromClient && node.tag == "message",
        _ => true,
    }
}

/// Uses up the scripts that are about this stanza, in the order in which they were set, until one says where it ends.
pub(super) fn play(
    scripts: &mut Vec<Script>,
    direction: Direction,
    node: &mut Arc<Node>,
    verdict: &mut Verdict,
) {
    for script in scripts.iter_mut() {
        if verdict.fate.is_some() {
            break;
        }
        let is_meant =
            script.left > 0 && script.filter.matches(direction, node) && fits(&script.act, direction, node);
        if is_meant {
            script.left -= 1;
            verdict.apply(&script.act, node);
        }
    }
    scripts.retain(|script| script.left > 0);
}

/// Whether a stanza to a client is one that it must acknowledge.
pub(super) fn is_delivery(node: &Node) -> bool {
    matches!(node.tag.as_ref(), "message" | "receipt" | "notification" | "call")
}

/// Whether a stanza to a client is the ack of a message.
pub(super) fn is_message_ack(node: &Node) -> bool {
    node.tag == "ack" && node.attr_text("class").as_deref() == Some("message")
}

/// Gives an attribute another value.
pub(super) fn set(node: &mut Node, name: &'static str, value: impl Into<Value>) {
    *node = std::mem::replace(node, Node::new("")).attr(name, value);
}

/// Spoils the end; the version byte and the start of a Signal message stay, so that only its secrets are wrong.
fn garble(bytes: &mut [u8]) {
    let kept = bytes.len().saturating_sub(24);
    bytes.iter_mut().skip(kept).for_each(|byte| *byte ^= 0x55);
}

/// Changes the bytes of every `enc` of a message: its own, and those of its participants.
fn each_ciphertext(node: &mut Node, change: &mut impl FnMut(&mut Vec<u8>)) {
    let Content::Nodes(children) = &mut node.content else { return };
    for child in children {
        match child.tag.as_ref() {
            "enc" => {
                if let Content::Bytes(bytes) = &mut child.content {
                    change(bytes);
                }
            }
            "participants" | "to" => each_ciphertext(child, change),
            _ => {}
        }
    }
}

const FILLER: u8 = 0x33;
/// Of the right form, and of no set of devices.
const WRONG_PHASH: &str = "2:AAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_every_ciphertext_is_garbled() {
        let enc = || Node::new("enc").bytes(vec![0; 40]);
        let to = Node::new("to").child(enc());
        let mut node =
            Node::new("message").child(enc()).child(Node::new("participants").child(to.clone()).child(to));
        let mut seen = 0;
        each_ciphertext(&mut node, &mut |bytes| {
            garble(bytes);
            assert_eq!((bytes.first(), bytes.last()), (Some(&0), Some(&0x55)));
            seen += 1;
        });
        assert_eq!(seen, 3);
    }

    #[test]
    fn a_filter_says_what_it_is_about() {
        let ack = Node::new("ack").attr("class", "message").attr("id", "A");
        let retry = Node::new("receipt").attr("type", "retry").attr("id", "A");
        let peer = Node::new("message").attr("category", "peer");
        assert!(Filter::deliveries().matches(Direction::ToClient, &peer));
        assert!(!Filter::deliveries().of_chats().matches(Direction::ToClient, &peer));
        let id = MessageId::new("A");
        let cases = [
            (Filter::default(), true, true),
            (Filter::message_acks(), true, false),
            (Filter::deliveries(), false, true),
            (Filter::deliveries().of_chats(), false, true),
            (Filter::to_client().kind("retry"), false, true),
            (Filter::to_client().tag("ack").kind("receipt"), false, false),
            (Filter::from_client(), false, false),
            (Filter::default().id(&id), true, true),
            (Filter::default().id(&MessageId::new("B")), false, false),
        ];
        for (filter, of_ack, of_retry) in cases {
            assert_eq!(filter.matches(Direction::ToClient, &ack), of_ack, "{filter:?}");
            assert_eq!(filter.matches(Direction::ToClient, &retry), of_retry, "{filter:?}");
        }
    }

    #[test]
    fn scripts_are_used_up_in_order_until_one_ends_the_way() {
        let message = || Arc::new(Node::new("message").child(Node::new("enc").bytes(vec![0; 40])));
        let script = |act, left| Script { filter: Filter::deliveries(), act, left };
        let mut scripts = vec![
            script(Act::Duplicate, 1),
            script(Act::Nack(500), 1),
            script(Act::Drop, 1),
            script(Act::After(2), 1),
        ];
        let mut play_one = || {
            let mut verdict = Verdict::default();
            play(&mut scripts, Direction::ToClient, &mut message(), &mut verdict);
            (verdict.twice, verdict.fate, scripts.len())
        };
        assert_eq!(play_one(), (true, Some(Fate::Drop), 2));
        assert_eq!(play_one(), (false, Some(Fate::After(2)), 1));
        assert_eq!(play_one(), (false, None, 1), "a refusal is for what clients send");
    }
}
