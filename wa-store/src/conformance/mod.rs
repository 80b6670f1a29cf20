//! The tests that every store passes, ours and yours.
