//! Questions that the Rust side asks of JavaScript: may this host be reached, is there garbage to
//! collect, what are the credentials. A question goes up as a record and waits for
//! `dipper_answer`, or for `dipper_answer_with` where the answer is more than yes or no.

use std::sync::Arc;

use dipper_core::{Error, Gatekeeper, Given, Need, ProgramCredentials, Surroundings};
use dipper_wire::{Handle, SlotTable};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::declaration::kind;
use crate::messages::{AnswerMessage, GivenCredentialsMessage, Question, SurroundingsMessage};
use crate::queue::{Completion, Kind, Queue};

static ASKS: SlotTable<Waiting> = SlotTable::new(kind::ASK);

struct Waiting {
    queue: Handle,
    answer: Waiter,
}

enum Waiter {
    YesOrNo(oneshot::Sender<bool>),
    Message(oneshot::Sender<Vec<u8>>),
}

/// Asks the isolate of a queue.
pub struct Asker(pub Arc<Queue>);

impl Asker {
    fn push(&self, question: &Question, answer: Waiter) {
        if let Some(handle) = ASKS.insert(Waiting { queue: self.0.handle(), answer }) {
            let mut completion = Completion::new(Kind::Ask, handle.to_number());
            completion.payload = serde_json::to_vec(question).unwrap_or_default();
            self.0.push(completion);
        }
    }

    /// Runs a function of the isolate's.
    fn call<M, T>(&self, function: u64, read: fn(M) -> T) -> Given<T>
    where
        M: DeserializeOwned + 'static,
        T: 'static,
    {
        let (answer, receive) = oneshot::channel();
        self.push(&Question::Call { function }, Waiter::Message(answer));
        Box::pin(async move {
            let ended = |_| "the program that it belongs to has ended".to_owned();
            let message = receive.await.map_err(ended)?;
            // The error of a parser may show what it read, which is a secret.
            match serde_json::from_slice::<AnswerMessage<M>>(&message) {
                Ok(AnswerMessage::Given(given)) => Ok(read(given)),
                Ok(AnswerMessage::Failed(why)) => Err(why),
                Err(_) => Err("its answer does not have the agreed form".to_owned()),
            }
        })
    }
}

impl Gatekeeper for Asker {
    fn ask(&self, need: Need) -> dipper_core::Answer {
        let (answer, receive) = oneshot::channel();
        let question = match need {
            Need::Net(host) => Question::Net { host },
            Need::Collect(bytes) => Question::Collect { bytes },
            Need::Keep { path, text } => Question::Keep { path, text },
        };
        self.push(&question, Waiter::YesOrNo(answer));
        // An isolate that ends drops its questions: the answer is no.
        Box::pin(async move { receive.await.unwrap_or(false) })
    }

    fn credentials(&self, function: u64) -> Given<ProgramCredentials> {
        self.call(function, |given: GivenCredentialsMessage| given.into())
    }

    fn surroundings(&self, function: u64) -> Given<Surroundings> {
        self.call(function, |given: SurroundingsMessage| given.into())
    }
}

pub fn answer(ask: Handle, granted: f64) -> Result<(), Error> {
    let waiting = ASKS.remove(ask)?;
    // The operation may have been cancelled meanwhile. A message that is not one is a failure.
    match waiting.answer {
        Waiter::YesOrNo(answer) => drop(answer.send(granted != 0.0)),
        Waiter::Message(answer) => drop(answer),
    }
    Ok(())
}

pub fn answer_with(ask: Handle, message: &[u8]) -> Result<(), Error> {
    let waiting = ASKS.remove(ask)?;
    match waiting.answer {
        Waiter::YesOrNo(answer) => drop(answer),
        Waiter::Message(answer) => drop(answer.send(message.to_vec())),
    }
    Ok(())
}

/// Drops the questions of an isolate that ended.
pub fn release_of(queue: Handle) {
    drop(ASKS.remove_where(|waiting| waiting.queue == queue));
}
