//! Listing objects, their versions and incomplete uploads: some pages at a time.
//!
//! Pages are asked for over the data plane, and through the SDK's client where only that
//! reaches the bucket ([`crate::list_by_sdk`]). What comes back is sorted, has each line
//! once, and goes on: a server that repeats itself is told, not followed for ever.

use std::borrow::Cow;

use dipper_wire::{Line, Listed, Listing};

use crate::direct::{DETOURS, DirectRequest, Sent};
use crate::list_by_sdk::listing_by_sdk;
use crate::metrics::Meter;
use crate::plane::{Answer as Reply, BodyError, DocumentError};
use crate::retry::Retries;
use crate::sdk_error::{About, Answered, message_of};
use crate::{Client, Error, Status};

/// What a listing is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listable {
    /// The objects.
    #[default]
    Objects,
    /// All their versions.
    Versions,
    /// The uploads in parts that are not complete.
    Uploads,
}

/// Where a listing goes on. Nothing set: at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What the server gave to go on with.
    pub token: Option<String>,
    /// Behind this key.
    pub after: Option<String>,
    /// Behind this version or upload of that key.
    pub after_id: Option<String>,
    /// `after` is a prefix: behind all that it stands for.
    pub after_group: bool,
    /// The caller has seen what comes before. It is left out, should the server bring it.
    pub seen: bool,
}

/// Which pages to list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// What to list.
    pub what: Listable,
    /// The bucket.
    pub bucket: String,
    /// Only keys that start so.
    pub prefix: String,
    /// Keys are grouped up to this.
    pub delimiter: Option<String>,
    /// Tell whose each object is.
    pub owner: bool,
    /// Where to start.
    pub place: Place,
    /// At most so many lines on a page.
    pub page_size: Option<u32>,
    /// At most so many pages.
    pub pages: u32,
}

/// Some pages of a listing, as one, in the order of the keys' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What there is.
    pub lines: Vec<Listed>,
    /// Where the rest starts; `None` when this is the end.
    pub next: Option<Place>,
}

/// The largest document that is read. A page of 1,000 keys has some 3 MB at most.
const LONGEST_PAGE: usize = 64 << 20;
/// S3's limit for a key, in bytes.
const LONGEST_KEY: usize = 1024;
/// Behind all keys that start with what stands before it, but for a few.
const LAST_CHARACTER: char = '\u{10ffff}';

/// Lists one page, or more where the server has them. A failure behind the first page ends the
/// pages there: whoever asks for the rest meets it.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn list(client: &Client, request: ListRequest) -> Result<Page, Error> {
    let meter = Meter::new();
    let mut place = request.place.clone();
    let mut lines: Vec<Listed> = Vec::new();
    for number in 0..request.pages.max(1) {
        let page = match page(client, &request, &place, &meter).await {
            Ok(page) => page,
            Err(_) if number > 0 => break,
            Err(error) => return Err(error),
        };
        if lines.is_empty() {
            lines = page.lines;
        } else {
            // Some servers start a page with the line that the last one ended with.
            let again = lines.last() == page.lines.first();
            lines.extend(page.lines.into_iter().skip(usize::from(again)));
        }
        match page.next {
            Some(next) => place = next,
            None => return Ok(Page { lines, next: None }),
        }
    }
    Ok(Page { lines, next: Some(place) })
}

