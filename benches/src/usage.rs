//! What a process used: time, CPU time, allocations and memory.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// A point in the life of this process.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    wall: Instant,
    cpu: ProcessTime,
    allocations: u64,
    resident_kib: u64,
}

impl Mark {
    /// From here on the peak of memory counts, too: there is one peak for a process, since the last mark.
    #[must_use]
    pub fn now() -> Self {
        let resident_kib = memory_kib("self", "VmRSS:");
        // Sets the peak back to what there is now. Where that is not possible, the peak is that of the whole process.
        let _not_linux = std::fs::write("/proc/self/clear_refs", "5");
        Self { wall: Instant::now(), cpu: ProcessTime::now(), allocations: allocations(), resident_kib }
    }

    /// The time since.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// What was used since; the wall time is the caller's, who may have waited for stragglers.
    #[must_use]
    pub fn used(&self, wall: Duration) -> Usage {
        Usage {
            wall,
            cpu: self.cpu.elapsed(),
            allocations: allocations() - self.allocations,
            resident_kib: memory_kib("self", "VmRSS:"),
            grown_kib: memory_kib("self", "VmHWM:").saturating_sub(self.resident_kib),
        }
    }
}

/// What was used, as a line between processes.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// From the beginning to the end of what was measured.
    pub wall: Duration,
    /// User and system, all threads.
    pub cpu: Duration,
    /// 0 unless built with the feature `allocations`.
    pub allocations: u64,
    /// 0 where there is no `/proc`.
    pub resident_kib: u64,
    /// The peak since the mark, less what there was then.
    pub grown_kib: u64,
}

impl Usage {
    /// CPU time per item, in microseconds.
    #[must_use]
    pub fn cpu_us_per(&self, items: usize) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / items as f64
    }

    /// Allocations per item, as text.
    #[must_use]
    pub fn allocations_per(&self, items: usize) -> String {
        if cfg!(feature = "allocations") {
            format!("{:.1} allocations", self.allocations as f64 / items as f64)
        } else {
            "allocations not counted".to_owned()
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wall, cpu) = (self.wall.as_micros(), self.cpu.as_micros());
        write!(f, "{wall} {cpu} {} {} {}", self.allocations, self.resident_kib, self.grown_kib)
    }
}

impl FromStr for Usage {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [wall, cpu, allocations, resident_kib, grown_kib] = numbers[..] else {
            return Err(line.to_owned());
        };
        let (wall, cpu) = (Duration::from_micros(wall), Duration::from_micros(cpu));
        Ok(Self { wall, cpu, allocations, resident_kib, grown_kib })
    }
}

/// Memory that another process has in RAM, by its id; 0 where there is no `/proc`.
#[must_use]
pub fn resident_kib_of(process: &str) -> u64 {
    memory_kib(process, "VmRSS:")
}

/// Memory that a process has in RAM (`VmRSS:`), or had at most (`VmHWM:`).
fn memory_kib(process: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

#[cfg(feature = "allocations")]
use counted::allocations;

#[cfg(not(feature = "allocations"))]
const fn allocations() -> u64 {
    0
}

#[cfg(feature = "allocations")]
mod counted {
    use std::alloc::System;

    use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

    #[global_allocator]
    static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    pub(super) fn allocations() -> u64 {
        let stats = ALLOCATOR.stats();
        (stats.allocations + stats.reallocations) as u64
    }
}
