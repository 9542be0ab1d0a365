//! Parquet: the columns of a row group are encoded side by side. The group is held until it is full.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, SchemaRef};
use dipper_core::Error;
use dipper_wire::crew::{Unfinished, share_out};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use tokio::sync::mpsc::Receiver;

use super::piece::{PieceSink, bring_all, lent};
use super::{computed, of_parquet};

/// About so many values are encoded before anybody may stop it.
const STEP_VALUES: usize = 1 << 21;
/// So many values are too few to wake a thread for.
const FEW: usize = 1 << 13;
/// A row group is held until it is full: no longer than it has so many bytes.
const GROUP_BYTES: usize = 128 << 20;

/// Writes batches.
pub(crate) struct Groups {
    schema: SchemaRef,
    file: SerializedFileWriter<Vec<u8>>,
    factory: ArrowRowGroupWriterFactory,
    /// The row group that fills.
    group: Option<Group>,
    most_rows: usize,
}

struct Group {
    columns: Vec<Column>,
    rows: usize,
}

/// A column, which consists of several where it is nested.
struct Column {
    field: Arc<Field>,
    leaves: Vec<ArrowColumnWriter>,
    /// What it became, once it is closed.
    chunks: Vec<ArrowColumnChunk>,
}

impl Column {
    fn write(&mut self, array: &ArrayRef) -> Result<(), ParquetError> {
        let leaves = compute_leaves(&self.field, array)?;
        for (leaf, writer) in leaves.iter().zip(&mut self.leaves) {
            writer.write(leaf)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParquetError> {
        for writer in self.leaves.drain(..) {
            self.chunks.push(writer.close()?);
        }
        Ok(())
    }
}

impl Group {
    fn bytes(&self) -> usize {
        let leaves = self.columns.iter().flat_map(|column| &column.leaves);
        leaves.map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    /// How many more rows may come.
    fn room(&self, most_rows: usize) -> usize {
        let rows = most_rows.saturating_sub(self.rows);
        let bytes = self.bytes();
        match bytes.checked_div(self.rows) {
            // Nothing tells yet how long a row becomes.
            None | Some(0) => rows,
            Some(each) => rows.min(GROUP_BYTES.saturating_sub(bytes) / each),
        }
    }
}

/// Does something with every column, side by side.
fn each<T: Send>(
    columns: impl Iterator<Item = T> + Send,
    few: bool,
    work: impl Fn(T) -> Result<(), ParquetError> + Sync,
) -> Result<(), ParquetError> {
    let threads = if few { 1 } else { usize::MAX };
    let work = |(): &mut (), column| work(column);
    match share_out(threads, columns, || false, || (), work, |()| Ok(())) {
        Err(Unfinished::Failed(error)) => Err(error),
        // Nobody stops it.
        Ok(()) | Err(Unfinished::Stopped) => Ok(()),
    }
}

impl Groups {
    /// Begins a file.
    pub(crate) fn begin(
        schema: &SchemaRef,
        properties: WriterProperties,
        most_rows: usize,
    ) -> Result<Self, ParquetError> {
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties))?;
        let (file, factory) = writer.into_serialized_writer()?;
        let schema = Arc::clone(schema);
        Ok(Self { schema, file, factory, group: None, most_rows: most_rows.max(1) })
    }

    /// Encodes some rows, and tells how many.
    fn add(&mut self, batch: &RecordBatch) -> Result<usize, ParquetError> {
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        if let Some(group) = &self.group
            && group.room(self.most_rows) == 0
        {
            self.close()?;
        }
        let group = match &mut self.group {
            Some(group) => group,
            None => {
                let group = self.opened()?;
                self.group.insert(group)
            }
        };
        let rows = batch.num_rows().min(group.room(self.most_rows));
        // Steps of about the same size: a short one would not be worth its threads.
        let most = (STEP_VALUES / group.columns.len().max(1)).max(1);
        let rows = rows.div_ceil(rows.div_ceil(most).max(1));
        let batch = batch.slice(0, rows);
        let few = rows * group.columns.len() < FEW;
        let columns = group.columns.iter_mut().zip(batch.columns());
        each(columns, few, |(column, array)| column.write(array))?;
        group.rows += rows;
        if group.room(self.most_rows) == 0 {
            self.close()?;
        }
        Ok(rows)
    }

    fn opened(&self) -> Result<Group, ParquetError> {
        let index = self.file.flushed_row_groups().len();
        let descriptor = self.file.schema_descr();
        let roots = (0..descriptor.num_columns()).map(|leaf| descriptor.get_column_root_idx(leaf));
        let fields = self.schema.fields().iter();
        let column = |field: &Arc<Field>| Column {
            field: Arc::clone(field),
            leaves: Vec::new(),
            chunks: Vec::new(),
        };
        let mut columns: Vec<Column> = fields.map(column).collect();
        for (root, leaf) in roots.zip(self.factory.create_column_writers(index)?) {
            let column = columns.get_mut(root);
            let column =
                column.ok_or_else(|| ParquetError::General("a leaf of none".to_owned()))?;
            column.leaves.push(leaf);
        }
        Ok(Group { columns, rows: 0 })
    }

    /// Ends the row group that fills.
    fn close(&mut self) -> Result<(), ParquetError> {
        let Some(mut group) = self.group.take() else { return Ok(()) };
        each(group.columns.iter_mut(), false, Column::close)?;
        let mut writer = self.file.next_row_group()?;
        for chunk in group.columns.into_iter().flat_map(|column| column.chunks) {
            chunk.append_to_row_group(&mut writer)?;
        }
        writer.close()?;
        Ok(())
    }

    /// Ends the file.
    fn end(&mut self) -> Result<(), ParquetError> {
        self.close()?;
        self.file.finish().map(drop)
    }

    /// What was written since it was asked for last.
    fn written(&mut self) -> Result<Vec<u8>, ParquetError> {
        self.file.flush()?;
        Ok(std::mem::take(self.file.inner_mut()))
    }
}

/// Writes all batches. While a row group goes out the next one fills.
pub(crate) async fn write(
    mut groups: Box<Groups>,
    sink: &dyn PieceSink,
    batches: &mut Receiver<RecordBatch>,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    let mut batch = batches.recv().await;
    loop {
        let some = batch.clone();
        let encoded = computed("Parquet", move || {
            let rows = match &some {
                Some(batch) => groups.add(batch),
                None => groups.end().map(|()| 0),
            };
            let done = rows.and_then(|rows| Ok((rows, groups.written()?)));
            let (rows, bytes) = done.map_err(|error| of_parquet(&error))?;
            Ok((groups, rows, bytes))
        });
        let ((all, rows, more), ()) = tokio::try_join!(encoded, go_out(sink, bytes))?;
        (groups, bytes) = (all, more);
        batch = match batch {
            Some(batch) if rows < batch.num_rows() => {
                Some(batch.slice(rows, batch.num_rows() - rows))
            }
            Some(_) => batches.recv().await,
            None => return go_out(sink, bytes).await,
        };
    }
}

async fn go_out(sink: &dyn PieceSink, bytes: Vec<u8>) -> Result<(), Error> {
    match bytes.is_empty() {
        true => Ok(()),
        false => bring_all(sink, lent([bytes.into()])).await,
    }
}
