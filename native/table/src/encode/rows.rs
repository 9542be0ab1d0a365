//! Rows as text. Some steps are under way at once, on threads of their own, and what they bring goes
//! out in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_json::writer::{EncoderOptions, make_encoder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use dipper_core::Error;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use super::packed::Packed;
use super::piece::{Piece, PieceSink};
use super::{TableFormat, computed, refused};
use crate::csv_rows::CsvRows;
use crate::error::joined;
use crate::json_values::JsonValues;

/// A step has no more rows than this.
const MOST_ROWS: usize = 1 << 16;
/// A step becomes about so many bytes.
const STEP_BYTES: usize = 2 << 20;
/// And so many at most, unless single rows are longer.
pub(crate) const MOST_STEP: u64 = 4 * STEP_BYTES as u64;

/// How rows are told.
pub(crate) enum Rows {
    /// Separated.
    Csv(CsvRows),
    /// As objects of JSON: of an array, or one on each line.
    Json {
        /// All columns as one.
        field: FieldRef,
        /// Whether they are of an array.
        array: bool,
    },
}

impl Rows {
    /// As objects of JSON.
    pub(crate) fn json(schema: &Schema, array: bool) -> Self {
        let field = Arc::new(Field::new_struct("", schema.fields().clone(), false));
        Self::Json { field, array }
    }

    fn format(&self) -> TableFormat {
        match self {
            Self::Csv(_) => TableFormat::Csv,
            Self::Json { array: true, .. } => TableFormat::Json,
            Self::Json { array: false, .. } => TableFormat::Ndjson,
        }
    }

    /// Adds the rows of a batch to a text; `first` are those before which there are none.
    fn add(&self, batch: &RecordBatch, first: bool, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let (field, array) = match self {
            Self::Csv(rows) => return rows.add(batch, text),
            Self::Json { field, array } => (field, *array),
        };
        let values = JsonValues::default();
        let options = EncoderOptions::default()
            .with_explicit_nulls(true)
            .with_encoder_factory(Arc::new(values.clone()));
        let rows = StructArray::from(batch.clone());
        let mut encoder = make_encoder(field, &rows, &options)?;
        for row in 0..batch.num_rows() {
            if array && !(first && row == 0) {
                text.push(b',');
            }
            encoder.encode(row, text);
            if !array {
                text.push(b'\n');
            }
        }
        values.checked()
    }

    fn ending(&self) -> &'static [u8] {
        match self {
            Self::Json { array: true, .. } => b"]",
            _ => b"",
        }
    }

    /// How many bytes a row may become, beside its values.
    fn frame(&self) -> usize {
        match self {
            Self::Csv(_) => 1,
            Self::Json { field, .. } => match field.data_type() {
                DataType::Struct(fields) => fields.iter().map(|field| field.name().len() + 4).sum(),
                _ => 1,
            },
        }
    }

    /// A batch in steps.
    fn cut(&self, batch: &RecordBatch, steps: &mut VecDeque<RecordBatch>) {
        let rows = batch.num_rows();
        // What has no such size is found to be large when it is told.
        let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
        let bytes: usize = batch.columns().iter().map(bytes).sum();
        let each = bytes / rows.max(1) + self.frame();
        let step = (STEP_BYTES / each.max(1)).clamp(1, MOST_ROWS);
        for start in (0..rows).step_by(step) {
            steps.push_back(batch.slice(start, step.min(rows - start)));
        }
    }
}

type UnderWay = VecDeque<JoinHandle<Result<Vec<u8>, Error>>>;

/// Tells the rows of all batches, `width` steps of them at once. `head` comes before them.
pub(crate) async fn tell(
    rows: Rows,
    head: Vec<u8>,
    mut packed: Option<Packed>,
    width: usize,
    sink: &dyn PieceSink,
    batches: &mut Receiver<RecordBatch>,
) -> Result<(), Error> {
    let rows = Arc::new(rows);
    let mut steps = VecDeque::new();
    let mut under_way = UnderWay::new();
    let mut spare: Vec<_> = bring(sink, &mut packed, head).await?.into_iter().collect();
    let (mut first, mut open) = (true, true);
    while open || !under_way.is_empty() {
        tokio::select! {
            biased;
            arrived = batches.recv(), if open && steps.is_empty() => match arrived {
                Some(batch) => rows.cut(&batch, &mut steps),
                None => open = false,
            },
            ended = next(&mut under_way), if !under_way.is_empty() => {
                under_way.pop_front();
                let text = joined(rows.format().shown(), ended)?;
                spare.extend(bring(sink, &mut packed, text).await?);
            }
        }
        while under_way.len() < width
            && let Some(step) = steps.pop_front()
        {
            let (rows, mut text) = (Arc::clone(&rows), spare.pop().unwrap_or_default());
            let first = std::mem::take(&mut first);
            under_way.push_back(tokio::task::spawn_blocking(move || {
                text.clear();
                rows.add(&step, first, &mut text)
                    .map_err(|error| refused(rows.format(), &error))?;
                Ok(text)
            }));
        }
    }
    bring(sink, &mut packed, rows.ending().to_vec()).await?;
    let Some(packed) = packed else { return Ok(()) };
    let last = computed(rows.format().shown(), move || packed.finish()).await?;
    sink.bring(vec![Piece::Own(last)]).await.map(drop)
}