/// One page, tried again where that may help.
async fn page(
    client: &Client,
    request: &ListRequest,
    place: &Place,
    meter: &Meter,
) -> Result<Page, Error> {
    let mut retries = Retries::new(client.retry_budget(), client.retries());
    let mut asked = Asked::of(request, place);
    let mut place = Cow::Borrowed(place);
    let listing = loop {
        let listing = match directly(client, request, &asked, meter).await {
            Ok(Some(listing)) => break listing,
            // The SDK's client tries again by itself.
            Ok(None) => match listing_by_sdk(client, request, &asked, meter).await {
                Ok(listing) => break listing,
                Err(error) if error.status == Status::InvalidRequest => Err(error),
                Err(error) => return Err(error),
            },
            Err(error) => Err(error),
        };
        match listing {
            // Not every server knows how to start in the middle of a key's uploads (versitygw
            // refuses the markers that it gave): they are listed again, and what was seen left out.
            Err(error) if error.status == Status::InvalidRequest && asked.starts_amid_key() => {
                place.to_mut().seen = true;
                asked.start_before_key();
                meter.retry();
            }
            Err(error) => retries.after(error).await?,
            Ok(listing) => break listing,
        }
    };
    let place = &*place;
    arranged(listing, request, place).map_err(|why| {
        let uri = format!("s3://{}/{}", request.bucket, request.prefix);
        Error::new(Status::NotS3, format!("the listing of {uri} does not go on: {why}"))
            .about(uri)
            .hint("list by startAfter, or ask whoever runs the server")
    })
}

/// One answer over the data plane; `None` where that does not reach the bucket.
async fn directly(
    client: &Client,
    request: &ListRequest,
    asked: &Asked<'_>,
    meter: &Meter,
) -> Result<Option<Listing>, Error> {
    for _ in 0..DETOURS {
        let connected = client.connected().await?;
        let Some(site) = client.site(&request.bucket).await? else { break };
        let about = About { client, connected, bucket: Some(&request.bucket), key: None };
        let direct = DirectRequest {
            method: "GET",
            bucket: &request.bucket,
            key: None,
            query: asked.query(request.what),
            headers: &[],
            body: crate::request_body::RequestBody::default(),
            ahead: 0,
        };
        let (head, reply) = match direct.send(&about, &site, meter).await? {
            Sent::Answer(head, reply) => (head, reply),
            Sent::Again => continue,
        };
        let open_ended = matches!(reply, Reply::UntilClose(_));
        let document = reply.document(LONGEST_PAGE, client.stall_timeout()).await;
        let document = document.map_err(|error| document_error(error, &about))?;
        return Listing::parse(&document).map(Some).map_err(|why| {
            // S3 may answer 200 and then report a failure.
            let (code, text) = message_of(&document);
            if code.is_some() {
                return about.of_answer(Answered::of(&head, 500, code, text));
            }
            if open_ended && why == Listing::CUT {
                return cut(&about, why);
            }
            about.no_listing(&request.prefix, why)
        });
    }
    Ok(None)
}

fn document_error(error: DocumentError, about: &About<'_>) -> Error {
    let place = &about.connected.place;
    let uri = about.uri().unwrap_or_default();
    let error = match error {
        DocumentError::Body(BodyError::Stalled(after)) => Error::new(
            Status::Stalled,
            format!("{place} fell silent for {} ms in its answer about {uri}", after.as_millis()),
        )
        .hint("check the network, or raise stallTimeout"),
        DocumentError::Body(BodyError::Broken(error)) => return cut(about, &error.to_string()),
        DocumentError::Body(BodyError::Revoked) => Error::internal("a page was taken back"),
        DocumentError::TooLong => Error::new(
            Status::NotS3,
            format!("{place} answers about {uri} with a page of more than {LONGEST_PAGE} bytes"),
        )
        .hint("check that endpoint is the S3 address of the service"),
        DocumentError::Malformed(why) => {
            Error::new(Status::NotS3, format!("the answer of {place} makes no sense: {why}"))
                .hint("check that endpoint is the S3 address of the service")
        }
    };
    error.about(uri)
}

fn cut(about: &About<'_>, why: &str) -> Error {
    let (place, uri) = (&about.connected.place, about.uri().unwrap_or_default());
    let what = format!("the connection to {place} broke in its answer about {uri}: {why}");
    Error::new(Status::ConnectionBroken, what).hint("try again").about(uri)
}

