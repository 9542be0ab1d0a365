//! Deleting many objects of a bucket, up to a thousand with one request.
//!
//! The batch is XML, which holds most keys but not all; the others are deleted one by one.
//! The server is asked to acknowledge each key, so none is taken for deleted that it left out.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::{StreamExt, stream};

use crate::retry::Retries;
use crate::sdk_error::{About, Answered};
use crate::{Client, Error, ObjectRef, Status, answered, delete, elsewhere};

/// An object of a bucket, or one version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The key, as it stands.
    pub key: String,
    /// A version; without one the newest is deleted, or hidden by a marker.
    pub version_id: Option<String>,
}

/// What S3 takes with one request.
pub const MOST_AT_ONCE: usize = 1000;
/// Of those that are deleted one by one.
const SINGLES_AT_ONCE: usize = 16;

/// Deletes up to a thousand objects of a bucket, and tells which were not, by their places in
/// `names`, and why. That one does not exist is no failure, as in S3.
///
/// # Errors
/// Whatever concerns all of them: the bucket, the credentials, the connection.
pub async fn delete_many(
    client: &Arc<Client>,
    bucket: &str,
    names: Vec<ObjectName>,
) -> Result<Vec<(usize, Error)>, Error> {
    if names.len() > MOST_AT_ONCE {
        return Err(Error::internal(format!("{} objects in one batch", names.len())));
    }
    // Somebody may name one twice, and a server acknowledges it once.
    let mut places: HashMap<ObjectName, Vec<usize>> = HashMap::with_capacity(names.len());
    let mut batch = Vec::with_capacity(names.len());
    let mut singles = Vec::new();
    for (place, name) in names.into_iter().enumerate() {
        places
            .entry(name)
            .or_insert_with_key(|name| {
                let list = if fits_xml(&name.key) { &mut batch } else { &mut singles };
                list.push(name.clone());
                Vec::new()
            })
            .push(place);
    }
    let mut failed = Vec::new();
    match in_one_request(client, bucket, batch).await? {
        Batch::Answered(failures) => failed = failures,
        // Some servers do not have it. They have the single one.
        Batch::NotOffered(batch) => singles.extend(batch),
    }
    failed.extend(one_by_one(client, bucket, singles).await);
    let mut told: Vec<(usize, Error)> = failed
        .into_iter()
        .flat_map(|(name, error)| {
            let named = places.remove(&name).unwrap_or_default();
            named.into_iter().map(move |place| (place, error.clone()))
        })
        .collect();
    told.sort_by_key(|(place, _)| *place);
    Ok(told)
}

/// What became of a batch.
enum Batch {
    Answered(Vec<(ObjectName, Error)>),
    NotOffered(Vec<ObjectName>),
}

async fn in_one_request(
    client: &Arc<Client>,
    bucket: &str,
    mut names: Vec<ObjectName>,
) -> Result<Batch, Error> {
    let mut failed = Vec::new();
    let mut retries = Retries::new(client.retry_budget(), client.retries());
    while !names.is_empty() {
        let Some(answer) = ask(client, bucket, &names).await? else {
            return Ok(Batch::NotOffered(names));
        };
        let mut open = Open::new(names);
        for name in answer.deleted {
            drop(open.take(&name));
        }
        let mut again = Vec::new();
        let mut excuse = None;
        for (name, error) in answer.failed {
            let Some(name) = open.take(&name) else { continue };
            if error.status.retryable() {
                excuse = Some(error.clone());
                again.push((name, error));
            } else {
                failed.push((name, error));
            }
        }
        failed.extend(open.left().map(|name| {
            let error = unanswered(bucket, &name.key);
            (name, error)
        }));
        names = match excuse {
            None => Vec::new(),
            Some(error) => match retries.after(error).await {
                Ok(()) => again.into_iter().map(|(name, _)| name).collect(),
                Err(_) => {
                    failed.extend(again);
                    Vec::new()
                }
            },
        };
    }
    Ok(Batch::Answered(failed))
}

fn unanswered(bucket: &str, key: &str) -> Error {
    Error::new(
        Status::ServerFailure,
        format!("the server did not say what became of s3://{bucket}/{key}"),
    )
    .about(format!("s3://{bucket}/{key}"))
    .hint("see whether it exists() and delete it again")
}

struct Acknowledged {
    deleted: Vec<ObjectName>,
    failed: Vec<(ObjectName, Error)>,
}

