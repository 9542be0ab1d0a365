//! A bucket as a test told it: its objects, the faults that are still to come, and what was asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

use crate::answer::{Answer, Body};
use crate::content::Content;
use crate::listing::Listing;
use crate::request::Request;
use crate::script::{BucketSpec, Fault, ObjectSpec, On, What};
use crate::store::{Source, Store, StoreReport, xml};
use crate::writing::Received;

/// How many requests of a key are kept, unless the test says otherwise.
const KEPT_REQUESTS: usize = 1000;

/// A bucket.
pub struct Bucket {
    name: String,
    objects: BTreeMap<String, ObjectSpec>,
    any: Option<ObjectSpec>,
    kept: usize,
    /// How many answers are under way.
    pub busy: AtomicU64,
    state: Mutex<State>,
}

struct State {
    listing: Option<Listing>,
    versions_listed: Option<Listing>,
    store: Store,
    faults: Vec<Active>,
    versions: HashMap<String, Version>,
    /// The named objects' newest versions. What `any` stands for is made for each request.
    made: HashMap<String, Arc<Object>>,
    counts: BTreeMap<String, Counts>,
    kinds: BTreeMap<On, u64>,
    connections: u64,
}

struct Active {
    fault: Arc<Fault>,
    seen: u64,
    fired: u64,
}

#[derive(Clone, Copy, Default)]
struct Version {
    number: u32,
    ignores_if_match: bool,
}

/// One version of an object.
pub struct Object {
    pub content: Content,
    etag: String,
    spec: ObjectSpec,
    checksums: OnceLock<Vec<(String, String)>>,
}

/// What was asked about one key; listings count under the empty one.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    requests: u64,
    gets: u64,
    heads: u64,
    lists: u64,
    /// Connections that are open and asked for this last.
    open: u64,
    /// The first requests, in the order in which they came.
    asked: Vec<Asked>,
}

#[derive(Clone, Debug, Serialize)]
struct Asked {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
}

/// What a test is told of a bucket.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Connections that ever asked for something in it.
    connections: u64,
    /// Those that are open and asked for something in it last.
    open: u64,
    /// Answers that are under way.
    busy: u64,
    requests: u64,
    /// How often each fault happened, in the order of the script.
    fired: Vec<u64>,
    keys: BTreeMap<String, Counts>,
    /// How many requests of each kind came.
    kinds: BTreeMap<On, u64>,
    #[serde(flatten)]
    store: StoreReport,
}

impl Bucket {
    /// A bucket that nobody asked yet.
    pub fn new(name: String, spec: BucketSpec) -> Self {
        let state = State {
            listing: spec.listing.map(Listing::new),
            versions_listed: spec.versions.map(Listing::new),
            store: Store::new(spec.discard, spec.opaque, spec.expected),
            faults: Vec::new(),
            versions: HashMap::new(),
            made: HashMap::new(),
            counts: BTreeMap::new(),
            kinds: BTreeMap::new(),
            connections: 0,
        };
        let kept = spec.log.unwrap_or(KEPT_REQUESTS);
        let (objects, any, busy) = (spec.objects, spec.any, AtomicU64::new(0));
        let bucket = Self { name, objects, any, kept, busy, state: Mutex::new(state) };
        bucket.add_faults(spec.faults);
        bucket
    }

    /// Adds faults behind those that are known.
    pub fn add_faults(&self, faults: Vec<Fault>) {
        let active = |fault| Active { fault: Arc::new(fault), seen: 0, fired: 0 };
        self.state().faults.extend(faults.into_iter().map(active));
    }

    /// What was asked so far.
    pub fn report(&self) -> Report {
        let state = self.state();
        Report {
            connections: state.connections,
            busy: self.busy.load(Ordering::Relaxed),
            open: state.counts.values().map(|counts| counts.open).sum(),
            requests: state.counts.values().map(|counts| counts.requests).sum(),
            fired: state.faults.iter().map(|active| active.fired).collect(),
            keys: state.counts.clone(),
            kinds: state.kinds.clone(),
            store: state.store.report(),
        }
    }

