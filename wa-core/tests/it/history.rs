//! History blobs: the known answers, and what hostile ones do.

use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use prost::Message as _;
use serde_json::{Value, json};
use wa_core::crypto::{aes, kdf};
use wa_core::history::HistoryMute::{ForEver, Until};
use wa_core::history::{
    Batches, HistoryBatch, HistoryError, HistoryItem, HistoryKind, HistoryNotification, Item, Payload,
    ReadLimits, Reader, Selection,
};
use wa_core::types::UnixSeconds;
use wa_core::{Jid, MessageId};
use wa_proto::common::MessageKey;
use wa_proto::history_sync::{Conversation, HistorySync, HistorySyncMsg, PhoneNumberToLidMapping, Pushname};
use wa_proto::web::WebMessageInfo;
use wa_proto::{e2e, history_sync};

use super::vectors::{self, text};

fn own() -> Jid {
    Jid::pn("15550000099")
}

fn reader(compressed: &[u8]) -> Reader<&[u8]> {
    Reader::new(compressed, ReadLimits::default(), Selection::default())
}

/// All batches, joined.
fn read_all(compressed: &[u8]) -> Result<HistoryBatch, HistoryError> {
    let mut batches = Batches::new(reader(compressed), own());
    let mut all = HistoryBatch::default();
    while let Some(batch) = batches.read_batch()? {
        all.items.extend(batch.items);
        all.addresses.extend(batch.addresses);
        all.unreadable += batch.unreadable;
    }
    Ok(all)
}

/// What a reader says of a blob, in the words of the vectors.
fn told(compressed: &[u8]) -> Result<Value, HistoryError> {
    let mut reader = reader(compressed);
    let (mut conversations, mut messages) = (Vec::new(), Vec::new());
    let (mut names, mut mappings, mut past) = (Vec::new(), Vec::new(), Vec::new());
    let (mut statuses, mut calls) = (0, 0);
    while let Some(item) = reader.read_item()? {
        match item {
            Item::Message { message, .. } => {
                let content = message.message.map(|bytes| e2e::Message::decode(bytes).unwrap());
                let said = content.as_ref().and_then(|content| {
                    let extended = content.extended_text_message.as_ref();
                    content.conversation.clone().or_else(|| extended.map(|it| it.text().to_owned()))
                });
                messages.push(json!({
                    "id": message.id,
                    "from_me": message.from_me,
                    "participant": message.participant,
                    "timestamp": message.timestamp,
                    "text": said,
                    "stub_type": message.stub,
                    "message_secret": message.secret.map(hex::encode),
                    "order_id": message.order,
                }));
            }
            Item::Chat(settings) => {
                let chat = Conversation::decode(settings).unwrap();
                let members = chat.participant.iter();
                let members = members.map(|one| json!({"jid": one.user_jid, "rank": one.rank}));
                conversations.push(json!({
                    "id": chat.id,
                    "name": chat.name,
                    "display_name": chat.display_name,
                    "unread_count": chat.unread_count,
                    "archived": chat.archived,
                    "pinned": chat.pinned,
                    "mute_end_time": chat.mute_end_time.map(|time| time.to_string()),
                    "conversation_timestamp": chat.conversation_timestamp,
                    "ephemeral_expiration": chat.ephemeral_expiration,
                    "end_of_history_transfer_type": chat.end_of_history_transfer_type,
                    "tc_token": chat.tc_token.as_ref().map(hex::encode),
                    "tc_token_timestamp": chat.tc_token_timestamp,
                    "tc_token_sender_timestamp": chat.tc_token_sender_timestamp,
                    "pn_jid": chat.pn_jid,
                    "lid_jid": chat.lid_jid,
                    "participants": members.collect::<Vec<_>>(),
                    "messages": std::mem::take(&mut messages),
                }));
            }
            Item::PushName(bytes) => {
                let name = Pushname::decode(bytes).unwrap();
                names.push(json!({"id": name.id, "pushname": name.pushname}));
            }
            Item::Addresses(bytes) => {
                let pair = PhoneNumberToLidMapping::decode(bytes).unwrap();
                mappings.push(json!({"pn": pair.pn_jid, "lid": pair.lid_jid}));
            }
            Item::PastMembers(bytes) => {
                let group = history_sync::PastParticipants::decode(bytes).unwrap();
                let list = group.past_participants.iter();
                let list = list
                    .map(|one| json!({"jid": one.user_jid, "reason": one.leave_reason, "t": one.leave_ts}));
                past.push(json!({"group": group.group_jid, "list": list.collect::<Vec<_>>()}));
            }
            Item::Status(_) => statuses += 1,
            Item::Call(_) => calls += 1,
            _ => {}
        }
    }
    let summary = reader.summary();
    let sync_type =
        history_sync::history_sync::HistorySyncType::try_from(summary.sync_type.unwrap()).unwrap();
    Ok(json!({
        "sync_type": sync_type.as_str_name(),
        "chunk_order": summary.chunk_order,
        "progress": summary.progress,
        "conversations": conversations,
        "pushnames": names,
        "lid_mappings": mappings,
        "past_participants": past,
        "nct_salt": summary.nct_salt.as_ref().map(hex::encode),
        "status_messages": statuses,
        "call_log_records": calls,
    }))
}

