//! The past: read from a file by itself, and by a client from its phone.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read as _};

use flate2::bufread::ZlibDecoder;
use prost::Message as _;
use tokio::time::timeout;
use wa_core::client::HistoryReader;
use wa_core::history::{Batches, HistoryItem, Item, ReadLimits, Reader, Selection};
use wa_proto::history_sync::HistorySync;
use wa_types::Jid;

use super::LIMIT;
use wa_benches::usage::Mark;
use wa_benches::{Fallible, say};

/// Reads a blob in one of several ways; tells what it used, and how many messages there were.
pub(crate) fn read(path: &str, way: &str) -> Fallible<()> {
    let mark = Mark::now();
    let file = File::open(path)?;
    let reader = |file| Reader::new(file, ReadLimits::default(), Selection::default());
    let mut messages = 0;
    match way {
        "inflate" => {
            let mut decoder = ZlibDecoder::new(BufReader::with_capacity(32 << 10, file));
            let mut room = vec![0; 32 << 10];
            while decoder.read(&mut room)? > 0 {}
        }
        "whole" => {
            let mut inflated = Vec::new();
            ZlibDecoder::new(BufReader::with_capacity(32 << 10, file)).read_to_end(&mut inflated)?;
            let history = HistorySync::decode(&*inflated)?;
            messages = history.conversations.iter().map(|chat| chat.messages.len()).sum();
        }
        "records" => {
            let mut reader = reader(file);
            while let Some(item) = reader.read_item()? {
                messages += usize::from(matches!(item, Item::Message { .. }));
            }
        }
        "batches" => {
            let mut batches = Batches::new(reader(file), Jid::pn("15550000099"));
            while let Some(batch) = batches.read_batch()? {
                messages += count(&batch.items);
                black_box(batch);
            }
        }
        _ => return Err(format!("unknown way {way}").into()),
    }
    say(&format!("{messages};{}", mark.used(mark.wall())))
}

fn count(items: &[HistoryItem]) -> usize {
    items.iter().filter(|item| matches!(item, HistoryItem::Message(_))).count()
}

/// Takes so many messages of the past, as they come.
pub(super) async fn take(reader: &mut HistoryReader, messages: usize) -> Fallible<String> {
    let mark = Mark::now();
    let mut left = messages;
    while left > 0 {
        let part = timeout(LIMIT, reader.next()).await?.ok_or("the client ended")?;
        left = left.saturating_sub(count(&part.batch.items));
    }
    let wall = mark.wall();
    // Asking for the next batch confirms the last one.
    let _nothing_more = timeout(super::STRAGGLERS, reader.next()).await;
    Ok(mark.used(wall).to_string())
}
