//! Counts since 1970: seconds with decimals, or whole milli-, micro- and nanoseconds. Digits are taken as written; a
//! float on the way would lose the microseconds that correlation needs.

use uncia_document::Timestamp;

use super::calendar::instant;
use super::rfc3339::fraction_nanos;

/// What one count stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// Reads a literal; only seconds may have decimals.
    pub(crate) fn read(self, literal: &str) -> Option<Timestamp> {
        match self {
            Self::Seconds => seconds(literal),
            Self::Millis | Self::Micros | Self::Nanos => self.whole(integer(literal)?),
        }
    }

    fn whole(self, count: i64) -> Option<Timestamp> {
        let (per_second, nanos_each) = match self {
            Self::Seconds => (1, 1_000_000_000),
            Self::Millis => (1_000, 1_000_000),
            Self::Micros => (1_000_000, 1_000),
            Self::Nanos => (1_000_000_000, 1),
        };
        let below = count.rem_euclid(per_second) * nanos_each;
        instant(count.div_euclid(per_second), u32::try_from(below).ok()?)
    }
}

/// The magnitude picks the unit: below 1e11 seconds, 1e14 milliseconds, 1e17 microseconds, else nanoseconds.
pub(crate) fn read_auto(literal: &str) -> Option<Timestamp> {
    let Some(count) = integer(literal) else {
        return seconds(literal).filter(|stamp| stamp.seconds().abs() < 100_000_000_000);
    };
    let unit = match count.unsigned_abs() {
        0..100_000_000_000 => Unit::Seconds,
        100_000_000_000..100_000_000_000_000 => Unit::Millis,
        100_000_000_000_000..100_000_000_000_000_000 => Unit::Micros,
        _ => Unit::Nanos,
    };
    unit.whole(count)
}

/// An integer below 6e10 is seconds, else nanoseconds.
pub(crate) fn read_cloudflare(literal: &str) -> Option<Timestamp> {
    let count = integer(literal)?;
    if count < 60_000_000_000 { Unit::Seconds.whole(count) } else { Unit::Nanos.whole(count) }
}

fn integer(literal: &str) -> Option<i64> {
    // `parse` would take a plus sign.
    (!literal.starts_with('+')).then(|| literal.parse().ok())?
}

fn seconds(literal: &str) -> Option<Timestamp> {
    let (negative, digits) = match literal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, literal),
    };
    if digits.contains(['e', 'E']) {
        return exponent(literal);
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let nanos = fraction_nanos(fraction.as_bytes());
    match (negative, nanos) {
        (false, _) => instant(whole, nanos),
        (true, 0) => instant(-whole, 0),
        (true, _) => instant(-whole - 1, 1_000_000_000 - nanos),
    }
}

/// `1.5e9`: no digit of such a literal is meant to be exact; microseconds are kept.
fn exponent(literal: &str) -> Option<Timestamp> {
    let micros = literal.parse::<f64>().ok()? * 1e6;
    if !micros.is_finite() || micros.abs() > 9e18 {
        return None;
    }
    let stamp = Timestamp::from_micros(micros.round() as i64);
    instant(stamp.seconds(), stamp.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(stamp: Option<Timestamp>) -> Option<String> {
        stamp.map(|stamp| stamp.to_string())
    }

    #[test]
    fn literals() {
        for (unit, literal, expected) in [
            (Unit::Seconds, "1521911720", Some("2018-03-24 17:15:20.000000000")),
            (Unit::Seconds, "1521911720.865716", Some("2018-03-24 17:15:20.865716000")),
            (Unit::Seconds, "1521911720.8657161234", Some("2018-03-24 17:15:20.865716123")),
            (Unit::Seconds, "-0.5", Some("1969-12-31 23:59:59.500000000")),
            (Unit::Seconds, "1.5e9", Some("2017-07-14 02:40:00.000000000")),
            (Unit::Seconds, "1e400", None),
            (Unit::Seconds, "99999999999999", None),
            (Unit::Seconds, "1.", None),
            (Unit::Seconds, "+1", None),
            (Unit::Seconds, "x", None),
            (Unit::Millis, "1521911720865", Some("2018-03-24 17:15:20.865000000")),
            (Unit::Millis, "-1", Some("1969-12-31 23:59:59.999000000")),
            (Unit::Millis, "1521911720865.7", None),
            (Unit::Micros, "1521911720865716", Some("2018-03-24 17:15:20.865716000")),
            (Unit::Nanos, "1521911720865716123", Some("2018-03-24 17:15:20.865716123")),
            (Unit::Nanos, "-9223372036854775809", None),
        ] {
            assert_eq!(text(unit.read(literal)).as_deref(), expected, "{unit:?} {literal}");
        }
        for literal in ["1521911720.000", "1521911720", "1521911720000", "1521911720000000", "1521911720000000000"] {
            assert_eq!(text(read_auto(literal)).as_deref(), Some("2018-03-24 17:15:20.000000000"), "{literal}");
        }
        assert_eq!(text(read_cloudflare("1521911720")), text(read_cloudflare("1521911720000000000")));
    }
}