/// What the first of them brings.
async fn next(under_way: &mut UnderWay) -> Result<Result<Vec<u8>, Error>, tokio::task::JoinError> {
    match under_way.front_mut() {
        Some(first) => first.await,
        None => std::future::pending().await,
    }
}

/// Brings a text, and gives back memory that can be used again.
async fn bring(
    sink: &dyn PieceSink,
    packed: &mut Option<Packed>,
    text: Vec<u8>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(mut packing) = packed.take() else {
        let own = |piece| match piece {
            Piece::Own(text) => Some(text),
            Piece::Lent(_) => None,
        };
        return Ok(sink.bring(vec![Piece::Own(text)]).await?.pop().and_then(own));
    };
    let packing = computed("text", move || {
        let bytes = packing.pack(&text)?;
        Ok((packing, text, bytes))
    });
    let (packing, text, bytes) = packing.await?;
    *packed = Some(packing);
    sink.bring(vec![Piece::Own(bytes)]).await?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{
        BooleanArray, Date32Array, Float64Array, Int64Array, LargeStringArray, ListArray,
        StringArray,
    };
    use arrow_json::writer::{JsonArray as Whole, LineDelimited, WriterBuilder};

    use super::*;

    /// The same as `arrow-json` by itself, however it is cut.
    #[test]
    fn objects_are_those_of_the_writer() {
        let texts = ["", "a", "\"", "\\", "\u{1}", "zw\u{f6}lf", "\n"];
        let clean = ["a", "b", "", "c", "d", "e", "f"];
        let lists = (0..7).map(|row| (row % 3 > 0).then(|| vec![Some(row), None]));
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
        let inner: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let field = Arc::new(Field::new("in\"ner", DataType::Utf8, true));
        let nested: ArrayRef = Arc::new(StructArray::from(vec![(field, Arc::clone(&inner))]));
        let whole = (0..7).map(|row| (row != 2).then_some(i64::MAX - row));
        let columns: [(&str, ArrayRef); 9] = [
            ("n", Arc::new(Int64Array::from_iter(whole))),
            ("f", Arc::new(Float64Array::from(vec![0.1, -0.0, f64::NAN, 1e300, 1.0, 1e-9, 3.0]))),
            ("t", Arc::new(StringArray::from_iter_values(clean))),
            ("l", Arc::new(LargeStringArray::from_iter_values(clean))),
            ("e", inner),
            (
                "d",
                Arc::new(Date32Array::from_iter((0..7).map(|day| (day > 1).then_some(day * 99)))),
            ),
            (
                "b",
                Arc::new(BooleanArray::from_iter((0..7).map(|row| (row != 4).then_some(row > 2)))),
            ),
            ("list", list),
            ("nested", nested),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let settings = || WriterBuilder::new().with_explicit_nulls(true);
        let (mut lines, mut array) = (Vec::new(), Vec::new());
        let mut writer = settings().build::<_, LineDelimited>(&mut lines);
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let mut writer = settings().build::<_, Whole>(&mut array);
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        for cut in 0..=7 {
            for (is_array, expected) in [(false, &lines), (true, &array)] {
                let rows = Rows::json(&batch.schema(), is_array);
                let mut text = if is_array { b"[".to_vec() } else { Vec::new() };
                for (at, part) in
                    [batch.slice(0, cut), batch.slice(cut, 7 - cut)].iter().enumerate()
                {
                    rows.add(part, at == 0 || cut == 0, &mut text).unwrap();
                }
                text.extend_from_slice(rows.ending());
                assert_eq!(
                    String::from_utf8(text).unwrap(),
                    String::from_utf8(expected.clone()).unwrap()
                );
            }
        }
    }
}
