//! Copying and moving an object on the server's side: the bytes do not pass this machine.
//!
//! The source is looked at first, and each request that copies names its ETag, so that a copy
//! is of one version from the first byte to the last. What the caller does not replace goes
//! along. The copy is looked at last: only one that is the source is a success, and only then
//! a move deletes the source, if that is still what was copied.

mod made;

use std::borrow::Cow;
use std::sync::Arc;

use aws_sdk_s3::types::{ChecksumMode, MetadataDirective, TaggingDirective};
use dipper_wire::{Algorithm, Expected};

use self::made::made;
use crate::metrics::{Meter, Transport};
use crate::retry::Retries;
use crate::sdk_error::About;
use crate::site::encode;
use crate::stat::{date, milliseconds};
use crate::upload::{
    CopiedParts, Headers, checksum_named, copied_part_size, copy_in_parts, with_headers,
};
use crate::{
    ChecksumOption, Client, CustomerKey, Error, ObjectRef, Progress, Stat, Status, WriteOptions,
    answered, delete, elsewhere, tags,
};

/// What to copy, and how.
pub struct CopyRequest {
    /// The object, or one version of it.
    pub from: ObjectRef,
    /// Where to; without a version.
    pub to: ObjectRef,
    /// What the copy says of itself. What is unset is the source's.
    pub options: WriteOptions,
    /// Whether the options' metadata replace the source's.
    pub replace_metadata: bool,
    /// Whether the options' tags replace the source's.
    pub replace_tags: bool,
    /// Whether the source is deleted when the copy is there.
    pub remove: bool,
    /// Told how many bytes are copied.
    pub progress: Option<Arc<dyn Progress>>,
}

/// What a server tells of an object that is copied.
struct Original {
    options: WriteOptions,
    /// As the server wrote it, which may be no date.
    expires: Option<String>,
    stat: Stat,
    etag: String,
    has_tags: bool,
    sums: Vec<Expected>,
}

/// Classes that belong to a kind of bucket.
const BOUND_CLASSES: &[&str] = &["EXPRESS_ONEZONE", "OUTPOSTS", "SNOW", "FSX_OPENZFS", "FSX_ONTAP"];

/// Copies or moves an object to another place on the same server.
///
/// # Errors
/// `ObjectChanged` when the source changes meanwhile, `PreconditionFailed` when the options'
/// conditions do not hold, `ChecksumMismatch` when the copy is not the source, and whatever else
/// the server or the connection reports.
pub async fn copy(client: &Arc<Client>, request: CopyRequest) -> Result<Stat, Error> {
    check(&request)?;
    let meter = Arc::new(Meter::new());
    meter.took(Transport::Sdk);
    let CopyRequest { from, to, .. } = &request;
    let original = look_at(client, from, &meter).await.map_err(no_bytes)?;
    if let Some(progress) = &request.progress {
        progress.reached(0, original.stat.size, &meter.read());
    }
    refuse_by_conditions(client, &request, &meter).await?;
    let part_size = copied_part_size(original.stat.size, request.options.part_size)?;
    let version_id = match part_size {
        None => copy_whole(client, &request, &original, &meter).await,
        Some(part_size) => copy_parts(client, &request, &original, part_size, &meter).await,
    };
    let version_id = match version_id {
        Ok(version_id) => version_id,
        Err(error) => return Err(told_apart(client, &request, &original, error, &meter).await),
    };
    let made = ObjectRef { version_id, ..to.clone() };
    let stat = match look_at(client, &made, &meter).await {
        Ok(copied) => {
            compare(from, to, &original, &copied)?;
            copied.stat
        }
        // Who may write need not be allowed to read. The server said that it is copied.
        Err(error) if error.status == Status::AccessDenied && !request.remove => Stat {
            version_id: made.version_id,
            last_modified: None,
            etag: None,
            ..expected(&request, &original)
        },
        Err(error) => return Err(error),
    };
    if let Some(progress) = &request.progress {
        progress.reached(original.stat.size, original.stat.size, &meter.read());
    }
    if request.remove {
        remove(client, from, &original, to, &meter).await?;
    }
    Ok(stat)
}

