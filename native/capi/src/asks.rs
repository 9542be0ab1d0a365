//! Questions that the Rust side asks of JavaScript: may this host be reached, is there
//! garbage to collect. A question goes up as a record and waits for `dipper_answer`.

use std::sync::Arc;

use dipper_core::{Error, Gatekeeper, Need};
use dipper_wire::{Handle, SlotTable};
use tokio::sync::oneshot;

use crate::declaration::kind;
use crate::messages::Question;
use crate::queue::{Completion, Kind, Queue};

static ASKS: SlotTable<Waiting> = SlotTable::new(kind::ASK);

struct Waiting {
    queue: Handle,
    answer: oneshot::Sender<bool>,
}

/// Asks the isolate of a queue.
pub struct Asker(pub Arc<Queue>);

impl Gatekeeper for Asker {
    fn ask(&self, need: Need) -> dipper_core::Answer {
        let (answer, receive) = oneshot::channel();
        if let Some(handle) = ASKS.insert(Waiting { queue: self.0.handle(), answer }) {
            let mut completion = Completion::new(Kind::Ask, handle.to_number());
            let question = match need {
                Need::Net(host) => Question::Net { host },
                Need::Collect(bytes) => Question::Collect { bytes },
            };
            completion.payload = serde_json::to_vec(&question).unwrap_or_default();
            self.0.push(completion);
        }
        // An isolate that ends drops its questions: the answer is no.
        Box::pin(async move { receive.await.unwrap_or(false) })
    }
}

pub fn answer(ask: Handle, granted: f64) -> Result<(), Error> {
    let waiting = ASKS.remove(ask)?;
    // The operation may have been cancelled meanwhile.
    let _ = waiting.answer.send(granted != 0.0);
    Ok(())
}

/// Drops the questions of an isolate that ended.
pub fn release_of(queue: Handle) {
    drop(ASKS.remove_where(|waiting| waiting.queue == queue));
}
