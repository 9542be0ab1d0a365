//! Columns of texts and of bytes, unpacked straight to where they stay.
//!
//! As with [numbers](super::numbers): the decoder of the `parquet` crate appends each value to memory
//! that grows and is copied meanwhile. Here what a column takes is known before any of it is
//! written: how long the values of a dictionary are together is added up from the indices, which are
//! kept, and values that stand in their pages are no longer than these. Short ones are copied by
//! moves of one size, over what the next one overwrites.
//!
//! It knows no errors either: whatever is unknown, damaged, or no text, it leaves to the crate's
//! decoder, which says what it is.

use std::sync::Arc;

use arrow_array::{ArrayRef, GenericBinaryArray, GenericStringArray, OffsetSizeTrait};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use bytemuck::Pod;
use bytes::Bytes;
use dipper_core::Error;
use dipper_wire::{Allocation, SharedAllocation};
use parquet::basic::{ConvertedType, Type};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::utf8::check_valid_utf8;

use super::numbers::{self, Chunk, Coding, Packed, Page, Run, Tools, Valid, runs};

/// How long a value is, where it stands in a page, comes before it in so many bytes.
const LENGTH: usize = 4;
/// Values of no more bytes stand in a word of eight, and how many they are in its last.
const SHORT: usize = 7;
/// Values of no more bytes are copied by one move, if those of the dictionary are no longer.
const MEDIUM: usize = 16;
/// And otherwise.
const LONG: usize = 48;

/// A column of texts, or of bytes.
#[derive(Debug)]
pub(super) struct Text {
    kind: DataType,
    optional: bool,
    /// Its bytes must be text.
    checked: bool,
}

impl Text {
    /// What it is if it is told as it is stored.
    pub(super) fn of(
        chunk: &ColumnChunkMetaData,
        stored: &DataType,
        told: &DataType,
    ) -> Option<Self> {
        use DataType::{Binary, LargeBinary, LargeUtf8, Utf8};
        let descr = chunk.column_descr();
        let flat = descr.max_rep_level() == 0 && descr.path().parts().len() == 1;
        let known = descr.physical_type() == Type::BYTE_ARRAY
            && matches!(stored, Utf8 | LargeUtf8 | Binary | LargeBinary);
        let optional = match descr.max_def_level() {
            0 => false,
            1 => true,
            _ => return None,
        };
        let checked = descr.converted_type() == ConvertedType::UTF8;
        (flat && known && stored == told).then(|| Self { kind: told.clone(), optional, checked })
    }
}

/// Memory that one page leaves to the next.
#[derive(Default)]
pub(super) struct Scratch {
    dictionary: Dictionary,
    indices: Vec<u32>,
}

impl Scratch {
    /// Gives back what is uncommonly large.
    pub(super) fn shrink(&mut self) {
        numbers::shrink(&mut self.dictionary.bytes);
        numbers::shrink(&mut self.dictionary.places);
        numbers::shrink(&mut self.dictionary.words);
        numbers::shrink(&mut self.indices);
    }
}

/// The values of a dictionary.
#[derive(Default)]
struct Dictionary {
    /// One after the other.
    bytes: Vec<u8>,
    /// Where each begins and how long it is, and as many more as make their number a power of two:
    /// what finds them then needs no look at their number.
    places: Vec<[u32; 2]>,
    /// The same as words, if all of them are short.
    words: Vec<u64>,
    known: usize,
    shortest: u32,
    longest: u32,
}

