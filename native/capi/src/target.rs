//! Memory of JavaScript that a body is written to: `into`, and the chunks of streams.
//!
//! JavaScript detaches the caller's buffer and keeps the memory where user code cannot
//! reach it until the completion. So nobody detaches, resizes or reads it meanwhile. What
//! remains is the end of the isolate, which frees the memory whatever is in flight: the
//! isolate's cleanup hook revokes every target first. Revoking waits for a write that is
//! under way, and afterwards no write happens.

#![allow(unsafe_code)]

use dipper_wire::Private;

/// Private memory at `room`, from now until it is revoked.
///
/// The caller, which is `ffi/queue.ts`, keeps the memory alive and private until the
/// operation's completion reached JavaScript, or until it was revoked.
pub fn private(room: &mut [u8]) -> Private {
    // SAFETY: the caller's promise above. `operations::release_of` revokes what an isolate
    // that ends left behind.
    unsafe { Private::new(room) }
}
