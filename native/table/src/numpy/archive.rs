//! Where the files of a `.npz`, which is a zip archive, lie in it: its directory stands at its end
//! (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, 4.3).
//!
//! The crates that read archives want a file to seek in, and make room for as many entries as it
//! claims to have. This reads by ranges, and nothing is believed before it was compared with what
//! is there.

use std::ops::Range;

use bytes::Bytes;
use dipper_core::{Error, Pieces, Status};

use crate::error::damaged;

/// What a directory takes at most; one of ten thousand arrays takes half a MiB.
const LONGEST: u64 = 16 << 20;
/// What stands before a file's bytes, without its name and what else it says.
pub(crate) const LOCAL: u64 = 30;

/// A file of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Where it says again who it is; its bytes are behind that.
    pub(crate) header: u64,
    /// How many bytes it takes there.
    pub(crate) packed: u64,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// The sum of these, CRC-32.
    pub(crate) sum: u32,
    pub(crate) deflated: bool,
}

/// Reads the directory. `tail` is the end of the file, at least 64 KiB of it or all.
///
/// # Errors
/// `DamagedData` for what is no archive, `Unsupported` for encryption and other compressions.
pub(crate) async fn entries(pieces: &Pieces, tail: &Bytes) -> Result<Vec<Entry>, Error> {
    let size = pieces.stat().size;
    let from = size.saturating_sub(tail.len() as u64);
    let Place { range, count } = place(tail, from)?;
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let directory = match range.start.checked_sub(from) {
        Some(start) => tail.slice(start as usize..(range.end - from) as usize),
        None => {
            let pieces = pieces.read(std::slice::from_ref(&range), None).await?;
            pieces.into_iter().next().unwrap_or_default()
        }
    };
    listed(&directory, count, range.start)
}

/// Where a file's bytes begin, by what stands before them.
pub(crate) fn start(entry: &Entry, local: &[u8]) -> Result<u64, Error> {
    let mut read = Fields(local);
    let told = || {
        (read.word()? == 0x0403_4b50).then_some(())?;
        read.skip(22)?;
        Some(u64::from(read.half()?) + u64::from(read.half()?))
    };
    let told = { told }();
    told.map(|more| entry.header + LOCAL + more)
        .ok_or_else(|| damaged("NumPy", format!("there is no {:?} where it should be", entry.name)))
}

struct Place {
    range: Range<u64>,
    count: u64,
}

fn place(tail: &[u8], from: u64) -> Result<Place, Error> {
    let none = || damaged("NumPy", "it is no zip archive, or its end is missing");
    let end = memchr::memmem::rfind(tail, b"PK\x05\x06").ok_or_else(none)?;
    let told = || {
        let mut read = Fields(tail.get(end + 4..)?);
        let disks = (read.half()?, read.half()?);
        let counts = (read.half()?, read.half()?);
        let told = (u64::from(read.word()?), u64::from(read.word()?));
        (disks == (0, 0) && counts.0 == counts.1).then_some((u64::from(counts.0), told))
    };
    let (mut count, (mut length, mut start)) = told().ok_or_else(none)?;
    let mut behind = from + end as u64;
    let large = || {
        // What does not fit there stands before it.
        let locator = tail.get(end.checked_sub(20)?..)?;
        let mut read = Fields(locator);
        (read.word()? == 0x0706_4b50).then_some(())?;
        read.word()?;
        let place = read.long()?;
        let mut read = Fields(tail.get(usize::try_from(place.checked_sub(from)?).ok()?..)?);
        (read.word()? == 0x0606_4b50).then_some(())?;
        read.skip(28)?;
        Some((read.long()?, read.long()?, read.long()?, place))
    };
    if count == 0xffff || length == 0xffff_ffff || start == 0xffff_ffff {
        (count, length, start, behind) = large().ok_or_else(none)?;
    }
    let range = start.checked_add(length).filter(|end| *end <= behind).map(|end| start..end);
    let range = range.ok_or_else(|| damaged("NumPy", "its directory lies outside the file"))?;
    if length > LONGEST || count > length / 46 {
        return Err(damaged("NumPy", format!("its directory claims {count} files")));
    }
    Ok(Place { range, count })
}

fn listed(mut directory: &[u8], count: u64, before: u64) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let entry = entry(&mut directory)
            .ok_or_else(|| damaged("NumPy", "its directory is cut short"))??;
        let end = entry.header.checked_add(LOCAL).and_then(|at| at.checked_add(entry.packed));
        if end.is_none_or(|end| end > before) {
            return Err(damaged("NumPy", format!("{:?} lies outside the file", entry.name)));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The next entry; nothing where the directory breaks off.
fn entry(directory: &mut &[u8]) -> Option<Result<Entry, Error>> {
    let mut read = Fields(directory);
    (read.word()? == 0x0201_4b50).then_some(())?;
    read.skip(4)?;
    let flags = read.half()?;
    let method = read.half()?;
    read.skip(4)?;
    let sum = read.word()?;
    let (mut packed, mut size) = (u64::from(read.word()?), u64::from(read.word()?));
    let (name, extra, comment) = (read.half()?, read.half()?, read.half()?);
    read.skip(8)?;
    let mut header = u64::from(read.word()?);
    let name = String::from_utf8_lossy(read.take(name.into())?).into_owned();
    let mut extras = Fields(read.take(extra.into())?);
    read.skip(comment.into())?;
    *directory = read.0;
    while let (Some(kind), Some(length)) = (extras.half(), extras.half()) {
        let mut extra = Fields(extras.take(length.into())?);
        if kind == 1 {
            // Each stands there if it did not fit where it belongs.
            for place in [&mut size, &mut packed, &mut header] {
                if *place == 0xffff_ffff {
                    *place = extra.long()?;
                }
            }
        }
    }
    let refused = |what: &str| {
        let error = Error::new(Status::Unsupported, format!("{name:?} of this archive is {what}"));
        Some(Err(error.hint("save it with numpy.savez or numpy.savez_compressed")))
    };
    if flags & 1 != 0 {
        return refused("encrypted");
    }
    if method != 0 && method != 8 {
        return refused(&format!("compressed by method {method}"));
    }
    Some(Ok(Entry { name, header, packed, size, sum, deflated: method == 8 }))
}

/// Numbers one after the other, the least significant byte first.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.take(bytes).map(|_| ())
    }

    fn half(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|raw| u16::from_le_bytes(*raw))
    }

    fn word(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|raw| u32::from_le_bytes(*raw))
    }

    fn long(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().map(|raw| u64::from_le_bytes(*raw))
    }
}
