//! Memory of JavaScript that a body is written to: `into`.
//!
//! JavaScript detaches the caller's buffer and keeps the memory where user code cannot
//! reach it until the completion. So nobody detaches, resizes or reads it meanwhile. What
//! remains is the end of the isolate, which frees the memory whatever is in flight: the
//! isolate's cleanup hook revokes every target first. Revoking waits for a write that is
//! under way, and afterwards no write happens.

#![allow(unsafe_code)]

use std::sync::{Arc, Mutex, PoisonError};

use dipper_core::{Error, Target};

/// Private memory of an isolate, as long as it is not revoked.
#[derive(Clone)]
pub struct IsolateMemory(Arc<Mutex<Option<Range>>>);

struct Range {
    address: *mut u8,
    length: usize,
}

// SAFETY: the memory is plain bytes without ties to a thread; the mutex around every use
// of the address orders writes of different threads.
unsafe impl Send for Range {}

impl IsolateMemory {
    /// Private memory at `room`, from now until it is revoked.
    ///
    /// The caller keeps the memory alive and private until the operation's completion
    /// reached JavaScript, or until [`revoke`](Self::revoke) returned.
    pub fn new(room: &mut [u8]) -> Self {
        let range = Range { address: room.as_mut_ptr(), length: room.len() };
        Self(Arc::new(Mutex::new(Some(range))))
    }

    /// Takes the memory back. No write happens after this returns.
    pub fn revoke(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Target for IsolateMemory {
    fn capacity(&self) -> u64 {
        let range = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        range.as_ref().map_or(0, |range| range.length as u64)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let range = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(range) = &*range else { return Err(Error::cancelled()) };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if offset.checked_add(bytes.len()).is_none_or(|end| end > range.length) {
            return Err(Error::internal("a body outgrew its target"));
        }
        // SAFETY: the range is inside the memory, checked above. The memory is alive and
        // private because it was not revoked: revoking takes this lock. Source and target
        // are different memory, as one is Rust's own.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), range.address.add(offset), bytes.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_land_in_place_until_revoked() {
        let mut memory = vec![0_u8; 8];
        let mut target = IsolateMemory::new(&mut memory);
        target.write(2, &[1, 2]).unwrap();
        assert!(target.write(7, &[1, 2]).is_err());
        assert!(target.write(u64::MAX, &[1]).is_err());
        target.revoke();
        assert!(target.write(0, &[9]).is_err());
        assert_eq!(target.capacity(), 0);
        assert_eq!(memory, [0, 0, 1, 2, 0, 0, 0, 0]);
    }
}
