//! `<message>`, both directions. Protocol: messages, "DM stanza"; receiving, "Inbound `message`".

use wa_store::AddressingMode;
use wa_types::{Jid, MessageId, Server, UnixMillis, UnixSeconds};

use super::{Reader, StanzaError};
use crate::wire::Node;

/// How many encrypted parts of one stanza we look at; honest ones have one or two.
const ENC_LIMIT: usize = 16;

/// A message as the server delivers it, still encrypted. `Debug` shows neither content nor names.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundMessage {
    /// The message's id.
    pub id: MessageId,
    /// The sender's device in a direct chat, else the chat.
    pub from: Jid,
    /// The sender's device in groups, status and lists.
    pub participant: Option<Jid>,
    /// The chat partner, when another device of our own account wrote the message.
    pub recipient: Option<Jid>,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The sender's push name, where the stanza has one.
    pub push_name: Option<String>,
    /// The `offline` counter of a stanza from the backlog.
    pub offline: Option<u32>,
    /// A message of our own devices about protocol matters.
    pub is_peer: bool,
    /// The other address of `from`, or of `participant`: LID for a phone number, phone number for a LID.
    pub sender_alt: Option<Jid>,
    /// The other address of `recipient`.
    pub recipient_alt: Option<Jid>,
    /// Who got a message that another device of ours wrote to a list, by both addresses.
    pub recipients: Vec<(Jid, Jid)>,
    /// The encrypted parts, pairwise ones first.
    pub encs: Vec<Enc>,
    /// Its number in a channel.
    pub post: Option<u64>,
    /// What it does to an earlier post of its channel, which has the same id.
    pub change: Option<PostChange>,
    /// What a bot answers to.
    pub bot_answer: Option<BotAnswer>,
    /// `<plaintext>`: channels are not encrypted.
    pub plaintext: Option<Vec<u8>>,
    /// The sender companion's signed device identity.
    pub device_identity: Option<Vec<u8>>,
    /// The sender did not encrypt for this device, and why.
    pub unavailable: Option<Unavailable>,
}

/// What a bot's message answers to, whose secret it is sealed with. Protocol: messages, "Bot messages".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BotAnswer {
    /// The message that the bot was asked with.
    pub prompt: MessageId,
    /// Who asked; our own account where it is not said.
    pub asker: Option<Jid>,
    /// Where, if not in this chat.
    pub chat: Option<Jid>,
    /// The earlier answer that this one is in the place of.
    pub replaces: Option<MessageId>,
}

impl BotAnswer {
    fn read(stanza: Reader<'_>) -> Option<Self> {
        let meta = stanza.child_opt("meta")?;
        let prompt = meta.text_opt("target_id").filter(|id| !id.is_empty())?;
        let jid = |name| meta.jid_opt(name).ok().flatten();
        let bot = stanza.child_opt("bot");
        let edit = bot.filter(|bot| bot.attr_is("edit", "inner") || bot.attr_is("edit", "last"));
        let replaces = edit.and_then(|bot| bot.text_opt("edit_target_id").map(MessageId::new));
        Some(Self {
            prompt: MessageId::new(prompt),
            asker: jid("target_sender_jid"),
            chat: jid("target_chat_jid"),
            replaces,
        })
    }
}

/// A post that says what became of an earlier one. Protocol: messages, "Newsletter".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostChange {
    /// It is no more; otherwise it says something else now.
    pub is_deleted: bool,
    /// When, by the server's clock; zero where it does not say.
    pub at: UnixMillis,
}

impl PostChange {
    fn read(stanza: Reader<'_>) -> Option<Self> {
        let is_deleted = match stanza.text_opt("edit")?.as_ref() {
            "3" => false,
            "8" => true,
            _ => return None,
        };
        let at = stanza.child_opt("meta").and_then(|meta| meta.number_opt("msg_edit_t").ok().flatten());
        Some(Self { is_deleted, at: UnixMillis(at.unwrap_or_default()) })
    }
}

/// Why there is nothing for this device in a message. Protocol: receiving, "Placeholders".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// The sender did not know this device; the phone has the message.
    Plain,
    /// To be viewed once, on the phone.
    ViewOnce,
    /// Of a hosted account.
    Hosted,
    /// A bot's, meant for the phone.
    Bot,
}

