//! One page of a listing of versions, from the index: by key, and the newest first.

use super::bucket::Object;
use super::listing::{behind, common_prefix};
use super::versions::{Index, shown};
use std::ops::Bound;

/// What a page is asked for.
#[derive(Clone, Debug, Default)]
pub struct VersionQuery<'a> {
    pub prefix: &'a str,
    pub delimiter: &'a str,
    /// Only what comes after this key, or common prefix.
    pub after_key: Option<&'a str>,
    /// Of that key, what comes after this version.
    pub after_version: Option<&'a str>,
    pub limit: usize,
}

pub enum VersionEntry {
    Version { object: Object, latest: bool },
    Prefix(String),
}

#[derive(Default)]
pub struct VersionPage {
    pub entries: Vec<VersionEntry>,
    pub truncated: bool,
}

/// The versions of the marker's key that a page still lists. A version that is gone since the last
/// page says nothing about the others, so that all of them are listed.
fn behind_version<'v>(versions: &'v [Object], marker: &str) -> (usize, &'v [Object]) {
    let at = versions
        .iter()
        .position(|object| shown(object.record().version.as_deref()) == marker)
        .map_or(0, |at| at + 1);
    (at, versions.get(at..).unwrap_or_default())
}

/// Finds one page.
pub fn list_versions(index: &Index, query: &VersionQuery<'_>) -> VersionPage {
    let mut page = VersionPage::default();
    if query.limit == 0 {
        return page;
    }
    let prefix = query.prefix.as_bytes();
    let mut from = match (query.after_key, query.after_version) {
        (Some(key), Some(_)) => Bound::Included(key.as_bytes().to_vec()),
        (Some(key), None) => Bound::Excluded(key.as_bytes().to_vec()),
        (None, _) => Bound::Included(Vec::new()),
    };
    if let Bound::Included(start) | Bound::Excluded(start) = &from
        && start.as_slice() < prefix
    {
        from = Bound::Included(prefix.to_vec());
    }
    'walk: loop {
        for (key, versions) in index.walk(from.as_ref().map(Vec::as_slice)) {
            if !key.as_bytes().starts_with(prefix) {
                break 'walk;
            }
            if let Some(covering) = common_prefix(key, query.prefix, query.delimiter) {
                if query.after_key != Some(covering) {
                    if page.entries.len() == query.limit {
                        page.truncated = true;
                        break 'walk;
                    }
                    page.entries.push(VersionEntry::Prefix(covering.to_owned()));
                }
                from = Bound::Included(behind(covering));
                continue 'walk;
            }
            let (first, left) = match query.after_version {
                Some(marker) if query.after_key == Some(key) => behind_version(versions, marker),
                _ => (0, versions),
            };
            for (index, object) in left.iter().enumerate() {
                if page.entries.len() == query.limit {
                    page.truncated = true;
                    break 'walk;
                }
                let latest = first + index == 0;
                page.entries.push(VersionEntry::Version { object: object.clone(), latest });
            }
        }
        break;
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::record::ObjectRecord;
    use std::path::Path;

    fn index(versions: &[(&str, &str)]) -> Index {
        let mut index = Index::default();
        for (key, version) in versions {
            let record = ObjectRecord {
                key: (*key).into(),
                version: Some((*version).into()),
                sequence: index.next_sequence(),
                ..ObjectRecord::default()
            };
            index.insert(Object::new(record, Path::new("")));
        }
        index
    }

    fn name(entry: &VersionEntry) -> (String, Option<String>) {
        match entry {
            VersionEntry::Version { object, .. } => {
                (object.record().key.clone(), object.record().version.clone())
            }
            VersionEntry::Prefix(prefix) => (prefix.clone(), None),
        }
    }

    #[test]
    fn every_page_size_gives_the_same_entries() {
        let mut all = Vec::new();
        for key in ["a", "a/1", "a/2", "b", "b/x/1", "c", "d/"] {
            for version in ["1", "2", "3"] {
                all.push((key, version));
            }
        }
        let index = index(&all);
        for (prefix, delimiter, count) in [
            ("", "", 21),
            ("", "/", 12),
            ("a", "/", 4),
            ("a/", "/", 6),
            ("b/", "/", 1),
            ("z", "", 0),
        ] {
            let query = VersionQuery { prefix, delimiter, limit: 1000, ..VersionQuery::default() };
            let whole: Vec<_> = list_versions(&index, &query).entries.iter().map(name).collect();
            assert_eq!(whole.len(), count, "{prefix:?} {delimiter:?}");
            for limit in 1..8 {
                let mut found: Vec<(String, Option<String>)> = Vec::new();
                loop {
                    let last = found.last().cloned();
                    let query = VersionQuery {
                        after_key: last.as_ref().map(|(key, _)| key.as_str()),
                        after_version: last.as_ref().and_then(|(_, version)| version.as_deref()),
                        limit,
                        ..query
                    };
                    let page = list_versions(&index, &query);
                    assert!(page.entries.len() <= limit);
                    found.extend(page.entries.iter().map(name));
                    if !page.truncated {
                        break;
                    }
                }
                assert_eq!(found, whole, "{prefix:?} {delimiter:?} {limit}");
            }
        }
    }

    #[test]
    fn newest_first_and_a_marker_that_is_gone() {
        let index = index(&[("k", "1"), ("k", "2"), ("k", "3")]);
        let after = |version| {
            let query = VersionQuery {
                after_key: Some("k"),
                after_version: version,
                limit: 10,
                ..VersionQuery::default()
            };
            let page = list_versions(&index, &query);
            page.entries
                .iter()
                .map(|entry| match entry {
                    VersionEntry::Version { object, latest } => {
                        let version = object.record().version.clone().unwrap();
                        if *latest { version + "!" } else { version }
                    }
                    VersionEntry::Prefix(prefix) => prefix.clone(),
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(after(Some("3")), "2 1");
        assert_eq!(after(Some("1")), "");
        assert_eq!(after(Some("gone")), "3! 2 1");
        assert_eq!(after(None), "");
    }
}
