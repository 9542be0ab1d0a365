//! Columns of numbers, unpacked straight to where they stay.
//!
//! Most columns that somebody adds up or draws are flat, and their values have four bytes or eight.
//! The decoder of the `parquet` crate takes fresh memory for each page, and writes each value of the
//! column several times: as zero, as itself, and as the number that it is told as. Here pages are
//! unpacked into memory that the next page takes again, dictionaries are converted instead of what
//! refers to them, and each value is written once, to memory that is recycled.
//!
//! It knows the encodings and codecs that nearly all such columns have, and no errors: whatever is
//! unknown, damaged, or cannot be told, it leaves to the crate's decoder, which says what it is.

use std::borrow::Cow;

use arrow_array::{ArrayRef, make_array};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, TimeUnit};
use bytemuck::Pod;
use bytes::Bytes;
use dipper_core::Error;
use dipper_wire::{Allocation, SharedAllocation};
use parquet::basic::{Compression, Type};
use parquet::file::metadata::ColumnChunkMetaData;
use zstd::bulk::Decompressor;

use super::thrift::{Visit, walk};
use super::{layouts, snappy, texts};
use crate::int64::{signed_as_float64, unsigned_as_float64};

/// So many indices are unpacked before they are looked up.
const BLOCK: usize = 1024;
/// Indices have no more bits.
const WIDEST: usize = 24;
/// More than this is not kept for the next page.
const KEPT: usize = 8 << 20;

/// A column of numbers.
#[derive(Debug)]
pub(super) struct Number {
    kind: DataType,
    told: Told,
    optional: bool,
    wide: bool,
}

/// As which numbers it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    AsStored,
    SignedAsFloat64,
    UnsignedAsFloat64,
}

impl Number {
    /// What it is if its values are those that are stored, or become so.
    pub(super) fn of(
        chunk: &ColumnChunkMetaData,
        stored: &DataType,
        told: &DataType,
    ) -> Option<Self> {
        use DataType::{
            Date32, Duration, Float32, Float64, Int32, Int64, Time32, Time64, Timestamp, UInt32,
            UInt64,
        };
        let descr = chunk.column_descr();
        let flat = descr.max_rep_level() == 0 && descr.path().parts().len() == 1;
        let wide = match (descr.physical_type(), stored) {
            (Type::INT32, Int32 | UInt32 | Date32 | Time32(TimeUnit::Second))
            | (Type::INT32, Time32(TimeUnit::Millisecond))
            | (Type::FLOAT, Float32) => false,
            (Type::INT64, Int64 | UInt64 | Timestamp(..) | Duration(_))
            | (Type::INT64, Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond))
            | (Type::DOUBLE, Float64) => true,
            _ => return None,
        };
        let as_told = match (stored, told) {
            (stored, told) if stored == told => Told::AsStored,
            (Int64, Float64) => Told::SignedAsFloat64,
            (UInt64, Float64) => Told::UnsignedAsFloat64,
            _ => return None,
        };
        let optional = match descr.max_def_level() {
            0 => false,
            1 => true,
            _ => return None,
        };
        flat.then(|| Self { kind: told.clone(), told: as_told, optional, wide })
    }
}

/// Memory that one page leaves to the next.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) tools: Tools,
    pub(super) texts: texts::Scratch,
    narrow: Words<u32>,
    wide: Words<u64>,
}

/// What unpacks pages, and where.
#[derive(Default)]
pub(super) struct Tools {
    zstd: Option<Decompressor<'static>>,
    page: Vec<u8>,
}

#[derive(Default)]
struct Words<W> {
    dictionary: Vec<W>,
    values: Vec<W>,
}

/// Gives back what is uncommonly large.
pub(super) fn shrink<T>(vector: &mut Vec<T>) {
    if vector.capacity() * size_of::<T>() > KEPT {
        *vector = Vec::new();
    }
}

impl Scratch {
    /// Gives back what is uncommonly large.
    pub(super) fn shrink(&mut self) {
        self.texts.shrink();
        shrink(&mut self.tools.page);
        shrink(&mut self.narrow.dictionary);
        shrink(&mut self.narrow.values);
        shrink(&mut self.wide.dictionary);
        shrink(&mut self.wide.values);
    }
}

