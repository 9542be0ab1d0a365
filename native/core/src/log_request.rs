//! One HTTP request, told to the logger: that it was sent, and what came of it.

use std::fmt;
use std::time::Instant;

use tracing::{Level, debug, enabled, warn};

use crate::log::shown_path;

/// A request that is under way. Exists only where somebody is told.
pub(crate) struct RequestLog {
    method: String,
    host: String,
    path: String,
    started: Instant,
}

impl RequestLog {
    /// Tells that a request is sent, and which attempt at it that is. `target` is its path and
    /// query.
    pub(crate) fn sent(method: &str, host: &str, target: &str, attempt: u32) -> Option<Self> {
        if !enabled!(target: "dipper::request", Level::WARN) {
            return None;
        }
        let log = Self {
            method: method.to_owned(),
            host: host.to_owned(),
            path: shown_path(target),
            started: Instant::now(),
        };
        let Self { method, host, path, .. } = &log;
        if attempt > 1 {
            warn!(target: "dipper::request", method, host, path, attempt, "sent again");
        } else {
            debug!(target: "dipper::request", method, host, path, "sent");
        }
        Some(log)
    }

    /// The same for a request whose head is written already.
    pub(crate) fn of_head(head: &[u8], host: &str) -> Option<Self> {
        if !enabled!(target: "dipper::request", Level::WARN) {
            return None;
        }
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        Self::sent(method, host, target, 1)
    }

    fn ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }

    /// Tells of the head of the answer.
    pub(crate) fn answered(&self, status: u16, request_id: Option<&str>, bytes: Option<u64>) {
        let Self { method, host, path, .. } = self;
        let ms = self.ms();
        debug!(
            target: "dipper::request",
            method, host, path, status, request_id, bytes, ms, "answered"
        );
    }

    /// Tells that there is no answer.
    pub(crate) fn failed(&self, error: &dyn fmt::Debug) {
        let Self { method, host, path, .. } = self;
        let ms = self.ms();
        let error = format!("{error:?}");
        debug!(target: "dipper::request", method, host, path, ms, error, "not answered");
    }
}

/// Which attempt the SDK calls a request, by a header of its own: `attempt=2; max=4`.
pub(crate) fn attempt_of(header: Option<&str>) -> u32 {
    let number = header.and_then(|header| header.strip_prefix("attempt="));
    number.and_then(|rest| rest.split(';').next()?.trim().parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_as_the_sdk_counts_them() {
        assert_eq!(attempt_of(Some("attempt=2; max=4")), 2);
        for none in [None, Some(""), Some("max=4"), Some("attempt=x")] {
            assert_eq!(attempt_of(none), 1);
        }
        assert!(RequestLog::sent("GET", "h", "/", 1).is_none());
    }
}
