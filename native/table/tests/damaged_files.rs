//! Files of the formats beside Parquet that were damaged by the thousand: each is an error or a
//! table, and none takes more memory than its size allows.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, RecordBatch, RunArray, StringArray, StringViewArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use dipper_table::Format;

mod damage;

use damage::{Place, common_columns, damaged, word};

const ROWS: i32 = 60;

fn columns() -> RecordBatch {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in 0..ROWS {
        maps.keys().append_value(format!("k{row}"));
        maps.values().append_value(row);
        maps.append(row % 3 != 0).unwrap();
    }
    let views: StringViewArray =
        (0..ROWS).map(|row| Some("a long text in a view".repeat(row as usize % 3))).collect();
    let words: DictionaryArray<Int32Type> = (0..ROWS).map(|row| Some(word(row))).collect();
    let ends = Int32Array::from(vec![10, 30, ROWS]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec!["x", "y", "z"]));
    let mut columns = common_columns(ROWS);
    columns.extend([
        ("views", Arc::new(views) as ArrayRef),
        ("words", Arc::new(words)),
        ("runs", Arc::new(runs.unwrap())),
        ("maps", Arc::new(maps.finish())),
    ]);
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Two batches of each compression.
fn arrow(as_file: bool) -> Vec<Vec<u8>> {
    let batch = columns();
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)]
        .into_iter()
        .map(|codec| {
            let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
            let mut bytes = Vec::new();
            if as_file {
                let mut writer =
                    FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
                writer.write(&batch).unwrap();
                writer.write(&batch.slice(0, 20)).unwrap();
                writer.finish().unwrap();
            } else {
                let mut writer =
                    StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), options)
                        .unwrap();
                writer.write(&batch).unwrap();
                writer.write(&batch.slice(0, 20)).unwrap();
                writer.finish().unwrap();
            }
            bytes
        })
        .collect()
}

const CONDITION: &str = "ints > 90 AND texts <> 'row number 3' OR longs = 8589934592";

#[tokio::test(flavor = "multi_thread")]
async fn arrow_files() {
    let place = Place::new("damaged-arrow-file", Format::Arrow);
    let counts = damaged(&place, &arrow(true), 80, CONDITION, 700).await;
    assert!(counts.errors > 500 && counts.tables > 50, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_streams() {
    let place = Place::new("damaged-arrow-stream", Format::Arrow);
    let counts = damaged(&place, &arrow(false), 80, CONDITION, 700).await;
    assert!(counts.errors > 500 && counts.tables > 50, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv() {
    let mut text = "ints,texts,longs,day,flag,float\n".to_owned();
    for row in 0..ROWS {
        let day = row % 28 + 1;
        writeln!(
            text,
            "{row},\"row, \"\"{row}\"\"\",{},2024-02-{day:02},{},{}",
            i64::from(row) << 33,
            row % 2 == 0,
            f64::from(row) / 3.0
        )
        .unwrap();
    }
    let place = Place::new("damaged-csv", Format::Csv);
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zipped.write_all(text.as_bytes()).unwrap();
    let files =
        [text.replace('\n', "\r\n").into_bytes(), text.into_bytes(), zipped.finish().unwrap()];
    let counts = damaged(&place, &files, 60, "ints > 9 AND texts <> 'x'", 700).await;
    assert!(counts.errors > 300 && counts.tables > 50, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ndjson_and_json() {
    let record = |row: i32| {
        format!(
            "{{\"ints\": {row}, \"texts\": \"row \\\"{row}\\\" \\u00e9\", \"list\": [1, {row}], \
             \"object\": {{\"a\": null, \"b\": {}.5}}, \"flag\": {}}}",
            i64::from(row) << 33,
            row % 2 == 0
        )
    };
    let records: Vec<String> = (0..ROWS).map(record).collect();
    for (format, text) in [
        (Format::Ndjson, records.join("\n")),
        (Format::Json, format!("[{}]", records.join(",\n"))),
        (Format::Json, records.join(" ")),
    ] {
        let place = Place::new("damaged-json", format);
        let condition = "ints > 9 AND texts <> 'x'";
        let counts = damaged(&place, &[text.into_bytes()], 60, condition, 1400).await;
        assert!(counts.errors > 500 && counts.tables > 20, "{counts:?}");
    }
}

fn npy(descr: &str, fortran: bool, shape: &str, elements: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    let header = format!("{header:117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

fn arrays() -> Vec<(&'static str, Vec<u8>)> {
    let numbers: Vec<u8> = (0..240_u64).flat_map(|number| (number << 8).to_le_bytes()).collect();
    let points: Vec<u8> =
        (0..240_u32).flat_map(|number| (number % 90 + 32).to_le_bytes()).collect();
    vec![
        ("long", npy("<i8", false, "240,", &numbers)),
        ("rows", npy("<f8", false, "240, 1", &numbers)),
        ("both", npy(">u4", true, "240, 2", &numbers)),
        ("gathered", npy("<i2", false, "240, 4", &numbers)),
        ("text", npy("<U1", false, "240,", &points)),
        ("bytes", npy("|S4", false, "240,", &points)),
        ("flags", npy("|b1", false, "240,", &points)),
        ("days", npy("<M8[D]", false, "240,", &numbers)),
        ("moments", npy("<M8[us]", false, "240,", &numbers)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn npy_files() {
    let place = Place::new("damaged-npy", Format::Npy);
    let files: Vec<Vec<u8>> = arrays().into_iter().map(|(_, bytes)| bytes).collect();
    let counts = damaged(&place, &files, 240, "values > 9", 400).await;
    assert!(counts.errors > 500 && counts.tables > 500, "{counts:?}");
}

/// As `numpy.savez` and `numpy.savez_compressed` write archives.
fn archive(deflated: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let arrays = arrays();
    for (name, array) in &arrays {
        let name = format!("{name}.npy");
        let mut sum = flate2::Crc::new();
        sum.update(array);
        let packed = match deflated {
            false => array.clone(),
            true => {
                let level = flate2::Compression::default();
                let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), level);
                packed.write_all(array).unwrap();
                packed.finish().unwrap()
            }
        };
        let place = bytes.len() as u32;
        let mut about = Vec::new();
        about.extend([45, 0, 0, 0, if deflated { 8 } else { 0 }, 0, 0, 0, 0x21, 0]);
        about.extend(sum.sum().to_le_bytes());
        about.extend((packed.len() as u32).to_le_bytes());
        about.extend((array.len() as u32).to_le_bytes());
        about.extend((name.len() as u16).to_le_bytes());
        about.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&about);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
        directory.extend(b"PK\x01\x02\x2d\x00");
        directory.extend(&about);
        directory.extend([0; 10]);
        directory.extend(place.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([arrays.len() as u8, 0, arrays.len() as u8, 0]);
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn npz_files() {
    let place = Place::new("damaged-npz", Format::Npz);
    let condition = "\"long\" > 9 AND text <> 'x'";
    let counts = damaged(&place, &[archive(false), archive(true)], 240, condition, 1500).await;
    assert!(counts.errors > 500 && counts.tables > 50, "{counts:?}");
}