/// The first `rows` values of a column chunk; nothing if somebody else must decode it. Before it
/// takes memory, it tells `reserve` how many bytes that will be.
pub(super) fn column(
    text: &Text,
    chunk: &ColumnChunkMetaData,
    bytes: &[u8],
    rows: usize,
    scratch: &mut numbers::Scratch,
    reserve: impl FnOnce(usize) -> Result<(), Error>,
) -> Result<Option<ArrayRef>, Error> {
    let column = Column { text, chunk: Chunk::new(chunk, bytes, rows, text.optional) };
    let numbers::Scratch { tools, texts, .. } = scratch;
    let decoded = match column.begun(chunk, tools, texts) {
        Some(begun) => {
            reserve(begun.room)?;
            match text.kind {
                DataType::Utf8 | DataType::Binary => column.ended::<i32>(begun, tools, texts),
                _ => column.ended::<i64>(begun, tools, texts),
            }
        }
        None => None,
    };
    scratch.shrink();
    Ok(decoded)
}

struct Column<'a> {
    text: &'a Text,
    chunk: Chunk<'a>,
}

/// A column whose indices are unpacked.
struct Begun {
    /// The pages that are left, whose values stand in them.
    plain: std::vec::IntoIter<Page>,
    valid: Valid,
    /// How many rows have indices, if they have a value.
    rows: usize,
    /// Bytes of all values, at the most.
    room: usize,
}

