//! Tables for tests: rows as JSON lines, written to Parquet as the lake's own files are.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimestampMicrosecondType};
use async_trait::async_trait;
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use uncia_document::{Interner, Timestamp};
use uncia_lake::LakeError;
use uncia_model::{Column, ColumnType, Database, ManualClock, TableRef, TableSchema, fields};

use crate::query::schema::file_schema;
use crate::query::session::{QueryConfig, QueryEngine};
use crate::query::snapshots::{Snapshot, Snapshots};
use crate::tables::LiveFile;

/// 2026-11-20T12:00:00Z, the tests' now.
pub(super) const NOW: i64 = 1_795_176_000_000_000;

pub(super) struct Fixture {
    directory: TempDir,
    tables: Vec<Snapshot>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), tables: Vec::new() }
    }

    /// Adds a table; each file has the columns that the table had when it was written.
    pub(super) fn table(&mut self, database: Database, name: &str, columns: &[Column], files: &[(&[Column], &str)]) {
        let table = TableRef::new(database, name);
        let mut live = Vec::new();
        for (n, (columns, lines)) in files.iter().enumerate() {
            let path = self.directory.path().join(format!("{table} {n}.parquet"));
            let batch = batch(&schema(columns), lines);
            let mut writer =
                ArrowWriter::try_new(File::create(&path).expect("a file"), batch.schema(), None).expect("a writer");
            writer.write(&batch).expect("rows are written");
            writer.close().expect("the file is complete");
            let times =
                batch.column_by_name(fields::EVENT_TIME).map(|times| times.as_primitive::<TimestampMicrosecondType>());
            live.push(LiveFile {
                rows: batch.num_rows() as u64,
                bytes: path.metadata().expect("the file is there").len(),
                earliest: times.and_then(|times| times.iter().flatten().min()),
                latest: times.and_then(|times| times.iter().flatten().max()),
                partition: None,
                path,
            });
        }
        self.tables.push(Snapshot { table, schema: Arc::new(schema(columns)), files: Arc::new(live) });
    }

    pub(super) fn engine(self) -> Engine {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(NOW)));
        let config = QueryConfig { memory_bytes: 64 << 20, partitions: 2 };
        let engine = QueryEngine::new(Arc::new(self), Interner::new(), clock, config).expect("an engine");
        Engine(engine)
    }
}

pub(super) fn schema(columns: &[Column]) -> TableSchema {
    TableSchema { columns: columns.to_vec(), description: String::new() }
}

fn batch(schema: &TableSchema, lines: &str) -> RecordBatch {
    let written = as_written(&file_schema(schema));
    let mut decoder = arrow::json::ReaderBuilder::new(written.clone()).build_decoder().expect("a decoder");
    decoder.decode(lines.as_bytes()).expect("rows are JSON");
    decoder.flush().expect("rows fit the schema").unwrap_or_else(|| RecordBatch::new_empty(written))
}

/// As Iceberg writes it: list children are called `element`, and every field carries an id.
fn as_written(schema: &SchemaRef) -> SchemaRef {
    let mut next_id = 0;
    Arc::new(Schema::new(
        schema.fields().iter().map(|field| written_field(field, field.name(), &mut next_id)).collect::<Fields>(),
    ))
}

fn written_field(field: &Field, name: &str, next_id: &mut u32) -> FieldRef {
    *next_id += 1;
    let metadata = [("PARQUET:field_id".to_owned(), next_id.to_string())].into();
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(written_field(item, "element", next_id)),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| written_field(field, field.name(), next_id)).collect())
        }
        other => other.clone(),
    };
    Arc::new(Field::new(name, data_type, true).with_metadata(metadata))
}

#[async_trait]
impl Snapshots for Fixture {
    async fn pointers(&self) -> Result<Vec<(TableRef, String)>, LakeError> {
        Ok(self.tables.iter().map(|snapshot| (snapshot.table.clone(), String::new())).collect())
    }

    async fn load(&self, table: &TableRef, _location: &str) -> Result<Snapshot, LakeError> {
        Ok(self.tables.iter().find(|snapshot| snapshot.table == *table).expect("a listed table").clone())
    }
}

pub(super) struct Engine(pub(super) QueryEngine);