impl Unavailable {
    fn read(stanza: Reader<'_>) -> Option<Self> {
        let subtype = stanza.text_opt("subtype");
        let of_name = |name: &str| match name {
            "view_once" | "view_once_unavailable_fanout" => Some(Self::ViewOnce),
            "hosted_unavailable_fanout" => Some(Self::Hosted),
            "bot_unavailable_fanout" => Some(Self::Bot),
            _ => None,
        };
        let named = subtype.as_deref().and_then(of_name);
        let Some(mark) = stanza.child_opt("unavailable") else { return named };
        Some(named.or_else(|| mark.text_opt("type").as_deref().and_then(of_name)).unwrap_or_else(|| {
            if mark.attr_is("hosted", "true") {
                Self::Hosted
            } else if stanza.child_opt("bot").is_some() {
                Self::Bot
            } else {
                Self::Plain
            }
        }))
    }
}

/// One encrypted part.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enc {
    /// Which session opens it.
    pub kind: EncKind,
    /// Whether the plaintext is padded: `v` below 3.
    pub is_padded: bool,
    /// Which resend this is; 0 for the first sending.
    pub count: u8,
    /// The receiver shall show nothing when it cannot be decrypted.
    pub hides_failure: bool,
    /// The ciphertext.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Enc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enc({:?}, count {}, {} bytes)", self.kind, self.count, self.bytes.len())
    }
}

/// The `type` of an encrypted part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EncKind {
    /// `pkmsg`: opens a session.
    PreKey,
    /// `msg`: of a running session.
    Message,
    /// `skmsg`: with the sender's group key.
    SenderKey,
    /// `msmsg`: with a message's secret.
    MessageSecret,
}

impl EncKind {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "pkmsg" => Self::PreKey,
            "msg" => Self::Message,
            "skmsg" => Self::SenderKey,
            "msmsg" => Self::MessageSecret,
            _ => return None,
        })
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreKey => "pkmsg",
            Self::Message => "msg",
            Self::SenderKey => "skmsg",
            Self::MessageSecret => "msmsg",
        }
    }
}

impl InboundMessage {
    /// Reads a `<message>`; `is_own_device` tells which entries of `<participants>` are for this device.
    ///
    /// # Errors
    /// [`StanzaError`] when id or sender are missing or malformed; the stanza is then refused with code 487.
    pub fn read(stanza: Reader<'_>, is_own_device: impl Fn(&Jid) -> bool) -> Result<Self, StanzaError> {
        let mut encs: Vec<Enc> = stanza.children_of("enc").take(ENC_LIMIT).filter_map(read_enc).collect();
        if let Some(participants) = stanza.child_opt("participants") {
            for to in participants.children_of("to") {
                // Entries of other devices are none of our business, malformed or not.
                if to.jid_opt("jid").ok().flatten().is_some_and(|jid| is_own_device(&jid)) {
                    let room = ENC_LIMIT.saturating_sub(encs.len());
                    encs.extend(to.children_of("enc").take(room).filter_map(read_enc));
                }
            }
        }
        encs.sort_by_key(|enc| match enc.kind {
            EncKind::PreKey | EncKind::Message => 0,
            EncKind::SenderKey => 1,
            EncKind::MessageSecret => 2,
        });
        let from = stanza.jid("from")?;
        let participant = stanza.jid_opt("participant")?;
        if participant.is_none() && has_participants(&from) {
            return Err(stanza.missing("participant"));
        }
        // A hint about the name space that the address itself is in says nothing new.
        let other_address = |jid: &Jid, names: [&'static str; 4]| {
            let mut hints = names.into_iter().filter_map(|name| stanza.jid_opt(name).ok().flatten());
            hints.find(|hint| if jid.is_lid() { hint.is_pn() } else { hint.is_lid() })
        };
        let mut recipients = Vec::new();
        if let Some(participants) = stanza.child_opt("participants").filter(|_| from.is_broadcast_list()) {
            recipients.extend(participants.children_of("to").take(LIST_LIMIT).filter_map(|to| {
                let names = ["peer_recipient_lid", "peer_recipient_pn"];
                let other = names.into_iter().find_map(|name| to.jid_opt(name).ok().flatten())?;
                Some((to.jid("jid").ok()?, other))
            }));
        }
        let sender = participant.as_ref().filter(|_| has_participants(&from)).unwrap_or(&from);
        let recipient = stanza.jid_opt("recipient")?;
        Ok(Self {
            id: stanza.message_id()?,
            sender_alt: other_address(
                sender,
                ["sender_lid", "sender_pn", "participant_lid", "participant_pn"],
            ),
            recipient_alt: recipient.as_ref().and_then(|recipient| {
                other_address(
                    recipient,
                    ["peer_recipient_lid", "peer_recipient_pn", "recipient_lid", "recipient_pn"],
                )
            }),
            participant,
            recipient,
            recipients,
            timestamp: stanza.time_opt("t").unwrap_or_default(),
            push_name: stanza
                .text_opt("notify")
                .filter(|name| !name.is_empty() && name != "-")
                .map(std::borrow::Cow::into_owned),
            offline: stanza.text_opt("offline").map(|count| count.parse().unwrap_or(0)),
            is_peer: stanza.attr_is("category", "peer"),
            encs,
            post: stanza.number_opt("server_id").ok().flatten(),
            bot_answer: BotAnswer::read(stanza),
            change: if from.is_newsletter() { PostChange::read(stanza) } else { None },
            plaintext: stanza.child_opt("plaintext").map(|plain| plain.content().into_owned()),
            device_identity: stanza
                .child_opt("device-identity")
                .map(|identity| identity.content().into_owned()),
            unavailable: Unavailable::read(stanza),
            from,
        })
    }

