//! Files that options name.

use std::process::Command;

use tempfile::TempDir;

#[test]
fn a_file_that_is_not_there_is_named_with_its_option() {
    for option in ["--defaults", "--ca", "--test-server"] {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("missing");
        let ended = Command::new(env!("CARGO_BIN_EXE_wa-server"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(directory.path().join("data"))
            .arg(option)
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && ended.stdout.is_empty(), "{option}: {said}");
        assert!(said.contains(&format!("{option} {}: ", file.display())), "{option}: {said}");
    }
}
