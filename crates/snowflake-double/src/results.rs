//! Results in the encoding `jsonv2`: every cell is a string or null, rows are cut into partitions.
//!
//! Partitions are kept as the JSON text they will be sent as: a result is made once and fetched in pieces. The types and
//! their text forms: docs.snowflake.com, "SQL API: handling responses".

use bytes::Bytes;
use serde_json::{Value, json};

/// The type of a column, with the lower-case names of real answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Fixed { precision: u8, scale: i8 },
    Real,
    Text,
    Boolean,
    Date,
    Time,
    TimestampLtz,
    TimestampNtz,
    TimestampTz,
    Binary,
    Variant,
    Object,
    Array,
}

impl Kind {
    /// `NUMBER(38,0)`.
    pub const NUMBER: Self = Self::Fixed { precision: 38, scale: 0 };

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed { .. } => "fixed",
            Self::Real => "real",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::TimestampLtz => "timestamp_ltz",
            Self::TimestampNtz => "timestamp_ntz",
            Self::TimestampTz => "timestamp_tz",
            Self::Binary => "binary",
            Self::Variant => "variant",
            Self::Object => "object",
            Self::Array => "array",
        }
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
}

impl Column {
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, nullable: true }
    }

    /// The entry of `rowType`.
    pub(crate) fn describe(&self) -> Value {
        let (precision, scale) = match self.kind {
            Kind::Fixed { precision, scale } => (Some(precision), Some(scale)),
            Kind::Time | Kind::TimestampLtz | Kind::TimestampNtz | Kind::TimestampTz => (Some(0), Some(9)),
            _ => (None, None),
        };
        let length = match self.kind {
            Kind::Text => Some(16_777_216),
            Kind::Binary => Some(8_388_608),
            _ => None,
        };
        json!({
            "name": self.name, "database": "", "schema": "", "table": "", "type": self.kind.name(),
            "length": length, "byteLength": length, "precision": precision, "scale": scale,
            "nullable": self.nullable, "collation": null,
        })
    }
}

/// A piece of a result: the JSON array of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) rows: usize,
    pub(crate) json: Bytes,
}

/// A finished result.
#[derive(Clone, Debug)]
pub(crate) struct ResultSet {
    pub(crate) columns: Vec<Column>,
    pub(crate) partitions: Vec<Partition>,
    /// The SQL API names DML counts here; nothing else has them.
    pub(crate) status: bool,
}

impl ResultSet {
    pub(crate) fn rows(&self) -> usize {
        self.partitions.iter().map(|partition| partition.rows).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.partitions.iter().map(|partition| partition.json.len()).sum()
    }

    /// A small result of texts.
    pub(crate) fn table(columns: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let columns = columns.iter().map(|name| Column::new(name, Kind::Text)).collect();
        Self::of(columns, rows)
    }

    pub(crate) fn of(columns: Vec<Column>, rows: Vec<Vec<Option<String>>>) -> Self {
        let mut builder = Builder::new(columns, usize::MAX);
        for row in rows {
            for cell in row {
                builder.cell(cell.as_deref());
            }
            builder.end_row();
        }
        builder.finish()
    }

    /// What DDL answers.
    pub(crate) fn status(message: String) -> Self {
        let mut result = Self::table(&["status"], vec![vec![Some(message)]]);
        result.status = true;
        result
    }

    pub(crate) fn row_type(&self) -> Vec<Value> {
        self.columns.iter().map(Column::describe).collect()
    }

    pub(crate) fn partition_info(&self) -> Vec<Value> {
        self.partitions
            .iter()
            .enumerate()
            .map(|(number, partition)| {
                let size = partition.json.len();
                if number == 0 {
                    json!({"rowCount": partition.rows, "uncompressedSize": size})
                } else {
                    json!({"rowCount": partition.rows, "uncompressedSize": size, "compressedSize": size / 4 + 1})
                }
            })
            .collect()
    }
}

/// Writes rows cell by cell, cutting partitions at a number of rows.
pub(crate) struct Builder {
    columns: Vec<Column>,
    limit: usize,
    partitions: Vec<Partition>,
    json: Vec<u8>,
    rows: usize,
    in_row: bool,
}

impl Builder {
    pub(crate) fn new(columns: Vec<Column>, limit: usize) -> Self {
        Self { columns, limit: limit.max(1), partitions: Vec::new(), json: vec![b'['], rows: 0, in_row: false }
    }

    pub(crate) fn cell(&mut self, text: Option<&str>) {
        match text {
            None => self.raw(b"null"),
            Some(text) => {
                self.open();
                serde_json::to_writer(&mut self.json, text).expect("a vector takes everything");
            }
        }
    }

    /// A cell whose text needs no escaping.
    pub(crate) fn plain(&mut self, text: &[u8]) {
        self.open();
        self.json.push(b'"');
        self.json.extend_from_slice(text);
        self.json.push(b'"');
    }

    pub(crate) fn null(&mut self) {
        self.raw(b"null");
    }

    fn raw(&mut self, json: &[u8]) {
        self.open();
        self.json.extend_from_slice(json);
    }

    fn open(&mut self) {
        if self.in_row {
            self.json.push(b',');
            return;
        }
        if self.rows > 0 {
            self.json.push(b',');
        }
        self.json.push(b'[');
        self.in_row = true;
    }

    pub(crate) fn end_row(&mut self) {
        if !self.in_row {
            self.json.extend_from_slice(if self.rows > 0 { b",[" } else { b"[" });
        }
        self.json.push(b']');
        self.in_row = false;
        self.rows += 1;
        if self.rows >= self.limit {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.json.push(b']');
        let json = Bytes::from(std::mem::replace(&mut self.json, vec![b'[']));
        self.partitions.push(Partition { rows: std::mem::take(&mut self.rows), json });
    }

    pub(crate) fn finish(mut self) -> ResultSet {
        if self.rows > 0 || self.partitions.is_empty() {
            self.cut();
        }
        ResultSet { columns: self.columns, partitions: self.partitions, status: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_partitions_that_hold_them_all() {
        let mut builder = Builder::new(vec![Column::new("A", Kind::Text), Column::new("B", Kind::Text)], 2);
        for number in 0..5 {
            builder.cell(Some(&format!("\"{number}")));
            builder.null();
            builder.end_row();
        }
        let result = builder.finish();
        assert_eq!(result.rows(), 5);
        let texts: Vec<&str> =
            result.partitions.iter().map(|partition| std::str::from_utf8(&partition.json).unwrap()).collect();
        assert_eq!(texts, [r#"[["\"0",null],["\"1",null]]"#, r#"[["\"2",null],["\"3",null]]"#, r#"[["\"4",null]]"#]);
        assert_eq!(ResultSet::of(Vec::new(), Vec::new()).partitions[0].json.as_ref(), b"[]");
    }
}
