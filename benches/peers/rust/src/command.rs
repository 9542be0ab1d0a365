//! A program of others, run from its start to its end as a user runs it. Its processor time and
//! memory are those that the kernel counts for a child that ended.

use std::{
    error::Error,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    job::{Job, Outcome},
    meter::of_children,
};

pub fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let program = job.program.as_deref().ok_or("the job names no program")?;
    let started = Instant::now();
    let output = Command::new(program).args(&job.arguments).stdin(Stdio::null()).output()?;
    let seconds = started.elapsed().as_secs_f64();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}", said.trim()).into());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    if let Some(missing) = said.lines().find(|line| line.starts_with("{\"missing\"")) {
        println!("{missing}");
        std::process::exit(0);
    }
    let (cpu_seconds, peak_bytes) = of_children()?;
    Ok(Outcome {
        seconds,
        bytes: job.size * job.count,
        operations: job.count,
        cpu_seconds,
        peak_bytes,
        ..Outcome::default()
    })
}
