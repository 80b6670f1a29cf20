//! Known answers: pairing.
