//! The versions of the objects of a bucket: which are there, which one a plain read sees.
//!
//! A version is named by an identifier, or is the "null" version: the one that is written while the
//! bucket keeps no versions, and that the next such write replaces. A delete marker is a version
//! without a body; while it is the newest, a plain read finds nothing.
//!
//! The index keeps what plain reads and listings see in one ordered set. Only a key with more than that,
//! several versions or a delete marker, has a history beside it, so that a bucket without versions
//! pays nothing for them.

// See `bucket`: the order of objects never changes.
#![allow(clippy::mutable_key_type)]

use super::bucket::Object;
use super::error::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether a bucket keeps what is replaced and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// It never has.
    #[default]
    Off,
    Enabled,
    /// It did; new objects are null versions, the old versions stay.
    Suspended,
}

/// The version that a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest.
    Current,
    /// This one; `None` is the null version.
    Version(Option<String>),
}

impl Which {
    /// What `versionId` says; none, or an empty one, is the newest.
    pub fn named(version: Option<&str>) -> Self {
        match version {
            None | Some("") => Self::Current,
            Some("null") => Self::Version(None),
            Some(id) => Self::Version(Some(id.to_owned())),
        }
    }
}

/// How an answer shows a version's name.
pub fn shown(version: Option<&str>) -> String {
    version.unwrap_or("null").to_owned()
}

/// The objects of a bucket in the byte order of their keys.
#[derive(Default)]
pub struct Index {
    /// What plain reads and listings see.
    current: BTreeSet<Object>,
    /// All versions, newest first, of the keys for which `current` does not say all.
    histories: BTreeMap<Vec<u8>, Vec<Object>>,
    last_sequence: u64,
}

impl Index {
    /// From all versions of all objects, in any order.
    pub fn build(mut found: Vec<Object>) -> Self {
        found.sort_unstable_by(|one, other| {
            let (one, other) = (one.record(), other.record());
            one.key
                .as_bytes()
                .cmp(other.key.as_bytes())
                .then_with(|| other.sequence.cmp(&one.sequence))
        });
        let mut index = Self {
            last_sequence: found.iter().map(|object| object.record().sequence).max().unwrap_or(0),
            ..Self::default()
        };
        let mut current = Vec::with_capacity(found.len());
        for versions in found.chunk_by(|one, next| one == next) {
            if let [newest, ..] = versions {
                if versions.len() > 1 || newest.record().delete_marker {
                    let key = newest.record().key.as_bytes().to_vec();
                    index.histories.insert(key, versions.to_vec());
                }
                if !newest.record().delete_marker {
                    current.push(newest.clone());
                }
            }
        }
        // Building from a whole list is much faster than 100,000 insertions.
        index.current = current.into_iter().collect();
        index
    }

    /// What plain reads and listings see.
    pub fn current(&self) -> &BTreeSet<Object> {
        &self.current
    }

    /// Whether there is no object and no version of one.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty() && self.histories.is_empty()
    }

    /// A number above all before it: the order of versions, and what tells two writes of a key apart.
    pub fn next_sequence(&mut self) -> u64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| u64::try_from(since.as_nanos()).ok())
            .unwrap_or(0);
        self.last_sequence = now.max(self.last_sequence.saturating_add(1));
        self.last_sequence
    }

    /// All versions of a key, newest first.
    pub fn versions(&self, key: &str) -> &[Object] {
        match self.histories.get(key.as_bytes()) {
            Some(history) => history,
            None => self.current.get(key.as_bytes()).map_or(&[], std::slice::from_ref),
        }
    }

    /// The version, delete markers included.
    pub fn find(&self, key: &str, which: &Which) -> Option<&Object> {
        let versions = self.versions(key);
        match which {
            Which::Current => versions.first(),
            Which::Version(name) => versions.iter().find(|object| object.record().version == *name),
        }
    }

    /// The version, if it has a body.
    pub fn object(&self, key: &str, which: &Which) -> Result<&Object, StoreError> {
        let found = match (self.find(key, which), which) {
            (Some(object), _) => object,
            (None, Which::Version(Some(id))) => return Err(StoreError::NoSuchVersion(id.clone())),
            (None, Which::Version(None) | Which::Current) => {
                return Err(StoreError::NoSuchKey(key.to_owned()));
            }
        };
        let record = found.record();
        if record.delete_marker {
            return Err(StoreError::DeleteMarker {
                version: shown(record.version.as_deref()),
                modified: record.modified,
                named: *which != Which::Current,
            });
        }
        Ok(found)
    }

    /// Makes `object` the newest version of its key. Returns the version of the same name that it replaces.
    pub fn insert(&mut self, object: Object) -> Option<Object> {
        let mut versions = self.take(&object);
        let replaced = remove_version(&mut versions, object.record().version.as_deref());
        versions.insert(0, object);
        self.put_back(versions);
        replaced
    }

    /// Puts `object` where the version of the same name was.
    pub fn exchange(&mut self, object: Object) {
        let mut versions = self.take(&object);
        if let Some(place) =
            versions.iter_mut().find(|each| each.record().version == object.record().version)
        {
            *place = object;
        }
        self.put_back(versions);
    }

    pub fn remove(&mut self, object: &Object) -> Option<Object> {
        let mut versions = self.take(object);
        let removed = remove_version(&mut versions, object.record().version.as_deref());
        self.put_back(versions);
        removed
    }

    /// Takes all versions of the key out.
    fn take(&mut self, object: &Object) -> Vec<Object> {
        let key = object.record().key.as_bytes();
        let current = self.current.take(key);
        self.histories.remove(key).unwrap_or_else(|| current.into_iter().collect())
    }

    /// Puts all versions of a key in, newest first.
    fn put_back(&mut self, versions: Vec<Object>) {
        let Some(newest) = versions.first() else { return };
        let marker = newest.record().delete_marker;
        if !marker {
            self.current.insert(newest.clone());
        }
        if marker || versions.len() > 1 {
            self.histories.insert(newest.record().key.as_bytes().to_vec(), versions);
        }
    }

    /// All keys from `from` on, each with its versions, newest first.
    pub fn walk<'i>(
        &'i self,
        from: Bound<&[u8]>,
    ) -> impl Iterator<Item = (&'i str, &'i [Object])> + use<'i> {
        let mut current = self.current.range::<[u8], _>((from, Bound::Unbounded)).peekable();
        let mut histories = self.histories.range::<[u8], _>((from, Bound::Unbounded)).peekable();
        std::iter::from_fn(move || {
            let plain = current.peek().map(|object| object.record().key.as_bytes());
            let history = histories.peek().map(|(key, _)| key.as_slice());
            let versions = match (plain, history) {
                (None, None) => return None,
                (Some(plain), history) if history.is_none_or(|history| plain < history) => {
                    std::slice::from_ref(current.next()?)
                }
                (plain, history) => {
                    if plain == history {
                        current.next();
                    }
                    histories.next()?.1.as_slice()
                }
            };
            Some((versions.first()?.record().key.as_str(), versions))
        })
    }
}

