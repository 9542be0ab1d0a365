//! What happens to every request before `s3s` and to every answer behind it.
//!
//! - every answer carries a request identifier, and error documents repeat it and name the resource;
//! - a failure of `s3s` itself is an answer, not a closed connection;
//! - a request that was refused is read to its end, within bounds, so that the client sees the answer
//!   instead of a reset connection;
//! - unsigned `aws-chunked` bodies go through `rechunk`;
//! - a presigned request that asks to be valid for more than a week is refused, as S3 does.

use crate::rechunk::Rechunk;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use s3s::service::S3Service;
use s3s::stream::{ByteStream, DynByteStream, RemainingLength};
use s3s::{Body, StdError};
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const EXTENDED_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
/// A presigned request is valid for a week at most.
const LONGEST_EXPIRY: i64 = 7 * 24 * 3600;
/// A refused body is read to its end if that takes no more than this.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The service of a server; connections share it.
pub struct Front {
    s3: S3Service,
    next: AtomicU64,
}

impl Front {
    /// `seed` makes the identifiers of different starts differ.
    pub fn new(s3: S3Service, seed: u64) -> Self {
        Self { s3, next: AtomicU64::new(seed) }
    }

    /// Answers one request.
    pub async fn call(&self, request: Request<Incoming>) -> Response<Body> {
        let id = self.request_id();
        let path = request.uri().path().to_owned();
        let is_head = request.method() == Method::HEAD;
        let waits = request.headers().contains_key(header::EXPECT);
        let unsigned_chunks = request
            .headers()
            .get("x-amz-content-sha256")
            .is_some_and(|value| value == "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        let rest = Rest::default();
        let request = request.map(|body| {
            if body.is_end_stream() {
                return Body::empty();
            }
            let body = RequestBody {
                inner: Some(body),
                rest: rest.clone(),
                polled: false,
                rechunk: unsigned_chunks.then(Rechunk::new),
            };
            Body::from(Box::pin(body) as DynByteStream)
        });
        let mut response = match refused_expiry(request.uri().query()) {
            Some(message) => error_document(
                StatusCode::BAD_REQUEST,
                "AuthorizationQueryParametersError",
                message,
            ),
            None => match self.s3.call(request).await {
                Ok(response) => response,
                Err(_) => internal_error(),
            },
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            complete_error(&mut response, &id, &path);
            if !drain(&rest, waits).await {
                // What comes next on the connection could be the rest of this body or a new request.
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        } else if is_head
            && response.status() == StatusCode::OK
            && response.headers().contains_key(header::CONTENT_RANGE)
        {
            // `s3s` answers every HEAD with 200; S3 says 206 to a range, as to the GET.
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(id) {
            headers.insert(EXTENDED_ID, value.clone());
            headers.insert(REQUEST_ID, value);
        }
        headers.insert(header::SERVER, HeaderValue::from_static("dipper-local-s3"));
        response
    }

    /// 16 hexadecimal digits, all different for 2^64 requests.
    fn request_id(&self) -> String {
        // The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that looks random.
        let mut x = self.next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:016X}", x ^ (x >> 31))
    }
}

/// What is wrong with the expiry of a presigned request, if anything is.
fn refused_expiry(query: Option<&str>) -> Option<&'static str> {
    let (_, expires) =
        form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "X-Amz-Expires")?;
    match expires.parse::<i64>() {
        Err(_) => Some("X-Amz-Expires should be a number"),
        Ok(seconds) if seconds < 0 => Some("X-Amz-Expires must be non-negative"),
        Ok(seconds) if seconds > LONGEST_EXPIRY => Some(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ),
        Ok(_) => None,
    }
}

fn internal_error() -> Response<Body> {
    error_document(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalError",
        "We encountered an internal error. Please try again.",
    )
}