impl About<'_> {
    /// What came is no listing.
    pub(crate) fn no_listing(&self, prefix: &str, why: &str) -> Error {
        let place = &self.connected.place;
        Error::new(Status::NotS3, format!("{place} answers, but not with a listing: {why}"))
            .about(format!("{}{prefix}", self.uri().unwrap_or_default()))
            .hint("check that endpoint is the S3 address of the service")
    }
}

/// What a request for a page says, in the words of the operation's parameters.
pub(crate) struct Asked<'a> {
    pub(crate) prefix: Option<&'a str>,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) owner: bool,
    pub(crate) token: Option<&'a str>,
    pub(crate) after: Option<Cow<'a, str>>,
    pub(crate) after_id: Option<&'a str>,
    pub(crate) page_size: Option<String>,
}

impl<'a> Asked<'a> {
    fn of(request: &'a ListRequest, place: &'a Place) -> Self {
        let after = place.after.as_deref().filter(|_| place.token.is_none()).map(|after| {
            if place.after_group && after.len() + LAST_CHARACTER.len_utf8() <= LONGEST_KEY {
                Cow::Owned(format!("{after}{LAST_CHARACTER}"))
            } else {
                Cow::Borrowed(after)
            }
        });
        Self {
            prefix: Some(request.prefix.as_str()).filter(|prefix| !prefix.is_empty()),
            delimiter: request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
            owner: request.owner,
            token: place.token.as_deref(),
            after,
            after_id: place.after_id.as_deref(),
            page_size: request.page_size.map(|size| size.to_string()),
        }
    }

    fn starts_amid_key(&self) -> bool {
        self.after_id.is_some()
    }

    /// Goes back to before the key that it starts amid.
    fn start_before_key(&mut self) {
        self.after_id = None;
        self.after = self.after.take().and_then(|key| before(&key)).map(Cow::Owned);
    }

    /// The query, in the order of the names.
    fn query(&self, what: Listable) -> Vec<(&str, &str)> {
        let mut query = Vec::with_capacity(9);
        let mut put = |name, value| query.extend(Option::map(value, |value| (name, value)));
        let (delimiter, prefix) = (self.delimiter, self.prefix);
        let (after, size) = (self.after.as_deref(), self.page_size.as_deref());
        // XML cannot hold every character that a key can.
        let encoding = Some("url");
        match what {
            Listable::Objects => {
                put("continuation-token", self.token);
                put("delimiter", delimiter);
                put("encoding-type", encoding);
                put("fetch-owner", self.owner.then_some("true"));
                put("list-type", Some("2"));
                put("max-keys", size);
                put("prefix", prefix);
                put("start-after", after);
            }
            Listable::Versions => {
                put("delimiter", delimiter);
                put("encoding-type", encoding);
                put("key-marker", after);
                put("max-keys", size);
                put("prefix", prefix);
                put("version-id-marker", self.after_id);
                put("versions", Some(""));
            }
            Listable::Uploads => {
                put("delimiter", delimiter);
                put("encoding-type", encoding);
                put("key-marker", after);
                put("max-uploads", size);
                put("prefix", prefix);
                put("upload-id-marker", self.after_id);
                put("uploads", Some(""));
            }
        }
        query
    }
}

/// A key shortly before another one: hardly anything lies between.
fn before(key: &str) -> Option<String> {
    let mut start = key.chars();
    let last = start.next_back()?;
    let start = start.as_str();
    let before = match last {
        '\0' => return Some(start.to_owned()),
        '\u{e000}' => '\u{d7ff}',
        last => char::from_u32(u32::from(last) - 1).unwrap_or('\0'),
    };
    let key = format!("{start}{before}{LAST_CHARACTER}");
    // Too long for a key: a little earlier will do.
    Some(if key.len() <= LONGEST_KEY { key } else { start.to_owned() })
}

