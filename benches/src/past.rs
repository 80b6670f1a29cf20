//! The past of an account as a phone packs it, invented: texts of some words, each with its message secret.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use prost::Message as _;
use wa_proto::common::MessageKey;
use wa_proto::e2e::{Message, MessageContextInfo};
use wa_proto::history_sync::{Conversation, HistorySync, HistorySyncMsg, PhoneNumberToLidMapping};
use wa_proto::web::WebMessageInfo;

/// How many messages a chat has.
const CHAT: usize = 250;

const WORDS: [&str; 16] = [
    "see",
    "you",
    "at",
    "the",
    "station",
    "tomorrow",
    "after",
    "lunch",
    "please",
    "bring",
    "both",
    "keys",
    "and",
    "something",
    "to",
    "drink",
];

/// A compressed blob with so many messages. One chat of it is in memory at a time.
///
/// # Errors
/// None: it is written into memory.
pub fn blob(messages: usize) -> io::Result<Vec<u8>> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    for (number, first) in (0..messages).step_by(CHAT).enumerate() {
        encoder.write_all(&chat(number, (messages - first).min(CHAT), &mut random).encode_to_vec())?;
    }
    encoder.finish()
}

/// The same as protobuf that is not packed.
#[must_use]
pub fn whole(messages: usize) -> HistorySync {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut whole = HistorySync { sync_type: 3, ..HistorySync::default() };
    for (number, first) in (0..messages).step_by(CHAT).enumerate() {
        let part = chat(number, (messages - first).min(CHAT), &mut random);
        whole.conversations.extend(part.conversations);
        whole.phone_number_to_lid_mappings.extend(part.phone_number_to_lid_mappings);
    }
    whole
}

/// A blob of one chat; those of several behind each other are a blob, too.
fn chat(number: usize, messages: usize, random: &mut Random) -> HistorySync {
    let jid = format!("{}@lid", 100_000_000_000_000 + number * 7919);
    let messages = (0..messages).rev().map(|place| message(&jid, place as u64, random)).collect();
    let pn_jid = format!("{}@s.whatsapp.net", 15_550_000_000 + number as u64);
    let pair = PhoneNumberToLidMapping { pn_jid: Some(pn_jid), lid_jid: Some(jid.clone()) };
    HistorySync {
        sync_type: 3,
        conversations: vec![Conversation {
            id: jid,
            messages,
            name: Some(format!("Person {number}")),
            tc_token: Some(random.bytes::<16>().to_vec()),
            tc_token_timestamp: Some(1_794_000_000),
            ..Conversation::default()
        }],
        phone_number_to_lid_mappings: vec![pair],
        ..HistorySync::default()
    }
}

fn message(chat: &str, place: u64, random: &mut Random) -> HistorySyncMsg {
    let words = 3 + random.below(16);
    let text: Vec<&str> = (0..words).filter_map(|_| WORDS.get(random.below(WORDS.len())).copied()).collect();
    let context =
        MessageContextInfo { message_secret: Some(random.bytes::<32>().to_vec()), ..Default::default() };
    let from_me = place.is_multiple_of(3);
    HistorySyncMsg {
        message: Some(WebMessageInfo {
            key: MessageKey {
                remote_jid: Some(chat.to_owned()),
                from_me: Some(from_me),
                id: Some(format!("3EB0{}", hex::encode_upper(random.bytes::<9>()))),
                participant: None,
            },
            message: Some(Box::new(Message {
                conversation: Some(text.join(" ")),
                message_context_info: Some(Box::new(context)),
                ..Message::default()
            })),
            message_timestamp: Some(1_790_000_000 + place * 600),
            push_name: (!from_me).then(|| "Somebody".to_owned()),
            ..WebMessageInfo::default()
        }),
        msg_order_id: Some(place),
    }
}

/// xorshift64*: the same bytes in every run, and none that zlib could pack.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or_default() % limit.max(1)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_be_bytes()[0])
    }
}
