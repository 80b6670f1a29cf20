//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::rates::PER_MINUTE;

pub(crate) const USAGE: &str =
    "usage: wa-server [--listen ADDRESS] [--data DIRECTORY] [--base PATH] [--rate NUMBER] [--intake-rate NUMBER]
                 [--defaults FILE] [--private-webhooks] [--ca FILE] [--sandbox | --test-server FILE]

  --listen ADDRESS   where to listen, 127.0.0.1:8080 unless given; port 0 takes a free one
  --data DIRECTORY   where everything is kept, ./wa-data unless given
  --base PATH        what all paths begin with, nothing unless given
  --rate NUMBER      requests a minute that a key may make, 60 unless given
  --intake-rate NUMBER
                     the same for events that are read, 500 unless given, or as --rate where that is more
  --defaults FILE    what new accounts are set to, as JSON, such as {\"syncLimit\": 100}
  --private-webhooks webhooks may go to hosts of this machine and its networks
  --ca FILE          certificates (PEM) that webhooks may have besides those that browsers trust
  --sandbox          a test server with simulated phones instead of the real service
  --test-server FILE the test server that wrote this file: `wa-test-server --json > FILE`";

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) base: String,
    pub(crate) per_minute: u32,
    pub(crate) intake_per_minute: Option<u32>,
    pub(crate) defaults: Option<PathBuf>,
    pub(crate) allows_private_webhooks: bool,
    pub(crate) certificates: Option<PathBuf>,
    pub(crate) backend: Backend,
}

/// What accounts connect to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The real service.
    #[default]
    Service,
    /// A test server in this process.
    Sandbox,
    /// A test server in another process, which this file describes.
    TestServer(PathBuf),
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
    #[error("{0} wants a number from 1 to 60000, not {1}")]
    Rate(&'static str, String),
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, OptionError> {
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("wa-data"),
            base: String::new(),
            per_minute: PER_MINUTE,
            intake_per_minute: None,
            defaults: None,
            allows_private_webhooks: false,
            certificates: None,
            backend: Backend::Service,
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
                "--rate" => options.per_minute = rate("--rate", value("--rate")?)?,
                "--intake-rate" => {
                    options.intake_per_minute = Some(rate("--intake-rate", value("--intake-rate")?)?);
                }
                "--defaults" => options.defaults = Some(value("--defaults")?.into()),
                "--private-webhooks" => options.allows_private_webhooks = true,
                "--ca" => options.certificates = Some(value("--ca")?.into()),
                "--sandbox" => options.backend = Backend::Sandbox,
                "--test-server" => options.backend = Backend::TestServer(value("--test-server")?.into()),
                _ => return Err(OptionError::Unknown(argument)),
            }
        }
        Ok(options)
    }
}

/// Requests a minute, as an argument has them.
fn rate(name: &'static str, text: String) -> Result<u32, OptionError> {
    let rate = text.parse().ok().filter(|rate| (1..=60_000).contains(rate));
    rate.ok_or(OptionError::Rate(name, text))
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
        assert_eq!((options.backend, options.per_minute), (Backend::Sandbox, 60));
        assert_eq!((options.listen.port(), options.base.as_str()), (0, "/wa"));
        let options = parse("--rate 600 --private-webhooks --ca c.pem --test-server t.json").unwrap();
        assert_eq!((options.per_minute, options.allows_private_webhooks), (600, true));
        assert_eq!(options.backend, Backend::TestServer("t.json".into()));
        assert_eq!(options.certificates, Some("c.pem".into()));
        let options = parse("--intake-rate 40 --defaults d.json").unwrap();
        assert_eq!((options.intake_per_minute, options.defaults), (Some(40), Some("d.json".into())));
        assert_eq!(parse("--rate 0"), Err(OptionError::Rate("--rate", "0".to_owned())));
        assert_eq!(parse("--intake-rate x"), Err(OptionError::Rate("--intake-rate", "x".to_owned())));
        assert_eq!(parse("--port 1"), Err(OptionError::Unknown("--port".to_owned())));
        assert_eq!(parse("--data"), Err(OptionError::ValueMissing("--data")));
        assert_eq!(parse("--listen here"), Err(OptionError::Address("here".to_owned())));
        assert_eq!(parse("--base wa/"), Err(OptionError::Base("wa/".to_owned())));
    }
}
