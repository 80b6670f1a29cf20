//! A tenth of the kill test, with a fixed seed; the whole of it is run by hand (see `src/main.rs`).

use std::process::Command;

#[test]
fn nothing_is_lost_doubled_or_reused_by_a_client_that_is_killed_again_and_again() {
    let status = Command::new(env!("CARGO_BIN_EXE_wa-crash"))
        .args(["--messages", "1000", "--seed", "20"])
        .status()
        .expect("the kill test runs");
    assert!(status.success(), "{status}");
}