/// The bits of a value.
trait Word: Pod + Default {
    const BYTES: usize = size_of::<Self>();

    /// Values as they are stored become those that are told; `None` if one of them is no such
    /// number.
    fn tell(stored: &mut [Self], told: Told) -> Option<()>;
}

impl Word for u32 {
    fn tell(stored: &mut [Self], told: Told) -> Option<()> {
        stored.iter_mut().for_each(|value| *value = Self::from_le(*value));
        (told == Told::AsStored).then_some(())
    }
}

impl Word for u64 {
    fn tell(stored: &mut [Self], told: Told) -> Option<()> {
        stored.iter_mut().for_each(|value| *value = Self::from_le(*value));
        match told {
            Told::AsStored => Some(()),
            Told::SignedAsFloat64 => signed_as_float64(bytemuck::cast_slice_mut(stored)),
            Told::UnsignedAsFloat64 => unsigned_as_float64(stored),
        }
    }
}

/// Whether its pages can be unpacked here.
pub(super) fn unpacks(chunk: &ColumnChunkMetaData) -> bool {
    use Compression::{SNAPPY, UNCOMPRESSED, ZSTD};
    matches!(chunk.compression(), UNCOMPRESSED | SNAPPY | ZSTD(_))
}

/// The first `rows` values of a column chunk; `None` if somebody else must decode it.
pub(super) fn column(
    number: &Number,
    chunk: &ColumnChunkMetaData,
    bytes: &[u8],
    rows: usize,
    scratch: &mut Scratch,
) -> Option<ArrayRef> {
    let column = Column { number, chunk: Chunk::new(chunk, bytes, rows, number.optional) };
    let Scratch { tools, narrow, wide, .. } = scratch;
    let decoded = match number.wide {
        true => column.decoded(tools, wide),
        false => column.decoded(tools, narrow),
    };
    scratch.shrink();
    decoded
}

struct Column<'a> {
    number: &'a Number,
    chunk: Chunk<'a>,
}

impl Column<'_> {
    fn decoded<W: Word>(&self, tools: &mut Tools, words: &mut Words<W>) -> Option<ArrayRef> {
        let chunk = &self.chunk;
        let pages = chunk.pages(W::BYTES)?;
        let mut memory = Allocation::recycled_to_fill(chunk.rows.checked_mul(W::BYTES)?).ok()?;
        let out: &mut [W] = bytemuck::try_cast_slice_mut(memory.as_mut_slice()).ok()?;
        let mut valid = Valid::new(chunk.rows);
        let mut known = 0;
        let mut at = 0;
        for page in &pages {
            if page.coding == Coding::Dictionary {
                known = page.values;
                self.dictionary(page, tools, &mut words.dictionary)?;
                continue;
            }
            let (apart, body) = chunk.unpacked(page, tools)?;
            let count = page.values.min(chunk.rows - at);
            let (levels, body) = chunk.levels(page, apart, body)?;
            let present = match levels {
                Some(levels) => valid.add(levels, count)?,
                None => count,
            };
            (present <= page.most).then_some(())?;
            let place = out.get_mut(at..at + count)?;
            let room = known.checked_next_power_of_two()?.min(words.dictionary.len());
            let dictionary = words.dictionary.get(..room)?;
            if present == 0 {
                place.fill(W::default());
            } else if present == count {
                self.values(page, body, (dictionary, known), place)?;
            } else {
                let values = &mut words.values;
                values.clear();
                values.resize(present, W::default());
                self.values(page, body, (dictionary, known), values)?;
                valid.spread(values, at, place);
            }
            at += count;
        }
        let values = Buffer::from(Bytes::from_owner(SharedAllocation::new(memory)));
        ArrayData::builder(self.number.kind.clone())
            .len(chunk.rows)
            .add_buffer(values)
            .nulls(valid.nulls())
            .build()
            .ok()
            .map(make_array)
    }

    /// The values of a dictionary as they are told, and room for so many as make their number a
    /// power of two: what finds them then needs no look at their number. What is there of an earlier
    /// dictionary nobody finds.
    fn dictionary<W: Word>(&self, page: &Page, tools: &mut Tools, into: &mut Vec<W>) -> Option<()> {
        let room = page.values.checked_next_power_of_two()?;
        if into.len() < room {
            into.try_reserve(room - into.len()).ok()?;
            into.resize(room, W::default());
        }
        let values = into.get_mut(..page.values)?;
        let place: &mut [u8] = bytemuck::cast_slice_mut(values);
        let Chunk { codec, bytes, .. } = self.chunk;
        if codec == Compression::SNAPPY && page.length == place.len() && page.length > 0 {
            snappy::unpack(bytes.get(page.at.clone())?, place)?;
        } else {
            let (_, body) = self.chunk.unpacked(page, tools)?;
            place.copy_from_slice(body.get(..place.len())?);
        }
        // One that is no such number may be nobody's.
        W::tell(values, self.number.told)
    }

    /// The values of a page, as many as there is room for.
    fn values<W: Word>(
        &self,
        page: &Page,
        body: &[u8],
        (dictionary, known): (&[W], usize),
        out: &mut [W],
    ) -> Option<()> {
        if page.coding == Coding::Plain {
            let bytes = body.get(..out.len().checked_mul(W::BYTES)?)?;
            bytemuck::cast_slice_mut(out).copy_from_slice(bytes);
            return W::tell(out, self.number.told);
        }
        let (width, body) = body.split_first()?;
        let mut left = out;
        let count = left.len();
        runs(body, usize::from(*width), count, |run| {
            let room = std::mem::take(&mut left);
            let (place, rest) = room.split_at_mut_checked(run.len())?;
            left = rest;
            match run {
                Run::Same(index, _) => {
                    let index = usize::try_from(index).ok().filter(|index| *index < known)?;
                    place.fill(*dictionary.get(index)?);
                }
                Run::Each(indices) => {
                    let last = dictionary.len().checked_sub(1)?;
                    let mut largest = 0;
                    for (place, index) in place.iter_mut().zip(indices) {
                        largest = largest.max(*index);
                        *place = dictionary[*index as usize & last];
                    }
                    ((largest as usize) < known).then_some(())?;
                }
            }
            Some(())
        })
        .map(drop)
    }
}

