//! One cell, and how JSON that tests write becomes one of the right kind.

use std::borrow::Cow;

use jiff::civil::{Date, Time};
use serde_json::Value;

use crate::results::Kind;

/// A value on its way into a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    /// A number times ten to the column's scale.
    Number(i128),
    Real(f64),
    Boolean(bool),
    /// Nanoseconds since 1970, or since midnight for a time.
    Nanos(i64),
    Days(i32),
    Bytes(Vec<u8>),
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(crate) fn micros(micros: i64) -> Self {
        Self::Nanos(micros.saturating_mul(1_000))
    }

    /// Reads JSON as the kind; the error says what would fit.
    pub(crate) fn of(value: &'a Value, kind: Kind) -> Result<Self, String> {
        if value.is_null() && !matches!(kind, Kind::Variant) {
            return Ok(Self::Null);
        }
        let wrong = |wanted: &str| format!("{value} is no {wanted}");
        let cell = match kind {
            Kind::Text => match value {
                Value::String(text) => Self::text(text),
                other => Self::Text(Cow::Owned(other.to_string())),
            },
            Kind::Fixed { scale, .. } => Self::Number(fixed(&plain(value), scale).ok_or_else(|| wrong("number"))?),
            Kind::Real => Self::Real(plain(value).parse().map_err(|_| wrong("number"))?),
            Kind::Boolean => match plain(value).to_ascii_lowercase().as_str() {
                "true" => Self::Boolean(true),
                "false" => Self::Boolean(false),
                _ => return Err(wrong("boolean")),
            },
            Kind::Date => {
                let date: Date = plain(value).parse().map_err(|_| wrong("date"))?;
                let days = date.since((jiff::Unit::Day, Date::constant(1970, 1, 1))).map_err(|_| wrong("date"))?;
                Self::Days(days.get_days())
            }
            Kind::Time => {
                let time: Time = plain(value).parse().map_err(|_| wrong("time"))?;
                let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
                Self::Nanos(seconds * 1_000_000_000 + i64::from(time.subsec_nanosecond()))
            }
            Kind::TimestampLtz | Kind::TimestampNtz => {
                Self::Nanos(instant(&plain(value)).ok_or_else(|| wrong("timestamp"))?)
            }
            Kind::TimestampTz => Self::Text(Cow::Owned(zoned(&plain(value)).ok_or_else(|| wrong("timestamp"))?)),
            Kind::Binary => Self::Bytes(bytes(&plain(value)).ok_or_else(|| wrong("hex text"))?),
            Kind::Variant | Kind::Object | Kind::Array => Self::Text(Cow::Owned(value.to_string())),
        };
        Ok(cell)
    }
}

fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// A decimal text as an integer times ten to the scale.
fn fixed(text: &str, scale: i8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::try_from(scale).ok()?;
    if fraction.len() > scale || whole.is_empty() {
        return None;
    }
    let number: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    Some(if negative { -number } else { number })
}

/// Nanoseconds since 1970 of a timestamp text: RFC 3339, or with a space and an offset as logs have it. Without an
/// offset it is UTC.
pub(crate) fn instant(text: &str) -> Option<i64> {
    let text = text.trim();
    let parsed = text
        .parse::<jiff::Timestamp>()
        .ok()
        .or_else(|| jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S%.f %z", text).ok()?.to_timestamp().ok())
        .or_else(|| {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
        })?;
    i64::try_from(parsed.as_nanosecond()).ok()
}

/// RFC 3339 with an offset, as the wire has it: seconds, fraction, and the offset in minutes plus 1440.
fn zoned(text: &str) -> Option<String> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    let parsed = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%:z", text).ok();
    let offset = parsed.and_then(|parsed| parsed.offset()).map_or(0, |offset| offset.seconds() / 60);
    let nanos = i64::try_from(timestamp.as_nanosecond()).ok()?;
    Some(format!("{} {}", seconds(nanos), offset + 1440))
}

/// Seconds with nine decimals, negative before 1970.
pub(crate) fn seconds(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let absolute = nanos.unsigned_abs();
    format!("{sign}{}.{:09}", absolute / 1_000_000_000, absolute % 1_000_000_000)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.chars().map(|at| at.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    if digits.len() % 2 == 1 {
        return None;
    }
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_as_people_write_them() {
        for text in ["2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "2023-11-14 23:13:20.000 +0100"] {
            assert_eq!(instant(text), Some(1_700_000_000_000_000_000), "{text}");
        }
        assert_eq!(instant("yesterday"), None);
        assert_eq!(seconds(-1_500_000_000), "-1.500000000");
        assert_eq!(zoned("2021-03-19T19:06:59+01:00").as_deref(), Some("1616177219.000000000 1500"));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let digits = "12345678901234567890123456789012345678";
        assert_eq!(fixed(digits, 0), digits.parse().ok());
        assert_eq!(fixed("-1.5", 2), Some(-150));
        assert_eq!(fixed("1.505", 2), None);
        assert_eq!(fixed("x", 0), None);
    }
}
