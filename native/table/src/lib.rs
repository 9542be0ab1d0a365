//! Columns of files: each format's decoder turns what dipper's engine reads into batches of
//! Arrow arrays, whose memory JavaScript adopts.
//!
//! This crate knows the formats. It knows nothing of S3, which the engine reads, nor of
//! JavaScript.

mod ahead;
mod arrow_columns;
mod arrow_file;
mod arrow_message;
mod csv_empty;
mod csv_fields;
mod csv_file;
mod csv_plain;
mod csv_rows;
mod dialect;
mod encode;
mod error;
mod export;
mod filled_numbers;
pub mod filter;
mod format;
mod int64;
mod json_file;
mod json_plain;
mod json_shape;
mod json_values;
mod many_files;
mod numpy;
mod parquet_file;
mod plain_columns;
mod pump;
mod schema;
mod seen;
mod selection;
mod stream;
mod text;
mod time_text;
mod wanted;

pub use dialect::Dialect;
pub use encode::{EncodeOptions, Encoder, Piece, PieceSink, TableFormat};
pub use export::{Exported, Region, exported};
pub use format::Format;
pub use many_files::TableFile;
pub use schema::schema_message;
pub use stream::{BatchStream, Decoded, OpenRequest, open};
