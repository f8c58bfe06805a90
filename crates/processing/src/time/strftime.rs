//! strftime formats, compiled to a list of steps and read by one pass over the text.
//!
//! The directives and their tolerance are those of the Go library that Panther's schemas are written against, with two
//! differences: `%f` takes one to nine digits, and dates that do not exist are refused instead of rolled over. The whole
//! text must be consumed; what a format does not name is taken from 1900-01-01 00:00:00.

use uncia_document::Timestamp;

use super::calendar::{days, days_in_month, instant, is_leap, weekday};
use super::rfc3339::fraction_nanos;

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strftime {
    steps: Box<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Literal(Box<str>),
    Number(Number),
    MonthName(&'static [&'static str; 12]),
    WeekdayName(&'static [&'static str; 7]),
    AmPm,
    Year,
    IsoYear,
    Fraction,
    Offset,
    ZoneName,
    Unix,
    Blank,
}

/// A part that is a number of at most `digits` digits within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    part: Part,
    digits: usize,
    least: u32,
    most: u32,
    /// A leading space may stand for a digit.
    padded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year2,
    IsoYear2,
    Century,
    Month,
    Day,
    DayOfYear,
    WeekSunday,
    WeekMonday,
    WeekIso,
    /// 0 = Sunday.
    Weekday0,
    /// 1 = Monday.
    Weekday1,
    Hour24,
    Hour12,
    Minute,
    Second,
}

/// Every directive, for messages.
const DIRECTIVES: &str = "%Y %G %y %g %C %m %d %e %B %b %h %A %a %w %u %j %U %W %V %H %k %I %l %p %P %M %S %f %z %:z %Z %s \
                          %F %D %x %T %X %R %r %c %v %+ %n %t %%";

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const SHORT_MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const SHORT_WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Zone names that mean one thing in logs, with hours east of UTC. Others are refused: `CST` of China is not America's,
/// but published schemas know only the American ones.
const ZONES: &[(&str, i32)] = &[
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("AKST", -9),
    ("AKDT", -8),
    ("HST", -10),
];

impl Strftime {
    pub(crate) fn compile(format: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        compile_into(format, &mut steps)?;
        if steps.iter().all(|step| matches!(step, Step::Literal(_) | Step::Blank)) {
            return Err(format!("time format `{format}` names no part of a time"));
        }
        Ok(Self { steps: steps.into() })
    }

    pub(crate) fn read(&self, text: &str, offset: i32) -> Option<Timestamp> {
        let mut rest = text.as_bytes();
        let mut parts = Parts { offset, ..Parts::default() };
        for step in &self.steps {
            rest = parts.take(step, rest)?;
        }
        if rest.is_empty() { parts.instant() } else { None }
    }
}

fn compile_into(format: &str, steps: &mut Vec<Step>) -> Result<(), String> {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        literal(&rest[..at], steps);
        rest = &rest[at + 1..];
        let colons = rest.len() - rest.trim_start_matches(':').len();
        let Some(letter) = rest[colons..].chars().next() else {
            return Err(format!("time format `{format}` ends with a lone `%`"));
        };
        if colons > 3 || (colons > 0 && letter != 'z') {
            return Err(format!("unknown directive `%{}{letter}` in time format `{format}`", &rest[..colons]));
        }
        rest = &rest[colons + letter.len_utf8()..];
        let composed = match letter {
            'F' => "%Y-%m-%d",
            'D' | 'x' => "%m/%d/%y",
            'T' | 'X' => "%H:%M:%S",
            'R' => "%H:%M",
            'r' => "%I:%M:%S %p",
            'c' => "%a %b %e %H:%M:%S %Y",
            'v' => "%e-%b-%Y",
            '+' => "%a %b %e %H:%M:%S %Z %Y",
            '%' => {
                literal("%", steps);
                continue;
            }
            _ => {
                let step = directive(letter).ok_or_else(|| {
                    format!("unknown directive `%{letter}` in time format `{format}`; known are {DIRECTIVES}")
                })?;
                steps.push(step);
                continue;
            }
        };
        compile_into(composed, steps)?;
    }
    literal(rest, steps);
    Ok(())
}

fn literal(text: &str, steps: &mut Vec<Step>) {
    if text.is_empty() {
        return;
    }
    if let Some(Step::Literal(before)) = steps.last_mut() {
        *before = format!("{before}{text}").into();
        return;
    }
    steps.push(Step::Literal(text.into()));
}

