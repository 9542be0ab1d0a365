//! Numbers and moments of a condition, exact until a column says what it holds.
//!
//! A column of integers, decimals, dates or times holds whole units: a value of the text lies on
//! a unit or between two. So `age > 17.5` is `age > 17`, and `day < '2024-03-01 12:00'` is
//! `day <= 2024-03-01`, without a conversion of the column.

use std::str::FromStr;

use arrow_array::timezone::Tz;
use arrow_cast::parse::string_to_datetime;

/// More digits than this are read as a float.
const MOST_DIGITS: usize = 38;

/// A number as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    /// `digits / 10^scale`, if that is what it is.
    exact: Option<(i128, i64)>,
    float: f64,
}

impl FromStr for Number {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let float: f64 = text.parse().map_err(|_| ())?;
        Ok(Self { exact: exact(text), float })
    }
}

fn exact(text: &str) -> Option<(i128, i64)> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let joined = [whole, part].concat();
    let joined = joined.trim_start_matches('0');
    if joined.len() > MOST_DIGITS {
        return None;
    }
    let value = if joined.is_empty() { 0 } else { joined.parse().ok()? };
    Some((value, i64::try_from(part.len()).ok()? - i64::from(exponent)))
}

/// Where a value lies among the units of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Below all of them.
    Below,
    /// On one.
    On(i128),
    /// Between one and the next.
    After(i128),
    /// Above all of them.
    Above,
}

impl Number {
    /// A whole number.
    pub(super) fn whole(value: i128) -> Self {
        Self { exact: Some((value, 0)), float: value as f64 }
    }

    /// A number that a computation brought.
    pub(super) fn float(value: f64) -> Self {
        Self { exact: None, float: value }
    }

    pub(super) fn negative(self) -> Self {
        Self {
            exact: self.exact.and_then(|(digits, scale)| Some((digits.checked_neg()?, scale))),
            float: -self.float,
        }
    }

    pub(super) fn as_f64(self) -> f64 {
        self.float
    }

    /// It, if it is whole.
    pub(super) fn as_whole(self) -> Option<i128> {
        match self.unit(0) {
            Unit::On(whole) => Some(whole),
            _ => None,
        }
    }

    /// Where it lies among units of `10^-scale`.
    pub(super) fn unit(self, scale: i64) -> Unit {
        let Some((digits, own)) = self.exact else {
            return match self.float {
                // A float of whole numbers, such as a computation brings.
                float if scale == 0 && float.abs() < 9e15 && float.fract() == 0.0 => {
                    Unit::On(float as i128)
                }
                float if scale == 0 && float.abs() < 9e15 => Unit::After(float.floor() as i128),
                float if float < 0.0 => Unit::Below,
                _ => Unit::Above,
            };
        };
        if digits == 0 {
            return Unit::On(0);
        }
        let beyond = if digits < 0 { Unit::Below } else { Unit::Above };
        let shift = scale - own;
        let power = u32::try_from(shift.unsigned_abs()).ok().and_then(|by| 10i128.checked_pow(by));
        match (shift >= 0, power) {
            (true, Some(power)) => digits.checked_mul(power).map_or(beyond, Unit::On),
            (true, None) => beyond,
            (false, Some(power)) => divided(digits, power),
            (false, None) => Unit::After(if digits < 0 { -1 } else { 0 }),
        }
    }
}

/// Where a value lies among units that are `size` of it.
pub(super) fn divided(value: i128, size: i128) -> Unit {
    let floor = value.div_euclid(size);
    if value.rem_euclid(size) == 0 { Unit::On(floor) } else { Unit::After(floor) }
}

/// A date or a date with a time, in nanoseconds since 1970. Without an offset it is UTC.
pub(super) fn moment(text: &str) -> Result<i128, String> {
    let wrong = || format!("{text:?} is no date, such as '2024-12-31' or '2024-12-31T23:59:59Z'");
    let utc: Tz = "+00:00".parse().map_err(|_| wrong())?;
    if !text.is_ascii() || text.len() > 64 {
        return Err(wrong());
    }
    let parsed = string_to_datetime(&utc, text).map_err(|_| wrong())?;
    Ok(i128::from(parsed.timestamp()) * 1_000_000_000 + i128::from(parsed.timestamp_subsec_nanos()))
}

/// A time of day, in nanoseconds since midnight.
pub(super) fn time_of_day(text: &str) -> Result<i128, String> {
    let wrong = || format!("{text:?} is no time of day, such as '23:59' or '23:59:59.5'");
    let two = |part: &str, most: i128| {
        Some(part)
            .filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|part| part.parse::<i128>().ok())
            .filter(|value| *value <= most)
            .ok_or_else(wrong)
    };
    let mut parts = text.split(':');
    let (hours, minutes) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let (seconds, rest) = (parts.next().unwrap_or("00"), parts.next());
    let (seconds, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let decimal = (1..=9).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit());
    if rest.is_some() || !decimal {
        return Err(wrong());
    }
    let nanoseconds: i128 = format!("{part:0<9}").parse().map_err(|_| wrong())?;
    let seconds = (two(hours, 23)? * 60 + two(minutes, 59)?) * 60 + two(seconds, 59)?;
    Ok(seconds * 1_000_000_000 + nanoseconds)
}