    /// What the stanza is known by when it comes again: its id, unless it changes the message that has it.
    #[must_use]
    pub fn known_by(&self) -> MessageId {
        match self.change {
            Some(PostChange { is_deleted: true, .. }) => MessageId::new(format!("{}/deleted", self.id)),
            Some(PostChange { at, .. }) => MessageId::new(format!("{}/{}", self.id, at.0)),
            None => self.id.clone(),
        }
    }

    /// The device that encrypted the message.
    #[must_use]
    pub fn sender(&self) -> &Jid {
        self.participant.as_ref().filter(|_| self.has_participants()).unwrap_or(&self.from)
    }

    /// Whether its chat has many senders, so that `participant` names this one: groups, status and lists.
    #[must_use]
    pub fn has_participants(&self) -> bool {
        has_participants(&self.from)
    }
}

impl std::fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundMessage")
            .field("id", &self.id)
            .field("from", &self.from)
            .field("participant", &self.participant)
            .field("timestamp", &self.timestamp)
            .field("encs", &self.encs)
            .finish_non_exhaustive()
    }
}

/// How many may be on a list.
const LIST_LIMIT: usize = 256;

fn has_participants(from: &Jid) -> bool {
    from.is_group() || from.server() == &Server::Broadcast
}

fn read_enc(enc: Reader<'_>) -> Option<Enc> {
    Some(Enc {
        kind: EncKind::from_name(&enc.text_opt("type")?)?,
        is_padded: !enc.attr_is("v", "3"),
        // More than anyone honest counts to is still a resend.
        count: enc.text_opt("count").map_or(0, |count| count.parse().unwrap_or(u8::MAX)),
        hides_failure: enc.attr_is("decrypt-fail", "hide"),
        bytes: enc.content().into_owned(),
    })
}

/// What the server and the receiving devices may know of an encrypted content. Protocol: messages, "`type`",
/// "`mediatype` on `enc`", "`edit`", "`decrypt-fail`".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Class {
    /// `type`: `text`, `media`, `reaction`, …
    pub kind: &'static str,
    /// `mediatype`: what a `media` is. The server drops media without one.
    pub media: Option<&'static str>,
    /// `edit`: what the content does to an earlier message.
    pub edit: Option<&'static str>,
    /// Receivers show nothing when they cannot decrypt it.
    pub hides_failure: bool,
    /// The attributes of `<meta>`: what else the server may know.
    pub meta: &'static [(&'static str, &'static str)],
}

impl Class {
    /// A plain text.
    pub const TEXT: Self = Self::new("text");