fn directive(letter: char) -> Option<Step> {
    let number = |part, digits, least, most| Step::Number(Number { part, digits, least, most, padded: false });
    let padded = |part, least, most| Step::Number(Number { part, digits: 2, least, most, padded: true });
    Some(match letter {
        'Y' => Step::Year,
        'G' => Step::IsoYear,
        'y' => number(Part::Year2, 2, 0, 99),
        'g' => number(Part::IsoYear2, 2, 0, 99),
        'C' => number(Part::Century, 2, 0, 99),
        'm' => number(Part::Month, 2, 1, 12),
        'd' => number(Part::Day, 2, 1, 31),
        'e' => padded(Part::Day, 1, 31),
        'B' => Step::MonthName(&MONTHS),
        'b' | 'h' => Step::MonthName(&SHORT_MONTHS),
        'A' => Step::WeekdayName(&WEEKDAYS),
        'a' => Step::WeekdayName(&SHORT_WEEKDAYS),
        'w' => number(Part::Weekday0, 1, 0, 6),
        'u' => number(Part::Weekday1, 1, 1, 7),
        'j' => number(Part::DayOfYear, 3, 1, 366),
        'U' => number(Part::WeekSunday, 2, 0, 53),
        'W' => number(Part::WeekMonday, 2, 0, 53),
        'V' => number(Part::WeekIso, 2, 1, 53),
        'H' => number(Part::Hour24, 2, 0, 23),
        'k' => padded(Part::Hour24, 0, 23),
        'I' => number(Part::Hour12, 2, 1, 12),
        'l' => padded(Part::Hour12, 1, 12),
        'p' | 'P' => Step::AmPm,
        'M' => number(Part::Minute, 2, 0, 59),
        'S' => number(Part::Second, 2, 0, 60),
        'f' => Step::Fraction,
        'z' => Step::Offset,
        'Z' => Step::ZoneName,
        's' => Step::Unix,
        'n' | 't' => Step::Blank,
        _ => return None,
    })
}

/// What a text said, part by part.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    year2: Option<u32>,
    century: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    week_sunday: Option<u32>,
    week_monday: Option<u32>,
    iso_year: Option<i64>,
    week_iso: Option<u32>,
    /// 0 = Sunday.
    weekday: Option<u32>,
    hour: u32,
    is_12_hours: bool,
    is_pm: Option<bool>,
    minute: u32,
    second: u32,
    nanos: u32,
    offset: i32,
    unix: Option<i64>,
}

impl Parts {
    /// Reads one step off the text; the rest of it.
    fn take<'a>(&mut self, step: &Step, text: &'a [u8]) -> Option<&'a [u8]> {
        match step {
            Step::Literal(literal) => text.strip_prefix(literal.as_bytes()),
            Step::Number(number) => self.number(*number, text),
            Step::MonthName(names) => {
                let (index, rest) = name(*names, text)?;
                self.month = Some(index + 1);
                Some(rest)
            }
            Step::WeekdayName(names) => {
                let (index, rest) = name(*names, text)?;
                self.weekday = Some(index);
                Some(rest)
            }
            Step::AmPm => {
                let (half, rest) = text.split_at_checked(2)?;
                self.is_pm = Some(match half.to_ascii_uppercase().as_slice() {
                    b"AM" => false,
                    b"PM" => true,
                    _ => return None,
                });
                Some(rest)
            }
            Step::Year => {
                let (year, rest) = signed(text, 4)?;
                self.year = Some(year);
                Some(rest)
            }
            Step::IsoYear => {
                let (year, rest) = signed(text, 4)?;
                self.iso_year = Some(year);
                Some(rest)
            }
            Step::Fraction => {
                let (digits, rest) = text.split_at(digit_count(text, 9));
                self.nanos = fraction_nanos(digits);
                (!digits.is_empty()).then_some(rest)
            }
            Step::Offset => {
                let (offset, rest) = offset(text)?;
                self.offset = offset;
                Some(rest)
            }
            Step::ZoneName => {
                let end = text.iter().position(|b| !b.is_ascii_uppercase()).unwrap_or(text.len());
                let (zone, rest) = text.split_at(end);
                let (_, hours) = ZONES.iter().find(|(known, _)| known.as_bytes() == zone)?;
                self.offset = hours * 3600;
                Some(rest)
            }
            Step::Unix => {
                let (seconds, rest) = signed(text, 19)?;
                self.unix = Some(seconds);
                Some(rest)
            }
            Step::Blank => {
                let end = text.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(text.len());
                (end > 0).then(|| &text[end..])
            }
        }
    }

    fn number<'a>(&mut self, number: Number, text: &'a [u8]) -> Option<&'a [u8]> {
        let (text, digits) = match text {
            [b' ', rest @ ..] if number.padded => (rest, number.digits - 1),
            _ => (text, number.digits),
        };
        let count = digit_count(text, digits);
        let (digits, rest) = text.split_at(count);
        let value = digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        if count == 0 || value < number.least || value > number.most {
            return None;
        }
        match number.part {
            Part::Year2 => self.year2 = Some(value),
            Part::IsoYear2 => self.iso_year = Some(full_year(value)),
            Part::Century => self.century = Some(value),
            Part::Month => self.month = Some(value),
            Part::Day => self.day = Some(value),
            Part::DayOfYear => self.day_of_year = Some(value),
            Part::WeekSunday => self.week_sunday = Some(value),
            Part::WeekMonday => self.week_monday = Some(value),
            Part::WeekIso => self.week_iso = Some(value),
            Part::Weekday0 => self.weekday = Some(value),
            Part::Weekday1 => self.weekday = Some(value % 7),
            Part::Hour24 => self.hour = value,
            Part::Hour12 => {
                self.hour = value;
                self.is_12_hours = true;
            }
            Part::Minute => self.minute = value,
            Part::Second => self.second = value,
        }
        Some(rest)
    }

    fn instant(&self) -> Option<Timestamp> {
        if let Some(seconds) = self.unix {
            return instant(seconds, self.nanos);
        }
        let hour = match self.is_pm {
            Some(is_pm) if self.is_12_hours => self.hour % 12 + if is_pm { 12 } else { 0 },
            _ => self.hour,
        };
        let of_day = i64::from(hour * 3600 + self.minute * 60 + self.second);
        instant(self.days()? * 86_400 + of_day - i64::from(self.offset), self.nanos)
    }

    fn days(&self) -> Option<i64> {
        let year = match (self.year, self.century, self.year2) {
            (Some(year), _, _) => year,
            (None, Some(century), year2) => i64::from(century * 100 + year2.unwrap_or(0)),
            (None, None, Some(year2)) => full_year(year2),
            (None, None, None) => 1900,
        };
        if self.month.is_some() || self.day.is_some() {
            let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
            return (day <= days_in_month(year, month)).then(|| days(year, month, day));
        }
        let new_year = days(year, 1, 1);
        if let Some(day) = self.day_of_year {
            return (day <= 365 + u32::from(is_leap(year))).then(|| new_year + i64::from(day) - 1);
        }
        if let (Some(year), Some(week)) = (self.iso_year, self.week_iso) {
            let day = self.weekday.map_or(0, |weekday| (i64::from(weekday) + 6) % 7);
            let fourth = days(year, 1, 4);
            let first_monday = fourth - (weekday(fourth) + 6) % 7;
            return Some(first_monday + (i64::from(week) - 1) * 7 + day);
        }
        if let Some(week) = self.week_sunday {
            let first_sunday = new_year + (7 - weekday(new_year)) % 7;
            return Some(first_sunday + (i64::from(week) - 1) * 7 + i64::from(self.weekday.unwrap_or(0)));
        }
        if let Some(week) = self.week_monday {
            let first_monday = new_year + (8 - weekday(new_year)) % 7;
            let day = self.weekday.map_or(0, |weekday| (i64::from(weekday) + 6) % 7);
            return Some(first_monday + (i64::from(week) - 1) * 7 + day);
        }
        Some(new_year)
    }
}