/// A column chunk, and how much of it is wanted.
pub(super) struct Chunk<'a> {
    codec: Compression,
    bytes: &'a [u8],
    pub(super) rows: usize,
    optional: bool,
}

impl<'c> Chunk<'c> {
    pub(super) fn new(
        chunk: &ColumnChunkMetaData,
        bytes: &'c [u8],
        rows: usize,
        optional: bool,
    ) -> Self {
        Self { codec: chunk.compression(), bytes, rows, optional }
    }

    /// The pages as far as there are rows, if they are known altogether.
    pub(super) fn pages(&self, width: usize) -> Option<Vec<Page>> {
        let mut pages = Vec::new();
        let (mut at, mut values) = (0, 0_usize);
        while values < self.rows {
            let left = self.bytes.get(at..)?;
            let mut head = Head::new();
            at += walk(left, &layouts::PAGE, &mut head).ok()?;
            let (page, length) = head.page(at, width, self.optional)?;
            at += length;
            match page.coding {
                Coding::Dictionary if pages.is_empty() => {}
                Coding::Dictionary => return None,
                _ => values = values.checked_add(page.values)?,
            }
            pages.push(page);
        }
        Some(pages)
    }

    /// The levels of a page that has them apart, and the rest of it.
    pub(super) fn unpacked<'a>(
        &'a self,
        page: &Page,
        tools: &'a mut Tools,
    ) -> Option<(&'a [u8], &'a [u8])> {
        let (levels, body) = self.bytes.get(page.at.clone())?.split_at_checked(page.levels)?;
        let length = page.length.checked_sub(page.levels)?;
        let codec = if page.packed { self.codec } else { Compression::UNCOMPRESSED };
        let Tools { zstd, page: unpacked } = tools;
        match codec {
            Compression::UNCOMPRESSED => return (body.len() == length).then_some((levels, body)),
            _ if length == 0 => return Some((levels, &[])),
            Compression::ZSTD(_) => {
                let zstd = match zstd {
                    Some(zstd) => zstd,
                    None => zstd.insert(Decompressor::new().ok()?),
                };
                unpacked.clear();
                unpacked.try_reserve(length).ok()?;
                zstd.decompress_to_buffer(body, unpacked).ok()?;
                (unpacked.len() == length).then_some(())?;
            }
            Compression::SNAPPY => {
                if let Some(stored) = snappy::stored(body).filter(|body| body.len() == length) {
                    return Some((levels, stored));
                }
                // What is there of an earlier page is written over, or never read.
                if unpacked.len() < length {
                    unpacked.try_reserve(length - unpacked.len()).ok()?;
                    unpacked.resize(length, 0);
                }
                let place = unpacked.get_mut(..length)?;
                let came = snap::raw::Decoder::new().decompress(body, place).ok()?;
                (came == length).then_some(())?;
            }
            _ => return None,
        }
        Some((levels, unpacked.get(..length)?))
    }

    /// The levels of a page, if it has any, and the rest of it.
    pub(super) fn levels<'a>(
        &self,
        page: &Page,
        apart: &'a [u8],
        body: &'a [u8],
    ) -> Option<(Option<&'a [u8]>, &'a [u8])> {
        match (self.optional, page.second) {
            (false, _) => Some((None, body)),
            (true, true) => Some((Some(apart), body)),
            (true, false) => {
                let (length, rest) = body.split_first_chunk()?;
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                let (levels, rest) = rest.split_at_checked(length)?;
                Some((Some(levels), rest))
            }
        }
    }
}

