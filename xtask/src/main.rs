//! Development tasks of this repository: `cargo xtask <task>`.

#![expect(clippy::print_stdout, reason = "a tool talks to its terminal")]

mod codegen;

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words {
        ["codegen"] => codegen::write(&repository()),
        ["codegen", "--check"] => codegen::check(&repository()),
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

const USAGE: &str = "\
Development tasks of this repository.

Usage: cargo xtask <task>

  codegen           write wa-proto's schemas and Rust types from docs/protocol/proto-*.tsv
  codegen --check   change nothing; fail when a generated file is not what codegen would write
  help              show this text";
