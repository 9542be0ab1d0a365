//! What clients wrote into a bucket, and the uploads that are under way.
//!
//! Every checksum that comes with a body is compared with the body, as S3 does. What a test expects
//! to be written is compared when it is: byte by byte.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use md5::{Digest as _, Md5};
use serde::Serialize;

use crate::answer::{Answer, Body};
use crate::bucket::Object;
use crate::checksum::{ALGORITHMS, Algorithm};
use crate::content::Content;
use crate::request::{Request, decoded};
use crate::script::{ObjectSpec, What};
use crate::writing::Received;
use crate::xml::{between, document, escaped};

/// What was written.
#[derive(Default)]
pub struct Store {
    discard: bool,
    opaque: bool,
    expected: BTreeMap<String, ObjectSpec>,
    objects: BTreeMap<String, (Arc<Object>, Written)>,
    deleted: BTreeSet<String>,
    uploads: BTreeMap<String, Upload>,
    aborted: Vec<String>,
    refused: u64,
    next: u64,
}

/// What a test is told of an object that was written.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    size: u64,
    etag: String,
    /// How many parts it came in; none for one request.
    parts: usize,
    /// Whether its bytes are those that the test expects; unknown where it expects none.
    as_expected: Option<bool>,
    /// The checksums that came with it, by header.
    checksums: BTreeMap<String, String>,
    /// The headers that made it.
    headers: BTreeMap<String, String>,
}

/// What a test is told of all that.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreReport {
    written: BTreeMap<String, Written>,
    /// Uploads that are under way.
    uploads: Vec<UploadReport>,
    /// The keys of the uploads that were aborted.
    aborted: Vec<String>,
    deleted: Vec<String>,
    /// How many bodies were refused, as their checksum was another.
    refused: u64,
}

#[derive(Debug, Serialize)]
struct UploadReport {
    key: String,
    id: String,
    parts: Vec<u64>,
}

struct Upload {
    key: String,
    headers: BTreeMap<String, String>,
    algorithm: Algorithm,
    composite: bool,
    parts: BTreeMap<u64, Part>,
}

struct Part {
    content: Content,
    size: u64,
    etag: String,
    checksums: Vec<(Algorithm, String)>,
}

/// What is copied: an object, or a range of it.
pub struct Source {
    pub object: Arc<Object>,
    pub range: Option<(u64, u64)>,
}

impl Store {
    pub fn new(discard: bool, opaque: bool, expected: BTreeMap<String, ObjectSpec>) -> Self {
        Self { discard, opaque, expected, ..Self::default() }
    }

    /// Whether what is written is forgotten.
    pub fn discards(&self) -> bool {
        self.discard
    }

    /// The object that was written under a key. `Err` when it was deleted.
    pub fn find(&self, key: &str) -> Result<Option<Arc<Object>>, ()> {
        match self.objects.get(key) {
            Some((object, _)) => Ok(Some(Arc::clone(object))),
            None if self.deleted.contains(key) => Err(()),
            None => Ok(None),
        }
    }

    pub fn report(&self) -> StoreReport {
        let upload = |(id, upload): (&String, &Upload)| UploadReport {
            key: upload.key.clone(),
            id: id.clone(),
            parts: upload.parts.keys().copied().collect(),
        };
        StoreReport {
            written: self.objects.iter().map(|(key, (_, of))| (key.clone(), of.clone())).collect(),
            uploads: self.uploads.iter().map(upload).collect(),
            aborted: self.aborted.clone(),
            deleted: self.deleted.iter().cloned().collect(),
            refused: self.refused,
        }
    }

