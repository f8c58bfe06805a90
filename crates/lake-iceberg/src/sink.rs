//! Rows of one table on their way to a stage: columns that grow as rows come, so that a row's document need not live
//! longer than the row takes to be appended.

use std::any::Any;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use iceberg::arrow::schema_to_arrow_schema;
use uncia_document::Document;
use uncia_lake::{LakeError, RowSink};
use uncia_model::{TableRef, TableSchema};

use crate::columns::{ColumnError, Columns};
use crate::commit::Prepared;
use crate::storage::lake_error;

/// A record batch ends here: columns that grow further are copied ever more often, and the next ones know how large they
/// will be.
const RECORD_BATCH_ROWS: usize = 8 * 1024;
/// Or here: Arrow's offsets are 31 bits.
const RECORD_BATCH_BYTES: usize = 256 * 1024 * 1024;

/// A sink of this lake.
pub(crate) struct ColumnSink {
    table: TableRef,
    wanted: Arc<TableSchema>,
    columns: Columns,
    times: Vec<i64>,
    finished: Vec<RecordBatch>,
    rows: usize,
    /// Since the last record batch ended.
    unfinished: Unfinished,
}

#[derive(Default)]
struct Unfinished {
    rows: usize,
    bytes: usize,
}

/// What a sink collected.
pub(crate) struct Collected {
    pub(crate) table: TableRef,
    pub(crate) wanted: Arc<TableSchema>,
    pub(crate) batches: Vec<RecordBatch>,
    /// Event times in microseconds, one for each row.
    pub(crate) times: Vec<i64>,
}

impl ColumnSink {
    pub(crate) fn new(table: TableRef, wanted: Arc<TableSchema>, prepared: &Prepared) -> Result<Self, LakeError> {
        let schema: SchemaRef = schema_to_arrow_schema(&prepared.schema).map_err(lake_error)?.into();
        let columns = Columns::new(schema, &prepared.json);
        Ok(Self {
            table,
            wanted,
            columns,
            times: Vec::new(),
            finished: Vec::new(),
            rows: 0,
            unfinished: Unfinished::default(),
        })
    }

    /// What a sink of this lake collected.
    pub(crate) fn collected(sink: Box<dyn RowSink>) -> Result<Collected, LakeError> {
        let sink = sink.into_any().downcast::<Self>();
        let sink = sink.map_err(|_| LakeError::Engine("a sink of another lake was given to be staged".into()))?;
        sink.finish()
    }

    fn finish(mut self) -> Result<Collected, LakeError> {
        self.end_record_batch()?;
        Ok(Collected { table: self.table, wanted: self.wanted, batches: self.finished, times: self.times })
    }

    fn end_record_batch(&mut self) -> Result<(), LakeError> {
        if self.unfinished.rows > 0 {
            let batch = self.columns.finish().map_err(|e| self.error(&e))?;
            self.finished.push(batch);
            self.unfinished = Unfinished::default();
        }
        Ok(())
    }

    fn error(&self, error: &ColumnError) -> LakeError {
        LakeError::Table { table: self.table.to_string(), message: error.to_string() }
    }
}

impl RowSink for ColumnSink {
    fn append(&mut self, row: &Document) -> Result<(), LakeError> {
        let time = self.columns.append(self.rows, row).map_err(|e| self.error(&e))?;
        self.times.push(time);
        self.rows += 1;
        self.unfinished.rows += 1;
        self.unfinished.bytes += row.heap_bytes();
        if self.unfinished.rows >= RECORD_BATCH_ROWS || self.unfinished.bytes >= RECORD_BATCH_BYTES {
            self.end_record_batch()?;
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}
