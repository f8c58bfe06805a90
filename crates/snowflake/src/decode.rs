//! jsonv2 cells made into JSON: every cell arrives as text or null, and its column says what the text means.
//!
//! Nothing is rounded on the way. Times go through whole nanoseconds in 128 bits, numbers keep their digits, and what cannot
//! be understood stays the text that it was, so that no cell can fail a row
//! (<https://docs.snowflake.com/en/developer-guide/sql-api/handling-responses>).

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use uncia_document::Timestamp;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMeta {
    pub name: String,
    pub kind: Kind,
    pub scale: i32,
    pub nullable: bool,
}

/// What the texts of a column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Fixed,
    Real,
    Decfloat,
    Text,
    Boolean,
    Date,
    Time,
    TimestampNtz,
    TimestampLtz,
    TimestampTz,
    Binary,
    Variant,
    Object,
    Array,
    /// A type that is newer than this program; its texts are kept.
    Other,
}

impl Kind {
    /// Real answers write types in lower case, the API's description in upper case.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "fixed" | "number" | "decimal" | "int" | "integer" | "bigint" => Self::Fixed,
            "real" | "float" | "double" => Self::Real,
            "decfloat" => Self::Decfloat,
            "text" | "varchar" | "char" | "string" => Self::Text,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp_ntz" => Self::TimestampNtz,
            "timestamp_ltz" | "timestamp" => Self::TimestampLtz,
            "timestamp_tz" => Self::TimestampTz,
            "binary" => Self::Binary,
            "variant" => Self::Variant,
            "object" | "map" => Self::Object,
            "array" => Self::Array,
            _ => Self::Other,
        }
    }
}

/// Integers from here on are no seconds: the year would be beyond five million. Then they are nanoseconds.
const SURELY_NANOS: i128 = 100_000_000_000_000;
const NANOS: i128 = 1_000_000_000;
const SECONDS_OF_DAY: i64 = 86_400;
/// Years 0 to 9999, in seconds since 1970; nothing else can be read back.
const YEARS_OF_FOUR_DIGITS: RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
/// Snowflake's offsets are minutes from this.
const OFFSET_ZERO: i64 = 1_440;

/// Appends a cell as JSON. `as_text` asks for numbers as strings, as ids want it.
pub fn write_cell(column: &ColumnMeta, cell: Option<&str>, as_text: bool, out: &mut Vec<u8>) {
    let Some(cell) = cell else {
        out.extend_from_slice(b"null");
        return;
    };
    match column.kind {
        Kind::Fixed | Kind::Real | Kind::Decfloat if !as_text && fits(column, cell) => {
            out.extend_from_slice(cell.as_bytes());
        }
        Kind::Boolean => match cell {
            "true" | "TRUE" | "1" => out.extend_from_slice(b"true"),
            "false" | "FALSE" | "0" => out.extend_from_slice(b"false"),
            other => write_string(other, out),
        },
        Kind::Date => write_or(cell, date(cell), out),
        Kind::Time => write_or(cell, time_of_day(cell), out),
        Kind::TimestampNtz | Kind::TimestampLtz | Kind::TimestampTz => write_or(cell, timestamp(cell), out),
        Kind::Variant | Kind::Object | Kind::Array => match compact_json(cell) {
            Some(json) => out.extend_from_slice(&json),
            None => write_string(cell, out),
        },
        _ => write_string(cell, out),
    }
}

/// Appends a row as a JSON object. `as_text` says which columns are wanted as text; null cells are left out.
pub fn write_row(columns: &[ColumnMeta], row: &[Option<String>], as_text: impl Fn(usize) -> bool, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (place, (column, cell)) in columns.iter().zip(row).enumerate() {
        let Some(cell) = cell else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        write_string(&column.name, out);
        out.push(b':');
        write_cell(column, Some(cell), as_text(place), out);
    }
    out.push(b'}');
}

/// Nanoseconds since 1970 of a TIMESTAMP or DATE cell, for cursors.
#[must_use]
pub fn epoch_nanos(column: &ColumnMeta, cell: &str) -> Option<i128> {
    match column.kind {
        Kind::TimestampNtz | Kind::TimestampLtz => nanos(cell),
        Kind::TimestampTz => nanos(cell.split_once(' ').map_or(cell, |(instant, _)| instant)),
        Kind::Date => Some(i128::from(cell.parse::<i64>().ok()?) * i128::from(SECONDS_OF_DAY) * NANOS),
        _ => None,
    }
}

/// An instant as bindings and events write it: `YYYY-MM-DD HH:MM:SS.fffffffff +0000`.
#[must_use]
pub fn timestamp_text(nanos: i128) -> Option<String> {
    written(nanos, 0)
}

/// Whether the digits can stand in JSON as they are and be read back without loss where numbers are 64 bits wide.
fn fits(column: &ColumnMeta, cell: &str) -> bool {
    if !is_json_number(cell) {
        return false;
    }
    match column.kind {
        Kind::Fixed if column.scale == 0 => cell.parse::<i64>().is_ok(),
        Kind::Fixed | Kind::Decfloat => cell.bytes().filter(u8::is_ascii_digit).count() <= 15,
        _ => true,
    }
}

