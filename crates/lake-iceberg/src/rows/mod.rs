//! Files of columns on the way in: Parquet and Avro, their rows as JSON objects, one a line.
//!
//! Nothing of the lake is touched here; this crate has them because it is the one that knows these formats. Both readers
//! are given hostile files: whatever happens in them is an error and no panic, and no row count makes them hold more than
//! some rows at a time.

mod avro;
mod parquet;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

/// Rows as JSON objects, one a line, some lines at a time. After an error nothing comes.
pub type Lines = Box<dyn Iterator<Item = Result<Vec<u8>, RowsError>> + Send>;

/// Why a file cannot be read (on).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    #[error("the file cannot be opened: {0}")]
    Open(String),
    #[error("row {row} and those behind it cannot be read: {message}")]
    Read { row: u64, message: String },
}

/// The rows of a Parquet file.
pub fn parquet_rows(file: Bytes) -> Result<Lines, RowsError> {
    let lines = guarded(|| parquet::open(file)).map_err(RowsError::Open)?;
    Ok(Box::new(Guarded { lines: Some(lines), row: 0 }))
}

/// The rows of an Avro object container file.
pub fn avro_rows(file: Bytes) -> Result<Lines, RowsError> {
    let lines = guarded(|| avro::open(file)).map_err(RowsError::Open)?;
    Ok(Box::new(Guarded { lines: Some(lines), row: 0 }))
}

/// Some rows, with their number.
struct Piece {
    lines: Vec<u8>,
    rows: u64,
}

type Source = Box<dyn Iterator<Item = Result<Piece, String>> + Send>;

/// Ends at the first error, and makes one of a panic.
struct Guarded {
    lines: Option<Source>,
    row: u64,
}

impl Iterator for Guarded {
    type Item = Result<Vec<u8>, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let source = self.lines.as_mut()?;
        let piece = match guarded(|| source.next().transpose()) {
            Ok(Some(piece)) => piece,
            Ok(None) => {
                self.lines = None;
                return None;
            }
            Err(message) => {
                self.lines = None;
                return Some(Err(RowsError::Read { row: self.row, message }));
            }
        };
        self.row += piece.rows;
        Some(Ok(piece.lines))
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("its reader failed: {}", text.unwrap_or("without a message")))
    })
}

#[cfg(test)]
mod tests;
