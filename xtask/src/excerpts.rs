//! Holds the code in the documents to the files that are compiled and run: what a reader copies works.

use std::fs;
use std::path::Path;

use crate::Outcome;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_belongs_to_the_file_before_it() {
        let text = "A\n<!-- file: a/b.py -->\n```python\nimport a\n\na()\n```\nB\n```sh\nc\n```\n";
        assert_eq!(excerpts(text), [("a/b.py", "import a\n\na()")]);
    }
}
