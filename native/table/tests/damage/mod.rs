//! What the tests of damaged files share: the columns that all formats hold, how bytes are read as a
//! table, how they are damaged, and how much memory that may take.

#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
    StringArray, StructArray,
};
use arrow_schema::{DataType, Field};
use cap::Cap;
use dipper_core::{Error, Source, Status};
use dipper_table::filter::Filter;
use dipper_table::{Dialect, Format, OpenRequest, exported, open};

/// An allocation beyond the limit ends the test.
#[global_allocator]
pub static ALLOCATOR: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);
const MOST: usize = 700 << 20;

/// The columns that every format can hold.
pub fn common_columns(rows: i32) -> Vec<(&'static str, ArrayRef)> {
    let mut lists = ListBuilder::new(Int32Builder::new());
    for row in 0..rows {
        match row % 7 {
            0 => lists.append_null(),
            _ => lists.append_value((0..row % 5).map(Some)),
        }
    }
    let ints: Int32Array = (0..rows).map(|row| (row % 5 != 0).then_some(row * 3)).collect();
    let longs: Int64Array = (0..rows).map(|row| Some(i64::from(row) << 33)).collect();
    let floats: Float64Array = (0..rows).map(|row| Some(f64::from(row) / 3.0)).collect();
    let texts: StringArray = (0..rows).map(|row| Some(format!("row number {row}"))).collect();
    let flags: BooleanArray = (0..rows).map(|row| Some(row % 3 == 0)).collect();
    let money = Decimal128Array::from_iter_values((0..rows).map(i128::from));
    let inner: ArrayRef = Arc::new(ints.clone());
    let nested =
        StructArray::from(vec![(Arc::new(Field::new("inner", DataType::Int32, true)), inner)]);
    vec![
        ("ints", Arc::new(ints)),
        ("longs", Arc::new(longs)),
        ("floats", Arc::new(floats)),
        ("texts", Arc::new(texts)),
        ("flags", Arc::new(flags)),
        ("money", Arc::new(money.with_precision_and_scale(20, 2).unwrap())),
        ("nested", Arc::new(nested)),
        ("lists", Arc::new(lists.finish())),
    ]
}

/// A word of a few for each row: for dictionaries.
pub fn word(row: i32) -> &'static str {
    ["a", "word", ""][row as usize % 3]
}

/// A file that is written again and again.
pub struct Place {
    path: PathBuf,
    format: Format,
}

impl Place {
    /// A place for files of a format.
    pub fn new(name: &str, format: Format) -> Self {
        let name = format!("dipper-{name}-{}", std::process::id());
        Self { path: std::env::temp_dir().join(name), format }
    }

    /// What is read of these bytes: its rows, or what was wrong.
    pub async fn read(&self, bytes: &[u8], condition: Option<&str>) -> Result<usize, Status> {
        std::fs::write(&self.path, bytes).unwrap();
        let request = OpenRequest {
            source: Source::File(self.path.clone()),
            files: Vec::new(),
            format: Some(self.format),
            dialect: Dialect::default(),
            columns: None,
            weighed: None,
            only_schema: false,
            filter: condition.map(|text| Arc::new(Filter::parse(text).unwrap())),
            limit: None,
            int64_as_float64: false,
        };
        let status = |error: Error| {
            assert_ne!(error.status, Status::Internal, "{error}");
            // It is the file that is wrong, and not what somebody asked for.
            assert_ne!(error.status, Status::InvalidRange, "{error}");
            error.status
        };
        let stream = open(None, request).await.map_err(status)?;
        let mut rows = 0;
        while let Some(decoded) = stream.next().await.map_err(status)? {
            for column in decoded.batch.columns() {
                column.to_data().validate_full().unwrap();
            }
            rows += decoded.batch.num_rows();
            exported(&decoded.batch, decoded.tickets).map_err(status)?;
        }
        Ok(rows)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Marsaglia's xorshift, <https://www.jstatsoft.org/article/view/v008i14>.
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Dice {
    /// A number below so many.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// What became of damaged files.
#[derive(Debug, Default)]
pub struct Counts {
    /// Those that are refused.
    pub errors: usize,
    /// Those that are read all the same.
    pub tables: usize,
}

/// Reads each file whole, then cut short and with other bytes in it, many times. `rows` is what the
/// whole files have, and `condition` what half of the rounds ask for.
pub async fn damaged(
    place: &Place,
    files: &[Vec<u8>],
    rows: usize,
    condition: &str,
    rounds: usize,
) -> Counts {
    quiet();
    ALLOCATOR.set_limit(MOST).unwrap();
    let mut dice = Dice::default();
    let mut counts = Counts::default();
    for file in files {
        assert_eq!(place.read(file, None).await, Ok(rows));
        for round in 0..rounds {
            let mut bytes = file.clone();
            if round % 8 == 0 {
                bytes.truncate(dice.roll(file.len()));
            } else {
                damage(&mut bytes, &mut dice, round);
            }
            let condition = (round % 4 < 2).then_some(condition);
            match place.read(&bytes, condition).await {
                Ok(_) => counts.tables += 1,
                // Names and types are damaged, too; a bracket less makes a record endless.
                Err(
                    Status::InvalidInput
                    | Status::DamagedData
                    | Status::Unsupported
                    | Status::BudgetExceeded
                    | Status::InvalidRange
                    | Status::TooLong
                    | Status::InvalidText
                    | Status::OutOfMemory,
                ) => counts.errors += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    let _ = std::panic::take_hook();
    counts
}

/// Changes a few bytes, half of them near the end, where many files describe themselves.
fn damage(bytes: &mut [u8], dice: &mut Dice, round: usize) {
    let end = bytes.len() - 4096.min(bytes.len());
    for _ in 0..=dice.roll(3) {
        let at = match round % 2 {
            0 => dice.roll(bytes.len()),
            _ => end + dice.roll(bytes.len() - end),
        };
        match dice.roll(3) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = 0xff,
            _ => bytes[at] = dice.roll(256) as u8,
        }
    }
}

/// Decoders that panic are caught; their words are not wanted here.
fn quiet() {
    let shown = std::panic::take_hook();
    let here = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == here {
            shown(info);
        }
    }));
}
