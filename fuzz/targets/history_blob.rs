//! A blob of history, as it comes and as what stands in one: no panic, and no memory beyond the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wa_core::Jid;
use wa_core::history::{Batches, HistoryItem, HistoryNotification, ReadLimits, Reader, Selection};
use wa_core::types::UnixSeconds;

fuzz_target!(|bytes: &[u8]| {
    let _ = HistoryNotification::decode(bytes);
    read(bytes, Selection::default());
    let stored = store(bytes);
    read(&stored, Selection::default());
    let mut few = Selection::default();
    few.messages_per_chat = Some(1);
    few.not_before = Some(UnixSeconds(1));
    read(&stored, few);
});

fn read(compressed: &[u8], selection: Selection) {
    let mut limits = ReadLimits::default();
    limits.record_bytes = 64 << 10;
    limits.total_bytes = 1 << 20;
    let mut batches = Batches::new(Reader::new(compressed, limits, selection), Jid::pn("15550000099"));
    while let Ok(Some(batch)) = batches.read_batch() {
        for item in &batch.items {
            if let HistoryItem::Message(message) = item {
                let _ = (message.message(), message.secret());
            }
        }
    }
}

/// A zlib stream that holds these bytes as they are.
fn store(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xFFFF).peekable();
    while let Some(block) = blocks.next() {
        let size = u16::try_from(block.len()).expect("a chunk");
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(size.to_le_bytes());
        stream.extend((!size).to_le_bytes());
        stream.extend(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}
