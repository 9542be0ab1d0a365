//! The pages of a listing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::request::{Request, query_encoded};
use crate::script::ListingSpec;
use crate::xml::escaped;

const LARGEST_PAGE: usize = 1000;
const WRITTEN: &str = "2026-01-02T03:04:05.000Z";

/// The keys of a bucket, and the pages that were made.
pub struct Listing {
    keys: Vec<String>,
    page_size: usize,
    pages: HashMap<(usize, usize, bool), Arc<[u8]>>,
}

/// Which entries a page has.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub start: usize,
    pub end: usize,
    pub whole: usize,
}

impl Listing {
    /// The sorted keys.
    pub fn new(spec: ListingSpec) -> Self {
        let mut keys = spec.keys;
        keys.extend((0..spec.count).map(|index| format!("{}{index:08}", spec.name)));
        keys.sort();
        let page_size = spec.page_size.unwrap_or(LARGEST_PAGE).max(1);
        Self { keys, page_size, pages: HashMap::new() }
    }

    /// Which entries a request asks for; `None` for what this server cannot.
    pub fn place(&self, request: &Request) -> Option<Place> {
        if request.query("delimiter").is_some_and(|text| !text.is_empty()) {
            return None;
        }
        let prefix = request.query("prefix").unwrap_or_default();
        let first = self.keys.partition_point(|key| **key < *prefix);
        let below = self.keys[first..].partition_point(|key| key.starts_with(&*prefix));
        let whole = first + below;
        let token = request.query("continuation-token");
        let start = match (token, request.query("start-after")) {
            (Some(token), _) => token.strip_prefix("entry-")?.parse().ok()?,
            (None, Some(after)) => self.keys.partition_point(|key| **key <= *after).max(first),
            (None, None) => first,
        };
        let most = request.query("max-keys").and_then(|text| text.parse().ok());
        let count = most.unwrap_or(LARGEST_PAGE).min(self.page_size);
        Some(Place { start: start.min(whole), end: (start + count).min(whole), whole })
    }

    /// A page as XML; pages of the whole listing are made once.
    pub fn page(&mut self, bucket: &str, place: Place, encoded: bool) -> Arc<[u8]> {
        let name = (place.start, place.end, encoded);
        if place.whole < self.keys.len() {
            return self.made(bucket, place, encoded).into();
        }
        if let Some(page) = self.pages.get(&name) {
            return Arc::clone(page);
        }
        let page: Arc<[u8]> = self.made(bucket, place, encoded).into();
        self.pages.insert(name, Arc::clone(&page));
        page
    }

    /// Which entries a request for versions asks for.
    pub fn place_of_versions(&self, request: &Request) -> Place {
        let prefix = request.query("prefix").unwrap_or_default();
        let first = self.keys.partition_point(|key| **key < *prefix);
        let whole = first + self.keys[first..].partition_point(|key| key.starts_with(&*prefix));
        let marker = request.query("key-marker").filter(|marker| !marker.is_empty());
        let start = marker
            .map_or(first, |marker| self.keys.partition_point(|key| **key <= *marker).max(first));
        let most = request.query("max-keys").and_then(|text| text.parse().ok());
        let count = most.unwrap_or(LARGEST_PAGE).min(self.page_size);
        Place { start: start.min(whole), end: (start + count).min(whole), whole }
    }

    /// A page of versions: each key has one.
    pub fn page_of_versions(&self, bucket: &str, place: Place) -> String {
        let more = place.end < place.whole;
        let mut xml = format!("<ListVersionsResult><Name>{bucket}</Name><Prefix></Prefix>");
        let _ = write!(xml, "<MaxKeys>1000</MaxKeys><IsTruncated>{more}</IsTruncated>");
        if more {
            let key = escaped(&self.keys[place.end - 1]);
            let _ = write!(xml, "<NextKeyMarker>{key}</NextKeyMarker>");
            let _ = write!(xml, "<NextVersionIdMarker>v{}</NextVersionIdMarker>", place.end - 1);
        }
        for index in place.start..place.end {
            let key = escaped(&self.keys[index]);
            let _ = write!(
                xml,
                "<Version><Key>{key}</Key><VersionId>v{index}</VersionId><IsLatest>true</IsLatest>                 <LastModified>{WRITTEN}</LastModified><ETag>&quot;{index:032x}&quot;</ETag>                 <Size>{index}</Size><StorageClass>STANDARD</StorageClass></Version>"
            );
        }
        xml.push_str("</ListVersionsResult>");
        xml
    }

    fn made(&self, bucket: &str, place: Place, encoded: bool) -> Vec<u8> {
        let keys = &self.keys[place.start..place.end];
        let more = place.end < place.whole;
        let mut xml = String::with_capacity(512 + keys.len() * 256);
        xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        xml.push_str("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        let _ = write!(xml, "<Name>{bucket}</Name><Prefix></Prefix>");
        let _ = write!(xml, "<KeyCount>{}</KeyCount><MaxKeys>1000</MaxKeys>", keys.len());
        if encoded {
            xml.push_str("<EncodingType>url</EncodingType>");
        }
        let _ = write!(xml, "<IsTruncated>{more}</IsTruncated>");
        if more {
            let token = place.end;
            let _ = write!(xml, "<NextContinuationToken>entry-{token}</NextContinuationToken>");
        }
        for (index, key) in keys.iter().enumerate() {
            let size = place.start + index;
            let key = if encoded { query_encoded(key) } else { escaped(key) };
            let _ = write!(
                xml,
                "<Contents><Key>{key}</Key><LastModified>{WRITTEN}</LastModified>\
                 <ETag>&quot;{size:032x}&quot;</ETag><Size>{size}</Size>\
                 <StorageClass>STANDARD</StorageClass></Contents>"
            );
        }
        xml.push_str("</ListBucketResult>");
        xml.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str) -> Request {
        let head = format!("GET /bucket?list-type=2{query} HTTP/1.1\r\n\r\n");
        Request::parse(head.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn pages_follow_each_other() {
        let spec =
            ListingSpec { count: 10, name: "k".into(), page_size: Some(4), ..Default::default() };
        let mut listing = Listing::new(spec);
        let place = listing.place(&request("")).unwrap();
        assert_eq!((place.start, place.end, place.whole), (0, 4, 10));
        let page = listing.page("bucket", place, true);
        let text = std::str::from_utf8(&page).unwrap();
        assert!(text.contains("<NextContinuationToken>entry-4<"), "{text}");
        let place = listing.place(&request("&continuation-token=entry-8")).unwrap();
        assert_eq!((place.start, place.end), (8, 10));
        let page = listing.page("bucket", place, true);
        assert!(std::str::from_utf8(&page).unwrap().contains("<IsTruncated>false<"));
        let place = listing.place(&request("&start-after=k00000002&max-keys=2")).unwrap();
        assert_eq!((place.start, place.end), (3, 5));
        let place = listing.place(&request("&prefix=k0000000")).unwrap();
        assert_eq!((place.start, place.whole), (0, 10));
        assert!(listing.place(&request("&prefix=x")).unwrap().whole == 10);
        assert!(listing.place(&request("&delimiter=/")).is_none());
    }
}