    /// Content of this `type`, that is no media.
    #[must_use]
    pub const fn new(kind: &'static str) -> Self {
        Self { kind, media: None, edit: None, hides_failure: false, meta: &[] }
    }

    /// Media of this kind.
    #[must_use]
    pub const fn media(media: &'static str) -> Self {
        Self { media: Some(media), ..Self::new("media") }
    }

    /// The attributes of an `<enc>` with the content.
    #[must_use]
    pub fn on_enc(&self, enc: Node) -> Node {
        enc.attr_opt("mediatype", self.media).attr_opt("decrypt-fail", self.hides_failure.then_some("hide"))
    }

    /// `<meta>`, when there is something to say.
    #[must_use]
    pub fn meta_node(&self) -> Option<Node> {
        let attributes = self.meta.iter();
        let node = attributes.fold(Node::new("meta"), |node, (name, value)| node.attr(*name, *value));
        (!self.meta.is_empty()).then_some(node)
    }
}

/// A message to a group on its way out: one ciphertext for all, and our key for the devices that lack it. Protocol:
/// messages, "Groups".
#[derive(Debug)]
pub struct OutboundGroupMessage<'m> {
    /// The group.
    pub to: &'m Jid,
    /// The message's id.
    pub id: &'m MessageId,
    /// What the content is.
    pub class: Class,
    /// How the group is addressed; nothing for audiences.
    pub addressing: Option<AddressingMode>,
    /// The participant hash of all devices, ours included; nothing for status posts.
    pub phash: Option<&'m str>,
    /// Our key, for each device that lacks it.
    pub keys: Vec<(Jid, EncKind, Vec<u8>)>,
    /// The users of an audience of whom no device lacks our key: the server knows the readers from the stanza alone.
    pub others: Vec<Jid>,
    /// How the audience of a status post was chosen.
    pub setting: Option<&'static str>,
    /// The content, under our key.
    pub content: Vec<u8>,
    /// Our own signed device identity, needed when any key is in a pkmsg.
    pub device_identity: Option<&'m [u8]>,
}

impl OutboundGroupMessage<'_> {
    /// The stanza.
    #[must_use]
    pub fn into_node(self) -> Node {
        let class = self.class;
        let opens_session = self.keys.iter().any(|(_, kind, _)| *kind == EncKind::PreKey);
        let mut node = Node::new("message")
            .attr("to", self.to)
            .attr("id", self.id)
            .attr("type", class.kind)
            .attr_opt("addressing_mode", self.addressing.map(AddressingMode::as_str))
            .attr_opt("phash", self.phash)
            .attr_opt("edit", class.edit);
        if !self.keys.is_empty() || !self.others.is_empty() {
            let keys = self.keys.into_iter().map(|(jid, kind, bytes)| {
                let enc = Node::new("enc").attr("v", "2").attr("type", kind.as_str()).bytes(bytes);
                Node::new("to").attr("jid", jid).child(enc)
            });
            let others = self.others.into_iter().map(|jid| Node::new("to").attr("jid", jid));
            node = node.child(Node::new("participants").children(keys.chain(others)));
        }
        let content = Node::new("enc")
            .attr("v", "2")
            .attr("type", EncKind::SenderKey.as_str())
            .attr_opt("mediatype", class.media)
            .attr_opt("decrypt-fail", class.hides_failure.then_some("hide"))
            .bytes(self.content);
        let meta = match self.setting {
            Some(setting) => {
                Some(class.meta_node().unwrap_or_else(|| Node::new("meta")).attr("status_setting", setting))
            }
            None => class.meta_node(),
        };
        let node = node.child(content).children(meta);
        match self.device_identity {
            Some(identity) if opens_session => node.child(Node::new("device-identity").bytes(identity)),
            _ => node,
        }
    }
}

