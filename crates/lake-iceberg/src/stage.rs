//! A batch's rows made durable, table by table, seen by nobody yet.
//!
//! Tables are independent until the store moves their pointers together, so they are written side by side; and names are
//! made durable once, at the end. Two stages of one table at a time are allowed: both start from the same metadata, and
//! the store refuses the second one's move as a conflict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::io::FileIO;
use uncia_lake::{LakeError, RowSink};
use uncia_model::{BatchId, Clock, PointerMove, TableRef, TableSchema};

use crate::commit::{self, Append};
use crate::sink::ColumnSink;
use crate::storage::{LocalStorage, location_of};
use crate::tables::{LoadedTable, Tables};
use crate::writer::DataWriter;

/// Tables written side by side: encoding takes a core each, syncing waits for the disk.
const TABLES_AT_ONCE: usize = 4;

/// The write side of a lake.
pub(crate) struct Stager {
    pub(crate) warehouse: PathBuf,
    pub(crate) storage: LocalStorage,
    pub(crate) io: FileIO,
    pub(crate) tables: Arc<Tables>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// All rows of a batch for one table.
#[derive(Default)]
pub(crate) struct TableRows {
    pub(crate) schemas: Vec<Arc<TableSchema>>,
    pub(crate) batches: Vec<RecordBatch>,
    /// Event times of the rows in microseconds, batch by batch.
    pub(crate) times: Vec<i64>,
}

/// A table written and not yet seen, and the move that shows it.
type Staged = (PointerMove, Arc<LoadedTable>);

impl Stager {
    pub(crate) async fn sink(
        &self,
        table: &TableRef,
        schema: &Arc<TableSchema>,
    ) -> Result<Box<dyn RowSink>, LakeError> {
        let base = self.tables.load(table).await?;
        let location = location_of(&table_directory(&self.warehouse, table)?);
        let prepared = commit::prepare(table, &location, base.as_deref(), std::slice::from_ref(schema))?;
        Ok(Box::new(ColumnSink::new(table.clone(), schema.clone(), &prepared)?))
    }

    pub(crate) async fn stage(
        &self,
        batch: BatchId,
        sinks: Vec<Box<dyn RowSink>>,
    ) -> Result<Vec<PointerMove>, LakeError> {
        let mut tables: BTreeMap<TableRef, TableRows> = BTreeMap::new();
        for sink in sinks {
            let collected = ColumnSink::collected(sink)?;
            if collected.times.is_empty() {
                continue;
            }
            let entry = tables.entry(collected.table).or_default();
            entry.schemas.push(collected.wanted);
            entry.batches.extend(collected.batches);
            entry.times.extend(collected.times);
        }
        let stages = tables.into_iter().map(|(table, rows)| self.stage_table(batch, table, rows));
        let staged: Vec<Option<Staged>> = stream::iter(stages).buffered(TABLES_AT_ONCE).try_collect().await?;
        let storage = self.storage.clone();
        blocking(move || storage.settle()).await?;
        let mut moves = Vec::with_capacity(staged.len());
        for (step, table) in staged.into_iter().flatten() {
            self.tables.remember(table);
            moves.push(step);
        }
        Ok(moves)
    }

    /// `None` if the table has the batch already. Boxed: the future is large, and there is one per table.
    fn stage_table(
        &self,
        batch: BatchId,
        table: TableRef,
        rows: TableRows,
    ) -> BoxFuture<'_, Result<Option<Staged>, LakeError>> {
        async move {
            let base = self.tables.load(&table).await?;
            if base.as_ref().is_some_and(|base| commit::has_batch(base, batch)) {
                return Ok(None);
            }
            let location = location_of(&table_directory(&self.warehouse, &table)?);
            let prepared = Arc::new(commit::prepare(&table, &location, base.as_deref(), &rows.schemas)?);
            let writer =
                DataWriter { table: table.clone(), prepared: prepared.clone(), storage: self.storage.clone(), batch };
            let files = blocking(move || writer.write(&rows)).await?;
            let now_ms = self.clock.now().micros.div_euclid(1_000);
            let append =
                Append { io: &self.io, table: &table, base: base.as_deref(), prepared: &prepared, batch, now_ms };
            let staged = append.write(files).await?;
            let from = base.map(|base| base.location.clone());
            let step = PointerMove { table: table.clone(), from, to: staged.location.clone() };
            Ok(Some((step, Arc::new(staged))))
        }
        .boxed()
    }
}

/// `<warehouse>/<database>/<table>`; a name that would leave it is refused.
pub(crate) fn table_directory(warehouse: &Path, table: &TableRef) -> Result<PathBuf, LakeError> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if table.name.is_empty() || !table.name.chars().all(is_plain) {
        let message = "a table's name is letters, digits, `_` and `-`".into();
        return Err(LakeError::Table { table: table.to_string(), message });
    }
    Ok(warehouse.join(table.database.as_str()).join(&*table.name))
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| LakeError::Engine(Box::new(e)))?
}