    /// A connection asks for this key now.
    pub fn joined(&self, key: &str, new: bool) {
        let mut state = self.state();
        state.connections += u64::from(new);
        state.counts.entry(key.to_owned()).or_default().open += 1;
    }

    /// A connection ended, or asks for something else.
    pub fn left(&self, key: &str) {
        if let Some(counts) = self.state().counts.get_mut(key) {
            counts.open -= 1;
        }
    }

    /// Answers a request, with what goes wrong with it.
    pub fn answer(&self, request: &Request) -> Answer {
        let mut state = self.state();
        self.count(&mut state, request);
        let answer = match &*request.method {
            "GET" if !request.key.is_empty() && request.has_query("uploadId") => {
                let fault = state.fires(&Aim::of(On::Parts, request));
                let answer = state.store.parts(request);
                match fault {
                    None => answer,
                    Some(fault) => answer.spoiled(&fault, None),
                }
            }
            "GET" | "HEAD" if !request.key.is_empty() => self.of_object(state, request),
            "GET" if request.query("list-type").as_deref() == Some("2") => {
                self.of_listing(&mut state, request)
            }
            "GET" if request.has_query("versions") => self.of_versions(&mut state, request),
            "GET" if request.has_query("uploads") => of_uploads(&mut state, request),
            "HEAD" => Answer::new(200).header("x-amz-bucket-region", "us-east-1"),
            _ => Answer::error(501, "NotImplemented"),
        };
        if request.method == "HEAD" { answer.without_body() } else { answer }
    }

    /// Counts a request that writes, and tells what goes wrong with it.
    pub fn struck(&self, request: &Request, on: On) -> Option<Arc<Fault>> {
        let mut state = self.state();
        self.count(&mut state, request);
        state.fires(&Aim::of(on, request))
    }

    /// Does what a request asks for.
    pub fn write(
        &self,
        request: &Request,
        on: On,
        body: Received,
        source: Option<Source>,
        fault: Option<&What>,
    ) -> Answer {
        let known = self.object(&request.key);
        let etag = known.as_ref().map(|object| object.etag());
        let mut state = self.state();
        let store = &mut state.store;
        match on {
            On::Put => store.put(request, body, etag),
            On::Copy => store.copy(request, source, etag),
            On::Create => store.create(request, &self.name),
            On::Part => store.part(request, body),
            On::CopyPart => store.copy_part(request, source),
            On::Complete => store.complete(request, &body.bytes, etag),
            On::Abort => store.abort(request),
            On::Delete => store.delete(request),
            On::DeleteMany => store.delete_many(&body.bytes, fault),
            _ => Answer::error(501, "NotImplemented"),
        }
    }

    /// Whether what is written is forgotten.
    pub fn discards(&self) -> bool {
        self.state().store.discards()
    }

    /// The newest version of an object, if there is one.
    pub fn object(&self, key: &str) -> Option<Arc<Object>> {
        let state = self.state();
        match state.store.find(key) {
            Ok(Some(object)) => return Some(object),
            Ok(None) => {}
            Err(()) => return None,
        }
        let spec = self.objects.get(key).map(|spec| (spec, ""));
        let (spec, own) = spec.or(self.any.as_ref().map(|spec| (spec, key)))?;
        let version = state.versions.get(key).copied().unwrap_or_default();
        Some(Arc::new(Object::new(spec, own, version.number)))
    }

    fn count(&self, state: &mut State, request: &Request) {
        if let Some(on) = request.on() {
            *state.kinds.entry(on).or_default() += 1;
        }
        let counts = state.counts.entry(request.key.clone()).or_default();
        counts.requests += 1;
        match &*request.method {
            "HEAD" => counts.heads += 1,
            "GET" if request.key.is_empty() => counts.lists += 1,
            "GET" => counts.gets += 1,
            _ => {}
        }
        if counts.asked.len() < self.kept {
            counts.asked.push(Asked {
                method: request.method.clone(),
                target: request.target.clone(),
                headers: request.headers.iter().cloned().collect(),
            });
        }
    }

