//! Undoing compression, step by step: what is held does not depend on how much comes out.

use std::io::{self, BufRead, Read};

use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::read_ahead::Block;
use super::source_bytes::{Came, Fed, Next, SourceBytes};
use crate::{Error, Status};

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 1950: what HTTP calls `deflate`.
    Deflate,
    /// RFC 8878, any number of frames.
    Zstd,
    /// Any number of streams.
    Bzip2,
    /// Any number of streams.
    Xz,
}

/// What a name or a header says about compression; the bytes have the last word.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// What the caller says: nothing else counts.
    pub given: Option<Compression>,
    /// What the name of the source ends with.
    pub name: String,
    /// The `Content-Encoding` of the answer.
    pub header: Option<String>,
}

const SUFFIXES: [(&str, Compression); 5] = [
    (".gz", Compression::Gzip),
    (".tgz", Compression::Gzip),
    (".zst", Compression::Zstd),
    (".bz2", Compression::Bzip2),
    (".xz", Compression::Xz),
];

/// The longest magic number.
pub(crate) const MAGIC: usize = 10;

/// What a decoder may hold: what the largest presets of `zstd` and `xz` need.
const LARGEST_WINDOW: u64 = 128 << 20;
const MOST_KIBIBYTES: u32 = 128 << 10;

impl Compression {
    const MAGICAL: [Self; 4] = [Self::Gzip, Self::Zstd, Self::Bzip2, Self::Xz];

    fn name(self) -> &'static str {
        match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// Whether compressed bytes may begin like this: `None` while that is not known.
    fn begins(self, head: &[u8]) -> Option<bool> {
        let starts = |magic: &[u8]| {
            let known = head.len().min(magic.len());
            if head.get(..known) != magic.get(..known) {
                return Some(false);
            }
            (known == magic.len()).then_some(true)
        };
        match self {
            Self::None | Self::Deflate => Some(false),
            Self::Gzip => starts(&[0x1f, 0x8b]),
            Self::Zstd => starts(&[0x28, 0xb5, 0x2f, 0xfd]),
            Self::Xz => starts(&[0xfd, b'7', b'z', b'X', b'Z', 0]),
            // Text may begin with "BZh": what follows must be a block or the end.
            Self::Bzip2 => match (starts(b"BZh"), head.get(3)) {
                (Some(true), Some(b'1'..=b'9')) => {
                    let rest = head.get(4..).unwrap_or_default();
                    let block = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
                    let end = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
                    let known = rest.len().min(6);
                    let rest = rest.get(..known);
                    let fits = rest == block.get(..known) || rest == end.get(..known);
                    if fits && known < 6 { None } else { Some(fits) }
                }
                (Some(true), None) => None,
                (Some(true), Some(_)) => Some(false),
                (begins, _) => begins,
            },
        }
    }
}

impl Claim {
    /// How bytes that begin like this are compressed: `None` while that is not known.
    pub(crate) fn decide(&self, head: &[u8], ended: bool) -> Option<Compression> {
        if let Some(given) = self.given {
            return Some(given);
        }
        let claimed = self.claimed();
        if claimed == Some(Compression::Deflate) {
            // The head of zlib data: its first 16 bits are a multiple of 31.
            return match head {
                [first, second, ..] => {
                    let check = (u16::from(*first) << 8 | u16::from(*second)) % 31;
                    let zlib = first & 0x0f == 8 && check == 0;
                    Some(if zlib { Compression::Deflate } else { Compression::None })
                }
                _ if ended => Some(Compression::None),
                _ => None,
            };
        }
        let mut open = false;
        for compression in Compression::MAGICAL {
            match compression.begins(head) {
                Some(true) => return Some(compression),
                Some(false) => {}
                // So short that only the name tells.
                None if ended && claimed == Some(compression) && !head.is_empty() => {
                    return Some(compression);
                }
                None => open = !ended,
            }
        }
        // A name or header may claim it of bytes that somebody decoded on the way.
        (!open).then_some(Compression::None)
    }

    /// The last coding that the header names: the first to be undone.
    fn coding(&self) -> String {
        let header = self.header.as_deref().unwrap_or_default().to_ascii_lowercase();
        header.split(',').map(str::trim).next_back().unwrap_or_default().to_owned()
    }

