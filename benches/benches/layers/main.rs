//! The layers below the driver, one group per subject: `cargo bench -p wa-benches --bench layers -- wire`.

mod app_state;
mod history;
mod media;
mod noise;
mod receipts;
mod signal;
mod store;
mod wire;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    layers,
    wire::benches,
    noise::benches,
    signal::benches,
    store::benches,
    media::benches,
    history::benches,
    app_state::benches,
    receipts::benches
);
criterion_main!(layers);
