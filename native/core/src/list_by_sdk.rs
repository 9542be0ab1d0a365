//! A page of a listing through the SDK's client, for what only that reaches.

use std::sync::Arc;

use aws_sdk_s3::types::{CommonPrefix, EncodingType, Owner as SdkOwner};
use dipper_wire::{Line, Listed, Listing, Owner};

use crate::list::{Asked, ListRequest, Listable};
use crate::metrics::Meter;
use crate::sdk_error::About;
use crate::stat::milliseconds;
use crate::{Client, Error, answered, elsewhere};

/// One answer.
pub(crate) async fn listing_by_sdk(
    client: &Client,
    request: &ListRequest,
    asked: &Asked<'_>,
    meter: &Meter,
) -> Result<Listing, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&request.bucket), key: None };
    let _permit = client.sdk_permit().await;
    meter.request(true);
    match request.what {
        Listable::Objects => objects(client, request, asked, &about).await,
        Listable::Versions => versions(client, request, asked, &about).await,
        Listable::Uploads => uploads(client, request, asked, &about).await,
    }
}

fn text(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn size_of(asked: &Asked<'_>) -> Option<i32> {
    asked.page_size.as_deref().and_then(|size| size.parse().ok())
}

async fn objects(
    client: &Client,
    request: &ListRequest,
    asked: &Asked<'_>,
    about: &About<'_>,
) -> Result<Listing, Error> {
    let listing = about
        .connected
        .s3
        .list_objects_v2()
        .bucket(&request.bucket)
        .set_prefix(text(asked.prefix))
        .set_delimiter(text(asked.delimiter))
        .set_fetch_owner(asked.owner.then_some(true))
        .set_start_after(text(asked.after.as_deref()))
        .set_continuation_token(text(asked.token))
        .set_max_keys(size_of(asked))
        .encoding_type(EncodingType::Url);
    let page = answered!(about, elsewhere!(client, &request.bucket, listing.clone()))
        .map_err(|error| about.error(error))?;
    // A web page that happens to be well-formed reads as an empty listing.
    if page.name().is_none() && page.key_count().is_none() && page.max_keys().is_none() {
        return Err(about.no_listing(&request.prefix, "it says nothing of one"));
    }
    let naming = Naming::of(page.encoding_type());
    let mut lines = Vec::new();
    for object in page.contents.unwrap_or_default() {
        lines.push(Listed {
            size: size(object.size),
            time: milliseconds(object.last_modified.as_ref()),
            etag: object.e_tag,
            class: object.storage_class.map(|class| class.as_str().into()),
            owner: owner(object.owner),
            ..line(Line::Object, naming.name(object.key))
        });
    }
    lines.extend(naming.prefixes(page.common_prefixes));
    Ok(Listing {
        lines,
        truncated: page.is_truncated.unwrap_or(false),
        next_token: page.next_continuation_token,
        next_key: None,
        next_id: None,
    })
}

async fn versions(
    client: &Client,
    request: &ListRequest,
    asked: &Asked<'_>,
    about: &About<'_>,
) -> Result<Listing, Error> {
    let listing = about
        .connected
        .s3
        .list_object_versions()
        .bucket(&request.bucket)
        .set_prefix(text(asked.prefix))
        .set_delimiter(text(asked.delimiter))
        .set_key_marker(text(asked.after.as_deref()))
        .set_version_id_marker(text(asked.after_id))
        .set_max_keys(size_of(asked))
        .encoding_type(EncodingType::Url);
    let page = answered!(about, elsewhere!(client, &request.bucket, listing.clone()))
        .map_err(|error| about.error(error))?;
    if page.name().is_none() && page.max_keys().is_none() && page.is_truncated().is_none() {
        return Err(about.no_listing(&request.prefix, "it says nothing of one"));
    }
    let naming = Naming::of(page.encoding_type());
    let mut lines = Vec::new();
    for version in page.versions.unwrap_or_default() {
        lines.push(Listed {
            size: size(version.size),
            time: milliseconds(version.last_modified.as_ref()),
            etag: version.e_tag,
            class: version.storage_class.map(|class| class.as_str().into()),
            id: version.version_id,
            latest: version.is_latest.unwrap_or(false),
            owner: owner(version.owner),
            ..line(Line::Version, naming.name(version.key))
        });
    }
    for marker in page.delete_markers.unwrap_or_default() {
        lines.push(Listed {
            time: milliseconds(marker.last_modified.as_ref()),
            id: marker.version_id,
            latest: marker.is_latest.unwrap_or(false),
            owner: owner(marker.owner),
            ..line(Line::DeleteMarker, naming.name(marker.key))
        });
    }
    lines.extend(naming.prefixes(page.common_prefixes));
    Ok(Listing {
        lines,
        truncated: page.is_truncated.unwrap_or(false),
        next_token: None,
        next_key: page.next_key_marker.map(|key| naming.name(Some(key))),
        next_id: page.next_version_id_marker,
    })
}

async fn uploads(
    client: &Client,
    request: &ListRequest,
    asked: &Asked<'_>,
    about: &About<'_>,
) -> Result<Listing, Error> {
    let listing = about
        .connected
        .s3
        .list_multipart_uploads()
        .bucket(&request.bucket)
        .set_prefix(text(asked.prefix))
        .set_delimiter(text(asked.delimiter))
        .set_key_marker(text(asked.after.as_deref()))
        .set_upload_id_marker(text(asked.after_id))
        .set_max_uploads(size_of(asked))
        .encoding_type(EncodingType::Url);
    let page = answered!(about, elsewhere!(client, &request.bucket, listing.clone()))
        .map_err(|error| about.error(error))?;
    if page.bucket().is_none() && page.max_uploads().is_none() && page.is_truncated().is_none() {
        return Err(about.no_listing(&request.prefix, "it says nothing of one"));
    }
    let naming = Naming::of(page.encoding_type());
    let mut lines = Vec::new();
    for upload in page.uploads.unwrap_or_default() {
        lines.push(Listed {
            time: milliseconds(upload.initiated.as_ref()),
            class: upload.storage_class.map(|class| class.as_str().into()),
            id: upload.upload_id,
            owner: owner(upload.owner),
            ..line(Line::Upload, naming.name(upload.key))
        });
    }
    lines.extend(naming.prefixes(page.common_prefixes));
    Ok(Listing {
        lines,
        truncated: page.is_truncated.unwrap_or(false),
        next_token: None,
        next_key: page.next_key_marker.map(|key| naming.name(Some(key))),
        next_id: page.next_upload_id_marker,
    })
}

fn line(line: Line, name: String) -> Listed {
    Listed {
        line,
        name,
        size: 0,
        time: None,
        etag: None,
        class: None,
        id: None,
        latest: false,
        owner: None,
    }
}

fn size(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
}

fn owner(owner: Option<SdkOwner>) -> Option<Arc<Owner>> {
    let owner = owner?;
    Some(Arc::new(Owner { id: owner.id?, name: owner.display_name }))
}

/// How the server wrote the names.
struct Naming {
    encoded: bool,
}

impl Naming {
    fn of(encoding: Option<&EncodingType>) -> Self {
        Self { encoded: encoding == Some(&EncodingType::Url) }
    }

    fn prefixes(&self, groups: Option<Vec<CommonPrefix>>) -> impl Iterator<Item = Listed> {
        let groups = groups.unwrap_or_default().into_iter();
        groups.map(|group| line(Line::Prefix, self.name(group.prefix)))
    }

    fn name(&self, text: Option<String>) -> String {
        let mut name = text.unwrap_or_default();
        if self.encoded {
            dipper_wire::decode_name(&mut name);
        }
        name
    }
}
