//! Undoing the compression of a batch, bit by bit.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

use bytes::{Buf, Bytes};
use dipper_wire::kafka::Compression;
use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder;
use ruzstd::decoding::StreamingDecoder;

/// What a batch's records are read from.
pub(super) type Plain = Box<dyn BufRead + Send>;

/// A block of Snappy is undone in one piece. Producers make blocks of 32 KiB, or one of a
/// whole batch; no more than this much memory is spent on one.
const MOST_OF_A_BLOCK: usize = 256 << 20;

/// The records of a batch without their compression.
pub(super) fn plain(compression: Compression, stored: Bytes) -> io::Result<Plain> {
    let stored = Cursor::new(stored);
    Ok(match compression {
        Compression::None => Box::new(stored),
        Compression::Gzip => Box::new(BufReader::new(GzDecoder::new(stored))),
        Compression::Snappy => Box::new(Snappy::new(stored.into_inner())),
        Compression::Lz4 => Box::new(BufReader::new(FrameDecoder::new(stored))),
        Compression::Zstd => {
            // It refuses frames that look back further than 100 MiB.
            let decoder = StreamingDecoder::new(stored).map_err(io::Error::other)?;
            Box::new(BufReader::new(decoder))
        }
    })
}

/// What snappy-java puts before its blocks; two version numbers follow.
const FRAMED: &[u8] = b"\x82SNAPPY\0";

/// Blocks of Snappy: either framed, each with its length before it, or one without any.
struct Snappy {
    stored: Bytes,
    framed: bool,
    block: Vec<u8>,
    at: usize,
}

impl Snappy {
    fn new(mut stored: Bytes) -> Self {
        let framed = stored.len() >= FRAMED.len() + 8 && stored.starts_with(FRAMED);
        if framed {
            stored.advance(FRAMED.len() + 8);
        }
        Self { stored, framed, block: Vec::new(), at: 0 }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let compressed = if self.framed {
            let length = self.stored.try_get_u32().map_err(|_| broken("it is cut off"))?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > self.stored.len() {
                return Err(broken("a block is longer than the batch"));
            }
            self.stored.split_to(length)
        } else {
            std::mem::take(&mut self.stored)
        };
        let length = snap::raw::decompress_len(&compressed).map_err(io::Error::from)?;
        if length > MOST_OF_A_BLOCK {
            return Err(broken("a block of Snappy holds more than 256 MiB"));
        }
        self.block.clear();
        self.block
            .try_reserve_exact(length)
            .map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
        self.block.resize(length, 0);
        self.at = 0;
        let read = snap::raw::Decoder::new().decompress(&compressed, &mut self.block)?;
        self.block.truncate(read);
        Ok(())
    }
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

impl BufRead for Snappy {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at >= self.block.len() && !self.stored.is_empty() {
            self.next_block()?;
        }
        Ok(self.block.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount).min(self.block.len());
    }
}

impl Read for Snappy {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn read(compression: Compression, stored: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        plain(compression, stored.into())?.read_to_end(&mut all)?;
        Ok(all)
    }

    fn text() -> Vec<u8> {
        (0..40_000_u32).flat_map(|i| format!("record {} ", i % 977).into_bytes()).collect()
    }

    fn framed_snappy(text: &[u8]) -> Vec<u8> {
        let mut stored = [FRAMED, &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
        for block in text.chunks(32 * 1024) {
            let block = snap::raw::Encoder::new().compress_vec(block).unwrap();
            stored.extend((block.len() as u32).to_be_bytes());
            stored.extend(block);
        }
        stored
    }

    fn all(text: &[u8]) -> Vec<(Compression, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(text).unwrap();
        vec![
            (Compression::None, text.to_vec()),
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Snappy, framed_snappy(text)),
            (Compression::Snappy, snap::raw::Encoder::new().compress_vec(text).unwrap()),
            (Compression::Lz4, lz4.finish().unwrap()),
            (Compression::Zstd, compress_to_vec(text, CompressionLevel::Fastest)),
        ]
    }

    #[test]
    fn every_compression_is_undone() {
        let text = text();
        for (compression, stored) in all(&text) {
            assert!(read(compression, stored).unwrap() == text, "{compression:?}");
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error_or_other_text_and_never_a_panic() {
        let text = text();
        for (compression, stored) in all(&text).into_iter().skip(1) {
            for cut in (0..stored.len()).step_by(stored.len() / 50 + 1) {
                if let Ok(read) = read(compression, stored[..cut].to_vec()) {
                    assert!(read.len() < text.len(), "{compression:?} {cut}");
                }
            }
            for at in (0..stored.len()).step_by(stored.len() / 200 + 1) {
                let mut changed = stored.clone();
                changed[at] ^= 0x11;
                let _ = read(compression, changed);
            }
        }
    }

    #[test]
    fn a_block_that_claims_too_much_costs_nothing() {
        // Four gigabytes, says its first number.
        let claim = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert!(read(Compression::Snappy, claim.clone()).is_err());
        let head = [FRAMED, &[0; 8], &[0, 0, 0, 6]].concat();
        assert!(read(Compression::Snappy, [head, claim].concat()).is_err());
    }
}
