//! Other engines read the same tables: PyIceberg through the store's file as its catalog, DuckDB from the list of files.
//!
//! Runs when `UNCIA_TEST_PYTHON` names a python with `pyiceberg[sql-sqlite,pyarrow]` and `duckdb`. What "the same" means
//! is defined in `tests/python/open_access.py`, beside the other side's code for it; our side is our own SQL.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Map, Value, json};
use uncia_document::Timestamp;
use uncia_lake::{Lake, RowBatch, TableInfo};
use uncia_lake_iceberg::IcebergLake;
use uncia_model::{BatchId, ColumnType, Database, RowId, TableRef};
use uncia_store::{BatchCommit, CommitOutcome, Store};

use crate::fixture::{Item, list, record, row, schema};

#[tokio::test]
async fn other_engines_agree() {
    let Ok(python) = std::env::var("UNCIA_TEST_PYTHON") else {
        println!("skipped: UNCIA_TEST_PYTHON names no python with pyiceberg and duckdb");
        return;
    };
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("store.sqlite");
    let store = Arc::new(Store::open(&file).await.unwrap());
    let lake = IcebergLake::open(&directory.path().join("lake"), store.clone()).unwrap();
    for n in 0..6 {
        let batch = BatchId::of(&["batch", &n.to_string()]);
        let moves = lake.stage(batch, batches(n)).await.unwrap();
        let commit = BatchCommit { moves, ..BatchCommit::new(batch, n) };
        assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    }
    exchange(&store, &lake).await;
    let mut tables = Vec::new();
    for info in lake.tables().await.unwrap() {
        tables.push(ours(&lake, &info).await);
    }
    assert_eq!(tables.len(), 3);
    let request = json!({"catalog": file.display().to_string(), "tables": tables});

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/open_access.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "the engines disagree");
    assert_eq!(said.matches("agrees").count(), 6, "two engines, three tables");
}

/// A table whose rows come and go.
async fn exchange(store: &Store, lake: &IcebergLake) {
    let kinds = schema(vec![("name", ColumnType::String), ("p_row_id", ColumnType::String)]);
    let table = TableRef::new(Database::Lookups, "states");
    let id = |n: i64| RowId::of(&"s".into(), "state", n.unsigned_abs(), 0);
    for (at, added, gone) in [(100, 0..50, 0..0), (101, 50..60, 20..30), (102, 60..61, 0..20)] {
        let batch = BatchId::of(&["exchange", &at.to_string()]);
        let mut sink = lake.sink(&table, &kinds).await.unwrap();
        for n in added {
            let name = format!("user{n}");
            sink.append(&row(n * 40_000_000, json!({"name": name, "p_row_id": id(n).to_string()}))).unwrap();
        }
        let step = lake.stage_exchange(batch, sink, &gone.map(id).collect()).await.unwrap().unwrap();
        let commit = BatchCommit { moves: vec![step], ..BatchCommit::new(batch, at) };
        assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    }
}

/// Rows of two tables, whose schema widens with the third batch.
fn batches(n: i64) -> Vec<RowBatch> {
    let mut who = vec![("name", ColumnType::String)];
    let mut columns = vec![
        ("n", ColumnType::Long),
        ("share", ColumnType::Double),
        ("ok", ColumnType::Bool),
        ("seen", ColumnType::Timestamp),
        ("request", ColumnType::Json),
        ("p_any_ip_addresses", list(ColumnType::String)),
        ("hosts", list(record(vec![("ip", ColumnType::String), ("ports", list(ColumnType::Int))]))),
    ];
    if n >= 3 {
        who.push(("city", ColumnType::String));
        columns.push(("added", ColumnType::Int));
    }
    columns.push(("who", record(who)));
    let wide = schema(columns);
    let narrow = schema(vec![("eventName", ColumnType::String)]);
    let rows = (0..500).map(|i| event(n * 500 + i)).collect();
    let names =
        (0..10).map(|i| row(n * 100_000 + i, json!({"eventName": format!("Ünï·{i}"), "x": {"y": [i]}}))).collect();
    let table = |name: &str| TableRef::new(Database::Logs, name);
    vec![
        RowBatch { table: table("wide_events"), schema: wide, rows },
        RowBatch { table: table("narrow_events"), schema: narrow, rows: names },
    ]
}

