//! What a condition saves: bytes that are not read, and the same rows.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use dipper_core::Source;
use dipper_table::filter::Filter;
use dipper_table::{Dialect, Format, OpenRequest, open};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const ROWS: i64 = 40_000;

/// `id` goes up, `mixed` goes about, `name` is one of many, `part` has gaps of missing values.
fn written(name: &str, properties: WriterPropertiesBuilder) -> (Place, u64) {
    let mixed = |row: i64| row.wrapping_mul(7919) % 10_007;
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef),
        ("mixed", Arc::new((0..ROWS).map(|row| Some(mixed(row))).collect::<Int64Array>())),
        (
            "name",
            Arc::new(
                (0..ROWS).map(|row| Some(format!("n{}", mixed(row)))).collect::<StringArray>(),
            ),
        ),
        (
            "part",
            Arc::new(
                (0..ROWS)
                    .map(|row| (row / 1000 % 3 != 1).then_some(row as f64 / 8.0))
                    .collect::<Float64Array>(),
            ),
        ),
    ])
    .unwrap();
    let path = std::env::temp_dir().join(format!("dipper-{name}-{}.parquet", std::process::id()));
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    (Place(path), bytes.len() as u64)
}

/// The ids that come, and how many bytes were read.
async fn read(place: &Place, condition: Option<&str>, columns: &[&str]) -> (Vec<i64>, u64) {
    let request = OpenRequest {
        source: Source::File(place.0.clone()),
        files: Vec::new(),
        format: Some(Format::Parquet),
        dialect: Dialect::default(),
        columns: Some(columns.iter().map(|name| (*name).to_owned()).collect()),
        weighed: None,
        only_schema: false,
        filter: condition.map(|text| Arc::new(Filter::parse(text).unwrap())),
        limit: None,
        int64_as_float64: false,
    };
    let stream = open(None, request).await.unwrap();
    let mut ids = Vec::new();
    while let Some(decoded) = stream.next().await.unwrap() {
        ids.extend(decoded.batch.column(0).as_primitive::<Int64Type>().values());
    }
    (ids, stream.metrics().bytes)
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_data_page_row_count_limit(500).set_write_batch_size(100)
}

