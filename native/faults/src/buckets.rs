//! All buckets of the server. A test makes one of its own, so that tests do not meet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bucket::Bucket;

/// The buckets, by name.
#[derive(Default)]
pub struct Buckets(Mutex<HashMap<String, Arc<Bucket>>>);

impl Buckets {
    /// The bucket of this name.
    pub fn find(&self, name: &str) -> Option<Arc<Bucket>> {
        self.all().get(name).map(Arc::clone)
    }

    /// A bucket, instead of the one that had its name.
    pub fn put(&self, name: String, bucket: Bucket) {
        self.all().insert(name, Arc::new(bucket));
    }

    /// Forgets a bucket.
    pub fn remove(&self, name: &str) -> bool {
        self.all().remove(name).is_some()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Bucket>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
