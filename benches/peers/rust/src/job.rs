//! What a run is asked for and what it answers: one object of JSON each, the same for every peer
//! in every language (`benches/job.ts`).

use serde::{Deserialize, Serialize};

/// What to do; the fields that a case does not need are zero or empty.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub struct Job {
    /// Which client of this program: `recv`, `sdk`, `curl`, `command` or `loops`.
    pub client: String,
    /// What to measure.
    pub case: String,
    /// `http://127.0.0.1:PORT` or `https://…`.
    pub endpoint: String,
    /// The certificate to trust, a file in PEM.
    pub ca: String,
    /// Credentials; servers that check none get made-up ones.
    pub access_key_id: String,
    pub secret_access_key: String,
    pub bucket: String,
    /// The object's key; for many objects, what their numbers stand behind.
    pub key: String,
    /// A small object to open connections with.
    pub warm_up: String,
    /// The size of one object.
    pub size: usize,
    /// How many objects, or how often.
    pub count: usize,
    /// For the same object again and again: reads before the clock starts.
    #[serde(default)]
    pub settle: usize,
    /// How many requests, connections or ranges at once.
    pub parallel: usize,
    /// For `loops`: `f64` or `f32`.
    pub way: String,
    /// For `recv`: `fresh`, `huge` or `warm`.
    pub memory: String,
    /// For `curl`: its path, if it is not on PATH. For `command`: the program.
    pub program: Option<String>,
    /// For `command`: what it is given.
    pub arguments: Vec<String>,
}

/// What was measured. Memory is in bytes, latency in seconds.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub seconds: f64,
    pub bytes: usize,
    pub operations: usize,
    pub cpu_seconds: f64,
    pub idle_bytes: usize,
    pub peak_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
}

impl Outcome {
    /// With the quantiles of these times.
    pub fn with_latencies(mut self, mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let quantile = |part: f64| times.get((times.len() as f64 * part) as usize).copied();
        self.p50 = quantile(0.5);
        self.p99 = quantile(0.99);
        self
    }
}

impl Job {
    /// The key of the object with this number.
    pub fn numbered(&self, number: usize) -> String {
        format!("{}{number:06}", self.key)
    }
}
