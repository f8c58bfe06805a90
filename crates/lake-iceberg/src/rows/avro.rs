//! Avro rows as JSON: logical types become what a schema reads, bytes become hex as they do from Parquet.

use std::io::Cursor;

use apache_avro::Reader;
use apache_avro::schema::{Name, Schema};
use apache_avro::types::Value;
use bytes::Bytes;
use serde_json::{Map, Number, Value as Json};

use super::{Piece, Source};

/// Lines are handed on in pieces of about this size.
const PIECE_BYTES: usize = 256 * 1024;
/// The largest thing that the reader may allocate because the file says so.
const MAX_ALLOCATION: usize = 128 * 1024 * 1024;

pub(super) fn open(file: Bytes) -> Result<Source, String> {
    apache_avro::util::max_allocation_bytes(MAX_ALLOCATION);
    let mut reader = Reader::new(Cursor::new(file)).map_err(|error| error.to_string())?;
    if let Some(name) = recursion(reader.writer_schema(), &mut Vec::new()) {
        // Its rows may nest as deep as they like, and reading them is recursive.
        return Err(format!("its schema is recursive: {name} holds itself"));
    }
    if !matches!(reader.writer_schema(), Schema::Record(_)) {
        return Err("its rows are no records".to_owned());
    }
    let mut failed = None;
    Ok(Box::new(std::iter::from_fn(move || {
        if let Some(error) = failed.take() {
            return Some(Err(error));
        }
        let mut piece = Piece { lines: Vec::new(), rows: 0 };
        while piece.lines.len() < PIECE_BYTES {
            match reader.next() {
                None if piece.rows == 0 => return None,
                None => break,
                Some(Ok(row)) => {
                    serde_json::to_writer(&mut piece.lines, &json(row)).expect("values made here have a JSON form");
                    piece.lines.push(b'\n');
                    piece.rows += 1;
                }
                Some(Err(error)) if piece.rows == 0 => return Some(Err(error.to_string())),
                Some(Err(error)) => {
                    // The rows before it are good.
                    failed = Some(error.to_string());
                    break;
                }
            }
        }
        Some(Ok(piece))
    })))
}

/// The name of a type that holds itself.
fn recursion(schema: &Schema, enclosing: &mut Vec<Name>) -> Option<String> {
    match schema {
        Schema::Record(record) => {
            enclosing.push(record.name.clone());
            let found = record.fields.iter().find_map(|field| recursion(&field.schema, enclosing));
            enclosing.pop();
            found
        }
        Schema::Array(array) => recursion(&array.items, enclosing),
        Schema::Map(map) => recursion(&map.types, enclosing),
        Schema::Union(union) => union.variants().iter().find_map(|variant| recursion(variant, enclosing)),
        Schema::Ref { name } => enclosing.contains(name).then(|| name.to_string()),
        _ => None,
    }
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Long(value) => value.into(),
        // As it is written, and not as the next double.
        Value::Float(value) if value.is_finite() => {
            value.to_string().parse::<Number>().map_or(Json::Null, Json::Number)
        }
        Value::Double(value) => Number::from_f64(value).map_or(Json::Null, Json::Number),
        Value::Float(_) => Json::Null,
        Value::String(text) | Value::Enum(_, text) => text.into(),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => hex(&bytes).into(),
        Value::Union(_, value) => json(*value),
        Value::Array(values) => values.into_iter().map(json).collect(),
        Value::Map(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            // A hash map has no order of its own, and the same file must give the same bytes.
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(members.into_iter().map(|(name, value)| (name, json(value))).collect())
        }
        Value::Record(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, json(value)));
            Json::Object(fields.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
        }
        Value::Date(days) => {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).unwrap_or_default());
            date.map_or_else(|_| days.into(), |date| date.to_string().into())
        }
        Value::TimestampMillis(at) | Value::LocalTimestampMillis(at) => timestamp(i128::from(at) * 1_000_000, at),
        Value::TimestampMicros(at) | Value::LocalTimestampMicros(at) => timestamp(i128::from(at) * 1_000, at),
        Value::TimestampNanos(at) | Value::LocalTimestampNanos(at) => timestamp(i128::from(at), at),
        Value::TimeMillis(at) => time(i64::from(at) * 1_000, at.into()),
        Value::TimeMicros(at) => time(at, at.into()),
        Value::Uuid(id) => id.to_string().into(),
        Value::BigDecimal(number) => {
            let text = number.to_plain_string();
            text.parse::<Number>().map_or_else(|_| text.into(), Json::Number)
        }
        Value::Decimal(number) => Vec::<u8>::try_from(&number).map_or(Json::Null, |bytes| hex(&bytes).into()),
        Value::Duration(duration) => {
            let parts: [u8; 12] = duration.into();
            hex(&parts).into()
        }
    }
}

/// RFC 3339 in UTC; beyond what has a date, the number.
fn timestamp(nanos: i128, raw: i64) -> Json {
    jiff::Timestamp::from_nanosecond(nanos).map_or_else(|_| raw.into(), |at| at.to_string().into())
}

fn time(micros: i64, raw: Json) -> Json {
    if !(0..86_400_000_000).contains(&micros) {
        return raw;
    }
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    format!("{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
