//! Bytes on the wire and what they mean, below any stanza.

pub mod frame;
