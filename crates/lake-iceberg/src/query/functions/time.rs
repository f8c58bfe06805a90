//! Time: reading it from text and numbers, adding to it, measuring between, cutting into slices.
//!
//! Instants are microseconds in UTC throughout, the lake's own unit; Snowflake's three kinds of timestamp are one here.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, lit};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp as Instant};

use super::convert::same;
use super::{INT64, Pure, anything, at, texts, whole_at, wholes};
use crate::query::schema::timestamp_type;

const TIMESTAMP: fn(&[DataType]) -> Result<DataType> = |_| Ok(timestamp_type());

pub(super) const FUNCTIONS: &[Pure] = &[
    Pure::new("to_timestamp", (1, 2), TIMESTAMP, |args| to_timestamp(args, false))
        .simplified(|args, info| same(args, info, &timestamp_type())),
    Pure::new("try_to_timestamp", (1, 2), TIMESTAMP, |args| to_timestamp(args, true))
        .simplified(|args, info| same(args, info, &timestamp_type())),
    Pure::new("dateadd", (3, 3), TIMESTAMP, dateadd),
    Pure::new("datediff", (3, 3), INT64, datediff),
    Pure::new("time_slice", (3, 4), TIMESTAMP, time_slice),
    Pure::new("last_day", (1, 2), TIMESTAMP, last_day),
];

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// `current_timestamp()`: the same instant throughout a statement.
#[derive(Debug)]
pub(super) struct Now {
    micros: i64,
    signature: Signature,
}

impl Now {
    pub(super) fn at(micros: i64) -> Self {
        // A precision may be given, `current_timestamp(3)`.
        Self { micros, signature: anything() }
    }

    fn value(&self) -> ScalarValue {
        ScalarValue::TimestampMicrosecond(Some(self.micros), Some("+00:00".into()))
    }
}

impl PartialEq for Now {
    fn eq(&self, other: &Self) -> bool {
        self.micros == other.micros
    }
}

impl Eq for Now {}

impl Hash for Now {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.micros.hash(state);
    }
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &'static str {
        "current_timestamp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(timestamp_type())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value()))
    }

    fn simplify(&self, _args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(lit(self.value())))
    }
}

fn instants(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let array = if matches!(array.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Null) {
        cast(array, &timestamp_type())?
    } else {
        to_timestamp(std::slice::from_ref(array), false)?
    };
    Ok(array.as_primitive::<TimestampMicrosecondType>().clone())
}

fn made(micros: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("+00:00"))
}

fn instant_at(instants: &TimestampMicrosecondArray, row: usize) -> Option<i64> {
    (!instants.is_null(row)).then(|| instants.value(row))
}

fn to_timestamp(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let array = &args[0];
    match array.data_type() {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null => {
            return Ok(cast(array, &timestamp_type())?);
        }
        data_type if data_type.is_floating() => {
            let seconds = cast(array, &DataType::Float64)?;
            let seconds = seconds.as_primitive::<arrow::datatypes::Float64Type>();
            return Ok(made(seconds.iter().map(|s| s.map(|s| (s * SECOND as f64).round() as i64))));
        }
        data_type if data_type.is_integer() => {
            let numbers = wholes(array)?;
            let scales = args.get(1).map(wholes).transpose()?;
            let micros = (0..numbers.len()).map(|row| {
                let number = whole_at(&numbers, row)?;
                match scales.as_ref().and_then(|scales| whole_at(scales, row)) {
                    Some(scale) => scaled(number, scale),
                    None => Some(by_magnitude(number)),
                }
            });
            return Ok(made(micros));
        }
        _ => {}
    }
    let texts_of = texts(array)?;
    let formats = args.get(1).map(texts).transpose()?;
    let mut micros = Vec::with_capacity(texts_of.len());
    for row in 0..texts_of.len() {
        let Some(text) = at(&texts_of, row) else {
            micros.push(None);
            continue;
        };
        let read = match formats.as_ref().and_then(|formats| at(formats, row)) {
            Some(format) if !format.eq_ignore_ascii_case("auto") => read_with(text, format),
            _ => read(text),
        };
        if read.is_none() && !lenient {
            return exec_err!("to_timestamp: {text:?} is no timestamp; try_to_timestamp gives null instead");
        }
        micros.push(read);
    }
    Ok(made(micros.into_iter()))
}

