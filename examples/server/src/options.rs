//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) const USAGE: &str =
    "usage: wa-server [--listen ADDRESS] [--data DIRECTORY] [--base PATH] [--sandbox]

  --listen ADDRESS   where to listen, 127.0.0.1:8080 unless given; port 0 takes a free one
  --data DIRECTORY   where everything is kept, ./wa-data unless given
  --base PATH        what all paths begin with, nothing unless given
  --sandbox          a test server with simulated phones instead of the real service";

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) base: String,
    pub(crate) is_sandbox: bool,
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("unknown argument {0}")]
    Unknown(String),
    #[error("{0} needs a value")]
    ValueMissing(&'static str),
    #[error("--listen wants an address with a port, such as 127.0.0.1:8080, not {0}")]
    Address(String),
    #[error("--base wants a path that begins with / and does not end with one, not {0}")]
    Base(String),
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, OptionError> {
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("wa-data"),
            base: String::new(),
            is_sandbox: false,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = |name| arguments.next().ok_or(OptionError::ValueMissing(name));
            match argument.as_str() {
                "--listen" => {
                    let text = value("--listen")?;
                    options.listen = text.parse().map_err(|_| OptionError::Address(text))?;
                }
                "--data" => options.data = value("--data")?.into(),
                "--base" => {
                    let text = value("--base")?;
                    if !text.starts_with('/') || text.ends_with('/') {
                        return Err(OptionError::Base(text));
                    }
                    options.base = text;
                }
                "--sandbox" => options.is_sandbox = true,
                _ => return Err(OptionError::Unknown(argument)),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, OptionError> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn each_option_is_taken_and_each_mistake_named() {
        let options = parse("--sandbox --listen 0.0.0.0:0 --data /tmp/x --base /wa").unwrap();
        assert!(options.is_sandbox);
        assert_eq!((options.listen.port(), options.base.as_str()), (0, "/wa"));
        assert_eq!(parse("--port 1"), Err(OptionError::Unknown("--port".to_owned())));
        assert_eq!(parse("--data"), Err(OptionError::ValueMissing("--data")));
        assert_eq!(parse("--listen here"), Err(OptionError::Address("here".to_owned())));
        assert_eq!(parse("--base wa/"), Err(OptionError::Base("wa/".to_owned())));
    }
}
