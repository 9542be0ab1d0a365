//! Files that do not tell how many bytes they have: the system writes them while they are read.
//! Those below /proc tell of none, those below /sys of a page.

use std::fs::{File, Metadata};
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::file::{blocking, failed};
use crate::{Error, Status};

/// So much of it is read at once.
const AT_ONCE: usize = 64 << 10;
/// How often one that has nothing yet is looked at, such as a log of the kernel.
const PAUSE: Duration = Duration::from_millis(50);
/// The most that is kept of one. They have some KiB; a few never end.
const MOST: u64 = 64 << 20;

/// Its next bytes; none at the end. No thread waits for them: nobody could stop it.
pub(crate) async fn next(file: &Arc<File>, path: &Path, at: u64) -> Result<Vec<u8>, Error> {
    loop {
        let (file, path) = (Arc::clone(file), path.to_owned());
        let some = blocking(move || some(&file, at).map_err(|error| failed(&error, &path)));
        if let Some(bytes) = some.await? {
            return Ok(bytes);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// `None` where it has none yet.
fn some(file: &File, at: u64) -> Result<Option<Vec<u8>>, IoError> {
    let mut asked = [PollFd::new(file, PollFlags::IN)];
    if poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0) {
        return Ok(None);
    }
    let mut room = vec![0; AT_ONCE];
    loop {
        match file.read_at(&mut room, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => {
                room.truncate(read?);
                return Ok(Some(room));
            }
        }
    }
}

/// Whether a file has as many bytes as it tells. An empty one may have more.
pub(crate) fn tells_its_size(file: &File, told: &Metadata) -> bool {
    told.len() > 0 && (told.blocks() > 0 || !is_of_sysfs(file))
}

#[cfg(target_os = "linux")]
fn is_of_sysfs(file: &File) -> bool {
    const SYSFS: u64 = 0x6265_6572;
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type as u64 == SYSFS)
}

#[cfg(not(target_os = "linux"))]
fn is_of_sysfs(_file: &File) -> bool {
    false
}

/// The file itself where it tells its size or is empty; else its bytes at this moment, in a file
/// without a name that can be read as any other.
pub(crate) async fn measured(
    file: Arc<File>,
    told: Metadata,
    path: &Path,
) -> Result<(Arc<File>, Metadata), Error> {
    if tells_its_size(&file, &told) {
        return Ok((file, told));
    }
    let of_file = |error: IoError| failed(&error, path);
    let (mut at, mut came) = (0, next(&file, path, 0).await?);
    let now = file.metadata().map_err(of_file)?;
    // It is empty, or somebody has just written to it.
    if now.len() != told.len() || (came.is_empty() && told.len() == 0) {
        return Ok((file, now));
    }
    let Some(kept) = nameless().map_err(of_file)? else { return Ok((file, told)) };
    while !came.is_empty() {
        kept.write_all_at(&came, at).map_err(of_file)?;
        at += came.len() as u64;
        if at > MOST {
            let shown = path.display();
            let message = format!("{shown} tells no size, and has more than {MOST} bytes");
            return Err(Error::new(Status::BudgetExceeded, message)
                .hint("read it line by line with lines()"));
        }
        came = next(&file, path, at).await?;
    }
    kept.set_permissions(told.permissions()).map_err(of_file)?;
    let told = kept.metadata().map_err(of_file)?;
    Ok((Arc::new(kept), told))
}

/// A file that lies in memory.
#[cfg(target_os = "linux")]
fn nameless() -> Result<Option<File>, IoError> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(Some(memfd_create(c"dipper", MemfdFlags::CLOEXEC)?.into()))
}

#[cfg(not(target_os = "linux"))]
fn nameless() -> Result<Option<File>, IoError> {
    Ok(None)
}
