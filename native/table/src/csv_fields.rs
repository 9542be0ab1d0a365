//! Where the fields of CSV without quotes end, which most pieces of most files are: 64 bytes are
//! compared at once and give a word with a bit for each. Records come some thousands at a time, while
//! their text is at hand, and whoever looks at a column looks at nothing else of it.

use pulp::Arch;

/// How the fields are told from each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainMarks {
    /// What stands between two fields.
    pub(crate) delimiter: u8,
    /// What must not be there.
    pub(crate) quote: Option<u8>,
}

/// So many fields are found before they are looked at. Tests have it smaller.
pub(crate) const FIELDS: usize = 8 << 10;

/// What is compared at once.
const BLOCK: usize = 64;

/// Some records, all of the same number of fields.
pub(crate) struct Records<'a> {
    text: &'a [u8],
    /// That of these records alone.
    range: &'a [u8],
    /// Where the first record starts.
    start: usize,
    /// Where their fields end, record by record.
    ends: &'a [u32],
    columns: usize,
    /// Whether some line ends with a carriage return, too.
    returns: bool,
}

impl<'a> Records<'a> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len() / self.columns.max(1)
    }

    /// Their text, and where in it that of each field of a column is.
    #[inline]
    pub(crate) fn column(&self, column: usize) -> (&'a [u8], impl Iterator<Item = (usize, usize)>) {
        let Self { text, columns, returns, .. } = *self;
        let trimmed = returns && column + 1 == columns;
        let mut line = self.start;
        let places = self.ends.chunks_exact(columns.max(1)).map(move |ends| {
            let end_of = |column: usize| ends.get(column).map_or(0, |end| *end as usize);
            let start = match column.checked_sub(1) {
                Some(before) => end_of(before) + 1,
                None => line,
            };
            let mut end = end_of(column);
            line = end_of(columns - 1) + 1;
            if trimmed && ends_with_return(text, start, end) {
                end -= 1;
            }
            (start, end)
        });
        (text, places)
    }

    /// The fields of a column as text, if all of these records are that.
    pub(crate) fn texts(&self, column: usize) -> Option<impl Iterator<Item = Option<&'a str>>> {
        let range = std::str::from_utf8(self.range).ok()?;
        let first = self.start;
        let (_, places) = self.column(column);
        Some(places.map(move |(start, end)| range.get(start - first..end - first)))
    }

    /// The fields of a column.
    #[inline]
    pub(crate) fn fields(&self, column: usize) -> impl Iterator<Item = &'a [u8]> {
        let (text, places) = self.column(column);
        places.map(move |(start, end)| text.get(start..end).unwrap_or_default())
    }
}

fn ends_with_return(text: &[u8], start: usize, end: usize) -> bool {
    end > start && text.get(end - 1) == Some(&b'\r')
}