impl Engine {
    /// The rows as JSON lines, or the error.
    pub(super) async fn show(&self, sql: &str) -> String {
        match self.rows(sql).await {
            Ok(rows) => rows.join("\n"),
            Err(error) => format!("error: {error}"),
        }
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<String>, LakeError> {
        let output = self.0.query(sql, None).await?;
        let documents: Vec<_> = output.rows.try_collect().await?;
        Ok(documents.iter().map(uncia_document::Document::to_json).collect())
    }
}

pub(super) fn list(item: ColumnType) -> ColumnType {
    ColumnType::List(Box::new(item))
}

pub(super) fn object(fields: &[(&str, ColumnType)]) -> ColumnType {
    ColumnType::Struct(fields.iter().map(|(name, kind)| Column::new(*name, kind.clone())).collect())
}

pub(super) fn columns(columns: &[(&str, ColumnType)]) -> Vec<Column> {
    columns.iter().map(|(name, kind)| Column::new(*name, kind.clone())).collect()
}

/// CloudTrail before its identity and its resources grew a field, and after.
pub(super) fn trail_columns(grown: bool) -> Vec<Column> {
    use ColumnType::{Bool, Double, Json, Long, String, Timestamp};
    let attributes = object(&[("mfaAuthenticated", String)]);
    let mut identity = vec![("type", String), ("userName", String)];
    let mut resource = vec![("arn", String)];
    if grown {
        identity.push(("sessionContext", object(&[("attributes", attributes)])));
        resource.insert(0, ("accountId", String));
    }
    let mut all = vec![
        ("p_log_type", String),
        ("p_row_id", String),
        ("p_event_time", Timestamp),
        ("p_any_ip_addresses", list(String)),
        ("eventName", String),
        ("sourceIPAddress", String),
        ("userIdentity", object(&identity)),
        ("requestParameters", Json),
        ("resources", list(object(&resource))),
        ("bytes", Long),
    ];
    if grown {
        all.extend([("score", Double), ("readOnly", Bool), ("id_orig_h", String)]);
    }
    columns(&all)
}

const OLD_TRAIL: &str = r#"
{"p_log_type":"AWS.CloudTrail","p_row_id":"r1","p_event_time":"2026-11-18T10:00:00Z","p_any_ip_addresses":["10.0.0.1","1.2.3.4"],"eventName":"ConsoleLogin","sourceIPAddress":"1.2.3.4","userIdentity":{"type":"IAMUser","userName":"alice"},"requestParameters":"{\"bucketName\":\"logs\",\"items\":[{\"a\":1},{\"a\":2}],\"Count\":10}","resources":[{"arn":"arn:one"},{"arn":"arn:two"}],"bytes":10}
{"p_log_type":"AWS.CloudTrail","p_row_id":"r2","p_event_time":"2026-11-18T11:30:00Z","p_any_ip_addresses":["10.0.0.2"],"eventName":"CreateUser","sourceIPAddress":"10.0.0.2","userIdentity":{"type":"Root"},"requestParameters":"{\"Count\":9,\"flag\":true}","bytes":20}
"#;

const NEW_TRAIL: &str = r#"
{"p_log_type":"AWS.CloudTrail","p_row_id":"r3","p_event_time":"2026-11-20T11:00:00Z","p_any_ip_addresses":["1.2.3.4"],"eventName":"ConsoleLogin","sourceIPAddress":"1.2.3.4","userIdentity":{"type":"IAMUser","userName":"bob","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}},"resources":[{"accountId":"123","arn":"arn:three"}],"bytes":30,"score":0.5,"readOnly":true,"id_orig_h":"9.9.9.9"}
{"p_log_type":"AWS.CloudTrail","p_row_id":"r4","p_event_time":"2026-11-20T11:59:00Z","eventName":"DeleteTrail","userIdentity":{"userName":"alice","sessionContext":{"attributes":{"mfaAuthenticated":"true"}}},"bytes":0}
"#;

/// A lake with CloudTrail that grew, an Okta table and rule matches.
pub(super) fn lake() -> Engine {
    use ColumnType::{Json, String, Timestamp};
    let mut fixture = Fixture::new();
    let (before, after) = (trail_columns(false), trail_columns(true));
    fixture.table(Database::Logs, "aws_cloudtrail", &after, &[(&before, OLD_TRAIL), (&after, NEW_TRAIL)]);
    let okta = columns(&[
        ("p_log_type", String),
        ("p_row_id", String),
        ("p_event_time", Timestamp),
        ("p_any_emails", list(String)),
        ("eventType", String),
        ("SourceIPAddress", String),
    ]);
    let rows = r#"{"p_log_type":"Okta.SystemLog","p_row_id":"o1","p_event_time":"2026-11-19T00:00:00Z","p_any_emails":["a@b.c"],"eventType":"user.session.start","SourceIPAddress":"1.2.3.4"}"#;
    fixture.table(Database::Logs, "okta_systemlog", &okta, &[(&okta, rows)]);
    let matches = columns(&[
        ("p_log_type", String),
        ("p_event_time", Timestamp),
        ("p_rule_id", String),
        ("p_alert_context", Json),
        ("eventName", String),
    ]);
    let rows = r#"{"p_log_type":"AWS.CloudTrail","p_event_time":"2026-11-18T10:00:00Z","p_rule_id":"AWS.Console.Login","p_alert_context":"{\"actor\":\"alice\"}","eventName":"ConsoleLogin"}"#;
    fixture.table(Database::RuleMatches, "aws_cloudtrail", &matches, &[(&matches, rows)]);
    fixture.table(Database::Logs, "zeek_conn", &okta, &[]);
    fixture.engine()
}
