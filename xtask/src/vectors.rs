//! Every file of `tests/vectors/` is read by a test.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use crate::{Outcome, packages};

/// Fails with the files that no test reads.
pub(crate) fn check(repository: &Path) -> Outcome {
    let mut read = BTreeSet::new();
    for package in
        packages::load(&repository.join("Cargo.toml"))?.into_iter().filter(|package| package.is_ours)
    {
        let tests = package.folder.join("tests");
        if tests.is_dir() {
            collect(&tests, &mut read)?;
        }
    }
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(repository.join("tests/vectors"))? {
        files.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let unread: Vec<&str> = files.difference(&read).map(String::as_str).collect();
    if !unread.is_empty() {
        return Err(format!("tests/vectors: no test reads {}", unread.join(", ")).into());
    }
    if files.is_empty() {
        return Err("tests/vectors is empty".into());
    }
    println!("vectors: {} files, each read by a test", files.len());
    Ok(())
}

/// What the tests in this folder read.
fn collect(folder: &Path, read: &mut BTreeSet<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, read)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read.extend(read_in(&fs::read_to_string(path)?));
        }
    }
    Ok(())
}

/// The files that a source names: by `load("name")`, which adds the extension, or by `join("name.json")`.
fn read_in(source: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        files.extend(arguments(line, "load(\"").map(|name| format!("{name}.json")));
        files.extend(arguments(line, "join(\"").filter(|name| name.ends_with(".json")).map(str::to_owned));
    }
    files
}

/// What stands between each `before` and the next quotation mark.
fn arguments<'l>(line: &'l str, before: &str) -> impl Iterator<Item = &'l str> {
    line.split(before).skip(1).filter_map(|rest| rest.split_once('"')).map(|(argument, _)| argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_as_read_where_it_is_loaded() {
        let source = "//! `load(\"comment\")`\nfor case in &vectors::load(\"one\").cases {\n  \
            let file = folder.join(\"two.json\"); // of \"three\"\n  folder.join(\"folder\");\n";
        assert_eq!(read_in(source), ["one.json", "two.json"]);
    }
}
