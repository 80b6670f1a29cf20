//! `codegen`: from the tables of docs/protocol to wa-proto's checked-in schemas and Rust types.
//!
//! ```text
//! proto-*.tsv ──schema──▶ Schema ──proto──▶ wa-proto/proto/*.proto ──rust──▶ wa-proto/src/generated/*.rs
//! ```
//!
//! All of it happens in memory; [`write()`] and [`check`] differ only in what they do with the result.

mod proto;
mod rust;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

use crate::Outcome;
use schema::Schema;

/// Generated files: their path below the repository, and their text.
type Files = BTreeMap<String, String>;

/// Writes every generated file that changed and removes those that are no longer generated.
pub(crate) fn write(repository: &Path) -> Outcome {
    let files = generate(repository)?;
    let mut written = 0;
    for (path, text) in &files {
        let place = repository.join(path);
        if fs::read_to_string(&place).is_ok_and(|old| old == *text) {
            continue;
        }
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(place, text)?;
        written += 1;
    }
    let stale = stale(repository, &files)?;
    for path in &stale {
        fs::remove_file(repository.join(path))?;
    }
    println!("codegen: {} files, {written} written, {} removed", files.len(), stale.len());
    listed_in_lib(repository, &files)
}

/// Fails, naming each file and its first line that differs, unless [`write()`] would change nothing.
pub(crate) fn check(repository: &Path) -> Outcome {
    let files = generate(repository)?;
    let mut faults: Vec<String> = files
        .iter()
        .filter_map(|(path, text)| match fs::read_to_string(repository.join(path)) {
            Ok(old) if old == *text => None,
            Ok(old) => Some(format!("{path}:{} differs", first_difference(&old, text))),
            Err(error) => Some(format!("{path} cannot be read: {error}")),
        })
        .collect();
    faults.extend(stale(repository, &files)?.into_iter().map(|path| format!("{path} is not generated")));
    if !faults.is_empty() {
        return Err(format!(
            "the generated files are not up to date, run `cargo xtask codegen`:\n  {}",
            faults.join("\n  ")
        )
        .into());
    }
    listed_in_lib(repository, &files)?;
    println!("codegen: {} files are up to date", files.len());
    Ok(())
}

fn generate(repository: &Path) -> Result<Files, Box<dyn Error>> {
    let schemas = load(repository)?;
    let sources = proto::write_all(&schemas);
    let modules = rust::write_all(&schemas, &sources, &repository.join("rustfmt.toml"))?;
    let sources = sources.into_iter().map(|(name, text)| (format!("{PROTO_FOLDER}/{name}"), text));
    let modules = modules.into_iter().map(|(name, text)| (format!("{RUST_FOLDER}/{name}.rs"), text));
    Ok(sources.chain(modules).collect())
}

fn load(repository: &Path) -> Result<Vec<Schema>, Box<dyn Error>> {
    let tables = repository.join("docs/protocol");
    let fields = fs::read_to_string(tables.join("proto-fields.tsv"))?;
    let enums = fs::read_to_string(tables.join("proto-enums.tsv"))?;
    Ok(schema::read(&fields, &enums)?)
}

/// Files in the generated folders that nothing generates any more.
fn stale(repository: &Path, files: &Files) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut stale = BTreeSet::new();
    for folder in [PROTO_FOLDER, RUST_FOLDER] {
        let place = repository.join(folder);
        if !place.exists() {
            continue;
        }
        for entry in fs::read_dir(place)? {
            let path = format!("{folder}/{}", entry?.file_name().to_string_lossy());
            if !files.contains_key(&path) {
                stale.insert(path);
            }
        }
    }
    Ok(stale)
}

/// wa-proto's table of contents is written by hand; this finds a module that is missing there.
fn listed_in_lib(repository: &Path, files: &Files) -> Outcome {
    let lib = fs::read_to_string(repository.join("wa-proto/src/lib.rs"))?;
    for path in files.keys().filter(|path| path.starts_with(RUST_FOLDER)) {
        let attribute = path.trim_start_matches("wa-proto/src/");
        if !lib.contains(&format!("#[path = \"{attribute}\"]")) {
            return Err(format!("wa-proto/src/lib.rs has no module for {attribute}").into());
        }
    }
    Ok(())
}

fn first_difference(old: &str, new: &str) -> usize {
    1 + old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count()
}

const PROTO_FOLDER: &str = "wa-proto/proto";
const RUST_FOLDER: &str = "wa-proto/src/generated";
