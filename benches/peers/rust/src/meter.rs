//! Time, processor time and peak memory of a stretch of this process or of its children.

use std::{error::Error, fs, io, time::Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};

use crate::job::Outcome;

pub struct Meter {
    started: Instant,
    cpu: f64,
    idle: usize,
}

impl Meter {
    /// Starts now; the peak of the memory is forgotten.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        // Where this is not allowed, the peak is that of the whole process.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let idle = resident("VmRSS")?;
        Ok(Self { cpu: cpu(&getrusage(UsageWho::RUSAGE_SELF)?), idle, started: Instant::now() })
    }

    /// What was measured since the start, of this process.
    pub fn stop(self, bytes: usize, operations: usize) -> Result<Outcome, Box<dyn Error>> {
        let seconds = self.started.elapsed().as_secs_f64();
        let cpu_seconds = cpu(&getrusage(UsageWho::RUSAGE_SELF)?) - self.cpu;
        Ok(Outcome {
            seconds,
            bytes,
            operations,
            cpu_seconds,
            idle_bytes: self.idle,
            peak_bytes: resident("VmHWM")?,
            ..Outcome::default()
        })
    }
}

/// The processor time of the children that ended, and the peak memory of the largest.
pub fn of_children() -> Result<(f64, usize), Box<dyn Error>> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok((cpu(&usage), usize::try_from(usage.max_rss())? * 1024))
}

fn cpu(usage: &Usage) -> f64 {
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum()
}

fn resident(field: &str) -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kilobytes: usize = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/self/status has no {field}")))?;
    Ok(kilobytes * 1024)
}