fn event(n: i64) -> uncia_document::Document {
    let mut json = json!({
        "n": n * 1_000_003, "share": (n as f64).sqrt(), "ok": n % 3 == 0, "request": {"id": n, "tags": [n % 5]},
        "p_any_ip_addresses": [format!("10.0.{}.{}", n / 256, n % 256)],
        "hosts": [{"ip": "::1", "ports": [n % 7, 443]}, {"ip": format!("h{n}"), "new": true}],
        "who": {"name": format!("user{}", n % 11), "city": "Þórshöfn"}, "added": n % 100,
    });
    if n % 4 == 0 {
        json["who"] = Value::Null;
        json["hosts"] = json!([]);
    }
    let Item::Object(mut members) = Item::json(&json) else { unreachable!("built as an object") };
    members.push(("seen".into(), Item::Time(Timestamp::from_seconds(1_700_000_000 + n, 1_000 * n as u32))));
    Item::Object(members).into_row(Timestamp::from_seconds(1_700_000_000 + n * 977, 5_000))
}

/// Count and checksums of a table, as our own SQL has them.
async fn ours(lake: &IcebergLake, info: &TableInfo) -> Value {
    let answer = lake.query(&format!("SELECT * FROM {}", info.table)).await.unwrap();
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, info.schema.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>());
    let rows: Vec<Value> =
        answer.rows.map(|row| serde_json::from_str(&row.unwrap().to_json()).unwrap()).collect().await;
    assert_eq!(rows.len() as u64, info.rows);
    let mut columns = Map::new();
    for column in &info.schema.columns {
        let values = rows.iter().map(|row| &row[&column.name]).filter(|value| !value.is_null());
        let sums = values.fold((0u64, 0u64), |(count, sum), value| {
            (count + 1, sum.wrapping_add(u64::from(crc32(canonical(value, &column.kind).as_bytes()))))
        });
        columns.insert(column.name.clone(), json!({"values": sums.0, "checksum": sums.1}));
    }
    json!({
        "namespace": info.table.database.as_str(), "name": &*info.table.name, "rows": rows.len(),
        "files": info.data_files, "columns": columns,
    })
}

/// A value's text for the checksum.
fn canonical(value: &Value, kind: &ColumnType) -> String {
    match (value, kind) {
        (Value::Null, _) => "null".into(),
        // JSON text is text to everybody else.
        (json, ColumnType::Json) => json.to_string(),
        (Value::Number(number), ColumnType::Double) => {
            let bits = number.as_f64().unwrap().to_bits();
            format!("{bits:016x}")
        }
        (Value::String(text), ColumnType::Timestamp) => micros(text).to_string(),
        (Value::String(text), _) => text.clone(),
        (Value::Array(items), ColumnType::List(item)) => {
            let texts: Vec<String> = items.iter().map(|value| canonical(value, item)).collect();
            format!("[{}]", texts.join(","))
        }
        (Value::Object(members), ColumnType::Struct(columns)) => {
            let mut texts: Vec<String> = columns
                .iter()
                .filter_map(|column| {
                    let value = members.get(&column.name)?;
                    Some(format!("{}:{}", column.name, canonical(value, &column.kind)))
                })
                .collect();
            texts.sort();
            format!("{{{}}}", texts.join(","))
        }
        (plain, _) => plain.to_string(),
    }
}

fn micros(text: &str) -> i64 {
    let part = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    // Days before the year's first of March, with January and February counted to the year before.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    ((days * 24 + part(11, 13)) * 60 + part(14, 16)) * 60_000_000 + part(17, 19) * 1_000_000 + part(20, 26)
}

/// The CRC of zip files and of Python's `zlib.crc32`.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn the_checksum_is_the_common_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    assert_eq!(micros("2024-02-29 00:00:00.000001000"), 1_709_164_800_000_001);
    assert_eq!(micros(&Timestamp::from_seconds(1_700_000_000, 0).to_string()), 1_700_000_000_000_000);
}
