//! Tests of uploads that S3's limits and the window of memory matter for, in a smaller world.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::part_server::{Fault, PartServer, allowed};
use super::part_sizes::{Limits, MOST_PARTS, PartSizes, S3};
use super::sources::{Opened, upload_within};
use super::{Upload, UploadRequest, WriteOptions, Written};
use crate::{ChecksumOption, Client, ClientOptions, Error, Status, TransportOption};

/// Bytes that tell where they belong.
fn byte_at(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8
}

fn content(length: u64) -> Vec<u8> {
    (0..length).map(byte_at).collect()
}

/// A folder of the test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("dipper-spill-{:016x}", fastrand::u64(..)));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Nothing is left in it, once what ran when the upload ended has let go of it.
    async fn assert_empty(&self) {
        for _ in 0..6_000 {
            if self.open_files() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.open_files(), 0);
        assert_eq!(fs::read_dir(&self.0).unwrap().count(), 0);
    }

    /// Files in it that are open, whether they have a name or not.
    fn open_files(&self) -> usize {
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let targets = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target.starts_with(&self.0)).count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a test uploads.
#[derive(Clone, Copy)]
struct Case<'a> {
    limits: Limits,
    part_size: Option<u64>,
    size: Option<u64>,
    spill: Option<&'a Path>,
    checksum: ChecksumOption,
}

impl Case<'_> {
    fn open(self, client: &Arc<Client>) -> Result<Upload, Error> {
        let options = WriteOptions {
            part_size: self.part_size,
            checksum: self.checksum,
            ..WriteOptions::default()
        };
        let spill = self.spill.map(Path::to_owned);
        let request =
            UploadRequest { object: PartServer::object(), options, size: self.size, spill };
        Upload::within(self.limits, client, request)
    }

    async fn upload(self, client: &Arc<Client>, bytes: &[u8]) -> Result<Written, Error> {
        let upload = self.open(client)?;
        match fill(&upload, bytes).await {
            Ok(()) => upload.finish().await,
            Err(error) => {
                upload.abort();
                upload.ended().await;
                Err(error)
            }
        }
    }
}

async fn fill(upload: &Upload, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let taken = upload.write(bytes)?;
        bytes = bytes.split_at(taken).1;
        if taken == 0 {
            upload.room().await?;
        }
    }
    Ok(())
}

fn with_budget(memory_budget: u64) -> ClientOptions {
    ClientOptions { memory_budget: Some(memory_budget), ..ClientOptions::default() }
}

fn sizes_of(limits: Limits) -> Vec<u64> {
    let sizes = PartSizes::new(limits, None, None).unwrap();
    (0..MOST_PARTS).map(|index| sizes.of(index).unwrap()).collect()
}

/// Whether the server has the bytes, in as many parts of these sizes as they take.
fn assert_made(server: &PartServer, bytes: &[u8], sizes: impl IntoIterator<Item = u64>) {
    let told = server.told();
    let count = told.parts.len() as u64;
    assert!(told.content() == bytes, "other bytes, in {count} parts");
    let mut left = bytes.len() as u64;
    for ((number, part), size) in told.parts.iter().zip(sizes) {
        assert_eq!(part.len() as u64, size.min(left), "part {number}");
        left -= part.len() as u64;
    }
    assert_eq!(left, 0);
    let numbers: Vec<u64> = (1..=count).collect();
    assert!(told.completed.as_ref() == Some(&numbers), "{:?}", told.completed);
    assert_eq!((told.aborted, told.whole.is_none()), (0, true));
}

