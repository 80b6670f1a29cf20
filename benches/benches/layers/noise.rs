//! Frames, and the agreement below every handshake.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use wa_core::crypto::{SystemRandom, curve25519};
use wa_core::noise::{Receiver, Sender};

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("noise");
    let plaintext = vec![5; 4096];
    let mut sender = Sender::new(&[1; 32], 0);
    let mut out = Vec::with_capacity(8192);
    group.bench_function("seal_4_kib", |bencher| {
        bencher.iter(|| {
            out.clear();
            sender.seal_frame(black_box(&plaintext), &mut out).expect("a frame fits")
        });
    });
    // A frame opens once: each opening needs the frame of its own number.
    let mut sender = Sender::new(&[1; 32], 0);
    let mut receiver = Receiver::new(&[1; 32], 0);
    group.bench_function("open_4_kib", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut frame = Vec::new();
                sender.seal_frame(&plaintext, &mut frame).expect("a frame fits");
                frame.split_off(3)
            },
            |frame| receiver.open(frame).expect("it is the next frame").len(),
            BatchSize::SmallInput,
        );
    });
    let (ours, theirs) = (curve25519::generate(&mut SystemRandom), curve25519::generate(&mut SystemRandom));
    group.bench_function("x25519_agreement", |bencher| {
        bencher.iter(|| curve25519::agree(black_box(&ours.private), black_box(&theirs.public)));
    });
    group.finish();
}
