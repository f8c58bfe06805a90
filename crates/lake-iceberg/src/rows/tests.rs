//! Rows of files written here, whole, damaged and cut.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray,
    StructArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Int64Type};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

use super::*;

fn lines(rows: Result<Lines, RowsError>) -> Vec<String> {
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return vec![format!("! {error}")],
    };
    let mut shown = Vec::new();
    for piece in rows {
        match piece {
            Ok(piece) => shown.extend(String::from_utf8(piece).unwrap().lines().map(str::to_owned)),
            Err(error) => shown.push(format!("! {error}")),
        }
    }
    shown
}

fn batch() -> RecordBatch {
    let at = 1_700_000_000_123_456;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(StringArray::from(vec![Some("a\n\"é\""), None]))),
        ("n", Arc::new(Int64Array::from(vec![i64::MAX, i64::MIN]))),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("f", Arc::new(Float64Array::from(vec![1.5, f64::NAN]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![at, 0]).with_timezone("UTC"))),
        ("local", Arc::new(TimestampMicrosecondArray::from(vec![at, 0]))),
        ("raw", Arc::new(BinaryArray::from(vec![&b"\xff\x00"[..], b""]))),
        ("price", Arc::new(Decimal128Array::from(vec![12_345, -1]).with_precision_and_scale(20, 2).unwrap())),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), Some(vec![])])),
        ),
        (
            "in",
            Arc::new(StructArray::from(vec![(
                Arc::new(Field::new("x", arrow::datatypes::DataType::Utf8, true)),
                Arc::new(StringArray::from(vec![Some("y"), None])) as ArrayRef,
            )])),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn parquet(compression: Compression) -> Vec<u8> {
    let mut file = Vec::new();
    let batch = batch();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn parquet_rows_are_json() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines(parquet_rows(parquet(compression).into())).join("\n"), @r#"
            {"text":"a\n\"é\"","n":9223372036854775807,"u":18446744073709551615,"f":1.5,"b":true,"at":"2023-11-14T22:13:20.123456Z","local":"2023-11-14T22:13:20.123456Z","raw":"ff00","price":123.45,"list":[1,null],"in":{"x":"y"}}
            {"n":-9223372036854775808,"u":0,"f":null,"b":false,"at":"1970-01-01T00:00:00Z","local":"1970-01-01T00:00:00Z","raw":"","price":-0.01,"list":[],"in":{}}
            "#);
        }
    }
    assert_eq!(lines(parquet_rows(Bytes::from_static(b"PAR1"))).len(), 1);
}

const SCHEMA: &str = r#"{"type":"record","name":"Row","fields":[
    {"name":"text","type":["null","string"]},
    {"name":"n","type":"long"},
    {"name":"f","type":"float"},
    {"name":"d","type":"double"},
    {"name":"raw","type":"bytes"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"day","type":{"type":"int","logicalType":"date"}},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
    {"name":"tags","type":{"type":"map","values":"string"}},
    {"name":"list","type":{"type":"array","items":["null","int"]}}]}"#;

fn avro(codec: apache_avro::Codec) -> Vec<u8> {
    use apache_avro::types::{Record, Value};
    let schema = apache_avro::Schema::parse_str(SCHEMA).unwrap();
    let mut writer = apache_avro::Writer::with_codec(&schema, Vec::new(), codec);
    for (text, n) in
        [(Value::Union(1, Box::new("a\n\"é\"".into())), i64::MAX), (Value::Union(0, Box::new(Value::Null)), -1)]
    {
        let mut row = Record::new(writer.schema()).unwrap();
        row.put("text", text);
        row.put("n", n);
        row.put("f", 0.1_f32);
        row.put("d", if n < 0 { f64::INFINITY } else { 1e300 });
        row.put("raw", Value::Bytes(vec![255, 0]));
        row.put("at", Value::TimestampMicros(1_700_000_000_123_456));
        row.put("day", Value::Date(19_675));
        row.put("kind", Value::Enum(1, "B".to_owned()));
        let tags = [("b", "2"), ("a", "1")].map(|(name, value)| (name.to_owned(), Value::from(value)));
        row.put("tags", Value::Map(tags.into_iter().collect()));
        row.put(
            "list",
            Value::Array(vec![Value::Union(1, Box::new(Value::Int(1))), Value::Union(0, Box::new(Value::Null))]),
        );
        writer.append(row).unwrap();
    }
    writer.into_inner().unwrap()
}

#[test]
fn avro_rows_are_json() {
    for codec in [
        apache_avro::Codec::Null,
        apache_avro::Codec::Deflate(apache_avro::DeflateSettings::default()),
        apache_avro::Codec::Snappy,
        apache_avro::Codec::Zstandard(apache_avro::ZstandardSettings::default()),
    ] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines(avro_rows(avro(codec).into())).join("\n"), @r#"
            {"text":"a\n\"é\"","n":9223372036854775807,"f":0.1,"d":1e+300,"raw":"ff00","at":"2023-11-14T22:13:20.123456Z","day":"2023-11-14","kind":"B","tags":{"a":"1","b":"2"},"list":[1,null]}
            {"n":-1,"f":0.1,"raw":"ff00","at":"2023-11-14T22:13:20.123456Z","day":"2023-11-14","kind":"B","tags":{"a":"1","b":"2"},"list":[1,null]}
            "#);
        }
    }
}

#[test]
fn recursive_avro_is_refused() {
    let schema = r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}"#;
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    let mut writer = apache_avro::Writer::new(&schema, Vec::new());
    let mut row = apache_avro::types::Record::new(writer.schema()).unwrap();
    row.put("next", apache_avro::types::Value::Union(0, Box::new(apache_avro::types::Value::Null)));
    writer.append(row).unwrap();
    let file = writer.into_inner().unwrap();
    assert_eq!(
        lines(avro_rows(file.into())),
        ["! the file cannot be opened: its schema is recursive: Node holds itself"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_is_an_error_and_no_more(is_parquet in any::<bool>(), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<Option<prop::sample::Index>>()) {
        let mut file = if is_parquet { parquet(Compression::SNAPPY) } else { avro(apache_avro::Codec::Snappy) };
        let place = place.index(file.len());
        file[place] = byte;
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let shown = lines(if is_parquet { parquet_rows(file.into()) } else { avro_rows(file.into()) });
        prop_assert!(shown.len() < 1_000_000);
    }
}
