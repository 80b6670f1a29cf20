//! How long something took that was done several times.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The middle one and the longest; between processes as two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) middle: Duration,
    pub(crate) longest: Duration,
}

impl Times {
    /// None counts as no time.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or_default();
        Self { middle, longest: times.last().copied().unwrap_or_default() }
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        if self.middle == self.longest {
            format!("{:.2} ms", ms(self.middle))
        } else {
            format!("{:.2} ms (longest {:.2})", ms(self.middle), ms(self.longest))
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.middle.as_micros(), self.longest.as_micros())
    }
}

impl FromStr for Times {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [middle, longest] = numbers[..] else { return Err(line.to_owned()) };
        Ok(Self { middle: Duration::from_micros(middle), longest: Duration::from_micros(longest) })
    }
}