    /// PUT of an object in one request.
    pub fn put(&mut self, request: &Request, body: Received, known: Option<&str>) -> Answer {
        if let Some(answer) = condition(request, known) {
            return answer;
        }
        let checksums = match self.checked(request, &body) {
            Ok(checksums) => checksums,
            Err(answer) => return *answer,
        };
        let (size, content) = (body.size, content(body));
        let headers = kept_headers(request);
        let etag = self.store(&request.key, size, content, None, headers, checksums.clone(), false);
        let answer = Answer::new(200).header("ETag", etag);
        told(answer, &checksums, "FULL_OBJECT")
    }

    /// A copy in one request.
    pub fn copy(
        &mut self,
        request: &Request,
        source: Option<Source>,
        known: Option<&str>,
    ) -> Answer {
        let Some(source) = source else { return Answer::error(404, "NoSuchKey") };
        if let Some(answer) = source.refuses(request).or_else(|| condition(request, known)) {
            return answer;
        }
        let content = source.object.content.clone();
        let checksums = vec![self.own_checksum(&content)];
        let headers = kept_headers(request);
        let etag = self.store(&request.key, content.size, content, None, headers, checksums, false);
        xml(&format!(
            "<CopyObjectResult><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
             <ETag>{}</ETag></CopyObjectResult>",
            escaped(&etag)
        ))
    }

    /// The start of an upload in parts.
    pub fn create(&mut self, request: &Request, bucket: &str) -> Answer {
        self.next += 1;
        let id = format!("upload-{}", self.next);
        let named = request.header("x-amz-checksum-algorithm").and_then(Algorithm::named);
        let kind = request.header("x-amz-checksum-type");
        let algorithm = named.unwrap_or(Algorithm::Crc64nvme);
        let composite = kind.map_or(algorithm != Algorithm::Crc64nvme, |kind| kind == "COMPOSITE");
        let upload = Upload {
            key: request.key.clone(),
            headers: kept_headers(request),
            algorithm,
            composite,
            parts: BTreeMap::new(),
        };
        self.uploads.insert(id.clone(), upload);
        xml(&format!(
            "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key>\
             <UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
            escaped(&request.key)
        ))
    }

    /// A part of an upload.
    pub fn part(&mut self, request: &Request, body: Received) -> Answer {
        if self.upload(request).is_none() {
            return Answer::error(404, "NoSuchUpload");
        }
        let checksums = match self.checked(request, &body) {
            Ok(checksums) => checksums,
            Err(answer) => return *answer,
        };
        let size = body.size;
        match self.add_part(request, size, content(body), checksums.clone()) {
            Ok(etag) => {
                let answer = Answer::new(200).header("ETag", etag);
                checksums.iter().fold(answer, |answer, (algorithm, text)| {
                    answer.header(algorithm.header(), text.as_str())
                })
            }
            Err(answer) => *answer,
        }
    }

    /// A part of an upload that is copied.
    pub fn copy_part(&mut self, request: &Request, source: Option<Source>) -> Answer {
        let Some(source) = source else { return Answer::error(404, "NoSuchKey") };
        if let Some(answer) = source.refuses(request) {
            return answer;
        }
        let whole = source.object.content.size;
        let (start, end) = source.range.unwrap_or((0, whole));
        if start >= end || end > whole {
            return Answer::error(400, "InvalidArgument");
        }
        let content = if self.discard {
            Content::zeros(end - start)
        } else {
            let mut bytes = Vec::new();
            source.object.content.append(start, (end - start) as usize, &mut bytes);
            Content::written(bytes.into())
        };
        let checksums = vec![self.own_checksum(&content)];
        match self.add_part(request, end - start, content, checksums) {
            Ok(etag) => xml(&format!(
                "<CopyPartResult><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
                 <ETag>{}</ETag></CopyPartResult>",
                escaped(&etag)
            )),
            Err(answer) => *answer,
        }
    }