/// What the copy says of itself, when nobody may look.
fn expected(request: &CopyRequest, original: &Original) -> Stat {
    let (given, own) = (&request.options, original.stat.clone());
    let or = |given: &Option<String>, own: Option<String>| given.clone().or(own);
    Stat {
        content_type: or(&given.content_type, own.content_type),
        content_encoding: or(&given.content_encoding, own.content_encoding),
        content_language: or(&given.content_language, own.content_language),
        content_disposition: or(&given.content_disposition, own.content_disposition),
        cache_control: or(&given.cache_control, own.cache_control),
        expires: given.expires.or(own.expires),
        storage_class: or(&given.storage_class, own.storage_class),
        metadata: if request.replace_metadata { given.metadata.clone() } else { own.metadata },
        ..own
    }
}

fn uri(object: &ObjectRef) -> String {
    format!("s3://{}/{}", object.bucket, object.key)
}

fn same_place(from: &ObjectRef, to: &ObjectRef) -> bool {
    from.bucket == to.bucket && from.key == to.key
}

/// Whether a name is another name for some bucket: an access point's.
fn is_alias(bucket: &str) -> bool {
    bucket.starts_with("arn:") || bucket.ends_with("-s3alias")
}

/// Refuses what would change nothing, and what would lose the object.
fn check(request: &CopyRequest) -> Result<(), Error> {
    let CopyRequest { from, to, options, .. } = request;
    let same = same_place(from, to);
    if same && request.remove {
        return Err(Error::invalid(format!("{} cannot be moved onto itself", uri(from)))
            .about(uri(from))
            .hint("name another destination"));
    }
    // Names do not tell whether an access point leads to the same bucket, and then the source is
    // the copy.
    let another_name = from.bucket != to.bucket && [from, to].iter().any(|at| is_alias(&at.bucket));
    if request.remove && another_name && from.key == to.key {
        return Err(Error::invalid(format!(
            "{} may be the same object as {}, reached through an access point",
            uri(to),
            uri(from)
        ))
        .about(uri(from))
        .hint("copyTo() it, look at both, and delete() the source"));
    }
    let changes = replaces_headers(request)
        || request.replace_tags
        || options.storage_class.is_some()
        || options.encryption.is_some()
        || from.customer_key.is_some()
        || options.checksum != ChecksumOption::Auto;
    if same && from.version_id.is_none() && !changes {
        return Err(Error::invalid(format!(
            "the copy of {} onto itself changes nothing",
            uri(from)
        ))
        .about(uri(from))
        .hint("name another destination, or pass what is to change, such as metadata"));
    }
    let mut used = options.headers()?;
    used.extend(options.conditions()?);
    drop(used);
    if options.checksum == ChecksumOption::Off {
        return Err(Error::invalid("a copy is made by the server, with a checksum of its own")
            .hint("leave checksum away, or name one"));
    }
    Ok(())
}

/// Whether the caller says anything that S3 takes only together.
fn replaces_headers(request: &CopyRequest) -> bool {
    let options = &request.options;
    request.replace_metadata
        || options.content_type.is_some()
        || options.content_encoding.is_some()
        || options.content_language.is_some()
        || options.content_disposition.is_some()
        || options.cache_control.is_some()
        || options.expires.is_some()
}

/// Not every server checks the conditions of a copy; so they are looked at here first.
async fn refuse_by_conditions(
    client: &Arc<Client>,
    request: &CopyRequest,
    meter: &Meter,
) -> Result<(), Error> {
    let WriteOptions { if_match, if_none_match, .. } = &request.options;
    if if_match.is_none() && if_none_match.is_none() {
        return Ok(());
    }
    let there = match look_at(client, &request.to, meter).await {
        Ok(there) => Some(there.etag),
        Err(error) if matches!(error.status, Status::NotFound | Status::NoSuchKey) => None,
        Err(error) => return Err(error),
    };
    let plain = |etag: &str| etag.trim_matches('"').to_owned();
    let holds = match (&there, if_match, if_none_match) {
        (None, Some(_), _) => false,
        (Some(etag), Some(wanted), _) if wanted != "*" && plain(etag) != plain(wanted) => false,
        (Some(etag), _, Some(other)) => other != "*" && plain(etag) != plain(other),
        _ => true,
    };
    if holds {
        return Ok(());
    }
    let what = if there.is_some() { "it exists" } else { "it does not exist" };
    Err(Error::new(
        Status::PreconditionFailed,
        format!("the condition on {} does not hold: {what}", uri(&request.to)),
    )
    .about(uri(&request.to))
    .hint("stat() tells the object's present etag"))
}

