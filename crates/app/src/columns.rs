//! Parquet and Avro on their way in: the lake's crate knows these formats, the splitter is given them.

use bytes::Bytes;
use uncia_lake_iceberg::rows::{avro_rows, parquet_rows};
use uncia_processing::{Columnar, ColumnarError, ColumnarFormat, Rows};

/// Opens files of columns with the lake's readers.
pub(crate) struct Files;

impl Columnar for Files {
    fn rows(&self, format: ColumnarFormat, file: Bytes) -> Result<Rows, ColumnarError> {
        let told = |error: uncia_lake_iceberg::rows::RowsError| ColumnarError(error.to_string());
        let lines = match format {
            ColumnarFormat::Parquet => parquet_rows(file),
            ColumnarFormat::Avro => avro_rows(file),
        };
        Ok(Box::new(lines.map_err(told)?.map(move |piece| piece.map_err(told))))
    }
}
