//! What a lake is: typed rows go in by batches, SQL comes out.
//!
//! A write has two halves. [`Lake::stage`] makes data files and the tables' next metadata durable, invisible to every
//! reader; the [`PointerMove`]s it returns are then applied by the store in the one transaction that also records the
//! batch, its progress and its alerts. So readers never see half a batch, and a crash between the halves leaves only
//! files that nothing points to.
//!
//! Deliberately absent: Arrow, Parquet, DataFusion. Rows are documents; an engine turns them into columns its own way.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use uncia_document::Document;
use uncia_model::{BatchId, PointerMove, TableRef, TableSchema};

/// Rows of one table. Each row's root is an object; columns are its members by name, absent ones are null, and members
/// that are no column (at any depth of structs) are kept in `p_extra`.
#[derive(Debug)]
pub struct RowBatch {
    pub table: TableRef,
    pub schema: Arc<TableSchema>,
    pub rows: Vec<Document>,
}

/// A lake.
#[async_trait]
pub trait Lake: Send + Sync {
    /// Writes the rows durably without showing them. Creates and widens tables as the schemas ask. Staging the same
    /// batch again gives moves of the same meaning; staging without rows gives none.
    async fn stage(&self, batch: BatchId, rows: Vec<RowBatch>) -> Result<Vec<PointerMove>, LakeError>;

    /// Runs one read-only statement in the Snowflake dialect over the newest committed snapshots.
    async fn query(&self, sql: &str) -> Result<QueryOutput, LakeError>;

    /// All tables, sorted by name.
    async fn tables(&self) -> Result<Vec<TableInfo>, LakeError>;
}

/// A query's answer.
pub struct QueryOutput {
    pub columns: Vec<OutputColumn>,
    /// Each row is an object with the columns' names as keys, in the columns' order.
    pub rows: BoxStream<'static, Result<Document, LakeError>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    pub name: String,
    /// The engine's name of the type, for people.
    pub kind: String,
}

#[derive(Clone, Debug)]
pub struct TableInfo {
    pub table: TableRef,
    pub schema: TableSchema,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    /// Absolute paths or URLs of the data files, for readers without an Iceberg library.
    pub data_files: Vec<String>,
}

/// Why the lake could not do it.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The statement is wrong; the text says where and what would be right.
    #[error("{0}")]
    Sql(String),
    /// A row or schema does not fit its table.
    #[error("table {table}: {message}")]
    Table { table: String, message: String },
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: String, source: std::io::Error },
    #[error("lake: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}
