//! Parquet files that were damaged by the thousand: each is an error or a table, and none takes
//! more memory than its size allows.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, StructArray,
};
use arrow_schema::{DataType, Field};
use dipper_table::Format;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

mod damage;

use damage::Place;

fn columns(rows: i32) -> RecordBatch {
    let mut lists = ListBuilder::new(Int32Builder::new());
    let mut words = StringDictionaryBuilder::<Int32Type>::new();
    for row in 0..rows {
        if row % 7 == 0 {
            lists.append_null();
        } else {
            lists.append_value((0..row % 5).map(Some));
        }
        words.append_value(["a", "word", ""][row as usize % 3]);
    }
    let ints: Int32Array = (0..rows).map(|row| (row % 5 != 0).then_some(row * 3)).collect();
    let longs: Int64Array = (0..rows).map(|row| Some(i64::from(row) << 33)).collect();
    let floats: Float64Array = (0..rows).map(|row| Some(f64::from(row) / 3.0)).collect();
    let texts: StringArray = (0..rows).map(|row| Some(format!("row number {row}"))).collect();
    let flags: BooleanArray = (0..rows).map(|row| Some(row % 3 == 0)).collect();
    let money = Decimal128Array::from_iter_values((0..rows).map(i128::from));
    let money = money.with_precision_and_scale(20, 2).unwrap();
    let fixed = FixedSizeBinaryArray::try_from_iter((0..rows).map(|row| row.to_be_bytes()));
    let inner: ArrayRef = Arc::new(ints.clone());
    let nested =
        StructArray::from(vec![(Arc::new(Field::new("inner", DataType::Int32, true)), inner)]);
    RecordBatch::try_from_iter([
        ("ints", Arc::new(ints) as ArrayRef),
        ("longs", Arc::new(longs)),
        ("floats", Arc::new(floats)),
        ("texts", Arc::new(texts)),
        ("flags", Arc::new(flags)),
        ("money", Arc::new(money)),
        ("fixed", Arc::new(fixed.unwrap())),
        ("nested", Arc::new(nested)),
        ("lists", Arc::new(lists.finish())),
        ("words", Arc::new(words.finish())),
    ])
    .unwrap()
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
