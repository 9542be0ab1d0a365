//! Files of this machine, written, copied, moved and deleted.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::file::{blocking, failed as read_failed, stat_of};
use crate::get::Progress;
use crate::metrics::{Meter, Metrics, Transport};
use crate::new_file::{Existing, NewFile, exists, target_of, write_failed};
use crate::{Buffer, Error, Stat, Status};

/// How much is written before a cancelled write is noticed.
const STEP: usize = 8 << 20;
/// How often progress is told at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells how far a write is, not too often.
pub(crate) struct Teller {
    progress: Option<Arc<dyn Progress>>,
    meter: Meter,
    total: u64,
    told: Option<Instant>,
}

impl Teller {
    pub(crate) fn new(progress: Option<Arc<dyn Progress>>, total: u64) -> Self {
        let meter = Meter::new();
        meter.took(Transport::File);
        Self { progress, meter, total, told: None }
    }

    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.meter.arrived(bytes);
        if self.told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told = Some(Instant::now());
        if let Some(progress) = &self.progress {
            progress.reached(self.meter.bytes(), self.total, &self.meter.read());
        }
    }

    pub(crate) fn done(mut self) -> Metrics {
        self.meter.part();
        self.total = self.meter.bytes();
        self.tell();
        self.meter.read()
    }
}

/// Writes a file from native memory; an empty one without. It appears whole or not at all, and
/// survives a power cut when this has ended.
///
/// # Errors
/// As [`NewFile::create`], [`NewFile::write`] and [`NewFile::finish`].
pub async fn write_file(
    path: &Path,
    existing: Existing,
    body: Option<Arc<Buffer>>,
    progress: Option<Arc<dyn Progress>>,
) -> Result<(Stat, Metrics), Error> {
    let length = body.as_ref().map_or(0, |body| body.memory().len());
    let mut teller = Teller::new(progress, length as u64);
    let path = path.to_owned();
    let mut file = blocking(move || NewFile::create(&path, existing)).await?;
    if let Some(body) = body {
        for start in (0..length).step_by(STEP) {
            let end = length.min(start + STEP);
            let body = Arc::clone(&body);
            file = blocking(move || {
                file.write(body.memory().as_ref().get(start..end).unwrap_or_default())?;
                Ok(file)
            })
            .await?;
            teller.wrote(end - start);
        }
    }
    let stat = blocking(move || file.finish(true)).await?;
    Ok((stat, teller.done()))
}

/// Copies a file, with its permissions where there is none yet.
///
/// # Errors
/// As [`write_file`]; `NotFound` when there is nothing to copy, `ObjectChanged` when it changed
/// meanwhile: the destination is untouched then.
pub async fn copy_file(
    from: &Path,
    to: &Path,
    existing: Existing,
    progress: Option<Arc<dyn Progress>>,
) -> Result<(Stat, Metrics), Error> {
    let (source, before) = crate::file::open_measured(from).await?;
    let mut teller = Teller::new(progress, before.len());
    let (shown, target, source_is) = (from.to_owned(), to.to_owned(), before.clone());
    let mut file = blocking(move || {
        let there = std::fs::metadata(&target).ok();
        if there.as_ref().is_some_and(|there| same(there, &source_is)) {
            return Err(one_file(&shown, &target));
        }
        let file = NewFile::create(&target, existing)?;
        if there.is_none() {
            let kept = file.file().set_permissions(source_is.permissions());
            kept.map_err(|error| write_failed(&error, &target))?;
        }
        Ok(file)
    })
    .await?;
    loop {
        let shown = to.to_owned();
        let source = Arc::clone(&source);
        let (returned, copied) = blocking(move || {
            // The system copies without the bytes passing through this process.
            let copied = io::copy(&mut (&*source).take(STEP as u64), &mut file.file())
                .map_err(|error| write_failed(&error, &shown))?;
            Ok((file, copied))
        })
        .await?;
        file = returned;
        teller.wrote(usize::try_from(copied).unwrap_or(usize::MAX));
        // A file that grows all the time would never end.
        if copied == 0 || teller.meter.bytes() > before.len() {
            break;
        }
    }
    let shown = from.to_owned();
    let after = blocking(move || source.metadata().map_err(|e| read_failed(&e, &shown))).await?;
    if teller.meter.bytes() != before.len() || changed(&before, &after) {
        return Err(Error::new(
            Status::ObjectChanged,
            format!("{} changed while it was copied", from.display()),
        )
        .hint("copy it again"));
    }
    let stat = blocking(move || file.finish(true)).await?;
    Ok((stat, teller.done()))
}