impl Column<'_> {
    /// Unpacks the indices. A writer that has given up its dictionary does not take it up again.
    fn begun(
        &self,
        chunk: &ColumnChunkMetaData,
        tools: &mut Tools,
        scratch: &mut Scratch,
    ) -> Option<Begun> {
        let Scratch { dictionary, indices } = scratch;
        let pages = self.chunk.pages(LENGTH)?;
        let mut valid = Valid::new(self.chunk.rows);
        indices.clear();
        let (mut at, mut bytes) = (0, 0_u64);
        let first = pages.iter().position(|page| page.coding == Coding::Plain);
        let mut pages = pages;
        let plain = pages.split_off(first.unwrap_or(pages.len()));
        for (number, page) in pages.iter().enumerate() {
            let (apart, body) = self.chunk.unpacked(page, tools)?;
            match (number, page.coding) {
                (0, Coding::Dictionary) => dictionary.read(page.values, body, self.text.checked)?,
                (0, _) => return None,
                (_, _) => {
                    let (count, present, body) =
                        self.present(page, (apart, body), at, &mut valid)?;
                    bytes = bytes.checked_add(dictionary.add(body, present, indices)?)?;
                    at += count;
                }
            }
        }
        if plain.iter().any(|page| page.coding != Coding::Plain) {
            return None;
        }
        let left = plain.iter().try_fold(0_u64, |sum, page| {
            sum.checked_add(page.length.checked_sub(page.levels)? as u64)
        })?;
        // No more than was foreseen, whatever they say.
        (left <= u64::try_from(chunk.uncompressed_size()).ok()?).then_some(())?;
        // Their lengths stand between them.
        let there = plain.iter().map(|page| page.values as u64).sum::<u64>();
        let missing = match (self.text.optional, chunk.statistics()) {
            (false, _) => Some(0),
            (true, Some(statistics)) => statistics.null_count_opt(),
            (true, None) => None,
        };
        let lengths = missing.map_or(0, |missing| there.saturating_sub(missing) * LENGTH as u64);
        let whole = at as u64 + there == self.chunk.rows as u64;
        let left = if whole { left.saturating_sub(lengths) } else { left };
        let room = usize::try_from(bytes.checked_add(left)?).ok()?;
        Some(Begun { plain: plain.into_iter(), valid, rows: at, room })
    }

    /// How many of the rows of a page are wanted, how many of these have a value, and the values.
    fn present<'b>(
        &self,
        page: &Page,
        (apart, body): (&'b [u8], &'b [u8]),
        at: usize,
        valid: &mut Valid,
    ) -> Option<(usize, usize, &'b [u8])> {
        let count = page.values.min(self.chunk.rows - at);
        let (levels, body) = self.chunk.levels(page, apart, body)?;
        let present = match levels {
            Some(levels) => valid.add(levels, count)?,
            None => count,
        };
        (present <= page.most).then_some((count, present, body))
    }

    /// Writes the values, and where they end.
    fn ended<O: OffsetSizeTrait + Pod>(
        &self,
        begun: Begun,
        tools: &mut Tools,
        scratch: &Scratch,
    ) -> Option<ArrayRef> {
        let Begun { plain, mut valid, rows: mut at, room } = begun;
        let rows = self.chunk.rows;
        if !O::IS_LARGE && i32::try_from(room).is_err() {
            return None;
        }
        let length = rows.checked_add(1)?.checked_mul(size_of::<O>())?;
        let mut offsets = Allocation::recycled_to_fill(length).ok()?;
        let mut values = Allocation::recycled_to_fill(room).ok()?;
        let ends: &mut [O] = bytemuck::try_cast_slice_mut(offsets.as_mut_slice()).ok()?;
        let (first, ends) = ends.split_first_mut()?;
        *first = O::usize_as(0);
        let out = values.as_mut_slice();
        let (indices, dictionary) = (&*scratch.indices, &scratch.dictionary);
        let (words, places, bytes) = (&*dictionary.words, &*dictionary.places, &*dictionary.bytes);
        let last = places.len().wrapping_sub(1);
        let (own, mut left) = ends.split_at_mut_checked(at)?;
        let mut length = match dictionary.longest as usize {
            longest if longest <= SHORT => {
                let last = words.len().wrapping_sub(1);
                found(out, indices, &valid, own, move |out, at, index| {
                    add_word(out, at, words[index & last])
                })?
            }
            longest if longest <= MEDIUM => {
                found(out, indices, &valid, own, move |out, at, index| {
                    let [start, length] = places[index & last];
                    add::<MEDIUM>(out, at, bytes, start as usize, length as usize)
                })?
            }
            _ => found(out, indices, &valid, own, move |out, at, index| {
                let [start, length] = places[index & last];
                add::<LONG>(out, at, bytes, start as usize, length as usize)
            })?,
        };
        for page in plain {
            let unpacked = self.chunk.unpacked(&page, tools)?;
            let (count, present, body) = self.present(&page, unpacked, at, &mut valid)?;
            // The other decoder does not take what nobody has.
            (page.most > 0 || body.is_empty()).then_some(())?;
            let (own, rest) = std::mem::take(&mut left).split_at_mut_checked(count)?;
            left = rest;
            length = match present == count {
                true => stored(out, length, body, |_| true, own)?,
                false => stored(out, length, body, |row| valid.there(at + row), own)?,
            };
            at += count;
        }
        values.shorten(length);
        let buffer = |memory| Buffer::from(Bytes::from_owner(SharedAllocation::new(memory)));
        let offsets = OffsetBuffer::<O>::new(ScalarBuffer::new(buffer(offsets), 0, rows + 1));
        let values = if length == 0 { Buffer::default() } else { buffer(values) };
        let nulls = valid.nulls();
        match self.text.kind {
            DataType::Binary | DataType::LargeBinary => {
                let array = GenericBinaryArray::try_new(offsets, values, nulls).ok()?;
                Some(Arc::new(array))
            }
            // Looks whether it is text, as a whole and between any two of them.
            _ => Some(Arc::new(GenericStringArray::try_new(offsets, values, nulls).ok()?)),
        }
    }
}

