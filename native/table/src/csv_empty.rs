//! Empty texts of CSV: a field that is nothing but two quotes is one, a field without anything is
//! null. The decoder does not tell which of them it saw, so they are looked for.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat;

/// How fields are told from each other, where quotes are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotes {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
}

/// Tells the record and the column of each field that is two quotes, in order, and how many records
/// there are.
pub(crate) fn each(text: &[u8], marks: Quotes, mut found: impl FnMut(usize, usize)) -> usize {
    let Quotes { delimiter, quote, comment, .. } = marks;
    let mut at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut records = 0;
    let rest = |at: usize| text.get(at..).unwrap_or_default();
    while let Some(first) = text.get(at) {
        if matches!(first, b'\n' | b'\r') {
            at += 1;
            continue;
        }
        if comment == Some(*first) {
            at = memchr::memchr(b'\n', rest(at)).map_or(text.len(), |end| at + end + 1);
            continue;
        }
        for column in 0.. {
            if text.get(at) == Some(&quote) {
                let end = quoted(text, at + 1, marks);
                let ends = text
                    .get(end)
                    .is_none_or(|next| *next == delimiter || matches!(next, b'\n' | b'\r'));
                if end == at + 2 && text.get(at + 1) == Some(&quote) && ends {
                    found(records, column);
                }
                at = end;
            }
            let Some(end) = memchr::memchr3(delimiter, b'\n', b'\r', rest(at)) else {
                at = text.len();
                break;
            };
            at += end + 1;
            if text.get(at - 1) != Some(&delimiter) {
                break;
            }
        }
        records += 1;
    }
    records
}

