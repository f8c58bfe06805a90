//! Which time formats read all values of a place.

use std::sync::LazyLock;

use crate::time::TimeFormat;

/// Formats that are tried, the usual ones first. `rfc3339` is recognised under any key; the others only under keys that
/// speak of time, since the same digits mean many things.
const FORMATS: [&str; 20] = [
    "rfc3339",
    "unix",
    "unix_ms",
    "unix_us",
    "unix_ns",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S.%f %z",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y/%m/%d %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %e %H:%M:%S %Y",
    "%b %e %Y %H:%M:%S",
    MONTH_FIRST,
    DAY_FIRST,
];
const MONTH_FIRST: &str = "%m/%d/%Y %H:%M:%S";
const DAY_FIRST: &str = "%d/%m/%Y %H:%M:%S";
/// Places of the formats that read numbers, with the factor to seconds.
const UNIX: [(usize, f64); 4] = [(1, 1.0), (2, 1e3), (3, 1e6), (4, 1e9)];
/// Seconds from 2000 to 2100: numbers outside are hardly instants.
const LIKELY: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;

const ALL: u32 = (1 << FORMATS.len()) - 1;
const ANY_KEY: u32 = 1;

static COMPILED: LazyLock<Vec<TimeFormat>> = LazyLock::new(|| {
    let compile = |format: &&str| TimeFormat::compile(format).expect("the formats of this file are right");
    FORMATS.iter().map(compile).collect()
});

/// The formats that have read every value so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// `None`: nothing was read yet.
    left: Option<u32>,
}

impl Times {
    pub(crate) fn add_text(&mut self, key: &str, text: &str) {
        let left = self.left_for(key);
        if left == 0 {
            return;
        }
        let number = || text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| likely(text));
        let numeric = number().unwrap_or(0);
        let reads = |place: usize| match place {
            1..=4 => numeric & (1 << place) != 0,
            _ => COMPILED[place].read_text(text, 0).is_some(),
        };
        self.left = Some(
            (0..FORMATS.len()).filter(|place| left & (1 << place) != 0 && reads(*place)).map(|place| 1 << place).sum(),
        );
    }

    pub(crate) fn add_number(&mut self, key: &str, literal: &str) {
        let left = self.left_for(key);
        self.left = Some(if left == 0 { 0 } else { left & likely(literal) });
    }

    fn left_for(self, key: &str) -> u32 {
        match self.left {
            Some(left) => left,
            None if speaks_of_time(key) => ALL,
            None => ANY_KEY,
        }
    }

    pub(crate) fn exclude(&mut self) {
        self.left = Some(0);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.left = match (self.left, other.left) {
            (Some(a), Some(b)) => Some(a & b),
            (a, b) => a.or(b),
        };
    }

    /// The format that reads all values; none if the order of day and month is open.
    pub(crate) fn format(self) -> Option<&'static str> {
        let left = self.left.filter(|left| *left != 0)?;
        let format = FORMATS[left.trailing_zeros() as usize];
        (format != MONTH_FIRST || left.count_ones() == 1).then_some(format)
    }
}

/// The unix formats in which a number is an instant of our time.
fn likely(literal: &str) -> u32 {
    let Ok(number) = literal.parse::<f64>() else { return 0 };
    let is_whole = literal.bytes().all(|b| b.is_ascii_digit());
    let fits = |&&(place, factor): &&(usize, f64)| LIKELY.contains(&(number / factor)) && (is_whole || place == 1);
    UNIX.iter().filter(fits).map(|(place, _)| 1 << place).sum()
}

/// Whether a key's words name a time: `eventTime`, `created_at`, `@timestamp`, `ts`.
pub(crate) fn speaks_of_time(key: &str) -> bool {
    const ENDS: &[&str] = &["time", "timestamp", "date", "datetime"];
    const WORDS: &[&str] = &["time", "timestamp", "date", "datetime", "ts", "epoch", "published"];
    let folded = key.to_ascii_lowercase();
    if ENDS.iter().any(|end| folded.ends_with(end)) {
        return true;
    }
    let words = words(key);
    words.iter().any(|word| WORDS.contains(&&**word))
        || (words.len() > 1 && words.last().is_some_and(|word| word == "at"))
}

/// A key's words in lower case, cut at signs and where an upper-case letter follows a lower-case one.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || (was_lower && c.is_uppercase()) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_speak_of_time() {
        for (key, speaks) in [
            ("eventTime", true),
            ("created_at", true),
            ("createdAt", true),
            ("@timestamp", true),
            ("ts", true),
            ("starttime", true),
            ("format", false),
            ("counts", false),
            ("at", false),
            ("timeout", false),
            ("update", true),
        ] {
            assert_eq!(speaks_of_time(key), speaks, "{key}");
        }
    }

    #[test]
    fn formats_by_their_values() {
        for (key, values, format) in [
            ("x", &["2025-03-04T10:05:00Z", "2025-03-04T10:05:00.123+01:00"] as &[_], Some("rfc3339")),
            ("x", &["2025-03-04 10:05:00"], None),
            ("time", &["2025-03-04 10:05:00"], Some("%Y-%m-%d %H:%M:%S")),
            ("time", &["2025-03-04 10:05:00.5"], Some("%Y-%m-%d %H:%M:%S.%f")),
            ("time", &["1741082700"], Some("unix")),
            ("time", &["1741082700.25"], Some("unix")),
            ("time", &["1741082700250"], Some("unix_ms")),
            ("time", &["17"], None),
            ("time", &["03/04/2025 10:05:00"], None),
            ("time", &["03/04/2025 10:05:00", "03/31/2025 10:05:00"], Some(MONTH_FIRST)),
            ("time", &["31/03/2025 10:05:00"], Some(DAY_FIRST)),
            ("time", &["04/Mar/2025:10:05:00 +0000"], Some("%d/%b/%Y:%H:%M:%S %z")),
            ("time", &["2025-03-04T10:05:00Z", "soon"], None),
            ("time", &[""], None),
        ] {
            let mut times = Times::default();
            values.iter().for_each(|value| times.add_text(key, value));
            assert_eq!(times.format(), format, "{key} {values:?}");
        }
        let mut times = Times::default();
        times.add_number("ts", "1741082700.5");
        assert_eq!(times.format(), Some("unix"));
        times.add_number("ts", "12");
        assert_eq!(times.format(), None);
    }
}