const CONDITIONS: [&str; 10] = [
    "id = 17",
    "id BETWEEN 12000 AND 12999 AND mixed > 5000",
    "id < 100 OR id > 39900",
    "NOT (id >= 50)",
    "name = 'n77'",
    "name IN ('n1', 'n2', 'nobody')",
    "part IS NULL AND id < 5000",
    "part > 4000 AND part < 4100.5",
    "mixed % 1000 = 7 AND part IS NOT NULL",
    "id < 0",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_has_no_row_that_is_wanted() {
    let files = [
        written("groups", properties().set_max_row_group_row_count(Some(2000))),
        written("pages", properties()),
        written(
            "bloom",
            properties().set_max_row_group_row_count(Some(4000)).set_bloom_filter_enabled(true),
        ),
        written("plain", properties().set_offset_index_disabled(true)),
    ];
    let columns = ["id", "mixed", "name", "part"];
    for condition in CONDITIONS {
        let mut found = Vec::new();
        for (place, _) in &files {
            found.push(read(place, Some(condition), &columns).await.0);
            assert_eq!(read(place, Some(condition), &["id"]).await.0, found[0], "{condition}");
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{condition}");
        let known = match condition {
            "id = 17" => Some(vec![17]),
            "NOT (id >= 50)" => Some((0..50).collect()),
            "id < 100 OR id > 39900" => Some((0..100).chain(39_901..ROWS).collect()),
            "name = 'n77'" => {
                Some((0..ROWS).filter(|row| row.wrapping_mul(7919) % 10_007 == 77).collect())
            }
            "part IS NULL AND id < 5000" => Some((1000..2000).chain(4000..5000).collect()),
            "part > 4000 AND part < 4100.5" => {
                Some((32_001..32_804).filter(|row| row / 1000 % 3 != 1).collect())
            }
            "id < 0" => Some(Vec::new()),
            _ => None,
        };
        assert!(known.is_none_or(|known| known == found[0]), "{condition}: {:?}", found[0].len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_are_decoded_side_by_side_come_as_they_are_asked_for() {
    // As long as that: short columns are decoded one after the other.
    let properties = || WriterProperties::builder().set_dictionary_enabled(false);
    let files = [
        written("one-group", properties()),
        written("two-groups", properties().set_max_row_group_row_count(Some(39_000))),
    ];
    let mixed = |row: i64| row.wrapping_mul(7919) % 10_007;
    for (place, _) in &files {
        for (limit, int64_as_float64) in [(ROWS, false), (12_345, false), (39_500, true)] {
            let request = OpenRequest {
                source: Source::File(place.0.clone()),
                files: Vec::new(),
                format: Some(Format::Parquet),
                dialect: Dialect::default(),
                columns: Some(["name", "part", "id", "mixed"].map(str::to_owned).to_vec()),
                weighed: None,
                only_schema: false,
                filter: None,
                limit: Some(limit as u64),
                int64_as_float64,
            };
            let stream = open(None, request).await.unwrap();
            let mut row = 0;
            while let Some(decoded) = stream.next().await.unwrap() {
                let batch = decoded.batch;
                assert_eq!(&batch.schema(), stream.schema());
                let numbers = |column: usize| match int64_as_float64 {
                    true => batch.column(column).as_primitive::<Float64Type>().clone(),
                    false => batch.column(column).as_primitive::<Int64Type>().unary(|id| id as f64),
                };
                let (ids, others) = (numbers(2), numbers(3));
                let names = batch.column(0).as_string::<i32>();
                let parts = batch.column(1).as_primitive::<Float64Type>();
                for at in 0..batch.num_rows() {
                    assert_eq!(names.value(at), format!("n{}", mixed(row)));
                    let part = parts.is_valid(at).then(|| parts.value(at));
                    assert_eq!(part, (row / 1000 % 3 != 1).then_some(row as f64 / 8.0));
                    assert_eq!((ids.value(at), others.value(at)), (row as f64, mixed(row) as f64));
                    row += 1;
                }
            }
            assert_eq!(row, limit);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_groups_pages_and_bloom_filters_save_bytes() {
    let columns = ["id", "mixed", "name", "part"];
    let (groups, size) = written(
        "few-groups",
        WriterProperties::builder()
            .set_max_row_group_row_count(Some(2000))
            .set_offset_index_disabled(true),
    );
    let (ids, bytes) = read(&groups, Some("id BETWEEN 4000 AND 4999"), &columns).await;
    assert_eq!(ids.len(), 1000);
    assert!(bytes < size / 4, "{bytes} of {size}: row groups");

    let (pages, size) = written("few-pages", properties().set_dictionary_enabled(false));
    let (ids, bytes) = read(&pages, Some("id BETWEEN 4000 AND 4999"), &columns).await;
    assert_eq!(ids.len(), 1000);
    assert!(bytes < size / 4, "{bytes} of {size}: pages");

    let bloom = properties().set_max_row_group_row_count(Some(4000));
    let (bloom, size) = written("few-blooms", bloom.set_bloom_filter_enabled(true));
    let (ids, bytes) = read(&bloom, Some("name = 'n5x'"), &columns).await;
    assert!(ids.is_empty());
    assert!(bytes < size / 2, "{bytes} of {size}: bloom filters");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_sixteen_columns_are_the_bytes_of_their_chunks() {
    let names: Vec<String> = (0..16).map(|column| format!("c{column}")).collect();
    let columns = names.iter().enumerate().map(|(column, name)| {
        let values = (0..120_000_i64).map(|row| row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
        let values = values.map(|value| value ^ column as i64);
        (name.as_str(), Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = std::env::temp_dir().join(format!("dipper-sixteen-{}.parquet", std::process::id()));
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(30_000));
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    let metadata = writer.close().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let place = Place(path);
    let chunks: u64 = metadata
        .row_groups()
        .iter()
        .flat_map(|group| [group.column(3), group.column(11)])
        .map(|chunk| u64::try_from(chunk.compressed_size()).unwrap())
        .sum();
    let (ids, read) = read(&place, None, &["c3", "c11"]).await;
    assert_eq!(ids.len(), 120_000);
    assert!(read * 10 < chunks * 11, "{read} bytes for {chunks}");
}
