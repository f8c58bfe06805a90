//! How answers look: tables on a terminal, JSON for machines. Machine output goes to stdout, talk to stderr.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use clap::ValueEnum;

/// Forms of a command's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people.
    Table,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180, with a header line.
    Csv,
}

/// A row of cells as JSON texts, e.g. `"a"`, `1`, `null`.
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<serde_json::Value>>,
}

/// Columns wider than this are cut on a terminal.
const MAX_CELL: usize = 60;

impl Rows {
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn print(&self, format: Format) -> Result<()> {
        let text = self.render(format, std::io::stdout().is_terminal());
        write_out(text.as_bytes())
    }

    /// `narrow` cuts wide cells, which only a person at a terminal wants.
    pub(crate) fn render(&self, format: Format, narrow: bool) -> String {
        match format {
            Format::Table => self.table(narrow),
            Format::Csv => self.csv(),
            Format::Json => {
                let objects: Vec<String> = self.rows.iter().map(|row| self.object(row)).collect();
                if objects.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", objects.join(",\n")) }
            }
            Format::Ndjson => self.rows.iter().map(|row| self.object(row) + "\n").collect(),
        }
    }

    fn object(&self, row: &[serde_json::Value]) -> String {
        let members = self.columns.iter().zip(row);
        let members: Vec<String> =
            members.map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str()))).collect();
        format!("{{{}}}", members.join(","))
    }

    fn table(&self, narrow: bool) -> String {
        let texts: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| for_people(cell, narrow)).collect()).collect();
        let width = |column: usize| {
            let cells = texts.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let right: Vec<bool> = (0..self.columns.len())
            .map(|column| {
                !self.rows.is_empty() && self.rows.iter().all(|row| row[column].is_number() || row[column].is_null())
            })
            .collect();
        let line = |cells: &[String]| {
            let mut line = String::new();
            for (n, cell) in cells.iter().enumerate() {
                let pad = " ".repeat(widths[n].saturating_sub(cell.chars().count()));
                let (before, after) = if right[n] { (pad.as_str(), "") } else { ("", pad.as_str()) };
                if n > 0 {
                    line.push_str("  ");
                }
                line.push_str(before);
                line.push_str(cell);
                line.push_str(after);
            }
            line.truncate(line.trim_end().len());
            line + "\n"
        };
        let rules: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        let mut text = line(&self.columns) + &line(&rules);
        text.extend(texts.iter().map(|row| line(row)));
        text
    }

    fn csv(&self) -> String {
        let line = |cells: Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
        let mut text = line(self.columns.clone());
        text.extend(self.rows.iter().map(|row| line(row.iter().map(plain).collect())));
        text
    }
}

fn plain(cell: &serde_json::Value) -> String {
    match cell {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Control characters are shown, not sent to the terminal: log data is hostile.
fn for_people(cell: &serde_json::Value, narrow: bool) -> String {
    let text: String = plain(cell).chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    if narrow && text.chars().count() > MAX_CELL {
        return text.chars().take(MAX_CELL - 1).chain(['…']).collect();
    }
    text
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// Writes to stdout; a reader that went away (`| head`) is no error.
pub(crate) fn write_out(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms() {
        let rows = Rows {
            columns: vec!["name".into(), "n".into()],
            rows: vec![vec![json!("a,\u{1b}\"b\""), json!(10)], vec![json!(null), json!(9)]],
        };
        assert_eq!(rows.render(Format::Table, true), "name     n\n──────  ──\na,·\"b\"  10\n         9\n");
        assert_eq!(rows.render(Format::Csv, false), "name,n\n\"a,\u{1b}\"\"b\"\"\",10\n,9\n");
        assert_eq!(
            rows.render(Format::Ndjson, false),
            "{\"name\":\"a,\\u001b\\\"b\\\"\",\"n\":10}\n{\"name\":null,\"n\":9}\n"
        );
    }
}
