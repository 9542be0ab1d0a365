//! One message of Arrow IPC as a batch over the bytes that it came in.
//!
//! The format: <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>.
//!
//! What is not compressed is not copied: the arrays are parts of the message's own memory, and
//! JavaScript maps these parts. So no two parts may overlap, or two of its array buffers would be
//! the same memory; a message whose buffers do is refused. Values of dictionaries belong to several
//! batches; each batch after the first has its own copy of them.
//!
//! All of this runs on a thread where a panic of the decoder is caught.

use std::collections::HashMap;
use std::io::Read;

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{CompressionType, Message, MessageHeader, MetadataVersion};
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use dipper_core::{Error, Status};

use crate::error::{damaged, of_arrow};

/// What JavaScript can count of one batch.
const MOST_ROWS: i64 = 1 << 32;

/// The mark before the length of a message, of all versions since 0.15.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Where a message told its compression before the format had a place for that.
const EXPERIMENT: &str = "ARROW:experimental_compression";

/// A message as it was read.
#[derive(Clone)]
pub(crate) struct Encapsulated {
    /// What stands before the body: its length and what it says.
    pub(crate) metadata: Bytes,
    /// What the arrays are made of.
    pub(crate) body: Bytes,
}

/// What is known of a file or a stream while its batches are read.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) schema: SchemaRef,
    pub(crate) version: MetadataVersion,
    /// The values of dictionaries, by the number that fields name them with.
    pub(crate) dictionaries: HashMap<i64, ArrayRef>,
    /// The columns that are wanted.
    pub(crate) places: Option<Vec<usize>>,
}

/// What the front of a message says.
pub(crate) fn message(metadata: &[u8]) -> Result<Message<'_>, Error> {
    let told = match metadata {
        [a, b, c, d, rest @ ..] if [*a, *b, *c, *d] == CONTINUATION => rest.get(4..),
        // As it was written before Arrow 0.15.
        _ => metadata.get(4..),
    };
    let told = told.ok_or_else(|| damaged("Arrow", "a message is cut short"))?;
    arrow_ipc::root_as_message(told)
        .map_err(|error| damaged("Arrow", format!("a message cannot be read: {error}")))
}

/// How many bytes the batch of a message will take once decoded, beside its own.
///
/// # Errors
/// `DamagedData` for buffers that lie outside the body or over each other, and for lengths that
/// cannot be meant.
pub(crate) fn unpacked(encapsulated: &Encapsulated) -> Result<u64, Error> {
    let message = message(&encapsulated.metadata)?;
    let mut notes = message.custom_metadata().into_iter().flatten();
    if notes.any(|note| note.key() == Some(EXPERIMENT)) {
        let what = "this Arrow file is compressed as only version 0.17 of Arrow did it";
        return Err(Error::new(Status::Unsupported, what)
            .hint("write it again with a newer version: pyarrow reads both"));
    }
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => {
            message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data())
        }
        _ => return Ok(0),
    };
    let batch = batch.ok_or_else(|| damaged("Arrow", "a message holds no batch"))?;
    if !(0..=MOST_ROWS).contains(&batch.length()) {
        return Err(damaged("Arrow", format!("a batch claims {} rows", batch.length())));
    }
    for node in batch.nodes().iter().flatten() {
        if node.length() < 0 || node.null_count() < 0 || node.null_count() > node.length() {
            return Err(damaged("Arrow", "an array has more nulls than values"));
        }
    }
    let body = &encapsulated.body;
    let mut parts = Vec::new();
    for buffer in batch.buffers().iter().flatten() {
        let (start, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let (Ok(start), Ok(length)) = (start, length) else {
            return Err(damaged("Arrow", "a buffer has a negative place"));
        };
        let end = start.checked_add(length).filter(|end| *end <= body.len());
        let Some(end) = end else {
            return Err(damaged("Arrow", "a buffer lies outside its message"));
        };
        if length > 0 {
            parts.push((start, end));
        }
    }
    let codec = batch.compression().map(|compression| compression.codec());
    let packed = parts.clone();
    parts.sort_unstable();
    if parts.windows(2).any(|pair| matches!(pair, [(_, end), (start, _)] if start < end)) {
        return Err(damaged("Arrow", "two of its buffers overlap"));
    }
    let Some(codec) = codec else { return Ok(0) };
    packed.iter().try_fold(0_u64, |sum, (start, end)| {
        let part = body.get(*start..*end).unwrap_or_default();
        Ok(sum.saturating_add(unpacked_buffer(part, codec)?))
    })
}