    fn of_listing(&self, state: &mut State, request: &Request) -> Answer {
        let Some(listing) = &mut state.listing else {
            return Answer::error(404, "NoSuchBucket");
        };
        let Some(place) = listing.place(request) else {
            return Answer::error(501, "NotImplemented");
        };
        let encoded = request.query("encoding-type").as_deref() == Some("url");
        let page = listing.page(&self.name, place, encoded);
        let (start, end, whole) = (place.start as u64, place.end as u64, place.whole as u64);
        let fault =
            state.fires(&Aim { on: On::List, key: "", asked: (start, end), whole, number: None });
        let answer =
            Answer::new(200).header("Content-Type", "application/xml").with(Body::Bytes(page));
        match fault {
            None => answer,
            Some(fault) => answer.spoiled(&fault, None),
        }
    }

    fn of_versions(&self, state: &mut State, request: &Request) -> Answer {
        let Some(listing) = &mut state.versions_listed else {
            return Answer::error(404, "NoSuchBucket");
        };
        let place = listing.place_of_versions(request);
        let page = listing.page_of_versions(&self.name, place);
        let (asked, whole) = ((place.start as u64, place.end as u64), place.whole as u64);
        let fault = state.fires(&Aim { on: On::Versions, key: "", asked, whole, number: None });
        match fault {
            None => xml(&page),
            Some(fault) => xml(&page).spoiled(&fault, None),
        }
    }

