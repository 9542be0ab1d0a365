//! Files that are read as batches of columns: what crosses for them.

use std::sync::Arc;

use dipper_core::{Buffer, Client, Error};
use dipper_table::filter::Filter;
use dipper_table::{Exported, OpenRequest, Region, TableFile, exported, open, schema_message};
use dipper_wire::Handle;

use crate::export::handle;
use crate::messages::{ColumnsMessage, MetricsMessage, Request, TableFileMessage, TableMessage};
use crate::operations::{Context, Outcome, Value, json, told};
use crate::streams;
use crate::streams::{Reading, Stream};

/// Opens a file, or reads its next batch.
pub(crate) async fn run(
    request: Request,
    client: Option<(Handle, &Arc<Client>)>,
    context: Context,
) -> Result<Outcome, Error> {
    match request {
        Request::OpenBatches {
            source,
            files,
            columns,
            filter,
            limit,
            int64_as_float64,
            dialect,
            progress,
            ..
        } => {
            let (format, dialect) = dialect.unwrap_or_default().read()?;
            let filter = filter.map(|text| Filter::parse(&text)).transpose()?.map(Arc::new);
            let source = source.into();
            let files = files.unwrap_or_default().into_iter().map(file).collect();
            let request = OpenRequest {
                source,
                files,
                format,
                dialect,
                columns,
                weighed: None,
                only_schema: false,
                filter,
                limit,
                int64_as_float64,
            };
            let batches = open(client.map(|(_, client)| client), request).await?;
            let items = context.items();
            items.item(0, Buffer::from_vec(schema_message(batches.schema())?));
            items.flush();
            let payload = json(&TableMessage {
                stat: batches.stat().clone().into(),
                rows: batches.rows().map(|rows| rows as f64),
                total: batches.total().map(|total| total as f64),
                metrics: batches.metrics().into(),
            })?;
            let client = client.map(|(name, _)| name);
            let stream = Stream { client, reader: Reading::Batches(Arc::new(batches)), progress };
            Ok(Outcome { value: Value::Stream(stream), extent: 0.0, payload })
        }
        Request::NextBatch { stream } => {
            let (batches, _) = streams::batches(handle(stream)?)?;
            let Some(decoded) = batches.next().await? else {
                return told(&ColumnsMessage::end(batches.metrics().into()));
            };
            let Exported { rows, nodes, regions, variadic, buffers } =
                exported(&decoded.batch, decoded.tickets)?;
            let items = context.items();
            for (index, buffer) in buffers.into_iter().enumerate() {
                items.item(index, Ok(buffer));
            }
            items.flush();
            told(&ColumnsMessage {
                rows: Some(rows as f64),
                nodes: nodes
                    .into_iter()
                    .map(|(length, nulls)| (length as f64, nulls as f64))
                    .collect(),
                regions: regions.into_iter().map(place).collect(),
                variadic: variadic.into_iter().map(|count| count as f64).collect(),
                metrics: MetricsMessage::from(batches.metrics()),
            })
        }
        _ => Err(Error::internal("not about batches")),
    }
}

fn file(file: TableFileMessage) -> TableFile {
    TableFile { source: file.source.into(), partitions: file.partitions }
}

/// Which item a region is; -1 for nothing.
fn place(region: Region) -> f64 {
    match region {
        Region::Empty => -1.0,
        Region::All { buffer } => buffer as f64,
    }
}
