//! What the suites and the flows measure with: processes and what they use, and an invented past.

pub mod child;
pub mod past;
pub mod phones;
pub mod times;
pub mod usage;

/// What fails in a program that measures ends it.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A line for whoever started this process: it goes out at once.
///
/// # Errors
/// Nobody reads any more.
pub fn say(line: &str) -> Fallible<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