    /// Brotli has no magic number, and is not undone.
    pub(crate) fn is_brotli(&self) -> bool {
        self.given.is_none() && self.coding() == "br"
    }

    fn claimed(&self) -> Option<Compression> {
        match self.coding().as_str() {
            "gzip" | "x-gzip" => return Some(Compression::Gzip),
            "deflate" => return Some(Compression::Deflate),
            "zstd" => return Some(Compression::Zstd),
            _ => {}
        }
        let name = self.name.to_ascii_lowercase();
        SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, claimed)| *claimed)
    }
}

/// Bytes of a source with their beginning looked at.
struct Beginning {
    source: SourceBytes,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// How many bytes the source gave.
    taken: u64,
    wait: bool,
    ended: bool,
    /// What the source failed with before anybody needed what it did not bring.
    broke: Option<Error>,
    failed: Option<Error>,
}

const BUFFER: usize = 64 << 10;

impl Beginning {
    fn ready(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Appends what comes next.
    fn more(&mut self) -> Result<Came, Error> {
        if self.ended {
            return Ok(Came::End);
        }
        if let Some(error) = self.broke.take() {
            return Err(error);
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let came =
            self.source.read(self.buffer.get_mut(self.end..).unwrap_or_default(), self.wait)?;
        match came {
            Came::Bytes(read) => {
                self.end += read;
                self.taken += read as u64;
            }
            Came::End => self.ended = true,
            Came::NothingYet => {}
        }
        Ok(came)
    }

    /// Whether nothing has come yet. Why it broke is told to who needs more.
    fn is_silent(&mut self) -> bool {
        if !self.ready().is_empty() || self.broke.is_some() {
            return false;
        }
        self.wait = false;
        match self.more() {
            Ok(came) => came == Came::NothingYet,
            Err(error) => {
                self.broke = Some(error);
                false
            }
        }
    }

    fn read_plain(&mut self, room: &mut [u8]) -> Result<Came, Error> {
        let ready = self.ready();
        if ready.is_empty() {
            let came = self.source.read(room, self.wait)?;
            if let Came::Bytes(read) = came {
                self.taken += read as u64;
            }
            return Ok(came);
        }
        let length = ready.len().min(room.len());
        if let (Some(ready), Some(room)) = (ready.get(..length), room.get_mut(..length)) {
            room.copy_from_slice(ready);
        }
        self.start += length;
        Ok(Came::Bytes(length))
    }
}

impl BufRead for Beginning {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            match self.more() {
                Ok(Came::NothingYet) => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(_) => {}
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the source failed"));
                }
            }
        }
        Ok(self.ready())
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

impl Read for Beginning {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let length = ready.len().min(room.len());
        if let (Some(ready), Some(room)) = (ready.get(..length), room.get_mut(..length)) {
            room.copy_from_slice(ready);
        }
        self.consume(length);
        Ok(length)
    }
}

/// The members of a gzip file, one after the other. Zeros behind them are padding.
enum Gzip {
    Member(Box<flate2::bufread::GzDecoder<Box<Beginning>>>),
    Between(Box<Beginning>),
    Moving,
}

impl Gzip {
    fn source(&mut self) -> Option<&mut Beginning> {
        match self {
            Self::Member(member) => Some(member.get_mut()),
            Self::Between(source) => Some(source),
            Self::Moving => None,
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self {
                Self::Member(member) => {
                    let read = member.read(room)?;
                    if read > 0 || room.is_empty() {
                        return Ok(read);
                    }
                    if let Self::Member(member) = std::mem::replace(self, Self::Moving) {
                        *self = Self::Between(member.into_inner());
                    }
                }
                Self::Between(source) => {
                    let ready = source.fill_buf()?;
                    if ready.is_empty() {
                        return Ok(0);
                    }
                    let zeros = ready.iter().take_while(|byte| **byte == 0).count();
                    if zeros > 0 {
                        source.consume(zeros);
                    } else if let Self::Between(source) = std::mem::replace(self, Self::Moving) {
                        let member = flate2::bufread::GzDecoder::new(source);
                        *self = Self::Member(Box::new(member));
                    }
                }
                Self::Moving => return Err(io::Error::other("a decoder was lost")),
            }
        }
    }
}

/// The frames of a zstd file, one after the other; some hold nothing and are skipped.
struct Zstd {
    source: Beginning,
    decoder: FrameDecoder,
    inside: bool,
}

