//! Reads the vector files at run time, from `tests/vectors/` or from the folder in `WA_VECTORS_DIR`.

use std::path::PathBuf;

use serde_json::Value;

/// One vector file: its cases, and the whole document for what stands beside them.
pub struct Vectors {
    pub document: Value,
    pub cases: Vec<Value>,
}

/// Loads `<name>.json`. An absent, unreadable or empty file is a failure.
pub fn load(name: &str) -> Vectors {
    let folder = std::env::var_os("WA_VECTORS_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors")),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.json"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let cases = document["cases"].as_array().cloned().unwrap_or_default();
    assert!(!cases.is_empty(), "{name}: an empty set proves nothing");
    Vectors { document, cases }
}

/// A text field; the case is named when it is missing.
pub fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{}: {key} is no text", case["name"]))
}

/// A hexadecimal field.
pub fn bytes(case: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(case, key)).unwrap_or_else(|error| panic!("{}: {key}: {error}", case["name"]))
}

/// A hexadecimal field of a fixed size.
pub fn array<const N: usize>(case: &Value, key: &str) -> [u8; N] {
    bytes(case, key).try_into().unwrap_or_else(|_| panic!("{}: {key} has not {N} bytes", case["name"]))
}

/// A source of randomness that hands out given bytes in order, and panics when they run out.
pub struct Scripted(pub std::collections::VecDeque<u8>);

impl Scripted {
    /// Hands out the concatenation of `parts`.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(parts.into_iter().flatten().copied().collect())
    }
}

impl wa_core::crypto::Random for Scripted {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.pop_front().expect("the script holds enough bytes");
        }
    }
}
