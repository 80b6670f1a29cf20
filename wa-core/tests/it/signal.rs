//! Known answers: signal.