impl Zstd {
    fn new(source: Beginning) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        Self { source, decoder, inside: false }
    }

    fn skip(&mut self, length: u32) -> io::Result<()> {
        let mut left = length as usize;
        while left > 0 {
            let ready = self.source.fill_buf()?.len();
            if ready == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.source.consume(ready.min(left));
            left -= ready.min(left);
        }
        Ok(())
    }
}

impl Read for Zstd {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.reset(&mut self.source) {
                    Ok(()) => self.inside = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(
                        ReadFrameHeaderError::SkipFrame { length, .. },
                    )) => self.skip(length)?,
                    Err(error) => return Err(io::Error::other(error.to_string())),
                }
            } else if self.decoder.can_collect() > 0 {
                return self.decoder.read(room);
            } else if self.decoder.is_finished() {
                let told = self.decoder.get_checksum_from_data();
                let found = self.decoder.get_calculated_checksum();
                if told.is_some() && told != found {
                    return Err(io::Error::other("the checksum does not match"));
                }
                self.inside = false;
            } else {
                let step = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder
                    .decode_blocks(&mut self.source, step)
                    .map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
    }
}

enum Decoder {
    Unknown(Beginning),
    Plain(Beginning),
    Gzip(Box<Gzip>),
    Deflate(Box<flate2::bufread::ZlibDecoder<Beginning>>),
    Zstd(Box<Zstd>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<Beginning>>),
    Xz(Box<XzReader<Beginning>>),
    Moving,
}

/// The bytes of a source, decompressed.
pub(crate) struct Decompressed {
    decoder: Decoder,
    claim: Claim,
    compression: Compression,
    shown: String,
}

impl Decompressed {
    pub(crate) fn new(source: SourceBytes, claim: Claim, shown: String) -> Self {
        let beginning = Beginning {
            source,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            taken: 0,
            wait: false,
            ended: false,
            broke: None,
            failed: None,
        };
        let decoder = Decoder::Unknown(beginning);
        Self { decoder, claim, compression: Compression::None, shown }
    }

    /// Leaves out the first bytes of a file that is not compressed, of which nothing was read.
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<(), Error> {
        let Decoder::Unknown(Beginning { source: SourceBytes::File(file), taken, .. }) =
            &mut self.decoder
        else {
            return Err(Error::internal("only a file can be begun later"));
        };
        file.at += bytes;
        file.left = file.left.saturating_sub(bytes);
        *taken += bytes;
        if bytes > 0 {
            self.claim.given = Some(Compression::None);
        }
        Ok(())
    }

    /// How many bytes the source gave so far.
    pub(crate) fn taken(&mut self) -> u64 {
        self.source().map_or(0, |source| source.taken)
    }

    /// How it is compressed, as far as that is known.
    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// The source of records, which nothing is undone of.
    pub(crate) fn records(&mut self) -> Option<&mut SourceBytes> {
        self.source().map(|source| &mut source.source)
    }

    /// How many bytes a feed gave that goes on, and what it has brought.
    pub(crate) fn fed(&mut self) -> Option<(u64, &mut Fed)> {
        match self.source()? {
            Beginning { source: SourceBytes::Fed(fed), taken, .. } if fed.goes_on() => {
                Some((*taken, fed))
            }
            _ => None,
        }
    }

    fn source(&mut self) -> Option<&mut Beginning> {
        match &mut self.decoder {
            Decoder::Unknown(source) | Decoder::Plain(source) => Some(source),
            Decoder::Gzip(decoder) => decoder.source(),
            Decoder::Deflate(decoder) => Some(decoder.get_mut()),
            Decoder::Zstd(decoder) => Some(&mut decoder.source),
            Decoder::Bzip2(decoder) => Some(decoder.get_mut()),
            Decoder::Xz(decoder) => Some(decoder.inner_mut()),
            Decoder::Moving => None,
        }
    }

