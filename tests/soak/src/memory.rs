//! The resident size of this process over time.

use std::fmt;

use crate::Fallible;

/// One sample a second, in KiB; none where there is no `/proc`.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    samples: Vec<u64>,
}

impl Memory {
    /// Takes a sample; tells of it once a minute.
    pub(crate) fn sample(&mut self) -> Option<String> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok())?;
        self.samples.push(size);
        let minutes = self.samples.len() / 60;
        self.samples.len().is_multiple_of(60).then(|| format!("minute {minutes}: {size} KiB"))
    }

    /// Fails when the size varied too much in the last ten minutes, or in the last third of a shorter run.
    pub(crate) fn check(&self, percent: u64) -> Fallible<()> {
        let (low, high) = self.last().ok_or("the resident size was not measured")?;
        if (high - low) * 100 > low * percent {
            return Err(
                format!("the resident size went from {low} to {high} KiB, not within {percent} %").into()
            );
        }
        Ok(())
    }

    /// Lowest and highest of the last samples.
    fn last(&self) -> Option<(u64, u64)> {
        let count = TEN_MINUTES.min(self.samples.len().div_ceil(3));
        let last = self.samples.get(self.samples.len() - count..)?;
        Some((*last.iter().min()?, *last.iter().max()?))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(first), Some((low, high))) = (self.samples.first(), self.last()) else {
            return f.write_str("resident size: not measured");
        };
        write!(f, "resident size: {first} KiB at first, {low} to {high} KiB at last")
    }
}

/// In samples.
const TEN_MINUTES: usize = 600;
