//! Known answers: wire.