/// Puts the lines of an answer into their order, each once, without what the caller has seen,
/// and finds where the rest starts.
fn arranged(listing: Listing, request: &ListRequest, place: &Place) -> Result<Page, &'static str> {
    let Listing { mut lines, truncated, next_token, next_key, next_id } = listing;
    // Objects and groups come as two lists, versions and delete markers from some servers, too.
    let in_order = |one: &Listed, other: &Listed| {
        one.name < other.name || (one.name == other.name && !other.latest)
    };
    if !lines.is_sorted_by(in_order) {
        lines.sort_by(|one, other| {
            let older = |line: &Listed| (!line.latest, line.time.map(|time| -time));
            let order = one.name.cmp(&other.name);
            match request.what {
                Listable::Versions => order.then_with(|| older(one).cmp(&older(other))),
                _ => order,
            }
        });
    }
    // Lines of one name that differ are damage, and not hidden.
    lines.dedup();
    let next = if truncated {
        let next = next_of(lines.last(), request.what, next_token, next_key, next_id);
        let stays = |next: &Place| {
            (&next.token, &next.after, &next.after_id)
                == (&place.token, &place.after, &place.after_id)
        };
        if next.token.is_none() && next.after.is_none() {
            return Err("the server says that there is more, and does not say where");
        }
        if stays(&next) {
            return Err("the server names the place where it is as the next one");
        }
        Some(next)
    } else {
        None
    };
    if place.seen {
        leave_out(&mut lines, place);
    }
    Ok(Page { lines, next })
}

fn next_of(
    last: Option<&Listed>,
    what: Listable,
    token: Option<String>,
    key: Option<String>,
    id: Option<String>,
) -> Place {
    match (what, token, key, last) {
        (Listable::Objects, Some(token), ..) => Place { token: Some(token), ..Place::default() },
        (_, _, Some(key), _) => Place { after: Some(key), after_id: id, ..Place::default() },
        // Not every server says where to go on.
        (_, _, None, Some(last)) => Place {
            token: None,
            after: Some(last.name.clone()),
            after_id: last.id.clone(),
            after_group: last.line == Line::Prefix,
            seen: true,
        },
        (_, _, None, None) => Place::default(),
    }
}

