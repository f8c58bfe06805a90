//! Schemas grow while tables live: new columns, new fields deep inside, wider integers, contradictions.

use std::sync::Arc;

use serde_json::{Value, json};
use uncia_lake::Lake;
use uncia_model::{ColumnType, TableSchema, fields};

use crate::fixture::{Fixture, list, record, row, schema};
use crate::read_back;

fn without_time(rows: Vec<Value>) -> Vec<Value> {
    rows.into_iter()
        .map(|mut row| {
            row.as_object_mut().unwrap().shift_remove(fields::EVENT_TIME);
            row
        })
        .collect()
}

fn shown(kind: &ColumnType) -> String {
    match kind {
        ColumnType::List(item) => format!("[{}]", shown(item)),
        ColumnType::Struct(columns) => {
            let columns: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, shown(&c.kind))).collect();
            format!("{{{}}}", columns.join(", "))
        }
        plain => format!("{plain:?}"),
    }
}

#[tokio::test]
async fn a_table_widens_and_old_files_stay() {
    let fixture = Fixture::new();
    let first = schema(vec![
        ("who", record(vec![("name", ColumnType::String)])),
        ("hosts", list(record(vec![("ip", ColumnType::String)]))),
        ("count", ColumnType::Int),
        ("detail", ColumnType::String),
    ]);
    let event = json!({"who": {"name": "ann", "city": "Oslo"}, "hosts": [{"ip": "::1", "mac": "m"}], "count": 1,
        "detail": "text", "Detail": 2, "added": true});
    fixture.land("one", &first, vec![row(1, event.clone())]).await;
    let second = schema(vec![
        ("who", record(vec![("city", ColumnType::String), ("name", ColumnType::String)])),
        ("hosts", list(record(vec![("ip", ColumnType::String), ("mac", ColumnType::String)]))),
        ("count", ColumnType::Long),
        ("detail", record(vec![("x", ColumnType::Int)])),
        ("Detail", ColumnType::Int),
        ("added", ColumnType::Bool),
        ("free", list(ColumnType::Json)),
    ]);
    fixture.land("two", &second, vec![row(2, event.clone())]).await;
    // A source that has not heard of the new schema writes on.
    fixture.land("three", &first, vec![row(3, event.clone())]).await;

    let info = fixture.reopened().tables().await.unwrap().remove(0);
    assert_eq!(without_time(read_back::rows(&info.data_files, &info.schema)), vec![event; 3]);
    let kinds: Vec<String> = info.schema.columns.iter().map(|c| format!("{} {}", c.name, shown(&c.kind))).collect();
    insta::assert_snapshot!(kinds.join("\n"), @r"
    who {name String, city String}
    hosts [{ip String, mac String}]
    count Long
    detail String
    p_event_time Timestamp
    p_extra Json
    added Bool
    free [Json]
    ");
    let extras: Vec<Value> = read_back::batches(&info.data_files)
        .iter()
        .map(|batch| read_back::columns(batch, 0, &info.schema).remove(fields::EXTRA).unwrap_or_default())
        .collect();
    insta::assert_snapshot!(
        serde_json::to_string(&extras).unwrap(),
        @r#"[{"Detail":2},{"Detail":2},{"who":{"city":"Oslo"},"hosts":[{"ip":"::1","mac":"m"}],"Detail":2,"added":true}]"#
    );
}

#[tokio::test]
async fn docs_and_marks_survive() {
    let mut wanted = TableSchema::clone(&schema(vec![
        ("request", ColumnType::Json),
        ("empty", record(vec![])),
        ("items", list(ColumnType::Json)),
    ]));
    wanted.columns[0].doc = Some("requestParameters".into());
    let fixture = Fixture::new();
    fixture
        .land("one", &Arc::new(wanted), vec![row(1, json!({"request": [1], "empty": {}, "items": [{"a": 1}]}))])
        .await;
    let loaded = fixture.lake.snapshots().load(&crate::fixture::table()).await.unwrap().unwrap();
    assert_eq!(loaded.schema.description, "Test events");
    assert_eq!(loaded.schema.columns[0].doc.as_deref(), Some("requestParameters"));
    let marked = &loaded.metadata.properties()[uncia_lake_iceberg::JSON_COLUMNS];
    assert_eq!(marked, r#"["empty","items.element","p_extra","request"]"#);
}
