//! A lake in a temporary directory, and short ways to make schemas and rows.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use tempfile::TempDir;
use uncia_document::{Document, Interner, Member, Scratch, Timestamp, Value};
use uncia_lake::{Lake, LakeError, RowBatch, TableInfo};
use uncia_lake_iceberg::storage::Disk;
use uncia_lake_iceberg::{IcebergLake, MemoryCatalog};
use uncia_model::{BatchId, Column, ColumnType, Database, ManualClock, PointerMove, TableRef, TableSchema, fields};

/// All rows' keys, as in a process.
static INTERNER: LazyLock<Arc<Interner>> = LazyLock::new(Interner::new);

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) catalog: Arc<MemoryCatalog>,
    pub(crate) lake: IcebergLake,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(uncia_lake_iceberg::storage::LocalDisk))
    }

    pub(crate) fn on(disk: Arc<dyn Disk>) -> Self {
        let directory = TempDir::new().unwrap();
        let catalog = Arc::new(MemoryCatalog::default());
        let lake = open(directory.path(), &catalog, disk);
        Self { directory, catalog, lake }
    }

    /// The same lake as another process would open it.
    pub(crate) fn reopened(&self) -> IcebergLake {
        open(self.directory.path(), &self.catalog, Arc::new(uncia_lake_iceberg::storage::LocalDisk))
    }

    pub(crate) async fn stage(
        &self,
        batch: &str,
        schema: &Arc<TableSchema>,
        rows: Vec<Document>,
    ) -> Result<Vec<PointerMove>, LakeError> {
        let rows = RowBatch { table: table(), schema: schema.clone(), rows };
        self.lake.stage(BatchId::of(&[batch]), vec![rows]).await
    }

    /// Stages and commits.
    pub(crate) async fn land(&self, batch: &str, schema: &Arc<TableSchema>, rows: Vec<Document>) {
        let moves = self.stage(batch, schema, rows).await.unwrap();
        assert!(self.catalog.apply(&moves), "nobody else commits");
    }

    pub(crate) async fn info(&self) -> Option<TableInfo> {
        self.lake.tables().await.unwrap().into_iter().next()
    }
}

/// A disk that promises nothing, for tests that write a lot.
#[derive(Debug)]
pub(crate) struct HastyDisk;

impl Disk for HastyDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        std::fs::write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_directory(&self, _path: &Path) -> std::io::Result<()> {
        Ok(())
    }
}

fn open(directory: &Path, catalog: &Arc<MemoryCatalog>, disk: Arc<dyn Disk>) -> IcebergLake {
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000, 0)));
    IcebergLake::open_with(&directory.join("lake"), catalog.clone(), clock, disk).unwrap()
}

pub(crate) fn table() -> TableRef {
    TableRef::new(Database::Logs, "test_events")
}

/// A schema of these columns and `p_event_time`.
pub(crate) fn schema(columns: Vec<(&str, ColumnType)>) -> Arc<TableSchema> {
    let mut columns: Vec<Column> = columns.into_iter().map(|(name, kind)| Column::new(name, kind)).collect();
    let mut time = Column::new(fields::EVENT_TIME, ColumnType::Timestamp);
    time.required = true;
    columns.push(time);
    Arc::new(TableSchema { columns, description: "Test events".into() })
}

pub(crate) fn list(item: ColumnType) -> ColumnType {
    ColumnType::List(Box::new(item))
}

pub(crate) fn record(columns: Vec<(&str, ColumnType)>) -> ColumnType {
    ColumnType::Struct(columns.into_iter().map(|(name, kind)| Column::new(name, kind)).collect())
}

/// A value as processing makes it: JSON, instants, and empty arrays at typed positions.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Time(Timestamp),
    EmptyArray,
    Array(Vec<Item>),
    Object(Vec<(String, Item)>),
}

impl Item {
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) => Self::Array(items.iter().map(Self::json).collect()),
            serde_json::Value::Object(members) => {
                Self::Object(members.iter().map(|(key, value)| (key.clone(), Self::json(value))).collect())
            }
        }
    }

    /// A row: this object's members and the time.
    pub(crate) fn into_row(self, time: Timestamp) -> Document {
        let Self::Object(mut members) = self else { panic!("a row is an object") };
        members.push((fields::EVENT_TIME.into(), Self::Time(time)));
        let mut document = Document::new();
        let root = Self::Object(members).build(&mut document, &INTERNER);
        document.set_root(root);
        document
    }

    fn build(&self, document: &mut Document, interner: &Interner) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(literal) => Value::Number(document.push_text(literal)),
            Self::Text(text) => document.push_string(text),
            Self::Time(stamp) => Value::Timestamp(*stamp),
            Self::EmptyArray => Value::EmptyArray,
            Self::Array(items) => {
                let items = items.iter().map(|item| item.build(document, interner)).collect();
                document.close_array(&mut Scratch { items, members: Vec::new() }, 0)
            }
            Self::Object(pairs) => {
                let members = pairs
                    .iter()
                    .map(|(key, item)| {
                        let key = document.push_key(interner, key);
                        Member { key, value: item.build(document, interner) }
                    })
                    .collect();
                document.close_object(&mut Scratch { members, items: Vec::new() }, 0)
            }
        }
    }
}

/// A row of JSON with its time in seconds since 1970.
pub(crate) fn row(seconds: i64, json: serde_json::Value) -> Document {
    Item::json(&json).into_row(Timestamp::from_seconds(seconds, 0))
}