impl Dictionary {
    /// Takes the values, one after the other.
    fn read(&mut self, count: usize, body: &[u8], checked: bool) -> Option<()> {
        self.bytes.clear();
        self.places.clear();
        (count > 0 || body.is_empty()).then_some(())?;
        let room = count.checked_next_power_of_two()?;
        self.places.try_reserve(room).ok()?;
        self.bytes.try_reserve(body.len() + LONG).ok()?;
        (self.shortest, self.longest) = (u32::MAX, 0);
        let mut left = body;
        for _ in 0..count {
            let (head, rest) = left.split_first_chunk()?;
            let length = u32::from_le_bytes(*head);
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            left = rest;
            (!checked || begins(value)).then_some(())?;
            self.places.push([u32::try_from(self.bytes.len()).ok()?, length]);
            self.bytes.extend_from_slice(value);
            self.shortest = self.shortest.min(length);
            self.longest = self.longest.max(length);
        }
        if checked {
            check_valid_utf8(&self.bytes).ok()?;
        }
        self.known = count;
        self.places.resize(room, [0, 0]);
        // Moves of one size read what is behind the last.
        self.bytes.resize(self.bytes.len() + LONG, 0);
        self.words.clear();
        if self.longest as usize <= SHORT {
            self.words.try_reserve(room).ok()?;
            let word = |[start, length]: &[u32; 2]| {
                let bytes = *self.bytes.get(*start as usize..)?.first_chunk()?;
                let rest = u64::MAX << (8 * length);
                Some(u64::from_le_bytes(bytes) & !rest | u64::from(*length) << (8 * SHORT))
            };
            self.words.extend(self.places.iter().filter_map(word));
        }
        (self.words.is_empty() || self.words.len() == room).then_some(())
    }

    /// Adds the indices of a page, and says how long their values are together.
    fn add(&self, body: &[u8], count: usize, indices: &mut Vec<u32>) -> Option<u64> {
        let (width, body) = body.split_first()?;
        let last = self.places.len().checked_sub(1)?;
        let same = self.shortest == self.longest;
        let mut bytes = 0;
        indices.try_reserve(count).ok()?;
        let mut left = runs(body, usize::from(*width), count, |run| {
            match run {
                Run::Same(index, count) => {
                    let known = usize::try_from(index).ok().filter(|index| *index < self.known)?;
                    bytes += u64::from(self.places.get(known)?[1]) * count as u64;
                    indices.resize(indices.len() + count, index);
                }
                Run::Each(some) => {
                    let largest = some.iter().copied().max().unwrap_or(0);
                    ((largest as usize) < self.known).then_some(())?;
                    bytes += match same {
                        true => u64::from(self.longest) * some.len() as u64,
                        false => {
                            let length = |index: &u32| self.places[*index as usize & last][1];
                            some.iter().map(|index| u64::from(length(index))).sum()
                        }
                    };
                    indices.extend_from_slice(some);
                }
            }
            Some(())
        })?;
        // The other decoder reads ahead, and refuses what it cannot read, whether it is wanted or not.
        while left.first().is_some_and(|head| *head != 0) {
            (_, left) = Packed::read(left, usize::from(*width))?;
        }
        Some(bytes)
    }
}

/// Whether a character begins where a value does. That all of them are text together says nothing of
/// each.
fn begins(value: &[u8]) -> bool {
    value.first().is_none_or(|byte| byte & 0xc0 != 0x80)
}

/// Writes what indices find, one behind the other, and where each ends, in rows that have one;
/// says where the last one does. `add` writes one.
///
/// By itself, so that all that it needs stays in registers.
#[inline(never)]
fn found<O: OffsetSizeTrait>(
    out: &mut [u8],
    indices: &[u32],
    valid: &Valid,
    ends: &mut [O],
    add: impl Fn(&mut [u8], usize, usize) -> Option<usize>,
) -> Option<usize> {
    let mut at = 0;
    if indices.len() == ends.len() {
        for (end, index) in ends.iter_mut().zip(indices) {
            at = add(out, at, *index as usize)?;
            *end = O::usize_as(at);
        }
        return Some(at);
    }
    let mut indices = indices.iter();
    for (row, end) in ends.iter_mut().enumerate() {
        if valid.there(row) {
            at = add(out, at, *indices.next()? as usize)?;
        }
        *end = O::usize_as(at);
    }
    Some(at)
}

