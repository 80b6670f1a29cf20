//! How much memory the reading of a large history takes. A binary of its own: its allocator counts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, missing_docs)]

use std::alloc::System;
use std::io::{Read, Write as _};

use flate2::write::ZlibEncoder;
use prost::Message as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wa_core::Jid;
use wa_core::history::{Batches, HistoryItem, ReadLimits, Reader, Selection};
use wa_proto::common::MessageKey;
use wa_proto::e2e;
use wa_proto::history_sync::HistorySyncMsg;
use wa_proto::web::WebMessageInfo;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

/// One chat with so many messages; the blob is compressed as it is made.
fn blob(messages: u64) -> (Vec<u8>, usize) {
    let one = |number: u64| {
        let message = e2e::Message {
            conversation: Some(format!("message {number} {}", "of some length ".repeat(12))),
            ..Default::default()
        };
        let key = MessageKey {
            remote_jid: Some("100000000000001@lid".to_owned()),
            id: Some(format!("3EB0{number:016X}")),
            ..Default::default()
        };
        let info = WebMessageInfo {
            key,
            message: Some(Box::new(message)),
            message_timestamp: Some(1_700_000_000 + number),
            push_name: Some("Ana".to_owned()),
            ..Default::default()
        };
        let encoded = HistorySyncMsg { message: Some(info), msg_order_id: Some(number) }.encode_to_vec();
        let mut field = vec![0x12];
        prost::encoding::encode_varint(encoded.len() as u64, &mut field);
        field.extend(encoded);
        field
    };
    let id = [&[0x0A, 19][..], b"100000000000001@lid"].concat();
    let size = id.len() + (0..messages).map(|number| one(number).len()).sum::<usize>();
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut head = vec![8, 3, 0x12];
    prost::encoding::encode_varint(size as u64, &mut head);
    head.extend(id);
    encoder.write_all(&head).unwrap();
    for number in 0..messages {
        encoder.write_all(&one(number)).unwrap();
    }
    (encoder.finish().unwrap(), size)
}

/// How much more is held at once while a blob is read in batches, at most.
fn peak(compressed: impl Read, messages: u64) -> usize {
    let before = held();
    let mut peak = 0;
    let reader = Reader::new(compressed, ReadLimits::default(), Selection::default());
    let mut batches = Batches::new(reader, Jid::pn("15550000099"));
    let mut read = 0;
    while let Some(batch) = batches.read_batch().unwrap() {
        peak = peak.max(held().saturating_sub(before));
        read += batch.items.iter().filter(|item| matches!(item, HistoryItem::Message(_))).count() as u64;
    }
    assert_eq!(read, messages);
    peak
}

#[test]
fn memory_does_not_grow_with_the_history() {
    let mut peaks = Vec::new();
    for messages in [2_000, 100_000] {
        let (compressed, size) = blob(messages);
        let peak = peak(compressed.as_slice(), messages);
        println!("{messages} messages, {size} bytes inflated: {peak} bytes held at most");
        assert!(peak < 1 << 20, "{peak}");
        peaks.push(peak);
    }
    assert!(peaks[1] < peaks[0] + (64 << 10), "{peaks:?}");
}
