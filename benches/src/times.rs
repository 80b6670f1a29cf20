//! How long something took that was done several times.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The middle one, the one that 1 % take longer than, and the longest; between processes as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Half of them took longer.
    pub middle: Duration,
    /// One of a hundred took longer; with fewer than a hundred, the longest.
    pub p99: Duration,
    /// None took longer.
    pub longest: Duration,
}

impl Times {
    /// None counts as no time.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        Self {
            middle: at(times.len() / 2),
            p99: at(times.len() * 99 / 100),
            longest: times.last().copied().unwrap_or_default(),
        }
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        if self.middle == self.longest {
            format!("{:.2} ms", ms(self.middle))
        } else {
            format!("{:.2} ms (longest {:.2})", ms(self.middle), ms(self.longest))
        }
    }

    /// For people, of many.
    #[must_use]
    pub fn spread(&self) -> String {
        let [middle, p99, longest] = [self.middle, self.p99, self.longest].map(ms);
        format!("p50 {middle:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms")
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.middle.as_micros(), self.p99.as_micros(), self.longest.as_micros())
    }
}

impl FromStr for Times {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [middle, p99, longest] = numbers[..] else { return Err(line.to_owned()) };
        let [middle, p99, longest] = [middle, p99, longest].map(Duration::from_micros);
        Ok(Self { middle, p99, longest })
    }
}
