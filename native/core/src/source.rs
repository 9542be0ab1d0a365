//! What a caller names to be read.

use std::path::PathBuf;
use std::sync::Arc;

use crate::origin::Origin;
use crate::web::Page;
use crate::{Client, Error, ObjectRef};

/// What is read.
#[derive(Clone, Debug)]
pub enum Source {
    /// An object on S3.
    Object {
        /// Which one.
        object: ObjectRef,
        /// Its size, where a listing told it.
        size: Option<u64>,
    },
    /// A page on the web, by its address.
    Page(String),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// The URI, without what may be a secret in it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Object { object, .. } => format!("s3://{}/{}", object.bucket, object.key),
            Self::Page(url) => {
                Page::parse(url).map_or_else(|_| "this address".to_owned(), |page| page.shown())
            }
            Self::File(path) => path.display().to_string(),
        }
    }

    /// What its name ends with may tell what it holds, and how it is compressed: a page's path,
    /// without the query.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Object { object, .. } => object.key.clone(),
            Self::Page(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Object { size, .. } => *size,
            _ => None,
        }
    }
}

impl Origin {
    /// The origin of a source; `None` for a file.
    pub(crate) fn of(client: Option<&Arc<Client>>, source: &Source) -> Result<Option<Self>, Error> {
        let client = || {
            client.cloned().ok_or_else(|| Error::internal("a read over the network has no client"))
        };
        Ok(match source {
            Source::File(_) => None,
            Source::Object { object, .. } => Some(Self::S3(client()?, object.clone())),
            Source::Page(url) => Some(Self::Web(client()?, Page::parse(url)?)),
        })
    }
}
