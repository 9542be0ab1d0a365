//! The one error type of the Rust side.

use std::fmt;

use dipper_wire::{OutOfMemory, StaleHandle};

use crate::Status;

/// What went wrong, to what, and what to do about it.
#[derive(Clone, Debug)]
pub struct Error {
    /// Which of the listed failures it is.
    pub status: Status,
    /// What happened, as a sentence that stands alone.
    pub message: String,
    /// The URI that the operation was about.
    pub uri: Option<String>,
    /// The HTTP status of the answer, where there was one.
    pub http_status: Option<u16>,
    /// The id that the server gave the request.
    pub request_id: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// An error with a message and nothing else yet.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            uri: None,
            http_status: None,
            request_id: None,
            hint: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the URI, unless one is there.
    #[must_use]
    pub fn about(mut self, uri: impl Into<String>) -> Self {
        self.uri.get_or_insert_with(|| uri.into());
        self
    }

    /// Adds another thing to do.
    #[must_use]
    pub(crate) fn hint_more(mut self, more: &str) -> Self {
        self.hint = Some(match self.hint.take() {
            Some(hint) => format!("{hint}; {more}"),
            None => more.to_owned(),
        });
        self
    }

    /// Bad input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Status::InvalidInput, message)
    }

    /// A defect of dipper.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Status::Internal, message).hint("please report this with the code that led here")
    }

    /// The end of an operation that was cancelled.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Status::Cancelled, "the operation was cancelled")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<OutOfMemory> for Error {
    fn from(refused: OutOfMemory) -> Self {
        Self::new(Status::OutOfMemory, refused.to_string())
            .hint("free buffers that are no longer needed, or read a slice of the object")
    }
}

impl From<StaleHandle> for Error {
    fn from(stale: StaleHandle) -> Self {
        Self::new(Status::StaleHandle, stale.to_string())
    }
}
