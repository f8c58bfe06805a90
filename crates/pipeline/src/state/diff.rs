//! Two snapshots of a view compared: which objects are gained, lost and changed, and the records that say so.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};
use uncia_document::Document;
use uncia_model::{ColumnType, RowId, TableSchema};
use uncia_snowflake::decode::timestamp_text;
use uncia_snowflake::state::StateView;

/// Text of an instant up to the microsecond, as which the lake keeps it: `2026-11-21 09:00:00.123456`.
const MICROSECOND_TEXT: usize = 26;

/// A row of a snapshot: its columns without standard fields, nulls and empty lists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateRow {
    pub(crate) id: RowId,
    pub(crate) cells: Map<String, Value>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) before: Option<StateRow>,
    pub(crate) after: Option<StateRow>,
    /// The columns that differ, if it was there before and after.
    pub(crate) columns: Vec<String>,
}

/// Between which snapshots a change was seen, in microseconds of the server's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) before: i64,
    pub(crate) after: i64,
}

impl StateRow {
    /// Of a document in normal form, or of a row of the lake: the same row gives the same.
    pub(crate) fn of(id: RowId, document: &Document, schema: &TableSchema) -> Self {
        let mut cells: Map<String, Value> = serde_json::from_str(&document.to_json()).unwrap_or_default();
        // What is no column the lake keeps aside.
        let is_column = |name: &String| schema.columns.iter().any(|column| column.name == *name);
        cells.retain(|name, value| !name.starts_with("p_") && !is_nothing(value) && is_column(name));
        for column in schema.columns.iter().filter(|column| column.kind == ColumnType::Timestamp) {
            if let Some(Value::String(text)) = cells.get_mut(&column.name)
                && text.len() > MICROSECOND_TEXT
                && text.is_char_boundary(MICROSECOND_TEXT)
            {
                text.truncate(MICROSECOND_TEXT);
            }
        }
        Self { id, cells }
    }

    fn key(&self, view: &StateView) -> String {
        let cells: Vec<Option<&Value>> = view.key.iter().map(|column| self.cells.get(*column)).collect();
        json!(cells).to_string()
    }

