//! Parquet files that were damaged by the thousand: each is an error or a table, and none takes
//! more memory than its size allows.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, FixedSizeBinaryArray, RecordBatch};
use dipper_table::Format;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

mod damage;

use damage::{Place, common_columns, word};

fn columns(rows: i32) -> RecordBatch {
    let mut words = StringDictionaryBuilder::<Int32Type>::new();
    (0..rows).for_each(|row| words.append_value(word(row)));
    let fixed = FixedSizeBinaryArray::try_from_iter((0..rows).map(|row| row.to_be_bytes()));
    let mut columns = common_columns(rows);
    columns.extend([
        ("fixed", Arc::new(fixed.unwrap()) as ArrayRef),
        ("words", Arc::new(words.finish())),
    ]);
    RecordBatch::try_from_iter(columns).unwrap()
}

fn written(properties: WriterProperties) -> Vec<u8> {
    let batch = columns(60);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.flush().unwrap();
    writer.write(&batch.slice(0, 20)).unwrap();
    writer.close().unwrap();
    bytes
}

fn files() -> Vec<Vec<u8>> {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    let mut files = Vec::new();
    for (index, codec) in codecs.into_iter().enumerate() {
        let version = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0][index % 2];
        let statistics = [EnabledStatistics::Page, EnabledStatistics::None][index % 2];
        let builder = WriterProperties::builder()
            .set_compression(codec)
            .set_writer_version(version)
            .set_statistics_enabled(statistics)
            .set_data_page_row_count_limit(16)
            .set_write_batch_size(8)
            .set_bloom_filter_enabled(index == 1);
        files.push(written(builder.build()));
    }
    let plain = |encoding| {
        let builder = WriterProperties::builder().set_dictionary_enabled(false);
        let mut builder = builder.set_writer_version(WriterVersion::PARQUET_2_0);
        for (column, kind) in [("ints", 0), ("longs", 0), ("floats", 1), ("texts", 2)] {
            let fits = match encoding {
                Encoding::DELTA_BINARY_PACKED => kind == 0,
                Encoding::DELTA_BYTE_ARRAY | Encoding::DELTA_LENGTH_BYTE_ARRAY => kind == 2,
                Encoding::BYTE_STREAM_SPLIT => kind < 2,
                _ => true,
            };
            let encoding = if fits { encoding } else { Encoding::PLAIN };
            builder = builder.set_column_encoding(column.into(), encoding);
        }
        written(builder.build())
    };
    files.extend(
        [
            Encoding::PLAIN,
            Encoding::DELTA_BINARY_PACKED,
            Encoding::DELTA_BYTE_ARRAY,
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Encoding::BYTE_STREAM_SPLIT,
        ]
        .map(plain),
    );
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_errors_or_tables_and_take_no_memory() {
    let place = Place::new("damaged-parquet", Format::Parquet);
    let condition = "ints > 90 AND texts <> 'row number 3' OR longs = 8589934592";
    let counts = damage::damaged(&place, &files(), 80, condition, 460).await;
    assert!(counts.errors > 2000 && counts.tables > 50, "{counts:?}");
}
