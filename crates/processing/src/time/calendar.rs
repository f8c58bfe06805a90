//! Days and civil dates of the proleptic Gregorian calendar, years 0 to 9999.

use uncia_document::Timestamp;

/// Days from 1970-01-01 to a date; the date must exist.
pub(crate) const fn days(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month as i64 + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(crate) const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// 0 = Sunday.
pub(crate) const fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// An instant, unless it lies outside the years 0 to 9999.
pub(crate) fn instant(seconds: i64, nanos: u32) -> Option<Timestamp> {
    const FIRST: i64 = days(0, 1, 1) * 86_400;
    const LAST: i64 = days(10_000, 1, 1) * 86_400 - 1;
    (FIRST..=LAST).contains(&seconds).then(|| Timestamp::from_seconds(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (date, count) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 3, 1), 11_017),
            ((2024, 2, 29), 19_782),
            ((0, 1, 1), -719_528),
        ] {
            assert_eq!(days(date.0, date.1, date.2), count, "{date:?}");
        }
        assert_eq!(weekday(days(2026, 11, 21)), 6);
    }
}
