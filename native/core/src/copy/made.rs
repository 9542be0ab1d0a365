//! Whether a copy was made, when the answer that would tell was lost.
//!
//! What stands in the way of the same request may be what the first one made. A false yes would
//! tell somebody that he wrote what another wrote, so size and properties are not enough: a
//! checksum, an ETag that is a digest, or the bytes themselves have to be the source's.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Buf, Bytes};

use super::{CopyRequest, Original, look_at};
use crate::metrics::Meter;
use crate::upload::with_headers;
use crate::{Client, CustomerKey, ObjectRef, elsewhere};

/// What is longer is not read to find out what it is.
const READ_AT_MOST: u64 = 64 << 20;

/// The version of the copy, if what is at its place is one: with the source's bytes, and saying of
/// itself what was asked for.
pub(super) async fn made(
    client: &Arc<Client>,
    request: &CopyRequest,
    original: &Original,
    meter: &Meter,
) -> Option<Option<String>> {
    let there = look_at(client, &request.to, meter).await.ok()?;
    if there.stat.size != original.stat.size || !says_what_was_asked(request, original, &there) {
        return None;
    }
    let same = match same_sums(original, &there) {
        Some(same) => same,
        None if same_digest(&original.etag, &there.etag) => true,
        None => same_bytes(client, request, original, &there, meter).await.unwrap_or(false),
    };
    same.then_some(there.stat.version_id)
}

fn says_what_was_asked(request: &CopyRequest, original: &Original, there: &Original) -> bool {
    let given = &request.options;
    let kind = given.content_type.as_ref().or(original.options.content_type.as_ref());
    let metadata = if request.replace_metadata { given } else { &original.options };
    let folded = |metadata: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        metadata.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
    };
    kind.is_none_or(|kind| there.options.content_type.as_ref() == Some(kind))
        && folded(&metadata.metadata) == folded(&there.options.metadata)
}

/// Whether the checksums that are known of both agree; `None` where there are none.
fn same_sums(one: &Original, other: &Original) -> Option<bool> {
    let mut known = None;
    for sum in &one.sums {
        if let Some(same) = other.sums.iter().find(|other| other.algorithm == sum.algorithm) {
            known = Some(known.unwrap_or(true) && same.digest == sum.digest);
        }
    }
    known
}

/// Whether both have the same ETag, of the form that follows from the bytes.
fn same_digest(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_matches('"'), other.trim_matches('"'));
    one == other && one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Compares the objects byte by byte; `None` where that cannot be.
async fn same_bytes(
    client: &Arc<Client>,
    request: &CopyRequest,
    original: &Original,
    there: &Original,
    meter: &Meter,
) -> Option<bool> {
    if original.stat.size > READ_AT_MOST {
        return None;
    }
    let mut source = opened(client, &request.from, &original.etag, meter).await?;
    let mut copy = opened(client, &request.to, &there.etag, meter).await?;
    let (mut one, mut other) = (Bytes::new(), Bytes::new());
    loop {
        if one.is_empty() {
            one = next(&mut source).await?;
        }
        if other.is_empty() {
            other = next(&mut copy).await?;
        }
        let length = one.len().min(other.len());
        if length == 0 {
            return Some(one.is_empty() && other.is_empty());
        }
        if one.get(..length) != other.get(..length) {
            return Some(false);
        }
        one.advance(length);
        other.advance(length);
    }
}

async fn opened(
    client: &Arc<Client>,
    object: &ObjectRef,
    etag: &str,
    meter: &Meter,
) -> Option<ByteStream> {
    let connected = client.connected().await.ok()?;
    meter.request(true);
    let get = connected
        .s3
        .get_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .if_match(etag);
    let get = elsewhere!(client, &object.bucket, get);
    Some(with_headers!(get, CustomerKey::of(object)).send().await.ok()?.body)
}

/// The next bytes; none at the end.
async fn next(body: &mut ByteStream) -> Option<Bytes> {
    loop {
        match body.next().await {
            None => return Some(Bytes::new()),
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(bytes) => return bytes.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_digest_tells_of_the_bytes() {
        let digest = "\"0cc175b9c0f1b6a831c399e269772661\"";
        assert!(same_digest(digest, "0cc175b9c0f1b6a831c399e269772661"));
        assert!(!same_digest(digest, "\"92eb5ffee6ae2fec3ad71c777531578f\""));
        assert!(!same_digest("\"1\"", "\"1\""));
        let parts = "\"0cc175b9c0f1b6a831c399e269772661-2\"";
        assert!(!same_digest(parts, parts));
    }
}
