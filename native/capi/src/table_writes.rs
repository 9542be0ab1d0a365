//! Uploads that are files of columns: batches come from JavaScript as Arrow IPC, and what they
//! become goes into the upload from here. It never passes through JavaScript.

use dipper_core::{Error, ledger};
use dipper_table::{EncodeOptions, Encoder, TableFormat};

use crate::export::handle;
use crate::messages::{EncodingMessage, MetricsMessage, Request, TableFormatMessage};
use crate::operations::{Outcome, json};
use crate::uploads;

/// Prepares the encoder of an upload, hands it a batch, or ends it.
pub(crate) async fn run(request: Request) -> Result<Outcome, Error> {
    match request {
        Request::EncodeTable { upload, format, encoding } => {
            let upload = handle(upload)?;
            let held = uploads::encoding(upload)?;
            let (sink, _) = uploads::sink(upload)?;
            let limit = ledger().budget().limit();
            let encoder = Encoder::new(options(format, encoding), sink, limit)?;
            let mut held = held.lock().await;
            if held.is_some() {
                return Err(Error::invalid("the upload is a file of columns already"));
            }
            uploads::stage(upload)?;
            *held = Some(encoder);
            Ok(Outcome::default())
        }
        Request::EncodeBatch { upload } => {
            let upload = handle(upload)?;
            let (sink, progress) = uploads::sink(upload)?;
            let held = uploads::encoding(upload)?;
            let stream = uploads::staged(upload)?;
            let mut held = held.lock().await;
            // Who is cancelled meanwhile leaves none: nothing may follow a gap.
            let mut encoder = held.take().ok_or_else(none)?;
            encoder.take(stream).await?;
            *held = Some(encoder);
            let payload = match progress {
                true => json(&MetricsMessage::from(sink.metrics()))?,
                false => Vec::new(),
            };
            Ok(Outcome { payload, ..Outcome::default() })
        }
        Request::EncodeEnd { upload } => {
            let held = uploads::encoding(handle(upload)?)?;
            let mut held = held.lock().await;
            held.take().ok_or_else(none)?.end().await?;
            Ok(Outcome::default())
        }
        _ => Err(Error::internal("not about writing tables")),
    }
}

fn none() -> Error {
    Error::invalid("the upload is no file of columns, or a step of it was cancelled")
}

fn options(format: TableFormatMessage, encoding: EncodingMessage) -> EncodeOptions {
    let EncodingMessage { compression, row_group_rows, delimiter, header, null_value, plain } =
        encoding;
    EncodeOptions {
        format: match format {
            TableFormatMessage::Parquet => TableFormat::Parquet,
            TableFormatMessage::Arrow => TableFormat::Arrow,
            TableFormatMessage::ArrowStream => TableFormat::ArrowStream,
            TableFormatMessage::Csv => TableFormat::Csv,
            TableFormatMessage::Ndjson => TableFormat::Ndjson,
            TableFormatMessage::Json => TableFormat::Json,
        },
        compression,
        // Saturates: what is no count is none.
        row_group_rows: row_group_rows.map(|rows| rows as usize),
        delimiter: delimiter.unwrap_or(b','),
        header: header.unwrap_or(true),
        null_value: null_value.unwrap_or_default(),
        plain,
    }
}
