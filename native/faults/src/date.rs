//! Dates as HTTP and S3 write them.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Now, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    http(since.map_or(0, |since| since.as_secs()))
}

fn http(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let name = DAYS[(days % 7) as usize];
    let month = MONTHS[month as usize - 1];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{name}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month and day of a day after 1970 began (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, within) = (days / 146_097, days % 146_097);
    let years = (within - within / 1460 + within / 36_524 - within / 146_096) / 365;
    let day_of_year = within - (365 * years + years / 4 - years / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (years + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_dates() {
        assert_eq!(super::http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(super::http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(super::http(1_709_210_096), "Thu, 29 Feb 2024 12:34:56 GMT");
    }
}
