//! What a lake is: typed rows go in by batches, SQL comes out.
//!
//! A write has two halves. [`Lake::stage`] makes data files and the tables' next metadata durable, invisible to every
//! reader; the [`PointerMove`]s it returns are then applied by the store in the one transaction that also records the
//! batch, its progress and its alerts. So readers never see half a batch, and a crash between the halves leaves only
//! files that nothing points to.
//!
//! Deliberately absent: Arrow, Parquet, DataFusion. Rows are documents; an engine turns them into columns its own way.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use uncia_document::{Document, Timestamp};
use uncia_model::{BatchId, PointerMove, RowId, TableRef, TableSchema};

/// Rows of one table. Each row's root is an object; columns are its members by name, absent ones are null, and members
/// that are no column (at any depth of structs) are kept in `p_extra`.
#[derive(Debug)]
pub struct RowBatch {
    pub table: TableRef,
    pub schema: Arc<TableSchema>,
    pub rows: Vec<Document>,
}

/// Collects rows of one table until they are staged, in the lake's own form: a row's document can go as soon as it is
/// appended. The keys of all rows are of one interner: a sink knows columns by their keys' ids.
pub trait RowSink: Send {
    /// Appends a row of the form that [`RowBatch::rows`] says.
    fn append(&mut self, row: &Document) -> Result<(), LakeError>;

    /// Rows appended so far.
    fn rows(&self) -> usize;

    /// For the lake that made it.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// A lake.
#[async_trait]
pub trait Lake: Send + Sync {
    /// A place to collect rows of a table that may not exist yet.
    async fn sink(&self, table: &TableRef, schema: &Arc<TableSchema>) -> Result<Box<dyn RowSink>, LakeError>;

    /// Writes what this lake's sinks collected, durably, without showing it. Creates and widens tables as the schemas
    /// ask. Staging the same batch again gives moves of the same meaning; staging without rows gives none.
    async fn stage_sinks(&self, batch: BatchId, sinks: Vec<Box<dyn RowSink>>) -> Result<Vec<PointerMove>, LakeError>;

    /// [`Self::stage_sinks`] of rows that are there already.
    async fn stage(&self, batch: BatchId, rows: Vec<RowBatch>) -> Result<Vec<PointerMove>, LakeError> {
        let mut sinks = Vec::with_capacity(rows.len());
        for RowBatch { table, schema, rows } in rows {
            let mut sink = self.sink(&table, &schema).await?;
            rows.iter().try_for_each(|row| sink.append(row))?;
            sinks.push(sink);
        }
        self.stage_sinks(batch, sinks).await
    }

    /// Stages the removal of the rows with these `p_row_id`s, with the same two halves as a write: files that hold some of
    /// them are copied without them. `None` if the table has none of them.
    async fn stage_removal(
        &self,
        batch: BatchId,
        table: &TableRef,
        rows: &HashSet<RowId>,
    ) -> Result<Option<PointerMove>, LakeError> {
        let _ = (batch, rows);
        Err(LakeError::Table { table: table.to_string(), message: "this lake cannot remove rows".to_owned() })
    }

    /// Stages, as one move, what a sink collected and the removal of the rows with these `p_row_id`s from its table: readers
    /// see the table before or after, never between. `None` if nothing changes.
    async fn stage_exchange(
        &self,
        batch: BatchId,
        added: Box<dyn RowSink>,
        gone: &HashSet<RowId>,
    ) -> Result<Option<PointerMove>, LakeError> {
        let _ = (batch, added, gone);
        Err(LakeError::Engine("this lake cannot exchange rows".into()))
    }

    /// Runs one read-only statement in the Snowflake dialect over the newest committed snapshots.
    async fn query(&self, sql: &str) -> Result<QueryOutput, LakeError>;

    /// The same with an instant of the caller's as the statement's `current_timestamp`.
    async fn query_at(&self, sql: &str, now: Timestamp) -> Result<QueryOutput, LakeError>;

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
    /// The statement names a table that is not there, or not yet: tables come with their first row.
    #[error("{message}")]
    NoTable { table: TableRef, message: String },
    /// A row or schema does not fit its table.
    #[error("table {table}: {message}")]
    Table { table: String, message: String },
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: String, source: std::io::Error },
    #[error("lake: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}
