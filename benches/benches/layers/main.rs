//! The layers below the driver, one group per subject: `cargo bench -p wa-benches --bench layers -- wire`.

mod noise;
mod signal;
mod store;
mod wire;

use criterion::{criterion_group, criterion_main};

criterion_group!(layers, wire::benches, noise::benches, signal::benches, store::benches);
criterion_main!(layers);