    /// The end of an upload, which makes the object.
    pub fn complete(&mut self, request: &Request, body: &[u8], known: Option<&str>) -> Answer {
        if self.upload(request).is_none() {
            return Answer::error(404, "NoSuchUpload");
        }
        if let Some(answer) = condition(request, known) {
            return answer;
        }
        let id = request.query("uploadId").unwrap_or_default().into_owned();
        let Some(upload) = self.uploads.get(&id) else {
            return Answer::error(404, "NoSuchUpload");
        };
        let text = String::from_utf8_lossy(body);
        let mut numbers = Vec::new();
        for element in text.split("<Part>").skip(1) {
            let number = between(element, "PartNumber").and_then(|text| text.parse::<u64>().ok());
            let part = number.and_then(|number| Some((number, upload.parts.get(&number)?)));
            let Some((number, part)) = part else { return Answer::error(400, "InvalidPart") };
            let etag = between(element, "ETag").unwrap_or_default();
            let same = |(algorithm, sum): &(Algorithm, String)| {
                between(element, algorithm.element()).is_none_or(|told| told == *sum)
            };
            if etag.trim_matches('"') != part.etag.trim_matches('"')
                || !part.checksums.iter().all(same)
            {
                return Answer::error(400, "InvalidPart");
            }
            if numbers.last().is_some_and(|last| *last >= number) {
                return Answer::error(400, "InvalidPartOrder");
            }
            numbers.push(number);
        }
        if numbers.is_empty() {
            return Answer::error(400, "MalformedXML");
        }
        let parts: Vec<_> = numbers.iter().filter_map(|number| upload.parts.get(number)).collect();
        let size = parts.iter().map(|part| part.size).sum::<u64>();
        let told_size = request.header("x-amz-mp-object-size").and_then(|text| text.parse().ok());
        if told_size.is_some_and(|told: u64| told != size) {
            return Answer::error(400, "InvalidRequest");
        }
        let algorithm = upload.algorithm;
        let digests: Vec<u8> = parts.iter().flat_map(|part| digest_in(&part.etag)).collect();
        let content = if self.discard {
            Content::zeros(size)
        } else {
            let mut whole = Vec::with_capacity(size as usize);
            for part in &parts {
                part.content.append(0, part.size as usize, &mut whole);
            }
            Content::written(whole.into())
        };
        let checksum = match (self.discard, upload.composite) {
            (true, _) => request.header(algorithm.header()).unwrap_or_default().to_owned(),
            (false, false) => algorithm.text_of(&content),
            (false, true) => {
                let sum = |part: &&Part| algorithm.of(&part.content, 0, part.size);
                algorithm.composite(&parts.iter().map(sum).collect::<Vec<_>>())
            }
        };
        let said = request.header(algorithm.header());
        if said.is_some_and(|said| said != checksum) {
            self.refused += 1;
            return Answer::error(400, "BadDigest");
        }
        let kind = if upload.composite { "COMPOSITE" } else { "FULL_OBJECT" };
        let (headers, key, composite) =
            (upload.headers.clone(), upload.key.clone(), upload.composite);
        self.uploads.remove(&id);
        let sums = vec![(algorithm, checksum.clone())];
        let etag = self.store(&key, size, content, Some(digests), headers, sums, composite);
        xml(&format!(
            "<CompleteMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag>\
             <{element}>{checksum}</{element}><ChecksumType>{kind}</ChecksumType>\
             </CompleteMultipartUploadResult>",
            request.bucket,
            escaped(&key),
            escaped(&etag),
            element = algorithm.element(),
        ))
    }

    /// The end of an upload that makes nothing.
    pub fn abort(&mut self, request: &Request) -> Answer {
        if self.upload(request).is_none() {
            return Answer::error(404, "NoSuchUpload");
        }
        let id = request.query("uploadId").unwrap_or_default().into_owned();
        self.uploads.remove(&id);
        self.aborted.push(request.key.clone());
        Answer::new(204)
    }

    /// DELETE of an object.
    pub fn delete(&mut self, request: &Request) -> Answer {
        self.forget(&request.key);
        Answer::new(204)
    }