/// The grammar of RFC 8259: no leading zeros, no bare point, no plus before it.
fn is_json_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

fn write_or(cell: &str, understood: Option<String>, out: &mut Vec<u8>) {
    match understood {
        Some(text) => write_string(&text, out),
        None => write_string(cell, out),
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text always becomes JSON, and memory takes it");
}

/// `-1.500000000`, or nanoseconds without a point.
fn nanos(text: &str) -> Option<i128> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 30 || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: i128 = whole.parse().ok()?;
    if !unsigned.contains('.') && seconds >= SURELY_NANOS {
        return Some(sign * seconds);
    }
    let mut below: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    for _ in fraction.len()..9 {
        below *= 10;
    }
    Some(sign * (seconds.checked_mul(NANOS)? + below))
}

/// `<seconds>`, and for `TIMESTAMP_TZ` ` <minutes + 1440>`.
fn timestamp(cell: &str) -> Option<String> {
    let (instant, offset) = match cell.split_once(' ') {
        Some((instant, offset)) => (instant, offset.trim().parse::<i64>().ok()? - OFFSET_ZERO),
        None => (cell, 0),
    };
    if offset.abs() > OFFSET_ZERO {
        return None;
    }
    written(nanos(instant)?, offset)
}

fn written(nanos: i128, offset_minutes: i64) -> Option<String> {
    let local = nanos + i128::from(offset_minutes) * 60 * NANOS;
    let seconds =
        i64::try_from(local.div_euclid(NANOS)).ok().filter(|seconds| YEARS_OF_FOUR_DIGITS.contains(seconds))?;
    let below = u32::try_from(local.rem_euclid(NANOS)).ok()?;
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
    Some(format!("{} {sign}{hours:02}{minutes:02}", Timestamp::from_seconds(seconds, below)))
}

fn date(cell: &str) -> Option<String> {
    let days: i64 = cell.parse().ok()?;
    let midnight = days.checked_mul(SECONDS_OF_DAY).filter(|seconds| YEARS_OF_FOUR_DIGITS.contains(seconds))?;
    let mut text = Timestamp::from_seconds(midnight, 0).to_string();
    text.truncate("YYYY-MM-DD".len());
    Some(text)
}

fn time_of_day(cell: &str) -> Option<String> {
    let nanos = nanos(cell)?;
    let seconds = i64::try_from(nanos / NANOS).ok()?;
    if nanos < 0 || seconds >= SECONDS_OF_DAY {
        return None;
    }
    let mut text = String::with_capacity(18);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(text, "{hour:02}:{minute:02}:{second:02}.{:09}", nanos % NANOS).ok()?;
    Some(text)
}

