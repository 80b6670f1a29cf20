//! The command line.

use std::time::Duration;

use serde_json::Value;
use wa_test_server::Fault;

use crate::Fallible;

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    /// Between two messages of one device.
    pub(crate) pause: Duration,
    /// How many times the usual rate of faults.
    pub(crate) times: u32,
    /// Faults that do not happen.
    pub(crate) off: Vec<Fault>,
    /// By how many percent the resident size may vary at the end.
    pub(crate) flat: Option<u64>,
}

pub(crate) const USAGE: &str =
    "usage: soak [--seconds N] [--seed N] [--pause-ms N] [--times N] [--off FAULT,...] [--flat PERCENT]

  --seconds N     how long they write, 20 by default; then they finish what is on its way
  --seed N        of the faults, 1 by default
  --pause-ms N    between two messages of one device, 200 by default
  --times N       how many times the usual rate of faults, 1 by default
  --off FAULT,..  faults that do not happen, by their names in small letters with dashes
  --flat PERCENT  fail when the resident size of the last ten minutes (or of the last third) varies by more";

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Fallible<Self> {
        let mut options = Self {
            seed: 1,
            duration: Duration::from_secs(20),
            pause: Duration::from_millis(200),
            times: 1,
            off: Vec::new(),
            flat: None,
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--seconds" => options.duration = Duration::from_secs(value.parse()?),
                "--seed" => options.seed = value.parse()?,
                "--pause-ms" => options.pause = Duration::from_millis(value.parse()?),
                "--times" => options.times = value.parse()?,
                "--off" => {
                    for name in value.split(',') {
                        options.off.push(serde_json::from_value(Value::from(name))?);
                    }
                }
                "--flat" => options.flat = Some(value.parse()?),
                _ => return Err(format!("unknown argument {word}").into()),
            }
        }
        Ok(options)
    }
}