fn assert_nothing_left(server: &PartServer) {
    let told = server.told();
    assert_eq!((told.completed.as_ref(), told.aborted), (None, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_parts_of_an_unknown_length_are_an_object_and_one_more_is_refused() {
    let folder = Folder::new();
    let limits = Limits::tiny();
    let sizes = sizes_of(limits);
    let bytes = content(sizes.iter().sum());
    let case = Case {
        limits,
        part_size: None,
        size: None,
        spill: Some(&folder.0),
        checksum: ChecksumOption::Auto,
    };
    // More than the window is never in memory: there is no budget for it.
    let options = || with_budget(limits.window);
    {
        let server = PartServer::start().await;
        let written = allowed(case.upload(&server.client(options()), &bytes)).await.unwrap();
        assert_eq!(
            (written.stat.size, u64::from(written.metrics.parts)),
            (bytes.len() as u64, MOST_PARTS)
        );
        assert_eq!(server.told().parts.len() as u64, MOST_PARTS);
        assert_made(&server, &bytes, sizes);
    }
    let server = PartServer::start().await;
    let one_more = content(bytes.len() as u64 + 1);
    let refused = allowed(case.upload(&server.client(options()), &one_more)).await.unwrap_err();
    assert_eq!(refused.status, Status::InvalidInput, "{refused:?}");
    let text = format!("more than the {} bytes", bytes.len());
    assert!(refused.message.contains(&text), "{}", refused.message);
    assert!(server.told().tries > 9_900, "{} parts came before", server.told().tries);
    assert_nothing_left(&server);
    folder.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_parts_of_a_chosen_size_are_an_object_and_one_more_is_refused() {
    let limits = Limits::tiny();
    let bytes = content(5 * MOST_PARTS + 1);
    let all = bytes.split_last().unwrap().1;
    let case =
        Case { limits, part_size: Some(5), size: None, spill: None, checksum: ChecksumOption::Off };
    for size in [None, Some(all.len() as u64)] {
        let server = PartServer::start().await;
        let client = server.client(with_budget(limits.window));
        allowed(Case { size, ..case }.upload(&client, all)).await.unwrap();
        assert_eq!(server.told().parts.len() as u64, MOST_PARTS);
        assert_made(&server, all, std::iter::repeat(5));
    }
    let server = PartServer::start().await;
    let client = server.client(with_budget(limits.window));
    let refused = allowed(case.upload(&client, &bytes)).await.unwrap_err();
    assert_eq!(refused.status, Status::InvalidInput, "{refused:?}");
    assert!(refused.message.contains("more than 10000 parts of 5 bytes"), "{}", refused.message);
    assert_nothing_left(&server);

    // What is known before is refused before.
    let server = PartServer::start().await;
    let client = server.client(ClientOptions::default());
    let known = Case { size: Some(bytes.len() as u64), ..case };
    let refused = allowed(known.upload(&client, &bytes)).await.unwrap_err();
    assert!(refused.message.contains("10001 parts of 5 bytes"), "{}", refused.message);
    let larger = Case { size: Some(96 * MOST_PARTS + 1), part_size: None, ..case };
    let refused = allowed(larger.upload(&client, &bytes)).await.unwrap_err();
    assert!(refused.message.contains("more than an object can have"), "{}", refused.message);
    assert_eq!(server.told().tries, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_object_that_there_is_goes_through_the_window() {
    let folder = Folder::new();
    let limits = Limits::tiny();
    let bytes = content(96 * MOST_PARTS);
    let server = PartServer::start().await;
    let case = Case {
        limits,
        part_size: None,
        size: Some(bytes.len() as u64),
        spill: Some(&folder.0),
        checksum: ChecksumOption::Auto,
    };
    let client = server.client(with_budget(limits.window));
    allowed(case.upload(&client, &bytes)).await.unwrap();
    assert_made(&server, &bytes, std::iter::repeat(96));
    folder.assert_empty().await;
}

/// A thousandth of S3: parts of up to 5 MiB, and a window of 48 KiB.
fn small() -> Limits {
    S3.divided_by(1024)
}

const LARGE_PART: u64 = 5 << 20;

/// Four parts, each larger than the window by far, and the rest.
fn large_parts(folder: &Folder) -> (Case<'_>, Vec<u8>) {
    let case = Case {
        limits: small(),
        part_size: Some(LARGE_PART),
        size: None,
        spill: Some(&folder.0),
        checksum: ChecksumOption::Auto,
    };
    (case, content(4 * LARGE_PART + 12_345))
}

fn patient(transport: TransportOption, retries: u32) -> ClientOptions {
    ClientOptions {
        stall_timeout: Some(Duration::from_secs(2)),
        retries: Some(retries),
        transport,
        ..with_budget(small().window)
    }
}

const TRANSPORTS: [TransportOption; 2] = [TransportOption::Direct, TransportOption::Sdk];

/// In the middle of a part, of which far more than the window is gone by then.
const MIDDLE: usize = 3 << 20;
const FAULTS: [Fault; 4] =
    [Fault::Reset(MIDDLE), Fault::Stall(MIDDLE), Fault::Busy, Fault::BusyEarly(MIDDLE)];

/// Every fault on every way.
async fn each<F: Future<Output = ()>>(run: impl Fn(TransportOption, Fault) -> F) {
    for transport in TRANSPORTS {
        join_all(FAULTS.map(|fault| run(transport, fault))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_beyond_the_window_is_sent_again_from_its_beginning() {
    each(|transport, fault| async move {
        let folder = Folder::new();
        let (case, bytes) = large_parts(&folder);
        // The first, one in the middle, and the short one at the end.
        let faults = [1, 3, 5].map(|number| (number, fault, 1)).to_vec();
        let server = PartServer::with(faults, |_| {}).await;
        let client = server.client(patient(transport, 8));
        let written = allowed(case.upload(&client, &bytes)).await;
        let written = written.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(written.stat.size, bytes.len() as u64);
        assert!(server.told().tries >= 8, "{fault:?}");
        assert_made(&server, &bytes, std::iter::repeat(LARGE_PART));
        folder.assert_empty().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_beyond_the_window_that_always_fails_leaves_nothing() {
    each(|transport, fault| async move {
        let folder = Folder::new();
        let (case, bytes) = large_parts(&folder);
        let server = PartServer::with(vec![(3, fault, usize::MAX)], |_| {}).await;
        let client = server.client(patient(transport, 1));
        let failed = allowed(case.upload(&client, &bytes)).await.unwrap_err();
        let expected = match fault {
            Fault::Reset(_) => vec![Status::ConnectionBroken],
            Fault::Stall(_) => vec![Status::Stalled, Status::Timeout],
            // A server that does not read on may be cut off before it is heard.
            Fault::Busy | Fault::BusyEarly(_) => {
                vec![Status::SlowDown, Status::ConnectionBroken]
            }
        };
        assert!(expected.contains(&failed.status), "{fault:?}: {failed:?}");
        assert_nothing_left(&server);
        folder.assert_empty().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_large_parts_lie_on_the_disk_and_go_with_the_upload() {
    let folder = Folder::new();
    let (case, bytes) = large_parts(&folder);
    let stuck = (1..=5).map(|number| (number, Fault::Stall(MIDDLE), usize::MAX)).collect();
    let server = PartServer::with(stuck, |_| {}).await;
    let client = server.client(ClientOptions {
        stall_timeout: Some(Duration::from_secs(600)),
        ..with_budget(small().window)
    });
    let most = allowed(async {
        let upload = case.open(&client).unwrap();
        let mut most = 0;
        let full = async {
            fill(&upload, &bytes).await.unwrap();
            upload.finish().await.unwrap();
        };
        tokio::select! {
            () = full => panic!("the server took all of it"),
            () = async {
                while server.told().tries < 3 {
                    most = most.max(folder.open_files());
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => {}
        }
        most = most.max(folder.open_files());
        upload.abort();
        upload.ended().await;
        most
    });
    let most = most.await;
    assert!((1..=3).contains(&most), "{most} files");
    assert_nothing_left(&server);
    folder.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_off_on_its_way_to_the_disk_is_never_completed() {
    let folder = Folder::new();
    let (case, bytes) = large_parts(&folder);
    // In the middle of a step of the source.
    let server = PartServer::start().await;
    let client = server.client(with_budget(small().window));
    allowed(async {
        let upload = case.open(&client).unwrap();
        fill(&upload, &bytes).await.unwrap();
        loop {
            let room = upload.room().await.unwrap();
            upload.write(&vec![1; room]).unwrap();
            if abandoned(upload.room()).await {
                break;
            }
        }
        let refused = upload.room().await.unwrap_err();
        assert!(refused.message.contains("a step of it was cancelled"), "{refused:?}");
        assert!(upload.finish().await.is_err());
    })
    .await;
    assert_nothing_left(&server);
    // In the middle of the end.
    let server = PartServer::start().await;
    let client = server.client(with_budget(small().window));
    allowed(async {
        let upload = case.open(&client).unwrap();
        fill(&upload, &bytes).await.unwrap();
        abandoned(upload.finish()).await;
        upload.ended().await;
    })
    .await;
    if server.told().completed.is_some() {
        assert_made(&server, &bytes, std::iter::repeat(LARGE_PART));
    } else {
        assert_nothing_left(&server);
    }
    folder.assert_empty().await;
}

/// Begins something and lets go of it. Whether it was not done by then.
async fn abandoned<T>(work: impl Future<Output = T>) -> bool {
    let mut work = Box::pin(work);
    std::future::poll_fn(|context| std::task::Poll::Ready(work.as_mut().poll(context)))
        .await
        .is_pending()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fits_one_large_request_is_one() {
    for (transport, size) in TRANSPORTS.into_iter().zip([None, Some(LARGE_PART)]) {
        let folder = Folder::new();
        let (case, bytes) = large_parts(&folder);
        let bytes = bytes.split_at(usize::try_from(LARGE_PART).unwrap()).0;
        let server = PartServer::start().await;
        let client = server.client(patient(transport, 0));
        let case = Case { size, ..case };
        allowed(case.upload(&client, bytes)).await.unwrap();
        assert!(server.told().whole.as_deref() == Some(bytes));
        folder.assert_empty().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_on_the_disk_a_large_part_lies_in_memory() {
    let folder = Folder::new();
    let missing = folder.0.join("missing");
    for spill in [None, Some(missing.as_path())] {
        let (case, bytes) = large_parts(&folder);
        let case = Case { spill, ..case };
        let server = PartServer::start().await;
        allowed(case.upload(&server.client(ClientOptions::default()), &bytes)).await.unwrap();
        assert_made(&server, &bytes, std::iter::repeat(LARGE_PART));
        // As much as a part has: what does not fit the budget is refused.
        let server = PartServer::start().await;
        let client = server.client(with_budget(LARGE_PART - 1));
        let refused = allowed(case.upload(&client, &bytes)).await.unwrap_err();
        assert_eq!(refused.status, Status::BudgetExceeded, "{refused:?}");
        assert_eq!(server.told().tries, 0);
    }
}

async fn upload_of(
    path: &Path,
    client: &Arc<Client>,
    checksum: ChecksumOption,
) -> Result<Written, Error> {
    let file = fs::File::open(path).unwrap();
    let told = file.metadata().unwrap();
    let opened = Opened { file, told, path: path.to_owned() };
    let options = WriteOptions { part_size: Some(LARGE_PART), checksum, ..WriteOptions::default() };
    allowed(upload_within(small(), client, PartServer::object(), opened, options, None)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_parts_of_a_file_are_read_again_from_the_file() {
    let folder = Folder::new();
    let path = folder.0.join("file");
    let (_, bytes) = large_parts(&folder);
    fs::write(&path, &bytes).unwrap();
    for transport in TRANSPORTS {
        for checksum in [ChecksumOption::Auto, ChecksumOption::Off] {
            let faults = vec![(1, Fault::Reset(MIDDLE), 1), (5, Fault::Busy, 1)];
            let server = PartServer::with(faults, |_| {}).await;
            let client = server.client(patient(transport, 8));
            upload_of(&path, &client, checksum).await.unwrap();
            assert_made(&server, &bytes, std::iter::repeat(LARGE_PART));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_between_its_large_parts_is_not_written() {
    let cut =
        |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(LARGE_PART);
    let touched = |path: &Path| {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
    };
    let changes: [fn(&Path) -> std::io::Result<()>; 2] = [cut, touched];
    for change in changes {
        let folder = Folder::new();
        let path = folder.0.join("file");
        let (_, bytes) = large_parts(&folder);
        fs::write(&path, &bytes).unwrap();
        // Four are sent at once: the fifth is read after the first answer, and so after the change.
        let changed = path.clone();
        let server = PartServer::with(Vec::new(), move |_| change(&changed).unwrap()).await;
        let client = server.client(patient(TransportOption::Direct, 8));
        let refused = upload_of(&path, &client, ChecksumOption::Off).await.unwrap_err();
        assert_eq!(refused.status, Status::ObjectChanged, "{refused:?}");
        assert_nothing_left(&server);
    }
}
