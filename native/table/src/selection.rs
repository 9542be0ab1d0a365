//! What is kept of what a decoder brings: the columns that are wanted, and no more rows than that.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use dipper_core::Error;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::stream::Decoded;

/// Where the wanted columns are, in the order in which they are wanted; nothing for all of them.
///
/// # Errors
/// `InvalidInput` for a column that is not there.
pub(crate) fn places(
    schema: &Schema,
    columns: Option<&[String]>,
) -> Result<Option<Vec<usize>>, Error> {
    let Some(columns) = columns else { return Ok(None) };
    let place = |name: &String| {
        schema.index_of(name).map_err(|_| {
            let names: Vec<&str> =
                schema.fields().iter().take(100).map(|field| field.name().as_str()).collect();
            Error::invalid(format!("there is no column {name:?}"))
                .hint(format!("the columns are {}", names.join(", ")))
        })
    };
    columns.iter().map(place).collect::<Result<_, _>>().map(Some)
}

/// The schema of what is selected.
pub(crate) fn selected(schema: &SchemaRef, places: Option<&[usize]>) -> Result<SchemaRef, Error> {
    match places {
        None => Ok(Arc::clone(schema)),
        Some(places) => schema
            .project(places)
            .map(Arc::new)
            .map_err(|error| Error::internal(format!("columns cannot be selected: {error}"))),
    }
}

/// Ends batches after so many rows; nothing more is decoded then.
pub(crate) fn limited(
    batches: BoxStream<'static, Result<Decoded, Error>>,
    limit: Option<u64>,
) -> BoxStream<'static, Result<Decoded, Error>> {
    let Some(limit) = limit else { return batches };
    futures::stream::unfold((batches, limit), |(mut batches, left)| async move {
        if left == 0 {
            return None;
        }
        match batches.next().await? {
            Ok(mut decoded) => {
                let rows = decoded.batch.num_rows();
                let taken = usize::try_from(left).map_or(rows, |left| left.min(rows));
                if taken < rows {
                    decoded.batch = decoded.batch.slice(0, taken);
                }
                Some((Ok(decoded), (batches, left - taken as u64)))
            }
            Err(error) => Some((Err(error), (batches, 0))),
        }
    })
    .boxed()
}
