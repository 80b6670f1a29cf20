//! Known answers: noise.
