//! Buffers that handles name.
//!
//! A buffer waits here until JavaScript maps it. From then on the engine's backing store
//! owns it, and the table keeps only a weak reference, so that operations can send it. A
//! buffer that waits belongs to its isolate and goes with it; a mapped one may have moved
//! to another isolate and goes with its last holder. A second handle may hold a buffer for
//! an operation that is about to start, whatever becomes of the mapping meanwhile; such a
//! handle cannot be mapped, because one allocation has one mapping.

use std::sync::{Arc, Weak};

use dipper_core::{Buffer, Error};
use dipper_wire::{Handle, SlotTable};

use crate::declaration::kind;
use crate::export::stale;
use crate::queue::{self, Queue};

static BUFFERS: SlotTable<Named> = SlotTable::new(kind::BUFFER);

struct Named {
    queue: Handle,
    state: State,
}

enum State {
    Waiting(Arc<Buffer>),
    Held(Arc<Buffer>),
    Mapped(Weak<Buffer>),
}

/// Names a buffer on behalf of an isolate.
pub fn insert_buffer(queue: &Queue, buffer: Arc<Buffer>) -> Result<Handle, Error> {
    BUFFERS
        .insert(Named { queue: queue.handle(), state: State::Waiting(buffer) })
        .ok_or_else(|| Error::internal("more than 16 million buffers are alive"))
}

/// The buffer of a handle, mapped or not.
pub fn buffer(handle: Handle) -> Result<Arc<Buffer>, Error> {
    BUFFERS
        .with(handle, |named| match &named.state {
            State::Waiting(buffer) | State::Held(buffer) => Some(Arc::clone(buffer)),
            State::Mapped(buffer) => buffer.upgrade(),
        })
        .ok()
        .flatten()
        .ok_or_else(|| stale("buffer"))
}

/// Takes the reference that a mapping will own. A buffer is mapped once.
pub fn take_for_mapping(handle: Handle) -> Result<Arc<Buffer>, Error> {
    BUFFERS
        .with(handle, |named| match &named.state {
            State::Mapped(_) | State::Held(_) => None,
            State::Waiting(buffer) => {
                let buffer = Arc::clone(buffer);
                named.state = State::Mapped(Arc::downgrade(&buffer));
                Some(buffer)
            }
        })
        .ok()
        .flatten()
        .ok_or_else(|| stale("buffer"))
}

/// The mapping is gone: the handle ends.
pub fn unmapped(handle: Handle) {
    drop(BUFFERS.remove(handle));
}

pub fn buffer_address(handle: Handle) -> Result<f64, Error> {
    let buffer = buffer(handle)?;
    // User addresses have at most 47 bits on the systems that Deno runs on.
    Ok(buffer.memory().address() as usize as f64)
}

pub fn buffer_adopt(handle: Handle) -> Result<(), Error> {
    buffer(handle)?.adopt();
    Ok(())
}

/// A second handle, which keeps the memory alive until it is released.
pub fn buffer_hold(queue: Handle, handle: Handle) -> Result<Handle, Error> {
    let queue = queue::of(queue)?;
    let state = State::Held(buffer(handle)?);
    BUFFERS
        .insert(Named { queue: queue.handle(), state })
        .ok_or_else(|| Error::internal("more than 16 million buffers are alive"))
}

pub fn buffer_release(handle: Handle) -> Result<(), Error> {
    let mapped = BUFFERS.with(handle, |named| matches!(named.state, State::Mapped(_)))?;
    if mapped {
        return Err(Error::internal("a mapped buffer is freed by its mapping alone"));
    }
    drop(BUFFERS.remove(handle)?);
    Ok(())
}

/// Frees what an isolate that ended never mapped.
pub fn release_of(queue: Handle) {
    let left = |named: &Named| named.queue == queue && !matches!(named.state, State::Mapped(_));
    drop(BUFFERS.remove_where(left));
}
