//! Parquet rows as JSON.

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use ::parquet::file::metadata::ParquetMetaData;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use bytes::Bytes;

use super::{Piece, Source};

const MAX_ROWS: usize = 1024;
/// What the rows of one step may take, at the worst.
const MAX_STEP_BYTES: u64 = 64 * 1024 * 1024;
/// A dictionary as large as writers make them; one value of it can stand in every row.
const USUAL_DICTIONARY_BYTES: u64 = 1024 * 1024;

pub(super) fn open(file: Bytes) -> Result<Source, String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let rows = rows_per_step(builder.metadata());
    let reader = builder.with_batch_size(rows).build().map_err(|error| error.to_string())?;
    Ok(Box::new(reader.map_rows()))
}

/// A value of a dictionary is written out in every row that has it, so a large dictionary makes the steps small.
fn rows_per_step(metadata: &ParquetMetaData) -> usize {
    let largest = metadata.row_groups().iter().flat_map(|group| group.columns()).map(|column| {
        let start = column.dictionary_page_offset()?;
        let packed = u64::try_from(column.data_page_offset() - start).ok()?;
        let ratio = column.uncompressed_size().unsigned_abs() / column.compressed_size().unsigned_abs().max(1);
        Some(packed.saturating_mul(ratio + 1))
    });
    let largest = largest.flatten().max().unwrap_or(0).max(USUAL_DICTIONARY_BYTES / 16);
    usize::try_from(MAX_STEP_BYTES / largest).unwrap_or(MAX_ROWS).clamp(1, MAX_ROWS)
}

trait MapRows {
    fn map_rows(self) -> impl Iterator<Item = Result<Piece, String>> + Send + 'static;
}

impl MapRows for ParquetRecordBatchReader {
    fn map_rows(self) -> impl Iterator<Item = Result<Piece, String>> + Send + 'static {
        self.map(|batch| {
            let batch = batch.map_err(|error| error.to_string())?;
            // A timestamp without a zone is taken for UTC, as all others are.
            let mut writer = WriterBuilder::new()
                .with_explicit_nulls(false)
                .with_timestamp_format("%Y-%m-%dT%H:%M:%S%.fZ".to_owned())
                .build::<_, LineDelimited>(Vec::new());
            writer.write(&batch).map_err(|error| error.to_string())?;
            writer.finish().map_err(|error| error.to_string())?;
            Ok(Piece { lines: writer.into_inner(), rows: batch.num_rows() as u64 })
        })
    }
}