/// The properties of an object, and its checksums.
async fn look_at(
    client: &Arc<Client>,
    object: &ObjectRef,
    meter: &Meter,
) -> Result<Original, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    meter.request(true);
    let head = connected
        .s3
        .head_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .checksum_mode(ChecksumMode::Enabled);
    let key_headers = CustomerKey::of(object);
    let head = answered!(
        about,
        with_headers!(elsewhere!(client, &object.bucket, head.clone()), key_headers),
        meter.retry()
    )
    .map_err(|error| about.error(error))?;
    let size = head.content_length.and_then(|length| u64::try_from(length).ok());
    let (Some(size), Some(etag)) = (size, head.e_tag.clone()) else {
        return Err(about.without_etag("neither ETag nor length"));
    };
    let sums = [
        (Algorithm::Crc64Nvme, head.checksum_crc64_nvme()),
        (Algorithm::Crc32, head.checksum_crc32()),
        (Algorithm::Crc32c, head.checksum_crc32_c()),
        (Algorithm::Sha1, head.checksum_sha1()),
        (Algorithm::Sha256, head.checksum_sha256()),
    ];
    let sums = sums.into_iter().filter_map(|(algorithm, text)| Expected::parse(algorithm, text?));
    let class = head.storage_class().map(|class| class.as_str().to_owned());
    let metadata = head.metadata.clone().unwrap_or_default().into_iter().collect();
    Ok(Original {
        sums: sums.filter(|sum| sum.parts.is_none()).collect(),
        has_tags: head.tag_count().is_some_and(|count| count > 0),
        expires: head.expires_string.clone(),
        stat: Stat {
            size,
            last_modified: milliseconds(head.last_modified.as_ref()),
            etag: Some(etag.clone()),
            content_type: head.content_type.clone(),
            content_encoding: head.content_encoding.clone(),
            content_language: head.content_language.clone(),
            content_disposition: head.content_disposition.clone(),
            cache_control: head.cache_control.clone(),
            expires: date(head.expires_string.as_deref()),
            version_id: head.version_id.clone(),
            storage_class: class.clone(),
            metadata: head.metadata.clone().unwrap_or_default().into_iter().collect(),
        },
        options: WriteOptions {
            content_type: head.content_type,
            content_encoding: head.content_encoding,
            content_language: head.content_language,
            content_disposition: head.content_disposition,
            cache_control: head.cache_control,
            metadata,
            storage_class: class.filter(|class| !BOUND_CLASSES.contains(&class.as_str())),
            ..WriteOptions::default()
        },
        etag,
    })
}

/// A delete marker has a name and nothing else.
fn no_bytes(error: Error) -> Error {
    if error.http_status != Some(405) {
        return error;
    }
    let uri = error.uri.clone().unwrap_or_default();
    Error {
        status: Status::InvalidInput,
        message: format!("this version of {uri} is a delete marker: it has no bytes to copy"),
        hint: Some("choose another version, or delete the marker".to_owned()),
        ..error
    }
}

/// The source as a header names it.
fn named(from: &ObjectRef, version: Option<&str>) -> String {
    let mut text = String::new();
    // An access point's ARN has colons and slashes of its own.
    encode(&from.bucket, b"/:", &mut text);
    text.push('/');
    encode(&from.key, b"/", &mut text);
    if let Some(version) = version {
        text.push_str("?versionId=");
        encode(version, b"", &mut text);
    }
    text
}

fn source_headers(from: &ObjectRef, original: &Original) -> Headers {
    let version = from.version_id.as_deref();
    let mut headers: Headers = vec![
        (Cow::from("x-amz-copy-source"), named(from, version)),
        (Cow::from("x-amz-copy-source-if-match"), original.etag.clone()),
    ];
    headers.extend(from.customer_key.iter().flat_map(CustomerKey::copy_source_headers));
    headers
}

/// What the copy says of itself: the caller's words, else the source's.
fn merged(request: &CopyRequest, original: &Original) -> Result<Headers, Error> {
    let (given, own) = (&request.options, &original.options);
    let or = |given: &Option<String>, own: &Option<String>| given.clone().or_else(|| own.clone());
    let options = WriteOptions {
        content_type: or(&given.content_type, &own.content_type),
        content_encoding: or(&given.content_encoding, &own.content_encoding),
        content_language: or(&given.content_language, &own.content_language),
        content_disposition: or(&given.content_disposition, &own.content_disposition),
        cache_control: or(&given.cache_control, &own.cache_control),
        expires: given.expires,
        metadata: if request.replace_metadata { given } else { own }.metadata.clone(),
        ..WriteOptions::default()
    };
    let mut headers = options.headers()?;
    if given.expires.is_none() {
        let expires = original.expires.clone();
        headers.extend(expires.map(|expires| (Cow::from("expires"), expires)));
    }
    Ok(headers)
}