/// How many bytes a compressed buffer claims to become; one that would become more is refused.
fn unpacked_buffer(part: &[u8], codec: CompressionType) -> Result<u64, Error> {
    let Some((claim, packed)) = part.split_first_chunk() else {
        return Err(damaged("Arrow", "a compressed buffer has no length"));
    };
    match i64::from_le_bytes(*claim) {
        // Stored as it is.
        -1 => Ok(0),
        claim => {
            let claim = u64::try_from(claim)
                .map_err(|_| damaged("Arrow", "a compressed buffer has a negative length"))?;
            // The decoders make room for all that is claimed, and that of LZ4 decodes all that is
            // there. So what can come out is counted before.
            let (most, block) = match codec {
                CompressionType::LZ4_FRAME => most_of_lz4(packed),
                _ => (most_of_zstd(packed), u64::MAX),
            };
            if most > claim.saturating_add(block) {
                return Err(damaged("Arrow", "a compressed buffer is longer than it claims"));
            }
            if most < claim {
                return Err(damaged("Arrow", "a compressed buffer is shorter than it claims"));
            }
            Ok(claim)
        }
    }
}

/// The next four bytes as a number.
fn word(from: &mut &[u8]) -> Option<u32> {
    let mut raw = [0; 4];
    from.read_exact(&mut raw).ok()?;
    Some(u32::from_le_bytes(raw))
}

/// How many bytes the blocks of Zstandard's frames are decoded to at most.
///
/// The format: <https://www.rfc-editor.org/rfc/rfc8878#section-3>.
fn most_of_zstd(mut frames: &[u8]) -> u64 {
    /// No block is longer.
    const BLOCK: u64 = 128 << 10;
    let mut sum = 0_u64;
    while let Some(magic) = word(&mut frames) {
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            // A frame to be skipped tells how long it is.
            let length = word(&mut frames).unwrap_or(0) as usize;
            frames = frames.get(length..).unwrap_or_default();
            continue;
        }
        let Some(flags) = frames.first().filter(|_| magic == 0xfd2f_b528) else { break };
        let single = flags >> 5 & 1 == 1;
        let size = match flags >> 6 {
            0 => usize::from(single),
            more => 1 << more,
        };
        let dictionary = [0, 1, 2, 4][usize::from(flags & 3)];
        let checksum = if flags >> 2 & 1 == 1 { 4 } else { 0 };
        frames = frames.get(1 + usize::from(!single) + dictionary + size..).unwrap_or_default();
        while let Some(([a, b, c], rest)) = frames.split_first_chunk() {
            let block = u32::from_le_bytes([*a, *b, *c, 0]);
            let size = block >> 3;
            let (takes, gives) = match block >> 1 & 3 {
                0 => (size, u64::from(size)),
                1 => (1, u64::from(size)),
                _ => (size, BLOCK),
            };
            sum = sum.saturating_add(gives.min(BLOCK));
            frames = rest.get(takes as usize..).unwrap_or_default();
            if block & 1 == 1 {
                break;
            }
        }
        frames = frames.get(checksum..).unwrap_or_default();
    }
    sum
}

/// How many bytes the blocks of an LZ4 frame are decoded to at most, and one of them.
///
/// The format: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.
fn most_of_lz4(mut frame: &[u8]) -> (u64, u64) {
    let (mut sum, mut largest) = (0_u64, 0);
    while let Some(magic) = word(&mut frame) {
        if magic != 0x184d_2204 {
            break;
        }
        let [flags, sizes, ..] = *frame else { break };
        let block = match sizes >> 4 & 7 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => break,
        };
        largest = largest.max(block);
        let bit = |bit: u8| usize::from(flags >> bit & 1);
        // Flags, sizes, the length of the content, the dictionary, and the sum of all that.
        frame = frame.get(3 + 8 * bit(3) + 4 * bit(0)..).unwrap_or_default();
        while let Some(size) = word(&mut frame) {
            if size == 0 {
                frame = frame.get(4 * bit(2)..).unwrap_or_default();
                break;
            }
            let packed = (size & 0x7fff_ffff) as usize;
            sum += block;
            frame = frame.get(packed + 4 * bit(4)..).unwrap_or_default();
        }
    }
    (sum, largest)
}

impl Known {
    /// Takes the values of a dictionary.
    pub(crate) fn dictionary(&mut self, encapsulated: &Encapsulated) -> Result<(), Error> {
        let message = message(&encapsulated.metadata)?;
        let dictionary = message
            .header_as_dictionary_batch()
            .filter(|dictionary| dictionary.data().is_some())
            .ok_or_else(|| damaged("Arrow", "there is no dictionary where one should be"))?;
        // It is held by several batches, so it is never a part of what one of them is exported of.
        let body = Buffer::from(encapsulated.body.clone());
        let version = message.version();
        read_dictionary(&body, dictionary, &self.schema, &mut self.dictionaries, &version)
            .map_err(of_ipc)
    }

