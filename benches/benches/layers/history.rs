//! A part of the past, read one record at a time; and what inflating it alone takes.

use std::hint::black_box;
use std::io::Read as _;

use criterion::{Criterion, Throughput};
use flate2::bufread::ZlibDecoder;
use prost::Message as _;
use wa_benches::past;
use wa_core::history::{Batches, ReadLimits, Reader, Selection};
use wa_proto::history_sync::HistorySync;
use wa_types::Jid;

const MESSAGES: usize = 10_000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let blob = past::blob(MESSAGES).expect("it is written into memory");
    let mut inflated = Vec::new();
    ZlibDecoder::new(&*blob).read_to_end(&mut inflated).expect("a whole stream");
    let mut group = criterion.benchmark_group("history_10000");
    group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(10);
    let reader = || Reader::new(black_box(&*blob), ReadLimits::default(), Selection::default());
    group.bench_function("records_in_place", |bencher| {
        bencher.iter(|| {
            let mut reader = reader();
            while let Some(item) = reader.read_item().expect("a good blob") {
                black_box(item);
            }
        });
    });
    group.bench_function("batches", |bencher| {
        bencher.iter(|| {
            let mut batches = Batches::new(reader(), Jid::pn("15550000099"));
            while let Some(batch) = batches.read_batch().expect("a good blob") {
                black_box(batch);
            }
        });
    });
    group.bench_function("limit_inflate", |bencher| {
        let mut room = vec![0; 32 << 10];
        bencher.iter(|| {
            let mut decoder = ZlibDecoder::new(black_box(&*blob));
            while decoder.read(&mut room).expect("a whole stream") > 0 {}
        });
    });
    group.bench_function("limit_decode_whole_protobuf", |bencher| {
        bencher.iter(|| HistorySync::decode(black_box(&*inflated)).expect("a history"));
    });
    group.finish();
}
