//! What encoders bring, and where it goes.

use arrow_buffer::Buffer as ArrowBuffer;
use dipper_core::Error;
use futures::future::BoxFuture;

/// Bytes of a file.
pub enum Piece {
    /// Memory that can be used again.
    Own(Vec<u8>),
    /// Memory in which somebody's arrays lie.
    Lent(ArrowBuffer),
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(bytes) => bytes,
        }
    }
}

/// Who takes the bytes of a file.
pub trait PieceSink: Send + Sync + 'static {
    /// Takes pieces in their order, once there is room for them, and gives them back.
    fn bring(&self, pieces: Vec<Piece>) -> BoxFuture<'_, Result<Vec<Piece>, Error>>;
}

/// So much is brought at once: nobody can stop who writes it.
const MOST: usize = 8 << 20;

/// Pieces that lie in memory of others, cut where they are long.
pub(crate) fn lent(buffers: impl IntoIterator<Item = ArrowBuffer>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for buffer in buffers {
        for start in (0..buffer.len()).step_by(MOST) {
            let length = MOST.min(buffer.len() - start);
            pieces.push(Piece::Lent(buffer.slice_with_length(start, length)));
        }
    }
    pieces
}

/// Brings them, not too many at once.
pub(crate) async fn bring_all(sink: &dyn PieceSink, pieces: Vec<Piece>) -> Result<(), Error> {
    let (mut some, mut bytes) = (Vec::new(), 0);
    for piece in pieces {
        bytes += piece.as_ref().len();
        some.push(piece);
        if bytes >= MOST {
            sink.bring(std::mem::take(&mut some)).await?;
            bytes = 0;
        }
    }
    if !some.is_empty() {
        sink.bring(some).await?;
    }
    Ok(())
}
