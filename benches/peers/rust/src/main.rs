//! One measured run of a peer: reads a job from the command line, prints an outcome. Each run is a
//! process of its own, so that its processor time and its memory are its own.

mod command;
mod curl;
mod job;
mod loops;
mod meter;
mod recv;
mod sdk;
mod touch;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1).ok_or("pass a job as JSON")?;
    let job: job::Job = serde_json::from_str(&text)?;
    let outcome = match job.client.as_str() {
        "recv" => recv::run(&job)?,
        "curl" => curl::run(&job)?,
        "command" => command::run(&job)?,
        "touch" => touch::run(&job)?,
        "loops" => loops::run(&job)?,
        "sdk" => sdk::run(job)?,
        client => return Err(format!("there is no client {client}").into()),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
