//! What the head of a file says about its licence.

/// The reciprocal, non-commercial and other unwelcome licences that a text names, and the SPDX identifiers it carries
/// that are not on our list of permissive ones.
pub(super) fn marks(text: &str) -> Vec<String> {
    let words: Vec<&str> = words(text).collect();
    let mut marks: Vec<String> =
        words.iter().filter(|word| is_acronym(word)).map(|&word| word.into()).collect();
    for phrase in PHRASES {
        if contains(&words, phrase) {
            marks.push(phrase.join(" "));
        }
    }
    marks.extend(spdx_identifiers(text).filter(|id| !is_permissive(id)).map(|id| format!("SPDX {id}")));
    marks.sort();
    marks.dedup();
    marks
}

/// Whether a text says `phrase`, whatever comment signs and line ends stand between its words.
pub(super) fn says(text: &str, phrase: &str) -> bool {
    let phrase: Vec<&str> = words(phrase).collect();
    phrase.is_empty() || contains(&words(text).collect::<Vec<_>>(), &phrase)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|sign: char| !sign.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

fn contains(words: &[&str], phrase: &[&str]) -> bool {
    let is_same = |(word, wanted): (&&str, &&str)| word.eq_ignore_ascii_case(wanted);
    words.windows(phrase.len()).any(|window| window.iter().zip(phrase).all(is_same))
}

/// `GPL`, `LGPLv3`, `gpl2`, …
fn is_acronym(word: &str) -> bool {
    let name = word.trim_end_matches(|sign: char| sign.is_ascii_digit()).trim_end_matches(['v', 'V']);
    // Short lower-case words such as `mpl` (a C++ library) and `epl` are often names of something else.
    CAPITALS.contains(&name) || ANY_CASE.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

const ANY_CASE: &[&str] = &["GPL", "LGPL", "AGPL", "EUPL", "CDDL", "SSPL", "CeCILL"];
const CAPITALS: &[&str] = &["MPL", "EPL", "OSL", "CPAL", "QPL", "BUSL", "CPL", "SISSL"];

const PHRASES: &[&[&str]] = &[
    &["general", "public", "license"],
    &["general", "public", "licence"],
    &["gnu", "general", "public"],
    &["gnu", "lesser", "general"],
    &["gnu", "library", "general"],
    &["gnu", "affero"],
    &["affero", "general"],
    &["mozilla", "public"],
    &["eclipse", "public"],
    &["common", "public", "license"],
    &["common", "public", "attribution"],
    &["european", "union", "public"],
    &["server", "side", "public"],
    &["reciprocal", "public"],
    &["common", "development", "and", "distribution"],
    &["open", "software", "license"],
    &["business", "source", "license"],
    &["commons", "clause"],
    &["polyform"],
    &["elastic", "license"],
    &["cc", "by", "sa"],
    &["cc", "by", "nc"],
    &["sharealike"],
    &["share", "alike"],
    &["attribution", "noncommercial"],
    &["noncommercial", "use"],
    // Not just "non commercial": the Unlicense allows "commercial or non-commercial" use.
    &["non", "commercial", "use", "only"],
    &["copyleft"],
];

fn spdx_identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split_once("SPDX-License-Identifier:")).flat_map(|(_, expression)| {
        expression
            .split(|sign: char| sign.is_whitespace() || "()\"'`,;*/\\<>".contains(sign))
            .filter(|word| !word.is_empty() && !["OR", "AND", "WITH", "--"].contains(word))
    })
}

fn is_permissive(identifier: &str) -> bool {
    PERMISSIVE.iter().any(|known| known.eq_ignore_ascii_case(identifier))
}

const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "LLVM-exception",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
