//! One page of a listing, from the index.
//!
//! Keys come in the order of their UTF-8 bytes. A common prefix is found at its first key and the
//! walk continues behind all keys that it covers, so that a page costs its own length, whatever
//! lies below the prefixes.

// See `bucket`: the order of objects never changes.
#![allow(clippy::mutable_key_type)]

use super::bucket::Object;
use std::collections::BTreeSet;
use std::ops::Bound;

/// What a page is asked for.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: &'a str,
    /// Only what comes after this.
    pub after: Start<'a>,
    pub limit: usize,
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start<'a> {
    #[default]
    Beginning,
    /// After a key; a common prefix of just this name counts as seen.
    After(&'a str),
    /// After all keys that a common prefix covers.
    AfterPrefix(&'a str),
}

/// One page.
#[derive(Default)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub truncated: bool,
}

pub enum Entry {
    Object(Object),
    Prefix(String),
}

impl Entry {
    pub fn name(&self) -> &str {
        match self {
            Self::Object(object) => &object.record().key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// The common prefix that `key` falls under, if a delimiter comes after the prefix.
pub fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(prefix)?;
    let end = prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

/// The first byte string after all that start with `prefix`. UTF-8 has no byte 255, so adding one to
/// the last byte never overflows.
pub fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = last.saturating_add(1);
    }
    bytes
}

/// Finds one page.
pub fn list(objects: &BTreeSet<Object>, query: &Query<'_>) -> Page {
    let mut page = Page::default();
    if query.limit == 0 {
        return page;
    }
    let prefix = query.prefix.as_bytes();
    let mut from = match query.after {
        Start::Beginning => Bound::Included(prefix.to_vec()),
        Start::After(key) => Bound::Excluded(key.as_bytes().to_vec()),
        Start::AfterPrefix(covered) => Bound::Included(behind(covered)),
    };
    if let Bound::Included(start) | Bound::Excluded(start) = &from
        && start.as_slice() < prefix
    {
        from = Bound::Included(prefix.to_vec());
    }
    'walk: loop {
        let range = (from.as_ref().map(Vec::as_slice), Bound::Unbounded);
        for object in objects.range::<[u8], _>(range) {
            let key = &object.record().key;
            if !key.as_bytes().starts_with(prefix) {
                break 'walk;
            }
            let covering = common_prefix(key, query.prefix, query.delimiter);
            let seen = covering.is_some_and(|covering| query.after == Start::After(covering));
            if !seen {
                if page.entries.len() == query.limit {
                    page.truncated = true;
                    break 'walk;
                }
                page.entries.push(match covering {
                    Some(covering) => Entry::Prefix(covering.to_owned()),
                    None => Entry::Object(object.clone()),
                });
            }
            if let Some(covering) = covering {
                from = Bound::Included(behind(covering));
                continue 'walk;
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

    fn objects(keys: &[&str]) -> BTreeSet<Object> {
        keys.iter()
            .map(|key| {
                Object::new(
                    ObjectRecord { key: (*key).into(), ..ObjectRecord::default() },
                    Path::new(""),
                )
            })
            .collect()
    }

    fn names(page: &Page) -> Vec<&str> {
        page.entries.iter().map(Entry::name).collect()
    }

    #[test]
    fn byte_order_not_character_order() {
        // U+FF5E sorts before U+1F600 in UTF-8, after it in UTF-16.
        let all = objects(&["😀", "～", "a", "B", "é"]);
        let page = list(&all, &Query { limit: 10, ..Query::default() });
        assert_eq!(names(&page), ["B", "a", "é", "～", "😀"]);
    }

    #[test]
    fn prefixes_and_delimiters() {
        let all = objects(&["a", "a/", "a/b", "a/b/c", "a//x", "b/1", "b/2", "c"]);
        let page = list(&all, &Query { delimiter: "/", limit: 10, ..Query::default() });
        assert_eq!(names(&page), ["a", "a/", "b/", "c"]);
        let page =
            list(&all, &Query { prefix: "a/", delimiter: "/", limit: 10, ..Query::default() });
        assert_eq!(names(&page), ["a/", "a//", "a/b", "a/b/"]);
        let page = list(&all, &Query { prefix: "b", limit: 10, ..Query::default() });
        assert_eq!(names(&page), ["b/1", "b/2"]);
        let page = list(&all, &Query { delimiter: "/b", limit: 10, ..Query::default() });
        assert_eq!(names(&page), ["a", "a/", "a//x", "a/b", "b/1", "b/2", "c"]);
        assert!(
            list(&all, &Query { prefix: "zz", limit: 10, ..Query::default() }).entries.is_empty()
        );
        assert!(list(&all, &Query { limit: 0, ..Query::default() }).entries.is_empty());
    }

    #[test]
    fn every_page_size_gives_the_same_entries() {
        let keys: Vec<String> =
            (0..60).map(|n| format!("{}/{}{}", n % 7, "x/".repeat(n % 3), n)).collect();
        let all = objects(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        for delimiter in ["", "/", "x/"] {
            let whole = list(&all, &Query { delimiter, limit: 1000, ..Query::default() });
            assert!(!whole.truncated);
            for limit in 1..9 {
                let mut found: Vec<String> = Vec::new();
                let mut last: Option<(bool, String)> = None;
                loop {
                    let after = match &last {
                        None => Start::Beginning,
                        Some((true, name)) => Start::AfterPrefix(name),
                        Some((false, name)) => Start::After(name),
                    };
                    let page = list(&all, &Query { delimiter, limit, after, ..Query::default() });
                    found.extend(names(&page).iter().map(|name| (*name).to_owned()));
                    match page.entries.last() {
                        Some(entry) if page.truncated => {
                            last =
                                Some((matches!(entry, Entry::Prefix(_)), entry.name().to_owned()));
                        }
                        _ => break,
                    }
                }
                assert_eq!(found, names(&whole), "{delimiter:?} {limit}");
            }
        }
    }

    #[test]
    fn start_after() {
        let all = objects(&["a", "b/1", "b/2", "c"]);
        let after = |key, delimiter| {
            let page = list(
                &all,
                &Query { after: Start::After(key), delimiter, limit: 10, ..Query::default() },
            );
            names(&page).join(" ")
        };
        assert_eq!(after("a", ""), "b/1 b/2 c");
        assert_eq!(after("b/1", "/"), "b/ c");
        assert_eq!(after("b/", "/"), "c");
        assert_eq!(after("zzz", ""), "");
    }
}