    /// Whether a wanted column takes its values from this dictionary.
    #[expect(deprecated, reason = "files name their dictionaries by numbers")]
    pub(crate) fn wants(&self, metadata: &[u8]) -> Result<bool, Error> {
        let Some(places) = &self.places else { return Ok(true) };
        let message = message(metadata)?;
        let Some(id) = message.header_as_dictionary_batch().map(|dictionary| dictionary.id())
        else {
            return Ok(true);
        };
        let wanted = self.schema.project(places).map_err(of_ipc)?;
        let known = !self.schema.fields_with_dict_id(id).is_empty();
        Ok(!known || !wanted.fields_with_dict_id(id).is_empty())
    }

    /// Decodes a batch.
    pub(crate) fn batch(&self, encapsulated: &Encapsulated) -> Result<RecordBatch, Error> {
        self.columns(encapsulated, self.places.as_deref())
    }

    /// Decodes columns of a batch.
    pub(crate) fn columns(
        &self,
        encapsulated: &Encapsulated,
        places: Option<&[usize]>,
    ) -> Result<RecordBatch, Error> {
        let message = message(&encapsulated.metadata)?;
        let batch = message
            .header_as_record_batch()
            .ok_or_else(|| damaged("Arrow", "there is no batch where one should be"))?;
        let version = self.version;
        if version != MetadataVersion::V1 && message.version() != version {
            return Err(damaged("Arrow", "its messages are of different versions"));
        }
        let body = Buffer::from(encapsulated.body.clone());
        let dictionaries = self
            .dictionaries
            .iter()
            .map(|(id, values)| Ok((*id, copied(values)?)))
            .collect::<Result<HashMap<_, _>, Error>>()?;
        let schema = SchemaRef::clone(&self.schema);
        RecordBatchDecoder::try_new(&body, batch, schema, &dictionaries, &version)
            .and_then(|decoder| decoder.with_projection(places).read_record_batch())
            .map_err(of_ipc)
    }
}

/// What the decoder reports, without "Ipc error" and the like before it.
pub(crate) fn of_ipc(error: ArrowError) -> Error {
    match error {
        ArrowError::IpcError(why)
        | ArrowError::InvalidArgumentError(why)
        | ArrowError::SchemaError(why)
        | ArrowError::ParseError(why) => damaged("Arrow", why),
        ArrowError::MemoryError(why) => Error::new(Status::OutOfMemory, why),
        other => of_arrow("Arrow", other),
    }
}

/// The same values in memory of their own.
fn copied(array: &ArrayRef) -> Result<ArrayRef, Error> {
    fn of(data: &ArrayData) -> Result<ArrayData, ArrowError> {
        let buffers = data.buffers().iter().map(|buffer| Buffer::from(buffer.as_slice())).collect();
        let children = data.child_data().iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let nulls = data.nulls().map(|nulls| Buffer::from(nulls.buffer().as_slice()));
        let offset = data.nulls().map_or(data.offset(), |nulls| nulls.offset());
        if offset != data.offset() {
            return Err(ArrowError::InvalidArgumentError("a dictionary is sliced".to_owned()));
        }
        ArrayData::builder(data.data_type().clone())
            .len(data.len())
            .offset(data.offset())
            .buffers(buffers)
            .child_data(children)
            .null_bit_buffer(nulls)
            .build()
    }
    of(&array.to_data()).map(make_array).map_err(of_ipc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_frames_can_become() {
        // A frame of one block that repeats a byte 100 times, and one of 5 bytes as they are.
        let head = |flags: u8| [0x28, 0xb5, 0x2f, 0xfd, flags];
        let block = |last: u32, kind: u32, size: u32| {
            let raw = (last | kind << 1 | size << 3).to_le_bytes();
            [raw[0], raw[1], raw[2]]
        };
        let repeated = [&head(0x20)[..], &[100], &block(1, 1, 100), &[7]].concat();
        assert_eq!(most_of_zstd(&repeated), 100);
        // With a window, a checksum, and two blocks.
        let plain =
            [&head(4)[..], &[0], &block(0, 0, 2), &[1, 2], &block(1, 0, 3), &[3, 4, 5], &[9; 4]];
        let plain = plain.concat();
        assert_eq!(most_of_zstd(&plain), 5);
        let skipped = [&[0x51, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 1][..], &plain, &repeated].concat();
        assert_eq!(most_of_zstd(&skipped), 105);
        assert_eq!(most_of_zstd(&plain[..9]), 2);
        assert_eq!(most_of_zstd(b"no frame"), 0);
        let claim = |bytes: i64| [&bytes.to_le_bytes()[..], &repeated].concat();
        assert_eq!(unpacked_buffer(&claim(100), CompressionType::ZSTD).ok(), Some(100));
        assert!(unpacked_buffer(&claim(1 << 32), CompressionType::ZSTD).is_err());
        assert!(unpacked_buffer(&claim(1 << 32), CompressionType::LZ4_FRAME).is_err());
        assert!(unpacked_buffer(&claim(-2), CompressionType::ZSTD).is_err());
    }
}