/// Writes the short value that a word holds.
#[inline(always)]
fn add_word(out: &mut [u8], at: usize, word: u64) -> Option<usize> {
    let bytes = word.to_le_bytes();
    let length = (word >> (8 * SHORT)) as usize;
    match out.get_mut(at..).and_then(|to| to.first_chunk_mut()) {
        Some(place) => *place = bytes,
        None => out.get_mut(at..at + length)?.copy_from_slice(bytes.get(..length)?),
    }
    Some(at + length)
}

/// Writes a value.
#[inline(always)]
fn add<const MOVE: usize>(
    out: &mut [u8],
    at: usize,
    from: &[u8],
    start: usize,
    length: usize,
) -> Option<usize> {
    let value = from.get(start..).and_then(|from| from.first_chunk::<MOVE>());
    let place = out.get_mut(at..).and_then(|to| to.first_chunk_mut::<MOVE>());
    match (value, place) {
        (Some(value), Some(place)) if length <= MOVE => *place = *value,
        _ => {
            let place = out.get_mut(at..at.checked_add(length)?)?;
            place.copy_from_slice(from.get(start..start.checked_add(length)?)?);
        }
    }
    Some(at + length)
}

/// Writes values from `at` on as they stand in a page, in rows that have one.
#[inline(never)]
fn stored<O: OffsetSizeTrait>(
    out: &mut [u8],
    mut at: usize,
    body: &[u8],
    there: impl Fn(usize) -> bool,
    ends: &mut [O],
) -> Option<usize> {
    let mut start = 0;
    for (row, end) in ends.iter_mut().enumerate() {
        if there(row) {
            let head = body.get(start..)?.first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*head)).ok()?;
            at = add::<LONG>(out, at, body, start + LENGTH, length)?;
            start += LENGTH + length;
        }
        *end = O::usize_as(at);
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::{
        Array, BinaryArray, LargeBinaryArray, LargeStringArray, RecordBatch, StringArray,
    };
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
    use parquet::arrow::{ArrowWriter, ProjectionMask};
    use parquet::basic::{Compression, Encoding, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::properties::{
        EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
    };
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::pages;
    use super::*;

    /// A text for each row, out of so many different ones of up to so many bytes, and every so
    /// many-th missing.
    fn texts(rows: usize, different: usize, longest: usize, missing: usize) -> Vec<Option<String>> {
        let mut random = fastrand::Rng::with_seed(7);
        let words = ["", "a", "on", "of ", "é", "気", "𝄞", "\0", "twenty characters of"];
        let mut text = || {
            let mut text = String::new();
            let length = random.usize(0..=longest);
            while text.len() < length {
                text.push_str(words[random.usize(0..words.len())]);
            }
            while text.len() > length {
                text.pop();
            }
            text
        };
        let texts: Vec<String> = (0..different).map(|_| text()).collect();
        let row = |row: usize| {
            let there = missing == 0 || !row.is_multiple_of(missing);
            // Now and then the same for a while.
            let text = if row % 100 < 30 { 0 } else { random.usize(0..different) };
            there.then(|| texts[text].clone())
        };
        (0..rows).map(row).collect()
    }

    fn columns(texts: &[Option<String>]) -> RecordBatch {
        let bytes: Vec<_> = texts.iter().map(|text| text.as_ref().map(String::as_bytes)).collect();
        let array: [(&str, ArrayRef); 4] = [
            ("text", Arc::new(StringArray::from(texts.to_vec()))),
            ("large text", Arc::new(LargeStringArray::from(texts.to_vec()))),
            ("bytes", Arc::new(BinaryArray::from(bytes.clone()))),
            ("large bytes", Arc::new(LargeBinaryArray::from(bytes))),
        ];
        let nullable = texts.iter().any(Option::is_none);
        RecordBatch::try_from_iter_with_nullable(
            array.map(|(name, column)| (name, column, nullable)),
        )
        .unwrap()
    }

    fn written(batch: &RecordBatch, properties: WriterPropertiesBuilder) -> Bytes {
        let mut file = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut file, batch.schema(), Some(properties.build())).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        file.into()
    }

    /// A column of the first row group as it is decoded here.
    fn decoded(
        file: &Bytes,
        reader: &ArrowReaderMetadata,
        leaf: usize,
        rows: usize,
    ) -> Option<ArrayRef> {
        let chunk = reader.metadata().row_group(0).column(leaf);
        let kind = reader.schema().field(leaf).data_type();
        let text = Text::of(chunk, kind, kind).unwrap();
        let (start, length) = chunk.byte_range();
        let bytes = &file[start as usize..(start + length) as usize];
        column(&text, chunk, bytes, rows, &mut numbers::Scratch::default(), |_| Ok(())).unwrap()
    }

    fn codecs() -> [Compression; 3] {
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())]
    }

    const VERSIONS: [WriterVersion; 2] = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];

    #[test]
    fn it_decodes_what_the_other_decoder_decodes() {
        let rows = 6001;
        let properties = [
            WriterProperties::builder(),
            WriterProperties::builder().set_dictionary_enabled(false),
            // The dictionary is given up on the way.
            WriterProperties::builder().set_dictionary_page_size_limit(300),
            WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None),
        ];
        let cases = [
            (1, 0, 0),
            (1, 3, 0),
            (9, 3, 2),
            (300, 3, 0),
            (300, 16, 7),
            (5000, 17, 3),
            (40, 48, 1),
            (40, 49, 0),
            (700, 700, 5),
        ];
        for (different, longest, missing) in cases {
            let batch = columns(&texts(rows, different, longest, missing));
            for codec in codecs() {
                for version in VERSIONS {
                    for (number, properties) in properties.iter().enumerate() {
                        let properties = properties.clone().set_compression(codec);
                        let properties = properties
                            .set_writer_version(version)
                            .set_data_page_row_count_limit(1700)
                            .set_write_batch_size(100);
                        let plain = match (version, number) {
                            (WriterVersion::PARQUET_2_0, 1 | 2) => {
                                properties.set_encoding(Encoding::PLAIN)
                            }
                            _ => properties,
                        };
                        let file = written(&batch, plain);
                        let reader = ArrowReaderMetadata::load(&file, Default::default()).unwrap();
                        for rows in [rows, 1700, 1701] {
                            for (leaf, column) in batch.columns().iter().enumerate() {
                                let case = format!("{codec} {different} {longest} {missing}");
                                let case = format!("{case} {version:?} {number} {rows} {leaf}");
                                let decoded = decoded(&file, &reader, leaf, rows);
                                let decoded = decoded.unwrap_or_else(|| panic!("{case}"));
                                assert_eq!(&*column.slice(0, rows), &*decoded, "{case}");
                                decoded.to_data().validate_full().unwrap();
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_it_takes_is_told_before() {
        for (dictionary, missing) in [(true, 0), (true, 3), (false, 0), (false, 3)] {
            let texts = texts(3000, 50, 90, missing);
            let there = texts.iter().flatten().map(String::len).sum::<usize>();
            let properties = WriterProperties::builder().set_dictionary_enabled(dictionary);
            let file = written(&columns(&texts), properties);
            let mut room = 0;
            let told = |bytes| {
                room = bytes;
                Ok(())
            };
            assert!(first_column(&file, 3000, told).unwrap().is_some());
            // Levels stand in the pages, too.
            let levels = if dictionary { 0 } else { 1000 };
            assert!((there..=there + levels).contains(&room), "{room} {there}");
            first_column(&file, 3000, |_| Err(Error::cancelled())).unwrap_err();
        }
    }

    /// The first column, if its memory can be reserved.
    fn first_column(
        file: &Bytes,
        rows: usize,
        reserve: impl FnOnce(usize) -> Result<(), Error>,
    ) -> Result<Option<ArrayRef>, Error> {
        let reader = ArrowReaderMetadata::load(file, Default::default()).unwrap();
        let chunk = reader.metadata().row_group(0).column(0);
        let kind = reader.schema().field(0).data_type();
        let text = Text::of(chunk, kind, kind).unwrap();
        let (start, length) = chunk.byte_range();
        let bytes = &file[start as usize..(start + length) as usize];
        column(&text, chunk, bytes, rows, &mut numbers::Scratch::default(), reserve)
    }

    #[test]
    fn a_short_file_with_long_texts_takes_what_it_is_given() {
        let text = vec![ByteArray::from("x".repeat(1 << 20).as_str()); 4096];
        let mut file = Vec::new();
        let schema = parse_message_type("message m { required binary text (UTF8); }").unwrap();
        let properties = WriterProperties::builder()
            .set_dictionary_page_size_limit(4 << 20)
            .set_compression(Compression::SNAPPY)
            .build();
        let mut writer =
            SerializedFileWriter::new(&mut file, Arc::new(schema), Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&text, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        assert!(file.len() < 100_000, "{}", file.len());
        let file = Bytes::from(file);
        let mut room = 0;
        let refused = |bytes| {
            room = bytes;
            Err(Error::cancelled())
        };
        first_column(&file, 4096, refused).unwrap_err();
        assert_eq!(room, 4 << 30);
        let left = first_column(&file, 4096, |_| Ok(())).unwrap();
        assert!(left.is_none(), "offsets do not reach so far");
        let some = first_column(&file, 20, |_| Ok(())).unwrap().unwrap();
        assert_eq!(some.as_string::<i32>().value(19).len(), 1 << 20);
    }

    /// What the other decoder makes of the first rows of a column.
    fn others(
        file: Bytes,
        reader: &ArrowReaderMetadata,
        leaf: usize,
        rows: usize,
    ) -> Result<ArrayRef, String> {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, reader.clone());
        let projection = ProjectionMask::leaves(reader.parquet_schema(), [leaf]);
        let reader = reader.with_projection(projection).with_limit(rows).with_batch_size(1 << 20);
        let batch = reader.build().unwrap().next().unwrap();
        batch.map(|mut batch| batch.remove_column(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_decoded_of_damaged_pages_the_other_decoder_decodes_as_well() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut decodes = 0;
        let kinds = [
            (2, 3, 0, true),
            (70, 9, 5, true),
            (1, 20, 9, true),
            (1, 0, 1, true),
            (70, 60, 0, false),
            (70, 4, 3, false),
        ];
        let each =
            kinds.map(|kind| VERSIONS.map(|version| codecs().map(|codec| (kind, version, codec))));
        for ((different, longest, missing, dictionary), version, codec) in
            each.into_iter().flatten().flatten()
        {
            let properties = WriterProperties::builder()
                .set_dictionary_enabled(dictionary)
                .set_dictionary_page_size_limit([300, 1 << 20][random.usize(0..2)])
                .set_encoding(Encoding::PLAIN)
                .set_compression(codec)
                .set_writer_version(version)
                .set_data_page_row_count_limit(100)
                .set_write_batch_size(50);
            let file = written(&columns(&texts(300, different, longest, missing)), properties);
            let reader = ArrowReaderMetadata::load(&file, Default::default()).unwrap();
            let chunks = reader.metadata().row_group(0).columns();
            for _ in 0..150 {
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
                if pages::check(&chunks[leaf], &damaged[start..start + length]).is_err() {
                    continue;
                }
                for rows in [300, 150] {
                    let Some(own) = decoded(&damaged, &reader, leaf, rows) else { continue };
                    let other = others(damaged.clone(), &reader, leaf, rows);
                    let other = other.unwrap_or_else(|error| {
                        let case = format!("{different} {longest} {missing} {version:?} {codec}");
                        panic!("it refuses what is decoded here: {error}, {case} {leaf} {rows}")
                    });
                    assert_eq!(&*own, &*other);
                    own.to_data().validate_full().unwrap();
                    decodes += 1;
                }
            }
        }
        assert!(decodes > 1500, "{decodes}");
    }
}
