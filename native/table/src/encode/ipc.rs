//! Arrow IPC: the buffers of the arrays as they lie, each in its place among messages. Nothing is
//! copied unless it is compressed.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer as ArrowBuffer;
use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::writer::{DictionaryTracker, IpcWriteOptions, StreamEncoder};
use arrow_ipc::{Block, FooterBuilder, MessageHeader, MetadataVersion, root_as_message};
use arrow_schema::{ArrowError, Schema};

const MAGIC: &[u8] = b"ARROW1";
/// Where messages begin.
const ALIGNED: usize = 64;

/// Writes batches.
pub(crate) struct Ipc {
    encoder: StreamEncoder,
    /// A file tells at its end where everything is.
    blocks: Option<Blocks>,
}

/// What is where in a file.
struct Blocks {
    schema: Schema,
    /// Where the next message begins.
    at: usize,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
    /// The dictionaries that are there.
    known: HashSet<i64>,
}

impl Ipc {
    /// Begins a file or a stream, and tells its first bytes.
    pub(crate) fn begin(
        schema: &Schema,
        options: IpcWriteOptions,
        file: bool,
    ) -> Result<(Self, Vec<u8>), ArrowError> {
        let encoder = StreamEncoder::try_new_with_options(schema, options)?;
        if !file {
            return Ok((Self { encoder, blocks: None }, Vec::new()));
        }
        let mut head = MAGIC.to_vec();
        head.resize(ALIGNED, 0);
        let blocks = Blocks {
            schema: schema.clone(),
            at: ALIGNED,
            dictionaries: Vec::new(),
            batches: Vec::new(),
            known: HashSet::new(),
        };
        Ok((Self { encoder, blocks: Some(blocks) }, head))
    }

    /// The messages of a batch.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<ArrowBuffer>, ArrowError> {
        let buffers = self.encoder.encode(batch)?;
        if let Some(blocks) = &mut self.blocks {
            blocks.note(&buffers)?;
        }
        Ok(buffers)
    }

    /// What ends it.
    pub(crate) fn end(self) -> Result<Vec<ArrowBuffer>, ArrowError> {
        let mut buffers = self.encoder.finish()?;
        if let Some(blocks) = self.blocks {
            buffers.push(ArrowBuffer::from(blocks.footer()?));
        }
        Ok(buffers)
    }
}

impl Blocks {
    /// Finds the messages in what was encoded. Each has its metadata in a buffer of its own, behind
    /// one that tells its length.
    fn note(&mut self, buffers: &[ArrowBuffer]) -> Result<(), ArrowError> {
        let broken = || ArrowError::IpcError("a message is not where it should be".to_owned());
        let mut buffers = buffers.iter();
        while let Some(prefix) = buffers.next() {
            let length = match prefix.as_slice() {
                [0xff, 0xff, 0xff, 0xff, length @ ..] => length.try_into().map(u32::from_le_bytes),
                _ => return Err(broken()),
            };
            let metadata = buffers.next().ok_or_else(broken)?;
            let message = root_as_message(metadata).map_err(|_| broken())?;
            let header = prefix.len() + length.map_err(|_| broken())? as usize;
            let body = usize::try_from(message.bodyLength()).map_err(|_| broken())?;
            let whole = header + body;
            let mut passed = prefix.len() + metadata.len();
            while passed < whole {
                passed += buffers.next().ok_or_else(broken)?.len();
            }
            if passed != whole {
                return Err(broken());
            }
            let header = i32::try_from(header).map_err(|_| broken())?;
            let block = Block::new(self.at as i64, header, body as i64);
            self.at += whole;
            match message.header_type() {
                MessageHeader::DictionaryBatch => {
                    let id = message.header_as_dictionary_batch().ok_or_else(broken)?.id();
                    if !self.known.insert(id) {
                        return Err(ArrowError::InvalidArgumentError(
                            "a file has one dictionary for each column, and another came"
                                .to_owned(),
                        ));
                    }
                    self.dictionaries.push(block);
                }
                MessageHeader::RecordBatch => self.batches.push(block),
                _ => {}
            }
        }
        Ok(())
    }

    fn footer(&self) -> Result<Vec<u8>, ArrowError> {
        // The encoder of schemas makes the builder that is wanted; its schema is written anew.
        let mut builder = IpcSchemaEncoder::new().schema_to_fb(&Schema::empty());
        builder.reset();
        let dictionaries = builder.create_vector(&self.dictionaries);
        let batches = builder.create_vector(&self.batches);
        let mut tracker = DictionaryTracker::new(false);
        let schema = IpcSchemaEncoder::new()
            .with_dictionary_tracker(&mut tracker)
            .schema_to_fb_offset(&mut builder, &self.schema);
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(MetadataVersion::V5);
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        let root = footer.finish();
        builder.finish(root, None);
        let footer = builder.finished_data();
        let length = u32::try_from(footer.len())
            .map_err(|_| ArrowError::IpcError("the footer is too long".to_owned()))?;
        Ok([footer, &length.to_le_bytes(), MAGIC].concat())
    }
}
