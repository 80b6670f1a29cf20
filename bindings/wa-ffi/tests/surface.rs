//! What the surface must keep to, so that all languages can read it: see "How the surface is written" in
//! `bindings/README.md`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every line of the surface, with where it stands.
fn lines() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for file in fs::read_dir(repository().join("bindings/wa-ffi/src")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for (number, line) in (1..).zip(fs::read_to_string(&path).unwrap().lines()) {
            all.push((format!("{name}:{number}"), line.trim().to_owned()));
        }
    }
    assert!(all.len() > 1000, "the surface was not found");
    all
}

#[test]
fn comments_are_comments_in_every_language() {
    // Ends a comment, begins one inside another, is an escape, ends a docstring, is a link that only rustdoc follows.
    let troubles = ["*/", "/*", "\\", "\"\"\"", "[`"];
    for (place, line) in lines() {
        let Some(comment) = line.strip_prefix("///") else { continue };
        for trouble in troubles {
            assert!(!comment.contains(trouble), "{place}: `{trouble}` in {comment}");
        }
    }
}

#[test]
fn names_are_names_in_every_language() {
    // Methods of every object in one language or another.
    let methods = ["close", "destroy", "wait", "notify", "to_string", "hash_code", "clone", "finalize"];
    // Words of a language.
    let fields = ["from", "in", "class", "import", "async", "is", "default", "object", "fun", "val", "cause"];
    for (place, line) in lines() {
        let declared = line.strip_prefix("pub async fn ").or_else(|| line.strip_prefix("pub fn "));
        if let Some(name) = declared.and_then(|rest| rest.split('(').next()) {
            assert!(!methods.contains(&name), "{place}: a method `{name}`");
        }
        let field = line.strip_prefix("pub ").unwrap_or(&line).split_once(": ").map(|(name, _)| name);
        if let Some(name) = field.filter(|name| fields.contains(name)) {
            panic!("{place}: a field `{name}`");
        }
    }
}

/// Inside an enum of Kotlin, its variant hides a type of this name.
#[test]
fn no_variant_hides_a_type_that_is_used_beside_it() {
    let hides = ["List", "Map", "String", "Boolean", "Duration", "Instant", "Long", "Int"];
    for (place, line) in lines() {
        let name = line.strip_suffix(" {").or_else(|| line.strip_suffix(',')).unwrap_or(&line);
        assert!(!hides.contains(&name), "{place}: a variant `{name}`");
    }
}

/// The variants of an enum, by its source.
fn variants(source: &str, name: &str) -> Vec<String> {
    let body = source.split(&format!("pub enum {name} {{\n")).nth(1).expect("no such enum");
    let body = body.split("\n}").next().unwrap();
    let declared = body.lines().filter_map(|line| line.strip_prefix("    "));
    let declared = declared.filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()));
    declared
        .map(|line| line.split(|letter: char| !letter.is_alphanumeric()).next().unwrap().to_owned())
        .collect()
}

/// Each kind that the library below knows is named where it is converted: none arrives as unknown.
#[test]
fn no_kind_that_is_known_arrives_as_unknown() {
    let cases = [
        ("wa-core/src/event.rs", "Event", "event.rs", "E", &["Other"] as &[&str]),
        ("wa-core/src/message/content/mod.rs", "Content", "content.rs", "C", &[]),
        ("wa-core/src/event.rs", "SendState", "event.rs", "S", &[]),
        ("wa-manager/src/pairing/update.rs", "PairingUpdate", "pairing.rs", "P", &[]),
        ("wa-core/src/stanza/presence.rs", "Typing", "event.rs", "Typing", &["Paused"]),
        ("wa-manager/src/trust/admission.rs", "Admission", "limits.rs", "Admission", &[]),
    ];
    for (source, name, converted, prefix, rest) in cases {
        let conversion = read(&format!("bindings/wa-ffi/src/{converted}"));
        let known = variants(&read(source), name);
        assert!(known.len() > 1, "{source}: {name}");
        for variant in known.iter().filter(|variant| !rest.contains(&variant.as_str())) {
            assert!(conversion.contains(&format!("{prefix}::{variant}")), "{converted}: {name}::{variant}");
        }
    }
}