/// A page, and how it is read.
pub(super) struct Page {
    at: std::ops::Range<usize>,
    pub(super) coding: Coding,
    pub(super) values: usize,
    /// No more of them are there, as it says.
    pub(super) most: usize,
    /// Bytes of it when it is unpacked.
    pub(super) length: usize,
    /// Of the second version: its levels stand before what is packed.
    second: bool,
    pub(super) levels: usize,
    packed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Dictionary,
    Plain,
    Indices,
}

/// What a page says: of itself, and in the one structure that goes with its kind. What it does not
/// say is -1, and refused like everything that is less than nothing.
struct Head {
    page: [i64; 4],
    body: [i64; 8],
    body_of: &'static str,
}

impl Visit for Head {
    fn number(&mut self, of: &'static str, field: i16, value: i64) -> Result<(), Error> {
        let field = usize::try_from(field).unwrap_or(usize::MAX);
        let place = match of {
            "PageHeader" => self.page.get_mut(field),
            _ => self.body.get_mut(field),
        };
        if let Some(place) = place {
            *place = value;
        }
        Ok(())
    }

    fn end(&mut self, of: &'static str) -> Result<(), Error> {
        if matches!(of, "DataPageHeader" | "DataPageHeaderV2" | "DictionaryPageHeader") {
            self.body_of = if self.body_of.is_empty() { of } else { "several" };
        }
        Ok(())
    }
}

const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE: i64 = 3;
const RLE_DICTIONARY: i64 = 8;

impl Head {
    fn new() -> Self {
        Self { page: [-1; 4], body: [-1; 8], body_of: "" }
    }

    /// The page whose body starts there, and how long that is.
    fn page(&self, start: usize, width: usize, optional: bool) -> Option<(Page, usize)> {
        let number = |value: i64| usize::try_from(value).ok();
        let [_, kind, length, size] = self.page;
        let (length, size) = (number(length)?, number(size)?);
        let mut page = Page {
            at: start..start.checked_add(size)?,
            coding: Coding::Dictionary,
            values: number(self.body[1])?,
            most: usize::MAX,
            length,
            second: false,
            levels: 0,
            packed: true,
        };
        let encoding = match (kind, self.body_of) {
            (2, "DictionaryPageHeader") => {
                let all_there = page.values.checked_mul(width)? <= length;
                let known = matches!(self.body[2], PLAIN | PLAIN_DICTIONARY);
                return (known && all_there).then_some((page, size));
            }
            (0, "DataPageHeader") => {
                let [_, _, encoding, levels, repeated, ..] = self.body;
                // Encodings that there are; others are damage, also where there are no levels.
                let there = |encoding| matches!(encoding, 0 | 2..=9);
                let known = there(levels) && there(repeated) && (!optional || levels == RLE);
                known.then_some(encoding)?
            }
            (3, "DataPageHeaderV2") => {
                let [_, _, missing, rows, encoding, levels, repeated, packed] = self.body;
                page.most = page.values.checked_sub(number(missing)?)?;
                page.second = true;
                page.levels = number(levels)?;
                page.packed = packed != 0;
                (rows >= 0 && repeated == 0).then_some(encoding)?
            }
            _ => return None,
        };
        page.coding = match encoding {
            PLAIN => Coding::Plain,
            PLAIN_DICTIONARY | RLE_DICTIONARY => Coding::Indices,
            _ => return None,
        };
        Some((page, size))
    }
}