#[test]
fn blobs_hold_what_the_vectors_say() {
    let mut kinds = [0; 3];
    for case in vectors::load("history-sync").cases {
        let name = text(&case, "name");
        let compressed = vectors::bytes(&case, "compressed");
        match text(&case, "kind") {
            "bad" => {
                kinds[0] += 1;
                assert_eq!(text(&case, "error"), "inflate");
                assert_eq!(told(&compressed), Err(HistoryError::Damaged), "{name}");
            }
            kind => {
                let notification = vectors::bytes(&case, "notification_proto");
                let notification = HistoryNotification::decode(&notification).unwrap();
                assert_eq!(told(&compressed).unwrap(), case["expect"], "{name}");
                let payload = match (kind, notification.payload) {
                    ("inline", Payload::Inline(bytes)) => {
                        kinds[1] += 1;
                        bytes
                    }
                    ("external", Payload::Blob(file)) => {
                        kinds[2] += 1;
                        assert_eq!(file.file_sha256.unwrap(), vectors::array(&case, "file_sha256"), "{name}");
                        assert_eq!(
                            file.file_enc_sha256.unwrap(),
                            vectors::array(&case, "file_enc_sha256"),
                            "{name}"
                        );
                        let key = file.key.unwrap();
                        assert_eq!(*key.as_bytes(), vectors::array(&case, "media_key"), "{name}");
                        open(
                            &vectors::bytes(&case, "encrypted_blob"),
                            key.as_bytes(),
                            file.file_enc_sha256.as_ref(),
                        )
                    }
                    other => panic!("{name}: {other:?}"),
                };
                assert_eq!(payload, compressed, "{name}");
                let expected = &case["expect"];
                let order = expected["chunk_order"].as_u64().unwrap_or(0);
                assert_eq!(u64::from(notification.chunk_order), order, "{name}");
                assert_eq!(notification.progress.map(u64::from), expected["progress"].as_u64(), "{name}");
            }
        }
    }
    assert_eq!(kinds, [2, 1, 6]);
}

/// Decrypts a file of the media hosts, every step by itself.
fn open(blob: &[u8], key: &[u8; 32], hash: Option<&[u8; 32]>) -> Vec<u8> {
    assert_eq!(Some(&kdf::sha256(&[blob])), hash);
    let keys = kdf::hkdf_array::<112>(key, &[], b"WhatsApp History Keys");
    let (ciphertext, mac) = blob.split_at(blob.len() - 10);
    let iv: &[u8; 16] = keys[..16].try_into().unwrap();
    assert_eq!(&kdf::hmac_sha256(&keys[48..80], &[iv, ciphertext])[..10], mac);
    aes::cbc_decrypt(keys[16..48].try_into().unwrap(), iv, ciphertext).unwrap()
}

