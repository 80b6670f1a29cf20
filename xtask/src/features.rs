//! Holds the tables of features and of requirements to the truth: every module and every test that they name is there.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, packages};

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row<'t> {
    capability: &'t str,
    /// Paths of files or folders in the repository.
    modules: Vec<&'t str>,
    /// Tests, each as `package::file::name`, or as the path of a file (a browser's test, a bench). The file names the
    /// requirement in a comment, where it is one with a number.
    tests: Vec<&'t str>,
}

/// The tables: the file, and the chapter in it.
const TABLES: [(&str, &str); 2] = [("README.md", "Features"), ("wa-manager/README.md", "Requirements")];

/// Fails with every row that names what is not there, or names nothing.
pub(crate) fn check(repository: &Path) -> Outcome {
    TABLES.iter().try_for_each(|(file, chapter)| check_table(repository, file, chapter))
}

fn check_table(repository: &Path, file: &str, chapter: &str) -> Outcome {
    let readme = fs::read_to_string(repository.join(file))?;
    let rows = rows(&readme, chapter);
    if rows.is_empty() {
        return Err(format!("{file}: there is no table under `## {chapter}`").into());
    }
    let folders: Vec<(String, PathBuf)> = packages::load(&repository.join("Cargo.toml"))?
        .into_iter()
        .filter(|package| package.is_ours)
        .map(|package| (package.name, package.folder))
        .collect();
    let mut faults = Vec::new();
    for row in &rows {
        let capability = row.capability;
        if row.modules.is_empty() || row.tests.is_empty() {
            faults.push(format!("{capability}: a row names a module and a test"));
        }
        for module in &row.modules {
            if !repository.join(module).exists() {
                faults.push(format!("{capability}: there is no {module}"));
            }
        }
        for test in &row.tests {
            let is_there = if test.contains('/') {
                names(&repository.join(test), capability)
            } else {
                has_test(&folders, test, capability)?
            };
            if !is_there {
                faults.push(format!("{capability}: there is no test {test}"));
            }
        }
    }
    if faults.is_empty() {
        println!("{chapter}: {} rows, each with its module and its test", rows.len());
        return Ok(());
    }
    Err(format!("{file} names what is not there:\n  {}", faults.join("\n  ")).into())
}

/// The rows of all tables in the chapter, without their heads.
fn rows<'t>(readme: &'t str, chapter: &str) -> Vec<Row<'t>> {
    let title = format!("{chapter}\n");
    let chapter = readme.split("\n## ").find_map(|chapter| chapter.strip_prefix(&title)).unwrap_or("");
    let heads = ["Capability", "Requirement"];
    chapter.lines().filter_map(row).filter(|row| !heads.contains(&row.capability)).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    let line = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = line.split('|').map(str::trim);
    let (capability, modules, tests) = (cells.next()?, cells.next()?, cells.next()?);
    let is_rule = capability.chars().all(|c| matches!(c, '-' | ':'));
    (!is_rule).then(|| Row { capability, modules: quoted(modules), tests: quoted(tests) })
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a comment in this file names the requirement, the first word of a row: by its number, or in a range such as
/// `R118-R124`.
fn names(file: &Path, requirement: &str) -> bool {
    let Some(wanted) = number(requirement) else { return false };
    let source = fs::read_to_string(file).unwrap_or_default();
    source.lines().filter_map(|line| line.trim().strip_prefix("//")).any(|comment| {
        comment.trim_start_matches('/').split([',', ':', ' ']).any(|part| {
            let mut ends = part.split('-').map(number);
            match (ends.next().flatten(), ends.next().flatten()) {
                (Some(from), Some(to)) => (from..=to).contains(&wanted),
                (Some(one), None) => one == wanted,
                _ => false,
            }
        })
    })
}

/// The number of a requirement, as in `R059 Rate limit`.
fn number(text: &str) -> Option<u16> {
    text.trim_start().strip_prefix('R')?.get(..3)?.parse().ok()
}

/// Whether the file of this package has a test of this name, and names the requirement, if it has a number.
fn has_test(folders: &[(String, PathBuf)], path: &str, requirement: &str) -> Result<bool, Box<dyn Error>> {
    let parts: Vec<&str> = path.split("::").collect();
    let [package, .., file, name] = parts.as_slice() else { return Ok(false) };
    let Some((_, folder)) = folders.iter().find(|(known, _)| known == package) else { return Ok(false) };
    let mut files = Vec::new();
    find(folder, file, &mut files)?;
    for file in files {
        let is_named = number(requirement).is_none() || names(&file, requirement);
        if is_named && declares(&fs::read_to_string(file)?, name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All files of this name under a folder: `name.rs`, or `name/mod.rs`.
fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, name, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let parent = path.parent().and_then(Path::file_name).and_then(|parent| parent.to_str());
            if stem == Some(name) || (stem == Some("mod") && parent == Some(name)) {
                found.push(path);
            }
        }
    }
    Ok(())
}

/// Whether a test of this name stands in the source: its function, behind a test attribute, or its name in a call of a macro
/// such as `on_each! {` that makes tests of a list of functions.
fn declares(source: &str, name: &str) -> bool {
    let (mut is_test, mut is_in_macro) = (false, false);
    source.lines().any(|line| {
        if line.strip_suffix("! {").is_some_and(|name| !name.contains(' ')) {
            is_in_macro = true;
        } else if line == "}" {
            is_in_macro = false;
        }
        let line = line.trim();
        if is_in_macro && line.strip_suffix(',') == Some(name) {
            return true;
        }
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, function)) = line.split_once("fn ").filter(|_| !line.starts_with("//")) {
            let is_it = function.split(['(', '<']).next() == Some(name);
            if std::mem::take(&mut is_test) && is_it {
                return true;
            }
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# x\n\n## Features\n\n### Messages\n\n| Capability | Module | Test |\n|---|---|---|\n\
        | text | `a/b.rs` | `wa-it::messages::one`, `wa-it::messages::two` |\n| nothing | | |\n\n## Licence\n\n| a | b | c |\n";

    #[test]
    fn the_rows_of_the_chapter_are_read_and_no_others() {
        let text = Row {
            capability: "text",
            modules: vec!["a/b.rs"],
            tests: vec!["wa-it::messages::one", "wa-it::messages::two"],
        };
        let nothing = Row { capability: "nothing", modules: vec![], tests: vec![] };
        assert_eq!(rows(README, "Features"), [text, nothing]);
    }

    #[test]
    fn a_function_counts_only_as_a_test() {
        let source = "fn one() {}\n#[tokio::test(start_paused = true)]\nasync fn two() {}\n#[test]\nfn three() {}\n// fn four()\non_each! {\n    /// x\n    five,\n}\nfn six() {}";
        let found = ["one", "two", "three", "four", "five", "six"].map(|name| declares(source, name));
        assert_eq!(found, [false, true, true, false, true, false]);
    }

    #[test]
    fn a_file_names_a_requirement_in_a_comment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "// R118-R124, R126: cards\nlet text = 'R001';").unwrap();
        let found =
            ["R117 x", "R118 x", "R121 x", "R126 x", "R001 x", "x"].map(|row| names(file.path(), row));
        assert_eq!(found, [false, true, true, true, false, false]);
    }
}
