//! Some records at a time, of their own: as many as fit into a bound, so that what is on its way has one, too.

use std::io::Read;

use prost::Message as _;
use wa_proto::history_sync as proto;
use wa_types::{Jid, UnixSeconds};

use super::chat::HistoryChat;
use super::limits::HistoryError;
use super::message::{HistoryMessage, WebMessage};
use super::reader::{Item, Reader};

/// How many records, and about how many bytes of them, a batch holds.
const RECORDS: usize = 256;
const BYTES: usize = 256 << 10;

/// Some of a part of the past, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HistoryBatch {
    /// What the application may want.
    pub items: Vec<HistoryItem>,
    /// Which addresses are one user; the client keeps them itself.
    pub addresses: Vec<AddressPair>,
    /// The settings of the account said that its chats are known by LID.
    pub is_migrated: bool,
    /// How many messages could not be read.
    pub unreadable: u64,
}

/// One record of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryItem {
    /// A message. Those of a chat come newest first, and before the chat itself.
    Message(HistoryMessage),
    /// What else is known of a chat.
    Chat(Box<HistoryChat>),
    /// The name that a user gave itself; `None` for none.
    PushName {
        /// Who.
        user: Jid,
        /// The name.
        name: Option<String>,
    },
    /// An entry of the phone's address book.
    Contact {
        /// Who.
        user: Jid,
        /// The name in the address book.
        full_name: Option<String>,
        /// The first name there.
        first_name: Option<String>,
        /// The user's own handle.
        username: Option<String>,
    },
    /// Who left a group.
    PastMembers {
        /// The group.
        group: Jid,
        /// Who left it.
        members: Vec<PastMember>,
    },
    /// A call: an encoded `CallLogRecord`.
    Call(Vec<u8>),
    /// The handle of a user.
    Username {
        /// Who.
        user: Jid,
        /// The handle; `None` when it was given up.
        username: Option<String>,
    },
    /// How long messages in new chats live, and since when.
    Ephemeral {
        /// Seconds; 0 for ever.
        seconds: u32,
        /// Since when.
        since: Option<UnixSeconds>,
    },
}

/// Somebody who is in a group no more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastMember {
    /// Who.
    pub user: Jid,
    /// Whether an admin removed them.
    pub was_removed: bool,
    /// Since when.
    pub since: UnixSeconds,
}

/// Two addresses of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressPair {
    /// The phone number.
    pub pn: Jid,
    /// The LID.
    pub lid: Jid,
}

impl AddressPair {
    /// The pair of these two, in whichever order; `None` when they are none.
    #[must_use]
    pub fn of(one: &Jid, other: &Jid) -> Option<Self> {
        let (one, other) = (one.to_chat(), other.to_chat());
        if one.is_pn() && other.is_lid() {
            Some(Self { pn: one, lid: other })
        } else if one.is_lid() && other.is_pn() {
            Some(Self { pn: other, lid: one })
        } else {
            None
        }
    }
}

/// Makes batches of the records of a reader.
#[derive(Debug)]
pub struct Batches<R> {
    reader: Reader<R>,
    own: Jid,
    /// The chat of the message read last: most messages have that of the one before.
    chat: Option<(String, Jid)>,
}

impl<R: Read> Batches<R> {
    /// Batches of what `reader` reads, for the account `own`.
    pub const fn new(reader: Reader<R>, own: Jid) -> Self {
        Self { reader, own, chat: None }
    }

    /// Goes on behind the first `records` records of a blob, which were taken before.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn skip_to(&mut self, records: u64) -> Result<(), HistoryError> {
        while self.reader.position() < records {
            if self.reader.read_item()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The reader, for its position and its summary.
    pub const fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// The next batch; `None` at the end of a blob that is whole.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read_batch(&mut self) -> Result<Option<HistoryBatch>, HistoryError> {
        let mut batch = HistoryBatch::default();
        let (mut records, mut bytes) = (0, 0);
        while records < RECORDS && bytes < BYTES {
            let Some(item) = self.reader.read_item()? else {
                return Ok((records > 0).then_some(batch));
            };
            records += 1;
            bytes += batch.take(item, &mut self.chat, &self.own);
        }
        Ok(Some(batch))
    }
}

