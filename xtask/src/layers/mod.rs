//! Holds the arrows of ARCHITECTURE.md: which crate may need which, which layer of wa-core may name which, and that
//! only its outer layers name the runtime.

mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::{Outcome, packages};
use source::SourceFile;

/// The library crates, each with those of our crates that it may need. All others (tests, server, examples, benches,
/// tools) may need what they like, and are needed by none of these.
const CRATES: &[(&str, &[&str])] = &[
    ("wa-proto", &[]),
    ("wa-types", &[]),
    ("wa-store", &["wa-types"]),
    ("wa-core", &["wa-proto", "wa-types", "wa-store"]),
    ("wa-manager", &["wa-types", "wa-store", "wa-core"]),
    // Bots in other languages are tested with the test server, which comes along with it.
    ("wa-ffi", &["wa-types", "wa-store", "wa-core", "wa-manager", "wa-test-server"]),
];

/// The layers of wa-core from the lowest to the highest. A layer may name those below it, and one beside it as long
/// as that one does not name it back.
const LAYERS: &[&[&str]] = &[
    &["crypto", "wire"],
    &["noise", "signal", "stanza"],
    &["connection", "pairing", "media", "app_state"],
    &["message", "history"],
    &["e2e"],
    &["event", "error", "transport"],
    &["driver"],
    &["client"],
];

/// The layers that may name the runtime and the random source. All others are plain functions and values.
const ASYNC_LAYERS: &[&str] = &["transport", "driver", "client"];

/// Crates whose names begin so belong to the runtime or do I/O.
const RUNTIME: &[&str] = &["tokio", "hyper", "async_std", "futures_util"];

/// The operating system's random source; others are handed theirs. The clocks are clippy's to watch.
const RANDOM_SOURCE: &str = "SystemRandom";

/// Fails with every name that points the wrong way.
pub(crate) fn check(repository: &Path) -> Outcome {
    let mut faults = crate_faults(&packages::load(&repository.join("Cargo.toml"))?);
    let mut files = Vec::new();
    collect(&repository.join("wa-core/src"), Vec::new(), &mut files)?;
    faults.extend(layer_faults(&files));
    if faults.is_empty() {
        println!("layers: the crates and the {} files of wa-core keep their arrows", files.len());
        return Ok(());
    }
    Err(format!("names that point the wrong way:\n  {}", faults.join("\n  ")).into())
}

fn crate_faults(packages: &[packages::Package]) -> Vec<String> {
    let ours: BTreeSet<&str> =
        packages.iter().filter(|one| one.is_ours).map(|one| one.name.as_str()).collect();
    let mut faults = Vec::new();
    for (name, allowed) in CRATES {
        let Some(package) = packages.iter().find(|one| one.is_ours && one.name == *name) else { continue };
        for needed in package.dependencies.iter().map(String::as_str).filter(|needed| ours.contains(needed)) {
            if !allowed.contains(&needed) {
                faults.push(format!("{name} may not need {needed}"));
            }
        }
    }
    faults
}

fn layer_faults(files: &[SourceFile]) -> Vec<String> {
    let mut faults = BTreeSet::new();
    let mut sideways: BTreeSet<(&str, &str)> = BTreeSet::new();
    for file in files {
        let Some(layer) = file.layer() else { continue }; // lib.rs, the map itself
        let Some(level) = level(layer) else {
            faults.insert(format!("{}: `{layer}` has no place in xtask's list of layers", file.name()));
            continue;
        };
        for named in file.named_at_root() {
            match LAYERS.iter().position(|layers| layers.contains(&named)) {
                Some(other) if other > level => {
                    faults.insert(format!("{}: {layer} names {named}", file.name()));
                }
                Some(other) if other == level && named != layer => {
                    sideways.insert((layer, named));
                }
                _ => {}
            }
        }
        if !ASYNC_LAYERS.contains(&layer) {
            for name in file.identifiers() {
                let is_random_source = name == RANDOM_SOURCE && layer != "crypto";
                if is_random_source || RUNTIME.iter().any(|start| name.starts_with(start)) {
                    faults.insert(format!("{}: {layer} names {name}", file.name()));
                }
            }
        }
    }
    for (one, other) in &sideways {
        if one < other && sideways.contains(&(*other, *one)) {
            faults.insert(format!("{one} and {other} stand side by side and name each other"));
        }
    }
    faults.into_iter().collect()
}

fn level(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|layers| layers.contains(&layer))
}

/// Reads every Rust file below a folder whose modules are `path`.
fn collect(folder: &Path, path: Vec<String>, files: &mut Vec<SourceFile>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut module = path.clone();
        if entry.file_type()?.is_dir() {
            module.push(name);
            collect(&entry.path(), module, files)?;
        } else if let Some(stem) = name.strip_suffix(".rs") {
            if !matches!((stem, path.len()), ("mod", _) | ("lib", 0)) {
                module.push(stem.to_owned());
            }
            files.push(SourceFile::new(module, &fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}