/// Leaves out what comes before a place: not every server knows how to start in the middle.
fn leave_out(lines: &mut Vec<Listed>, place: &Place) {
    let Some(after) = &place.after else { return };
    if place.after_id.is_some() {
        let seen = |line: &Listed| line.name == *after && line.id == place.after_id;
        let count = lines.iter().position(seen).map_or(0, |last| last + 1);
        lines.drain(..count);
        lines.retain(|line| line.name >= *after || line.line == Line::Prefix);
    } else {
        // A group that begins before the place may hold keys behind it.
        let behind = |line: &Listed| line.name > *after;
        lines.retain(|line| behind(line) || (line.line == Line::Prefix && !place.after_group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: Line, name: &str, id: Option<&str>) -> Listed {
        Listed {
            line,
            name: name.into(),
            size: 0,
            time: None,
            etag: None,
            class: None,
            id: id.map(str::to_owned),
            latest: false,
            owner: None,
        }
    }

    fn names(page: &Page) -> Vec<&str> {
        page.lines.iter().map(|line| line.name.as_str()).collect()
    }

    #[test]
    fn lines_come_sorted_and_once() {
        let listing = Listing {
            lines: vec![
                line(Line::Object, "a", None),
                line(Line::Object, "c", None),
                line(Line::Object, "c", None),
                line(Line::Prefix, "b/", None),
            ],
            ..Listing::default()
        };
        let page = arranged(listing, &ListRequest::default(), &Place::default()).unwrap();
        assert_eq!(names(&page), ["a", "b/", "c"]);
        assert_eq!(page.next, None);
    }

    #[test]
    fn what_was_seen_is_left_out() {
        let lines = || {
            vec![
                line(Line::Object, "a", None),
                line(Line::Prefix, "b/", None),
                line(Line::Object, "c", None),
                line(Line::Object, "d", None),
            ]
        };
        let place = |after: &str, after_group| Place {
            after: Some(after.into()),
            after_group,
            seen: true,
            ..Place::default()
        };
        for (place, left) in [
            (place("c", false), &["b/", "d"][..]),
            (place("b/1", false), &["b/", "c", "d"]),
            (place("b/", true), &["c", "d"]),
            (Place { after: Some("c".into()), ..Place::default() }, &["a", "b/", "c", "d"]),
        ] {
            let listing = Listing { lines: lines(), ..Listing::default() };
            let page = arranged(listing, &ListRequest::default(), &place).unwrap();
            assert_eq!(names(&page), left, "{place:?}");
        }
        let versions = vec![
            line(Line::Version, "a", Some("9")),
            line(Line::Version, "k", Some("3")),
            line(Line::DeleteMarker, "k", Some("2")),
            line(Line::Version, "k", Some("1")),
        ];
        let place = Place { after_id: Some("2".into()), ..place("k", false) };
        let listing = Listing { lines: versions, ..Listing::default() };
        let request = ListRequest { what: Listable::Versions, ..ListRequest::default() };
        let page = arranged(listing, &request, &place).unwrap();
        assert_eq!(page.lines, [line(Line::Version, "k", Some("1"))]);
    }

    #[test]
    fn the_rest_starts_where_the_server_says_or_behind_the_last_line() {
        let more = |token: Option<&str>, lines| Listing {
            lines,
            truncated: true,
            next_token: token.map(str::to_owned),
            ..Listing::default()
        };
        let request = ListRequest::default();
        let start = Place::default();
        let page = arranged(more(Some("t"), vec![]), &request, &start).unwrap();
        let at_token = page.next.unwrap();
        assert_eq!(at_token.token.as_deref(), Some("t"));
        assert!(arranged(more(Some("t"), vec![]), &request, &at_token).is_err());
        let page = arranged(more(None, vec![line(Line::Prefix, "p/", None)]), &request, &start);
        let next = page.unwrap().next.unwrap();
        assert!(next.after_group && next.seen && next.after.as_deref() == Some("p/"));
        assert!(arranged(more(None, vec![]), &request, &start).is_err());
        let again = more(None, vec![line(Line::Prefix, "p/", None)]);
        assert!(arranged(again, &request, &next).is_err());
    }

    #[test]
    fn groups_are_passed_over_whole() {
        let request = ListRequest { prefix: "p".into(), ..ListRequest::default() };
        let place = Place { after: Some("p/".into()), after_group: true, ..Place::default() };
        let asked = Asked::of(&request, &place);
        let query = asked.query(Listable::Objects);
        assert!(query.contains(&("start-after", "p/\u{10ffff}")), "{query:?}");
        let long = "p".repeat(LONGEST_KEY);
        let place = Place { after: Some(long.clone()), ..place };
        assert_eq!(Asked::of(&request, &place).after.as_deref(), Some(&*long));
    }

    #[test]
    fn a_key_shortly_before_another_is_found() {
        for key in ["a", "p/c", "\u{e000}", "x\0", "\u{10ffff}", &"k".repeat(LONGEST_KEY)] {
            let found = before(key).unwrap();
            assert!(*found < *key && found.len() <= LONGEST_KEY, "{key:?}: {found:?}");
        }
        assert_eq!(before(""), None);
    }

    #[test]
    fn queries_are_sorted() {
        let request = ListRequest {
            prefix: "p".into(),
            delimiter: Some("/".into()),
            owner: true,
            page_size: Some(3),
            ..ListRequest::default()
        };
        for what in [Listable::Objects, Listable::Versions, Listable::Uploads] {
            let place =
                Place { after: Some("a".into()), after_id: Some("i".into()), ..Place::default() };
            let asked = Asked::of(&request, &place);
            let query = asked.query(what);
            assert!(query.is_sorted() && query.len() >= 7, "{query:?}");
        }
    }
}
