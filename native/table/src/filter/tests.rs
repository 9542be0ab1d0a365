//! Conditions, against an evaluation row by row that knows nothing of Arrow's kernels.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray,
    StructArray, TimestampMillisecondArray, UInt64Array, types::Int8Type,
};
use arrow_schema::{DataType, Field, Schema};
use dipper_core::Status;

use super::{Filter, Statistics};

fn batch() -> RecordBatch {
    let names =
        StringArray::from(vec![Some("ada"), Some("Bob"), None, Some("50% off"), Some("a_b")]);
    let kinds: DictionaryArray<Int8Type> =
        vec![Some("x"), Some("y"), None, Some("x"), Some("z")].into_iter().collect();
    let inner = Int32Array::from(vec![Some(1), Some(2), Some(3), None, Some(5)]);
    let place = StructArray::new(
        vec![Field::new("row", DataType::Int32, true)].into(),
        vec![Arc::new(inner) as ArrayRef],
        Some(vec![true, true, false, true, true].into()),
    );
    RecordBatch::try_from_iter_with_nullable(vec![
        (
            "i",
            Arc::new(Int32Array::from(vec![Some(1), Some(-2), None, Some(60), Some(61)]))
                as ArrayRef,
            true,
        ),
        ("t", Arc::new(Int8Array::from(vec![1, 2, 3, 4, 5])) as ArrayRef, true),
        (
            "big",
            Arc::new(Int64Array::from(vec![i64::MAX, i64::MIN, 0, 9_007_199_254_740_993, 5]))
                as ArrayRef,
            true,
        ),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1, 2, 3])) as ArrayRef, true),
        (
            "f",
            Arc::new(Float64Array::from(vec![
                Some(0.5),
                Some(-0.0),
                None,
                Some(f64::NAN),
                Some(7.0),
            ])) as ArrayRef,
            true,
        ),
        (
            "g",
            Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3, -f32::NAN, f32::INFINITY])) as ArrayRef,
            true,
        ),
        ("s", Arc::new(names.clone()) as ArrayRef, true),
        ("v", Arc::new(StringViewArray::from_iter(names.iter())) as ArrayRef, true),
        ("k", Arc::new(kinds) as ArrayRef, true),
        (
            "b",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true), None]))
                as ArrayRef,
            true,
        ),
        (
            "d",
            Arc::new(Date32Array::from(vec![Some(19723), Some(19724), None, Some(0), Some(-1)]))
                as ArrayRef,
            true,
        ),
        (
            "at",
            Arc::new(
                TimestampMillisecondArray::from(vec![
                    Some(1_704_067_200_000),
                    Some(1_704_067_200_001),
                    None,
                    Some(0),
                    Some(-1),
                ])
                .with_timezone("Europe/Berlin"),
            ) as ArrayRef,
            true,
        ),
        (
            "m",
            Arc::new(
                Decimal128Array::from(vec![Some(1050), Some(-1), None, Some(0), Some(99999)])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ) as ArrayRef,
            true,
        ),
        ("place", Arc::new(place) as ArrayRef, true),
        ("two words", Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5])) as ArrayRef, true),
        ("n", arrow_array::new_null_array(&DataType::Null, 5), true),
    ])
    .unwrap()
}