/// Shows the records of a text of `columns` fields each, in order. Nothing where the text is not as
/// simple as that, or `look` gives up; what was shown then counts for nothing.
pub(crate) fn each(
    text: &[u8],
    marks: PlainMarks,
    columns: usize,
    fields: usize,
    mut look: impl FnMut(&Records<'_>) -> Option<()>,
) -> Option<()> {
    let PlainMarks { delimiter, quote } = marks;
    let length = u32::try_from(text.len()).ok()?;
    // A mark at the beginning is left out by the general decoder.
    if columns == 0 || matches!(delimiter, b'\n' | b'\r') || text.starts_with(b"\xef\xbb\xbf") {
        return None;
    }
    // One place more is for the end of a last line that has none.
    let room = fields.max(columns) + BLOCK;
    let mut places = vec![0; room + 1];
    let (mut looked, mut found, mut start) = (0, 0, 0);
    while looked < text.len() {
        let (end, count) = find(text, looked, delimiter, places.get_mut(found..room)?);
        let fresh = text.get(looked..end)?;
        if quote.is_some_and(|quote| memchr::memchr(quote, fresh).is_some()) {
            return None;
        }
        looked = end;
        found += count;
        if looked == text.len() && text.last() != Some(&b'\n') {
            *places.get_mut(found)? = length;
            found += 1;
        }
        let returns = memchr::memchr(b'\r', text.get(start..looked)?).is_some();
        let quick = columns > 1 && is_whole(text, start, places.get(..found)?, columns);
        let mut at = 0;
        while at + columns <= found {
            let ends = places.get(at..found)?;
            let whole =
                if quick { found / columns } else { whole(text, delimiter, start, ends, columns) };
            let ends = ends.get(..whole * columns)?;
            if let Some(last) = ends.last() {
                let next = *last as usize + 1;
                let range = text.get(start..text.len().min(next))?;
                if returns && !are_at_ends(text, range, start, ends, columns) {
                    return None;
                }
                look(&Records { text, range, start, ends, columns, returns })?;
                start = next;
                at += ends.len();
            } else {
                // An empty line is no record.
                let end = *places.get(at)? as usize;
                let line = text.get(start..end)?;
                if !matches!(line, [] | [b'\r']) || text.get(end).is_some_and(|end| *end != b'\n') {
                    return None;
                }
                start = end + 1;
                at += 1;
            }
        }
        places.copy_within(at..found, 0);
        found -= at;
    }
    // What is left is empty lines, or a record that has too few fields.
    let rest = places.get(..found)?;
    rest.iter().try_for_each(|end| {
        let end = *end as usize;
        let empty = matches!(text.get(start..end)?, [] | [b'\r']) && text.get(end) == Some(&b'\n');
        start = end + 1;
        empty.then_some(())
    })
}

/// Whether each record ends where a line does, and no line ends elsewhere.
fn is_whole(text: &[u8], start: usize, ends: &[u32], columns: usize) -> bool {
    let records = ends.chunks_exact(columns);
    let Some(last) = records.clone().last().and_then(<[u32]>::last) else { return true };
    let last = *last as usize;
    let range = text.get(start..text.len().min(last + 1)).unwrap_or_default();
    let lines = memchr::memchr_iter(b'\n', range).count() + usize::from(last == text.len());
    let is_end = |ends: &[u32]| {
        ends.last().is_some_and(|end| text.get(*end as usize).is_none_or(|byte| *byte == b'\n'))
    };
    lines == records.len() && { records }.all(is_end)
}

/// How many records there are before an empty line, or one of more or fewer fields.
fn whole(text: &[u8], delimiter: u8, mut start: usize, ends: &[u32], columns: usize) -> usize {
    let is_record = |ends: &&[u32]| {
        let Some((line, within)) = ends.split_last() else { return false };
        let line = *line as usize;
        let record = text.get(start..line).unwrap_or_default();
        start = line + 1;
        !matches!(record, [] | [b'\r'])
            && text.get(line).is_none_or(|byte| *byte == b'\n')
            && within.iter().all(|end| text.get(*end as usize) == Some(&delimiter))
    };
    ends.chunks_exact(columns).take_while(is_record).count()
}

/// Whether all carriage returns are at the ends of lines: elsewhere they end a record, too.
fn are_at_ends(text: &[u8], range: &[u8], mut start: usize, ends: &[u32], columns: usize) -> bool {
    let at_ends = ends.chunks_exact(columns).filter(|ends| {
        let end = ends.last().map_or(0, |end| *end as usize);
        let line = std::mem::replace(&mut start, end + 1);
        ends_with_return(text, line, end)
    });
    at_ends.count() == memchr::memchr_iter(b'\r', range).count()
}

/// Finds delimiters and line feeds from a place of the text on, as long as there is room for those of
/// a block. Tells how far it looked, and how many it found.
fn find(text: &[u8], from: usize, delimiter: u8, room: &mut [u32]) -> (usize, usize) {
    let rest = text.get(from..).unwrap_or_default();
    let (blocks, _) = rest.as_chunks::<BLOCK>();
    let (taken, mut found) = in_blocks(blocks, from, delimiter, room);
    let mut looked = from + taken * BLOCK;
    let tail = text.get(looked..).unwrap_or_default();
    if tail.len() < BLOCK && found + tail.len() < room.len() {
        for (place, byte) in (looked..).zip(tail) {
            if (*byte == delimiter || *byte == b'\n')
                && let Some(room) = room.get_mut(found)
            {
                *room = place as u32;
                found += 1;
            }
        }
        looked = text.len();
    }
    (looked, found)
}

/// The same of whole blocks, of which it tells how many it took.
fn in_blocks(
    blocks: &[[u8; BLOCK]],
    from: usize,
    delimiter: u8,
    room: &mut [u32],
) -> (usize, usize) {
    match dipper_wire::simd::arch_for_memory() {
        #[cfg(target_arch = "x86_64")]
        Arch::V3(simd) => simd.vectorize(avx2::Wide { simd, blocks, from, delimiter, room }),
        _ => put(blocks, from, room, |block| portable(block, delimiter)),
    }
}

/// Puts the places of the bits in the room.
#[inline(always)]
fn put(
    blocks: &[[u8; BLOCK]],
    from: usize,
    room: &mut [u32],
    hits: impl Fn(&[u8; BLOCK]) -> u64,
) -> (usize, usize) {
    let (mut base, mut taken, mut found) = (from as u32, 0, 0);
    for block in blocks {
        let Some(room) = room.get_mut(found..).and_then(<[u32]>::first_chunk_mut::<BLOCK>) else {
            break;
        };
        let mut bits = hits(block);
        found += bits.count_ones() as usize;
        // Four at a time: how many there are is hardly guessed. What is too much is overwritten.
        for four in room.as_chunks_mut::<4>().0 {
            for place in four {
                *place = base + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
            if bits == 0 {
                break;
            }
        }
        base += BLOCK as u32;
        taken += 1;
    }
    (taken, found)
}

/// Which of the bytes are a delimiter or a line feed: a bit for each, the first is the lowest.
#[inline(always)]
fn portable(block: &[u8; BLOCK], delimiter: u8) -> u64 {
    let mut marked = [0_u8; BLOCK];
    for (mark, byte) in marked.iter_mut().zip(block) {
        *mark = u8::from(*byte == delimiter) | u8::from(*byte == b'\n');
    }
    let (words, _) = marked.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        // Each byte is 0 or 1: the product gathers them in its highest byte.
        bits << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::__m256i as Vector;

    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast};

    use super::BLOCK;

    pub(super) struct Wide<'a> {
        pub(super) simd: V3,
        pub(super) blocks: &'a [[u8; BLOCK]],
        pub(super) from: usize,
        pub(super) delimiter: u8,
        pub(super) room: &'a mut [u32],
    }

    impl NullaryFnOnce for Wide<'_> {
        type Output = (usize, usize);

        #[inline(always)]
        fn call(self) -> (usize, usize) {
            let Self { simd, blocks, from, delimiter, room } = self;
            let delimiters: Vector = cast([delimiter; 32]);
            let line_feeds: Vector = cast([b'\n'; 32]);
            let hits = |half: Vector| {
                let ends = simd.avx2._mm256_cmpeq_epi8(half, delimiters);
                let lines = simd.avx2._mm256_cmpeq_epi8(half, line_feeds);
                let either = simd.avx2._mm256_or_si256(ends, lines);
                u64::from(simd.avx2._mm256_movemask_epi8(either) as u32)
            };
            super::put(blocks, from, room, |block| {
                let [low, high]: [Vector; 2] = cast(*block);
                hits(low) | hits(high) << 32
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: PlainMarks = PlainMarks { delimiter: b',', quote: Some(b'"') };

    /// The fields of all records, told by a reader that looks at each byte.
    fn plainly(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true).from_reader(text);
        let records = reader.into_byte_records().map(Result::unwrap);
        records.map(|record| record.iter().map(<[u8]>::to_vec).collect()).collect()
    }

    fn all(text: &[u8], columns: usize, fields: usize) -> Option<Vec<Vec<Vec<u8>>>> {
        let mut all = Vec::new();
        each(text, MARKS, columns, fields, |records| {
            let first = all.len();
            all.resize(first + records.len(), Vec::new());
            for column in 0..columns {
                let fields = records.fields(column);
                all[first..].iter_mut().zip(fields).for_each(|(all, one)| all.push(one.to_vec()));
            }
            Some(())
        })?;
        Some(all)
    }

    #[test]
    fn records_are_those_of_a_reader_however_many_are_found_at_once() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut simple, mut refused) = (0, 0);
        for round in 0..20_000 {
            let columns = random.usize(1..5);
            let end = if random.u8(0..3) == 0 { "\r\n" } else { "\n" };
            let mut text = String::new();
            for _ in 0..random.usize(0..60) {
                let odd = round % 2 == 0 && random.u8(0..60) == 0;
                let count = columns + usize::from(odd) - usize::from(odd && random.bool()) * 2;
                let line = (0..count).map(|_| {
                    ["1", "-20", "", "x y", "a longer field than those", "\u{e9}"]
                        [random.usize(0..6)]
                });
                text.push_str(&line.collect::<Vec<_>>().join(","));
                match random.u8(0..200) {
                    0 => text.push('"'),
                    1 => text.push('\r'),
                    2..6 => text.push_str("\n\n"),
                    6..9 => text.push_str("\r\n\r\n"),
                    _ => text.push_str(end),
                }
            }
            // It may end anywhere.
            let mut text = text.into_bytes();
            if random.bool() {
                text.truncate(random.usize(0..=text.len()));
            }
            let fields = [1, 3, 10, 64, FIELDS][random.usize(0..5)];
            let known = plainly(&text);
            match all(&text, columns, fields) {
                Some(found) => {
                    assert_eq!(found, known, "{:?}", String::from_utf8_lossy(&text));
                    simple += 1;
                }
                None => {
                    let even = known.iter().all(|record| record.len() == columns);
                    let feeds = text.split(|byte| *byte == b'\n');
                    let lone = feeds.clone().any(|line| {
                        let line = line.strip_suffix(b"\r").unwrap_or(line);
                        line.contains(&b'\r')
                    });
                    let lone = lone || text.ends_with(b"\r");
                    let quotes = text.contains(&b'"');
                    assert!(!even || lone || quotes, "{:?}", String::from_utf8_lossy(&text));
                    refused += 1;
                }
            }
        }
        assert!(simple > 5_000 && refused > 500, "{simple} {refused}");
    }

    #[test]
    fn marks_are_found_wherever_they_are() {
        let mut random = fastrand::Rng::with_seed(5);
        for round in 0..3_000 {
            let few = round % 3 == 0;
            let text: Vec<u8> = (0..random.usize(0..400))
                .map(|_| match few && random.u8(0..20) > 0 {
                    true => b'x',
                    false => b",\nab"[random.usize(0..4)],
                })
                .collect();
            let known: Vec<u32> = (0..text.len())
                .filter(|at| matches!(text[*at], b',' | b'\n'))
                .map(|at| at as u32)
                .collect();
            for force in [false, true] {
                dipper_wire::simd::force_portable(force);
                let (mut found, mut looked) = (Vec::new(), 0);
                let mut room = vec![0; BLOCK + 1 + random.usize(0..100)];
                while looked < text.len() {
                    let (end, count) = find(&text, looked, b',', &mut room);
                    assert!(end > looked);
                    looked = end;
                    found.extend_from_slice(&room[..count]);
                }
                assert_eq!(found, known);
            }
            dipper_wire::simd::force_portable(false);
        }
    }
}
