//! Rows taken out of a table: files that hold some of them are copied without them, and the copies stand in their place.
//!
//! A copy's name still ends in the id of the batch that wrote the rows, by which that batch is known to have landed.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use iceberg::spec::DataFile;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use uncia_lake::LakeError;
use uncia_model::{BatchId, PointerMove, RowId, TableRef, fields};

use crate::commit::{self, Append};
use crate::stage::{Stager, blocking};
use crate::tables::LiveFile;
use crate::writer::{DataWriter, as_they_stand, encode};

/// The files that take the place of others.
#[derive(Default)]
pub(crate) struct Replacement {
    pub(crate) files: Vec<DataFile>,
    pub(crate) gone: HashSet<PathBuf>,
}

impl Stager {
    pub(crate) async fn stage_removal(
        &self,
        batch: BatchId,
        table: &TableRef,
        rows: &HashSet<RowId>,
    ) -> Result<Option<PointerMove>, LakeError> {
        let Some(base) = self.tables.load(table).await? else { return Ok(None) };
        if rows.is_empty() || commit::has_batch(&base, batch) {
            return Ok(None);
        }
        let prepared = Arc::new(commit::prepare(table, base.metadata.location(), Some(&base), &[])?);
        let writer =
            DataWriter { table: table.clone(), prepared: prepared.clone(), storage: self.storage.clone(), batch };
        let (files, ids) = (base.files.clone(), rows.iter().map(ToString::to_string).collect());
        let Replacement { files, gone } = blocking(move || replacement(&writer, &files, &ids)).await?;
        if gone.is_empty() {
            return Ok(None);
        }
        let now_ms = self.clock.now().micros.div_euclid(1_000);
        let append = Append { io: &self.io, table, base: Some(&base), prepared: &prepared, batch, now_ms };
        let staged = append.write_instead(files, &gone).await?;
        let storage = self.storage.clone();
        blocking(move || storage.settle()).await?;
        let step = PointerMove { table: table.clone(), from: Some(base.location.clone()), to: staged.location.clone() };
        self.tables.remember(Arc::new(staged));
        Ok(Some(step))
    }
}

pub(crate) fn replacement(
    writer: &DataWriter,
    files: &[LiveFile],
    ids: &HashSet<String>,
) -> Result<Replacement, LakeError> {
    let mut replacement = Replacement::default();
    for file in files {
        if !holds_any(&file.path, ids)? {
            continue;
        }
        let (schema, kept) = rows_without(&file.path, ids)?;
        replacement.gone.insert(file.path.clone());
        if kept.is_empty() {
            continue;
        }
        let encoded = encode(&schema, &kept, &as_they_stand(&kept)).map_err(engine)?;
        let path = copy_path(&file.path, writer.batch);
        writer.storage.put(&path, &encoded.bytes)?;
        replacement.files.push(writer.data_file(&path, &encoded, file.partition)?);
    }
    Ok(replacement)
}

/// Reads only the ids.
pub(crate) fn holds_any(path: &Path, ids: &HashSet<String>) -> Result<bool, LakeError> {
    let reader = reader(path)?;
    let column = ProjectionMask::columns(reader.parquet_schema(), [fields::ROW_ID]);
    for batch in reader.with_projection(column).build().map_err(engine)? {
        if found(&batch.map_err(engine)?, ids).true_count() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn rows_without(path: &Path, ids: &HashSet<String>) -> Result<(SchemaRef, Vec<RecordBatch>), LakeError> {
    let reader = reader(path)?;
    let schema = reader.schema().clone();
    let mut kept = Vec::new();
    for batch in reader.build().map_err(engine)? {
        let batch = batch.map_err(engine)?;
        let others: BooleanArray = found(&batch, ids).iter().map(|found| found.map(|found| !found)).collect();
        let batch = filter_record_batch(&batch, &others).map_err(engine)?;
        if batch.num_rows() > 0 {
            kept.push(batch);
        }
    }
    Ok((schema, kept))
}

/// Which rows have one of the ids.
fn found(batch: &RecordBatch, ids: &HashSet<String>) -> BooleanArray {
    let column = batch.column_by_name(fields::ROW_ID).and_then(|column| column.as_string_opt::<i32>());
    match column {
        Some(column) => column.iter().map(|id| Some(id.is_some_and(|id| ids.contains(id)))).collect(),
        None => BooleanArray::from(vec![false; batch.num_rows()]),
    }
}

fn reader(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, LakeError> {
    let file = File::open(path).map_err(|source| LakeError::Io {
        action: "open",
        path: path.display().to_string(),
        source,
    })?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(engine)
}

/// `<day>-<batch>.parquet` becomes `<day>-<removal>-<batch>.parquet`; an earlier removal's id gives way.
fn copy_path(path: &Path, removal: BatchId) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let (rest, batch) = stem.rsplit_once('-').unwrap_or(("", &stem));
    let label = match rest.rsplit_once('-') {
        Some((label, earlier)) if earlier.len() == removal.hex().len() => label,
        _ if rest.len() == removal.hex().len() => "",
        _ => rest,
    };
    let dash = if label.is_empty() { "" } else { "-" };
    path.with_file_name(format!("{label}{dash}{removal}-{batch}.parquet"))
}

pub(crate) fn engine(error: impl std::error::Error + Send + Sync + 'static) -> LakeError {
    LakeError::Engine(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_the_batch_and_the_day() {
        let (first, second) = (BatchId::of(&["1"]), BatchId::of(&["2"]));
        let batch = BatchId::of(&["b"]);
        let path = PathBuf::from(format!("/t/data/2026-11-21-{batch}.parquet"));
        let copy = copy_path(&path, first);
        assert_eq!(copy, PathBuf::from(format!("/t/data/2026-11-21-{first}-{batch}.parquet")));
        assert_eq!(copy_path(&copy, second), PathBuf::from(format!("/t/data/2026-11-21-{second}-{batch}.parquet")));
        let plain = PathBuf::from(format!("/t/data/{batch}.parquet"));
        let copy = copy_path(&plain, first);
        assert_eq!(copy, PathBuf::from(format!("/t/data/{first}-{batch}.parquet")));
        assert_eq!(copy_path(&copy, second), PathBuf::from(format!("/t/data/{second}-{batch}.parquet")));
    }
}
