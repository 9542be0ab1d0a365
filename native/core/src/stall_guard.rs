//! Answers that stop in the middle.
//!
//! The SDK waits for an answer's head with a limit, and for the rest of a listing or of an
//! error without one. So every body that comes through its client is watched: when no byte
//! comes for the stall timeout, it fails.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// No byte came for so long.
#[derive(Debug)]
pub(crate) struct BodyStalled(pub(crate) Duration);

impl fmt::Display for BodyStalled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no byte came for {} ms", self.0.as_millis())
    }
}

impl std::error::Error for BodyStalled {}

/// The same body, which fails when it stalls. The time runs only while somebody waits.
pub(crate) fn guarded(body: SdkBody, stall: Duration) -> SdkBody {
    if body.content_length() == Some(0) {
        return body;
    }
    SdkBody::from_body_1_x(Guarded { body, stall, waiting: None })
}

struct Guarded {
    body: SdkBody,
    stall: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = aws_smithy_types::body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waiting = None;
            return Poll::Ready(frame);
        }
        let stall = self.stall;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + stall)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(BodyStalled(stall).into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;
    impl Body for Silent {
        type Data = Bytes;
        type Error = aws_smithy_types::body::Error;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn silence_ends() {
        let mut body = guarded(SdkBody::from_body_1_x(Silent), Duration::from_millis(20));
        let next = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        assert!(next.await.unwrap().unwrap_err().to_string().contains("20 ms"));
    }
}