/// JSON on one line: white space between tokens goes, and `undefined` of missing array places becomes null.
fn compact_json(text: &str) -> Option<Vec<u8>> {
    let mut json = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut quoted = false;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' if quoted => {
                json.push(byte);
                let (&escaped, after) = rest.split_first()?;
                json.push(escaped);
                rest = after;
            }
            b'"' => {
                quoted = !quoted;
                json.push(byte);
            }
            b' ' | b'\n' | b'\r' | b'\t' if !quoted => {}
            b'u' if !quoted && rest.starts_with(b"ndefined") => {
                json.extend_from_slice(b"null");
                rest = &rest["ndefined".len()..];
            }
            byte => json.push(byte),
        }
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok().then_some(json)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(kind: Kind, scale: i32, cell: &str, as_text: bool) -> String {
        let column = ColumnMeta { name: "C".to_owned(), kind, scale, nullable: true };
        let mut out = Vec::new();
        write_cell(&column, Some(cell), as_text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_type() {
        for (kind, scale, cell, expected) in [
            (Kind::Fixed, 0, "42", "42"),
            (Kind::Fixed, 0, "-9223372036854775808", "-9223372036854775808"),
            (Kind::Fixed, 0, "9223372036854775808", "\"9223372036854775808\""),
            (Kind::Fixed, 0, "99999999999999999999999999999999999999", "\"99999999999999999999999999999999999999\""),
            (Kind::Fixed, 2, "1.50", "1.50"),
            (Kind::Fixed, 9, "123456789.123456789", "\"123456789.123456789\""),
            (Kind::Fixed, 0, "007", "\"007\""),
            (Kind::Real, 0, "1.5", "1.5"),
            (Kind::Real, 0, "1.0E-5", "1.0E-5"),
            (Kind::Real, 0, "inf", "\"inf\""),
            (Kind::Real, 0, "NaN", "\"NaN\""),
            (Kind::Decfloat, 0, "1.5e300", "1.5e300"),
            (Kind::Decfloat, 0, "12345678901234567890", "\"12345678901234567890\""),
            (Kind::Text, 0, "a\"b\n", "\"a\\\"b\\n\""),
            (Kind::Boolean, 0, "true", "true"),
            (Kind::Boolean, 0, "0", "false"),
            (Kind::Boolean, 0, "maybe", "\"maybe\""),
            (Kind::Date, 0, "18262", "\"2020-01-01\""),
            (Kind::Date, 0, "-1", "\"1969-12-31\""),
            (Kind::Date, 0, "99999999", "\"99999999\""),
            (Kind::Time, 9, "82919.000000000", "\"23:01:59.000000000\""),
            (Kind::Time, 9, "86400.0", "\"86400.0\""),
            (Kind::TimestampLtz, 9, "1700000000.123456789", "\"2023-11-14 22:13:20.123456789 +0000\""),
            (Kind::TimestampNtz, 3, "1700000000.123", "\"2023-11-14 22:13:20.123000000 +0000\""),
            (Kind::TimestampNtz, 9, "-0.000000001", "\"1969-12-31 23:59:59.999999999 +0000\""),
            (Kind::TimestampLtz, 0, "1700000000", "\"2023-11-14 22:13:20.000000000 +0000\""),
            (Kind::TimestampLtz, 0, "1700000000123456789", "\"2023-11-14 22:13:20.123456789 +0000\""),
            (Kind::TimestampTz, 9, "1616173619.000000000 1500", "\"2021-03-19 18:06:59.000000000 +0100\""),
            (Kind::TimestampTz, 9, "1616173619.000000000 960", "\"2021-03-19 09:06:59.000000000 -0800\""),
            (Kind::TimestampTz, 9, "1616173619.000000000 99999", "\"1616173619.000000000 99999\""),
            (Kind::TimestampLtz, 9, "later", "\"later\""),
            (Kind::Binary, 0, "CAFE", "\"CAFE\""),
            (Kind::Variant, 0, "null", "null"),
            (Kind::Variant, 0, "{\n  \"a\": \"b c\",\n  \"n\": 1\n}", "{\"a\":\"b c\",\"n\":1}"),
            (Kind::Array, 0, "[\n  undefined,\n  \"undefined\"\n]", "[null,\"undefined\"]"),
            (Kind::Object, 0, "{\"broken\": ", "\"{\\\"broken\\\": \""),
            (Kind::Other, 0, "x", "\"x\""),
        ] {
            assert_eq!(json(kind, scale, cell, false), expected, "{kind:?} {cell}");
        }
        assert_eq!(json(Kind::Fixed, 0, "42", true), "\"42\"");
        assert_eq!(Kind::of("TIMESTAMP_LTZ"), Kind::of("timestamp_ltz"));
    }

    #[test]
    fn rows_leave_nulls_out() {
        let column = |name: &str, kind| ColumnMeta { name: name.to_owned(), kind, scale: 0, nullable: true };
        let columns = [column("ID", Kind::Fixed), column("A", Kind::Text), column("N", Kind::Fixed)];
        let mut out = Vec::new();
        write_row(&columns, &[Some("1".to_owned()), None, Some("2".to_owned())], |place| place == 0, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"ID":"1","N":2}"#);
    }

    proptest! {
        #[test]
        fn instants_are_those_of_the_calendar(nanos in -62_135_596_800_000_000_000_i128..253_402_207_200_000_000_000, offset in -1_439_i64..1_440) {
            let sign = if nanos < 0 { "-" } else { "" };
            let cell = format!("{sign}{}.{:09} {}", nanos.abs() / NANOS, nanos.abs() % NANOS, offset + OFFSET_ZERO);
            let Some(text) = timestamp(&cell) else {
                // Only an offset that leads out of the years of four digits.
                prop_assert!(!(-62_135_500_000_000_000_000..=253_402_100_000_000_000_000).contains(&nanos));
                return Ok(());
            };
            let read = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S.%f %z", &text).unwrap().to_timestamp().unwrap();
            prop_assert_eq!(read.as_nanosecond(), nanos, "{}", text);
        }

        #[test]
        fn every_cell_becomes_json(cell in "\\PC*|[-0-9. eE]{1,20}|[\\[\\]{}\",:a-z0-9 ]{0,20}", kind in 0_usize..15, as_text in any::<bool>()) {
            let kinds = [Kind::Fixed, Kind::Real, Kind::Decfloat, Kind::Text, Kind::Boolean, Kind::Date, Kind::Time, Kind::TimestampNtz,
                Kind::TimestampLtz, Kind::TimestampTz, Kind::Binary, Kind::Variant, Kind::Object, Kind::Array, Kind::Other];
            let text = json(kinds[kind], 0, &cell, as_text);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            prop_assert!(!text.contains('\n'));
        }

        #[test]
        fn a_variant_keeps_its_value(value in "[^\"\\\\]{0,20}", pretty in any::<bool>()) {
            let value = serde_json::json!({ "k ": [value, 1, null, true], "": {} });
            let cell = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let text = json(Kind::Variant, 0, &cell, false);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }

        #[test]
        fn a_number_keeps_its_digits(number in any::<i128>(), scale in 0_i32..20) {
            let text = json(Kind::Fixed, scale, &number.to_string(), false);
            prop_assert_eq!(text.trim_matches('"'), number.to_string());
        }
    }
}
