//! Development tasks of this repository: `cargo xtask <task>`.

#![expect(clippy::print_stdout, reason = "a tool talks to its terminal")]

mod codegen;
mod excerpts;
mod features;
mod fuzz_seeds;
mod layers;
mod licences;
mod packages;
mod scenarios;
mod vectors;

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words {
        ["codegen"] => codegen::write(&repository()),
        ["codegen", "--check"] => codegen::check(&repository()),
        ["excerpts"] => excerpts::check(&repository()),
        ["features"] => features::check(&repository()),
        ["layers"] => layers::check(&repository()),
        ["licences"] => licences::check(&repository()),
        ["scenarios"] => scenarios::check(&repository()),
        ["vectors"] => vectors::check(&repository()),
        ["fuzz-seeds"] => fuzz_seeds::write(&repository()),
        ["ci"] => ci(&repository()),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("there is no task `{}`\n\n{USAGE}", words.join(" ")).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a task ends with; its text is all that the developer sees.
type Outcome = Result<(), Box<dyn Error>>;

/// The root of the checkout that this tool was built from.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Runs what CI runs, the same script.
fn ci(repository: &Path) -> Outcome {
    let status = Command::new("bash").arg(".ci/run").current_dir(repository).status()?;
    if status.success() { Ok(()) } else { Err(format!(".ci/run: {status}").into()) }
}

const USAGE: &str = "\
Development tasks of this repository.

Usage: cargo xtask <task>

  codegen           write wa-proto's schemas and Rust types from docs/protocol/proto-*.tsv
  codegen --check   change nothing; fail when a generated file is not what codegen would write
  excerpts          fail when code in a README is not that of the file which it names
  features          fail when the README's feature table names a module or a test that is not there
  layers            fail when a crate or a layer of wa-core names one above it, or the pure core names the runtime
  licences          fail when a source file of ours or of any dependency names a licence that is not permissive
  scenarios         fail when a language's suite lacks a scenario of bindings/README.md, or leaves a test out
  vectors           fail when a file of tests/vectors is read by no test
  fuzz-seeds        write what the fuzz targets start from into fuzz/corpus, out of tests/vectors
  ci                run what CI runs, .ci/run
  help              show this text";
