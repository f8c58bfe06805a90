//! When something runs: every so many minutes, or by a cron expression, in UTC.
//!
//! Rates are counted from 1970, not from a start, so that an instant belongs to a schedule or does not, whoever asks and
//! whenever. What was missed is one instant: the latest.

use std::str::FromStr;

/// When something runs, and how long a run may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub when: When,
    pub timeout_minutes: u64,
}

/// The instants at which something runs; whole minutes since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    Rate { minutes: i64 },
    Cron(Cron),
}

/// A cron expression of five fields: minute, hour, day of month, month, day of week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A day must fit one of the two when both are named, as cron has it.
    days_or_weekdays: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no cron expression: {reason}; write five fields such as `0 */4 * * 1-5`")]
pub struct CronError {
    text: String,
    reason: String,
}

const DAY: i64 = 24 * 60;
/// A leap day comes again after at most eight years.
const SEARCHED_DAYS: i64 = 9 * 366;

impl When {
    /// The latest instant not after a minute; none of a cron expression that never comes true.
    #[must_use]
    pub fn last_at(&self, minute: i64) -> Option<i64> {
        match self {
            Self::Rate { minutes } => Some(minute.div_euclid(*minutes) * minutes),
            Self::Cron(cron) => cron.search(minute, -1),
        }
    }

    /// The first instant after a minute.
    #[must_use]
    pub fn next_after(&self, minute: i64) -> Option<i64> {
        match self {
            Self::Rate { minutes } => Some((minute.div_euclid(*minutes) + 1) * minutes),
            Self::Cron(cron) => cron.search(minute + 1, 1),
        }
    }
}

impl Cron {
    /// From a minute on, forwards or backwards.
    fn search(&self, from: i64, step: i64) -> Option<i64> {
        let first_day = from.div_euclid(DAY);
        for passed in 0..SEARCHED_DAYS {
            let day = first_day + passed * step;
            if !self.has_day(day) {
                continue;
            }
            let of_day: Box<dyn Iterator<Item = i64>> =
                if step > 0 { Box::new(0..DAY) } else { Box::new((0..DAY).rev()) };
            let fits = |of_day: &i64| {
                let minute = day * DAY + of_day;
                let within = if step > 0 { minute >= from } else { minute <= from };
                within && has(self.hours, of_day / 60) && has(self.minutes, of_day % 60)
            };
            if let Some(found) = of_day.into_iter().find(fits) {
                return Some(day * DAY + found);
            }
        }
        None
    }

    fn has_day(&self, day: i64) -> bool {
        let Ok(since) = i32::try_from(day) else { return false };
        let Ok(date) = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(since)) else { return false };
        if !has(self.months, date.month().into()) {
            return false;
        }
        let by_day = has(self.days, date.day().into());
        let by_weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset().into());
        if self.days_or_weekdays { by_day || by_weekday } else { by_day && by_weekday }
    }
}

fn has(set: u64, number: i64) -> bool {
    set & (1 << number) != 0
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let fail = |reason: String| CronError { text: text.to_owned(), reason };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(fail(format!("it has {} fields", fields.len())));
        };
        let weekday_set = set(weekdays, 0, 7, &WEEKDAYS, 0).map_err(fail)?;
        Ok(Self {
            minutes: set(minutes, 0, 59, &[], 0).map_err(fail)?,
            hours: set(hours, 0, 23, &[], 0).map_err(fail)?,
            days: set(days, 1, 31, &[], 0).map_err(fail)?,
            months: set(months, 1, 12, &MONTHS, 1).map_err(fail)?,
            // Sunday is 0 and 7.
            weekdays: (weekday_set | weekday_set >> 7) & 0x7f,
            days_or_weekdays: !is_any(days) && !is_any(weekdays),
        })
    }
}

fn is_any(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

/// The numbers of a field: lists of `a`, `a-b`, `*`, each with `/step`.
fn set(field: &str, low: u32, high: u32, names: &[&str], first_name: u32) -> Result<u64, String> {
    let number = |text: &str| {
        let named =
            names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|place| place as u32 + first_name);
        let number = named.or_else(|| text.parse().ok()).filter(|number| (low..=high).contains(number));
        number.ok_or_else(|| format!("`{text}` is not within {low} to {high}"))
    };
    let mut numbers = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let step_by = match step {
            Some(step) => {
                step.parse::<u32>().ok().filter(|step| *step > 0).ok_or_else(|| format!("`{step}` is no step"))?
            }
            None => 1,
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step.is_some() => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(format!("`{range}` ends before it begins"));
        }
        for number in (from..=to).step_by(step_by as usize) {
            numbers |= 1_u64 << number;
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(text: &str) -> i64 {
        format!("{text}:00Z").parse::<jiff::Timestamp>().unwrap().as_second() / 60
    }

    fn shown(minute: i64) -> String {
        jiff::Timestamp::from_second(minute * 60).unwrap().to_string().replace(":00Z", "")
    }

    #[test]
    fn instants() {
        for (cron, from, last, next) in [
            ("0 0 * * *", "2024-02-29T12:30", "2024-02-29T00:00", "2024-03-01T00:00"),
            ("0 */4 * * *", "2024-01-01T04:00", "2024-01-01T04:00", "2024-01-01T08:00"),
            ("0 * * * *", "2024-01-01T04:59", "2024-01-01T04:00", "2024-01-01T05:00"),
            ("30 9 * * 1-5", "2024-01-06T12:00", "2024-01-05T09:30", "2024-01-08T09:30"),
            ("0 0 29 2 *", "2025-06-01T00:00", "2024-02-29T00:00", "2028-02-29T00:00"),
            ("0 0 13 * FRI", "2024-09-10T00:00", "2024-09-06T00:00", "2024-09-13T00:00"),
            ("0 0 * * 7", "2024-01-03T00:00", "2023-12-31T00:00", "2024-01-07T00:00"),
            ("5/20 0 1 JAN,JUL ?", "2024-01-01T00:25", "2024-01-01T00:25", "2024-01-01T00:45"),
        ] {
            let when = When::Cron(cron.parse().unwrap());
            assert_eq!(when.last_at(minute(from)).map(shown).as_deref(), Some(last), "{cron}");
            assert_eq!(when.next_after(minute(from)).map(shown).as_deref(), Some(next), "{cron}");
        }
        let rate = When::Rate { minutes: 30 };
        assert_eq!((rate.last_at(59), rate.next_after(60)), (Some(30), Some(90)));
        assert_eq!(When::Cron("0 0 31 2 *".parse().unwrap()).next_after(0), None);
    }

    #[test]
    fn what_is_none() {
        for text in ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "a * * * *", "5-1 * * * *", "* * * * * *"]
        {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
    }
}
