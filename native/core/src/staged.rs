//! A message that a program brings piece by piece, in memory that goes round and that no program
//! sees.

use std::sync::Arc;

use crate::buffer::{Buffer, Draft};
use crate::{Error, ledger};

/// A message that is not whole yet.
pub struct Staged {
    draft: Draft,
    filled: usize,
}

impl Staged {
    /// Makes room for a message, for a caller that cannot wait for the budget.
    ///
    /// # Errors
    /// `BudgetExceeded` or `OutOfMemory`.
    pub fn new(length: usize) -> Result<Self, Error> {
        let ticket = ledger().budget().take(length as u64)?;
        Ok(Self { draft: Draft::recycled(length, vec![ticket])?, filled: 0 })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `InvalidInput` for more than there is room for.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let rest = self.draft.bytes_mut().get_mut(self.filled..).unwrap_or_default();
        let room = rest.get_mut(..bytes.len());
        let room =
            room.ok_or_else(|| Error::invalid("a batch is longer than it was said to be"))?;
        room.copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    /// The message.
    ///
    /// # Errors
    /// `InvalidInput` when some of it did not come.
    pub fn finish(self) -> Result<Arc<Buffer>, Error> {
        if self.filled < self.draft.bytes().len() {
            return Err(Error::invalid("a batch is shorter than it was said to be"));
        }
        Ok(self.draft.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_came() {
        let mut staged = Staged::new(5).unwrap();
        staged.take(b"ab").unwrap();
        staged.take(b"").unwrap();
        assert!(staged.take(b"cdef").is_err());
        staged.take(b"cde").unwrap();
        assert_eq!(staged.finish().unwrap().memory().as_ref(), b"abcde");
        assert!(Staged::new(1).unwrap().finish().is_err());
        assert!(Staged::new(0).unwrap().finish().is_ok());
    }
}