/// A direct message on its way out: one ciphertext per device.
#[derive(Debug)]
pub struct OutboundMessage<'m> {
    /// The recipient, without a device.
    pub to: &'m Jid,
    /// The message's id.
    pub id: &'m MessageId,
    /// What the content is.
    pub class: Class,
    /// One ciphertext for each device.
    pub recipients: Vec<(Jid, EncKind, Vec<u8>)>,
    /// Our own signed device identity, needed when any part is a pkmsg.
    pub device_identity: Option<&'m [u8]>,
    /// The recipient's phone number when `to` is a LID and we know it.
    pub recipient_pn: Option<&'m Jid>,
    /// What shows the recipient that we are no stranger: `<tctoken>` or `<cstoken>`.
    pub trust: Option<Node>,
}

/// A message to our own phone about protocol matters. Protocol: messages, "Peer messages".
#[derive(Debug)]
pub struct PeerMessage<'m> {
    /// Our own account.
    pub to: &'m Jid,
    /// The message's id.
    pub id: &'m MessageId,
    /// The ciphertext for the phone.
    pub enc: (EncKind, Vec<u8>),
    /// Whether the server wakes the phone: `high`, `high_force`.
    pub priority: &'static str,
    /// Our own signed device identity, needed when the ciphertext is a pkmsg.
    pub device_identity: Option<&'m [u8]>,
}

impl PeerMessage<'_> {
    /// The stanza.
    #[must_use]
    pub fn into_node(self) -> Node {
        let (kind, bytes) = self.enc;
        let enc = Node::new("enc").attr("v", "2").attr("type", kind.as_str()).bytes(bytes);
        Node::new("message")
            .attr("to", self.to)
            .attr("id", self.id)
            .attr("type", "text")
            .attr("category", "peer")
            .attr("push_priority", self.priority)
            .child(Node::new("meta").attr("appdata", "default"))
            .child(enc)
            .children(
                self.device_identity
                    .filter(|_| kind == EncKind::PreKey)
                    .map(|identity| Node::new("device-identity").bytes(identity)),
            )
    }
}

impl OutboundMessage<'_> {
    /// The stanza.
    #[must_use]
    pub fn into_node(self) -> Node {
        let class = self.class;
        let opens_session = self.recipients.iter().any(|(_, kind, _)| *kind == EncKind::PreKey);
        let participants = self.recipients.into_iter().map(|(jid, kind, bytes)| {
            let enc = Node::new("enc")
                .attr("v", "2")
                .attr("type", kind.as_str())
                .attr_opt("mediatype", class.media)
                .attr_opt("decrypt-fail", class.hides_failure.then_some("hide"))
                .bytes(bytes);
            Node::new("to").attr("jid", jid).child(enc)
        });
        let node = Node::new("message")
            .attr("to", self.to)
            .attr("id", self.id)
            .attr("type", class.kind)
            .attr_opt("edit", class.edit)
            .attr_opt("peer_recipient_pn", self.recipient_pn)
            .child(Node::new("participants").children(participants))
            .children(class.meta_node())
            .children(self.trust);
        match self.device_identity {
            Some(identity) if opens_session => node.child(Node::new("device-identity").bytes(identity)),
            _ => node,
        }
    }
}

/// `<reporting>`: by which a report of the message can be checked. Protocol: messages, "Reporting token".
#[must_use]
pub fn reporting(token: [u8; 16]) -> Node {
    Node::new("reporting").child(Node::new("reporting_token").attr("v", "2").bytes(token.to_vec()))
}

/// A post of a channel on its way out. Protocol: messages, "Newsletter".
#[derive(Debug)]
pub struct OutboundPost<'m> {
    /// The channel.
    pub to: &'m Jid,
    /// The post's id: for a change of an earlier one, that one's.
    pub id: &'m MessageId,
    /// What the content is; its `edit` is that of channels.
    pub class: Class,
    /// The hosts' name for its file.
    pub file: Option<&'m str>,
    /// The encoded message, without a context; nothing for a post that is deleted.
    pub content: Vec<u8>,
}

impl OutboundPost<'_> {
    /// The stanza.
    #[must_use]
    pub fn into_node(self) -> Node {
        let plaintext = Node::new("plaintext").attr_opt("mediatype", self.class.media).bytes(self.content);
        Node::new("message")
            .attr("to", self.to)
            .attr("id", self.id)
            .attr("type", self.class.kind)
            .attr_opt("edit", self.class.edit)
            .attr_opt("media_id", self.file)
            .child(plaintext)
    }
}