fn error_document(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Adds to an error document what `s3s` does not know.
fn complete_error(response: &mut Response<Body>, id: &str, path: &str) {
    let Some(document) = response.body().bytes() else { return };
    let Ok(text) = std::str::from_utf8(&document) else { return };
    let Some(start) = text.strip_suffix("</Error>") else { return };
    let mut completed = start.to_owned();
    if !text.contains("<Message>") {
        let message = default_message(text, response.status());
        // Writing to a String does not fail.
        let _ = write!(completed, "<Message>{message}</Message>");
    }
    let _ = write!(
        completed,
        "<Resource>{}</Resource><RequestId>{id}</RequestId></Error>",
        escape(path)
    );
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(completed);
}

/// The messages of codes that `s3s` gives without one.
fn default_message(document: &str, status: StatusCode) -> &'static str {
    let messages = [
        (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ),
        ("AccessDenied", "Access Denied"),
        ("InvalidBucketName", "The specified bucket is not valid."),
        ("KeyTooLongError", "Your key is too long"),
        ("InvalidURI", "Couldn't parse the specified URI."),
        ("MethodNotAllowed", "The specified method is not allowed against this resource."),
        ("NotImplemented", "A header or an operation you asked for is not implemented."),
        (
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ),
        ("MissingContentLength", "You must provide the Content-Length HTTP header."),
        (
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        ),
    ];
    messages
        .iter()
        .find(|(code, _)| document.contains(&format!("<Code>{code}</Code>")))
        .map_or_else(
            || status.canonical_reason().unwrap_or("The request failed."),
            |(_, message)| message,
        )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Where a request's body goes when the operation drops it before its end.
#[derive(Clone, Default)]
struct Rest(Arc<Mutex<Option<(Incoming, bool)>>>);

/// Reads what a refused request still sends; whether all of it came. A client that waits for
/// `100 Continue` may send its body after the answer, or not, so that one is not waited for.
async fn drain(rest: &Rest, waits: bool) -> bool {
    let left = rest.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((mut body, polled)) = left else { return true };
    if waits && !polled {
        return false;
    }
    let read = async {
        let mut size = 0;
        while size < DRAIN_BYTES {
            match std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                Some(Ok(frame)) => size += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) => return false,
                None => return true,
            }
        }
        false
    };
    tokio::time::timeout(DRAIN_TIME, read).await.unwrap_or(false)
}

/// A request's body on its way to `s3s`.
struct RequestBody {
    inner: Option<Incoming>,
    rest: Rest,
    polled: bool,
    rechunk: Option<Rechunk>,
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(body) = self.inner.take() {
            *self.rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((body, self.polled));
        }
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.polled = true;
        loop {
            if let Some(bytes) = this.rechunk.as_mut().and_then(Rechunk::take) {
                return Poll::Ready(Some(Ok(bytes)));
            }
            let Some(body) = this.inner.as_mut() else { return Poll::Ready(None) };
            match ready!(Pin::new(body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    match &mut this.rechunk {
                        Some(rechunk) => rechunk.feed(bytes),
                        None => return Poll::Ready(Some(Ok(bytes))),
                    }
                }
                Some(Err(error)) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {
                    this.inner = None;
                    if let Some(rechunk) = &mut this.rechunk {
                        rechunk.finish();
                    }
                }
            }
        }
    }
}

impl ByteStream for RequestBody {
    fn remaining_length(&self) -> RemainingLength {
        match &self.inner {
            Some(body) if self.rechunk.is_none() => body.size_hint().into(),
            _ => RemainingLength::unknown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_completed() {
        let document = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code></Error>";
        let mut response = Response::new(Body::from(document.to_owned()));
        complete_error(&mut response, "0123456789ABCDEF", "/b/<k>");
        let text = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
        assert!(text.contains("<Message>The request signature"), "{text}");
        assert!(
            text.ends_with(
                "<Resource>/b/&lt;k&gt;</Resource><RequestId>0123456789ABCDEF</RequestId></Error>"
            ),
            "{text}"
        );
    }

    #[test]
    fn expiries() {
        assert!(refused_expiry(None).is_none());
        assert!(refused_expiry(Some("list-type=2")).is_none());
        assert!(refused_expiry(Some("X-Amz-Expires=604800")).is_none());
        for wrong in ["604801", "-1", "soon", "99999999999999999999"] {
            assert!(refused_expiry(Some(&format!("a=b&X-Amz-Expires={wrong}"))).is_some());
        }
    }

    #[test]
    fn other_bodies_are_left_alone() {
        let mut response = Response::new(Body::from("hello".to_owned()));
        complete_error(&mut response, "x", "/");
        assert_eq!(response.body().bytes().unwrap(), "hello");
    }
}
