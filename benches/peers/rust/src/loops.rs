//! The loops that the bridges are compared with, alone in a program: no boundary, no JavaScript.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use crate::job::{Job, Outcome};
use crate::meter::Meter;

/// Sums or scales the same memory again and again.
pub fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    match (job.case.as_str(), job.way.as_str()) {
        ("checksum", _) => {
            let bytes: Vec<u8> = (0..job.size as u32)
                .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            timed(job, || {
                black_box(fnv1a64(black_box(&bytes)));
            })
        }
        ("scale", "f64") => {
            let mut numbers = vec![1.0_f64; job.size / 8];
            timed(job, || scale(black_box(&mut numbers), black_box(1.000_000_1)))
        }
        ("scale", _) => {
            let mut numbers = vec![1.0_f32; job.size / 4];
            timed(job, || scale32(black_box(&mut numbers), black_box(1.000_000_1)))
        }
        (case, _) => Err(format!("there is no loop for {case}").into()),
    }
}

fn timed(job: &Job, mut once: impl FnMut()) -> Result<Outcome, Box<dyn Error>> {
    for _ in 0..job.settle {
        once();
    }
    let meter = Meter::start()?;
    let mut times = Vec::with_capacity(job.count);
    for _ in 0..job.count {
        let start = Instant::now();
        once();
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(meter.stop(job.size * job.count, job.count)?.with_latencies(times))
}

fn fnv1a64(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    sum
}

fn scale(numbers: &mut [f64], factor: f64) {
    for number in numbers {
        *number *= factor;
    }
}

fn scale32(numbers: &mut [f32], factor: f32) {
    for number in numbers {
        *number *= factor;
    }
}
