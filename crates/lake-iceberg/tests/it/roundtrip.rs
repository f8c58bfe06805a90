//! The law of the write side: whatever a row holds, its table's files give it back.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use uncia_document::Timestamp;
use uncia_lake::Lake;
use uncia_model::{ColumnType, TableSchema, fields};

use crate::fixture::{Fixture, HastyDisk, Item, list, record, row, schema};
use crate::read_back;

#[tokio::test]
async fn columns_and_extras_have_their_places() {
    let kinds = schema(vec![
        ("name", ColumnType::String),
        ("count", ColumnType::Long),
        ("share", ColumnType::Double),
        ("seen", ColumnType::Timestamp),
        ("tags", list(ColumnType::String)),
        ("who", record(vec![("id", ColumnType::Int), ("home", record(vec![("city", ColumnType::String)]))])),
        ("hosts", list(record(vec![("ip", ColumnType::String)]))),
        ("request", ColumnType::Json),
    ]);
    let fixture = Fixture::new();
    let fits = json!({"name": "a", "count": 1, "share": 0.5, "tags": [], "who": {"id": 1, "home": {"city": "x"}},
        "hosts": [{"ip": "::1"}], "request": {"b": [1, {"c": null}]}});
    let exceeds: Value = serde_json::from_str(
        r#"{"count": 12345678901234567890, "share": 0.12345678901234567890, "new": {"x": [1]},
            "who": {"id": 3000000000, "home": {"zip": "1"}, "pet": "cat"}, "hosts": [{"ip": "a", "mac": "b"}, 1],
            "tags": "one", "name": 5, "p_extra": "mine"}"#,
    )
    .unwrap();
    let mut fine = Item::json(&json!({}));
    if let Item::Object(members) = &mut fine {
        members.push(("seen".into(), Item::Time(Timestamp::from_seconds(1, 123_456_789))));
    }
    let rows = vec![row(30, fits.clone()), row(20, exceeds), fine.into_row(Timestamp::from_seconds(10, 0))];
    fixture.land("one", &kinds, rows).await;

    let info = fixture.info().await.unwrap();
    assert_eq!((info.rows, info.files), (3, 1));
    let batch = &read_back::batches(&info.data_files)[0];
    let shown: Vec<String> =
        (0..3).map(|n| Value::Object(read_back::columns(batch, n, &info.schema)).to_string()).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    {"seen":"1970-01-01 00:00:01.123456000","p_event_time":"1970-01-01 00:00:10.000000000","p_extra":{"seen":"1970-01-01 00:00:01.123456789"}}
    {"name":"5","share":0.12345678901234568,"who":{"home":{}},"hosts":[{"ip":"a"},null],"p_event_time":"1970-01-01 00:00:20.000000000","p_extra":{"count":12345678901234567890,"share":0.12345678901234567890,"new":{"x":[1]},"who":{"id":3000000000,"home":{"zip":"1"},"pet":"cat"},"hosts":[{"ip":"a","mac":"b"},1],"tags":"one","name":5,"p_extra":"mine"}}
    {"name":"a","count":1,"share":0.5,"tags":[],"who":{"id":1,"home":{"city":"x"}},"hosts":[{"ip":"::1"}],"request":{"b":[1,{"c":null}]},"p_event_time":"1970-01-01 00:00:30.000000000"}
    "#);
}

#[tokio::test]
async fn rows_without_a_time_are_refused() {
    let fixture = Fixture::new();
    let mut document = uncia_document::Parser::new(uncia_document::Interner::new()).parse(b"{\"a\":1}").unwrap();
    let kinds = schema(vec![("a", ColumnType::Long)]);
    let error = fixture.stage("one", &kinds, vec![row(1, json!({})), document.clone()]).await.unwrap_err();
    assert_eq!(error.to_string(), "table logs.test_events: row 1 has no p_event_time");
    document.set_root(uncia_document::Value::Null);
    let without_time = Arc::new(TableSchema { columns: Vec::new(), description: String::new() });
    let error = fixture.stage("one", &without_time, vec![row(1, json!({}))]).await.unwrap_err();
    assert_eq!(error.to_string(), "table logs.test_events: its schema has no p_event_time");
}

#[tokio::test]
async fn days_are_files() {
    let fixture = Fixture::new();
    let kinds = schema(vec![("n", ColumnType::Int)]);
    let rows = [86_400, 5, -1, 86_399].map(|time| row(time, json!({"n": time})));
    fixture.land("one", &kinds, rows.into()).await;
    let info = fixture.info().await.unwrap();
    let names: Vec<&str> = info.data_files.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names.iter().map(|name| &name[..10]).collect::<Vec<_>>(), ["1969-12-31", "1970-01-01", "1970-01-02"]);
    let loaded = fixture.lake.snapshots().load(&crate::fixture::table()).await.unwrap().unwrap();
    let bounds: Vec<_> =
        loaded.files.iter().map(|file| (file.rows, file.partition, file.earliest, file.latest)).collect();
    assert_eq!(
        bounds,
        [
            (1, Some(-1), Some(-1_000_000), Some(-1_000_000)),
            (2, Some(0), Some(5_000_000), Some(86_399_000_000)),
            (1, Some(1), Some(86_400_000_000), Some(86_400_000_000)),
        ]
    );
}

