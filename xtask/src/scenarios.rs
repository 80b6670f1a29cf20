//! Holds the suites of the bindings to one list of scenarios: each language has each of them, under its name.

use std::fs;
use std::path::Path;

use crate::Outcome;

const TABLE: &str = "bindings/README.md";

/// A suite: what a test of it is called, and where its files are.
struct Suite {
    language: &'static str,
    folder: &'static str,
    extension: &'static str,
    /// How a language writes the name of a scenario.
    name: fn(&str) -> String,
    /// What stands before the name where it is declared.
    keyword: &'static str,
    /// What stands above it, where a name alone makes no test.
    mark: &'static str,
    /// How a test is left out, which none is.
    skips: &'static [&'static str],
}

/// In the order of the table's columns.
const SUITES: [Suite; 4] = [
    Suite {
        language: "Rust",
        folder: "bindings/wa-ffi/tests",
        extension: "rs",
        name: str::to_owned,
        keyword: "async fn ",
        mark: "#[tokio::test",
        skips: &["#[ignore", "#[cfg("],
    },
    Suite {
        language: "Python",
        folder: "bindings/python/tests",
        extension: "py",
        name: |scenario| format!("test_{scenario}"),
        keyword: "def ",
        mark: "",
        skips: &["skip", "xfail", "importorskip"],
    },
    Suite {
        language: "Kotlin",
        folder: "bindings/kotlin/src/test/kotlin",
        extension: "kt",
        name: camel,
        keyword: "fun ",
        mark: "@Test",
        skips: &["@Disabled", "@Enabled", "Assumptions"],
    },
    Suite {
        language: "Swift",
        folder: "bindings/swift/Tests",
        extension: "swift",
        name: |scenario| camel(&format!("test_{scenario}")),
        keyword: "func ",
        mark: "",
        skips: &["XCTSkip"],
    },
];

/// Fails with every scenario that a language lacks, and with every test that is left out.
pub(crate) fn check(repository: &Path) -> Outcome {
    let text = fs::read_to_string(repository.join(TABLE))?;
    let rows = rows(&text);
    if rows.is_empty() {
        return Err(format!("{TABLE}: there is no table under `## Scenarios`").into());
    }
    let mut faults = Vec::new();
    for (column, suite) in SUITES.iter().enumerate() {
        let source = source(&repository.join(suite.folder), suite.extension)?;
        for skip in suite.skips.iter().filter(|skip| source.contains(**skip)) {
            faults.push(format!("{}: a test is left out: `{skip}` in {}", suite.language, suite.folder));
        }
        for (scenario, names) in &rows {
            let name = (suite.name)(scenario);
            if names.get(column) != Some(&name.as_str()) {
                faults.push(format!(
                    "{}: `{scenario}` is `{name}` there, and the table says otherwise",
                    suite.language
                ));
            }
            if !is_test(&source, &format!("{}{name}(", suite.keyword), suite.mark) {
                faults.push(format!("{}: there is no `{name}` in {}", suite.language, suite.folder));
            }
        }
    }
    if faults.is_empty() {
        println!("Scenarios: {} of them, each in {} languages", rows.len(), SUITES.len());
        return Ok(());
    }
    Err(format!("{TABLE} and the suites differ:\n  {}", faults.join("\n  ")).into())
}

/// Whether a function is declared so, with the mark between it and the empty line above.
fn is_test(source: &str, declaration: &str, mark: &str) -> bool {
    source.match_indices(declaration).any(|(at, _)| {
        let above = source[..at].rsplit("\n\n").next().unwrap_or_default();
        above.contains(mark)
    })
}

/// Each scenario, and what the table calls it in each language.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    let chapter = text.split("\n## ").find_map(|chapter| chapter.strip_prefix("Scenarios\n")).unwrap_or("");
    let quoted = |cell: &'_ str| -> Option<(usize, usize)> {
        let start = cell.find('`')? + 1;
        Some((start, start + cell[start..].find('`')?))
    };
    chapter
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|');
            let scenario = cells.next()?;
            let (start, end) = quoted(scenario)?;
            let names = cells.skip(1).map(|cell| quoted(cell).map_or("", |(start, end)| &cell[start..end]));
            Some((&scenario[start..end], names.collect()))
        })
        .collect()
}

/// `pair_by_qr` as `pairByQr`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}

/// All files of a suite, one after the other.
fn source(folder: &Path, extension: &str) -> std::io::Result<String> {
    let mut all = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.push_str(&source(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            all.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_each_language_writes_them() {
        assert_eq!(camel("pair_by_qr"), "pairByQr");
        assert_eq!(camel("test_created_10000_times"), "testCreated10000Times");
    }

    #[test]
    fn a_test_has_its_mark() {
        let source = "fun helper() {}\n\n    @Test\n    fun pairs() = 1\n\n    fun counts() = 2\n";
        assert!(is_test(source, "fun pairs(", "@Test"));
        assert!(!is_test(source, "fun counts(", "@Test"));
        assert!(is_test(source, "fun counts(", ""));
        assert!(!is_test(source, "fun pair(", ""));
    }

    #[test]
    fn a_row_is_a_scenario_and_its_names() {
        let text = "# A\n\n## Scenarios\n\n| Scenario | Holds | Rust |\n|---|---|---|\n| `a_b` | that | `a_b` |\n\n## B\n| `c` |";
        assert_eq!(rows(text), [("a_b", vec!["a_b"])]);
    }
}
