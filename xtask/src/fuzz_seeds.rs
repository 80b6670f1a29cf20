//! Gives each fuzz target something to start from: every byte string of the test vectors that concern it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;

/// Each target of `fuzz/`, with the files of `tests/vectors/` that hold bytes of its kind.
const TARGETS: &[(&str, &[&str])] = &[
    ("node_decode", &["wire"]),
    ("frame", &["noise"]),
    ("noise_handshake", &["noise"]),
    ("history_blob", &["history-sync"]),
    ("app_state_patch", &["appstate-patch"]),
    ("media_stream", &["media", "media-retry"]),
    ("message", &["msgsecret", "reporting-token"]),
    ("signal_ciphertexts", &["double-ratchet", "sender-key", "x3dh"]),
];

/// A longer input slows the fuzzer down more than it tells it.
const MAX_SEED_BYTES: usize = 8 << 10;

/// Writes the seeds into `fuzz/corpus/<target>/`, where cargo-fuzz looks for them. What it found before stays there.
pub(crate) fn write(repository: &Path) -> Outcome {
    for (target, files) in TARGETS {
        let mut seeds = BTreeSet::new();
        for file in *files {
            let path = repository.join("tests/vectors").join(file).with_extension("json");
            collect(&serde_json::from_slice(&fs::read(path)?)?, &mut seeds);
        }
        if seeds.is_empty() {
            return Err(format!("no vector gives {target} a seed").into());
        }
        let corpus = repository.join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number:04}")), seed)?;
        }
        println!("fuzz-seeds: {} for {target}", seeds.len());
    }
    Ok(())
}

/// Every string that is hexadecimal, as its bytes.
fn collect(value: &Value, seeds: &mut BTreeSet<Vec<u8>>) {
    match value {
        Value::String(text) => seeds.extend(unhex(text).filter(|seed| seed.len() <= MAX_SEED_BYTES)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, seeds)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, seeds)),
        _ => {}
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |sign: u8| char::from(sign).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_strings_become_seeds_wherever_they_stand() {
        let mut seeds = BTreeSet::new();
        collect(&serde_json::json!({"a": ["00f8", {"b": "0A"}], "c": "words", "d": "", "e": 3}), &mut seeds);
        assert_eq!(seeds, BTreeSet::from([vec![0x00, 0xf8], vec![0x0a]]));
    }
}
