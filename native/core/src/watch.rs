//! Waits for tasks, and tells meanwhile how far they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::gate::joined;
use crate::metrics::Meter;
use crate::{Error, Metrics, Progress};

const TICK: Duration = Duration::from_millis(100);

/// Waits until all tasks have ended. `tick` is called now and then, before progress is told.
///
/// # Errors
/// The failure of a task.
pub(crate) async fn watch(
    mut tasks: JoinSet<()>,
    progress: Option<&Arc<dyn Progress>>,
    total: u64,
    meter: &Meter,
    tick: impl Fn(),
) -> Result<Metrics, Error> {
    let report = || {
        if let Some(progress) = progress {
            progress.reached(meter.bytes(), total.max(meter.bytes()), &meter.read());
        }
    };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    loop {
        tokio::select! {
            biased;
            ended = tasks.join_next() => match ended {
                None => break,
                Some(ended) => joined(ended)?,
            },
            _ = ticks.tick() => {
                tick();
                report();
            }
        }
    }
    report();
    Ok(meter.read())
}
