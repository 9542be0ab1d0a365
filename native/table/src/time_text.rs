//! Dates and times as text, in the words of [`ArrayFormatter`], which takes some ten times as long.
//! It has the last word: what is no plain day of the years 0 to 9999 is left to it.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, TimeUnit};

/// The values of an array of dates or times.
pub(crate) struct TimeText<'a> {
    values: Values<'a>,
    kind: Kind,
    /// How many of them are a second, or a day where they are days.
    each: i64,
    /// The day that was told last, and its text.
    day: i64,
    date: [u8; 10],
    /// What tells the rest. It knows no names of zones, "UTC" neither.
    formatter: Option<ArrayFormatter<'a>>,
    shown: String,
}

enum Values<'a> {
    Short(&'a [i32]),
    Long(&'a [i64]),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Days,
    /// A time of a day.
    Time,
    /// A moment, and what stands behind it.
    Moment(&'static [u8]),
    /// As the formatter tells it.
    Other,
}

const DAY: i64 = 86_400;
/// The first day of the year 0, and of the year 10,000.
const FIRST: i64 = -719_528;
const BEHIND: i64 = 2_932_897;

impl<'a> TimeText<'a> {
    /// Nothing for what is neither.
    pub(crate) fn new(array: &'a dyn Array) -> Result<Option<Self>, ArrowError> {
        let zone = |zone: &Option<std::sync::Arc<str>>| match zone.as_deref() {
            None => Kind::Moment(b""),
            Some("UTC" | "+00:00") => Kind::Moment(b"Z"),
            Some(_) => Kind::Other,
        };
        let per = |unit: &TimeUnit| match unit {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        };
        let kind = array.data_type();
        let (kind, each) = match kind {
            DataType::Date32 => (Kind::Days, 1),
            DataType::Date64 => (Kind::Moment(b""), 1_000),
            DataType::Time32(unit) | DataType::Time64(unit) => (Kind::Time, per(unit)),
            DataType::Timestamp(unit, name) => (zone(name), per(unit)),
            kind if kind.is_temporal() => (Kind::Other, 1),
            _ => return Ok(None),
        };
        let values = match array.data_type() {
            DataType::Date32 => Values::Short(array.as_primitive::<Date32Type>().values()),
            DataType::Time32(TimeUnit::Second) => {
                Values::Short(array.as_primitive::<Time32SecondType>().values())
            }
            DataType::Time32(_) => {
                Values::Short(array.as_primitive::<Time32MillisecondType>().values())
            }
            DataType::Date64 => Values::Long(array.as_primitive::<Date64Type>().values()),
            DataType::Time64(TimeUnit::Microsecond) => {
                Values::Long(array.as_primitive::<Time64MicrosecondType>().values())
            }
            DataType::Time64(_) => {
                Values::Long(array.as_primitive::<Time64NanosecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Second, _) => {
                Values::Long(array.as_primitive::<TimestampSecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Values::Long(array.as_primitive::<TimestampMillisecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Long(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Values::Long(array.as_primitive::<TimestampNanosecondType>().values())
            }
            _ => Values::Short(&[]),
        };
        let options = FormatOptions::new().with_display_error(false);
        let formatter = match array.data_type() {
            DataType::Timestamp(_, Some(zone)) if &**zone == "UTC" => None,
            _ => Some(ArrayFormatter::try_new(array, &options)?),
        };
        let (day, date, shown) = (i64::MIN, [0; 10], String::new());
        Ok(Some(Self { values, kind, each, day, date, formatter, shown }))
    }

    /// Adds a value to a text.
    pub(crate) fn put(&mut self, row: usize, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let value = match self.values {
            Values::Short(values) => values.get(row).map(|value| i64::from(*value)),
            Values::Long(values) => values.get(row).copied(),
        };
        if let Some(value) = value
            && self.known(value, text)
        {
            return Ok(());
        }
        let formatter = self.formatter.as_ref().ok_or_else(|| {
            ArrowError::CastError("a moment lies outside the years 0 to 9999".to_owned())
        })?;
        self.shown.clear();
        formatter.value(row).write(&mut self.shown)?;
        text.extend_from_slice(self.shown.as_bytes());
        Ok(())
    }

    /// Whether it was told.
    fn known(&mut self, value: i64, text: &mut Vec<u8>) -> bool {
        match self.kind {
            Kind::Other => false,
            Kind::Days => {
                let known = self.date_of(value);
                if known {
                    text.extend_from_slice(&self.date);
                }
                known
            }
            Kind::Time => {
                let known = (0..DAY * self.each).contains(&value);
                if known {
                    self.time(value, text);
                }
                known
            }
            Kind::Moment(behind) => {
                let (day, time) = match self.each {
                    1 => (value.div_euclid(DAY), value.rem_euclid(DAY)),
                    // Constants are divided by much sooner.
                    1_000 => (value.div_euclid(DAY * 1_000), value.rem_euclid(DAY * 1_000)),
                    1_000_000 => {
                        (value.div_euclid(DAY * 1_000_000), value.rem_euclid(DAY * 1_000_000))
                    }
                    each => (value.div_euclid(DAY * each), value.rem_euclid(DAY * each)),
                };
                let known = self.date_of(day);
                if known {
                    text.extend_from_slice(&self.date);
                    text.push(b'T');
                    self.time(time, text);
                    text.extend_from_slice(behind);
                }
                known
            }
        }
    }

    /// Makes the text of a day, unless it is there.
    fn date_of(&mut self, day: i64) -> bool {
        if day == self.day {
            return true;
        }
        if !(FIRST..BEHIND).contains(&day) {
            return false;
        }
        self.day = day;
        // Years begin in March here, so that the odd day comes last; eras have 400 years.
        let since = day - FIRST - 60 + 146_097;
        let (era, of_era) = (since / 146_097, since % 146_097);
        let of_400 = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * of_400 + of_400 / 4 - of_400 / 100);
        let moon = (5 * of_year + 2) / 153;
        let day = of_year - (153 * moon + 2) / 5 + 1;
        let month = if moon < 10 { moon + 3 } else { moon - 9 };
        let year = era * 400 + of_400 - 400 + i64::from(month <= 2);
        let [century, years, month, day] = [year / 100, year % 100, month, day].map(two);
        self.date = [
            century[0], century[1], years[0], years[1], b'-', month[0], month[1], b'-', day[0],
            day[1],
        ];
        true
    }

    /// Adds a time of a day.
    fn time(&self, value: i64, text: &mut Vec<u8>) {
        let (seconds, fraction) = match self.each {
            1 => (value, 0),
            1_000 => (value / 1_000, value % 1_000 * 1_000_000),
            1_000_000 => (value / 1_000_000, value % 1_000_000 * 1_000),
            each => (value / each, value % each),
        };
        let (minutes, second) = (seconds / 60, seconds % 60);
        let [hour, minute, second] = [minutes / 60, minutes % 60, second].map(two);
        let [h, m, s] = [hour, minute, second];
        text.extend_from_slice(&[h[0], h[1], b':', m[0], m[1], b':', s[0], s[1]]);
        if fraction == 0 {
            return;
        }
        let (mut left, digits) = match fraction {
            fraction if fraction % 1_000_000 == 0 => (fraction / 1_000_000, 3),
            fraction if fraction % 1_000 == 0 => (fraction / 1_000, 6),
            fraction => (fraction, 9),
        };
        let mut shown = [b'.'; 10];
        for place in shown.iter_mut().take(digits + 1).skip(1).rev() {
            *place = b'0' + (left % 10) as u8;
            left /= 10;
        }
        text.extend_from_slice(shown.get(..=digits).unwrap_or_default());
    }
}

/// A number of two digits.
fn two(number: i64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};
    use arrow_cast::cast;

    use super::*;

    /// Both tell the same, or both nothing.
    fn compared(array: &ArrayRef) {
        let options = FormatOptions::new().with_display_error(false);
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options).unwrap();
        let mut texts = TimeText::new(array.as_ref()).unwrap().unwrap();
        for row in 0..array.len() {
            let mut expected = String::new();
            let told = formatter.value(row).write(&mut expected).is_ok();
            let mut text = Vec::new();
            assert_eq!(texts.put(row, &mut text).is_ok(), told);
            if told {
                assert_eq!(String::from_utf8(text).unwrap(), expected, "{}", array.data_type());
            }
        }
    }

    #[test]
    fn they_are_told_as_the_formatter_tells_them() {
        let mut random = fastrand::Rng::with_seed(9);
        let zones = [None, Some("+00:00"), Some("+02:30")];
        let mut kinds = vec![
            DataType::Date64,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Duration(TimeUnit::Millisecond),
        ];
        let units =
            [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        for unit in units {
            kinds.extend(zones.map(|zone| DataType::Timestamp(unit, zone.map(Arc::from))));
        }
        let mut values = vec![0, -1, 1, i64::MIN, i64::MAX, 86_399, 86_400, 951_782_400_000];
        for power in 0..62 {
            for _ in 0..50 {
                let some = random.i64(..1 << power) >> random.u8(..20);
                let round = some / 1_000_000 * 1_000_000;
                values.extend([some, -some, round, -round]);
            }
        }
        let longs: ArrayRef = Arc::new(Int64Array::from(values));
        for kind in kinds {
            compared(&cast(&longs, &kind).unwrap());
        }
        // A third of the days of the calendar, and some on both sides of it.
        let days = Int64Array::from_iter_values((FIRST - 400..BEHIND + 400).step_by(3));
        let days = cast(&days, &DataType::Int32).unwrap();
        compared(&cast(&days, &DataType::Date32).unwrap());
        let seconds = Int64Array::from_iter_values((-5..DAY + 5).step_by(7).chain([DAY, DAY - 1]));
        let seconds = cast(&seconds, &DataType::Int32).unwrap();
        for unit in [TimeUnit::Second, TimeUnit::Millisecond] {
            compared(&cast(&seconds, &DataType::Time32(unit)).unwrap());
        }
    }

    #[test]
    fn the_name_of_utc_is_known() {
        let moments = Int64Array::from(vec![0, 951_782_400_001, i64::MAX]);
        let kind = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let moments = cast(&moments, &kind).unwrap();
        let mut texts = TimeText::new(moments.as_ref()).unwrap().unwrap();
        let mut text = Vec::new();
        texts.put(0, &mut text).unwrap();
        texts.put(1, &mut text).unwrap();
        assert_eq!(text, b"1970-01-01T00:00:00Z2000-02-29T00:00:00.001Z");
        assert!(texts.put(2, &mut text).is_err());
    }
}