#[test]
fn kinds_of_notifications_have_their_numbers() {
    for number in 0..=8 {
        let kind = HistoryKind::from_number(number);
        assert!(!matches!(kind, HistoryKind::Unknown(_)));
        assert_eq!(kind.number(), number);
    }
    assert_eq!(HistoryKind::from_number(99).number(), 99);
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn compress(history: &HistorySync) -> Vec<u8> {
    deflate(&history.encode_to_vec())
}

fn message(chat: &str, number: u64) -> HistorySyncMsg {
    let key = MessageKey {
        remote_jid: Some(chat.to_owned()),
        from_me: Some(number.is_multiple_of(3)),
        id: Some(format!("3EB0{number:016X}")),
        participant: None,
    };
    let message = e2e::Message {
        conversation: Some(format!("message number {number}, in words that compress well")),
        ..Default::default()
    };
    let info = WebMessageInfo {
        key,
        message: Some(Box::new(message)),
        message_timestamp: Some(1_700_000_000 + number),
        ..Default::default()
    };
    HistorySyncMsg { message: Some(info), msg_order_id: Some(number) }
}

fn chat(id: &str, messages: u64) -> Conversation {
    Conversation {
        id: id.to_owned(),
        messages: (0..messages).rev().map(|number| message(id, number)).collect(),
        name: Some("Crew".to_owned()),
        ..Default::default()
    }
}

fn history(conversations: Vec<Conversation>) -> HistorySync {
    HistorySync { sync_type: 3, chunk_order: Some(1), conversations, ..Default::default() }
}

const CHAT: &str = "15551234567@s.whatsapp.net";

#[test]
fn batches_have_the_chat_behind_its_messages_and_every_record_once() {
    let blob = compress(&history(vec![chat(CHAT, 1000), chat("100@lid", 0)]));
    let all = read_all(&blob).unwrap();
    assert_eq!(all.items.len(), 1002);
    let ids = all.items.iter().filter_map(|item| match item {
        HistoryItem::Message(message) => Some(message.id.clone()),
        _ => None,
    });
    let ids: Vec<MessageId> = ids.collect();
    let expected: Vec<_> = (0..1000).rev().map(|n| MessageId::new(format!("3EB0{n:016X}"))).collect();
    assert_eq!(ids, expected);
    let HistoryItem::Message(first) = &all.items[0] else { panic!("{:?}", all.items[0]) };
    assert_eq!(first.message().unwrap().as_text().unwrap().get(..18), Some("message number 999"));
    assert_eq!((&first.sender, first.from_me), (&own(), true));
    let HistoryItem::Chat(told) = &all.items[1000] else { panic!("{:?}", all.items[1000]) };
    assert_eq!((told.jid.to_string().as_str(), told.name.as_deref()), (CHAT, Some("Crew")));
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let blob = compress(&history(vec![chat(CHAT, 600), chat("100@lid", 50)]));
    let all = read_all(&blob).unwrap().items;
    for stop in [0, 1, 256, 599, 600, 601, 652] {
        let mut batches = Batches::new(reader(&blob), own());
        batches.skip_to(stop).unwrap();
        let mut rest = Vec::new();
        while let Some(batch) = batches.read_batch().unwrap() {
            rest.extend(batch.items);
        }
        assert_eq!(rest, all[usize::try_from(stop).unwrap()..]);
    }
}

#[test]
fn only_what_is_wanted_is_read() {
    let blob = compress(&history(vec![chat(CHAT, 100), chat("100@lid", 5)]));
    let read = |selection: Selection| {
        let mut reader = Reader::new(blob.as_slice(), ReadLimits::default(), selection);
        let (mut messages, mut chats) = (0, 0);
        while let Some(item) = reader.read_item().unwrap() {
            match item {
                Item::Message { .. } => messages += 1,
                Item::Chat(_) => chats += 1,
                _ => {}
            }
        }
        (messages, chats, reader.summary().left_out)
    };
    let mut few = Selection::default();
    few.messages_per_chat = Some(10);
    assert_eq!(read(few), (15, 2, 90));
    let mut recent = Selection::default();
    recent.not_before = Some(UnixSeconds(1_700_000_000 + 3));
    assert_eq!(read(recent), (97 + 2, 2, 6));
    recent.messages_per_chat = Some(1);
    assert_eq!(read(recent), (2, 2, 103));
}

#[test]
fn gzip_is_read_too() {
    let history = history(vec![chat(CHAT, 3)]).encode_to_vec();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&history).unwrap();
    let gzip = encoder.finish().unwrap();
    assert_eq!(read_all(&gzip).unwrap(), read_all(&deflate(&history)).unwrap());
    assert_eq!(read_all(&gzip[..gzip.len() - 9]), Err(HistoryError::Damaged));
}

