//! Files of columns on the way in: what opens them is given, so that this crate knows neither Parquet nor Avro.

use bytes::Bytes;

pub use crate::stream::ColumnarFormat;

/// The largest file of columns that is opened, as it is sent: it is held in memory while it is read.
pub const MAX_COLUMNAR_BYTES: usize = 100 * 1024 * 1024;

/// Opens files of columns.
pub trait Columnar: Send + Sync {
    /// The rows of a file, as they come.
    fn rows(&self, format: ColumnarFormat, file: Bytes) -> Result<Rows, ColumnarError>;
}

/// Rows as JSON objects, one a line, some lines at a time. After an error nothing comes.
pub type Rows = Box<dyn Iterator<Item = Result<Vec<u8>, ColumnarError>> + Send>;

/// Why a file of columns cannot be read (on).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ColumnarError(pub String);