/// What a copy says apart from that: class, list, encryption and tags.
fn apart(request: &CopyRequest, original: &Original) -> Result<Headers, Error> {
    let given = &request.options;
    WriteOptions {
        storage_class: given
            .storage_class
            .clone()
            .or_else(|| original.options.storage_class.clone()),
        acl: given.acl.clone(),
        encryption: given.encryption.clone(),
        tags: given.tags.clone(),
        ..WriteOptions::default()
    }
    .headers()
}

/// Copies with one request. It is sent again by what is known here: a condition that fails after
/// an answer was lost may fail because of the copy itself.
async fn copy_whole(
    client: &Arc<Client>,
    request: &CopyRequest,
    original: &Original,
    meter: &Meter,
) -> Result<Option<String>, Error> {
    let CopyRequest { from, to, options, .. } = request;
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&to.bucket), key: Some(&to.key) };
    let mut headers = source_headers(from, original);
    headers.extend(apart(request, original)?);
    headers.extend(options.conditions()?);
    let replaced = replaces_headers(request);
    if replaced {
        headers.extend(merged(request, original)?);
    }
    let copy = connected
        .s3
        .copy_object()
        .bucket(&to.bucket)
        .key(&to.key)
        .copy_source(named(from, from.version_id.as_deref()))
        .set_metadata_directive(replaced.then_some(MetadataDirective::Replace))
        .set_tagging_directive(request.replace_tags.then_some(TaggingDirective::Replace))
        .set_checksum_algorithm(match options.checksum {
            ChecksumOption::Only(algorithm) => Some(checksum_named(algorithm)),
            _ => None,
        });
    let mut retries = Retries::new(client.retry_budget(), client.retries());
    let (mut unclear, mut renewed) = (false, false);
    let answer = loop {
        meter.write_request();
        let copy = copy.clone().customize().config_override(client.once(connected, &to.bucket));
        match with_headers!(copy, headers).send().await {
            Ok(answer) => break answer,
            Err(error) if about.has_moved(&error) => meter.retry(),
            Err(error) if !renewed && about.may_renew(&error) => {
                renewed = true;
                meter.retry();
            }
            Err(error) => {
                let error = about.error(error);
                if unclear
                    && error.status == Status::PreconditionFailed
                    && let Some(version) = made(client, request, original, meter).await
                {
                    return Ok(version);
                }
                unclear |= error.status.retryable();
                retries.after(error).await?;
                meter.retry();
            }
        }
    };
    if answer.copy_object_result.as_ref().is_none_or(|result| result.e_tag.is_none()) {
        return Err(about.without_etag("no ETag of the copy"));
    }
    Ok(answer.version_id)
}

/// Copies in parts, several at a time.
async fn copy_parts(
    client: &Arc<Client>,
    request: &CopyRequest,
    original: &Original,
    part_size: u64,
    meter: &Arc<Meter>,
) -> Result<Option<String>, Error> {
    let CopyRequest { from, to, options, .. } = request;
    let mut headers = merged(request, original)?;
    let mut more = options.clone();
    if !request.replace_tags {
        // One request copies tags by itself; an upload has to be told them.
        // Of the version that is copied, should there be another one by now.
        let version_id = from.version_id.clone().or_else(|| original.stat.version_id.clone());
        more.tags = match tags(client, &ObjectRef { version_id, ..from.clone() }).await {
            Ok(tags) => tags,
            Err(error) if error.status == Status::Unsupported => Default::default(),
            Err(error) => {
                return Err(error.hint_more("pass tags: {} to copy without them"));
            }
        };
    }
    let tagged = CopyRequest {
        options: more,
        from: from.clone(),
        to: to.clone(),
        progress: None,
        ..*request
    };
    headers.extend(apart(&tagged, original)?);
    let stored = copy_in_parts(
        client,
        CopiedParts {
            to: to.clone(),
            headers,
            options: options.clone(),
            source: source_headers(from, original),
            size: original.stat.size,
            part_size,
            meter: Arc::clone(meter),
            progress: request.progress.clone(),
        },
    );
    stored.await
}