const NAMES: [&str; 5] = ["a", "b", "C", "d_1", "e"];

fn kind() -> impl Strategy<Value = ColumnType> {
    let leaf = prop_oneof![
        Just(ColumnType::String),
        Just(ColumnType::Bool),
        Just(ColumnType::Int),
        Just(ColumnType::Long),
        Just(ColumnType::Double),
        Just(ColumnType::Timestamp),
        Just(ColumnType::Json),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(list),
            prop::collection::vec(inner, 0..4).prop_map(|kinds| record(NAMES.into_iter().zip(kinds).collect())),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    let number = prop_oneof![
        any::<i32>().prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| format!("{n}00")),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        "-?[1-9][0-9]{0,20}\\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?",
    ];
    let leaf = prop_oneof![
        Just(Item::Null),
        any::<bool>().prop_map(Item::Bool),
        number.prop_map(Item::Number),
        "\\PC{0,6}".prop_map(Item::Text),
        (-62_000_000_000i64..250_000_000_000, prop_oneof![Just(0), 0u32..1_000_000_000])
            .prop_map(|(seconds, nanos)| Item::Time(Timestamp::from_seconds(seconds, nanos))),
        Just(Item::EmptyArray),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Item::Array), object(inner)]
    })
}

/// Members in any order: the columns' order is only a guess.
fn object(inner: impl Strategy<Value = Item>) -> impl Strategy<Value = Item> {
    let key = prop_oneof![4 => prop::sample::select(&NAMES[..]).prop_map(String::from), 1 => "\\PC{0,4}"];
    let members = prop::collection::btree_map(key, inner, 0..6);
    members.prop_map(|members| members.into_iter().collect::<Vec<_>>()).prop_shuffle().prop_map(Item::Object)
}

/// What the lake promises of a value: nulls are absent members, numbers are their values, instants their texts.
fn promised(item: &Item) -> Value {
    match item {
        Item::Null => Value::Null,
        Item::Bool(value) => (*value).into(),
        Item::Number(literal) => Value::String(decimal(literal)),
        Item::Text(text) => text.clone().into(),
        Item::Time(stamp) => stamp.to_string().into(),
        Item::EmptyArray => json!([]),
        Item::Array(items) => items.iter().map(promised).collect::<Vec<_>>().into(),
        Item::Object(members) => {
            let kept = members.iter().filter(|(_, item)| !matches!(item, Item::Null));
            Value::Object(kept.map(|(key, item)| (key.clone(), promised(item))).collect())
        }
    }
}

/// A number's value as text that two literals of it share.
fn decimal(literal: &str) -> String {
    let (sign, unsigned) = if let Some(rest) = literal.strip_prefix('-') { ("-", rest) } else { ("", literal) };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let exponent = exponent.parse::<i64>().unwrap() - fraction.len() as i64 + (all.len() - digits.len()) as i64;
    match digits.trim_start_matches('0') {
        "" => "number 0".into(),
        digits => format!("number {sign}{digits}e{exponent}"),
    }
}

fn numbers_as_values(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(decimal(&number.to_string())),
        Value::Array(items) => items.into_iter().map(numbers_as_values).collect(),
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, numbers_as_values(value))).collect())
        }
        plain => plain,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn nothing_of_a_row_is_lost(
        kinds in prop::collection::vec(kind(), 0..NAMES.len()),
        wider in prop::collection::vec(kind(), 0..NAMES.len()),
        rows in prop::collection::vec(object(item()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async {
            let fixture = Fixture::on(Arc::new(HastyDisk));
            // A second schema may widen the table, or contradict it.
            let schemas = [kinds, wider].map(|kinds| schema(NAMES.into_iter().zip(kinds).collect()));
            for (n, schema) in schemas.iter().enumerate() {
                let documents = rows.iter().enumerate().map(|(second, row)| {
                    row.clone().into_row(Timestamp::from_seconds(second as i64, 0))
                });
                fixture.land(&n.to_string(), schema, documents.collect()).await;
            }
            let info = fixture.reopened().tables().await.unwrap().remove(0);
            read_back::rows(&info.data_files, &info.schema)
        });
        prop_assert_eq!(read.len(), rows.len() * 2);
        // The newest file is listed first; within a file rows are sorted by time, which is their order here.
        for (n, value) in read.into_iter().enumerate() {
            let mut value = numbers_as_values(value);
            value.as_object_mut().unwrap().shift_remove(fields::EVENT_TIME);
            prop_assert_eq!(value, promised(&rows[n % rows.len()]), "row {}", n);
        }
    }
}
