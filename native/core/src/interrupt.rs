//! Stop, for the loops of synchronous calls: see [`dipper_wire::interrupt`].

pub use dipper_wire::interrupt::{Watch, answer, pending, request};

use crate::{Error, Status};

/// The error of a call that stopped: what it was doing, and how much of that is done.
#[must_use]
pub fn stopped(what: impl std::fmt::Display) -> Error {
    Error::new(Status::Stopped, format!("the cell was stopped: {what}"))
}