/// The place behind the quote that closes a field.
fn quoted(text: &[u8], mut at: usize, marks: Quotes) -> usize {
    let Quotes { quote, escape, .. } = marks;
    while let Some(place) =
        text.get(at..).and_then(|rest| memchr::memchr2(quote, escape.unwrap_or(quote), rest))
    {
        at += place + 1;
        let escaped = match escape {
            Some(escape) => text.get(at - 1) == Some(&escape),
            None => text.get(at) == Some(&quote),
        };
        if !escaped {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The same batches, with empty texts where `text` has quotes: its columns are at `places` of the
/// file.
pub(crate) fn told(
    text: &[u8],
    marks: Quotes,
    places: Option<&[usize]>,
    batches: Vec<RecordBatch>,
) -> Result<Vec<RecordBatch>, ArrowError> {
    let Some(schema) = batches.first().map(RecordBatch::schema) else { return Ok(batches) };
    let columns = schema.fields().len();
    if memchr::memmem::find(text, &[marks.quote, marks.quote]).is_none() {
        return Ok(batches);
    }
    let is_text = |field: &Arc<arrow_schema::Field>| match field.data_type() {
        DataType::Utf8 => true,
        DataType::Dictionary(keys, values) => {
            (keys.as_ref(), values.as_ref()) == (&DataType::Int32, &DataType::Utf8)
        }
        _ => false,
    };
    // By their place in the file: which columns of the batch they are.
    let mut texts: Vec<(usize, usize)> = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| is_text(field))
        .map(|(column, _)| (places.map_or(Some(column), |all| all.get(column).copied()), column))
        .filter_map(|(place, column)| Some((place?, column)))
        .collect();
    texts.sort_unstable();
    let mut empty: Vec<Vec<usize>> = vec![Vec::new(); columns];
    let records = each(text, marks, |record, place| {
        let from = texts.partition_point(|(known, _)| *known < place);
        for (_, column) in texts.iter().skip(from).take_while(|(known, _)| *known == place) {
            if let Some(empty) = empty.get_mut(*column) {
                empty.push(record);
            }
        }
    });
    // Where the decoder sees other records, nothing is changed.
    if records != batches.iter().map(RecordBatch::num_rows).sum::<usize>() {
        return Ok(batches);
    }
    let mut start = 0;
    batches
        .into_iter()
        .map(|batch| {
            let rows = start..start + batch.num_rows();
            start = rows.end;
            let arrays = batch.columns().iter().zip(&empty).map(|(array, empty)| {
                let within = |row: &usize| empty.partition_point(|place| place < row);
                let own = empty.get(within(&rows.start)..within(&rows.end)).unwrap_or_default();
                match own {
                    [] => Ok(Arc::clone(array)),
                    own => filled(array, own.iter().map(|row| row - rows.start)),
                }
            });
            RecordBatch::try_new(batch.schema(), arrays.collect::<Result<_, _>>()?)
        })
        .collect()
}

/// The same array with empty texts at these rows.
fn filled(array: &ArrayRef, rows: impl Iterator<Item = usize>) -> Result<ArrayRef, ArrowError> {
    let mut empty = vec![false; array.len()];
    for row in rows {
        if let Some(empty) = empty.get_mut(row) {
            *empty = true;
        }
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        // A null takes no room in it either.
        let valid = empty.iter().enumerate().map(|(row, empty)| *empty || texts.is_valid(row));
        let nulls: NullBuffer = valid.collect();
        let (offsets, values, _) = texts.clone().into_parts();
        return Ok(Arc::new(StringArray::try_new(offsets, values, Some(nulls))?));
    }
    let Some(texts) = array.as_dictionary_opt::<Int32Type>() else { return Ok(Arc::clone(array)) };
    let last =
        i32::try_from(texts.values().len()).map_err(|_| ArrowError::DictionaryKeyOverflowError)?;
    let keys: Int32Array = texts
        .keys()
        .iter()
        .zip(&empty)
        .map(|(key, empty)| if *empty { key.or(Some(last)) } else { key })
        .collect();
    let values = concat(&[texts.values().as_ref(), &StringArray::from(vec![""])])?;
    Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Quotes = Quotes { delimiter: b',', quote: b'"', escape: None, comment: None };

    fn all(text: &str, marks: Quotes) -> (Vec<(usize, usize)>, usize) {
        let mut found = Vec::new();
        let records = each(text.as_bytes(), marks, |record, column| found.push((record, column)));
        (found, records)
    }

    #[test]
    fn two_quotes_are_an_empty_text() {
        for (text, found, records) in [
            ("", vec![], 0),
            ("\"\"", vec![(0, 0)], 1),
            ("\n\n\"\"\r\n\"\",a,\"\"", vec![(0, 0), (1, 0), (1, 2)], 2),
            ("a,,\"\"\n,\"x\"\"\",\n", vec![(0, 2)], 2),
            ("\"\"\"\",\"\"x,\"\n\"\n\"\"\n", vec![(1, 0)], 2),
            ("\"a\nb\",\"\"\n", vec![(0, 1)], 1),
            ("x\"\",\"\"", vec![(0, 1)], 1),
            ("\"", vec![], 1),
            ("a,\",", vec![], 1),
        ] {
            assert_eq!(all(text, MARKS), (found, records), "{text:?}");
        }
        let commented = Quotes { comment: Some(b'#'), ..MARKS };
        assert_eq!(all("#\"\"\n\"\"\n", commented), (vec![(0, 0)], 1));
        let escaped = Quotes { escape: Some(b'\\'), ..MARKS };
        assert_eq!(all("\"\\\"\",\"\"\n", escaped), (vec![(0, 1)], 1));
    }

    #[test]
    fn records_are_those_of_the_decoder() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..3_000 {
            let text: String = (0..random.usize(0..30))
                .map(|_| ["a", ",", "\n", "\"", "\"\"", "\r\n", ",\"\",", "#"][random.usize(0..8)])
                .collect();
            let mut reader = csv::ReaderBuilder::new();
            let mut reader = reader.has_headers(false).flexible(true).from_reader(text.as_bytes());
            let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            let (found, count) = all(&text, MARKS);
            assert_eq!(count, records.len(), "{text:?}");
            for (record, column) in found {
                assert_eq!(records[record].get(column), Some(""), "{text:?}");
            }
        }
    }

    #[test]
    fn they_are_told_from_nulls() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some("a"), None]));
        let tags: DictionaryArray<Int32Type> = vec![None, Some("a"), None].into_iter().collect();
        let batch = RecordBatch::try_from_iter([("t", texts), ("d", Arc::new(tags) as _)]).unwrap();
        let text = b"x,\"\",\"\"\nx,a,a\nx,,\n";
        let told = told(text, MARKS, Some(&[1, 2]), vec![batch]).unwrap();
        let texts = told[0].column(0).as_string::<i32>();
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some(""), Some("a"), None]);
        let tags = told[0].column(1).as_dictionary::<Int32Type>();
        let tags = tags.downcast_dict::<StringArray>().unwrap();
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), [Some(""), Some("a"), None]);
    }
}
