//! Holds the code in the documents to the files that are compiled and run: what a reader copies works. Rust's blocks are tests
//! of their own.

use std::fs;
use std::path::Path;

use crate::Outcome;

/// What is neither compiled nor run as it stands in a document: each block of it is that of a file.
const LANGUAGES: [&str; 3] = ["python", "kotlin", "swift"];

/// The documents. In them, `<!-- file: path -->` stands before a block of code that is that file.
const DOCUMENTS: [&str; 4] =
    ["README.md", "bindings/python/README.md", "bindings/kotlin/README.md", "bindings/swift/README.md"];

/// Fails with every block that is not its file.
pub(crate) fn check(repository: &Path) -> Outcome {
    let (mut faults, mut count) = (Vec::new(), 0);
    for document in DOCUMENTS {
        let text = fs::read_to_string(repository.join(document))?;
        let excerpts = excerpts(&text);
        if excerpts.is_empty() {
            faults.push(format!("{document}: there is no `<!-- file: … -->`"));
        }
        let unheld =
            unheld(&text).map(|line| format!("{document}:{line}: there is no `<!-- file: … -->` before it"));
        faults.extend(unheld);
        for (path, code) in excerpts {
            count += 1;
            let file = fs::read_to_string(repository.join(path)).unwrap_or_default();
            if file.trim().is_empty() || file.trim() != code.trim() {
                faults.push(format!("{document}: the code is not that of {path}"));
            }
        }
    }
    if faults.is_empty() {
        println!("Excerpts: {count} blocks of code, each as in its file");
        return Ok(());
    }
    Err(faults.join("\n  ").into())
}

/// Each path that is named, and the block after it.
fn excerpts(text: &str) -> Vec<(&str, &str)> {
    text.split("<!-- file: ")
        .skip(1)
        .filter_map(|rest| {
            let (path, rest) = rest.split_once(" -->")?;
            let (_, rest) = rest.split_once("```")?;
            let (_, rest) = rest.split_once('\n')?;
            Some((path, rest.split("\n```").next()?))
        })
        .collect()
}

/// The lines where a block begins that belongs to no file.
fn unheld(text: &str) -> impl Iterator<Item = usize> {
    let before = std::iter::once("").chain(text.lines());
    before.zip(text.lines()).enumerate().filter_map(|(index, (before, line))| {
        let is_code = line.strip_prefix("```").is_some_and(|language| LANGUAGES.contains(&language.trim()));
        (is_code && !before.starts_with("<!-- file: ")).then_some(index + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_without_a_file_is_found() {
        let text = "<!-- file: a/b.py -->\n```python\na()\n```\n\n```python\nb()\n```\n```sh\nc\n```\n";
        assert_eq!(unheld(text).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn a_block_belongs_to_the_file_before_it() {
        let text = "A\n<!-- file: a/b.py -->\n```python\nimport a\n\na()\n```\nB\n```sh\nc\n```\n";
        assert_eq!(excerpts(text), [("a/b.py", "import a\n\na()")]);
    }
}