/// A condition that does not hold is the source's or the destination's: the source tells.
async fn told_apart(
    client: &Arc<Client>,
    request: &CopyRequest,
    original: &Original,
    error: Error,
    meter: &Meter,
) -> Error {
    let from = &request.from;
    let mut error = error;
    if error.status == Status::AccessDenied && original.has_tags {
        error = error.hint_more(
            "the source has tags, which need s3:GetObjectTagging and s3:PutObjectTagging",
        );
    }
    if !matches!(error.status, Status::PreconditionFailed | Status::NoSuchKey | Status::NotFound) {
        return error;
    }
    match look_at(client, from, meter).await {
        Ok(now) if now.etag == original.etag => error,
        Err(gone) if !matches!(gone.status, Status::NoSuchKey | Status::NotFound) => error,
        _ => Error {
            status: Status::ObjectChanged,
            message: format!("{} changed while it was copied to {}", uri(from), uri(&request.to)),
            uri: Some(uri(from)),
            hint: Some(if same_place(from, &request.to) {
                "stat() tells what it says now: the change may be the copy's own".to_owned()
            } else {
                "nothing was written; copy it again".to_owned()
            }),
            ..error
        },
    }
}

/// A copy is as long as its source, and has the same checksums where both have them.
fn compare(
    from: &ObjectRef,
    to: &ObjectRef,
    one: &Original,
    other: &Original,
) -> Result<(), Error> {
    let differs = |what: &str| {
        Error::new(
            Status::ChecksumMismatch,
            format!("{} is not what was copied from {}: {what}", uri(to), uri(from)),
        )
        .about(uri(to))
        .hint("somebody may have written it meanwhile; the source is untouched: copy it again")
    };
    if one.stat.size != other.stat.size {
        let (had, has) = (one.stat.size, other.stat.size);
        return Err(differs(&format!("it has {has} bytes instead of {had}")));
    }
    for sum in &one.sums {
        let same = other.sums.iter().find(|other| other.algorithm == sum.algorithm);
        if same.is_some_and(|same| same.digest != sum.digest) {
            return Err(differs(&format!("the {} differ", sum.algorithm.name())));
        }
    }
    Ok(())
}

/// Deletes what was copied, if it is still that.
async fn remove(
    client: &Arc<Client>,
    from: &ObjectRef,
    original: &Original,
    to: &ObjectRef,
    meter: &Meter,
) -> Result<(), Error> {
    let left = |error: Error| {
        let message = format!("{} (it is copied to {}, and not deleted)", error.message, uri(to));
        Error { message, ..error }
    };
    let changed = || {
        Error::new(
            Status::ObjectChanged,
            format!("{} changed after it was copied to {}; it was not deleted", uri(from), uri(to)),
        )
        .about(uri(from))
        .hint("move it again")
    };
    let changed_since = async || match look_at(client, from, meter).await {
        Ok(now) => Ok(now.etag != original.etag),
        Err(error) => Err(error),
    };
    if from.version_id.is_none() && changed_since().await.map_err(left)? {
        return Err(changed());
    }
    let condition = original.etag.as_str();
    let deleted = delete(client, from, from.version_id.is_none().then_some(condition)).await;
    let Err(error) = deleted else { return Ok(()) };
    if error.status != Status::PreconditionFailed {
        return Err(left(error));
    }
    // Of what is gone no condition holds: an answer may have been lost.
    match changed_since().await {
        Err(gone) if matches!(gone.status, Status::NoSuchKey | Status::NotFound) => Ok(()),
        _ => Err(changed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str, key: &str, remove: bool) -> bool {
        let object = |bucket: &str, key: &str| ObjectRef {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: None,
            customer_key: None,
        };
        let request = CopyRequest {
            from: object(from, "a"),
            to: object(to, key),
            options: WriteOptions::default(),
            replace_metadata: false,
            replace_tags: false,
            remove,
            progress: None,
        };
        check(&request).is_err()
    }

    #[test]
    fn nothing_is_moved_onto_itself_by_another_name() {
        let point = "arn:aws:s3:eu-central-1:123456789012:accesspoint/point";
        for (from, to) in [("bucket", "bucket"), ("bucket", point), ("p-xyz-s3alias", "bucket")] {
            assert!(refused(from, to, "a", true), "{from} {to}");
            assert!(!refused(from, to, "b", true), "{from} {to}");
        }
        assert!(!refused("bucket", point, "a", false));
        assert!(!refused("bucket", "other", "a", true));
    }
}
