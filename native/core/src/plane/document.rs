//! A body that is a document: short, wanted whole and in memory, whatever frames it.

use std::io;
use std::time::Duration;

use dipper_wire::Chunked;

use super::body::{Body, BodyError};
use super::pool::Answer;

/// Why there is no document.
#[derive(Debug)]
pub(crate) enum DocumentError {
    Body(BodyError),
    /// It is longer than anybody wants.
    TooLong,
    /// Its chunks may not be believed.
    Malformed(&'static str),
}

/// At first so much is reserved, whatever the head announces.
const FIRST_ROOM: usize = 1 << 20;
/// An error says what it has to say in so many bytes.
const LONGEST_MESSAGE: usize = 64 * 1024;

impl Answer {
    /// Reads the whole body, of at most so many bytes.
    pub(crate) async fn document(
        self,
        most: usize,
        stall: Duration,
    ) -> Result<Vec<u8>, DocumentError> {
        let mut into = Vec::new();
        self.read_document(most, stall, &mut into).await?;
        Ok(into)
    }

    /// Reads the message of an error, or as much of it as comes.
    pub(crate) async fn message(self, patience: Duration) -> Vec<u8> {
        let mut into = Vec::new();
        // What came before it broke may say enough.
        let _ = self.read_document(LONGEST_MESSAGE, patience, &mut into).await;
        into.truncate(LONGEST_MESSAGE);
        into
    }

    async fn read_document(
        self,
        most: usize,
        stall: Duration,
        into: &mut Vec<u8>,
    ) -> Result<(), DocumentError> {
        match self {
            Self::Empty => Ok(()),
            Self::Sized(body) => sized(body, most, stall, into).await,
            Self::Chunked(body) => chunked(body, most, stall, into).await,
            Self::UntilClose(mut body) => {
                while into.len() <= most {
                    match body.append(into, most - into.len() + 1, stall).await {
                        Ok(0) => return Ok(()),
                        Ok(_) => {}
                        Err(error) => return Err(DocumentError::Body(error)),
                    }
                }
                Err(DocumentError::TooLong)
            }
        }
    }
}

async fn sized(
    mut body: Body,
    most: usize,
    stall: Duration,
    into: &mut Vec<u8>,
) -> Result<(), DocumentError> {
    let length = usize::try_from(body.left()).unwrap_or(usize::MAX);
    into.reserve(length.min(most).min(FIRST_ROOM));
    while body.left() > 0 {
        if into.len() >= most {
            return Err(DocumentError::TooLong);
        }
        if body.append(into, most - into.len(), stall).await.map_err(DocumentError::Body)? == 0 {
            return Err(cut());
        }
    }
    Ok(())
}

async fn chunked(
    mut body: Body,
    most: usize,
    stall: Duration,
    into: &mut Vec<u8>,
) -> Result<(), DocumentError> {
    const PIECE: usize = 64 * 1024;
    let mut chunked = Chunked::new();
    let mut piece = Vec::with_capacity(PIECE);
    while !chunked.is_done() {
        piece.clear();
        if body.append(&mut piece, PIECE, stall).await.map_err(DocumentError::Body)? == 0 {
            return Err(cut());
        }
        let used = chunked.decode(&piece, into).map_err(DocumentError::Malformed)?;
        if into.len() > most {
            return Err(DocumentError::TooLong);
        }
        // What follows the body was not asked for: such a connection is not used again.
        if used == piece.len() && chunked.is_done() {
            body.end();
            break;
        }
    }
    Ok(())
}

fn cut() -> DocumentError {
    let cause = "the connection ended";
    DocumentError::Body(BodyError::Broken(io::Error::new(io::ErrorKind::UnexpectedEof, cause)))
}
