//! Lookup tables from files: CSV whose cells are what a schema says, and JSON objects, one a line.

use serde_json::{Map, Value};
use uncia_model::{ColumnType, TableSchema};

use crate::table::{Case, LookupTable, TableBuilder, TableFull};

/// Where a table comes from.
#[derive(Clone, Copy, Debug)]
pub struct TableFile<'a> {
    /// Of the table.
    pub name: &'a str,
    /// Of the file; its ending says what it holds.
    pub file: &'a str,
    pub text: &'a str,
    /// The column that values are compared with.
    pub key: &'a str,
    /// What the cells of a CSV file are; texts, if nothing is known.
    pub schema: Option<&'a TableSchema>,
}

/// A file that cannot be a lookup table.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{file}: is neither .csv nor .json, .jsonl or .ndjson")]
    Ending { file: String },
    #[error("{file}, line {line}: {reason}")]
    Line { file: String, line: u64, reason: String },
    #[error("{file}: no row has the key `{key}`")]
    Key { file: String, key: String },
    #[error(transparent)]
    Full(#[from] TableFull),
}

impl TableFile<'_> {
    /// Reads the table. Values are compared as they are written; rows without the key are left out.
    pub fn read(&self, most_bytes: usize) -> Result<LookupTable, FileError> {
        let mut builder = TableBuilder::new(self.name, Case::Exact, most_bytes);
        let ending = self.file.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending {
            "csv" => self.csv(&mut builder)?,
            "json" | "jsonl" | "ndjson" => self.lines(&mut builder)?,
            _ => return Err(FileError::Ending { file: self.file.to_owned() }),
        }
        let table = builder.finish();
        if table.rows() == 0 && !self.text.trim().is_empty() {
            return Err(FileError::Key { file: self.file.to_owned(), key: self.key.to_owned() });
        }
        Ok(table)
    }

    fn csv(&self, builder: &mut TableBuilder) -> Result<(), FileError> {
        let mut reader = csv::Reader::from_reader(self.text.as_bytes());
        let failed = |error: &csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            self.line(line, error.to_string())
        };
        let names = reader.headers().map_err(|error| failed(&error))?.clone();
        for record in reader.records() {
            let record = record.map_err(|error| failed(&error))?;
            let cells = names.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
            let row = cells.map(|(name, cell)| (name.to_owned(), self.cell(name, cell)));
            self.add(row.collect(), builder)?;
        }
        Ok(())
    }

    fn lines(&self, builder: &mut TableBuilder) -> Result<(), FileError> {
        for (number, line) in (1..).zip(self.text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let row = serde_json::from_str::<Map<String, Value>>(line);
            self.add(row.map_err(|error| self.line(number, error.to_string()))?, builder)?;
        }
        Ok(())
    }

    fn line(&self, line: u64, reason: String) -> FileError {
        FileError::Line { file: self.file.to_owned(), line, reason }
    }

    /// A cell that is not what its column says stays a text.
    fn cell(&self, name: &str, cell: &str) -> Value {
        let columns = self.schema.map(|schema| schema.columns.as_slice()).unwrap_or_default();
        let kind = columns.iter().find(|column| column.name == name).map(|column| &column.kind);
        let read = match kind {
            None | Some(ColumnType::String | ColumnType::Timestamp) => None,
            Some(_) => serde_json::from_str(cell).ok(),
        };
        read.unwrap_or_else(|| cell.into())
    }

    fn add(&self, row: Map<String, Value>, builder: &mut TableBuilder) -> Result<(), FileError> {
        let keys: Vec<String> = match row.get(self.key) {
            None | Some(Value::Null | Value::Object(_)) => return Ok(()),
            Some(Value::Array(items)) => items.iter().map(text).collect(),
            Some(value) => vec![text(value)],
        };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Ok(builder.add_last(&keys, &Value::Object(row).to_string())?)
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use uncia_model::Column;

    use super::*;

    fn read(file: &str, text: &str, key: &str) -> Result<LookupTable, FileError> {
        let columns = vec![Column::new("port", ColumnType::Int), Column::new("ok", ColumnType::Bool)];
        let schema = TableSchema { columns, description: String::new() };
        TableFile { name: "hosts", file, text, key, schema: Some(&schema) }.read(10_000)
    }

    #[test]
    fn rows_of_files() {
        let csv = "ip,name,port,ok\n10.0.0.0/8,\"in, side\",22,true\n192.0.2.7,out,x,\n,nobody,,\n\
                   192.0.2.7,later,443,false\n";
        let table = read("./hosts.csv", csv, "ip").unwrap();
        let row = |key| {
            let rows: Vec<Value> = table.get(key).map(|row| serde_json::from_str(row).unwrap()).collect();
            serde_json::json!(rows)
        };
        let inside = serde_json::json!([{"ip": "10.0.0.0/8", "name": "in, side", "port": 22, "ok": true}]);
        assert_eq!(row("10.9.9.9"), inside);
        let later = serde_json::json!([{"ip": "192.0.2.7", "name": "later", "port": 443, "ok": false}]);
        assert_eq!(row("192.0.2.7"), later);
        let lines = "{\"id\":[\"a\",7],\"x\":{\"y\":1}}\n\n{\"id\":null}\n";
        let table = read("hosts.jsonl", lines, "id").unwrap();
        assert_eq!(table.get("7").collect::<Vec<_>>(), table.get("a").collect::<Vec<_>>());
        assert_eq!(table.rows(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (file, text, key, expected) in [
            ("a.txt", "x", "x", "a.txt: is neither .csv nor .json, .jsonl or .ndjson"),
            ("a.jsonl", "{\"x\":1}\n[1]\n", "x", "a.jsonl, line 2: "),
            ("a.csv", "a,b\n1\n", "a", "a.csv, line 2: "),
            ("a.csv", "a,b\n1,2\n", "c", "a.csv: no row has the key `c`"),
        ] {
            let error = read(file, text, key).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