/// `number` units of 10^-scale seconds.
fn scaled(number: i64, scale: i64) -> Option<i64> {
    let power = |exponent: i64| 10_i64.checked_pow(u32::try_from(exponent).ok()?);
    if scale <= 6 { number.checked_mul(power(6 - scale)?) } else { Some(number.div_euclid(power(scale - 6)?)) }
}

/// Seconds, milliseconds, microseconds or nanoseconds, as Snowflake tells them apart by size.
fn by_magnitude(number: i64) -> i64 {
    match number.unsigned_abs() {
        0..31_536_000_000 => number * SECOND,
        31_536_000_000..31_536_000_000_000 => number * 1_000,
        31_536_000_000_000..31_536_000_000_000_000 => number,
        _ => number.div_euclid(1_000),
    }
}

fn read(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(by_magnitude(number));
    }
    if let Ok(instant) = text.parse::<Instant>() {
        return Some(instant.as_microsecond());
    }
    // `2024-01-01 10:00:00 +0000` and `… UTC`, as Snowflake and many logs print them.
    let joined = text.replace(" +", "+").replace(" -", "-").replace(" UTC", "Z").replace(" Z", "Z");
    if let Ok(instant) = joined.parse::<Instant>() {
        return Some(instant.as_microsecond());
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return micros_of(civil);
    }
    if let Ok(date) = text.parse::<Date>() {
        return micros_of(date.to_datetime(jiff::civil::Time::midnight()));
    }
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        return Some((seconds * SECOND as f64).round() as i64);
    }
    ["%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y", "%a, %d %b %Y %H:%M:%S", "%d-%b-%Y"]
        .iter()
        .find_map(|format| read_strtime(text, format))
}

fn read_strtime(text: &str, format: &str) -> Option<i64> {
    let broken_down = jiff::fmt::strtime::parse(format, text).ok()?;
    if let Ok(instant) = broken_down.to_timestamp() {
        return Some(instant.as_microsecond());
    }
    if let Ok(civil) = broken_down.to_datetime() {
        return micros_of(civil);
    }
    micros_of(broken_down.to_date().ok()?.to_datetime(jiff::civil::Time::midnight()))
}

fn read_with(text: &str, format: &str) -> Option<i64> {
    read_strtime(text.trim(), &strtime_format(format))
}

/// `YYYY-MM-DD HH24:MI:SS.FF3` to `%Y-%m-%d %H:%M:%S.%3f`.
fn strtime_format(format: &str) -> String {
    const PARTS: [(&str, &str); 20] = [
        ("YYYY", "%Y"),
        ("YY", "%y"),
        ("MMMM", "%B"),
        ("MON", "%b"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("DY", "%a"),
        ("HH24", "%H"),
        ("HH12", "%I"),
        ("HH", "%H"),
        ("MI", "%M"),
        ("SS", "%S"),
        ("FF3", "%3f"),
        ("FF6", "%6f"),
        ("FF9", "%9f"),
        ("FF", "%f"),
        ("AM", "%p"),
        ("PM", "%p"),
        ("TZH:TZM", "%:z"),
        ("TZHTZM", "%z"),
    ];
    let mut out = String::new();
    let mut rest = format;
    'next: while let Some(first) = rest.chars().next() {
        for (part, directive) in PARTS {
            if rest.get(..part.len()).is_some_and(|head| head.eq_ignore_ascii_case(part)) {
                out.push_str(directive);
                rest = &rest[part.len()..];
                continue 'next;
            }
        }
        match first {
            '"' => {}
            '%' => out.push_str("%%"),
            other => out.push(other),
        }
        rest = &rest[first.len_utf8()..];
    }
    out
}

fn micros_of(civil: DateTime) -> Option<i64> {
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn civil_of(micros: i64) -> Option<DateTime> {
    Some(Instant::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).datetime())
}

