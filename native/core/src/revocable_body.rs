//! Request bodies that an operation takes back when it ends early.
//!
//! hyper owns what it is sending until the socket took it, even after nobody waits for the
//! answer, and a server that stops reading can hold it for ever. So a connection gets a
//! large body in pieces, each copied when the socket has room for it, and the source stays
//! with the operation. When the operation is cancelled the source goes at once, and a
//! connection that asks for more is told that there is none, so that the server never sees
//! a whole body. The copy costs far less than the system call that sends it; a small body
//! is sent from where it lies.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::Error;

/// As much as a connection may hold of a cancelled body.
const PIECE: usize = 128 * 1024;

struct Source {
    body: SdkBody,
    /// What the body has yielded and the connection has not asked for yet.
    rest: Bytes,
}

type Shared = Arc<Mutex<Option<Source>>>;

fn lock(source: &Shared) -> MutexGuard<'_, Option<Source>> {
    // The source is whole between any two statements below.
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a body back when it is dropped, unless it was released first.
pub(crate) struct Hold(Option<Shared>);

impl Hold {
    /// The answer has come: the body may be sent to its end.
    pub(crate) fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(source) = self.0.take() {
            lock(&source).take();
        }
    }
}

/// The same body for the connection, and the hold that takes it back.
pub(crate) fn revocable(body: SdkBody) -> (SdkBody, Hold) {
    if body.content_length().is_some_and(|length| length <= PIECE as u64) {
        return (body, Hold(None));
    }
    let size = Body::size_hint(&body);
    let source = Arc::new(Mutex::new(Some(Source { body, rest: Bytes::new() })));
    let pieces = Pieces { source: Arc::clone(&source), size };
    (SdkBody::from_body_1_x(pieces), Hold(Some(source)))
}

struct Pieces {
    source: Shared,
    size: SizeHint,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = aws_smithy_types::body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut source = lock(&self.source);
        let Some(source) = &mut *source else {
            return Poll::Ready(Some(Err(Error::cancelled().into())));
        };
        if source.rest.is_empty() {
            match Pin::new(&mut source.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => source.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let length = source.rest.len().min(PIECE);
        let piece = Bytes::copy_from_slice(&source.rest.split_to(length));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.source)
            .as_ref()
            .is_some_and(|source| source.rest.is_empty() && source.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(body: &mut SdkBody) -> Option<Result<Bytes, ()>> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(frame) => {
                frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()).map_err(|_| ()))
            }
            Poll::Pending => panic!("memory is always ready"),
        }
    }

    #[test]
    fn a_large_body_comes_whole_and_in_pieces() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 5).map(|index| index as u8).collect();
        let (mut body, hold) = revocable(SdkBody::from(bytes.clone()));
        hold.release();
        let mut seen = Vec::new();
        while let Some(piece) = next(&mut body) {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE);
            seen.extend_from_slice(&piece);
        }
        assert!(seen == bytes && body.is_end_stream());
    }

    #[test]
    fn a_body_taken_back_is_freed_and_ends_in_an_error() {
        let owner = Arc::new(vec![7_u8; PIECE * 2]);
        let bytes = Bytes::from_owner(Owner(Arc::clone(&owner)));
        let (mut body, hold) = revocable(SdkBody::from(bytes));
        assert!(next(&mut body).unwrap().is_ok());
        drop(hold);
        assert_eq!(Arc::strong_count(&owner), 1);
        assert!(next(&mut body).unwrap().is_err());
    }

    struct Owner(Arc<Vec<u8>>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
}