/// Sends the batch; `None` when the server has no such request.
async fn ask(
    client: &Arc<Client>,
    bucket: &str,
    names: &[ObjectName],
) -> Result<Option<Acknowledged>, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(bucket), key: None };
    let mut list = Delete::builder().quiet(false);
    for name in names {
        let object = ObjectIdentifier::builder()
            .key(&name.key)
            .set_version_id(name.version_id.clone())
            .build()
            .map_err(|error| Error::internal(error.to_string()))?;
        list = list.objects(object);
    }
    let list = list.build().map_err(|error| Error::internal(error.to_string()))?;
    let request = connected.s3.delete_objects().bucket(bucket).delete(list);
    let answer = match answered!(about, elsewhere!(client, bucket, request.clone())) {
        Ok(answer) => answer,
        Err(error) => {
            // MD5 is what the batch had to carry before other checksums were known.
            let code = error.code().unwrap_or_default();
            let told = matches!(code, "MissingContentMD5" | "NotImplemented");
            let error = about.error(error);
            if told || error.status == Status::Unsupported {
                return Ok(None);
            }
            return Err(error);
        }
    };
    let request_id = answer.request_id().map(str::to_owned);
    let named = |key: Option<String>, version_id: Option<String>| ObjectName {
        key: key.unwrap_or_default(),
        version_id: version_id.filter(|version| !version.is_empty()),
    };
    let mut acknowledged = Acknowledged { deleted: Vec::new(), failed: Vec::new() };
    for deleted in answer.deleted.unwrap_or_default() {
        acknowledged.deleted.push(named(deleted.key, deleted.version_id));
    }
    for failure in answer.errors.unwrap_or_default() {
        let name = named(failure.key, failure.version_id);
        let about = About { key: Some(&name.key), ..about };
        let error = about.of_answer(Answered {
            action: Some(match name.version_id {
                None => "s3:DeleteObject",
                Some(_) => "s3:DeleteObjectVersion",
            }),
            status: http_status(failure.code.as_deref().unwrap_or_default()),
            code: failure.code,
            message: failure.message,
            request_id: request_id.clone(),
            ..Answered::default()
        });
        acknowledged.failed.push((name, error));
    }
    Ok(Some(acknowledged))
}

/// The status that the error would have had as an answer of its own.
fn http_status(code: &str) -> u16 {
    match code {
        "AccessDenied" => 403,
        "PreconditionFailed" => 412,
        "InternalError" => 500,
        "NotImplemented" => 501,
        "SlowDown" | "ServiceUnavailable" | "Busy" => 503,
        code if code.starts_with("NoSuch") => 404,
        _ => 400,
    }
}

/// The objects of a batch that the server has not spoken of.
struct Open {
    names: HashMap<String, Vec<ObjectName>>,
}

impl Open {
    fn new(list: Vec<ObjectName>) -> Self {
        let mut names: HashMap<String, Vec<ObjectName>> = HashMap::with_capacity(list.len());
        for name in list {
            names.entry(name.key.clone()).or_default().push(name);
        }
        Self { names }
    }

    /// The one that an acknowledgement means: not every server repeats the version.
    fn take(&mut self, told: &ObjectName) -> Option<ObjectName> {
        let alike = self.names.get_mut(&told.key)?;
        let same = alike.iter().position(|name| name.version_id == told.version_id);
        let place = same.or((alike.len() == 1).then_some(0))?;
        Some(alike.swap_remove(place))
    }

    fn left(self) -> impl Iterator<Item = ObjectName> {
        self.names.into_values().flatten()
    }
}

async fn one_by_one(
    client: &Arc<Client>,
    bucket: &str,
    names: Vec<ObjectName>,
) -> Vec<(ObjectName, Error)> {
    stream::iter(names)
        .map(|name| async move {
            let object = ObjectRef {
                bucket: bucket.to_owned(),
                key: name.key.clone(),
                version_id: name.version_id.clone(),
                customer_key: None,
            };
            delete(client, &object, None).await.err().map(|error| (name, error))
        })
        .buffer_unordered(SINGLES_AT_ONCE)
        .filter_map(async |failed| failed)
        .collect()
        .await
}

/// Whether XML 1.0 holds the key, and every reader gives it back as it is: no control or
/// non-characters, and no white space at an end, which some readers cut off.
fn fits_xml(key: &str) -> bool {
    let plain = |character: char| {
        !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}' | '\u{2028}')
    };
    key.chars().all(plain) && key.trim() == key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str, version: Option<&str>) -> ObjectName {
        ObjectName { key: key.into(), version_id: version.map(str::to_owned) }
    }

    #[test]
    fn keys_that_xml_cannot_hold_are_known() {
        for key in ["a", "a b/ü€😀", "<&>'\"", "a//b", "..", "\u{fffd}"] {
            assert!(fits_xml(key), "{key:?}");
        }
        for key in ["\u{1}", "a\nb", "a\rb", "\t", " a", "a ", "\u{85}", "\u{fffe}", "x\u{7f}"] {
            assert!(!fits_xml(key), "{key:?}");
        }
    }

    #[test]
    fn each_acknowledgement_means_one_object() {
        let mut open = Open::new(vec![name("a", Some("1")), name("a", Some("2")), name("b", None)]);
        assert_eq!(open.take(&name("c", None)), None);
        assert_eq!(open.take(&name("a", Some("3"))), None);
        assert_eq!(open.take(&name("a", Some("2"))), Some(name("a", Some("2"))));
        assert_eq!(open.take(&name("a", None)), Some(name("a", Some("1"))));
        assert_eq!(open.take(&name("a", None)), None);
        assert_eq!(open.left().collect::<Vec<_>>(), [name("b", None)]);
    }

    #[test]
    fn a_failure_in_a_batch_is_what_it_would_be_alone() {
        assert_eq!(http_status("AccessDenied"), 403);
        assert_eq!(http_status("NoSuchVersion"), 404);
        assert_eq!(http_status("SlowDown"), 503);
        assert_eq!(http_status("MalformedXML"), 400);
    }
}