impl HistoryBatch {
    /// Takes a record in; about how many bytes it has. What cannot be read is left out: the next record may be.
    fn take(&mut self, item: Item<'_>, last: &mut Option<(String, Jid)>, own: &Jid) -> usize {
        match item {
            Item::Message { chat, message } => {
                let jid = match last {
                    Some((text, jid)) if text == chat => Some(&*jid),
                    _ => {
                        *last = parse_chat(chat).map(|jid| (chat.to_owned(), jid));
                        last.as_ref().map(|(_, jid)| jid)
                    }
                };
                let message_size = message.encoded.len();
                self.take_message(jid, &message, own);
                message_size
            }
            Item::Status(message) => {
                self.take_message(Some(&Jid::STATUS), &message, own);
                message.encoded.len()
            }
            Item::Unreadable(bytes) => {
                self.unreadable += 1;
                bytes.len()
            }
            Item::Chat(bytes) => {
                if let Ok(chat) = HistoryChat::read(bytes) {
                    self.addresses.extend(chat.addresses.clone());
                    self.items.push(HistoryItem::Chat(Box::new(chat)));
                }
                bytes.len()
            }
            Item::Addresses(bytes) => {
                let mapping = proto::PhoneNumberToLidMapping::decode(bytes).unwrap_or_default();
                self.pair(mapping.pn_jid(), mapping.lid_jid());
                bytes.len()
            }
            Item::Contact(bytes) => {
                let contact = proto::InlineContact::decode(bytes).unwrap_or_default();
                self.pair(contact.pn_jid(), contact.lid_jid());
                self.items.extend(read_contact(contact));
                bytes.len()
            }
            Item::PushName(bytes) => {
                self.items.extend(read_push_name(bytes));
                bytes.len()
            }
            Item::PastMembers(bytes) => {
                self.items.extend(read_past_members(bytes));
                bytes.len()
            }
            Item::Account(bytes) => {
                self.items.extend(read_account(bytes));
                bytes.len()
            }
            Item::Call(bytes) => {
                self.items.push(HistoryItem::Call(bytes.to_vec()));
                bytes.len()
            }
            Item::Settings(bytes) => {
                if let Ok(settings) = proto::GlobalSettings::decode(bytes) {
                    self.is_migrated |= settings.chat_db_lid_migration_timestamp() > 0;
                    if let Some(seconds) = settings.disappearing_mode_duration {
                        let since = settings.disappearing_mode_timestamp();
                        self.items.push(HistoryItem::Ephemeral {
                            seconds: u32::try_from(seconds).unwrap_or_default(),
                            since: u64::try_from(since).ok().filter(|since| *since > 0).map(UnixSeconds),
                        });
                    }
                }
                bytes.len()
            }
        }
    }

    fn take_message(&mut self, chat: Option<&Jid>, message: &WebMessage<'_>, own: &Jid) {
        match chat.and_then(|chat| message.to_owned(chat, own)) {
            Some(message) => self.items.push(HistoryItem::Message(message)),
            None => self.unreadable += 1,
        }
    }

    fn pair(&mut self, one: &str, other: &str) {
        if let (Ok(one), Ok(other)) = (one.parse(), other.parse()) {
            self.addresses.extend(AddressPair::of(&one, &other));
        }
    }
}

fn text(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

fn read_contact(contact: proto::InlineContact) -> Option<HistoryItem> {
    let jids = [contact.lid_jid(), contact.pn_jid()];
    let user = jids.into_iter().find_map(|text| text.parse::<Jid>().ok().filter(Jid::is_user))?.to_chat();
    let proto::InlineContact { full_name, first_name, username, .. } = contact;
    Some(HistoryItem::Contact {
        user,
        full_name: text(full_name),
        first_name: text(first_name),
        username: text(username),
    })
}

fn read_push_name(bytes: &[u8]) -> Option<HistoryItem> {
    let name = proto::Pushname::decode(bytes).ok()?;
    Some(HistoryItem::PushName {
        user: name.id().parse::<Jid>().ok()?.to_chat(),
        name: text(name.pushname).filter(|name| name != "-"),
    })
}

fn read_past_members(bytes: &[u8]) -> Option<HistoryItem> {
    let past = proto::PastParticipants::decode(bytes).ok()?;
    let members = past.past_participants.iter().filter_map(|member| {
        Some(PastMember {
            user: member.user_jid().parse::<Jid>().ok()?.to_user(),
            was_removed: member.leave_reason == Some(1),
            since: UnixSeconds(member.leave_ts()),
        })
    });
    Some(HistoryItem::PastMembers { group: past.group_jid().parse().ok()?, members: members.collect() })
}

fn read_account(bytes: &[u8]) -> Option<HistoryItem> {
    let account = proto::Account::decode(bytes).ok()?;
    let is_deleted = account.is_username_deleted();
    Some(HistoryItem::Username {
        user: account.lid().parse::<Jid>().ok()?.to_chat(),
        username: text(account.username).filter(|_| !is_deleted),
    })
}

fn parse_chat(text: &str) -> Option<Jid> {
    let jid = text.parse::<Jid>().ok()?;
    Some(if jid.is_user() { jid.to_chat() } else { jid })
}
