//! Log records on their way up: through the isolate's queue, like completions, and before those
//! of the operations that they tell of.
//!
//! JavaScript may be busy for long, or its logger slow. So what waits is bounded: a record that
//! finds no room is dropped and counted, and the next that finds room is preceded by one that
//! tells the count.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dipper_core::{LogLevel, LogRecord, LogSink, LogValue, Logger};
use serde_json::{Map, Value};

use crate::messages::{LogLevelMessage, LogRecordMessage, LoggerMessage};
use crate::queue::{Completion, Kind, Queue};

/// How many records of a client may wait, and of how many bytes.
const MOST_RECORDS: usize = 1000;
const MOST_BYTES: usize = 1 << 20;

/// The logger that a client was made with.
pub fn logger(queue: &Arc<Queue>, message: &LoggerMessage) -> Arc<Logger> {
    let sink = Records {
        queue: Arc::clone(queue),
        id: message.id,
        waiting: Arc::new(Waiting::default()),
        dropped: AtomicU64::new(0),
        order: Mutex::new(()),
    };
    Logger::new(message.level.into(), Box::new(sink))
}

/// The way of one client's records.
struct Records {
    queue: Arc<Queue>,
    /// What names the logger in its isolate.
    id: f64,
    waiting: Arc<Waiting>,
    dropped: AtomicU64,
    /// Held from the look at the count until the records are handed over.
    order: Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

/// Counts as waiting until the isolate has taken it.
#[derive(Debug)]
pub struct Held {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Waiting({})", self.records.load(Ordering::Relaxed))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.waiting.records.fetch_sub(1, Ordering::SeqCst);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

impl Records {
    fn completion(&self, record: LogRecord) -> Completion {
        let mut completion = Completion::new(Kind::Log, self.id);
        completion.payload = serde_json::to_vec(&message(record)).unwrap_or_default();
        let bytes = completion.payload.len();
        self.waiting.records.fetch_add(1, Ordering::SeqCst);
        self.waiting.bytes.fetch_add(bytes, Ordering::SeqCst);
        completion.held = Some(Held { waiting: Arc::clone(&self.waiting), bytes });
        completion
    }

    fn is_full(&self) -> bool {
        self.waiting.records.load(Ordering::SeqCst) >= MOST_RECORDS
            || self.waiting.bytes.load(Ordering::SeqCst) >= MOST_BYTES
    }

    /// The record that tells how many were dropped, if any were.
    fn gap(&self, operation: &'static str) -> Option<Completion> {
        let dropped = self.dropped.swap(0, Ordering::SeqCst);
        (dropped > 0).then(|| {
            self.completion(LogRecord {
                time: SystemTime::now(),
                level: LogLevel::Warn,
                target: "dipper::log".to_owned(),
                message: "records were dropped: the logger did not keep up".to_owned(),
                operation,
                fields: vec![("dropped".to_owned(), LogValue::Number(dropped as f64))],
            })
        })
    }
}

impl LogSink for Records {
    fn take(&self, record: LogRecord) {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_full() {
            self.dropped.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let gap = self.gap(record.operation);
        self.queue.push_all(gap.into_iter().chain([self.completion(record)]));
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        let gap = self.gap("");
        // Without a payload: there will be no more.
        self.queue.push_all(gap.into_iter().chain([Completion::new(Kind::Log, self.id)]));
    }
}

fn message(record: LogRecord) -> LogRecordMessage {
    let since = record.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut fields = Map::new();
    for (name, value) in record.fields {
        fields.insert(
            name,
            match value {
                LogValue::Text(text) => Value::from(text),
                LogValue::Number(number) => Value::from(number),
                LogValue::Flag(flag) => Value::from(flag),
            },
        );
    }
    LogRecordMessage {
        time: since.as_secs_f64() * 1000.0,
        level: record.level.into(),
        target: record.target,
        message: record.message,
        operation: record.operation,
        fields,
    }
}

impl From<LogLevelMessage> for LogLevel {
    fn from(level: LogLevelMessage) -> Self {
        match level {
            LogLevelMessage::Error => Self::Error,
            LogLevelMessage::Warn => Self::Warn,
            LogLevelMessage::Info => Self::Info,
            LogLevelMessage::Debug => Self::Debug,
            LogLevelMessage::Trace => Self::Trace,
        }
    }
}

impl From<LogLevel> for LogLevelMessage {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Record, drain};
    use std::mem::offset_of;

    fn record(number: usize) -> LogRecord {
        LogRecord {
            time: SystemTime::now(),
            level: LogLevel::Debug,
            target: "dipper::test".to_owned(),
            message: format!("record {number}"),
            operation: "test",
            fields: vec![("text".to_owned(), LogValue::Text("x".repeat(100)))],
        }
    }

    /// The payloads of all that waits; an end is an empty one.
    fn drained(queue: &Arc<Queue>) -> Vec<String> {
        let mut room = vec![0; 4 << 20];
        let mut payloads = Vec::new();
        loop {
            let written = drain(queue.handle(), &mut room).unwrap();
            if written == 0 {
                return payloads;
            }
            let mut at = 0;
            while at < written {
                let word = |offset: usize| {
                    let bytes = room[at + offset..at + offset + 4].try_into().unwrap();
                    u32::from_ne_bytes(bytes) as usize
                };
                assert_eq!(word(offset_of!(Record, kind)), Kind::Log as usize);
                let length = word(offset_of!(Record, payload));
                let start = at + Record::SIZE;
                let payload = room[start..start + length].to_vec();
                payloads.push(String::from_utf8(payload).unwrap());
                at = start + length.next_multiple_of(8);
            }
        }
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_dropped_is_counted() {
        let queue = Queue::open().unwrap();
        let sink = Records {
            queue: Arc::clone(&queue),
            id: 7.0,
            waiting: Arc::default(),
            dropped: AtomicU64::new(0),
            order: Mutex::default(),
        };
        (0..MOST_RECORDS + 25).for_each(|number| sink.take(record(number)));
        let first = drained(&queue);
        assert_eq!(first.len(), MOST_RECORDS);
        assert!(first[0].contains("record 0") && first[0].contains(r#""operation":"test""#));
        // There is room again.
        sink.take(record(9999));
        let later = drained(&queue);
        assert_eq!(later.len(), 2);
        assert!(later[0].contains(r#""dropped":25"#) && later[1].contains("record 9999"));
        let large = LogRecord { message: "y".repeat(MOST_BYTES), ..record(1) };
        sink.take(large);
        sink.take(record(2));
        drop(sink);
        let last = drained(&queue);
        assert_eq!(last.len(), 3);
        assert!(last[1].contains(r#""dropped":1"#) && last[2].is_empty());
        queue.close();
    }
}