    /// DELETE of many.
    pub fn delete_many(&mut self, body: &[u8], fault: Option<&What>) -> Answer {
        let text = String::from_utf8_lossy(body);
        let quiet = between(&text, "Quiet").is_some_and(|text| text == "true");
        let mut entries = String::new();
        for element in text.split("<Object>").skip(1) {
            let Some(key) = between(element, "Key") else { continue };
            match fault {
                Some(What::Refuse { text, code }) if key.contains(text.as_str()) => {
                    let code = code.as_deref().unwrap_or("AccessDenied");
                    entries += &format!(
                        "<Error><Key>{}</Key><Code>{code}</Code><Message>scripted</Message></Error>",
                        escaped(&key)
                    );
                }
                _ => {
                    self.forget(&key);
                    if !quiet {
                        entries += &format!("<Deleted><Key>{}</Key></Deleted>", escaped(&key));
                    }
                }
            }
        }
        xml(&format!("<DeleteResult>{entries}</DeleteResult>"))
    }

    /// The uploads under way, by pages, and which entries the page has.
    pub fn uploads(&self, request: &Request) -> (String, usize, usize, usize) {
        let prefix = request.query("prefix").unwrap_or_default();
        let mut all: Vec<_> = self
            .uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(&*prefix))
            .map(|(id, upload)| (upload.key.as_str(), id.as_str()))
            .collect();
        all.sort_unstable();
        let key = request.query("key-marker").unwrap_or_default();
        let id = request.query("upload-id-marker").unwrap_or_default();
        let start = if id.is_empty() {
            all.partition_point(|(one, _)| *one <= &*key && !key.is_empty())
        } else {
            all.partition_point(|(one, its)| (*one, *its) <= (&*key, &*id))
        };
        let most = request.query("max-uploads").and_then(|text| text.parse().ok());
        let end = (start + most.unwrap_or(1000)).min(all.len());
        let mut page = String::new();
        for (key, id) in &all[start..end] {
            page += &format!(
                "<Upload><Key>{}</Key><UploadId>{id}</UploadId>\
                 <Initiated>2026-01-02T03:04:05.000Z</Initiated>\
                 <StorageClass>STANDARD</StorageClass></Upload>",
                escaped(key)
            );
        }
        let more = end < all.len();
        if more {
            let (key, id) = all[end - 1];
            page += &format!(
                "<NextKeyMarker>{}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>",
                escaped(key)
            );
        }
        let body = format!(
            "<ListMultipartUploadsResult><Bucket>{}</Bucket>\
             <IsTruncated>{more}</IsTruncated>{page}</ListMultipartUploadsResult>",
            request.bucket
        );
        (body, start, end, all.len())
    }

    /// The parts of an upload, on one page.
    pub fn parts(&self, request: &Request) -> Answer {
        let Some(upload) = self.upload(request) else {
            return Answer::error(404, "NoSuchUpload");
        };
        let mut page = String::new();
        for (number, part) in &upload.parts {
            page += &format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag><Size>{}</Size>\
                 <LastModified>2026-01-02T03:04:05.000Z</LastModified></Part>",
                escaped(&part.etag),
                part.size
            );
        }
        xml(&format!(
            "<ListPartsResult><Bucket>{}</Bucket><Key>{}</Key>\
             <IsTruncated>false</IsTruncated>{page}</ListPartsResult>",
            request.bucket,
            escaped(&upload.key)
        ))
    }

    fn upload(&self, request: &Request) -> Option<&Upload> {
        let id = request.query("uploadId")?;
        self.uploads.get(&*id).filter(|upload| upload.key == request.key)
    }

    fn add_part(
        &mut self,
        request: &Request,
        size: u64,
        content: Content,
        checksums: Vec<(Algorithm, String)>,
    ) -> Result<String, Box<Answer>> {
        let number = request.number().filter(|number| (1..=10_000).contains(number));
        let number = number.ok_or_else(|| Box::new(Answer::error(400, "InvalidArgument")))?;
        let etag = format!("\"{}\"", self.digest(&content));
        let id = request.query("uploadId").unwrap_or_default();
        let upload = self.uploads.get_mut(&*id);
        let upload = upload.ok_or_else(|| Box::new(Answer::error(404, "NoSuchUpload")))?;
        let part = Part { content, size, etag: etag.clone(), checksums };
        upload.parts.insert(number, part);
        Ok(etag)
    }

    #[expect(clippy::too_many_arguments, reason = "all that an object is made of")]
    fn store(
        &mut self,
        key: &str,
        size: u64,
        content: Content,
        digests: Option<Vec<u8>>,
        headers: BTreeMap<String, String>,
        checksums: Vec<(Algorithm, String)>,
        composite: bool,
    ) -> String {
        let parts = digests.as_ref().map_or(0, |digests| digests.len() / 16);
        let etag = match digests {
            None => format!("\"{}\"", self.digest(&content)),
            Some(digests) => {
                let all = Content::written(digests.into());
                format!("\"{}-{parts}\"", self.digest(&all))
            }
        };
        let as_expected = self.expected.get(key).filter(|_| !self.discard).map(|spec| {
            let expected = spec.content();
            expected.size == content.size && same(&expected, &content)
        });
        let told =
            |(algorithm, text): &(Algorithm, String)| (algorithm.header().to_owned(), text.clone());
        let written = Written {
            size,
            etag: etag.clone(),
            parts,
            as_expected,
            checksums: checksums.iter().map(told).collect(),
            headers: headers.clone(),
        };
        let kind = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
        let mut shown: Vec<_> = checksums.iter().map(told).collect();
        shown.push(("x-amz-checksum-type".to_owned(), kind.to_owned()));
        let object = Object::written(content, etag.clone(), headers, shown);
        self.deleted.remove(key);
        self.objects.insert(key.to_owned(), (Arc::new(object), written));
        etag
    }

    /// The MD5 as ETags have it; a number where nothing is kept, or ETags tell nothing.
    fn digest(&mut self, content: &Content) -> String {
        self.next += 1;
        if self.discard || self.opaque {
            return format!("{:032x}", self.next);
        }
        let mut digest = Md5::new();
        let mut at = 0;
        let mut room = Vec::new();
        while at < content.size {
            let length = PIECE.min(content.size - at) as usize;
            room.clear();
            content.append(at, length, &mut room);
            digest.update(&room);
            at += length as u64;
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn forget(&mut self, key: &str) {
        self.objects.remove(key);
        self.deleted.insert(key.to_owned());
    }

    /// The checksums that came with a body, in its head or behind it; S3's own if none did.
    fn checked(
        &mut self,
        request: &Request,
        body: &Received,
    ) -> Result<Vec<(Algorithm, String)>, Box<Answer>> {
        let mut sums = Vec::new();
        for algorithm in ALGORITHMS {
            let header = algorithm.header();
            let trailer = body.trailers.iter().find(|(name, _)| name == header);
            let told = request.header(header).or(trailer.map(|(_, value)| value.as_str()));
            let Some(told) = told else { continue };
            if !self.discard {
                let content = Content::written(body.bytes.as_slice().into());
                if algorithm.text_of(&content) != told {
                    self.refused += 1;
                    return Err(Box::new(Answer::error(400, "BadDigest")));
                }
            }
            sums.push((algorithm, told.to_owned()));
        }
        if sums.is_empty() && !self.discard {
            sums.push(self.own_checksum(&Content::written(body.bytes.as_slice().into())));
        }
        Ok(sums)
    }

    fn own_checksum(&self, content: &Content) -> (Algorithm, String) {
        (Algorithm::Crc64nvme, Algorithm::Crc64nvme.text_of(content))
    }
}

impl Source {
    /// The bucket and key that `x-amz-copy-source` names.
    pub fn named(request: &Request) -> Option<(String, String)> {
        let text = request.header("x-amz-copy-source")?;
        let path = text.split('?').next().unwrap_or_default();
        let (bucket, key) = path.strip_prefix('/').unwrap_or(path).split_once('/')?;
        Some((decoded(bucket), decoded(key)))
    }

    /// The range that a part is to be copied from.
    pub fn range(request: &Request) -> Option<(u64, u64)> {
        let text = request.header("x-amz-copy-source-range")?.strip_prefix("bytes=")?;
        let (first, last) = text.split_once('-')?;
        Some((first.parse().ok()?, last.parse::<u64>().ok()?.checked_add(1)?))
    }

    fn refuses(&self, request: &Request) -> Option<Answer> {
        let wanted = request.header("x-amz-copy-source-if-match")?;
        (wanted.trim_matches('"') != self.object.etag().trim_matches('"'))
            .then(|| Answer::error(412, "PreconditionFailed"))
    }
}

/// What comes before an object is written: whether its condition holds.
fn condition(request: &Request, known: Option<&str>) -> Option<Answer> {
    let unquoted = |text: &str| text.trim_matches('"').to_owned();
    let fails = request.header("if-none-match").is_some_and(|_| known.is_some())
        || request
            .header("if-match")
            .is_some_and(|wanted| known.map(unquoted) != Some(unquoted(wanted)));
    fails.then(|| Answer::error(412, "PreconditionFailed"))
}

fn content(body: Received) -> Content {
    if body.bytes.is_empty() {
        Content::zeros(body.size)
    } else {
        Content::written(body.bytes.into())
    }
}

/// The headers of an object that its answers have too.
fn kept_headers(request: &Request) -> BTreeMap<String, String> {
    const KEPT: [&str; 6] = [
        "content-type",
        "content-language",
        "content-disposition",
        "cache-control",
        "expires",
        "content-encoding",
    ];
    let kept = |(name, value): &(String, String)| {
        let own = name.starts_with("x-amz-meta-")
            || name.starts_with("x-amz-server-side-encryption")
            || name == "x-amz-storage-class"
            || name == "x-amz-tagging"
            || name == "x-amz-acl";
        if !own && !KEPT.contains(&&**name) {
            return None;
        }
        // The encoding of the transfer is none of the object.
        let value = if name == "content-encoding" {
            let rest = value.split(',').map(str::trim).filter(|one| *one != "aws-chunked");
            rest.collect::<Vec<_>>().join(",")
        } else {
            value.clone()
        };
        (!value.is_empty()).then(|| (name.clone(), value))
    };
    request.headers.iter().filter_map(kept).collect()
}

fn told(answer: Answer, checksums: &[(Algorithm, String)], kind: &str) -> Answer {
    if checksums.is_empty() {
        return answer;
    }
    let answer = answer.header("x-amz-checksum-type", kind);
    checksums
        .iter()
        .fold(answer, |answer, (algorithm, text)| answer.header(algorithm.header(), text.as_str()))
}

/// The 16 bytes that an ETag tells.
fn digest_in(etag: &str) -> [u8; 16] {
    u128::from_str_radix(etag.trim_matches('"'), 16).unwrap_or_default().to_be_bytes()
}

const PIECE: u64 = 256 << 10;

/// Whether these are the same bytes.
fn same(one: &Content, other: &Content) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < one.size {
        let length = PIECE.min(one.size - at) as usize;
        left.clear();
        right.clear();
        one.append(at, length, &mut left);
        other.append(at, length, &mut right);
        if left != right {
            return false;
        }
        at += length as u64;
    }
    true
}

/// An answer of this XML.
pub fn xml(text: &str) -> Answer {
    Answer::new(200)
        .header("Content-Type", "application/xml")
        .with(Body::Bytes(document(text).into()))
}
