//! Rows that come for rows that go, as one move: how a table holds exactly the newest snapshot of something.
//!
//! Most rows stay from one snapshot to the next, so files are touched only where rows go. What stays of small files moves
//! into the new file, large ones are copied without what goes; small files that have become many move too, so that an
//! hourly exchange of a few rows leaves no trail of tiny files.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use iceberg::spec::DataFile;
use uncia_lake::{LakeError, RowSink};
use uncia_model::{BatchId, PointerMove, RowId, fields};

use crate::commit::{self, Append};
use crate::remove::{Replacement, holds_any, replacement, rows_without};
use crate::sink::ColumnSink;
use crate::stage::{Stager, TableRows, blocking, table_directory};
use crate::storage::location_of;
use crate::tables::LiveFile;
use crate::writer::DataWriter;

/// Smaller files are merged.
const SMALL_FILE_BYTES: u64 = 8 * 1024 * 1024;
/// So many small files are merged even if nothing of them goes.
const MANY_SMALL_FILES: usize = 16;
/// Bytes of files whose rows move at once, since they are all in memory then. What is beyond it is copied file by file, and
/// moves another time. Two small files fit at the least, so that what is merged ends as a large one.
const MOVED_BYTES: u64 = 2 * SMALL_FILE_BYTES;

impl Stager {
    pub(crate) async fn stage_exchange(
        &self,
        batch: BatchId,
        added: Box<dyn RowSink>,
        gone: &HashSet<RowId>,
    ) -> Result<Option<PointerMove>, LakeError> {
        let added = ColumnSink::collected(added)?;
        let table = added.table.clone();
        let base = self.tables.load(&table).await?;
        let idle = added.times.is_empty() && (gone.is_empty() || base.is_none());
        if idle || base.as_ref().is_some_and(|base| commit::has_batch(base, batch)) {
            return Ok(None);
        }
        let location = location_of(&table_directory(&self.warehouse, &table)?);
        let prepared =
            Arc::new(commit::prepare(&table, &location, base.as_deref(), std::slice::from_ref(&added.wanted))?);
        let writer =
            DataWriter { table: table.clone(), prepared: prepared.clone(), storage: self.storage.clone(), batch };
        let there = base.as_ref().map(|base| base.files.clone()).unwrap_or_default();
        let gone = gone.iter().map(ToString::to_string).collect();
        let rows = TableRows { schemas: vec![added.wanted], batches: added.batches, times: added.times };
        let Replacement { files, gone } = blocking(move || exchanged(&writer, rows, &there, &gone)).await?;
        if files.is_empty() && gone.is_empty() {
            return Ok(None);
        }
        let now_ms = self.clock.now().micros.div_euclid(1_000);
        let append = Append { io: &self.io, table: &table, base: base.as_deref(), prepared: &prepared, batch, now_ms };
        let staged = append.write_instead(files, &gone).await?;
        let storage = self.storage.clone();
        blocking(move || storage.settle()).await?;
        let from = base.map(|base| base.location.clone());
        let step = PointerMove { table, from, to: staged.location.clone() };
        self.tables.remember(Arc::new(staged));
        Ok(Some(step))
    }
}

fn exchanged(
    writer: &DataWriter,
    mut rows: TableRows,
    there: &[LiveFile],
    ids: &HashSet<String>,
) -> Result<Replacement, LakeError> {
    let (mut small, mut large): (Vec<&LiveFile>, Vec<&LiveFile>) =
        there.iter().partition(|file| file.bytes < SMALL_FILE_BYTES);
    let all = small.len() >= MANY_SMALL_FILES;
    small.sort_by_key(|file| file.bytes);
    large.extend(small.split_off(moving(small.iter().map(|file| file.bytes))));
    let mut moved = HashSet::new();
    for file in small {
        if !all && !holds_any(&file.path, ids)? {
            continue;
        }
        let (_, kept) = rows_without(&file.path, ids)?;
        for batch in kept {
            rows.times.extend(times(&batch));
            rows.batches.push(batch);
        }
        moved.insert(file.path.clone());
    }
    let mut files: Vec<DataFile> = if rows.times.is_empty() { Vec::new() } else { writer.write(&rows)? };
    let large: Vec<LiveFile> = large.into_iter().cloned().collect();
    let copied = replacement(writer, &large, ids)?;
    files.extend(copied.files);
    moved.extend(copied.gone);
    Ok(Replacement { files, gone: moved })
}

/// How many of the files, smallest first, may move at once.
fn moving(sizes: impl Iterator<Item = u64>) -> usize {
    let ends = sizes.scan(0, |end, bytes| {
        *end += bytes;
        Some(*end)
    });
    ends.take_while(|end| *end <= MOVED_BYTES).count()
}

/// Event times of rows that the table has, for their order.
fn times(batch: &RecordBatch) -> Vec<i64> {
    let column = batch.column_by_name(fields::EVENT_TIME);
    let column = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    match column {
        Some(column) => column.iter().map(Option::unwrap_or_default).collect(),
        None => vec![0; batch.num_rows()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_at_once_is_bounded() {
        let large = SMALL_FILE_BYTES - 1;
        for (sizes, count) in [(vec![], 0), (vec![1; 20], 20), (vec![1, 2, large, large], 3), (vec![large; 40], 2)] {
            assert_eq!(moving(sizes.iter().copied()), count, "{sizes:?}");
        }
    }
}