    /// Fills some of the room, as [`SourceBytes::read`] does.
    pub(crate) fn read(&mut self, room: &mut [u8], wait: bool) -> Result<Came, Error> {
        // These two cannot go on where they stopped amid a block, and so begin none that has not come.
        let whole_blocks = matches!(self.decoder, Decoder::Zstd(_) | Decoder::Xz(_));
        if let Some(source) = self.source() {
            if whole_blocks && !wait && source.is_silent() {
                return Ok(Came::NothingYet);
            }
            source.wait = wait || whole_blocks;
        }
        if let Decoder::Unknown(source) = &mut self.decoder {
            let compression = loop {
                let ended = source.ended;
                if let Some(compression) = self.claim.decide(source.ready(), ended) {
                    break compression;
                }
                if source.ready().len() >= MAGIC {
                    break Compression::None;
                }
                if source.more()? == Came::NothingYet {
                    return Ok(Came::NothingYet);
                }
            };
            self.begin(compression)?;
            if matches!(compression, Compression::Zstd | Compression::Xz)
                && let Some(source) = self.source()
            {
                source.wait = true;
            }
        }
        let read = match &mut self.decoder {
            Decoder::Plain(source) => return source.read_plain(room),
            Decoder::Gzip(decoder) => decoder.read(room),
            Decoder::Deflate(decoder) => decoder.read(room),
            Decoder::Zstd(decoder) => decoder.read(room),
            Decoder::Bzip2(decoder) => decoder.read(room),
            Decoder::Xz(decoder) => decoder.read(room),
            Decoder::Unknown(_) | Decoder::Moving => Err(io::Error::other("no decoder")),
        };
        match read {
            Ok(0) => Ok(Came::End),
            Ok(read) => Ok(Came::Bytes(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Came::NothingYet),
            Err(error) => Err(self.damaged(&error)),
        }
    }

    /// As [`SourceBytes::swap`] does. `None` also where something is undone, or not known yet.
    pub(crate) fn swap(&mut self, block: &mut Block) -> Option<Result<Came, Error>> {
        match &mut self.decoder {
            Decoder::Plain(source) if source.ready().is_empty() => {
                let came = source.source.swap(block);
                if let Some(Ok(Came::Bytes(read))) = came {
                    source.taken += read as u64;
                }
                came
            }
            _ => None,
        }
    }

    /// The next chunk of a feed, where it lies. `None` where bytes are only copied: of other sources,
    /// of what is undone, and where that is not known yet.
    pub(crate) fn chunk(&mut self) -> Option<Result<Next, Error>> {
        match &mut self.decoder {
            Decoder::Plain(source)
                if source.ready().is_empty() && matches!(source.source, SourceBytes::Fed(_)) =>
            {
                let next = source.source.next(true);
                if let Ok(Next::Chunk(chunk)) = &next {
                    source.taken += chunk.bytes.len() as u64;
                }
                Some(next)
            }
            _ => None,
        }
    }

    fn begin(&mut self, compression: Compression) -> Result<(), Error> {
        let Decoder::Unknown(source) = std::mem::replace(&mut self.decoder, Decoder::Moving) else {
            return Err(Error::internal("a decoder was lost"));
        };
        self.compression = compression;
        self.decoder = match compression {
            Compression::None => Decoder::Plain(source),
            Compression::Gzip => Decoder::Gzip(Box::new(Gzip::Between(Box::new(source)))),
            Compression::Deflate => {
                Decoder::Deflate(Box::new(flate2::bufread::ZlibDecoder::new(source)))
            }
            Compression::Zstd => Decoder::Zstd(Box::new(Zstd::new(source))),
            Compression::Bzip2 => {
                Decoder::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(source)))
            }
            Compression::Xz => {
                Decoder::Xz(Box::new(XzReader::new_mem_limit(source, true, MOST_KIBIBYTES)))
            }
        };
        Ok(())
    }

    /// Why the decoder does not go on.
    fn damaged(&mut self, error: &io::Error) -> Error {
        let name = self.compression.name();
        let shown = self.shown.clone();
        let Some(source) = self.source() else { return Error::internal("a decoder was lost") };
        if let Some(failed) = source.failed.take() {
            return failed;
        }
        let at = source.taken - source.ready().len() as u64;
        let out_of_input = source.ended && source.ready().is_empty();
        if out_of_input || error.kind() == io::ErrorKind::UnexpectedEof {
            let message = format!("{shown} is cut short: its {name} data break off at byte {at}");
            return Error::new(Status::DamagedData, message)
                .about(shown)
                .hint("fetch it again, or see with bytes() what is there");
        }
        let message = format!("{shown} is damaged {name} data: {error}, at byte {at} or before");
        Error::new(Status::DamagedData, message)
            .about(shown)
            .hint("fetch it again, or see with bytes() what is there")
    }
}