/// Which rows have a value. Nothing is kept as long as all do.
pub(super) struct Valid {
    bits: Option<BooleanBufferBuilder>,
    rows: usize,
    most: usize,
}

impl Valid {
    pub(super) fn new(most: usize) -> Self {
        Self { bits: None, rows: 0, most }
    }

    /// Adds `count` rows of a page, and says how many of them have a value.
    pub(super) fn add(&mut self, levels: &[u8], count: usize) -> Option<usize> {
        let (mut levels, mut left, mut present) = (levels, count, 0);
        while left > 0 {
            let (run, rest) = Packed::read(levels, 1)?;
            levels = rest;
            match run {
                Packed::Same(level, length) => {
                    let length = length.min(left);
                    left -= length;
                    match level {
                        0 => self.bits().append_n(length, false),
                        1 => {
                            present += length;
                            self.all(length);
                        }
                        _ => return None,
                    }
                    self.rows += length;
                }
                Packed::Each(bytes, length) => {
                    let length = length.min(left);
                    left -= length;
                    let ones = ones(bytes, length);
                    present += ones;
                    match ones == length {
                        true => self.all(length),
                        false => self.bits().append_packed_range(0..length, bytes),
                    }
                    self.rows += length;
                }
            }
        }
        Some(present)
    }

    /// Whether a row has one, of those that were added.
    #[inline]
    pub(super) fn there(&self, row: usize) -> bool {
        self.bits.as_ref().is_none_or(|bits| bits.get_bit(row))
    }

    fn all(&mut self, length: usize) {
        if let Some(bits) = &mut self.bits {
            bits.append_n(length, true);
        }
    }

    fn bits(&mut self) -> &mut BooleanBufferBuilder {
        let (rows, most) = (self.rows, self.most);
        self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(most);
            bits.append_n(rows, true);
            bits
        })
    }

    /// Puts values where there are some, from row `at` on, and zeros elsewhere.
    fn spread<W: Word>(&self, values: &[W], at: usize, out: &mut [W]) {
        let mut values = values.iter();
        for (place, row) in out.iter_mut().zip(at..) {
            let value = if self.there(row) { values.next() } else { None };
            *place = value.copied().unwrap_or_default();
        }
    }

    pub(super) fn nulls(self) -> Option<NullBuffer> {
        self.bits.map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

/// How many of the first bits are set.
fn ones(bytes: &[u8], length: usize) -> usize {
    let (whole, rest) = bytes.split_at(length / 8);
    let whole: usize = whole.iter().map(|byte| byte.count_ones() as usize).sum();
    let last = rest.first().map_or(0, |byte| byte & !(0xff << (length % 8)));
    whole + last.count_ones() as usize
}

/// A run as it is stored: one value again and again, or each by itself in so many bits; and how many
/// there are.
pub(super) enum Packed<'a> {
    Same(u32, usize),
    Each(&'a [u8], usize),
}

impl<'a> Packed<'a> {
    /// The first run, and what follows. A run of none is no run: it could be read for ever.
    pub(super) fn read(bytes: &'a [u8], width: usize) -> Option<(Self, &'a [u8])> {
        let (mut head, mut at) = (0_u64, 0);
        loop {
            let byte = *bytes.get(at)?;
            head |= u64::from(byte & 0x7f) << (7 * at);
            at += 1;
            match byte & 0x80 {
                0 => break,
                _ if at == 5 => return None,
                _ => {}
            }
        }
        let bytes = bytes.get(at..)?;
        let count = usize::try_from(head >> 1).ok().filter(|count| *count > 0)?;
        if head & 1 == 0 {
            let (value, rest) = bytes.split_at_checked(width.div_ceil(8))?;
            let value = value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
            return Some((Self::Same(value, count), rest));
        }
        let (body, rest) = bytes.split_at_checked(count.checked_mul(width)?)?;
        Some((Self::Each(body, count.checked_mul(8)?), rest))
    }
}

/// Indices, unpacked.
pub(super) enum Run<'a> {
    Same(u32, usize),
    Each(&'a [u32]),
}

impl Run<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Same(_, length) => *length,
            Self::Each(indices) => indices.len(),
        }
    }
}

