//! The rows of all views, in the order of each view's cursor, each with the time from which it can be seen.
//!
//! A row that changes later is two entries: the first ends where the second begins. A scan is given the bounds that the
//! statement puts on the cursor and looks at nothing else: months of rows stay cheap to poll.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use serde_json::{Map, Value};

use super::catalog;
use super::cell::{Cell, instant};
use super::frame::{Filling, schema};
use crate::results::{Column, Kind};

/// Micros between which the cursor must lie, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Bounds {
    pub(crate) const ALL: Self = Self { from: i64::MIN, to: i64::MAX };
    pub(crate) const NONE: Self = Self { from: i64::MAX, to: i64::MIN };
}

/// Rows that are made when they are looked at.
pub(crate) trait Rows: Send + Sync {
    /// Adds what can be seen at `now` within the bounds; gives how many rows that was.
    fn fill(&self, now: i64, bounds: Bounds, columns: &[Column], fillings: &mut [Filling]) -> usize;
}

/// Names a row that was put in, so that it can be revised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowId(u64);

#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    /// Cursor; `i64::MIN` when the row has none yet.
    at: i64,
    from: i64,
    until: i64,
    row: Arc<Map<String, Value>>,
}

/// One view's rows.
struct Table {
    columns: Vec<Column>,
    cursor: Option<String>,
    entries: Vec<Entry>,
    sorted: bool,
    made: Vec<Arc<dyn Rows>>,
}

/// All rows, by view: the plain name within `ACCOUNT_USAGE`, the full name elsewhere.
#[derive(Default)]
pub(crate) struct Store {
    tables: HashMap<String, Table>,
    next: u64,
}

impl Store {
    /// A view outside SNOWFLAKE with columns of its own; rows that it had are gone.
    pub(crate) fn define(&mut self, name: &str, columns: Vec<Column>, cursor: Option<&str>) {
        let cursor = cursor.map(str::to_owned);
        self.tables
            .insert(name.to_owned(), Table { columns, cursor, entries: Vec::new(), sorted: true, made: Vec::new() });
    }

    fn table(&mut self, name: &str) -> Result<&mut Table, String> {
        if !self.tables.contains_key(name) {
            let view = catalog::find(name).ok_or_else(|| format!("there is no view {name}"))?;
            self.define(name, view.columns.clone(), Some(view.cursor));
        }
        Ok(self.tables.get_mut(name).expect("it was just made"))
    }

    pub(crate) fn columns(&self, name: &str) -> Option<&[Column]> {
        match self.tables.get(name) {
            Some(table) => Some(&table.columns),
            None => catalog::find(name).map(|view| view.columns.as_slice()),
        }
    }

    pub(crate) fn cursor(&self, name: &str) -> Option<&str> {
        match self.tables.get(name) {
            Some(table) => table.cursor.as_deref(),
            None => catalog::find(name).map(|view| view.cursor),
        }
    }

    /// Puts a row in, to be seen from `from` on. Each cell is checked against its column.
    pub(crate) fn insert(&mut self, view: &str, row: &Value, from: i64) -> Result<RowId, String> {
        self.next += 1;
        let id = self.next;
        self.put(view, id, row, from)?;
        Ok(RowId(id))
    }

    /// From `from` on the row looks like this.
    pub(crate) fn revise(&mut self, view: &str, id: RowId, row: &Value, from: i64) -> Result<(), String> {
        let table = self.table(view)?;
        let last = table.entries.iter().rposition(|entry| entry.id == id.0 && entry.until == i64::MAX);
        let last = last.ok_or_else(|| format!("{view} has no such row"))?;
        self.put(view, id.0, row, from)?;
        let table = self.table(view)?;
        table.entries[last].until = from;
        Ok(())
    }