/// The rows that a condition wants.
fn rows(text: &str) -> Vec<usize> {
    let batch = batch();
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let bound = filter.bind(&batch.schema()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let mask = bound.mask(&batch).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(mask.len(), batch.num_rows(), "{text}");
    (0..mask.len()).filter(|row| mask.value(*row)).collect()
}

/// The message of what is refused.
fn refusal(text: &str) -> String {
    let batch = batch();
    let error = match Filter::parse(text) {
        Err(error) => error,
        Ok(filter) => match filter.bind(&batch.schema()) {
            Err(error) => error,
            Ok(bound) => bound.mask(&batch).expect_err(text),
        },
    };
    assert_eq!(error.status, Status::InvalidInput, "{text}: {error:?}");
    format!("{error}")
}

#[test]
fn each_operator_wants_its_rows() {
    for (text, expected) in [
        ("i = 60", vec![3]),
        ("i == 60", vec![3]),
        ("i <> 60", vec![0, 1, 4]),
        ("i != 60", vec![0, 1, 4]),
        ("60 < i", vec![4]),
        ("i > 60.5", vec![4]),
        ("i >= 60.5", vec![4]),
        ("i < 60.5", vec![0, 1, 3]),
        ("i = 60.5", vec![]),
        ("i <> 60.5", vec![0, 1, 3, 4]),
        ("i = 6e1", vec![3]),
        ("i < 1e300", vec![0, 1, 3, 4]),
        ("i > -1e300 AND i > 1e-300", vec![0, 3, 4]),
        ("t < 1000", vec![0, 1, 2, 3, 4]),
        ("t > -1000.5 and not t > 3", vec![0, 1, 2]),
        ("big = 9007199254740993", vec![3]),
        ("big = 9007199254740992", vec![]),
        ("big > 9223372036854775807", vec![]),
        ("u = 18446744073709551615", vec![0]),
        ("u > -1", vec![0, 1, 2, 3, 4]),
        ("u > big", vec![0, 1, 2]),
        ("f = 0", vec![1]),
        ("f >= 0", vec![0, 1, 4]),
        ("f < 0", vec![]),
        ("f <> 7", vec![0, 1, 3]),
        ("NOT f > 0", vec![1, 3]),
        ("f = f", vec![0, 1, 4]),
        ("f IN (0, 7, 8, 9, 10)", vec![1, 4]),
        ("g = 0.1", vec![0]),
        ("g > 0.1", vec![1, 2, 4]),
        ("s = 'ada'", vec![0]),
        ("v = 'ada'", vec![0]),
        ("v = s", vec![0, 1, 3, 4]),
        ("s > 'a'", vec![0, 4]),
        ("s LIKE 'a%'", vec![0, 4]),
        ("v LIKE 'a%'", vec![0, 4]),
        ("s ILIKE 'B_B'", vec![1]),
        ("s LIKE '50\\% %'", vec![3]),
        ("s LIKE '50!% %' ESCAPE '!'", vec![3]),
        ("s NOT LIKE 'a%'", vec![1, 3]),
        ("s LIKE NULL", vec![]),
        ("k = 'x'", vec![0, 3]),
        ("k LIKE '_' AND k <> 'x'", vec![1, 4]),
        ("k IN ('x', 'z')", vec![0, 3, 4]),
        ("k IN ('q', 'r', 't', 'x', 'z')", vec![0, 3, 4]),
        ("k NOT IN ('x', 'z')", vec![1]),
        ("k NOT IN ('x', NULL)", vec![]),
        ("k IS NULL", vec![2]),
        ("i IN (1, 61, 62, 63, 64, 65.5, 1e40)", vec![0, 4]),
        ("i IN (t, 61)", vec![0, 4]),
        ("i NOT IN (1, 61, 62, 63, 64, 65.5)", vec![1, 3]),
        ("b", vec![0, 3]),
        ("NOT b", vec![1]),
        ("b = TRUE", vec![0, 3]),
        ("b IS NOT TRUE", vec![1, 2, 4]),
        ("b IS UNKNOWN", vec![2, 4]),
        ("b IS FALSE", vec![1]),
        ("b OR i > 60", vec![0, 3, 4]),
        ("b AND i = 1", vec![0]),
        ("i BETWEEN 1 AND 60", vec![0, 3]),
        ("i NOT BETWEEN 1 AND 60", vec![1, 4]),
        ("i IS NOT DISTINCT FROM 1", vec![0]),
        ("i IS DISTINCT FROM 1", vec![1, 2, 3, 4]),
        ("i IS NOT DISTINCT FROM NULL", vec![2]),
        ("i = NULL", vec![]),
        ("i IS NULL", vec![2]),
        ("d = '2024-01-01'", vec![0]),
        ("d = DATE '2024-01-01'", vec![0]),
        ("d > '2024-01-01T12:00:00'", vec![1]),
        ("d <= '1969-12-31T12:00:00'", vec![4]),
        ("d < TIMESTAMP '1970-01-01 00:00:00'", vec![4]),
        ("at = '2024-01-01'", vec![0]),
        ("at = '2024-01-01T01:00:00+01:00'", vec![0]),
        ("at > '2024-01-01T00:00:00.0005Z'", vec![1]),
        ("at = d", vec![0, 3]),
        ("m = 10.5", vec![0]),
        ("m = 10.505", vec![]),
        ("m >= -0.005", vec![0, 3, 4]),
        ("m > i", vec![0, 1, 4]),
        ("place.row > 1", vec![1, 4]),
        ("place.row IS NULL", vec![2, 3]),
        ("place IS NULL", vec![2]),
        ("\"two words\" % 2 = 0", vec![1, 3]),
        ("i % 0 = 0", vec![]),
        ("i / 0 > 0", vec![0, 3, 4]),
        ("i / 2 = 0.5", vec![0]),
        ("-i = 2", vec![1]),
        ("i + t * 2 > 60", vec![3, 4]),
        ("(i + t) * 2 = 4", vec![0]),
        ("m * 2 > 20", vec![0, 4]),
        ("i > 30 * 2", vec![4]),
        ("1 = 1", vec![0, 1, 2, 3, 4]),
        ("FALSE OR NULL", vec![]),
        ("n = 1 OR n IS NULL", vec![0, 1, 2, 3, 4]),
        ("(b = TRUE) = (i > 0)", vec![0, 1, 3]),
    ] {
        assert_eq!(rows(text), expected, "{text}");
    }
}

#[test]
fn what_is_refused_says_where_and_why() {
    for (text, said) in [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("i >", "expected an expression"),
        ("i = 1 1", "character 7"),
        ("i = 'open", "character 5"),
        ("dely > 1", "there is no column \"dely\""),
        ("i = 1 AND\n I > 2", "line 2, character 2"),
        ("s = \"ada\"", "there is no column \"ada\""),
        ("i = 'ada'", "compares with a number"),
        ("s > 5", "compares with a text"),
        ("s = i", "does not compare"),
        ("d = 'soon'", "is no date"),
        ("d = DATE 'soon'", "a DATE is written as"),
        ("d = DATE '2024-01-01T01:00:00Z'", "a DATE is written as"),
        ("i", "and no condition"),
        ("'x'", "is no condition"),
        ("i + 1", "is no condition"),
        ("upper(s) = 'ADA'", "there are no functions, upper is none"),
        ("i = (SELECT 1)", "character"),
        ("CASE WHEN b THEN 1 END = 1", ""),
        ("i = 1; DROP", "; cannot stand here"),
        ("i = ?", "? cannot stand here"),
        ("i = $1", "cannot stand here"),
        ("i::text = '1'", ":: cannot stand here"),
        ("i = 1 -- all", "a comment cannot stand here"),
        ("i /* */ = 1", "a comment cannot stand here"),
        ("s.x = 1", "has no members"),
        ("place > 1", "nothing but IS NULL"),
        ("i LIKE '1'", "LIKE takes text"),
        ("s LIKE 'a' ESCAPE 'ab'", "one character"),
        ("big * big > 0", "too large"),
        ("big + u > 0", "too large"),
        ("i = 1 AND (i, t) IN ((1, 2))", ""),
        ("i XOR b", ""),
        ("i = 1_000", ""),
        ("i IS TRUE", "and no condition"),
        ("i = 1 && b", "at character 7: && cannot stand here; it is written AND"),
        ("i = 1 || b", "|| cannot stand here; it is written OR"),
        ("!b", "! cannot stand here; it is written NOT"),
        ("i === 1", "at character 5: === is written ="),
        ("i !== 1", "at character 5: !== is written <>"),
        ("i =< 1", "=< is written <="),
        ("i => 1", "greater or equal is written >="),
        ("WHERE i > 1", "at character 1: leave WHERE out"),
        ("where (i > 1)", "at character 1: leave WHERE out"),
        ("where not b", "leave WHERE out"),
        ("SELECT * WHERE i > 1", "no query"),
        ("i > 1;", "at character 6: ; cannot stand here; leave it out"),
        ("i > 1 LIMIT 5", "at character 7: leave LIMIT out"),
        ("i > 1 order by i", "no ORDER BY"),
        ("s contains 'x'", "LIKE '%text%'"),
        ("s ~ 'x'", "is written LIKE"),
        ("i IN [1, 2]", "a list stands in parentheses"),
        ("i = $1", "$1 cannot stand here; write the value itself"),
    ] {
        let message = refusal(text);
        assert!(message.contains(said), "{text}: {message}");
        assert!(message.contains("`where`"), "{text}: {message}");
    }
}

#[test]
fn names_of_sql_are_names_of_columns_too() {
    for name in [
        "date",
        "timestamp",
        "time",
        "value",
        "year",
        "key",
        "type",
        "interval",
        "case",
        "select",
        "größe",
    ] {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
        let filter = Filter::parse(&format!("{name} > 1 AND {name} IS NOT NULL")).unwrap();
        assert_eq!(filter.columns(), [name]);
        let mask = filter.bind(&batch.schema()).unwrap().mask(&batch).unwrap();
        assert_eq!(mask, BooleanArray::from(vec![false, true]), "{name}");
    }
}

#[test]
fn no_text_exhausts_the_stack_or_takes_long() {
    let columns = Schema::new(vec![Field::new("i", DataType::Int32, true)]);
    let texts = [
        "(".repeat(100_000),
        format!("{}i = 1{}", "(".repeat(500), ")".repeat(500)),
        format!("{}i = 1{}", "(".repeat(20), ")".repeat(20)),
        format!("{}b", "NOT ".repeat(60_000)),
        format!("{}b", "NOT ".repeat(1500)),
        format!("i = {}1", "-".repeat(1001)),
        format!("i = {}1", "- ".repeat(1001)),
        format!("i = 1{}", " OR i = 1".repeat(900)),
        format!("i = 1{}", " OR i = 1".repeat(20_000)),
        format!("i = 1{}", " OR i = 1 AND i = 2".repeat(400)),
        format!("i{} = 1", " + i".repeat(150)),
        format!("i{} = 1", " + i".repeat(1900)),
        format!("i{}", " = i".repeat(1900)),
        format!("i{}", ".i".repeat(50_000)),
        format!("i IN ({}1)", "1,".repeat(100_000)),
        format!("i IN ({}", "(".repeat(1000)),
        format!("i{}", " IS NULL".repeat(5000)),
        format!("i{}", " BETWEEN 1 AND 2".repeat(1000)),
        format!("{}1", "CASE WHEN ".repeat(5000)),
        format!("{}1", "INTERVAL ".repeat(5000)),
        format!("{}1", "ARRAY ".repeat(5000)),
        format!("{}'1'", "DATE ".repeat(5000)),
        format!("i LIKE '{}'", "%a".repeat(10_000)),
        "\u{0}".to_owned(),
        "i = 'a' COLLATE x".to_owned(),
        "i AT TIME ZONE 'UTC' = 1".to_owned(),
    ];
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let run = small.spawn(move || {
        for text in texts {
            // Read or refused, and no more.
            if let Ok(filter) = Filter::parse(&text) {
                let _ = filter.bind(&columns);
            }
        }
    });
    run.unwrap().join().unwrap();
}

#[test]
fn what_could_match_is_what_the_bounds_leave() {
    let schema = Schema::new(vec![
        Field::new("i", DataType::Int32, true),
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8View, true),
    ]);
    // Three parts: 0 to 9 without nulls, 10 to 19 with some, all null.
    let known = |name: &str| -> Option<Statistics> {
        let nulls = Some(UInt64Array::from(vec![0, 5, 10]));
        match name {
            "i" => Some(Statistics {
                min: Some(Arc::new(Int32Array::from(vec![Some(0), Some(10), None]))),
                max: Some(Arc::new(Int32Array::from(vec![Some(9), Some(19), None]))),
                nulls,
            }),
            "f" => Some(Statistics {
                min: Some(Arc::new(Float64Array::from(vec![Some(0.0), Some(7.0), None]))),
                max: Some(Arc::new(Float64Array::from(vec![Some(9.0), Some(7.0), None]))),
                nulls,
            }),
            "s" => Some(Statistics {
                min: Some(Arc::new(StringArray::from(vec![Some("aa"), Some("ba"), None]))),
                max: Some(Arc::new(StringArray::from(vec![Some("az"), Some("bz"), None]))),
                nulls,
            }),
            _ => None,
        }
    };
    for (text, expected) in [
        ("i < 0", [false, false, false]),
        ("i <= 0", [true, false, false]),
        ("i > 9", [false, true, false]),
        ("i >= 9", [true, true, false]),
        ("i = 15", [false, true, false]),
        ("i = 9.5", [false, false, false]),
        ("i <> 15", [true, true, false]),
        ("NOT i >= 0", [false, false, false]),
        ("i IS NULL", [false, true, true]),
        ("i IS NOT NULL", [true, true, false]),
        ("i IN (15, 30)", [false, true, false]),
        ("i IN (15, 30, 31, 32, 33, 34)", [false, true, false]),
        ("i NOT IN (15, 30)", [true, true, false]),
        ("i BETWEEN 20 AND 30", [false, false, false]),
        ("i > 9 OR i IS NULL", [false, true, true]),
        ("i > 9 AND f < 5", [false, false, false]),
        ("(i > 9) IS NOT TRUE", [true, true, true]),
        ("i + 1 > 100", [true, true, true]),
        ("f <> 7", [true, true, false]),
        ("NOT f = 7", [true, true, false]),
        ("f < 7", [true, false, false]),
        ("f = 0", [true, false, false]),
        ("s = 'b'", [false, false, false]),
        ("s LIKE 'b%'", [false, true, false]),
        ("s LIKE 'bzz%'", [false, false, false]),
        ("s NOT LIKE 'b%'", [true, true, false]),
        ("s NOT LIKE 'a%'", [true, true, false]),
        ("s NOT LIKE 'z%'", [true, true, false]),
        ("s NOT LIKE 'ay_'", [true, true, false]),
        ("s LIKE '%b'", [true, true, true]),
        ("s ILIKE 'B%'", [true, true, true]),
        ("FALSE", [false, false, false]),
        ("i = NULL", [false, false, false]),
    ] {
        let bound = Filter::parse(text).unwrap().bind(&schema).unwrap();
        assert_eq!(bound.could_match(&[10, 10, 10], &known), expected, "{text}");
        // What is not known excludes nothing but what nothing meets.
        let unknown = bound.could_match(&[10], &|_| None);
        assert!(unknown == [true] || matches!(text, "FALSE" | "i = NULL" | "i = 9.5"), "{text}");
    }
}