/// A timestamp as text, by default as Snowflake shows it.
pub(super) fn formatted(array: &ArrayRef, formats: Option<&ArrayRef>) -> Result<ArrayRef> {
    let default = if *array.data_type() == DataType::Date32 { "YYYY-MM-DD" } else { "YYYY-MM-DD HH24:MI:SS.FF3" };
    let instants = instants(array)?;
    let formats = formats.map(texts).transpose()?;
    let shown = (0..instants.len()).map(|row| {
        let civil = civil_of(instant_at(&instants, row)?)?;
        let format = strtime_format(formats.as_ref().and_then(|formats| at(formats, row)).unwrap_or(default));
        let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
        jiff::fmt::strtime::format(&format, &zoned).ok()
    });
    Ok(Arc::new(shown.collect::<StringArray>()))
}

/// A unit of time: of fixed length in microseconds, or a number of months.
enum Unit {
    Fixed(i64),
    Week,
    Months(i64),
    /// Finer than the lake keeps.
    Nanosecond,
}

fn unit(name: &str) -> Result<Unit> {
    Ok(match name {
        "nanosecond" => Unit::Nanosecond,
        "microsecond" => Unit::Fixed(1),
        "millisecond" => Unit::Fixed(1_000),
        "second" => Unit::Fixed(SECOND),
        "minute" => Unit::Fixed(60 * SECOND),
        "hour" => Unit::Fixed(3_600 * SECOND),
        "day" => Unit::Fixed(DAY),
        "week" => Unit::Week,
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        other => return exec_err!("{other} is no unit of time"),
    })
}

/// The unit, which must be the same for all rows.
fn unit_of(array: &ArrayRef) -> Result<Unit> {
    let names = texts(array)?;
    let name = names.iter().flatten().next().ok_or_else(|| exec_datafusion_err!("a unit of time is missing"))?;
    unit(name)
}

fn dateadd(args: &[ArrayRef]) -> Result<ArrayRef> {
    let unit = unit_of(&args[0])?;
    let counts = cast(&args[1], &DataType::Float64)?;
    let counts = counts.as_primitive::<arrow::datatypes::Float64Type>();
    let instants = instants(&args[2])?;
    Ok(made((0..instants.len()).map(|row| {
        let micros = instant_at(&instants, row)?;
        let count = if counts.is_null(row) { return None } else { counts.value(row).round() as i64 };
        match unit {
            Unit::Fixed(length) => micros.checked_add(count.checked_mul(length)?),
            Unit::Week => micros.checked_add(count.checked_mul(7 * DAY)?),
            Unit::Nanosecond => micros.checked_add(count.div_euclid(1_000)),
            Unit::Months(months) => {
                let span = Span::new().try_months(count.checked_mul(months)?).ok()?;
                micros_of(civil_of(micros)?.checked_add(span).ok()?)
            }
        }
    })))
}

/// Which unit an instant lies in, counted so that neighbouring units differ by one.
fn ordinal(unit: &Unit, micros: i64) -> Option<i64> {
    Some(match unit {
        Unit::Fixed(length) => micros.div_euclid(*length),
        // 1970-01-01 was a Thursday; weeks begin on Mondays.
        Unit::Week => (micros.div_euclid(DAY) + 3).div_euclid(7),
        Unit::Nanosecond => micros.checked_mul(1_000)?,
        Unit::Months(months) => {
            let civil = civil_of(micros)?;
            (i64::from(civil.year()) * 12 + i64::from(civil.month()) - 1).div_euclid(*months)
        }
    })
}

fn datediff(args: &[ArrayRef]) -> Result<ArrayRef> {
    let unit = unit_of(&args[0])?;
    let (from, to) = (instants(&args[1])?, instants(&args[2])?);
    let counts = (0..from.len()).map(|row| {
        let (from, to) = (instant_at(&from, row)?, instant_at(&to, row)?);
        Some(ordinal(&unit, to)? - ordinal(&unit, from)?)
    });
    Ok(Arc::new(counts.collect::<Int64Array>()))
}