fn remove_version(versions: &mut Vec<Object>, name: Option<&str>) -> Option<Object> {
    let place = versions.iter().position(|each| each.record().version.as_deref() == name)?;
    Some(versions.remove(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::record::ObjectRecord;
    use std::path::Path;

    fn object(key: &str, version: Option<&str>, sequence: u64, delete_marker: bool) -> Object {
        let record = ObjectRecord {
            key: key.into(),
            version: version.map(str::to_owned),
            sequence,
            delete_marker,
            ..ObjectRecord::default()
        };
        Object::new(record, Path::new(""))
    }

    fn all(index: &Index) -> Vec<(String, Vec<u64>)> {
        index
            .walk(Bound::Unbounded)
            .map(|(key, versions)| {
                (key.to_owned(), versions.iter().map(|each| each.record().sequence).collect())
            })
            .collect()
    }

    fn seen(index: &Index) -> Vec<u64> {
        index.current().iter().map(|each| each.record().sequence).collect()
    }

    #[test]
    fn versions_come_and_go() {
        let mut index = Index::default();
        assert!(index.insert(object("b", None, 1, false)).is_none());
        assert!(index.insert(object("a", None, 2, false)).is_none());
        assert_eq!(index.insert(object("b", None, 3, false)).unwrap().record().sequence, 1);
        assert!(index.histories.is_empty());
        index.insert(object("b", Some("x"), 4, false));
        index.insert(object("b", Some("y"), 5, true));
        index.insert(object("c", Some("z"), 6, true));
        assert_eq!(seen(&index), [2]);
        let expected = [("a", vec![2]), ("b", vec![5, 4, 3]), ("c", vec![6])];
        assert_eq!(all(&index), expected.map(|(key, list)| (key.to_owned(), list)));
        // The same from a scan, which finds them in any order.
        let found: Vec<Object> = index
            .walk(Bound::Unbounded)
            .flat_map(|(_, versions)| versions.iter().rev().cloned())
            .collect();
        let mut built = Index::build(found);
        assert_eq!(all(&built), all(&index));
        assert_eq!(seen(&built), [2]);
        assert!(built.next_sequence() > 6);
        assert!(matches!(
            index.object("b", &Which::Current),
            Err(StoreError::DeleteMarker { named: false, .. })
        ));
        assert!(matches!(
            index.object("b", &Which::named(Some("y"))),
            Err(StoreError::DeleteMarker { named: true, .. })
        ));
        assert_eq!(index.object("b", &Which::named(Some("null"))).unwrap().record().sequence, 3);
        assert!(matches!(
            index.object("b", &Which::named(Some("no"))),
            Err(StoreError::NoSuchVersion(_))
        ));
        // Without its marker the object is back; without all its versions it is gone.
        index.remove(&object("b", Some("y"), 0, false));
        assert_eq!(seen(&index), [2, 4]);
        index.exchange(object("b", None, 30, false));
        assert_eq!(index.versions("b").len(), 2);
        index.remove(&object("b", Some("x"), 0, false));
        assert_eq!(seen(&index), [2, 30]);
        assert!(!index.histories.contains_key(&b"b"[..]));
        index.remove(&object("b", None, 0, false));
        index.remove(&object("c", Some("z"), 0, false));
        assert!(!index.is_empty());
        index.remove(&object("a", None, 0, false));
        assert!(index.is_empty());
    }

    #[test]
    fn sequences_rise() {
        let mut index = Index::default();
        let numbers: Vec<u64> = (0..1000).map(|_| index.next_sequence()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next));
    }
}