#[test]
fn what_is_not_known_is_read_over() {
    let mut bytes = history(vec![chat(CHAT, 3)]).encode_to_vec();
    // A field 500 of each form: a number, eight bytes, some bytes, four bytes.
    bytes.extend([0xA0, 0x1F, 7]);
    bytes.extend([0xA1, 0x1F, 1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.extend([0xA2, 0x1F, 0x80, 0x80, 0x04]);
    bytes.extend(vec![0xEE; 1 << 16]);
    bytes.extend([0xA5, 0x1F, 1, 2, 3, 4]);
    let mut limits = ReadLimits::default();
    limits.record_bytes = 1 << 10;
    let mut reader = Reader::new(&*deflate(&bytes).leak(), limits, Selection::default());
    let mut records = 0;
    while reader.read_item().unwrap().is_some() {
        records += 1;
    }
    assert_eq!(records, 4);
}

#[test]
fn broken_blobs_are_refused_with_their_cause() {
    let whole = history(vec![chat(CHAT, 3)]).encode_to_vec();
    let typeless = whole[2..].to_vec();
    let cut = whole[..whole.len() - 4].to_vec();
    let nameless = HistorySync { sync_type: 3, ..Default::default() };
    let nameless = [nameless.encode_to_vec(), vec![0x12, 2, 0x6A, 0]].concat();
    let early = vec![8, 3, 0x12, 3, 0x12, 1, 0];
    let cases: [(&str, Vec<u8>, HistoryError); 5] = [
        ("no type", typeless, HistoryError::Malformed("no type")),
        ("cut within a chat", cut, HistoryError::Malformed("cut short")),
        ("a chat without an address", nameless, HistoryError::Malformed("a chat without an address")),
        ("messages first", early, HistoryError::Malformed("messages before their chat's address")),
        ("a group, which is no field", vec![8, 3, 0x13], HistoryError::Malformed("a key")),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(read_all(&deflate(&bytes)), Err(expected), "{name}");
    }
    let mut checksum = deflate(&whole);
    *checksum.last_mut().unwrap() ^= 1;
    assert_eq!(read_all(&checksum), Err(HistoryError::Damaged));
    assert_eq!(read_all(&[]), Err(HistoryError::Damaged));
}

#[test]
fn one_message_that_cannot_be_read_does_not_hide_the_others() {
    let mut bytes = vec![8, 3];
    // A chat "100@lid" with a message whose key is cut short, and one without an id.
    let id = [&[0x0A, 7][..], b"100@lid"].concat();
    let chat = [id, vec![0x12, 4, 0x0A, 2, 0x0A, 9], vec![0x12, 2, 0x0A, 0]].concat();
    bytes.extend([0x12, u8::try_from(chat.len()).unwrap()]);
    bytes.extend(chat);
    let read = read_all(&deflate(&bytes)).unwrap();
    assert_eq!((read.unreadable, read.items.len()), (2, 1));
}

#[test]
fn bombs_and_giants_end_with_their_limit() {
    let mut limits = ReadLimits::default();
    limits.total_bytes = 1 << 20;
    let read = |bytes: &[u8], limits| {
        let mut reader = Reader::new(bytes, limits, Selection::default());
        loop {
            match reader.read_item() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    };
    // Twenty megabytes of nothing, in a field that nobody knows.
    let mut bomb = vec![8, 3, 0xA2, 0x1F, 0x80, 0x80, 0x80, 0x0A];
    bomb.resize(bomb.len() + (20 << 20), 0);
    let bomb = deflate(&bomb);
    assert!(bomb.len() < 64 << 10);
    assert_eq!(read(&bomb, limits), Some(HistoryError::TooLarge { limit: 1 << 20 }));
    assert_eq!(read(&bomb, ReadLimits::default()), None);
    // A message that says it has 4 GiB.
    let id = [&[0x0A, 7][..], b"100@lid"].concat();
    let giant = [&[8, 3, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F][..], &id, &[0x12, 0xF0, 0xFF, 0xFF, 0xFF, 0x0F]];
    let error = read(&deflate(&giant.concat()), ReadLimits::default());
    assert_eq!(error, Some(HistoryError::RecordTooLarge { size: 0xFFFF_FFF0, limit: 4 << 20 }));
    // Settings of a chat without end, in small fields.
    limits.record_bytes = 1 << 10;
    let settings = Conversation {
        id: CHAT.to_owned(),
        participant: vec![
            history_sync::GroupParticipant { user_jid: CHAT.to_owned(), ..Default::default() };
            100
        ],
        ..Default::default()
    };
    let error = read(&compress(&history(vec![settings])), limits);
    assert!(matches!(error, Some(HistoryError::RecordTooLarge { limit: 1024, .. })), "{error:?}");
    assert!(!error.unwrap().is_worth_another());
}

#[test]
fn a_source_that_fails_is_told_apart_from_a_damaged_one() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }
    }
    let mut reader = Reader::new(Fails, ReadLimits::default(), Selection::default());
    assert_eq!(reader.read_item(), Err(HistoryError::Source(std::io::ErrorKind::PermissionDenied)));
}

#[test]
fn mute_times_are_read_in_either_unit() {
    let mute = |time| {
        let settings = Conversation { mute_end_time: Some(time), ..chat(CHAT, 0) };
        let read = read_all(&compress(&history(vec![settings]))).unwrap();
        let [HistoryItem::Chat(chat)] = read.items.as_slice() else { panic!("{read:?}") };
        chat.mute
    };
    assert_eq!(mute(0), None);
    assert_eq!(mute(1_700_000_000), Some(Until(UnixSeconds(1_700_000_000))));
    assert_eq!(mute(1_700_000_000_000), Some(Until(UnixSeconds(1_700_000_000))));
    assert_eq!(mute(u64::MAX), Some(ForEver));
}

proptest::proptest! {
    /// Whatever stands in a blob, reading it ends.
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = read_all(&bytes);
        let _ = read_all(&deflate(&bytes));
        let _ = read_all(&deflate(&[&[8, 3, 0x12][..], &bytes].concat()));
    }
}
