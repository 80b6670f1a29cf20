//! Receipts: bytes to typed stanzas, and back.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use wa_core::stanza::Reader;
use wa_core::stanza::receipt::{InboundReceipt, OutboundReceipt};
use wa_core::wire::{self, Node};
use wa_types::{Jid, MessageId};

const RECEIPTS: u64 = 1000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let stanzas: Vec<Vec<u8>> = (0..RECEIPTS)
        .map(|number| {
            let node = Node::new("receipt")
                .attr("id", id(number).to_string())
                .attr("from", Jid::lid("100000000000001"))
                .attr("type", "read")
                .attr("t", "1794300000");
            let bytes = wire::encode(&node).expect("the node has a form on the wire");
            wire::unpack(&bytes).expect("it was just packed").into_owned()
        })
        .collect();
    let mut group = criterion.benchmark_group("receipts_1000");
    group.throughput(Throughput::Elements(RECEIPTS));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            for bytes in &stanzas {
                let document = wire::decode(black_box(bytes)).expect("a good stanza");
                black_box(InboundReceipt::read(Reader::new(document.root())).expect("a good receipt"));
            }
        });
    });
    group.bench_function("limit_decode", |bencher| {
        bencher.iter(|| {
            for bytes in &stanzas {
                black_box(wire::decode(black_box(bytes)).expect("a good stanza"));
            }
        });
    });
    let chat = Jid::lid("100000000000001");
    let receipts: Vec<OutboundReceipt> =
        (0..RECEIPTS).map(|number| OutboundReceipt::new(chat.clone(), Some("read"), id(number))).collect();
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            for receipt in &receipts {
                black_box(
                    wire::encode(&black_box(receipt).clone().into_node()).expect("it has a form on the wire"),
                );
            }
        });
    });
    group.finish();
}

fn id(number: u64) -> MessageId {
    MessageId::new(format!("3EB0C127D7A6B4{number:06X}"))
}