/// Moves a file: by a rename where both places are on one file system, else by a copy. A symbolic
/// link is moved as the file that it leads to, and the link goes.
///
/// # Errors
/// As [`copy_file`].
pub async fn move_file(
    from: &Path,
    to: &Path,
    existing: Existing,
    progress: Option<Arc<dyn Progress>>,
) -> Result<(Stat, Metrics), Error> {
    let (_, source) = crate::file::open_as_it_is(from).await?;
    let size = source.len();
    let (old, new) = (from.to_owned(), to.to_owned());
    if let Some(stat) = blocking(move || renamed(&old, &new, &source, existing)).await? {
        let mut teller = Teller::new(progress, size);
        teller.meter.arrived(usize::try_from(size).unwrap_or(usize::MAX));
        teller.total = size;
        return Ok((stat, teller.done()));
    }
    let moved = copy_file(from, to, existing, progress).await?;
    delete_file(from).await?;
    Ok(moved)
}

/// Renames, where that does it.
fn renamed(
    from: &Path,
    to: &Path,
    source: &Metadata,
    existing: Existing,
) -> Result<Option<Stat>, Error> {
    let link = std::fs::symlink_metadata(from).map_err(|error| read_failed(&error, from))?;
    let (target, there) = target_of(to, existing)?;
    if there.is_some_and(|there| same(&there, source)) {
        return Err(one_file(from, to));
    }
    if link.is_symlink() {
        return Ok(None);
    }
    let renamed = match existing {
        Existing::Replace => std::fs::rename(from, &target),
        // Fails when something is there meanwhile.
        Existing::Refuse => std::fs::hard_link(from, &target).and_then(|()| {
            std::fs::remove_file(from).inspect_err(|_| drop(std::fs::remove_file(&target)))
        }),
    };
    match renamed {
        Ok(()) => {
            let metadata = std::fs::metadata(&target).map_err(|error| write_failed(&error, to))?;
            Ok(Some(stat_of(&metadata)))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(to)),
        // Other file systems, and those without links: the copy tells what is wrong, if anything.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(None),
        Err(_) if existing == Existing::Refuse => Ok(None),
        Err(error) => Err(write_failed(&error, to)),
    }
}

/// Deletes a file; of a symbolic link, the link. That there is none is no error.
///
/// # Errors
/// For a folder, and whatever the system reports.
pub async fn delete_file(path: &Path) -> Result<(), Error> {
    let path = path.to_owned();
    blocking(move || {
        let shown = path.display();
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(Error::invalid(format!("{shown} is a folder"))
                    .hint("Deno.remove() removes folders"));
            }
            _ => {}
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Error::new(
                Status::AccessDenied,
                format!("the system does not allow to delete {shown}"),
            )
            .hint("check who may write its folder")),
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Err(Error::new(
                Status::AccessDenied,
                format!("{shown} cannot be deleted: the file system is read-only"),
            )),
            Err(error) => {
                Err(Error::new(Status::FileFailed, format!("{shown} cannot be deleted: {error}")))
            }
            Ok(()) => Ok(()),
        }
    })
    .await
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn changed(before: &Metadata, after: &Metadata) -> bool {
    let version = |of: &Metadata| (of.len(), of.mtime(), of.mtime_nsec());
    version(before) != version(after)
}

fn one_file(from: &Path, to: &Path) -> Error {
    Error::invalid(format!("{} and {} are the same file", from.display(), to.display()))
        .hint("name another destination")
}
