//! Samples that are rows with a header line: comma-separated and its kin.

use serde_json::{Value as Json, json};

/// How rows are cut into cells, and what the cells are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFormat {
    delimiter: u8,
    columns: Vec<String>,
}

impl RowFormat {
    /// Reads a header line: the sign that cuts it into the most names, if they are names.
    #[must_use]
    pub fn of_header(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_start_matches('\u{feff}');
        let count = |delimiter: &u8| line.bytes().filter(|b| b == delimiter).count();
        let delimiter = *b",\t;|".iter().rev().max_by_key(|delimiter| count(delimiter))?;
        let columns: Vec<String> =
            cells(delimiter, line.as_bytes())?.iter().map(|cell| cell.trim().to_owned()).collect();
        let is_name = |column: &String| {
            column.len() <= 200 && column.chars().any(char::is_alphabetic) && !column.contains(['{', '}', '<', '>'])
        };
        let are_names = columns.len() > 1 && columns.iter().all(is_name);
        let is_unique = |place: usize| !columns[..place].contains(&columns[place]);
        (are_names && (0..columns.len()).all(is_unique)).then_some(Self { delimiter, columns })
    }

    /// A row's cells with their columns; `None` if it is no row of this form.
    #[must_use]
    pub fn row(&self, line: &[u8]) -> Option<Vec<(&str, String)>> {
        let cells = cells(self.delimiter, line)?;
        (cells.len() == self.columns.len()).then(|| self.columns.iter().map(String::as_str).zip(cells).collect())
    }

    /// The `parser` of a schema that reads such rows.
    pub(super) fn parser(&self) -> Json {
        json!({"csv": {"delimiter": char::from(self.delimiter).to_string(), "hasHeader": true, "emptyValues": [""]}})
    }
}

fn cells(delimiter: u8, line: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(line);
    let mut record = csv::StringRecord::new();
    let has_row = reader.read_record(&mut record).ok()?;
    has_row.then(|| record.iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (line, columns) in [
            ("time,user,src ip", Some(3)),
            ("time\tuser, name", Some(2)),
            ("\u{feff}a;b", Some(2)),
            ("one", None),
            ("a,a", None),
            ("1,2", None),
            ("{\"a\": 1, \"b\": 2}", None),
        ] {
            assert_eq!(RowFormat::of_header(line.as_bytes()).map(|format| format.columns.len()), columns, "{line}");
        }
        let format = RowFormat::of_header(b"a,b").unwrap();
        assert_eq!(format.row(b"1,\"x, \"\"y\"\"\"").unwrap(), [("a", "1".to_owned()), ("b", "x, \"y\"".to_owned())]);
        assert_eq!(format.row(b"1"), None);
    }
}
