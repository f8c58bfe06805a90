//! An instant with nanoseconds over the whole range of years that logs use.
//!
//! Microseconds since 1970 in an `i64` (the lake's unit) and the nanoseconds below them apart: an `i64` of nanoseconds
//! would end in 2262, and certificates that "never" expire end in 9999.

use std::fmt;

/// An instant in UTC. Packed, so that a `Value` stays at 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(Rust, packed(2))]
pub struct Timestamp {
    /// Microseconds since 1970-01-01T00:00:00Z, rounded down.
    pub micros: i64,
    /// Nanoseconds past `micros`, 0..=999.
    pub nanos: u16,
}

impl Timestamp {
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros, nanos: 0 }
    }

    /// `nanos` is the fraction of the second, 0..=999,999,999.
    #[must_use]
    pub const fn from_seconds(seconds: i64, nanos: u32) -> Self {
        Self { micros: seconds * 1_000_000 + (nanos / 1_000) as i64, nanos: (nanos % 1_000) as u16 }
    }

    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.micros.div_euclid(1_000_000)
    }

    /// The fraction of the second in nanoseconds.
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        self.micros.rem_euclid(1_000_000) as u32 * 1_000 + self.nanos as u32
    }

    /// Writes the normal form's text, `YYYY-MM-DD HH:MM:SS.fffffffff`, 29 bytes for years 0 to 9999.
    pub fn write(self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(self.seconds().div_euclid(86_400));
        let of_day = self.seconds().rem_euclid(86_400);
        let mut year_text = itoa::Buffer::new();
        if (0..=9999).contains(&year) {
            digits(out, year as u32, 4);
        } else {
            out.extend_from_slice(year_text.format(year).as_bytes());
        }
        out.push(b'-');
        digits(out, month, 2);
        out.push(b'-');
        digits(out, day, 2);
        out.push(b' ');
        digits(out, (of_day / 3600) as u32, 2);
        out.push(b':');
        digits(out, (of_day / 60 % 60) as u32, 2);
        out.push(b':');
        digits(out, (of_day % 60) as u32, 2);
        out.push(b'.');
        digits(out, self.subsec_nanos(), 9);
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(32);
        self.write(&mut out);
        f.write_str(std::str::from_utf8(&out).expect("digits and separators are ASCII"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn digits(out: &mut Vec<u8>, mut number: u32, width: usize) {
    let at = out.len();
    out.resize(at + width, b'0');
    for place in out[at..].iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Days since 1970-01-01 to (year, month, day) of the proleptic Gregorian calendar; eras of 400 years, March first.
fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (stamp, text) in [
            (Timestamp::from_seconds(0, 0), "1970-01-01 00:00:00.000000000"),
            (Timestamp::from_seconds(-1, 999_999_999), "1969-12-31 23:59:59.999999999"),
            (Timestamp::from_seconds(1_709_164_800, 5), "2024-02-29 00:00:00.000000005"),
            (Timestamp::from_seconds(253_402_300_799, 0), "9999-12-31 23:59:59.000000000"),
            (Timestamp::from_micros(-62_135_596_800_000_000), "0001-01-01 00:00:00.000000000"),
        ] {
            assert_eq!(stamp.to_string(), text);
        }
    }
}