#[test]
fn points_are_what_a_wanted_row_has() {
    let schema = Schema::new(vec![
        Field::new("i", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]);
    let points = |text: &str| -> Vec<(String, usize)> {
        let bound = Filter::parse(text).unwrap().bind(&schema).unwrap();
        bound
            .points()
            .into_iter()
            .map(|one| (one.column, arrow_array::Array::len(&*one.values)))
            .collect()
    };
    let (i, s) = ("i".to_owned(), "s".to_owned());
    assert_eq!(points("i = 5 AND s IN ('a', 'b')"), [(i.clone(), 1), (s, 2)]);
    assert_eq!(points("i IN (1, 2, 3, 4, 5, 6)"), [(i.clone(), 6)]);
    assert_eq!(points("i = 5 OR i = 6"), [(i, 2)]);
    assert_eq!(points("i = 5 OR s = 'a'"), []);
    assert_eq!(points("NOT i = 5"), []);
    assert_eq!(points("i > 5"), []);
}

/// A condition of random parts, as text and as what it means for a row; and what bounds leave of
/// it, which may never exclude a row that is wanted.
mod at_random {
    use super::*;

    type Row = (Option<i32>, Option<f64>, Option<&'static str>, Option<bool>);

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }
    }

    const WORDS: [&str; 5] = ["", "a", "ab", "b", "É"];
    const FLOATS: [f64; 6] = [-1.5, -0.0, 0.0, 2.0, f64::NAN, f64::INFINITY];

    fn row(dice: &mut Dice) -> Row {
        (
            (dice.roll(5) > 0).then(|| dice.roll(7) as i32 - 3),
            (dice.roll(5) > 0).then(|| FLOATS[dice.roll(6) as usize]),
            (dice.roll(5) > 0).then(|| WORDS[dice.roll(5) as usize]),
            (dice.roll(5) > 0).then(|| dice.roll(2) == 0),
        )
    }

    type Meaning = Box<dyn Fn(&Row) -> Option<bool>>;

    fn holds<T: PartialOrd>(operator: &str, a: &T, b: &T) -> bool {
        match operator {
            "=" => a == b,
            "<>" => a != b,
            "<" => a < b,
            "<=" => a <= b,
            ">" => a > b,
            _ => a >= b,
        }
    }

    fn condition(dice: &mut Dice, depth: u64) -> (String, Meaning) {
        const OPERATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];
        let operator = OPERATORS[dice.roll(6) as usize];
        match dice.roll(if depth == 0 { 8 } else { 12 }) {
            0 | 1 => {
                let to = f64::from(dice.roll(15) as i32 - 7) / 2.0;
                let meaning: Meaning =
                    Box::new(move |row| row.0.map(|value| holds(operator, &f64::from(value), &to)));
                (format!("i {operator} {to}"), meaning)
            }
            2 => {
                let to = [-1.5, 0.0, 2.0, 3.5][dice.roll(4) as usize];
                (
                    format!("f {operator} {to}"),
                    Box::new(move |row| row.1.map(|value| holds(operator, &value, &to))),
                )
            }
            3 => {
                let to = WORDS[dice.roll(5) as usize];
                (
                    format!("s {operator} '{to}'"),
                    Box::new(move |row| row.2.map(|value| holds(operator, &value, &to))),
                )
            }
            4 => {
                let prefix = WORDS[dice.roll(5) as usize];
                let (word, negated) = [("LIKE", false), ("NOT LIKE", true)][dice.roll(2) as usize];
                (
                    format!("s {word} '{prefix}%'"),
                    Box::new(move |row| row.2.map(|value| value.starts_with(prefix) != negated)),
                )
            }
            5 => ("b".to_owned(), Box::new(|row| row.3)),
            6 => {
                let set: Vec<i32> = (0..=dice.roll(8)).map(|_| dice.roll(9) as i32 - 4).collect();
                let text: Vec<String> = set.iter().map(ToString::to_string).collect();
                (
                    format!("i IN ({})", text.join(", ")),
                    Box::new(move |row| row.0.map(|value| set.contains(&value))),
                )
            }
            7 => match dice.roll(4) {
                0 => ("i IS NULL".to_owned(), Box::new(|row| Some(row.0.is_none()))),
                1 => ("f IS NOT NULL".to_owned(), Box::new(|row| Some(row.1.is_some()))),
                2 => ("f > i".to_owned(), Box::new(|row| Some(row.1? > f64::from(row.0?)))),
                _ => (
                    "i * 2 + 1 >= 3".to_owned(),
                    Box::new(|row| row.0.map(|value| value * 2 + 1 >= 3)),
                ),
            },
            8 | 9 => {
                let (a, one) = condition(dice, depth - 1);
                let (b, other) = condition(dice, depth - 1);
                (
                    format!("({a}) AND ({b})"),
                    Box::new(move |row| match (one(row), other(row)) {
                        (Some(false), _) | (_, Some(false)) => Some(false),
                        (Some(true), Some(true)) => Some(true),
                        _ => None,
                    }),
                )
            }
            10 => {
                let (a, one) = condition(dice, depth - 1);
                let (b, other) = condition(dice, depth - 1);
                (
                    format!("({a}) OR ({b})"),
                    Box::new(move |row| match (one(row), other(row)) {
                        (Some(true), _) | (_, Some(true)) => Some(true),
                        (Some(false), Some(false)) => Some(false),
                        _ => None,
                    }),
                )
            }
            _ => {
                let (a, one) = condition(dice, depth - 1);
                if dice.roll(2) == 0 {
                    (format!("NOT ({a})"), Box::new(move |row| one(row).map(|truth| !truth)))
                } else {
                    (
                        format!("({a}) IS NOT TRUE"),
                        Box::new(move |row| Some(one(row) != Some(true))),
                    )
                }
            }
        }
    }

    /// The bounds as a writer of Parquet tells them: without NaN, and without what is missing.
    fn statistics(name: &str, rows: &[Row]) -> Option<Statistics> {
        fn least<T: PartialOrd + Copy>(values: &[T]) -> Option<T> {
            values.iter().copied().reduce(|a, b| if b < a { b } else { a })
        }
        fn most<T: PartialOrd + Copy>(values: &[T]) -> Option<T> {
            values.iter().copied().reduce(|a, b| if b > a { b } else { a })
        }
        let missing = |count: usize| Some(UInt64Array::from(vec![count as u64]));
        Some(match name {
            "i" => {
                let values: Vec<i32> = rows.iter().filter_map(|row| row.0).collect();
                Statistics {
                    min: Some(Arc::new(Int32Array::from(vec![least(&values)]))),
                    max: Some(Arc::new(Int32Array::from(vec![most(&values)]))),
                    nulls: missing(rows.len() - values.len()),
                }
            }
            "f" => {
                let there: Vec<f64> = rows.iter().filter_map(|row| row.1).collect();
                let values: Vec<f64> = there.iter().copied().filter(|one| !one.is_nan()).collect();
                Statistics {
                    min: Some(Arc::new(Float64Array::from(vec![least(&values)]))),
                    max: Some(Arc::new(Float64Array::from(vec![most(&values)]))),
                    nulls: missing(rows.len() - there.len()),
                }
            }
            "s" => {
                let values: Vec<&str> = rows.iter().filter_map(|row| row.2).collect();
                Statistics {
                    min: Some(Arc::new(StringArray::from(vec![least(&values)]))),
                    max: Some(Arc::new(StringArray::from(vec![most(&values)]))),
                    nulls: missing(rows.len() - values.len()),
                }
            }
            _ => {
                let values: Vec<bool> = rows.iter().filter_map(|row| row.3).collect();
                Statistics {
                    min: Some(Arc::new(BooleanArray::from(vec![least(&values)]))),
                    max: Some(Arc::new(BooleanArray::from(vec![most(&values)]))),
                    nulls: missing(rows.len() - values.len()),
                }
            }
        })
    }

    #[test]
    fn a_condition_is_what_it_means_row_by_row_and_bounds_exclude_no_wanted_row() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut excluded = 0;
        for _ in 0..4000 {
            let (text, meaning) = condition(&mut dice, 3);
            let rows: Vec<Row> = (0..=dice.roll(6)).map(|_| row(&mut dice)).collect();
            let batch = RecordBatch::try_from_iter_with_nullable(vec![
                (
                    "i",
                    Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>()) as ArrayRef,
                    true,
                ),
                (
                    "f",
                    Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()) as ArrayRef,
                    true,
                ),
                (
                    "s",
                    Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>()) as ArrayRef,
                    true,
                ),
                (
                    "b",
                    Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>()) as ArrayRef,
                    true,
                ),
            ])
            .unwrap();
            let bound = Filter::parse(&text).unwrap().bind(&batch.schema()).unwrap();
            let mask = bound.mask(&batch).unwrap();
            let expected: Vec<bool> = rows.iter().map(|row| meaning(row) == Some(true)).collect();
            let got: Vec<bool> = mask.iter().map(|one| one == Some(true)).collect();
            assert_eq!(got, expected, "{text} of {rows:?}");
            let could = bound.could_match(&[rows.len() as u64], &|name| statistics(name, &rows));
            assert!(could == [true] || !expected.contains(&true), "{text} of {rows:?}");
            excluded += usize::from(could == [false]);
        }
        assert!(excluded > 200, "bounds excluded {excluded}");
    }
}