    fn put(&mut self, view: &str, id: u64, row: &Value, from: i64) -> Result<(), String> {
        let table = self.table(view)?;
        let Value::Object(object) = row else { return Err(format!("a row of {view} is an object, not {row}")) };
        let mut named = Map::new();
        for (name, value) in object {
            let column = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            let column = column.ok_or_else(|| format!("{view} has no column {name}"))?;
            Cell::of(value, column.kind).map_err(|fault| format!("{view}.{}: {fault}", column.name))?;
            named.insert(column.name.clone(), value.clone());
        }
        let at = table.cursor.as_ref().and_then(|cursor| named.get(cursor)).and_then(Value::as_str).and_then(instant);
        let at = at.map_or(i64::MIN, |nanos| nanos.div_euclid(1_000));
        table.sorted &= table.entries.last().is_none_or(|last| last.at <= at);
        table.entries.push(Entry { id, at, from, until: i64::MAX, row: Arc::new(named) });
        Ok(())
    }

    pub(crate) fn add_made(&mut self, view: &str, rows: Arc<dyn Rows>) -> Result<(), String> {
        self.table(view)?.made.push(rows);
        Ok(())
    }

    /// Takes all rows of a view away.
    pub(crate) fn clear(&mut self, view: &str) {
        if let Some(table) = self.tables.get_mut(view) {
            table.entries.clear();
            table.made.clear();
        }
    }

    /// Rows put in by hand that can be seen now, whole: for views that are completed from the account.
    pub(crate) fn seen(&self, view: &str, now: i64) -> Vec<Arc<Map<String, Value>>> {
        let Some(table) = self.tables.get(view) else { return Vec::new() };
        let seen = table.entries.iter().filter(|entry| entry.from <= now && now < entry.until);
        seen.map(|entry| Arc::clone(&entry.row)).collect()
    }

    pub(crate) fn is_sorted(&self, view: &str) -> bool {
        self.tables.get(view).is_none_or(|table| table.sorted)
    }

    pub(crate) fn sort(&mut self, view: &str) {
        let Some(table) = self.tables.get_mut(view) else { return };
        if !table.sorted {
            table.entries.sort_by_key(|entry| entry.at);
            table.sorted = true;
        }
    }

    /// What can be seen at `now` within the bounds, of these columns; the view must be sorted.
    pub(crate) fn scan(&self, view: &str, now: i64, bounds: Bounds, columns: &[Column]) -> RecordBatch {
        let mut fillings: Vec<Filling> = columns.iter().map(|column| Filling::new(column.kind)).collect();
        let mut count = 0;
        if let Some(table) = self.tables.get(view) {
            let start = table.entries.partition_point(|entry| entry.at < bounds.from);
            let end = table.entries.partition_point(|entry| entry.at <= bounds.to);
            for entry in &table.entries[start.min(end)..end] {
                if entry.from > now || now >= entry.until {
                    continue;
                }
                push(&entry.row, columns, &mut fillings);
                count += 1;
            }
            for made in &table.made {
                count += made.fill(now, bounds, columns, &mut fillings);
            }
        }
        batch(columns, fillings, count)
    }
}

/// Rows that were put together elsewhere.
pub(crate) fn of_rows(rows: &[Arc<Map<String, Value>>], columns: &[Column]) -> RecordBatch {
    let mut fillings: Vec<Filling> = columns.iter().map(|column| Filling::new(column.kind)).collect();
    for row in rows {
        push(row, columns, &mut fillings);
    }
    batch(columns, fillings, rows.len())
}

fn push(row: &Map<String, Value>, columns: &[Column], fillings: &mut [Filling]) {
    for (column, filling) in columns.iter().zip(fillings) {
        let cell = match row.get(&column.name) {
            // SQL NULL and JSON null differ in a VARIANT, but a row that says null means SQL's.
            None | Some(Value::Null) => Cell::Null,
            Some(value) => match (column.kind, value) {
                (Kind::Variant | Kind::Object | Kind::Array, Value::String(text)) if column.kind != Kind::Variant => {
                    Cell::text(text)
                }
                _ => Cell::of(value, column.kind).unwrap_or(Cell::Null),
            },
        };
        filling.push(cell);
    }
}

fn batch(columns: &[Column], fillings: Vec<Filling>, count: usize) -> RecordBatch {
    let arrays = fillings.into_iter().map(Filling::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(schema(columns), arrays, &options).expect("each filling is of its column's type")
}