/// Tells `count` indices, run by run. What follows the last of these runs is left.
pub(super) fn runs(
    bytes: &[u8],
    width: usize,
    count: usize,
    mut tell: impl FnMut(Run<'_>) -> Option<()>,
) -> Option<&[u8]> {
    if width > WIDEST {
        return None;
    }
    let (mut bytes, mut left) = (bytes, count);
    let mut block = [0; BLOCK];
    while left > 0 {
        let (run, rest) = Packed::read(bytes, width)?;
        bytes = rest;
        match run {
            Packed::Same(index, length) => {
                let length = length.min(left);
                left -= length;
                tell(Run::Same(index, length))?;
            }
            // Of no bits each, all of them are the first.
            Packed::Each(_, length) if width == 0 => {
                let length = length.min(left);
                left -= length;
                tell(Run::Same(0, length))?;
            }
            Packed::Each(mut body, length) => {
                let mut inside = length.min(left);
                left -= inside;
                while inside > 0 {
                    let length = inside.min(BLOCK);
                    unpack(body, width, block.get_mut(..length.next_multiple_of(8))?);
                    tell(Run::Each(block.get(..length)?))?;
                    body = body.get(BLOCK / 8 * width..).unwrap_or_default();
                    inside -= length;
                }
            }
        }
    }
    Some(bytes)
}

/// Unpacks numbers of so many bits, eight by eight.
fn unpack(bytes: &[u8], width: usize, out: &mut [u32]) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_of::<$width>(bytes, out),)*
                _ => out.fill(0),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24);
}

