//! What is wanted of files whose decoder does not see to it: the rows of `where`, no more than
//! `limit`, and numbers as they were asked for. Batches are masked after they are decoded.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use dipper_core::Error;
use futures::StreamExt;
use tokio_util::task::AbortOnDropHandle;

use crate::error::{joined, of_arrow};
use crate::filter::BoundFilter;
use crate::int64::{as_float64, schema_as_float64};
use crate::selection::limited;
use crate::stream::{Decoded, OpenRequest, Opened};

/// So many batches are masked beside each other.
const AHEAD: usize = 2;

/// Opens what is read by `open`, and keeps of it what is wanted.
pub(crate) async fn wanted<F>(
    mut request: OpenRequest,
    open: impl FnOnce(OpenRequest) -> F,
) -> Result<Opened, Error>
where
    F: Future<Output = Result<Opened, Error>>,
{
    let filter = request.filter.clone();
    let columns = request.columns.take();
    let limit = request.limit;
    if filter.is_some() {
        request.limit = None;
    }
    let int64_as_float64 = std::mem::take(&mut request.int64_as_float64);
    // The columns of the condition come, too, behind those that are asked for.
    request.columns = columns.as_ref().map(|columns| {
        let more = filter.iter().flat_map(|filter| filter.columns());
        let more = more.filter(|name| !columns.contains(name));
        columns.iter().chain(more).cloned().collect()
    });
    let opened = open(request).await?;
    // Where enough rows match, nobody knows.
    let total = opened.total.filter(|_| filter.is_none() || limit.is_none());
    let bound = filter.map(|filter| filter.bind(&opened.schema)).transpose()?;
    let kept = columns.map_or(opened.schema.fields().len(), |columns| columns.len());
    let stored = first_columns(&opened.schema, kept);
    let schema = if int64_as_float64 { schema_as_float64(&stored) } else { Arc::clone(&stored) };
    let work = Arc::new(Work { bound, kept, stored, schema: Arc::clone(&schema) });
    let masked = opened
        .batches
        .map(move |decoded| {
            let work = Arc::clone(&work);
            async move {
                let Decoded { batch, tickets } = decoded?;
                let masked = tokio::task::spawn_blocking(move || work.wanted(batch));
                let batch = joined("table", AbortOnDropHandle::new(masked).await)?;
                Ok(Decoded { batch, tickets })
            }
        })
        .buffered(AHEAD)
        .filter(|decoded| {
            let empty = matches!(decoded, Ok(Decoded { batch, .. }) if batch.num_rows() == 0);
            std::future::ready(!empty)
        });
    let batches = limited(masked.boxed(), limit);
    Ok(Opened { schema, rows: None, total, batches, ..opened })
}

fn first_columns(schema: &SchemaRef, count: usize) -> SchemaRef {
    let fields: Vec<_> = schema.fields().iter().take(count).cloned().collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

struct Work {
    bound: Option<BoundFilter>,
    /// How many columns were asked for.
    kept: usize,
    /// They, as the file has them.
    stored: SchemaRef,
    /// They, as they are given.
    schema: SchemaRef,
}

impl Work {
    /// The rows that are wanted, of the columns that are.
    fn wanted(&self, batch: RecordBatch) -> Result<RecordBatch, Error> {
        let kept: Vec<usize> = (0..self.kept).collect();
        // Arrays of a damaged file are of other types than its schema tells.
        let failed = |error| of_arrow("table", error);
        let columns = batch.project(&kept).map_err(failed)?;
        let mask = self.bound.as_ref().map(|bound| bound.mask(&batch)).transpose()?;
        drop(batch);
        let wanted = match mask {
            Some(mask) if mask.true_count() < mask.len() => {
                tight(&filter_record_batch(&columns, &mask).map_err(failed)?).map_err(failed)?
            }
            _ => columns,
        };
        if Arc::ptr_eq(&self.stored, &self.schema) {
            return Ok(wanted);
        }
        as_float64(wanted, &self.schema)
    }
}

/// Without the texts that no view refers to any more.
fn tight(batch: &RecordBatch) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => Arc::clone(column),
        })
        .collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}