/// Two digits of a year: below 69 of this century.
fn full_year(year2: u32) -> i64 {
    i64::from(year2) + if year2 < 69 { 2000 } else { 1900 }
}

fn digit_count(text: &[u8], most: usize) -> usize {
    text.iter().take(most).take_while(|b| b.is_ascii_digit()).count()
}

fn signed(text: &[u8], most: usize) -> Option<(i64, &[u8])> {
    let (sign, text) = match text {
        [b'-', rest @ ..] => (-1, rest),
        _ => (1, text),
    };
    let (digits, rest) = text.split_at(digit_count(text, most));
    let value: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((sign * value, rest))
}

fn name<'a>(names: &[&str], text: &'a [u8]) -> Option<(u32, &'a [u8])> {
    let index = names
        .iter()
        .position(|name| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes())))?;
    Some((index as u32, &text[names[index].len()..]))
}

/// `Z`, `±hh`, `±hhmm`, `±hh:mm`, `±hh:mm:ss`: seconds east of UTC.
fn offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let (sign, mut rest) = match text {
        [b'Z' | b'z', rest @ ..] => return Some((0, rest)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let mut units = [0, 0, 0];
    for (place, unit) in units.iter_mut().enumerate() {
        let digits = if place > 0 { rest.strip_prefix(b":").unwrap_or(rest) } else { rest };
        let [a @ b'0'..=b'9', b @ b'0'..=b'9', after @ ..] = digits else {
            if place == 0 {
                return None;
            }
            break;
        };
        *unit = i32::from(a - b'0') * 10 + i32::from(b - b'0');
        rest = after;
    }
    let [hours, minutes, seconds] = units;
    (hours < 24 && minutes < 60 && seconds < 60).then_some((sign * (hours * 3600 + minutes * 60 + seconds), rest))
}

/// A `timeZone` of a schema: `UTC` or an offset, in seconds east of UTC.
pub(crate) fn offset_text(text: &str) -> Option<i32> {
    if let Some((_, hours)) = ZONES.iter().find(|(known, _)| *known == text) {
        return Some(hours * 3600);
    }
    offset(text.as_bytes()).filter(|(_, rest)| rest.is_empty()).map(|(offset, _)| offset)
}

#[cfg(test)]
mod tests;
