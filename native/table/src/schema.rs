//! The schema of a table as it crosses: a stream of Arrow IPC without a batch.

use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;
use dipper_core::Error;

/// The schema as Arrow IPC, for whoever reads that.
///
/// # Errors
/// `Internal` for types that Arrow's own format cannot say.
pub fn schema_message(schema: &Schema) -> Result<Vec<u8>, Error> {
    let mut message = Vec::new();
    let wrote = StreamWriter::try_new(&mut message, schema).and_then(|mut writer| writer.finish());
    wrote.map_err(|error| Error::internal(format!("a schema cannot be told: {error}")))?;
    Ok(message)
}
