//! curl to /dev/null: it keeps nothing, so it is no rival but a mark of what the server gives.
//! Its processor time and memory are those that the kernel counts for a child that ended.

use std::{error::Error, process::Command};

use crate::{
    job::{Job, Outcome},
    meter::of_children,
};

pub fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let url = |key: &str| format!("{}/{}/{key}", job.endpoint, job.bucket);
    let mut curl = Command::new(job.program.as_deref().unwrap_or("curl"));
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
    if !job.ca.is_empty() {
        curl.args(["--cacert", &job.ca]);
    }
    let urls = match job.case.as_str() {
        "object" => vec![url(&job.key)],
        "repeated" => vec![url(&job.key); job.count],
        case => return Err(format!("curl has no case {case}").into()),
    };
    for url in &urls {
        curl.args(["--output", "/dev/null", url]);
    }
    // From the start of each transfer to its end, without the start of the process.
    curl.args(["--write-out", "%{time_total} %{size_download}\\n"]);
    let output = curl.output()?;
    if !output.status.success() {
        return Err(format!("curl: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let mut outcome = Outcome { operations: urls.len(), ..Outcome::default() };
    for line in String::from_utf8(output.stdout)?.lines() {
        let (seconds, bytes) = line.split_once(' ').ok_or("curl wrote something else")?;
        outcome.seconds += seconds.parse::<f64>()?;
        outcome.bytes += bytes.parse::<usize>()?;
    }
    if outcome.bytes != urls.len() * job.size {
        return Err(format!("curl read {} bytes", outcome.bytes).into());
    }
    (outcome.cpu_seconds, outcome.peak_bytes) = of_children()?;
    Ok(outcome)
}
