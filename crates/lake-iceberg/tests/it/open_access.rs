//! Other engines read the same tables: PyIceberg through the store's file as its catalog, DuckDB from the list of files.
//!
//! Runs when `UNCIA_TEST_PYTHON` names a python with `pyiceberg[sql-sqlite,pyarrow]` and `duckdb`. What "the same" means
//! is defined in `tests/python/open_access.py`, beside the other side's code for it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uncia_document::Timestamp;
use uncia_lake::{Lake, RowBatch};
use uncia_lake_iceberg::IcebergLake;
use uncia_model::{BatchId, ColumnType, Database, TableRef, TableSchema};
use uncia_store::{BatchCommit, CommitOutcome, Store};

use crate::fixture::{Item, list, record, row, schema};
use crate::read_back;

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
    let tables: Vec<Value> = lake.tables().await.unwrap().iter().map(ours).collect();
    assert_eq!(tables.len(), 2);
    let request = json!({"catalog": file.display().to_string(), "tables": tables});

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/open_access.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "the engines disagree");
    assert_eq!(said.matches("agrees").count(), 4, "two engines, two tables");
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

/// Count and checksums of a table, as our own reading of its files has them.
fn ours(info: &uncia_lake::TableInfo) -> Value {
    let mut columns: Map<String, Value> = Map::new();
    let mut sums: Vec<(u64, u64)> = vec![(0, 0); info.schema.columns.len()];
    let mut rows = 0;
    for batch in read_back::batches(&info.data_files) {
        for n in 0..batch.num_rows() {
            rows += 1;
            let values = read_back::columns(&batch, n, &info.schema);
            for (column, sum) in info.schema.columns.iter().zip(&mut sums) {
                let Some(value) = values.get(&column.name) else { continue };
                // JSON text is text to everybody else.
                let text = match &column.kind {
                    ColumnType::Json => json_text(&batch, n, &column.name),
                    kind => canonical(value, kind),
                };
                sum.0 += 1;
                sum.1 = sum.1.wrapping_add(u64::from(crc32(text.as_bytes())));
            }
        }
    }
    for (column, (count, sum)) in info.schema.columns.iter().zip(sums) {
        columns.insert(column.name.clone(), json!({"values": count, "checksum": sum}));
    }
    assert_eq!(rows, info.rows);
    json!({
        "namespace": info.table.database.as_str(), "name": &*info.table.name, "rows": rows,
        "files": info.data_files, "columns": columns, "order": names(&info.schema),
    })
}

fn names(schema: &TableSchema) -> Vec<&str> {
    schema.columns.iter().map(|column| column.name.as_str()).collect()
}

fn json_text(batch: &arrow::array::RecordBatch, row: usize, name: &str) -> String {
    use arrow::array::AsArray;
    batch.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned()
}

/// A value's text for the checksum.
fn canonical(value: &Value, kind: &ColumnType) -> String {
    match (value, kind) {
        (Value::Null, _) => "null".into(),
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
