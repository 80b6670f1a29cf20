//! The kill test. A child process with a real SQLite file and a real socket is killed with SIGKILL at every write to
//! its store and to its socket, and at random moments; it is started again, and killed again, while peers send and
//! receive. At the end no message was lost, none doubled, none confirmed twice, and no message key used twice.
//!
//! ```text
//! cargo run --release -p wa-crash -- --messages 10000 --seed 1
//! ```
//!
//! | File | Subject |
//! |---|---|
//! | `run` | the parent: server, peers, one life of the child after the other |
//! | `life` | one life: what kills it, and what it said before |
//! | `ledger` | what was sent, delivered, confirmed and acknowledged; the verdict |
//! | `child` | the child: an application on our client |
//! | `deadly` | a store and a socket that kill their process |

#![allow(clippy::print_stdout, reason = "the child speaks to its parent by lines")]

mod child;
mod deadly;
mod ledger;
mod life;
mod run;

use std::error::Error;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

/// What may go wrong here ends the program.
type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    // Failing commits are on purpose here: silent unless RUST_LOG says otherwise.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("child") => child::main(arguments.get(1..).unwrap_or_default()),
        _ => run::Options::parse(&arguments).and_then(run::main),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