    fn of_object(&self, mut state: MutexGuard<'_, State>, request: &Request) -> Answer {
        let key = &request.key;
        let written = match state.store.find(key) {
            Ok(written) => written,
            Err(()) => return Answer::error(404, "NoSuchKey"),
        };
        let (spec, named) = match (&written, self.objects.get(key)) {
            (Some(written), _) => (&written.spec, true),
            (None, Some(spec)) => (spec, true),
            (None, None) => match &self.any {
                Some(spec) => (spec, false),
                None => return Answer::error(404, "NoSuchKey"),
            },
        };
        let size = spec.size;
        let part = request.query("partNumber").and_then(|text| text.parse::<u64>().ok());
        let range = match part {
            Some(number) => part_range(spec, number).map(Some),
            None => request.range(size),
        };
        let on = if request.method == "HEAD" { On::Head } else { On::Get };
        let asked = range.unwrap_or_default().unwrap_or((0, size));
        let fault = state.fires(&Aim { on, key, asked, whole: size, number: None });
        if let Some(What::Change { honour }) = fault.as_ref().map(|fault| &fault.what) {
            let version = state.versions.entry(key.clone()).or_default();
            version.number += 1;
            version.ignores_if_match = !honour;
            state.made.remove(key);
        }
        let version = state.versions.get(key).copied().unwrap_or_default();
        let object = match (&written, state.made.get(key)) {
            (Some(object), _) | (None, Some(object)) => Arc::clone(object),
            (None, None) => {
                Arc::new(Object::new(spec, if named { "" } else { key }, version.number))
            }
        };
        if named && written.is_none() {
            state.made.insert(key.clone(), Arc::clone(&object));
        }
        drop(state);

        let wanted = request.header("if-match");
        let other = wanted.is_some_and(|tag| tag != "*" && tag != object.etag);
        let answer = match range {
            _ if other && !version.ignores_if_match => Answer::error(412, "PreconditionFailed"),
            Err(()) => Answer::error(416, "InvalidRange")
                .header("Content-Range", format!("bytes */{size}")),
            Ok(range) => {
                let answer = object.answer(request, range);
                match spec.part_size.filter(|_| part.is_some()) {
                    Some(bytes) => {
                        answer.header("x-amz-mp-parts-count", size.div_ceil(bytes).to_string())
                    }
                    None => answer,
                }
            }
        };
        let answer = answer.with_object(object, asked);
        match fault {
            None => answer,
            Some(fault) => answer.spoiled(&fault, Some(asked)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn part_range(spec: &ObjectSpec, number: u64) -> Result<(u64, u64), ()> {
    let bytes = spec.part_size.unwrap_or(spec.size).max(1);
    let start = number.checked_sub(1).ok_or(())?.checked_mul(bytes).ok_or(())?;
    if start >= spec.size { Err(()) } else { Ok((start, spec.size.min(start + bytes))) }
}

impl State {
    /// The first fault that is for this request, and now.
    fn fires(&mut self, aim: &Aim<'_>) -> Option<Arc<Fault>> {
        let &Aim { on, key, asked, whole, number } = aim;
        for active in &mut self.faults {
            let fault = &active.fault;
            let meant = fault.on.means(on)
                && fault.key.as_ref().is_none_or(|known| known == key)
                && fault.at.is_none_or(|at| (asked.0..asked.1).contains(&at))
                && fault.part.is_none_or(|part| part.fits(asked.0, asked.1, whole))
                && fault.number.is_none_or(|wanted| number == Some(wanted));
            if !meant {
                continue;
            }
            active.seen += 1;
            if active.seen <= fault.skip || fault.times.is_some_and(|times| active.fired >= times) {
                continue;
            }
            active.fired += 1;
            return Some(Arc::clone(fault));
        }
        None
    }
}

/// What a fault may be for.
struct Aim<'a> {
    on: On,
    key: &'a str,
    asked: (u64, u64),
    whole: u64,
    number: Option<u64>,
}

impl<'a> Aim<'a> {
    /// A request that has neither a range nor a page.
    fn of(on: On, request: &'a Request) -> Self {
        Self { on, key: &request.key, asked: (0, 0), whole: 0, number: request.number() }
    }
}

fn of_uploads(state: &mut State, request: &Request) -> Answer {
    let (page, start, end, whole) = state.store.uploads(request);
    let asked = (start as u64, end as u64);
    let aim = Aim { on: On::Uploads, key: "", asked, whole: whole as u64, number: None };
    match state.fires(&aim) {
        None => xml(&page),
        Some(fault) => xml(&page).spoiled(&fault, None),
    }
}

impl Object {
    fn new(spec: &ObjectSpec, key: &str, version: u32) -> Self {
        let seed = spec.seed.map(|seed| seed ^ hashed(key) ^ version.wrapping_mul(0x9e37_79b9));
        let content = ObjectSpec { seed, ..spec.clone() }.content();
        let etag = format!("\"{:08x}{:016x}{version:08x}\"", seed.unwrap_or(0), spec.size);
        Self { content, etag, spec: spec.clone(), checksums: OnceLock::new() }
    }

    /// What a client wrote.
    pub fn written(
        content: Content,
        etag: String,
        headers: BTreeMap<String, String>,
        checksums: Vec<(String, String)>,
    ) -> Self {
        let spec = ObjectSpec {
            size: content.size,
            seed: None,
            checksums: Vec::new(),
            headers: headers.into_iter().collect(),
            part_size: None,
        };
        Self { content, etag, spec, checksums: OnceLock::from(checksums) }
    }

    /// Its ETag, in quotes.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    fn answer(&self, request: &Request, range: Option<(u64, u64)>) -> Answer {
        let mut answer = Answer::new(if range.is_some() { 206 } else { 200 })
            .header("Accept-Ranges", "bytes")
            .header("ETag", self.etag.as_str())
            .header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT");
        if !self.spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            answer = answer.header("Content-Type", "application/octet-stream");
        }
        for (name, value) in &self.spec.headers {
            answer = answer.header(name, value.as_str());
        }
        if let Some((start, end)) = range {
            let value = format!("bytes {start}-{}/{}", end - 1, self.content.size);
            answer = answer.header("Content-Range", value);
        } else if request.header("x-amz-checksum-mode").is_some() {
            for (name, value) in self.checksums() {
                answer = answer.header(name, value.as_str());
            }
        }
        let (start, end) = range.unwrap_or((0, self.content.size));
        answer.with(Body::Object { object: None, start, end })
    }

    fn checksums(&self) -> &[(String, String)] {
        self.checksums.get_or_init(|| {
            let mut headers = Vec::new();
            for spec in &self.spec.checksums {
                let (value, kind) = spec.of(&self.content);
                headers.push((spec.algorithm.header().to_owned(), value));
                headers.push(("x-amz-checksum-type".to_owned(), kind.to_owned()));
            }
            headers
        })
    }
}

/// FNV-1a, so that each key of `any` has bytes of its own. Nothing for no key.
fn hashed(key: &str) -> u32 {
    if key.is_empty() {
        return 0;
    }
    key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