/// `time_slice(instant, length, unit, 'start' | 'end')`; slices are counted from 1970.
fn time_slice(args: &[ArrayRef]) -> Result<ArrayRef> {
    let instants = instants(&args[0])?;
    let lengths = wholes(&args[1])?;
    let unit = unit_of(&args[2])?;
    let ends = args.get(3).map(texts).transpose()?;
    Ok(made((0..instants.len()).map(|row| {
        let micros = instant_at(&instants, row)?;
        let length = whole_at(&lengths, row).filter(|length| *length > 0)?;
        let end = ends.as_ref().and_then(|ends| at(ends, row)).is_some_and(|end| end.eq_ignore_ascii_case("end"));
        let shift = |slice: i64| slice + i64::from(end);
        match unit {
            Unit::Months(months) => {
                let months = months * length;
                let civil = civil_of(micros)?;
                let since = (i64::from(civil.year()) - 1970) * 12 + i64::from(civil.month()) - 1;
                let begin = shift(since.div_euclid(months)) * months;
                let year = i16::try_from(1970 + begin.div_euclid(12)).ok()?;
                let month = i8::try_from(begin.rem_euclid(12) + 1).ok()?;
                micros_of(Date::new(year, month, 1).ok()?.to_datetime(jiff::civil::Time::midnight()))
            }
            Unit::Week => {
                let length = 7 * DAY * length;
                Some(shift((micros + 3 * DAY).div_euclid(length)) * length - 3 * DAY)
            }
            Unit::Fixed(step) => Some(shift(micros.div_euclid(step * length)) * step * length),
            Unit::Nanosecond => Some(micros),
        }
    })))
}

fn last_day(args: &[ArrayRef]) -> Result<ArrayRef> {
    let instants = instants(&args[0])?;
    let unit = match args.get(1) {
        Some(name) => unit_of(name)?,
        None => Unit::Months(1),
    };
    Ok(made((0..instants.len()).map(|row| {
        let micros = instant_at(&instants, row)?;
        match unit {
            Unit::Months(months) => {
                let next = (ordinal(&unit, micros)? + 1) * months;
                let year = i16::try_from(next.div_euclid(12)).ok()?;
                let month = i8::try_from(next.rem_euclid(12) + 1).ok()?;
                let first = Date::new(year, month, 1).ok()?.to_datetime(jiff::civil::Time::midnight());
                Some(micros_of(first)? - DAY)
            }
            Unit::Week => Some(((ordinal(&unit, micros)? + 1) * 7 - 3 - 1) * DAY),
            _ => Some(micros.div_euclid(DAY) * DAY),
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        read(text).and_then(civil_of).map(|civil| civil.to_string())
    }

    #[test]
    fn texts_that_are_timestamps() {
        for (text, expected) in [
            ("2024-02-29", "2024-02-29T00:00:00"),
            ("2024-02-29 10:20", "2024-02-29T10:20:00"),
            ("2024-02-29 10:20:30.123456", "2024-02-29T10:20:30.123456"),
            ("2024-02-29T10:20:30Z", "2024-02-29T10:20:30"),
            ("2024-02-29T10:20:30+02:00", "2024-02-29T08:20:30"),
            ("2024-02-29 10:20:30.000 +0200", "2024-02-29T08:20:30"),
            ("2024-02-29 10:20:30 UTC", "2024-02-29T10:20:30"),
            ("1709202030", "2024-02-29T10:20:30"),
            ("1709202030123", "2024-02-29T10:20:30.123"),
            ("1709202030.5", "2024-02-29T10:20:30.5"),
            ("02/29/2024 10:20:30", "2024-02-29T10:20:30"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(shown("yesterday"), None);
    }

    #[test]
    fn formats() {
        assert_eq!(strtime_format("YYYY-MM-DD\"T\"HH24:MI:SS.FF3"), "%Y-%m-%dT%H:%M:%S.%3f");
        assert_eq!(strtime_format("mon dd, yyyy"), "%b %d, %Y");
    }
}
