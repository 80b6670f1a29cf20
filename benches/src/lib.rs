//! What the suites and the flows measure with: an invented past.

pub mod past;