fn unpack_of<const WIDTH: usize>(mut bytes: &[u8], out: &mut [u32]) {
    for eight in out.as_chunks_mut::<8>().0 {
        // The last of them begins in the 22nd byte at most.
        let window: Cow<'_, [u8; 32]> = match bytes.first_chunk() {
            Some(window) => Cow::Borrowed(window),
            None => {
                let mut window = [0; 32];
                window.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
                Cow::Owned(window)
            }
        };
        for (number, place) in eight.iter_mut().enumerate() {
            let bit = number * WIDTH;
            let four = [0, 1, 2, 3].map(|byte| window[bit / 8 + byte]);
            *place = u32::from_le_bytes(four) >> (bit % 8) & ((1 << WIDTH) - 1);
        }
        bytes = bytes.get(WIDTH..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
        TimestampMicrosecondArray, UInt64Array,
    };
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
    use parquet::arrow::{ArrowWriter, ProjectionMask};
    use parquet::basic::{Encoding, ZstdLevel};
    use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

    use super::super::pages;
    use super::*;

    /// A number for each row, of so many different ones, and every so many-th missing.
    fn numbers(rows: usize, different: i64, missing: usize) -> Vec<Option<i64>> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut number = |row: usize| {
            let there = missing == 0 || !row.is_multiple_of(missing);
            // Now and then the same for a while.
            let number = if row % 100 < 30 { 1 } else { random.i64(0..different) };
            there.then_some(number - different / 2)
        };
        (0..rows).map(&mut number).collect()
    }

    fn columns(rows: usize, different: i64, missing: usize) -> RecordBatch {
        let numbers = numbers(rows, different, missing);
        let floats = || numbers.iter().map(|number| number.map(|number| number as f64 / 8.0));
        let small = || numbers.iter().map(|number| number.and_then(|one| i32::try_from(one).ok()));
        let array: [(&str, ArrayRef); 6] = [
            ("signed", Arc::new(Int64Array::from(numbers.clone()))),
            (
                "unsigned",
                Arc::new(
                    numbers.iter().map(|one| one.map(i64::unsigned_abs)).collect::<UInt64Array>(),
                ),
            ),
            ("double", Arc::new(floats().collect::<Float64Array>())),
            ("short", Arc::new(small().collect::<Int32Array>())),
            (
                "single",
                Arc::new(floats().map(|one| one.map(|one| one as f32)).collect::<Float32Array>()),
            ),
            (
                "time",
                Arc::new(TimestampMicrosecondArray::from(numbers.clone()).with_timezone("UTC")),
            ),
        ];
        RecordBatch::try_from_iter_with_nullable(
            array.map(|(name, column)| (name, column, missing > 0)),
        )
        .unwrap()
    }

    fn written(batch: &RecordBatch, properties: WriterPropertiesBuilder, page: usize) -> Bytes {
        let mut file = Vec::new();
        let properties = properties.set_data_page_row_count_limit(page).build();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        file.into()
    }

    /// The columns of the first row group as they are decoded here.
    fn decoded(file: &Bytes, rows: usize, told: Option<&DataType>) -> Vec<Option<ArrayRef>> {
        let reader = ArrowReaderMetadata::load(file, Default::default()).unwrap();
        let mut scratch = Scratch::default();
        let fields = reader.schema().fields().iter().zip(reader.metadata().row_group(0).columns());
        fields
            .map(|(field, chunk)| {
                let number =
                    Number::of(chunk, field.data_type(), told.unwrap_or(field.data_type()))?;
                let (start, length) = chunk.byte_range();
                let bytes = &file[start as usize..(start + length) as usize];
                column(&number, chunk, bytes, rows, &mut scratch)
            })
            .collect()
    }

    #[test]
    fn it_decodes_what_the_other_decoder_decodes() {
        let plain = || WriterProperties::builder().set_dictionary_enabled(false);
        let codecs = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(ZstdLevel::default()),
        ];
        let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
        for (different, missing) in [(1, 0), (2, 3), (300, 0), (70_000, 1), (9000, 2), (90, 1000)] {
            let batch = columns(20_001, different, missing);
            for codec in codecs {
                for version in versions {
                    for properties in [WriterProperties::builder(), plain()] {
                        let packed = properties.set_compression(codec).set_writer_version(version);
                        let file = written(&batch, packed, 5000);
                        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone());
                        let reader = reader.unwrap().with_batch_size(1 << 20).build().unwrap();
                        let whole = reader.map(Result::unwrap).next().unwrap();
                        for rows in [20_001, 5000, 7001] {
                            let decoded = decoded(&file, rows, None);
                            for (column, decoded) in whole.columns().iter().zip(decoded) {
                                let case = format!("{codec} {version:?} {different} {missing}");
                                match decoded {
                                    Some(decoded) => {
                                        assert_eq!(&*column.slice(0, rows), &*decoded, "{case}");
                                    }
                                    // Deltas are not known here.
                                    None => {
                                        assert_eq!(version, WriterVersion::PARQUET_2_0, "{case}")
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn whole_numbers_are_told_as_others_where_there_are_some() {
        let batch = columns(10_000, 500, 7);
        for dictionary in [true, false] {
            let properties = WriterProperties::builder().set_dictionary_enabled(dictionary);
            let file = written(&batch, properties, 5000);
            let columns = decoded(&file, 10_000, Some(&DataType::Float64));
            let signed = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            let told: Float64Array = signed.iter().map(|one| one.map(|one| one as f64)).collect();
            assert_eq!(&**columns[0].as_ref().unwrap(), &told as &dyn Array);
            assert!(columns[1].is_some() && columns[2].is_some());
            assert!(columns[3..].iter().all(Option::is_none), "they are told as they are");
            let large = Arc::new(Int64Array::from(vec![Some(1), Some((1 << 53) + 1)])) as ArrayRef;
            let large = RecordBatch::try_from_iter([("large", large)]).unwrap();
            let properties = WriterProperties::builder().set_dictionary_enabled(dictionary);
            let file = written(&large, properties, 5000);
            assert!(decoded(&file, 2, Some(&DataType::Float64))[0].is_none());
        }
    }

    #[test]
    fn numbers_of_every_width_are_unpacked() {
        let mut random = fastrand::Rng::with_seed(3);
        for width in 1..=WIDEST {
            let numbers: Vec<u32> = (0..8 * 9).map(|_| random.u32(0..1 << width)).collect();
            let mut packed = vec![0_u8; numbers.len() * width / 8];
            for (at, number) in numbers.iter().enumerate() {
                for bit in 0..width {
                    let place = at * width + bit;
                    packed[place / 8] |= ((number >> bit & 1) as u8) << (place % 8);
                }
            }
            let mut out = vec![0; numbers.len()];
            unpack(&packed, width, &mut out);
            assert_eq!(out, numbers, "{width} bits");
        }
    }

    #[test]
    fn damaged_pages_are_left_to_who_says_what_they_are() {
        let batch = columns(3000, 70, 5);
        let file = written(&batch, WriterProperties::builder(), 5000);
        let good = decoded(&file, 3000, None);
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..3000 {
            let mut damaged = file.to_vec();
            let reader = ArrowReaderMetadata::load(&file, Default::default()).unwrap();
            let end = reader.metadata().row_group(0).columns().iter().map(|chunk| {
                let (start, length) = chunk.byte_range();
                start + length
            });
            let end = end.max().unwrap() as usize;
            damaged[random.usize(4..end)] ^= 1 << random.u8(0..8);
            for (column, good) in decoded(&damaged.into(), 3000, None).iter().zip(&good) {
                if let Some(column) = column {
                    assert_eq!(column.len(), good.as_ref().unwrap().len());
                    column.to_data().validate_full().unwrap();
                }
            }
        }
        assert!(runs(&[3, 0xff], 25, 8, |_| Some(())).is_none());
        assert!(runs(&[0, 1], 1, 8, |_| Some(())).is_none(), "a run of none");
        assert!(runs(&[0xff; 11], 1, 8, |_| Some(())).is_none());
    }

    /// What the other decoder makes of the first rows of a column.
    fn others(file: Bytes, reader: &ArrowReaderMetadata, leaf: usize, rows: usize) -> ArrayRef {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, reader.clone());
        let projection = ProjectionMask::leaves(reader.parquet_schema(), [leaf]);
        let reader = reader.with_projection(projection).with_limit(rows).with_batch_size(1 << 20);
        let batch = reader.build().unwrap().next().unwrap();
        batch
            .unwrap_or_else(|error| panic!("it refuses what is decoded here: {error}"))
            .remove_column(0)
    }

    #[test]
    fn what_is_decoded_of_damaged_pages_the_other_decoder_decodes_as_well() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut decodes = 0;
        let codecs = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(ZstdLevel::default()),
        ];
        let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
        let kinds = [(2, 0, true), (70, 5, true), (1, 9, true), (70, 0, false), (70, 3, false)];
        let each =
            kinds.map(|kind| versions.map(|version| codecs.map(|codec| (kind, version, codec))));
        for ((different, missing, dictionary), version, codec) in
            each.into_iter().flatten().flatten()
        {
            let properties = WriterProperties::builder()
                .set_dictionary_enabled(dictionary)
                .set_encoding(Encoding::PLAIN)
                .set_compression(codec)
                .set_writer_version(version)
                .set_write_batch_size(50);
            let file = written(&columns(300, different, missing), properties, 100);
            let reader = ArrowReaderMetadata::load(&file, Default::default()).unwrap();
            let chunks = reader.metadata().row_group(0).columns();
            for _ in 0..200 {
                let leaf = random.usize(0..chunks.len());
                let (start, length) = chunks[leaf].byte_range();
                let (start, length) = (start as usize, length as usize);
                let mut damaged = file.to_vec();
                for _ in 0..random.usize(1..3) {
                    // Half of it where the first page says what it is.
                    let within = if random.bool() { 60.min(length) } else { length };
                    let place = &mut damaged[start + random.usize(0..within)];
                    *place = [*place ^ 1 << random.u8(0..8), random.u8(..)][random.usize(0..2)];
                }
                let damaged = Bytes::from(damaged);
                let bytes = &damaged[start..start + length];
                if pages::check(&chunks[leaf], bytes).is_err() {
                    continue;
                }
                let stored = reader.schema().field(leaf).data_type();
                let number = Number::of(&chunks[leaf], stored, stored).unwrap();
                for rows in [300, 150] {
                    let own = column(&number, &chunks[leaf], bytes, rows, &mut Scratch::default());
                    let Some(own) = own else { continue };
                    let other = others(damaged.clone(), &reader, leaf, rows);
                    // As text: not a number is not itself.
                    assert_eq!(format!("{own:?}"), format!("{other:?}"));
                    decodes += 1;
                }
            }
        }
        assert!(decodes > 2000, "{decodes}");
    }
}