    fn text(&self, column: &str) -> Option<&str> {
        self.cells.get(column).and_then(Value::as_str)
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// What changed, given the rows that only the older and only the newer snapshot has, and the columns that both have. A
/// change in nothing but columns that change by use is none.
pub(crate) fn changes(
    view: &StateView,
    gone: Vec<StateRow>,
    added: Vec<StateRow>,
    compared: &HashSet<String>,
) -> Vec<Change> {
    let mut before: BTreeMap<String, Vec<StateRow>> = BTreeMap::new();
    for row in gone {
        before.entry(row.key(view)).or_default().push(row);
    }
    let mut changes = Vec::new();
    for row in added {
        let paired = before.get_mut(&row.key(view)).and_then(Vec::pop);
        let Some(earlier) = paired else {
            changes.push(Change { before: None, after: Some(row), columns: Vec::new() });
            continue;
        };
        let columns = differing(&earlier, &row, compared);
        if columns.iter().any(|column| !view.volatile.contains(&column.as_str())) {
            changes.push(Change { before: Some(earlier), after: Some(row), columns });
        }
    }
    let lost = before.into_values().flatten();
    changes.extend(lost.map(|row| Change { before: Some(row), after: None, columns: Vec::new() }));
    changes
}

fn differing(before: &StateRow, after: &StateRow, compared: &HashSet<String>) -> Vec<String> {
    let names: BTreeSet<&String> = before.cells.keys().chain(after.cells.keys()).collect();
    let differs = |name: &&&String| before.cells.get(**name) != after.cells.get(**name) && compared.contains(**name);
    names.iter().filter(differs).map(|name| (*name).clone()).collect()
}

impl Change {
    /// The identity of the change: which row became which, behind the snapshot of that time.
    pub(crate) fn key(&self, before_micros: i64) -> String {
        let id = |row: &Option<StateRow>| row.as_ref().map_or_else(|| "-".to_owned(), |row| row.id.to_string());
        format!("{before_micros}:{}:{}", id(&self.before), id(&self.after))
    }

    /// The record that tells of it.
    pub(crate) fn record(&self, view: &StateView, seen: Seen) -> String {
        let Some(newest) = self.after.as_ref().or(self.before.as_ref()) else { return "{}".to_owned() };
        let side = |row: &Option<StateRow>| {
            let cells = &row.as_ref()?.cells;
            let whole = self.columns.is_empty();
            let of_side = cells.iter().filter(|(name, _)| whole || self.columns.contains(*name));
            Some(Value::Object(of_side.map(|(name, value)| (name.clone(), value.clone())).collect()))
        };
        let change = match (&self.before, &self.after) {
            (None, _) => "gained",
            (_, None) => "lost",
            _ => "changed",
        };
        let name: Vec<&str> = view.object_name.iter().filter_map(|column| newest.text(column)).collect();
        let time = |micros: i64| timestamp_text(i128::from(micros) * 1_000);
        let members = [
            ("OBSERVED_AT", time(seen.after).map(Value::from)),
            ("PREVIOUS_SNAPSHOT_AT", time(seen.before).map(Value::from)),
            ("OBJECT_TYPE", Some(view.object.into())),
            ("OBJECT_NAME", Some(name.join(".").into())),
            ("CHANGE", Some(change.into())),
            ("CHANGED_COLUMNS", (!self.columns.is_empty()).then(|| self.columns.clone().into())),
            ("BEFORE", side(&self.before)),
            ("AFTER", side(&self.after)),
            ("USER_NAME", view.user.and_then(|column| newest.text(column)).map(Value::from)),
            ("ROLE_NAME", view.role.and_then(|column| newest.text(column)).map(Value::from)),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(members.collect()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use uncia_snowflake::state::STATE_VIEWS;

    use super::*;

    fn view(name: &str) -> &'static StateView {
        STATE_VIEWS.iter().find(|view| view.name == name).unwrap()
    }

    fn row(cells: Value) -> StateRow {
        let id = RowId::of(&"s".into(), &cells.to_string(), 0, 0);
        StateRow { id, cells: cells.as_object().unwrap().clone() }
    }

    fn told(view: &StateView, gone: Vec<Value>, added: Vec<Value>, apart: &[&str]) -> Vec<Value> {
        let compared = view.wanted().filter(|name| !apart.contains(name)).map(str::to_owned).collect();
        let rows = |cells: Vec<Value>| cells.into_iter().map(row).collect();
        let changes = changes(view, rows(gone), rows(added), &compared);
        let seen = Seen { before: 1_700_000_000_000_000, after: 1_700_003_600_000_000 };
        changes.iter().map(|change| serde_json::from_str(&change.record(view, seen)).unwrap()).collect()
    }

    #[test]
    fn what_is_told() {
        let times = json!({"OBSERVED_AT": "2023-11-14 23:13:20.000000000 +0000", "PREVIOUS_SNAPSHOT_AT": "2023-11-14 22:13:20.000000000 +0000"});
        let with_times = |mut change: Value| {
            change.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
            change
        };
        let dana = |more: Value| {
            let mut cells = json!({"USER_ID": "7", "NAME": "DANA"});
            cells.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            cells
        };
        let users = view("USERS");
        let before = dana(json!({"HAS_MFA": true, "LAST_SUCCESS_LOGIN": "a"}));
        let after = dana(json!({"HAS_MFA": false, "LAST_SUCCESS_LOGIN": "b", "EMAIL": "d@x"}));
        let changed = json!({
            "OBJECT_TYPE": "USER", "OBJECT_NAME": "DANA", "CHANGE": "changed", "USER_NAME": "DANA",
            "CHANGED_COLUMNS": ["EMAIL", "HAS_MFA", "LAST_SUCCESS_LOGIN"],
            "BEFORE": {"HAS_MFA": true, "LAST_SUCCESS_LOGIN": "a"},
            "AFTER": {"EMAIL": "d@x", "HAS_MFA": false, "LAST_SUCCESS_LOGIN": "b"},
        });
        assert_eq!(told(users, vec![before.clone()], vec![after.clone()], &[]), [with_times(changed)]);
        let signed_in = dana(json!({"HAS_MFA": true, "LAST_SUCCESS_LOGIN": "b"}));
        assert!(told(users, vec![before.clone()], vec![signed_in], &[]).is_empty(), "signing in is no change");
        let new = &told(users, vec![before], vec![after], &["HAS_MFA", "EMAIL"]);
        assert!(new.is_empty(), "a column that nobody asked for before says nothing: {new:?}");
        let reused = json!({"USER_ID": "8", "NAME": "DANA"});
        let both = told(users, vec![dana(json!({}))], vec![reused], &[]);
        assert_eq!(both.iter().map(|change| &change["CHANGE"]).collect::<Vec<_>>(), ["gained", "lost"]);

        let grant = json!({"ROLE": "ACCOUNTADMIN", "GRANTEE_NAME": "DANA", "CREATED_ON": "t"});
        let gained = json!({
            "OBJECT_TYPE": "GRANT_TO_USER", "OBJECT_NAME": "DANA", "CHANGE": "gained", "AFTER": grant,
            "USER_NAME": "DANA", "ROLE_NAME": "ACCOUNTADMIN",
        });
        assert_eq!(told(view("GRANTS_TO_USERS"), vec![], vec![grant], &[]), [with_times(gained)]);
        let stage = json!({"STAGE_ID": "1", "STAGE_CATALOG": "DB", "STAGE_SCHEMA": "S", "STAGE_NAME": "OUT"});
        assert_eq!(told(view("STAGES"), vec![stage], vec![], &[])[0]["OBJECT_NAME"], "DB.S.OUT");
    }

    #[test]
    fn several_rows_of_one_key_are_paired_one_to_one() {
        let grant = |by: &str| json!({"PRIVILEGE": "USAGE", "GRANTEE_NAME": "R", "GRANT_OPTION": by});
        let view = view("GRANTS_TO_ROLES");
        let told = told(view, vec![grant("a"), grant("b")], vec![grant("c")], &[]);
        assert_eq!(told.iter().map(|change| &change["CHANGE"]).collect::<Vec<_>>(), ["changed", "lost"]);
    }
}
